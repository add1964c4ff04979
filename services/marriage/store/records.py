"""Marriages as the law of records sees them, whom they are of, and who wants to hear of their end."""

import datetime
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, bindparam, func, select, update

from services.marriage.rules.endings import Ground, Standing
from services.marriage.rules.records import Entry, Origin, Record
from services.marriage.store import reports
from services.marriage.store.tables import endings, marriages, restorations, spouses, watchers
from shared.outbox import Work

Json = dict[str, Any]
OF_PERSON = (
    select(marriages)
    .join(spouses, spouses.c.marriage_id == marriages.c.marriage_id)
    .where(spouses.c.person_index == bindparam("of_person"))
    .order_by(marriages.c.marriage_id)
    .with_for_update(of=marriages)
)
OF_MARRIAGE = select(marriages).where(marriages.c.marriage_id == bindparam("of_marriage")).with_for_update()
SAVE = update(marriages).where(marriages.c.marriage_id == bindparam("of_marriage"))
SET_LIVE = update(spouses).where(spouses.c.marriage_id == bindparam("of_marriage"))
DAY = datetime.date.fromisoformat


@dataclass(frozen=True, slots=True)
class Held:
    """A marriage that this node holds: its record, its claims, its persons as they stand in it."""

    marriage_id: str
    office: str  # which registered it
    attempt: str
    claims_case: str  # under which its claims were reserved
    persons: tuple[Mapping[str, Any], ...] = field(repr=False)  # contracts.case.Party
    record: Record


@dataclass(frozen=True, slots=True)
class Restoration:
    """A marriage that is to come back: for whom, under which attempt, and on which document."""

    request_id: str
    marriage_id: str
    node: str
    attempt: str
    state: str
    wish: Json = field(repr=False)


def _held(row: Row[Any]) -> Held:
    return Held(row.marriage_id, row.office, row.attempt, row.claims_case, tuple(row.parties), _record(row))


def _record(row: Row[Any]) -> Record:
    archive = row.archive
    dates = {name: DAY(archive[name]) for name in ("ended_on", "conditions_met_on") if archive.get(name)}
    history = tuple(Entry(**entry | {"on": DAY(entry["on"])}) for entry in archive["history"])
    return Record(
        number=row.certificate_no,
        registered_on=row.registered_on,
        origin=Origin(archive["origin"]),
        facts=archive.get("facts", {}),
        history=history,
        certificates=tuple(archive["certificates"]),
        standing=Standing(row.state),
        ground=Ground(archive["ground"]) if archive.get("ground") else None,
        **dates,
    )


def archive_of(record: Record) -> Json:
    """What of a record is kept sealed."""
    return {
        "origin": str(record.origin),
        "facts": dict(record.facts),
        "history": [_entry(entry) for entry in record.history],
        "certificates": list(record.certificates),
        "ground": str(record.ground or ""),
        "ended_on": _iso(record.ended_on),
        "conditions_met_on": _iso(record.conditions_met_on),
    }


def _entry(entry: Entry) -> Json:
    before = None if entry.before is None else dict(entry.before)
    plain = {"what": entry.what, "basis": entry.basis, "document": entry.document, "before": before}
    return plain | {"on": entry.on.isoformat()}


def _iso(day: datetime.date | None) -> str:
    return day.isoformat() if day else ""


def list_of_person(work: Work, person: str) -> list[Held]:
    """The marriages of a person, living or ended; locked until the transaction ends."""
    return list_of_persons(work, [person])


def list_of_persons(work: Work, persons: Collection[str]) -> list[Held]:
    """The marriages of all these persons together, living or ended; locked until the transaction ends."""
    found = [{row.marriage_id: row for row in work.execute(OF_PERSON, {"of_person": one})} for one in sorted(persons)]
    return [_held(row) for key, row in found[0].items() if all(key in others for others in found[1:])]


def find_held(work: Work, marriage_id: str) -> Held | None:
    """A marriage, locked until the transaction ends."""
    row = work.execute(OF_MARRIAGE, {"of_marriage": marriage_id}).first()
    return _held(row) if row else None


def save_record(work: Work, held: Held, record: Record, *, live: bool) -> None:
    """Write back a record by one version, to be reported; `live`: whether its persons are married by it from now on."""
    values: Json = {"state": str(record.standing), "attempt": held.attempt, "claims_case": held.claims_case}
    values |= {"archive": archive_of(record)}
    work.write(SAVE, {"of_marriage": held.marriage_id} | values)
    work.write(SET_LIVE, {"of_marriage": held.marriage_id, "live": live})
    reports.add_report(work, held.marriage_id, record.version)


# --- requests ------------------------------------------------------------------------------------------------------------


def keep_ending(work: Work, request_id: str, marriage_id: str, node: str) -> None:
    """That request has ended the marriage."""
    work.insert_once(endings, {"request_id": request_id, "marriage_id": marriage_id, "node": node})


def find_ended(work: Work, request_id: str) -> str:
    """The marriage that a request has ended; "" when it has not."""
    mine = select(endings.c.marriage_id).where(endings.c.request_id == request_id)
    return work.execute(mine).scalar() or ""


def keep_watcher(work: Work, marriage_id: str, request_id: str, node: str) -> None:
    """That node wants to hear under that subject when the marriage ends."""
    work.insert_once(watchers, {"marriage_id": marriage_id, "request_id": request_id, "node": node})


def list_watchers(work: Work, marriage_id: str) -> list[tuple[str, str]]:
    """Who wants to hear of it: request and node."""
    mine = select(watchers.c.request_id, watchers.c.node).where(watchers.c.marriage_id == marriage_id)
    return [(row.request_id, row.node) for row in work.execute(mine.order_by(watchers.c.request_id))]


def open_restoration(work: Work, kept: Restoration) -> bool:
    """Keep a marriage that is to come back; False when the request is known already."""
    names = ("request_id", "marriage_id", "node", "attempt", "state", "wish")
    return work.insert_once(restorations, {name: getattr(kept, name) for name in names})


def find_restoration(work: Work, request_id: str) -> Restoration | None:
    """A restoration, locked until the transaction ends."""
    row = work.execute(select(restorations).where(restorations.c.request_id == request_id).with_for_update()).first()
    return Restoration(**row._mapping) if row else None


def is_coming_back(work: Work, marriage_id: str) -> bool:
    """Whether both persons are being claimed for it again; call it with the marriage locked."""
    asked = (restorations.c.marriage_id == marriage_id) & restorations.c.state.in_(("asked", "waiting"))
    return work.execute(select(restorations.c.request_id).where(asked)).first() is not None


def list_waiting(work: Work, limit: int) -> list[str]:
    """Restorations for which the claims are to be tried again; any of them, so that none waits behind one that fails."""
    waiting = select(restorations.c.request_id).where(restorations.c.state == "waiting")
    return list(work.execute(waiting.order_by(func.random()).limit(limit)).scalars())


def save_restoration(work: Work, kept: Restoration) -> None:
    """Under which attempt it is tried now, and how far it is."""
    mine = update(restorations).where(restorations.c.request_id == kept.request_id)
    work.write(mine.values(attempt=kept.attempt, state=kept.state))


def end_restoration(work: Work, request_id: str, state: str) -> None:
    """What became of it."""
    work.write(update(restorations).where(restorations.c.request_id == request_id).values(state=state))
