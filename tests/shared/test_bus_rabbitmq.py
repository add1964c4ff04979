"""Doors behind RabbitMQ, PostgreSQL, a relay and nameko processes: nothing is lost, done twice, or hangs."""

import datetime
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from deploy import broker
from deploy.database import conninfo
from shared import clock, metrics, topology
from shared.outbox import inbox, leases, unroutable
from tests.servers import Broker, Database
from tests.shared.bus_suite import BusSuite, send, subject, turn
from tests.shared.clerk import PRIVATE, TakeNoteV1, attempts, effects, town_doors
from tests.shared.town import Town, new_town
from tests.waiting import eventually


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory, rabbitmq: Broker, postgres: Database) -> Iterator[Town]:
    """A town at work for all sentences of the suite."""
    made = new_town(tmp_path_factory.mktemp("town"), rabbitmq, postgres)
    with made.works("clerk").begin() as work:
        work.insert_once(inbox, {"message_id": "old", "received_at": "2025-01-01T00:00:00.000000Z"})
        work.insert_once(inbox, {"message_id": "new", "received_at": "2999-01-01T00:00:00.000000Z"})
    made.clerks(limits={"MEASURE_SECONDS": 0.5}, tick_seconds=1)
    made.relay()
    yield made
    strays = [made.count(unroutable, service) for service in ("clerk", "archive", "front")]
    made.stop()
    assert strays == [0, 0, 0]  # the suite clears away its own


class TestOnRealServers(BusSuite):
    """The suite, on RabbitMQ and PostgreSQL."""


def ask(town: Town, count: int, **how: Any) -> list[str]:
    """The front desk asks for so many notes; the messages' ids."""
    return [send(town, subject(), **how) for _ in range(count)]


def begun(town: Town, asked: Sequence[str]) -> int:
    """How many attempts were made at these messages."""
    with town.engines["clerk"].connect() as connection:
        mine = select(func.count()).select_from(attempts).where(attempts.c.message_id.in_(asked))
        return connection.scalar(mine) or 0


def noted(town: Town, asked: Sequence[str]) -> int:
    """How many of these messages took effect; none of them twice."""
    with town.engines["clerk"].connect() as connection:
        notes = list(connection.scalars(select(effects.c.message_id).where(effects.c.message_id.in_(asked))))
    assert len(notes) == len(set(notes))
    return len(notes)


# --- what comes in -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"content_type": "application/x-python-serialize"},
        {"content_type": "application/json", "content_encoding": "no-such-encoding"},
        {"headers": {"compression": "application/x-bz2"}},
        {"headers": {"x-attempt": "many"}},
        {"headers": {"x-attempt": -7}, "reply_to": "", "correlation_id": ""},
    ],
    ids=["no content type", "pickle", "bad encoding", "bad compression", "bad attempt", "as if RPC"],
)
def test_properties_of_strangers_do_no_harm(backend: Town, properties: dict[str, object]) -> None:
    body = b'{"args": [], "kwargs": {}}'
    before = len(backend.dead("clerk"))
    backend.publish("clerk", body, **properties)
    backend.run_until_idle()
    assert len(backend.dead("clerk")) == before + 1
    about = subject()
    send(backend, about)
    backend.run_until_idle()
    assert backend.effects(about) == ["noted"]


def test_nothing_that_was_said_in_an_error_or_sealed_is_logged(backend: Town) -> None:
    for how in ("fails", "refused", "late", "fails_asking"):
        send(backend, subject(), how=how, times=9)
    backend.run_until_idle()
    assert backend.processes[0].told("dead_letter")
    for process in backend.processes:
        assert PRIVATE not in process.says()
        assert "王秀英" not in process.says()


