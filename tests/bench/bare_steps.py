"""What the yardstick plays: per message, what our handlers do besides reading."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
DIVISIONS = {"460200": "46.02.00", "620100": "62.01.00", "371000": "37.10.00"}  # as routing keys of the hub say it


@dataclass(frozen=True, slots=True)
class Step:
    """What our handler of a message does besides reading: statements that write, seals, blind indexes, words told.

    `opens`: how often the sealed part is opened, where there is one. `before`: statements that write in a transaction of
    its own, before the message's. `joins`: the words are told for the last peer's
    message only, because ours waits for all of them.
    """

    writes: int
    seals: int = 0
    indexes: int = 0
    opens: int = 1
    before: int = 0
    tells: tuple[str, ...] = ()
    joins: bool = False


Steps = Mapping[tuple[str, str, bool], Step]  # service, type, on its way out


@dataclass(frozen=True)
class Play:
    """A table of steps, the messages in it, and who says them to whom.

    `routes`: every city and whom it speaks with; what `crosses` is told to each of those. `secrets`: the sealed part of
    a message; of one that is not named, what its cause had. `opening`: the message that gives both cities a part.
    """

    services: tuple[str, ...]  # that hear anything
    routes: Mapping[str, tuple[str, ...]]
    steps: Steps
    crosses: frozenset[str]
    messages: Mapping[str, Json]
    secrets: Mapping[str, bytes | None]
    opening: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)

    @property
    def row(self) -> Json:
        """What any row of a table holds."""
        found: Json = self.messages["intake.application_forwarded.v1"]["data"]["leg"]
        return found


def read(name: str) -> Json:
    """The messages of a play, as they were in a real run."""
    found: Json = json.loads(Path(__file__).with_name(f"messages_{name}.json").read_text("utf-8"))
    return found
