"""The ledger of one prefix goes to another authority while couples marry."""

import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from deploy.processes import FULL, environment
from deploy.supervise import PROGRAMS
from services.main.cli_claims import claims
from shared import clock
from tests.chaos.couples import GUARDS
from tests.chaos.stage import CODES, Stage

COMMAND = "handover"
BEGINS_AFTER_SECONDS = 60.0
PATIENCE_SECONDS = 600.0
GUARDED = "SELECT epoch FROM claims.guards WHERE prefix = %s AND duty = 'active'"
SECOND_EPOCH = 2


def is_there() -> bool:
    """Whether this release can hand a ledger over."""
    return COMMAND in claims.commands


@dataclass
class Handover:
    """Once: a prefix goes from its authority to another city. `guards` tells the judge who guards what by now."""

    stage: Stage
    guards: dict[str, str] = field(default_factory=lambda: dict(GUARDS))
    moved: str = ""

    def run(self) -> None:
        """Wait until the work is under way, hand over, and wait until the next one rules."""
        if not is_there() or self.stage.stop.wait(BEGINS_AFTER_SECONDS):
            return
        prefix = self.stage.dice.choice(sorted(GUARDS))
        successor = self.stage.dice.choice([code for code in CODES if code != GUARDS[prefix]])
        self.moved, last = f"{prefix} from {GUARDS[prefix]} to {successor}", clock.monotonic() + PATIENCE_SECONDS
        self._name(prefix, successor)
        while clock.monotonic() < last and not self.stage.stop.is_set():
            self._begin(prefix, successor)
            time.sleep(5)
            if self._rules(prefix, successor):
                self.guards[prefix] = successor
                return

    def _name(self, prefix: str, successor: str) -> None:
        """The root names the next authority, and every city has the new directory."""
        from deploy.root import set_authority, sign

        folder = self.stage.country.folder / "homes"
        set_authority(folder, prefix, successor)
        sign(folder)
        for site in self.stage.country.sites:
            (Path(site.home) / "directory.json").write_bytes((folder / "directory.json").read_bytes())

    def _begin(self, prefix: str, successor: str) -> None:
        """The command at the authority so far; again while a server is being restarted."""
        site = self.stage.country.site(GUARDS[prefix])
        process = next(process for process in FULL if process.name == "claims")
        words = [f"{PROGRAMS}/tongban", "claims", COMMAND, prefix, successor]
        subprocess.run(words, env=environment(process, site), check=False, capture_output=True)

    def _rules(self, prefix: str, successor: str) -> bool:
        try:
            return self.stage.cities.ask(successor, GUARDED, prefix) == [(SECOND_EPOCH,)]
        except Exception:
            self.stage.cities.links.clear()
            return False

    def faults(self) -> list[str]:
        """Whether it was begun and did not come to its end."""
        begun = is_there() and self.moved
        return [f"not handed over: {self.moved}"] if begun and self.guards == GUARDS else []
