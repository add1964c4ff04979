"""What `make demo` runs, as a process of its own: the timeline on the screen, a second time, and its end by Ctrl-C."""

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.children import free_port
from deploy.homes import CITIES
from services.certificate.rules import is_identifier

WITH_PORTS = """
import dataclasses, sys
from deploy import homes
homes.CITIES = tuple(dataclasses.replace(city, http_port=int(sys.argv.pop(1))) for city in homes.CITIES)
from services.main.cli import cli
cli()
"""
TONGBAN = str(Path(sys.executable).with_name("tongban"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demonstration keeps its data from one run to the next."""
    return tmp_path_factory.mktemp("demo")


def demo(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [TONGBAN, "demo", "--folder", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("time", ["first", "second"])
def test_it_prints_every_leg_office_and_time_and_the_whole_identifier(folder: Path, time: str) -> None:
    done = demo(folder, "--once")

    assert (done.returncode, done.stderr) == (0, ""), time
    steps = re.findall(r"第(\d)段 \d\d-\d\d [\d:.]{12}  (\S+)  (\S+ \S+)", done.stdout)
    subsidy, wedding = steps[:8], steps[8:]
    assert [verb for _, verb, _ in subsidy] == ["收件", "转办", "接办受理", "初审", "审核", "审定", "办结", "告知"]
    assert [verb for _, verb, _ in wedding] == ["收件", "转办", "接办受理", "审查", "登记", "办结", "告知"]
    assert {leg for leg, _, _ in steps} == {"1", "2"}
    assert {office.split()[0] for _, _, office in subsidy} == {"三亚", "兰州"}
    assert all(map(is_identifier, re.findall(r"证照标识 (\S+)", done.stdout)))
    assert re.search(r"又到兰州.*\n.*\n  暂不能办结.*(在天涯区民政局婚姻登记处)", done.stdout)


@pytest.fixture
def ports() -> list[int]:
    """Free ports for the cities: somebody may have the demonstration open while the tests run."""
    return [free_port() for _ in CITIES]


@contextmanager
def left_open(folder: Path, ports: list[int]) -> Iterator[subprocess.Popen[str]]:
    """The demonstration; after two minutes it says where it hangs, and ends."""
    command = [
        sys.executable,
        "-X",
        "faulthandler",
        "-c",
        WITH_PORTS,
        *map(str, ports),
        "demo",
        "--folder",
        str(folder),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        last = threading.Timer(120, running.send_signal, [signal.SIGABRT])
        last.start()
        try:
            yield running
        finally:
            last.cancel()
            running.kill()


def test_a_taken_port_is_named_before_anything_is_done(folder: Path, ports: list[int]) -> None:
    with socket.create_server(("127.0.0.1", ports[0])), left_open(folder, ports) as refused:
        out, err = refused.communicate(timeout=60)

    assert (refused.returncode, out) == (1, "")
    assert err.startswith(f"Error: 端口 {ports[0]} 被占用")


def test_ctrl_c_ends_it_cleanly(folder: Path, ports: list[int]) -> None:
    with left_open(folder, ports) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "Ctrl-C" in line:
                break
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=15)

    assert (running.returncode, err) == (0, "")
    assert out.startswith("已结束")
