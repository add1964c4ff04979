"""上报: every change of a record reaches the national registry once and in its order, whatever becomes of the answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts import marriage as said
from contracts.envelope import Json
from services.marriage.rules.records import Record
from services.marriage.store import records, reports
from services.marriage.store.records import Held
from services.marriage.store.reports import Unsent
from services.marriage.usecases.case import id_of
from shared.outbox import Work


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be reported, see `ports.NationalMarriageRegistry.report`.

    `asked_before`: it may have arrived already, so that is found out first.
    """

    marriage_id: str
    version: int
    asked_before: bool
    change: Mapping[str, object] = field(repr=False)
    record: Mapping[str, object] = field(repr=False)

    @property
    def key(self) -> str:
        """Under which the registry takes it once: the same whenever it is sent."""
        return f"{self.marriage_id}-{self.version}"


def save_record(work: Work, held: Held, record: Record, *, live: bool) -> None:
    """Write back a record and, in the same transaction, the wish to report it; `live` as in `store.records`."""
    records.save_record(work, held, record, live=live)
    work.tell(said.ReportRecordV1, held.marriage_id, {})


def begin_report(work: Work, marriage_id: str) -> Report | None:
    """What of a record is to be sent now: the first change that has not certainly arrived; None when all have."""
    unsent = reports.find_unsent(work, marriage_id)
    if unsent is None:
        return None
    reports.note_sending(work, marriage_id, unsent.version)
    asked_before = unsent.state == "unknown"
    return Report(marriage_id, unsent.version, asked_before, _change(unsent), _copy(unsent))


def _change(unsent: Unsent) -> Json:
    """The line of the record's history."""
    entry = unsent.row["archive"]["history"][unsent.version - 1]
    return {name: entry[name] for name in ("what", "on", "basis", "document")} | {"version": unsent.version}


def _copy(unsent: Unsent) -> Json:
    """电子档案: the record as it is now, which may be newer than the change."""
    row, archive = dict(unsent.row), dict(unsent.row["archive"])
    row |= {"registered_on": row["registered_on"].isoformat(), "archive": archive}
    return row | {"version": len(archive["history"])}


def note_report(work: Work) -> None:
    """上报 was tried before this transaction; what did not certainly arrive is tried again by the timer."""
    if work.answer:
        note_sent(work, id_of(work), work.answer)


def note_sent(work: Work, marriage_id: str, version: int) -> None:
    """The registry has it."""
    reports.note_sent(work, marriage_id, version)
