"""Certificates that are to be given out anew: what each case rests on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from services.marriage.rules.reissue import State
from services.marriage.store.tables import reissues
from shared.outbox import Work

Json = dict[str, Any]
NAMES = ("case_id", "leg_no", "office", "division", "holder", "version", "case_facts", "certificate_no")
FIND = select(reissues).where(reissues.c.case_id == bindparam("of_case")).with_for_update()
CHANGE = update(reissues).where(reissues.c.case_id == bindparam("of_case"))


@dataclass(frozen=True, slots=True)
class Kept:
    """A case. `found`: contracts.marriage_parts.Found, None while the holder is silent; `fault`: why it is not asked."""

    case_id: str
    leg_no: int
    office: str
    division: str
    case_facts: Mapping[str, Any]
    personal: Mapping[str, Any] = field(repr=False)
    holder: str = ""
    version: int = 1
    state: State = State.ASKED
    found: Mapping[str, Any] | None = None
    fault: Mapping[str, str] | None = None
    certificate_no: str = ""
    first_no: str = ""  # under which the holder has the record, where another node told us so
    acts: tuple[Json, ...] = ()


def _moving(kept: Kept) -> Json:
    known: Json = {"first_no": kept.first_no}
    known |= {"found": dict(kept.found) if kept.found else None, "fault": dict(kept.fault) if kept.fault else None}
    plain = {
        "holder": kept.holder,
        "state": str(kept.state),
        "version": kept.version,
        "certificate_no": kept.certificate_no,
    }
    return plain | {"known": known, "acts": list(kept.acts)}


def open_reissue(work: Work, kept: Kept) -> bool:
    """Keep a new case; False when it is known already."""
    row = {name: getattr(kept, name) for name in NAMES} | _moving(kept)
    row |= {"case_facts": dict(kept.case_facts), "personal": dict(kept.personal), "decision": None}
    return work.insert_once(reissues, row)


def find_reissue(work: Work, case_id: str) -> Kept | None:
    """A case, locked until the transaction ends."""
    return _kept(work.execute(FIND, {"of_case": case_id}).first())


def find_reissued(work: Work, certificate_no: str) -> Kept | None:
    """The case that gave out that certificate here."""
    return _kept(work.execute(select(reissues).where(reissues.c.certificate_no == certificate_no)).first())


def _kept(row: Row[Any] | None) -> Kept | None:
    if row is None:
        return None
    plain = {name: getattr(row, name) for name in (*NAMES, "personal")}
    return Kept(**plain, **row.known, state=State(row.state), acts=tuple(row.acts))


def save_reissue(work: Work, kept: Kept, decision: Json | None = None) -> None:
    """Write back a case that this transaction has locked; `decision`: what it was decided on."""
    also = {} if decision is None else {"decision": decision}
    work.write(CHANGE, {"of_case": kept.case_id} | _moving(kept) | also)
