"""Child processes of the private servers: started as an ordinary user, ended with everything they have started."""

import os
import pwd
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shared import clock

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Child:
    """A process by number and birth, in clock ticks since boot: a re-used number has another birth."""

    pid: int
    born: int


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a server runs as; both None: whoever we are."""

    uid: int | None = None
    gid: int | None = None


# Kept until waited for: a Popen that is dropped while its process runs warns, and leaves a zombie.
_ours: dict[int, subprocess.Popen[bytes]] = {}


def account(*names: str) -> Account:
    """Ourselves, or when we are root the first of `names` that exists, else nobody: servers never run as root."""
    if os.geteuid() != 0:
        return Account()
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(known[name] for name in (*names, "nobody") if name in known)
    return Account(entry.pw_uid, entry.pw_gid)


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    as_whom: Account = Account(),
    folder: Path | None = None,
    seconds: float = 600,
    check: bool = True,
) -> str:
    """Run a command to its end; what it printed. RuntimeError with that when it fails, TimeoutExpired after `seconds`."""
    done = subprocess.run(  # noqa: S603 - fixed commands of this package
        command,
        env=env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        timeout=seconds,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        user=as_whom.uid,
        group=as_whom.gid,
        extra_groups=None if as_whom.uid is None else [],
    )
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-2000:]}")
    return done.stdout


def spawn(
    command: Sequence[str | Path], *, env: Mapping[str, str], log: Path, as_whom: Account, tied: bool = False
) -> Child:
    """Start a server in a session of its own, its output added to `log`; `tied`: it dies with the starting thread."""
    tie = ("setpriv", "--pdeathsig", "KILL", "--") if tied else ()
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - fixed commands of this package
            [*tie, *command],
            env=env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            user=as_whom.uid,
            group=as_whom.gid,
            extra_groups=None if as_whom.uid is None else [],
        )
    _ours[process.pid] = process
    return Child(process.pid, birth(process.pid))


def birth(pid: int) -> int:
    """When a process began, in clock ticks since boot; 0 when there is none."""
    return _stat(pid)[2]


def _stat(pid: int) -> tuple[str, int, int]:
    """State letter, parent and birth of a process; ("X", 0, 0) when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "X", 0, 0
    return fields[0], int(fields[1]), int(fields[19])


def alive(child: Child) -> bool:
    """Whether it is still the same process, and not just waiting to be buried."""
    if child.pid in _ours:
        _ours[child.pid].poll()
    state, _, born = _stat(child.pid)
    return state not in "XZ" and born == child.born


def tree(child: Child) -> list[Child]:
    """The child and all its living descendants, whatever sessions and groups they have moved to."""
    if not alive(child):
        return []
    stats = {int(path.name): _stat(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit()}
    found = [child]
    for member in found:  # grows while we walk it
        found += [Child(pid, born) for pid, (_, parent, born) in stats.items() if parent == member.pid]
    return found


def _send(child: Child, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        if alive(child):
            os.kill(child.pid, number)


def _gone(members: Sequence[Child], seconds: float) -> bool:
    deadline = clock.monotonic() + seconds
    while any(alive(member) for member in members):
        if clock.monotonic() > deadline:
            return False
        time.sleep(0.02)
    for member in members:
        if process := _ours.pop(member.pid, None):
            process.wait()
    return True


def kill(child: Child) -> None:
    """SIGKILL the whole tree at once; returns when nothing of it is left."""
    _send(child, signal.SIGSTOP)  # a stopped parent has no further children while we look for them
    members = tree(child)
    for member in members:
        _send(member, signal.SIGKILL)
    if not _gone([child, *members], 10):
        raise RuntimeError(f"process {child.pid} does not die")


def end(child: Child, number: signal.Signals, seconds: float) -> None:
    """Ask it to end; after `seconds` it and whatever is left of its tree are killed."""
    members = tree(child)
    _send(child, number)
    _gone([child], seconds)
    for member in [child, *members]:
        kill(member)


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port(besides: Container[int] = ()) -> int:
    """A free port below the range that the kernel gives to clients, and none of those `besides` it.

    While a server is down, no client that knocks at its port can be given this very port as its own.
    """
    for _ in range(200):
        port = 15000 + secrets.randbelow(15000)
        if port not in besides and is_free(port):
            return port
    raise RuntimeError("no free port between 15000 and 29999")
