"""What is known of a private server between two commands: a JSON file beside it, readable by its starter alone."""

import dataclasses
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.binaries import Programs
from deploy.children import Account, Child, alive, free_port, is_free, kill
from shared import clock

STATE_FILE = "server.json"


@dataclass(frozen=True, slots=True)
class Server:
    """One private server: its state file's folder, its data's home, its ports by purpose (`main` for clients)."""

    folder: Path
    home: Path
    ports: Mapping[str, int]
    password: str
    url: str  # its administrator's
    programs: Path
    env: Mapping[str, str]
    whom: Account  # it keeps its account even when a better one is made later, as Debian's packages do
    children: tuple[Child, ...] = ()

    @property
    def running(self) -> bool:
        """Whether every process it needs is alive."""
        return bool(self.children) and all(alive(child) for child in self.children)


def load(folder: Path) -> Server | None:
    """The server of this folder, None when none was ever started there."""
    path = folder.absolute() / STATE_FILE
    if not path.exists():
        return None
    row: dict[str, Any] = json.loads(path.read_text())
    children = tuple(Child(**child) for child in row.pop("children"))
    paths = {name: Path(row[name]) for name in ("folder", "home", "programs")}
    return Server(**row | paths | {"children": children, "whom": Account(**row["whom"])})


def save(server: Server) -> Server:
    """Write it down, whole or not at all."""
    path = server.folder / STATE_FILE
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(dataclasses.asdict(server), default=str, indent=2) + "\n")
    draft.replace(path)
    return server


def prepared(folder: Path, programs: Programs, whom: Account, purposes: Sequence[str], port: int) -> Server:
    """The server of `folder`, not running and ready to start; made when there was none.

    A server with dead or half-started processes is cleared of the rest of them. Its ports stay the same while they are
    free; `port` (0: any) sets the one for clients.
    """
    server = load(folder) or _made(folder.absolute(), whom)
    killed(server)
    ports = {purpose: _usable(server.ports.get(purpose, 0)) for purpose in purposes}
    if port:
        ports["main"] = port
    return save(dataclasses.replace(server, ports=ports, programs=programs.folder, env=programs.env, children=()))


def with_child(server: Server, child: Child) -> Server:
    """The server with one more process, written down at once so that it can be ended whatever happens next."""
    return save(dataclasses.replace(server, children=(*server.children, child)))


def without_children(server: Server) -> Server:
    """The server with no process."""
    return save(dataclasses.replace(server, children=()))


def killed(server: Server) -> Server:
    """The server after a SIGKILL to all its processes and all that they have started."""
    for child in reversed(server.children):
        kill(child)
    return without_children(server)


def awaited(server: Server, answers: Callable[[], bool], log: Path, seconds: float) -> Server:
    """The server when it answers; killed, and RuntimeError with the end of its log, when it ends or takes too long."""
    deadline = clock.monotonic() + seconds
    while not answers():
        if not server.running or clock.monotonic() > deadline:
            killed(server)
            raise RuntimeError(f"the server in {server.folder} does not start:\n{log.read_text()[-3000:]}")
        time.sleep(0.05)
    return server


def remove(server: Server) -> None:
    """Delete its data and its state file; it must have been stopped."""
    shutil.rmtree(server.home)
    shutil.rmtree(server.folder, ignore_errors=True)


def _made(folder: Path, whom: Account) -> Server:
    folder.mkdir(parents=True, exist_ok=True)
    home = home_of(folder, whom)
    shutil.rmtree(home, ignore_errors=True)  # without a state file nobody knows the password of what lies there
    home.mkdir(mode=0o700)
    if whom.uid is not None and whom.gid is not None:
        os.chown(home, whom.uid, whom.gid)
    return Server(folder, home, {}, secrets.token_hex(16), "", Path(), {}, whom)


def home_of(folder: Path, whom: Account) -> Path:
    """Where a server's data lie: in its folder, unless its account cannot get there.

    A checkout in root's home (0700) is closed to the accounts that root's servers run as. Opening the parents to all
    would be worse than a folder of our own beside; its name comes from the path, so each checkout has its own.
    """
    if whom.uid is None or all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents)):
        return folder / "home"
    return Path("/var/tmp") / f"tongban-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"  # noqa: S108 - it must be open to the server


def _usable(port: int) -> int:
    return port if port and is_free(port) else free_port()