def test_a_failure_is_logged_with_its_way_and_its_attempt(backend: Town) -> None:
    [clerks, _] = backend.processes
    before = len(clerks.told("handler_failed"))
    [message] = ask(backend, 1, how="fails", times=1)
    backend.run_until_idle()
    [line] = clerks.told("handler_failed")[before:]
    assert (line["error"], line["attempts"], line["node"]) == ("RuntimeError", 1, "460200")
    assert line["where"][-1].endswith("take_note")
    [handled] = [line for line in clerks.told("message_handled") if line["message"] == message]
    assert (handled["type"], handled["node"]) == (TakeNoteV1.type, "460200")
    ids = ("message", "case", "type", "trace")
    assert [line[name] for name in ids] == [handled[name] for name in ids]
    assert len(line["trace"]) == 32


def test_a_dead_letter_is_logged_with_its_case_its_trace_and_the_code_of_a_refusal(backend: Town) -> None:
    about = subject()
    message = turn(backend, about, 1, how="refused")
    backend.run_until_idle()
    [line] = [
        line for process in backend.processes for line in process.told("dead_letter") if line.get("case") == about
    ]
    assert (line["message"], line["code"], line["attempts"]) == (message, "no_such_book", 1)
    assert len(line["trace"]) == 32


def test_a_process_holds_no_more_deliveries_than_it_has_workers(backend: Town) -> None:
    with backend.held_up():
        asked = ask(backend, 15)
        eventually(lambda: (begun(backend, asked), backend.depth("clerk")) == (10, 5))
        time.sleep(0.2)
        assert (begun(backend, asked), backend.depth("clerk")) == (10, 5)
    backend.run_until_idle()
    assert noted(backend, asked) == 15


# --- the end of a process ------------------------------------------------------------------------------------------


def test_sigterm_finishes_what_is_in_hand_and_leaves_the_rest(town: Town) -> None:
    clerks, _ = town.clerks(services=["clerk"]), town.relay()
    with town.held_up():
        asked = ask(town, 16)
        eventually(lambda: (begun(town, asked), town.depth("clerk")) == (10, 6))
        clerks.popen.terminate()
        time.sleep(1)
    assert clerks.popen.wait(10) == 0
    assert noted(town, asked) == 10
    eventually(lambda: town.depth("clerk") == 6)
    town.clerks(services=["clerk"])
    eventually(lambda: noted(town, asked) == 16)
    assert begun(town, asked) == 16  # nothing was even begun twice


def test_a_killed_process_loses_nothing(town: Town) -> None:
    clerks, _ = town.clerks(), town.relay()
    with town.held_up():
        asked = ask(town, 12)
        eventually(lambda: begun(town, asked) == 10)
        clerks.kill()
    assert noted(town, asked) == 0
    town.clerks()
    eventually(lambda: noted(town, asked) == 12)
    assert begun(town, asked) == 22


def test_sigterm_ends_a_process_whose_broker_no_longer_answers(town: Town) -> None:
    wire = town.wire(town.amqp_url)
    clerks = town.clerks(amqp_url=wire.url)
    wire.freeze()
    clerks.terminate(10)


def test_sigterm_ends_a_process_whose_handlers_do_not(town: Town) -> None:
    clerks, _ = town.clerks(limits={"GRACE_SECONDS": 1}), town.relay()
    asked = ask(town, 1, seconds=30)
    eventually(lambda: begun(town, asked) == 1)
    assert clerks.terminate(5) == 1
    assert noted(town, asked) == 0


def test_sigterm_ends_a_process_that_still_waits_for_its_broker(town: Town) -> None:
    wire = town.wire(town.amqp_url)
    wire.cut()
    clerks = town.clerks(ready=False, amqp_url=wire.url)
    eventually(lambda: clerks.told("broker_not_there"))
    assert clerks.terminate() == 0


# --- broker, database and wires ------------------------------------------------------------------------------------


def test_a_process_waits_for_its_broker_is_not_healthy_without_and_ends_all_the_same(town: Town) -> None:
    wire = town.wire(town.amqp_url)
    wire.cut()
    clerks = town.clerks(ready=False, amqp_url=wire.url)
    eventually(lambda: clerks.told("broker_not_there"))
    assert not metrics.healthy(town.node.home, clerks.name)
    wire.mend()
    eventually(lambda: metrics.healthy(town.node.home, clerks.name))
    wire.cut()
    eventually(lambda: not metrics.healthy(town.node.home, clerks.name))
    assert clerks.alive
    assert clerks.terminate() == 0


