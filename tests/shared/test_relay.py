"""The relay between a real PostgreSQL and a real RabbitMQ: no row is lost, stuck or left behind."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import pytest
from sqlalchemy import insert, select

from deploy import broker
from shared import clock, metrics, topology
from shared.outbox import outbox, parked, unroutable
from tests.servers import Broker, Database
from tests.shared.clerk import NoteTakenV1, TakeNoteV1, town_doors
from tests.shared.town import Process, Town, new_town
from tests.waiting import eventually


def tell(town: Town, count: int, service: str = "front", key: str = TakeNoteV1.type, queue: str = "") -> list[str]:
    """Put rows into an outbox, in one transaction; their messages' ids."""
    ids = [clock.new_id() for _ in range(count)]
    rows = [
        {"message_id": one, "routing_key": key, "queue": queue, "body": "{}", "created_at": clock.iso(clock.now())}
        for one in ids
    ]
    with town.engines[service].begin() as connection:
        connection.execute(insert(outbox), rows)
    return ids


def empty(town: Town, *services: str) -> bool:
    return not any(town.count(outbox, service) for service in services or ("clerk", "archive", "front"))


def arrived(town: Town, queue: str = "clerk") -> list[Any]:
    """The properties of all messages in a queue, in order; they are taken out."""
    with town.channel() as channel:
        count = channel.queue_declare(queue, passive=True).method.message_count
        return [properties for _, properties, _ in islice(channel.consume(queue, auto_ack=True), count)]


def ids(found: Sequence[Any]) -> list[str]:
    return [properties.message_id for properties in found]


def working(town: Town, **where: str) -> Process:
    """A relay that has begun."""
    relay = town.relay(**where)
    eventually(lambda: metrics.healthy(town.node.home, relay.name))
    return relay


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory, rabbitmq: Broker, postgres: Database) -> Iterator[Town]:
    """A town with a relay at work for most sentences here."""
    made = new_town(tmp_path_factory.mktemp("town"), rabbitmq, postgres)
    working(made)
    yield made
    made.stop()


@pytest.fixture
def post(at_work: Town) -> Town:
    """The town at work, with nothing left of earlier tests."""
    for service in ("clerk", "archive", "front"):
        with at_work.engines[service].begin() as connection:
            connection.execute(outbox.delete())
            connection.execute(unroutable.delete())
    with at_work.channel() as channel:
        for queue in ("clerk", "archive"):
            channel.queue_purge(queue)
    return at_work


def test_every_outbox_is_emptied_in_its_order(post: Town) -> None:
    told = {"front": tell(post, 1200), "archive": tell(post, 30, "archive", NoteTakenV1.type)}
    eventually(lambda: empty(post))
    assert ids(arrived(post, "clerk")) == told["front"]
    assert ids(arrived(post, "archive")) == told["archive"]


def test_a_message_is_durable_and_says_what_it_is(post: Town) -> None:
    [told] = tell(post, 1)
    eventually(lambda: empty(post))
    [properties] = arrived(post)
    assert (properties.message_id, properties.delivery_mode) == (told, 2)
    assert (properties.content_type, properties.content_encoding) == ("application/json", "utf-8")


def test_a_commit_wakes_the_relay_at_once(post: Town) -> None:
    waits = []
    for _ in range(20):
        time.sleep(0.03)
        tell(post, 1)
        began = time.monotonic()
        eventually(lambda: empty(post, "front"))
        waits.append(time.monotonic() - began)
    assert sorted(waits)[10] < 0.25


def test_what_nobody_announced_is_found_all_the_same(post: Town) -> None:
    with post.engines["front"].begin() as connection:
        connection.exec_driver_sql("ALTER TABLE outbox DISABLE TRIGGER outbox_told")
    tell(post, 3)
    eventually(lambda: empty(post), 6)
    with post.engines["front"].begin() as connection:
        connection.exec_driver_sql("ALTER TABLE outbox ENABLE TRIGGER outbox_told")


