"""The ledger of one prefix goes to another authority while couples marry."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from deploy.homes import DIRECTORY
from deploy.processes import FULL, environment
from deploy.root import set_authority, sign
from deploy.supervise import PROGRAMS
from shared import clock
from shared.files import replace_file
from tests.chaos.couples import GUARDS
from tests.chaos.stage import CODES, Stage

BEGINS_AFTER_SECONDS = 60.0
PATIENCE_SECONDS = 600.0
LOOK_SECONDS = 5.0
GUARD = "SELECT duty, epoch FROM claims.guards WHERE prefix = %s"


@dataclass
class Handover:
    """Once: a prefix goes from its authority to another city. `guards` tells the judge who guards what by now."""

    stage: Stage
    guards: dict[str, str] = field(default_factory=lambda: dict(GUARDS))
    moved: str = ""

    def run(self) -> None:
        """Wait until the work is under way, hand over until both ends say it is done, then name the next one to all."""
        if self.stage.stop.wait(BEGINS_AFTER_SECONDS):
            return
        prefix = self.stage.dice.choice(sorted(GUARDS))
        successor = self.stage.dice.choice([code for code in CODES if code != GUARDS[prefix]])
        self.moved, last = f"{prefix} from {GUARDS[prefix]} to {successor}", clock.monotonic() + PATIENCE_SECONDS
        while clock.monotonic() < last and not self.stage.stop.is_set():
            self._begin(prefix, successor)
            self.stage.stop.wait(LOOK_SECONDS)
            if self._is_done(prefix, successor):
                self._name(prefix, successor)
                self.guards[prefix] = successor
                return

    def _begin(self, prefix: str, successor: str) -> None:
        """The command at the authority so far; again while a server is being restarted."""
        site = self.stage.country.site(GUARDS[prefix])
        process = next(process for process in FULL if process.name == "claims")
        words = [f"{PROGRAMS}/tongban", "claims", "handover", prefix, "--to", successor]
        subprocess.run(words, env=environment(process, site), check=False, capture_output=True)

    def _is_done(self, prefix: str, successor: str) -> bool:
        """Whether the one before knows that the ledger has arrived."""
        ask = self.stage.cities.ask
        try:
            duties = ask(GUARDS[prefix], GUARD, prefix) + ask(successor, GUARD, prefix)
        except psycopg.Error:
            self.stage.cities.links.clear()
            return False
        return duties == [("handed_over", 1), ("active", 2)]

    def _name(self, prefix: str, successor: str) -> None:
        """The root names the next authority, and every city has the new directory."""
        folder = self.stage.country.folder / "homes"
        set_authority(folder, prefix, successor)
        sign(folder)
        for site in self.stage.country.sites:
            replace_file(Path(site.home) / DIRECTORY, (folder / DIRECTORY).read_text("utf-8"))

    def faults(self) -> list[str]:
        """Whether it was begun and did not come to its end."""
        return [f"not handed over: {self.moved}"] if self.moved and self.guards == GUARDS else []