def test_broken_connections_cost_no_effect_and_leave_no_deaf_process(town: Town) -> None:
    wire = town.wire(town.amqp_url)
    clerks, _ = town.clerks(amqp_url=wire.url), town.relay()
    with town.held_up():
        asked = ask(town, 10)
        eventually(lambda: begun(town, asked) == 10)
        wire.drop()
    # now the answers to ten committed transactions get lost
    eventually(lambda: len(clerks.told("answer_lost")) == 10)
    asked += ask(town, 5)
    eventually(lambda: noted(town, asked) == 15)
    town.run_until_idle()
    assert noted(town, asked) == 15
    eventually(lambda: metrics.healthy(town.node.home, clerks.name))


def test_connections_closed_by_the_operator_come_back(backend: Town) -> None:
    with backend.held_up():
        asked = ask(backend, 3)
        eventually(lambda: begun(backend, asked) == 3)
        broker.ctl(backend.rabbitmq.servers.get("rabbitmq"), "close_all_connections", "maintenance")
    asked += ask(backend, 1)
    eventually(lambda: noted(backend, asked) == 4)
    backend.run_until_idle()
    assert noted(backend, asked) == 4
    assert all(process.alive for process in backend.processes)


def test_a_killed_broker_loses_nothing(backend: Town) -> None:
    with backend.held_up():
        asked = ask(backend, 20)
        eventually(lambda: begun(backend, asked) == 10)
        backend.rabbitmq.servers.kill("rabbitmq")
    asked += ask(backend, 20)
    backend.rabbitmq.servers.start("rabbitmq")
    eventually(lambda: noted(backend, asked) == 40, 30)
    backend.run_until_idle()
    assert noted(backend, asked) == 40
    assert all(process.alive for process in backend.processes)


def test_a_handler_that_lets_nobody_else_run_costs_the_connection_but_not_the_process(town: Town) -> None:
    clerks, _ = town.clerks(limits={"HEARTBEAT_SECONDS": 1}), town.relay()
    asked = ask(town, 1, how="blocks", seconds=3)
    eventually(lambda: clerks.told("hub_stalled"))
    asked += ask(town, 1)
    eventually(lambda: noted(town, asked) == 2)
    town.run_until_idle()
    assert noted(town, asked) == 2
    assert clerks.told("broker_lost")
    assert clerks.alive
    assert town.dead("clerk") == []


def test_a_handler_that_waits_for_ever_has_failed(town: Town) -> None:
    town.clerks(limits={"HANDLER_SECONDS": 0.5})
    town.relay()
    [waits] = ask(town, 1, seconds=60)
    eventually(lambda: town.dead("clerk"))
    [dead] = town.dead("clerk")
    assert (dead["message"], dead["reason"], dead["attempts"]) == (waits, "Timeout", 2)
    asked = ask(town, 1)
    eventually(lambda: noted(town, asked) == 1)  # and its connections to the database are sound


def test_a_deleted_queue_is_declared_again(backend: Town) -> None:
    [clerks, _] = backend.processes
    before = len(clerks.told("consuming"))
    with backend.channel() as channel:
        channel.queue_delete("clerk.retry.1s")
        channel.queue_delete("clerk")  # last: its consumer notices and declares all of them again
    eventually(lambda: len(clerks.told("consuming")) > before)
    asked = ask(backend, 1, how="fails", times=1)
    eventually(lambda: noted(backend, asked) == 1)


def test_a_missing_retry_queue_loses_nothing(backend: Town) -> None:
    [clerks, _] = backend.processes
    before = len(clerks.told("copy_failed"))
    with backend.channel() as channel:
        channel.queue_delete("clerk.retry.1s")
    asked = ask(backend, 1, how="fails", times=1)
    eventually(lambda: noted(backend, asked) == 1)
    assert len(clerks.told("copy_failed")) == before + 1
    topology.declare(backend.amqp_url, town_doors().values())


