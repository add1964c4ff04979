"""What the national registry is told of marriages on record: one report of each change, of one record in order."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from services.marriage.store.tables import marriages, reports
from shared import clock
from shared.outbox import Work

PLAIN = ("certificate_no", "office", "division", "state", "parties", "registered_on", "archive")
ADD = insert(reports).inline()
FIRST_UNSENT = (
    select(reports.c.version, reports.c.state.label("report_state"), *(marriages.c[name] for name in PLAIN))
    .join(marriages, marriages.c.marriage_id == reports.c.marriage_id)
    .where(reports.c.marriage_id == bindparam("of_marriage"), reports.c.state != "sent")
    .order_by(reports.c.version)
    .limit(1)
    .with_for_update(of=reports)
)
REPORTED = update(reports).where(
    reports.c.marriage_id == bindparam("of_marriage"), reports.c.version == bindparam("of_version")
)
SENDING = REPORTED.values(attempts=reports.c.attempts + 1, state="unknown")


@dataclass(frozen=True, slots=True)
class Unsent:
    """A report that has not certainly arrived, and the record as it stands now: `PLAIN` of its row."""

    version: int
    state: str
    row: Mapping[str, Any] = field(repr=False)


def add_report(work: Work, marriage_id: str, version: int) -> None:
    """The registry is to hear of the change that made this version."""
    work.write(ADD, {"marriage_id": marriage_id, "version": version, "state": "waiting", "attempts": 0} | _now(work))


def _now(work: Work) -> dict[str, str]:
    return {"asked_at": clock.iso(work.now)}


def find_unsent(work: Work, marriage_id: str) -> Unsent | None:
    """The first report of a record that has not certainly arrived, locked until the transaction ends."""
    row = work.execute(FIRST_UNSENT, {"of_marriage": marriage_id}).mappings().first()
    return Unsent(row["version"], row["report_state"], {name: row[name] for name in PLAIN}) if row else None


def note_sending(work: Work, marriage_id: str, version: int) -> None:
    """A report is about to be sent: from now on nobody knows whether it arrived."""
    work.write(SENDING, {"of_marriage": marriage_id, "of_version": version} | _now(work))


def note_sent(work: Work, marriage_id: str, version: int) -> None:
    """The registry has taken the report."""
    work.write(REPORTED, {"of_marriage": marriage_id, "of_version": version, "state": "sent"})


def list_unsent(work: Work, before: datetime.datetime, limit: int) -> list[str]:
    """Marriages with a report that has not certainly arrived, none of which may be in flight: not one was made or sent since
    `before`; any of them.
    """
    due = select(reports.c.marriage_id).where(reports.c.state != "sent").group_by(reports.c.marriage_id)
    due = due.having(func.max(reports.c.asked_at) <= clock.iso(before))
    return list(work.execute(due.order_by(func.random()).limit(limit)).scalars())
