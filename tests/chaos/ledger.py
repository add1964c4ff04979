"""The run's own book: what the cities' APIs have acknowledged, written down before anything else happens."""

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One acknowledged application for a person."""

    case_id: str
    number: str
    node: str  # that took it in
    home: str  # that decides
    twin: bool  # the same person went to two cities at once


class Ledger:
    """Append-only, safe for many threads. An entry is a dataclass with a `case_id`: what one depends on the scenario."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self.entries: list[Any] = []
        self.acts: set[tuple[str, str]] = set()  # case and verb that the API said are done

    def acknowledged(self, entry: Any) -> None:
        """An application was received: from now on it may not be lost."""
        with self._lock:
            self.entries.append(entry)
            self._file.write(json.dumps(asdict(entry)) + "\n")
            self._file.flush()

    def done(self, case_id: str, verb: str) -> None:
        """An act was answered with success."""
        with self._lock:
            self.acts.add((case_id, verb))
