"""On real servers: every package does its natural work, and the counter works on while the broker is away."""

import datetime
import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from deploy import broker, supervise
from deploy.processes import SMALL
from services.main import real
from services.main.journey import application, run
from shared import clock
from tests.journeys.places import CODES, Real
from tests.waiting import eventually

PIKA, AMQP = "Pika", "py-amqp"
SERVICES = ("intake", "subsidy", "certificate", "claims", "web", "exchange")


def test_services_consume_by_kombus_driver_and_relay_and_gateway_by_pika(real_place: Real) -> None:
    columns = ("vhost", "user", "client_properties")
    listed = broker.ctl(real_place.servers.get("rabbitmq"), "list_connections", *columns)
    rows = [(*line.split("\t")[:2], PIKA in line, AMQP in line) for line in listed.splitlines() if "\t" in line]

    for code in CODES:
        mine = [(pika, amqp) for vhost, _, pika, amqp in rows if vhost == f"city-{code}"]
        assert any(pika for pika, _ in mine)
        assert any(amqp for _, amqp in mine)
        at_hub = [pika for vhost, user, pika, _ in rows if (vhost, user) == ("xchg", code)]
        assert at_hub, f"{code} is not at the hub"
        assert all(at_hub)


def test_every_service_has_a_quorum_queue_with_a_consumer_and_a_dead_letter_home(real_place: Real) -> None:
    for code in CODES:
        eventually(
            lambda code=code: all(int(consumers) >= 1 for _, consumers in _own_queues(real_place, code).values())
        )
        assert all(kind.endswith("quorum") for kind, _ in _own_queues(real_place, code).values())
        assert {f"{service}.dead" for service in SERVICES} <= set(_queues(real_place, code))


def test_every_process_gives_its_figures_where_prometheus_is_told_to_look(real_place: Real) -> None:
    run(real_place.counters, lambda _line: None)
    targets = json.loads((real_place.folder / "metrics.json").read_text("utf-8"))
    shown = {"all": "tongban_handler_seconds_count", "relay": "tongban_parked", "exchange": "tongban_exchanged_total"}

    assert len(targets) == len(CODES) * len(SMALL)
    for target in targets:
        with urllib.request.urlopen(f"http://{target['targets'][0]}/metrics", timeout=5) as page:
            samples = [line for line in page.read().decode().splitlines() if not line.startswith("#")]
        expected = shown.get(target["labels"]["process"], "process_resident_memory_bytes")
        assert any(line.startswith(expected) for line in samples), target


def test_every_log_line_of_a_handled_message_is_json_with_its_case_message_and_trace(real_place: Real) -> None:
    case = run(real_place.counters, lambda _line: None)
    lines = [
        json.loads(line)
        for path in (real_place.folder / "logs").glob("*-all.log*")
        for line in path.read_text("utf-8").splitlines()
        if case["case_id"] in line
    ]

    assert any(line["event"] == "message_handled" for line in lines)
    assert all(
        {"case", "message", "trace", "node", "service"} <= set(line)
        for line in lines
        if line["event"] == "message_handled"
    )


def test_the_counter_gives_a_receipt_while_the_broker_is_down_and_the_case_goes_on_after(real_place: Real) -> None:
    window = real_place.counters["window"]
    real_place.servers.kill("rabbitmq")
    answer = window.ask("POST", "/cases", application([_somebody_else()]), key=clock.new_id())
    receipt = answer["receipt"]
    real_place.servers.start("rabbitmq")

    assert "待受理" in receipt["note"] + receipt["state_name"]
    # the other city's leg stays, whatever comes of the case: this person's hukou has moved, so it goes on quickly
    eventually(lambda: len(window.ask("GET", f"/cases/{receipt['case_id']}")["legs"]) > 1, 180)


def test_a_killed_service_comes_back_and_loses_nothing(real_place: Real) -> None:
    for name, pid in supervise.pids(real_place.folder).items():
        if name.endswith(("-all", "-relay", "-exchange")):
            os.kill(pid, signal.SIGKILL)

    case = run(real_place.counters, lambda _line: None)

    assert case["state"] == "closed"


def test_sigterm_ends_every_process_within_ten_seconds_also_with_the_broker_gone(real_place: Real) -> None:
    real_place.servers.kill("rabbitmq")
    time.sleep(2)
    running = supervise.pids(real_place.folder)
    told = real_place.folder / "logs" / "supervisord.log"
    before, ended = len(told.read_text()), dict[str, datetime.datetime]()
    watcher = threading.Thread(target=_note_ends, args=(running, ended))
    watcher.start()
    supervise.stop(real_place.folder)
    watcher.join(60)
    said = told.read_text()[before:]
    real_place.servers.start("rabbitmq")
    real.start(real_place.country, SMALL)

    began = datetime.datetime.strptime(said[:23], "%Y-%m-%d %H:%M:%S,%f").astimezone()  # SIGTERM
    assert len(ended) == len(SMALL) * len(CODES)
    seconds = {name: (at - began).total_seconds() for name, at in ended.items()}
    assert {name: late for name, late in seconds.items() if not 0 <= late <= 10} == {}
    assert "SIGKILL" not in said


def _note_ends(running: Mapping[str, int], ended: dict[str, datetime.datetime]) -> None:
    """When each process was dead, its parent's knowing of it or not."""
    while len(ended) < len(running):
        for name, pid in running.items():
            if name not in ended and not _is_alive(pid):
                ended[name] = clock.now()
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _queues(place: Real, code: str) -> dict[str, list[str]]:
    """Kind and number of consumers of every queue of a city."""
    server = place.servers.get("rabbitmq")
    listed = broker.ctl(server, "list_queues", "-p", f"city-{code}", "name", "type", "consumers")
    rows = [line.split("\t") for line in listed.splitlines()]
    return {row[0]: row[1:] for row in rows if len(row) == 3}


def _own_queues(place: Real, code: str) -> dict[str, list[str]]:
    found = _queues(place, code)
    return {service: found[service] for service in SERVICES}


def _somebody_else() -> dict[str, str]:
    return {
        "role": "applicant",
        "name": "李禾",
        "id_type": "citizen",
        "id_number": "99010419880704022X",
        "hukou_division": "620102001",
    }
