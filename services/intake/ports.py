"""The message house that reaches applicants by text message: a port, and a simulator that keeps what it was given."""

import enum
import json
from pathlib import Path
from typing import Protocol

from shared import clock
from shared.identity import mask_phone


class Reply(enum.StrEnum):
    """What the message house said of a notice."""

    SENT = "sent"
    AWAY = "away"  # not now
    REFUSED = "refused"  # never to this number


class NumberRefused(Exception):
    """The message house will never deliver to this number."""


class Notices(Protocol):
    """Whoever delivers short messages. Sending the same `notice_id` again must reach the person only once."""

    def send(self, notice_id: str, phone: str, text: str) -> None:
        """Deliver, or raise OSError when it cannot be done now, NumberRefused when it never can."""


class SimulatedNotices:
    """Appends each notice to a file, the phone masked; a repeated id is ignored, as a real message house does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sent: set[str] = set()

    def send(self, notice_id: str, phone: str, text: str) -> None:
        """Deliver into the file."""
        if notice_id in self._sent:
            return
        line = {"id": notice_id, "at": clock.iso(clock.now()), "to": mask_phone(phone) if phone else "", "text": text}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._sent.add(notice_id)
