"""Subsidy's tables and the few questions asked of them."""

import dataclasses
import datetime
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    func,
    select,
    update,
)

from services.subsidy.rules.application import Act, Application, State
from services.subsidy.rules.eligibility import Facts
from services.subsidy.rules.facts import from_json, to_json, unchecked
from shared.crypto.sealing import Sealed
from shared.errors import OutOfStep
from shared.outbox import Work

metadata = MetaData()

applications = Table(
    "applications",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("leg_no", Integer, primary_key=True),
    Column("matter", String(60), nullable=False),
    Column("matter_version", Integer, nullable=False),
    Column("division", String(12), nullable=False),
    Column("accepting_office", String(40), nullable=False),
    Column("accepting_node", String(6), nullable=False),
    Column("accepted_on", Date, nullable=False),
    Column("applied_on", Date, nullable=False),
    Column("person_index", String(32), nullable=False),  # of whom the matter is about
    Column("state", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("acts", Sealed("subsidy.applications.acts"), nullable=False),
    Column("supplement_told", Boolean, nullable=False),
    Column("supplement_due_on", Date, nullable=True),
    Column("asked_for", JSON, nullable=False),
    Column("case_facts", JSON, nullable=False),  # contracts.case.CaseFacts
    Column("personal", Sealed("subsidy.applications.personal"), nullable=False),  # contracts.case.Parties
    Column("facts", Sealed("subsidy.applications.facts"), nullable=False),
    Column("unanswered", JSON, nullable=False),  # registries that have not answered yet
    Column("decision", Sealed("subsidy.applications.decision"), nullable=True),  # replayable; or why it was sent back
    Column("asked_on", Date, nullable=True),  # when a registry was last asked after the decision
    Column("ask_again", Boolean, nullable=False),  # a registry owes an answer, or a promise or paper is to be checked
    Index("applications_ask_again", "ask_again"),
    Index("applications_person_index", "person_index"),
    Index("applications_state", "state", "supplement_due_on"),
)
withdrawals = Table(  # which came before the application they are about; it may never come
    "withdrawals",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("leg_no", Integer, primary_key=True),
)
household_changes = Table(  # of which decided applications a change of the household was told
    "household_changes",
    metadata,
    Column("change_id", String(36), primary_key=True),
    Column("case_id", String(36), primary_key=True),
)
RULE_FIELDS = tuple(item.name for item in dataclasses.fields(Application))


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """An application with what it rests on."""

    application: Application
    case_facts: Mapping[str, Any]
    personal: Mapping[str, Any]
    facts: Facts
    unanswered: frozenset[str]


def _kept(row: Row[Any]) -> Kept:
    values = {name: getattr(row, name) for name in RULE_FIELDS}
    acts = tuple(Act(**act | {"reasons": tuple(act["reasons"])}) for act in row.acts)
    read = {"state": State(row.state), "acts": acts, "asked_for": tuple(row.asked_for)}
    application = Application(**values | read)
    return Kept(application, row.case_facts, row.personal, from_json(row.facts), frozenset(row.unanswered))


def _values(application: Application) -> dict[str, Any]:
    values = {name: getattr(application, name) for name in RULE_FIELDS}
    acts = [dataclasses.asdict(act) for act in application.acts]
    return values | {"state": str(application.state), "acts": acts, "asked_for": list(application.asked_for)}


def open_application(work: Work, kept: Kept, person_index: str) -> bool:
    """Keep a new application of that person; False when this leg of this case is known already."""
    row = _values(kept.application) | {
        "case_facts": dict(kept.case_facts),
        "personal": dict(kept.personal),
        "facts": to_json(kept.facts),
        "unanswered": sorted(kept.unanswered),
        "decision": None,
        "person_index": person_index,
        "asked_on": None,
        "ask_again": to_ask_again(kept),
    }
    return work.insert_once(applications, row)


def find_application(work: Work, case_id: str) -> Kept | None:
    """The newest application of a case, locked until the transaction ends."""
    mine = select(applications).where(applications.c.case_id == case_id)
    row = work.execute(mine.order_by(applications.c.leg_no.desc()).limit(1).with_for_update()).first()
    return _kept(row) if row else None


def save_application(work: Work, application: Application, read_version: int, **also: Any) -> None:
    """Write back an application read at `read_version`; OutOfStep when somebody else was faster."""
    mine = (applications.c.case_id == application.case_id) & (applications.c.leg_no == application.leg_no)
    changed = update(applications).where(mine, applications.c.version == read_version)
    if work.change(changed.values(_values(application) | also)) != 1:
        raise OutOfStep("version_changed", "此办件刚被他人更新,请刷新后再办")


def save_facts(work: Work, kept: Kept) -> None:
    """Keep what was found out or brought since."""
    mine = (applications.c.case_id == kept.application.case_id) & (applications.c.leg_no == kept.application.leg_no)
    values: dict[str, Any] = {"case_facts": dict(kept.case_facts), "personal": dict(kept.personal)}
    values |= {"facts": to_json(kept.facts)}
    values |= {"unanswered": sorted(kept.unanswered), "ask_again": to_ask_again(kept)}
    work.execute(update(applications).where(mine).values(values))


def to_ask_again(kept: Kept) -> bool:
    """Whether a registry owes an answer, or, as also after the decision, a promise or paper is to be checked."""
    if kept.application.state is State.DECIDED:
        return bool(unchecked(kept.facts))
    return kept.application.open and bool(kept.unanswered or unchecked(kept.facts))


def list_to_ask_again(work: Work, limit: int) -> list[str]:
    """Cases in which a registry still owes an answer; any of them, so that none waits behind a registry that is down.

    What is left to be checked after a decision is asked for once a day.
    """
    daily = applications.c.asked_on.is_(None) | (applications.c.asked_on < work.today)
    due = select(applications.c.case_id).where(applications.c.ask_again)
    due = due.where((applications.c.state != State.DECIDED) | daily)
    return list(work.execute(due.order_by(func.random()).limit(limit)).scalars())


def note_asked(work: Work, application: Application) -> None:
    """A decided application about which registries are asked today is not asked about again before tomorrow."""
    mine = (applications.c.case_id == application.case_id) & (applications.c.leg_no == application.leg_no)
    work.write(update(applications).where(mine).values(asked_on=work.today))


def list_lapsed(work: Work, due_before: datetime.date, limit: int) -> list[str]:
    """Cases that wait for a supplement whose last day was `due_before` that day; any of them, so that none waits behind one that fails."""
    late = (applications.c.state == State.SUPPLEMENTING) & (applications.c.supplement_due_on < due_before)
    due = select(applications.c.case_id).where(late)
    return list(work.execute(due.order_by(func.random()).limit(limit)).scalars())


def keep_withdrawal(work: Work, case_id: str, leg_no: int) -> None:
    """A withdrawal has overtaken the application it is about."""
    work.insert_once(withdrawals, {"case_id": case_id, "leg_no": leg_no})


def was_withdrawn(work: Work, case_id: str, leg_no: int) -> bool:
    """Whether its withdrawal came before the application itself."""
    mine = (withdrawals.c.case_id == case_id) & (withdrawals.c.leg_no == leg_no)
    return work.execute(select(withdrawals.c.leg_no).where(mine)).first() is not None


def list_granted(work: Work, persons: Collection[str]) -> list[Kept]:
    """The newest decided applications about these persons by which something is granted."""
    decided = (applications.c.state == State.DECIDED) & applications.c.person_index.in_(sorted(persons))
    rows = work.execute(select(applications).where(decided).order_by(applications.c.case_id, applications.c.leg_no))
    newest = {row.case_id: row for row in rows if row.decision and row.decision["result"] == "granted"}
    return [_kept(row) for row in newest.values()]


def keep_change(work: Work, change_id: str, case_id: str) -> bool:
    """That change is told of this case; False when it was before."""
    return work.insert_once(household_changes, {"change_id": change_id, "case_id": case_id})