def test_an_outbox_made_later_is_found(post: Town) -> None:
    with post.engines["archive"].begin() as connection:
        connection.exec_driver_sql("ALTER TABLE outbox RENAME TO hidden")
    time.sleep(2.2)  # a round without it
    with post.engines["archive"].begin() as connection:
        connection.exec_driver_sql("ALTER TABLE hidden RENAME TO outbox")
    tell(post, 1, "archive")
    eventually(lambda: empty(post), 6)


def test_a_message_nobody_wants_is_kept_aside_and_holds_up_nobody(post: Town) -> None:
    first, [stray], second = tell(post, 2), tell(post, 1, key="front.unheard_of.v1"), tell(post, 2)
    [relay] = post.processes
    eventually(lambda: empty(post))
    assert ids(arrived(post)) == first + second
    with post.engines["front"].connect() as connection:
        [row] = connection.execute(select(unroutable)).all()
    assert (row.message_id, row.routing_key, row.body) == (stray, "front.unheard_of.v1", "{}")
    assert row.reason == "312 NO_ROUTE"
    said = relay.told("message_unroutable")[-1]
    assert (said["service"], said["message"]) == ("front", stray)
    eventually(lambda: relay.figure("tongban_unroutable") == 1)


def test_it_counts_what_waits_for_another_message(post: Town) -> None:
    [relay] = post.processes
    with post.works("clerk").begin() as work:
        early = {"message_id": clock.new_id(), "awaits": "page/1", "body": "{}", "parked_at": clock.iso(work.now)}
        work.write(parked.insert(), [early])
    eventually(lambda: relay.figure("tongban_parked", 'service="clerk"') == 1)
    with post.works("clerk").begin() as work:
        work.write(parked.delete())
    eventually(lambda: relay.figure("tongban_parked", 'service="clerk"') == 0)


def test_a_message_put_aside_is_sent_when_somebody_wants_it(post: Town) -> None:
    [stray] = tell(post, 1, key="front.wanted_later.v1")  # the binding stays: no other test may use this key
    eventually(lambda: post.count(unroutable, "front") == 1)
    with post.channel() as channel:
        channel.queue_bind("archive", "tongban.events", "front.wanted_later.v1")
    assert post.works("front").redrive_unroutable() == 1
    eventually(lambda: post.depth("archive") == 1)
    assert ids(arrived(post, "archive")) == [stray]
    assert post.count(unroutable, "front") == 0


def test_a_row_with_a_queue_goes_to_that_queue_alone(post: Town) -> None:
    told = tell(post, 2, key=NoteTakenV1.type, queue="clerk")
    eventually(lambda: empty(post))
    assert ids(arrived(post, "clerk")) == told
    assert arrived(post, "archive") == []


def test_a_row_for_a_missing_queue_is_kept_aside_with_its_queue(post: Town) -> None:
    tell(post, 1, queue="nowhere")
    eventually(lambda: post.count(unroutable, "front") == 1)
    with post.engines["front"].connect() as connection:
        assert connection.scalar(select(unroutable.c.queue)) == "nowhere"
    with post.channel() as channel:
        channel.queue_declare("nowhere", durable=True)
    post.works("front").redrive_unroutable()
    eventually(lambda: len(arrived(post, "nowhere")) == 1)


def test_what_the_broker_refuses_stays_and_the_rest_goes(post: Town) -> None:
    with post.channel() as channel:
        full = {"x-max-length": 1, "x-overflow": "reject-publish"}
        channel.queue_declare("full", durable=True, arguments=full)
    tell(post, 3, queue="full")
    told = tell(post, 3)
    [relay] = post.processes
    eventually(lambda: post.count(outbox, "front") == 2)
    assert ids(arrived(post)) == told
    assert relay.told("broker_refused")
    assert len(arrived(post, "full")) == 1  # now there is room for one more
    eventually(lambda: post.count(outbox, "front") == 1, 6)


def test_two_relays_send_each_message_once(town: Town) -> None:
    relays = [working(town), working(town)]
    told = [one for _ in range(20) for one in tell(town, 100)]
    eventually(lambda: empty(town), 20)
    found = Counter(ids(arrived(town)))
    assert found == Counter(told)
    eventually(lambda: sum(relay.figure("tongban_published_total") for relay in relays) == 2000)


