"""Who may do what at the hub, and where a message ends up: asked of a real broker."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pika
import pytest
from click.testing import CliRunner
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import (
    AMQPConnectionError,
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ProbableAuthenticationError,
    UnroutableError,
)

from deploy import broker, hub
from tests.servers import Broker

SANYA, LANZHOU, COUNTY = "460200", "620100", "460203"
TYPE = "intake.application_forwarded.v1"


@pytest.fixture(scope="module")
def urls(rabbitmq: Broker) -> dict[str, str]:
    return rabbitmq.new_hub([SANYA, LANZHOU, COUNTY])


@contextmanager
def channel(url: str) -> Iterator[BlockingChannel]:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        opened = connection.channel()
        opened.confirm_delivery()
        yield opened
    finally:
        if connection.is_open:
            connection.close()


def key(destination: str, source: str, lane: str = "std") -> str:
    return f"{hub.words(destination)}.{source}.{lane}.{TYPE}"


def publish(url: str, routing_key: str, body: str, *, user: str | None = None, exchange: str = "x.in") -> None:
    with channel(url) as opened:
        properties = pika.BasicProperties(delivery_mode=2, user_id=user)
        opened.basic_publish(exchange, routing_key, body.encode(), properties, mandatory=True)


def take(url: str, queue: str) -> list[str]:
    """All that is in a queue, taken out of it; by consuming, as an inbox gives nothing to anybody else."""
    with channel(url) as opened:
        found = []
        for method, _, body in opened.consume(queue, inactivity_timeout=0.5):
            if method is None:
                return found
            opened.basic_ack(method.delivery_tag)
            found.append(body.decode())
    return found


def refusal(url: str, act: str, *arguments: object, **more: object) -> int:
    """The AMQP code with which the broker closes the channel on this act."""
    with channel(url) as opened, pytest.raises(ChannelClosedByBroker) as caught:
        getattr(opened, act)(*arguments, **more)
    return int(caught.value.reply_code)


def test_a_message_reaches_the_inbox_of_its_destination_and_no_other(urls: dict[str, str]) -> None:
    publish(urls[SANYA], key(COUNTY, SANYA), "to the county", user=SANYA)
    assert take(urls[COUNTY], hub.inbox(COUNTY, "std")) == ["to the county"]
    assert take(urls[LANZHOU], hub.inbox(LANZHOU, "std")) == []


def test_a_county_with_its_own_node_is_not_shared_with_its_city(urls: dict[str, str]) -> None:
    publish(urls[LANZHOU], key(COUNTY, LANZHOU), "county")
    publish(urls[LANZHOU], key(SANYA, LANZHOU), "city")
    assert take(urls[SANYA], hub.inbox(SANYA, "std")) == ["city"]
    assert take(urls[COUNTY], hub.inbox(COUNTY, "std")) == ["county"]


def test_each_lane_has_its_own_queue(urls: dict[str, str]) -> None:
    for lane in hub.LANES:
        publish(urls[SANYA], key(LANZHOU, SANYA, lane), lane)
    for lane in hub.LANES:
        assert take(urls[LANZHOU], hub.inbox(LANZHOU, lane)) == [lane]


@pytest.mark.parametrize(
    "routing_key",
    [key("460299", SANYA), key("321300", SANYA), key(LANZHOU, SANYA, "bulk")],
    ids=["an unknown node of an own province", "another province", "an unknown lane"],
)
def test_without_a_hub_above_what_no_inbox_takes_goes_back_to_its_sender(
    urls: dict[str, str], routing_key: str
) -> None:
    with pytest.raises(UnroutableError):
        publish(urls[SANYA], routing_key, "nobody there")


def test_of_two_readers_of_an_inbox_one_stands_by_and_takes_over_what_the_other_leaves(urls: dict[str, str]) -> None:
    inbox = hub.inbox(SANYA, "std")
    with channel(urls[SANYA]) as first, channel(urls[SANYA]) as second:
        first.basic_qos(prefetch_count=1)
        reading = first.consume(inbox, inactivity_timeout=5)
        for body in ("one", "two", "three"):
            publish(urls[LANZHOU], key(SANYA, LANZHOU), body)
        assert next(reading)[2] == b"one"
        standing_by = second.consume(inbox, inactivity_timeout=0.5)
        assert next(standing_by)[2] is None
        first.connection.close()
        found = []
        while len(found) < 3:
            method, _, body = next(standing_by)
            if method:
                second.basic_ack(method.delivery_tag)
                found.append(body.decode())
    assert sorted(found) == ["one", "three", "two"]  # what the other held in hand may come last


def test_another_province_goes_up_and_an_own_unknown_node_does_not(rabbitmq: Broker) -> None:
    urls = rabbitmq.new_hub([SANYA], parent=True)
    publish(urls[SANYA], key("321300", SANYA), "another province")
    publish(urls[SANYA], key("460299", SANYA), "own province")
    assert take(urls["operator"], "q.unroutable") == ["own province"]
    assert take(urls["uplink"], "out.up") == ["another province"]


def test_nobody_publishes_in_the_name_of_another_node(urls: dict[str, str]) -> None:
    assert refusal(urls[SANYA], "basic_publish", "x.in", key(LANZHOU, COUNTY), b"") == 403
    forged = pika.BasicProperties(user_id=COUNTY)
    assert refusal(urls[SANYA], "basic_publish", "x.in", key(LANZHOU, SANYA), b"", forged) == 406


@pytest.mark.parametrize("exchange", ["", "x.dead", "x.dir", "amq.topic"])
def test_a_node_publishes_to_one_exchange_only(urls: dict[str, str], exchange: str) -> None:
    routing_key = key(LANZHOU, SANYA) if exchange else hub.inbox(LANZHOU, "std")
    assert refusal(urls[SANYA], "basic_publish", exchange, routing_key, b"") == 403


@pytest.mark.parametrize("queue", [*(hub.inbox(LANZHOU, lane) for lane in hub.LANES), "q.dead"])
def test_a_node_reads_no_queue_but_its_own(urls: dict[str, str], queue: str) -> None:
    assert refusal(urls[SANYA], "basic_get", queue) == 403
    assert refusal(urls[SANYA], "queue_purge", queue) == 403


def test_a_node_changes_nothing_of_the_hub(urls: dict[str, str]) -> None:
    own = hub.inbox(SANYA, "std")
    assert refusal(urls[SANYA], "queue_declare", "mine", durable=True) == 403
    assert refusal(urls[SANYA], "queue_declare", "", exclusive=True) == 403
    assert refusal(urls[SANYA], "queue_bind", own, "x.in", "#") == 403
    assert refusal(urls[SANYA], "queue_unbind", own, "x.in", f"{hub.words(SANYA)}.*.std.#") == 403
    assert refusal(urls[SANYA], "queue_delete", own) == 403
    assert refusal(urls[SANYA], "exchange_declare", "mine", "topic", durable=True) == 403
    assert refusal(urls[SANYA], "exchange_delete", "x.in") == 403


def test_a_node_has_no_more_connections_than_its_limit(urls: dict[str, str]) -> None:
    parameters = pika.URLParameters(urls[COUNTY])
    held = [pika.BlockingConnection(parameters) for _ in range(hub.NODE_LIMITS["max-connections"])]
    with pytest.raises((ConnectionClosedByBroker, AMQPConnectionError)):
        pika.BlockingConnection(parameters)
    for connection in held:
        connection.close()


def test_every_node_reads_the_directory_from_its_first_version(urls: dict[str, str]) -> None:
    for version in ("1", "2"):
        publish(urls["operator"], "", version, exchange="x.dir")
    with channel(urls[LANZHOU]) as opened:
        opened.basic_qos(prefetch_count=10)
        found = []
        for method, _, body in opened.consume("s.directory", arguments={"x-stream-offset": "first"}):
            opened.basic_ack(method.delivery_tag)
            found.append(body.decode())
            if found == ["1", "2"]:
                break


def test_a_message_that_no_attempt_digests_ends_in_the_dead_queue(urls: dict[str, str]) -> None:
    publish(urls[SANYA], key(LANZHOU, SANYA, "urgent"), "poison")
    deliveries = 0
    with channel(urls[LANZHOU]) as opened:
        for method, _, _ in opened.consume(hub.inbox(LANZHOU, "urgent"), inactivity_timeout=0.5):
            if method is None:
                break
            deliveries += 1
            opened.basic_nack(method.delivery_tag, requeue=True)
    assert deliveries == hub.DELIVERY_LIMIT + 1
    assert take(urls["operator"], "q.dead") == ["poison"]


def test_without_passwords_nobody_logs_in_by_password(rabbitmq: Broker) -> None:
    server = rabbitmq.servers.get("rabbitmq")
    made = hub.definitions([{"code": "630100"}], vhost="xchg-external")
    shared_by_all_hubs = [user for user in made["users"] if user["name"] != hub.OPERATOR]
    assert [user["name"] for user in shared_by_all_hubs] == ["630100"]
    permissions = [row for row in made["permissions"] if row["user"] != hub.OPERATOR]
    broker.import_definitions(server, made | {"users": shared_by_all_hubs, "permissions": permissions})
    for password in ("", "dev-630100"):
        with pytest.raises(ProbableAuthenticationError):
            pika.BlockingConnection(pika.URLParameters(broker.url(server, "630100", password, "xchg-external")))


def test_the_same_nodes_give_the_same_file(tmp_path: Path) -> None:
    nodes = tmp_path / "nodes.json"
    nodes.write_text(json.dumps([{"code": LANZHOU}, {"code": SANYA}]))
    first, second = (CliRunner().invoke(hub.cli, [str(nodes), "--development"]).output for _ in range(2))
    assert first == second
    assert json.loads(first)["vhosts"] == [{"name": "xchg"}]


@pytest.mark.parametrize("codes", [["46020"], ["46.2.0"], ["460200", "460200"], ["4602００"]])
def test_a_code_that_is_no_code_or_stands_twice_is_refused(codes: list[str]) -> None:
    with pytest.raises(ValueError, match="node code"):
        hub.definitions([{"code": code} for code in codes])


def test_the_hubs_configuration_lets_nobody_in_by_password(tmp_path: Path) -> None:
    written = CliRunner().invoke(hub.cli, ["--configuration", str(tmp_path)]).output.splitlines()
    settings = dict(line.split(" = ") for line in written if not line.startswith("#"))
    assert [value for name, value in settings.items() if name.startswith("auth_mechanisms")] == ["EXTERNAL"]
    assert settings["listeners.tcp"] == "none"
    assert settings["ssl_options.fail_if_no_peer_cert"] == "true"
    assert settings["ssl_options.cacertfile"] == f"{tmp_path}/ca.pem"
    assert CliRunner().invoke(hub.cli, []).exit_code == 2
