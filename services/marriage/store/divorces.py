"""Divorces: what one rests on, and which of them the calendar goes on with."""

import dataclasses
import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, bindparam, func, select, update

from services.marriage.rules.divorce import Divorce, State, Terms
from services.marriage.rules.registration import Hold
from services.marriage.store.tables import divorces, spouses
from shared.calendar import ONE_DAY, Deadline, RestDays
from shared.outbox import Work

Json = dict[str, Any]
DAY = datetime.date.fromisoformat


@dataclass(frozen=True, slots=True)
class Known:
    """What was heard of the marriage.

    `found`: contracts.marriage_parts.Found, None while the holder has not answered; `fault`: why nobody can be asked;
    `refusal`: why the holder did not end it. Both are contracts.case.Reason. `first_no`: under which the holder has the
    marriage, where another node told us so.
    """

    found: Mapping[str, Any] | None = None
    fault: Mapping[str, str] | None = None
    refusal: Mapping[str, str] | None = None
    first_no: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A divorce with what it rests on."""

    case_id: str
    leg_no: int
    office: str
    division: str
    holder: str
    version: int
    divorce: Divorce
    case_facts: Mapping[str, Any]
    personal: Mapping[str, Any] = field(repr=False)
    hold: Hold = Hold.NONE
    attempt: str = ""
    ending: bool = False
    certificate_no: str = ""
    known: Known = Known()
    acts: tuple[Json, ...] = ()
    waits_for: tuple[str, ...] = ()
    ask_office: Mapping[str, Any] | None = None


PLAIN = ("case_id", "leg_no", "office", "division", "holder", "version", "attempt", "ending", "certificate_no")
FIND = select(divorces).where(divorces.c.case_id == bindparam("of_case")).with_for_update()
CHANGE = update(divorces).where(divorces.c.case_id == bindparam("of_case"))


def _kept(row: Row[Any]) -> Kept:
    return Kept(
        **{name: getattr(row, name) for name in PLAIN},
        divorce=_divorce(row),
        hold=Hold(row.hold),
        case_facts=row.case_facts,
        personal=row.personal,
        known=Known(**row.known),
        acts=tuple(row.acts),
        waits_for=tuple(row.waits_for),
        ask_office=row.ask_office,
    )


def _divorce(row: Row[Any]) -> Divorce:
    course, days = row.course, ("receipt_on", "signed_on", "ended_on")
    return Divorce(
        office=row.office,
        applied_on=DAY(course["applied_on"]),
        rest_days=RestDays(course["rest_days"]),
        state=State(row.state),
        terms=Terms(*(Deadline(DAY(day), sure) for day, sure in course["terms"])) if course["terms"] else None,
        withdrawn_by=course["withdrawn_by"],
        **{name: DAY(course[name]) if course[name] else None for name in days},
    )


def _course(now: Divorce) -> Json:
    terms = (now.terms.cooling, now.terms.window) if now.terms else ()
    return {
        "applied_on": now.applied_on.isoformat(),
        "rest_days": str(now.rest_days),
        "receipt_on": now.receipt_on.isoformat() if now.receipt_on else "",
        "terms": [[end.date.isoformat(), end.provisional] for end in terms],
        "withdrawn_by": now.withdrawn_by,
        "signed_on": now.signed_on.isoformat() if now.signed_on else "",
        "ended_on": now.ended_on.isoformat() if now.ended_on else "",
    }


def _wake_on(kept: Kept) -> datetime.date | None:
    """The day on which the calendar makes something of the case; today, and then every day, while its dates are provisional."""
    now = kept.divorce
    if (
        kept.ending
        or now.signed_on
        or now.terms is None
        or now.state not in (State.COOLING, State.AWAITING_CERTIFICATE)
    ):
        return None
    if now.terms.window.provisional:
        return now.receipt_on
    return (now.terms.cooling if now.state is State.COOLING else now.terms.window).date + ONE_DAY


def _values(kept: Kept) -> Json:
    """All that changes while a case goes on."""
    return {name: getattr(kept, name) for name in PLAIN[4:]} | {
        "state": str(kept.divorce.state),
        "course": _course(kept.divorce),
        "wake_on": _wake_on(kept),
        "hold": str(kept.hold),
        "known": dataclasses.asdict(kept.known),
        "acts": list(kept.acts),
        "waits_for": list(kept.waits_for),
        "ask_office": None if kept.ask_office is None else dict(kept.ask_office),
    }


def open_divorce(work: Work, kept: Kept) -> bool:
    """Keep a new case; False when it is known already."""
    row = {name: getattr(kept, name) for name in PLAIN} | _values(kept)
    row |= {"case_facts": dict(kept.case_facts), "personal": dict(kept.personal), "decision": None}
    return work.insert_once(divorces, row)


def find_divorce(work: Work, case_id: str) -> Kept | None:
    """A case, locked until the transaction ends."""
    row = work.execute(FIND, {"of_case": case_id}).first()
    return _kept(row) if row else None


def save_divorce(work: Work, kept: Kept, decision: Json | None = None) -> None:
    """Write back a case that this transaction has locked; `decision`: what it was decided on."""
    also = {} if decision is None else {"decision": decision}
    work.write(CHANGE, {"of_case": kept.case_id} | _values(kept) | also)


def wake_on(work: Work, case_id: str, on: datetime.date) -> None:
    """The calendar goes on with it on that day, not before."""
    work.write(update(divorces).where(divorces.c.case_id == case_id).values(wake_on=on))


def list_due(work: Work, on: datetime.date, limit: int) -> list[str]:
    """Cases with which the calendar goes on by that day; any of them, so that none waits behind one that fails."""
    due = select(divorces.c.case_id).where(divorces.c.wake_on <= on)
    return list(work.execute(due.order_by(func.random()).limit(limit)).scalars())


def list_registered(work: Work, person: str) -> list[Kept]:
    """The divorces of a person that were registered here."""
    mine = select(divorces).join(spouses, spouses.c.marriage_id == divorces.c.case_id)
    rows = work.execute(mine.where(spouses.c.person_index == person).order_by(divorces.c.case_id))
    return [_kept(row) for row in rows]
