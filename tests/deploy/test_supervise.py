"""All processes on one machine: supervisor starts them with what they need, and nothing survives the stop."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy import supervise
from deploy.children import Child, alive, birth
from deploy.processes import FULL, SMALL, Site, environment

TONGBAN = """\
#!/bin/sh
env > "$(dirname "$0")/$TONGBAN_NODE-$(echo "$@" | tr ' ' '-').env"
echo $$ > "$(dirname "$0")/$TONGBAN_NODE-$(echo "$@" | tr ' ' '-').pid"
exec sleep 600
"""


def site(node: str, home: Path) -> Site:
    return Site(
        node=node,
        home=str(home / node),
        database_urls={name: f"postgresql+psycopg://{node}_{name}:p%20w@127.0.0.1:1/tongban_{node}" for name in ROLES},
        amqp_url="amqp://u:p@127.0.0.1:1/city%2F1",
        hub_url="amqp://u:p@127.0.0.1:1/xchg",
        http_port=8460,
        metrics_ports={process.name: 9460 + n for n, process in enumerate((*FULL, *SMALL))},
    )


ROLES = {process.role for process in (*FULL, *SMALL)}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Two cities under supervisor, with a stand-in for `tongban` that tells what it was given."""
    (tmp_path / "bin").mkdir()
    tongban = tmp_path / "bin" / "tongban"
    tongban.write_text(TONGBAN)
    tongban.chmod(0o755)
    supervise.write_settings(tmp_path, [site(node, tmp_path) for node in ("460200", "620100")], FULL, tongban)
    supervise.start(tmp_path)
    supervise.wait_until_running(tmp_path, 30)
    yield tmp_path
    supervise.stop(tmp_path)
    assert supervise.status(tmp_path) == {}


def child(folder: Path, name: str) -> Child:
    pid = int((folder / "bin" / f"{name}.pid").read_text())
    return Child(pid, birth(pid))


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_every_process_runs_with_its_own_settings_and_the_stop_ends_them_at_once(folder: Path) -> None:
    names = {f"{node}-{process.name}" for node in ("460200", "620100") for process in FULL}
    assert set(supervise.status(folder)) == names
    for process in FULL:
        told = (folder / "bin" / f"460200-{'-'.join(process.command)}.env").read_text().splitlines()
        expected = environment(process, site("460200", folder))
        assert {f"{key}={value}" for key, value in expected.items()} <= set(told)
        assert any(line.startswith("TONGBAN_HUB_URL=") for line in told) == (process.name == "exchange")
    with pytest.raises(RuntimeError, match="runs already"):
        supervise.start(folder)
    pids = [Child(int(path.read_text()), birth(int(path.read_text()))) for path in folder.glob("bin/*.pid")]
    assert len(pids) == len(names)
    begun = time.monotonic()
    supervise.stop(folder)
    assert time.monotonic() - begun < 10
    assert not any(map(alive, pids))


def test_a_killed_process_comes_back_and_orphans_of_a_killed_supervisor_do_not_stay(folder: Path) -> None:
    relay = child(folder, "460200-relay")
    os.kill(relay.pid, signal.SIGKILL)
    assert eventually(lambda: child(folder, "460200-relay").pid != relay.pid)
    relay = child(folder, "460200-relay")
    [supervisor] = supervise.supervisors(folder)
    os.kill(supervisor.pid, signal.SIGKILL)
    assert eventually(lambda: not alive(supervisor))
    assert alive(relay)
    supervise.stop(folder)
    assert not alive(relay)


def test_the_settings_are_closed_to_others(tmp_path: Path) -> None:
    path = supervise.write_settings(tmp_path, [site("460200", tmp_path)], SMALL)
    assert path.stat().st_mode & 0o077 == 0
    assert "[program:460200-all]" in path.read_text()


def test_a_deep_folder_gets_a_socket_with_a_short_path(tmp_path: Path) -> None:
    assert supervise.socket_of(tmp_path / "a") == tmp_path / "a" / "supervisor.sock"
    deep = tmp_path / ("long" * 30)
    assert len(str(supervise.socket_of(deep))) < supervise.SOCKET_LIMIT
    assert supervise.socket_of(deep) != supervise.socket_of(deep / "er")
