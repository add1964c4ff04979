"""Applications: what one rests on, and which of them the timers go on with."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, func, select, update

from services.marriage.rules.registration import OPEN, Hold, Registration, State
from services.marriage.store.tables import applications, withdrawals
from shared.outbox import Work

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """What was heard of the two persons, in the order of the application.

    `standings`: per person, what each source says of a spouse (rules.eligibility); `heard` and `kinship`: what the
    registrar heard at 审查 (contracts.marriage_parts.Examination); `fault`: why the rules cannot even begin.
    """

    standings: tuple[Mapping[str, str], ...] = ({}, {})
    heard: tuple[Mapping[str, Any], ...] = ()
    kinship: str = ""
    fault: Mapping[str, str] | None = None

    def with_standings(self, source: str, said: Mapping[int, str]) -> "Known":
        """The same with what a source says of the persons at these places."""
        now = (
            old | {source: said[place]} if place in said else old for place, old in enumerate(map(dict, self.standings))
        )
        return dataclasses.replace(self, standings=tuple(now))

    def without(self, source: str) -> "Known":
        """The same without what a source said."""
        now = ({name: said for name, said in old.items() if name != source} for old in self.standings)
        return dataclasses.replace(self, standings=tuple(now))


@dataclass(frozen=True, slots=True)
class Kept:
    """An application with what it rests on."""

    case_id: str
    leg_no: int
    office: str
    division: str
    registration: Registration
    version: int
    case_facts: Mapping[str, Any]
    personal: Mapping[str, Any]
    known: Known = Known()
    acts: tuple[Json, ...] = ()
    waits_for: tuple[str, ...] = ()
    ask_office: Mapping[str, Any] | None = None
    held_until: str = ""
    renewed: bool = False
    wake_at: str = ""
    retry_until: str = ""


PLAIN = ("case_id", "leg_no", "office", "division", "version", "held_until", "renewed", "wake_at", "retry_until")
FIND = select(applications).where(applications.c.case_id == bindparam("of_case")).with_for_update()
WITHDRAWN = select(withdrawals.c.leg_no).where(
    withdrawals.c.case_id == bindparam("of_case"), withdrawals.c.leg_no == bindparam("of_leg")
)
CHANGE = update(applications).where(applications.c.case_id == bindparam("of_case"))


def _kept(row: Row[Any]) -> Kept:
    known = row.known | {"standings": tuple(row.known["standings"]), "heard": tuple(row.known["heard"])}
    return Kept(
        **{name: getattr(row, name) for name in PLAIN},
        registration=Registration(State(row.state), Hold(row.hold), row.attempt, row.cleared),
        case_facts=row.case_facts,
        personal=row.personal,
        known=Known(**known),
        acts=tuple(row.acts),
        waits_for=tuple(row.waits_for),
        ask_office=row.ask_office,
    )


def _moving(kept: Kept) -> Json:
    """What changes while an application goes on."""
    now = kept.registration
    return {name: getattr(kept, name) for name in PLAIN[4:]} | {
        "state": str(now.state),
        "hold": str(now.hold),
        "attempt": now.attempt,
        "cleared": now.cleared,
        "known": dataclasses.asdict(kept.known),
        "acts": list(kept.acts),
        "waits_for": list(kept.waits_for),
        "ask_office": None if kept.ask_office is None else dict(kept.ask_office),
    }


def open_application(work: Work, kept: Kept) -> bool:
    """Keep a new application; False when the case is known already."""
    row = {name: getattr(kept, name) for name in PLAIN} | _moving(kept)
    row |= {"case_facts": dict(kept.case_facts), "personal": dict(kept.personal), "decision": None}
    return work.insert_once(applications, row)


def find_application(work: Work, case_id: str) -> Kept | None:
    """The application of a case, locked until the transaction ends."""
    row = work.execute(FIND, {"of_case": case_id}).first()
    return _kept(row) if row else None


def save_application(work: Work, kept: Kept, decision: Json | None = None) -> None:
    """Write back an application that this transaction has locked; `decision`: what it was decided on."""
    also = {} if decision is None else {"decision": decision}
    work.write(CHANGE, {"of_case": kept.case_id} | _moving(kept) | also)


def list_open(work: Work) -> list[tuple[str, Json]]:
    """Open applications, each with its parties (contracts.case.Parties); not locked."""
    still = select(applications.c.case_id, applications.c.personal).where(applications.c.state.in_(OPEN))
    return [(row.case_id, row.personal) for row in work.execute(still)]


def list_due(work: Work, at: str, limit: int) -> list[str]:
    """Cases a timer was to go on with by then; any of them, so that none waits behind one that fails."""
    due = (applications.c.wake_at != "") & (applications.c.wake_at <= at)
    return _any_of(work, due, limit)


def list_uncleared(work: Work, limit: int) -> list[str]:
    """Cases whose registrar has signed, and of whose persons the national registry has not said "none"."""
    signed = (applications.c.state == State.REGISTERING) & (applications.c.hold != Hold.NONE)
    return _any_of(work, signed & applications.c.cleared.is_(False), limit)


def list_running_out(work: Work, at: str, limit: int) -> list[str]:
    """Open cases with a lease, not yet renewed, that ends by then."""
    held = applications.c.state.in_(OPEN) & (applications.c.hold == Hold.HELD) & applications.c.renewed.is_(False)
    return _any_of(work, held & (applications.c.held_until <= at), limit)


def _any_of(work: Work, which: Any, limit: int) -> list[str]:
    found = select(applications.c.case_id).where(which).order_by(func.random()).limit(limit)
    return list(work.execute(found).scalars())


def keep_withdrawal(work: Work, case_id: str, leg_no: int) -> None:
    """A withdrawal has overtaken the application it is about."""
    work.insert_once(withdrawals, {"case_id": case_id, "leg_no": leg_no})


def was_withdrawn(work: Work, case_id: str, leg_no: int) -> bool:
    """Whether its withdrawal came before the application itself."""
    return work.execute(WITHDRAWN, {"of_case": case_id, "of_leg": leg_no}).first() is not None
