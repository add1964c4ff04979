"""上报: what was registered reaches the national registry once, whatever becomes of the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.marriage.store import marriages
from services.marriage.usecases.case import id_of
from shared.outbox import Work


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be reported under a key; `asked_before`: it may have arrived already, so that is found out first."""

    key: str
    record: Mapping[str, Any]
    asked_before: bool


def begin_report(work: Work, key: str) -> Report | None:
    """The report to be sent now; None when it has arrived, or there is nothing to report."""
    state, marriage = marriages.find_report(work, key), marriages.find_marriage(work, key)
    if state in (None, "sent") or marriage is None:
        return None
    marriages.note_sending(work, key)
    plain = ("certificate_no", "office", "division", "state", "parties")
    record = {name: marriage[name] for name in plain} | {"registered_on": marriage["registered_on"].isoformat()}
    return Report(key, record, asked_before=state == "unknown")


def note_report(work: Work) -> None:
    """上报 was tried before this transaction; what did not certainly arrive is tried again by the timer."""
    if work.answer:
        note_sent(work, id_of(work))


def note_sent(work: Work, key: str) -> None:
    """The registry has it."""
    marriages.note_sent(work, key)