def test_a_killed_relay_loses_nothing(town: Town) -> None:
    relay = working(town)
    told = tell(town, 3000)
    eventually(lambda: 0 < town.count(outbox, "front") < 3000)
    relay.kill()
    assert town.count(outbox, "front") > 0
    working(town)
    eventually(lambda: empty(town))
    assert set(ids(arrived(town))) == set(told)


def test_a_relay_waits_for_a_broker_that_is_away(town: Town) -> None:
    wire = town.wire(town.amqp_url)
    wire.cut()
    relay = town.relay(amqp_url=wire.url)
    tell(town, 5)
    eventually(lambda: relay.told("relay_interrupted"))
    assert not metrics.healthy(town.node.home, relay.name)
    assert town.count(outbox, "front") == 5
    wire.mend()
    eventually(lambda: empty(town))
    wire.cut()
    tell(town, 5)
    eventually(lambda: relay.told("relay_interrupted"))
    wire.mend()
    eventually(lambda: empty(town))
    assert len(arrived(town)) == 10
    assert relay.alive
    wire.cut()
    assert relay.terminate(10) == 0


def test_a_relay_waits_for_a_database_that_is_away(town: Town) -> None:
    wire = town.wire(town.urls["relay"])
    relay = working(town, database_url=wire.url)
    wire.cut()
    eventually(lambda: relay.told("relay_interrupted"))
    tell(town, 5)
    wire.mend()
    eventually(lambda: empty(town))
    assert len(arrived(town)) == 5
    assert relay.alive
    wire.cut()
    assert relay.terminate(10) == 0


def test_a_relay_waits_until_its_exchange_is_declared(post: Town) -> None:
    with post.channel() as channel:
        channel.exchange_delete("tongban.events")
    [relay] = post.processes
    before = len(relay.told("relay_interrupted"))
    tell(post, 1)
    eventually(lambda: len(relay.told("relay_interrupted")) > before)
    assert post.count(outbox, "front") == 1
    topology.declare(post.amqp_url, town_doors().values())
    eventually(lambda: empty(post))
    assert len(arrived(post)) == 1


def test_a_broker_short_of_memory_stops_the_relay_and_loses_nothing(post: Town) -> None:
    server = post.rabbitmq.servers.get("rabbitmq")
    [relay] = post.processes
    broker.ctl(server, "set_vm_memory_high_watermark", "0.00001")
    try:
        told = tell(post, 700)
        eventually(lambda: relay.told("broker_blocks"))
        assert post.count(outbox, "front") == 700
        assert relay.alive
    finally:
        broker.ctl(server, "set_vm_memory_high_watermark", "0.4")
    eventually(lambda: empty(post))
    assert set(ids(arrived(post))) == set(told)


def test_sigterm_ends_a_relay_whose_broker_no_longer_answers(town: Town) -> None:
    wire = town.wire(town.amqp_url)
    relay = working(town, amqp_url=wire.url)
    wire.freeze()
    tell(town, 10)
    time.sleep(0.3)
    assert relay.terminate(10) == 0
    assert town.count(outbox, "front") == 10


def test_a_relay_says_how_old_the_oldest_message_is(post: Town) -> None:
    [relay] = post.processes
    with post.channel() as channel:
        channel.queue_declare("closed", durable=True, arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
    tell(post, 1, queue="closed")
    eventually(lambda: relay.figure("tongban_outbox_oldest_seconds") > 1, 6)


def test_no_message_is_logged(post: Town) -> None:
    [relay] = post.processes
    with post.engines["front"].begin() as connection:
        row = {
            "message_id": clock.new_id(),
            "routing_key": "a.b.c",
            "body": json.dumps("王秀英"),
            "created_at": clock.iso(clock.now()),
        }
        connection.execute(insert(outbox), row)
    eventually(lambda: empty(post))
    assert relay.told("message_unroutable")
    assert "王秀英" not in relay.says()
