"""All processes of all nodes on one machine without containers, under supervisor."""

import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from deploy.children import Child, birth, end, kill, run
from deploy.processes import FULL, Process, Site, environment
from shared import clock

PROGRAMS = Path(sys.executable).parent
SOCKET_LIMIT = 90  # a socket's path may have 107 bytes, and supervisor adds its process number


def write_settings(
    folder: Path, sites: Sequence[Site], processes: Sequence[Process] = FULL, tongban: str = f"{PROGRAMS}/tongban"
) -> Path:
    """Write supervisor's settings for these nodes, a group of programs each, and Prometheus' targets into `folder`."""
    folder = folder.absolute()
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    parts = [_head(folder)]
    for site in sites:
        names = ",".join(_name(site, process) for process in processes)
        parts += [f"[group:{site.node}]\nprograms={names}\n"]
        parts += [_program(folder, site, process, tongban) for process in processes]
    path = folder / "supervisord.conf"
    path.touch(mode=0o600)  # it holds passwords
    path.write_text("\n".join(parts))
    (folder / "metrics.json").write_text(json.dumps(_targets(sites, processes), indent=1))
    return path


def _targets(sites: Sequence[Site], processes: Sequence[Process]) -> list[dict[str, Any]]:
    """Where Prometheus finds every process, in the form of its `file_sd_configs`."""
    return [
        {
            "targets": [f"127.0.0.1:{site.metrics_ports[process.name]}"],
            "labels": {"node": site.node, "process": process.name},
        }
        for site in sites
        for process in processes
    ]


def start(folder: Path) -> None:
    """Start supervisor and through it all processes; servers must be up. RuntimeError when it is running already."""
    folder = folder.absolute()
    if supervisors(folder):
        raise RuntimeError(f"supervisor runs already in {folder}")
    _clear(folder)
    run([PROGRAMS / "supervisord", "-c", folder / "supervisord.conf"])


def stop(folder: Path, seconds: float = 30) -> None:
    """End all processes, all at once, then supervisor; what is left after `seconds` is killed, orphans too."""
    folder = folder.absolute()
    for supervisor in supervisors(folder):
        _control(folder, "stop", "all")  # supervisor's own shutdown would end one group after the other
        end(supervisor, signal.SIGTERM, seconds)
    _clear(folder)


def status(folder: Path) -> dict[str, str]:
    """State by program, e.g. {"460200-intake": "RUNNING"}; empty when supervisor does not run."""
    folder = folder.absolute()
    if not supervisors(folder):
        return {}
    rows = [line.split() for line in _control(folder, "status").splitlines()]
    return {row[0].partition(":")[2]: row[1] for row in rows if len(row) > 1}


def pids(folder: Path) -> dict[str, int]:
    """Process number by program, of those that run."""
    rows = [line.split() for line in _control(folder.absolute(), "status").splitlines()]
    running = [row for row in rows if len(row) > 3 and row[1] == "RUNNING"]
    return {row[0].partition(":")[2]: int(row[3].rstrip(",")) for row in running}


def wait_until_running(folder: Path, seconds: float = 60) -> dict[str, str]:
    """The states once all programs are RUNNING; TimeoutError naming those that are not."""
    deadline = clock.monotonic() + seconds
    while True:
        states = status(folder)
        late = {name: state for name, state in states.items() if state != "RUNNING"}
        if states and not late:
            return states
        if clock.monotonic() > deadline:
            raise TimeoutError(f"not running after {seconds:.0f} s: {late or 'supervisor'}; logs in {folder}/logs")
        time.sleep(0.5)


def _name(site: Site, process: Process) -> str:
    return f"{site.node}-{process.name}"


def socket_of(folder: Path) -> Path:
    """Where supervisor listens for orders: in its folder, unless that lies too deep for a socket."""
    path = folder / "supervisor.sock"
    if len(str(path).encode()) <= SOCKET_LIMIT:
        return path
    return Path("/tmp") / f"tongban-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}.sock"  # noqa: S108 - the only short path there is


def _head(folder: Path) -> str:
    user = "user=root\n" if os.geteuid() == 0 else ""  # else it complains of being root
    return f"""\
[unix_http_server]
file={socket_of(folder)}
chmod=0700

[supervisord]
logfile={folder}/logs/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}/logs
{user}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{socket_of(folder)}
"""


def _program(folder: Path, site: Site, process: Process, tongban: str) -> str:
    name = _name(site, process)
    variables = ",".join(f'{key}="{_escaped(value)}"' for key, value in environment(process, site).items())
    return f"""\
[program:{name}]
command={tongban} {" ".join(process.command)}
environment={variables}
autorestart=true
startsecs=3
startretries=20
stopsignal=TERM
stopwaitsecs={process.stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile={folder}/logs/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""


def _escaped(value: str) -> str:
    return value.replace("%", "%%")  # supervisor fills in %(names)s, and URLs hold %2F


def _control(folder: Path, *arguments: str) -> str:
    # its exit status tells of the programs, not of itself
    return run([PROGRAMS / "supervisorctl", "-c", folder / "supervisord.conf", *arguments], check=False)


def supervisors(folder: Path) -> list[Child]:
    """The supervisor of this folder, if it runs."""
    return _found("cmdline", f"/supervisord\0-c\0{folder}/supervisord.conf\0")


def _clear(folder: Path) -> None:
    """Kill the programs of a supervisor that was itself killed: they know by whom they were started."""
    for orphan in _found("environ", f"SUPERVISOR_SERVER_URL=unix://{socket_of(folder)}\0"):
        kill(orphan)


def _found(what: str, text: str) -> list[Child]:
    """Processes in whose command line (`cmdline`) or first environment (`environ`) the text stands."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone, or not ours to look into
            if text.encode() in (path / what).read_bytes():
                found.append(Child(int(path.name), birth(int(path.name))))
    return found
