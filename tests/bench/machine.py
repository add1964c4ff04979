"""The machine under a bench: what it is, and what its processes take of memory and processor time."""

import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import psycopg

from deploy import broker, supervise
from deploy.children import Child, birth, tree
from deploy.database import conninfo
from deploy.servers import Servers
from shared import clock

TICKS = os.sysconf("SC_CLK_TCK")
FSYNCS = 200
SETTINGS = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")


def describe(servers: Servers, folder: Path) -> dict[str, str]:
    """What a reader must know to compare figures: machine, versions, durability; both servers must run."""
    with psycopg.connect(conninfo(servers.get("postgres").url)) as link:
        shown = {name: _shown(link, name) for name in SETTINGS}
    return {
        "processor": f"{os.cpu_count()} cores, {_model()}",
        "memory": f"{_memory_kb() / 1_000_000:.0f} GB",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "RabbitMQ": broker.ctl(servers.get("rabbitmq"), "version").strip(),
        "PostgreSQL": shown.pop("server_version"),
        "PostgreSQL's settings": ", ".join(f"{name}={value}" for name, value in shown.items()),
        "one write with fsync": f"{fsync_milliseconds(folder):.2f} ms (median of {FSYNCS})",
    }


def load() -> str:
    """How busy the machine was of late."""
    return " ".join(f"{figure:.2f}" for figure in os.getloadavg()) + " (1, 5 and 15 minutes)"


def _shown(link: psycopg.Connection, name: str) -> str:
    found = link.execute("SELECT current_setting(%s)", (name,)).fetchone()
    return str(found[0]).split(" ")[0] if found else ""


def _model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory_kb() -> int:
    return int(Path("/proc/meminfo").read_text().splitlines()[0].split()[1])


def fsync_milliseconds(folder: Path) -> float:
    """How long the disk takes to make one small write last."""
    path, taken = folder / "fsync", []
    with path.open("wb") as file:
        for _ in range(FSYNCS):
            began = clock.monotonic()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            taken.append(1000 * (clock.monotonic() - began))
    path.unlink()
    return statistics.median(taken)


def pss_mb(pids: Iterable[int]) -> float:
    """Proportional set size of processes and of all they have started, in MB."""
    members = {child for pid in pids for child in tree(Child(pid, birth(pid)))}
    return sum(_pss_kb(member.pid) for member in members) / 1024


def _pss_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time that processes and their trees have taken since they began, those that have ended included."""
    members = {child for pid in pids for child in tree(Child(pid, birth(pid)))}
    return sum(_ticks(member.pid) for member in members) / TICKS


def _ticks(pid: int) -> int:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15])  # utime, stime, and those of children that were waited for
    return 0


def server_pids(servers: Servers) -> dict[str, list[int]]:
    """The processes of RabbitMQ and PostgreSQL."""
    return {name: [child.pid for child in servers.get(name).children] for name in servers.names()}


def our_pids(folder: Path) -> dict[str, list[int]]:
    """Our processes by kind, those of all cities together."""
    found: dict[str, list[int]] = {}
    for program, pid in supervise.pids(folder).items():
        found.setdefault(program.partition("-")[2], []).append(pid)
    return found


def cpu_by_kind(milliseconds: Mapping[str, float]) -> str:
    """Processor time of each kind of process, for one cell."""
    return ", ".join(f"{kind} {spent:.0f}" for kind, spent in milliseconds.items())


class Meter:
    """Processor time by kind of process between two moments."""

    def __init__(self, pids: Callable[[], Mapping[str, list[int]]]) -> None:
        self.pids = pids
        self.before = self._now()

    def _now(self) -> dict[str, float]:
        return {kind: cpu_seconds(pids) for kind, pids in self.pids().items()}

    def spent(self) -> dict[str, float]:
        """Seconds since this meter was made."""
        return {kind: seconds - self.before.get(kind, 0.0) for kind, seconds in self._now().items()}