def test_a_queue_with_other_arguments_ends_the_process_with_a_reason(town: Town) -> None:
    running = town.clerks()
    with town.channel() as channel:
        channel.queue_delete("clerk")
        channel.queue_declare("clerk", durable=True)
    starting = town.clerks(ready=False)
    for process in (running, starting):
        assert process.popen.wait(10) == 1
        [said] = process.told("queue_has_other_arguments")
        assert "'x-dead-letter-exchange' for queue 'clerk'" in said["broker_says"]


def test_a_database_outage_loses_nothing(town: Town) -> None:
    wire = town.wire(town.urls["clerk"])
    clerks, _ = town.clerks(urls=town.urls | {"clerk": wire.url}), town.relay()
    asked = ask(town, 30)
    eventually(lambda: noted(town, asked) >= 5)
    wire.cut()
    asked += ask(town, 30)
    eventually(lambda: len(clerks.told("database_away")) >= 20)  # longer than the retry delays would last
    wire.mend()
    eventually(lambda: noted(town, asked) == 60, 20)
    town.run_until_idle()
    assert noted(town, asked) == 60
    assert town.dead("clerk") == []


def test_a_transaction_that_the_database_breaks_off_is_tried_again(backend: Town, postgres: Database) -> None:
    asked = ask(backend, 1, seconds=1)
    eventually(lambda: begun(backend, asked) == 1)
    with closing(psycopg.connect(conninfo(postgres.url), autocommit=True)) as admin:
        url, in_transaction = make_url(backend.urls["clerk"]), "usename = %s AND xact_start IS NOT NULL"
        admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {in_transaction}", [url.username])
    eventually(lambda: noted(backend, asked) == 1)
    assert begun(backend, asked) == 2


# --- the process itself --------------------------------------------------------------------------------------------


def test_a_process_in_which_the_database_blocks_everything_does_not_serve(town: Town) -> None:
    clerks = town.clerks(ready=False, forgets_psycopg=True)
    assert clerks.popen.wait(10) == 1
    assert clerks.told("database_blocks_everything")


def test_a_timer_rests_while_another_process_holds_its_lease(backend: Town) -> None:
    eventually(lambda: len(backend.effects("tick")) >= 2)
    until = clock.iso(clock.now() + datetime.timedelta(seconds=3))
    with backend.engines["clerk"].begin() as connection:  # as if it had been there first
        taken = leases.update().where(leases.c.name == "timer.clerk.tick")
        assert connection.execute(taken.values(holder="another process", until=until)).rowcount == 1
    time.sleep(0.3)  # what was being done is done
    before = len(backend.effects("tick"))
    time.sleep(1.5)
    assert len(backend.effects("tick")) == before
    eventually(lambda: len(backend.effects("tick")) > before)


def test_a_process_forgets_old_inbox_rows_only(backend: Town) -> None:
    eventually(lambda: not backend.has_read("clerk", "old"))
    assert backend.has_read("clerk", "new")


def test_an_operator_sees_outcomes_retries_and_dead_letters(backend: Town) -> None:
    clerks, relay = backend.processes
    totals = ("dead", "retried", "published")

    def seen() -> list[float]:
        refused = clerks.figure("tongban_handled_total", 'outcome="refused"')
        return [
            refused,
            *((relay if name == "published" else clerks).figure(f"tongban_{name}_total") for name in totals),
        ]

    send(backend, subject(), how="well")
    backend.run_until_idle()  # both processes answer by now, and nothing of other tests is on its way
    before = seen()
    for how in ("well", "refused", "fails"):
        send(backend, subject(), how=how, times=9)
    backend.run_until_idle()
    assert [new - old for new, old in zip(seen(), before, strict=True)] == [1, 1, 1, 5]
    eventually(lambda: clerks.figure("tongban_dead_letters") == len(backend.dead("clerk")))
