"""The gateway's ends on real brokers, and the process with and without them."""

import faulthandler
import gc
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pika
import pytest
from click.testing import CliRunner
from prometheus_client import REGISTRY

from contracts.envelope import decode, encode
from deploy import broker
from deploy.homes import make_root
from deploy.root import sign
from services.exchange import rules
from services.exchange.service import process
from services.exchange.service.gateway import Gateway
from services.exchange.service.link import Got
from services.exchange.service.local_queue import LocalQueue
from services.exchange.service.pika_hub import PikaHub
from services.exchange.service.timers import doors
from services.exchange.store import questions, tables
from services.main.cli import cli
from services.main.operate import Unroutable
from shared import clock, metrics, topology
from shared.bus import Doors
from shared.settings import Settings, read
from tests.exchange.cities import LANZHOU, SANYA, WEIHAI, City, forwarded, new_case, parcel_for, progressed
from tests.servers import Broker


@pytest.fixture
def channel_and_url(rabbitmq: Broker) -> Iterator[tuple[pika.adapters.blocking_connection.BlockingChannel, str]]:
    url = rabbitmq.new_vhost()
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        yield connection.channel(), url


def test_four_processes_of_a_city_reach_the_hub_while_it_still_counts_cut_connections(rabbitmq: Broker) -> None:
    url = rabbitmq.new_hub([SANYA])[SANYA]
    with ExitStack() as held:
        for _ in range(4):  # as half-open links: the hub has not missed their heartbeats yet
            held.enter_context(closing(pika.BlockingConnection(pika.URLParameters(url))))
        for _ in range(4):
            way = held.enter_context(closing(PikaHub(url, SANYA)))
            assert way.fetch(1, 0) == []
            way.rest_outward(0)


def test_a_full_inbox_and_an_unbound_key_are_told_apart(channel_and_url) -> None:
    channel, url = channel_and_url
    user = pika.URLParameters(url).credentials.username
    channel.exchange_declare("x.in", "topic")
    arguments = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"}
    channel.queue_declare("small", durable=True, arguments=arguments)
    channel.queue_bind("small", "x.in", "62.01.00.#")
    with closing(PikaHub(url, user)) as hub:
        hub.publish(
            [parcel_for(LANZHOU, 0), parcel_for(LANZHOU, 1)]
        )  # a quorum queue is a little late to see that it is full
        full, unbound = parcel_for(LANZHOU, 2), parcel_for(WEIHAI, 3)
        assert hub.publish([full, unbound]) == {
            full.message_id: rules.Fate.NACKED,
            unbound.message_id: rules.Fate.RETURNED,
        }


def test_one_process_reads_the_local_queue_in_order_while_another_stands_by_for_what_it_leaves(
    rabbitmq: Broker,
) -> None:
    ways_in = Doors("exchange")
    url = rabbitmq.new_vhost()
    topology.declare(url, [ways_in])
    stop, bodies = threading.Event(), [str(number).encode() for number in range(300)]
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish(topology.EXCHANGE, f"a.b.v1.{LANZHOU}", body)
    first, second = LocalQueue(url, ways_in, stop), LocalQueue(url, ways_in, stop)
    with closing(second):
        taken: list[bytes] = []
        with closing(first):
            while len(taken) < 250:
                got = first.fetch(50, 5)
                first.answer(got, [None] * len(got))
                taken += [one.body for one in got]
            assert second.fetch(300, 0.5) == []
        assert taken == bodies[: len(taken)]
        left = len(bodies) - len(taken)
        rest: list[bytes] = []
        until(lambda: rest.extend(one.body for one in second.fetch(300, 0.2)) or len(rest) == left)
    assert sorted(taken + rest) == sorted(bodies)


def test_mail_for_a_city_that_is_not_joined_is_kept_here_and_goes_when_it_joins(
    rabbitmq: Broker, sanya: City, lanzhou: City
) -> None:
    hub = rabbitmq.new_hub([SANYA])
    case = new_case()
    with closing(PikaHub(hub[SANYA], SANYA)) as way:
        gateway = Gateway(sanya.works, way)
        gateway.send_batch([forwarded(sanya, case)])
        gateway.publish_pending()
        with sanya.works.begin() as work:
            assert [row["destination"] for row in questions.list_unroutable(work)] == [LANZHOU]
        joined = rabbitmq.join_hub(hub[SANYA], [SANYA, LANZHOU])
        assert Unroutable(settings(sanya, "", ""), sanya.works.node).redrive("exchange") == 1
        gateway.publish_pending()
    with closing(PikaHub(joined[LANZHOU], LANZHOU)) as way:
        until(lambda: Gateway(lanzhou.works, way).receive_pending(0.2))
    assert [decode(body).subject for body in lanzhou.told()] == [case]
    assert [row.state for row in sanya.rows(tables.sendings)] == ["sent"]


def figure(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_a_signed_directory_is_published_by_the_hubs_operator_and_a_forged_one_is_not(
    rabbitmq: Broker, sanya: City, tmp_path: Path
) -> None:
    hub = rabbitmq.new_hub([SANYA, LANZHOU])
    root, home = sanya.works.node.home.parent, tmp_path / "operator"
    home.mkdir()
    shutil.copyfile(sanya.works.node.home / "roots.json", home / "roots.json")
    make_root(tmp_path / "forger")
    shutil.copyfile(root / "directory.json", tmp_path / "forger" / "directory.json")
    for folder in (root, tmp_path / "forger"):
        sign(folder)
    env = {"TONGBAN_NODE": "operator", "TONGBAN_HOME": str(home), "TONGBAN_HUB_URL": hub["operator"]}
    ends = [
        CliRunner().invoke(cli, ["directory", "publish", str(folder / "directory.json")], env=env).exit_code
        for folder in (root, tmp_path / "forger")
    ]
    assert ends == [0, 1]
    version = sanya.works.node.directory.version
    with closing(PikaHub(hub[SANYA], SANYA)) as way:
        gateway = Gateway(sanya.works, way)
        until(lambda: gateway.receive_pending(0.2) or sanya.works.node.directory.version == version + 1)


def settings(city: City, amqp_url: str, hub_url: str) -> Settings:
    home = str(city.works.node.home)
    urls = {"TONGBAN_AMQP_URL": amqp_url, "TONGBAN_HUB_URL": hub_url}
    return read({"TONGBAN_NODE": city.code, "TONGBAN_HOME": home} | urls)


@contextmanager
def running(city: City, amqp_url: str, hub_url: str) -> Iterator[None]:
    """The exchange process of a city; it must end within ten seconds."""
    stop = threading.Event()
    thread = threading.Thread(target=process.run, args=(city.works, settings(city, amqp_url, hub_url), stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive(), "it does not end"


def until(done: Callable[[], object], seconds: float = 15) -> None:
    end = clock.monotonic() + seconds
    waiting = threading.Event()
    while not done():
        assert clock.monotonic() < end, "it does not come"
        waiting.wait(0.05)


def local_broker(rabbitmq: Broker) -> tuple[str, pika.BlockingConnection]:
    """A city's broker with the gateway's queues, and a connection to it."""
    url = rabbitmq.new_vhost()
    topology.declare(url, [doors()])
    return url, pika.BlockingConnection(pika.URLParameters(url))


def tell(connection: pika.BlockingConnection, *told: str) -> None:
    channel = connection.channel()
    for body in told:
        properties = pika.BasicProperties(
            message_id=decode(body).id if body.startswith("{") else "none", delivery_mode=2
        )
        key = decode(body).routing_key if body.startswith("{") else f"a.b.v1.{LANZHOU}"
        channel.basic_publish(topology.EXCHANGE, key, body.encode(), properties)


def test_two_processes_carry_a_case_there_and_its_answer_back(rabbitmq: Broker, sanya: City, lanzhou: City) -> None:
    hub = rabbitmq.new_hub([SANYA, LANZHOU])
    (here, at_sanya), (there, at_lanzhou) = local_broker(rabbitmq), local_broker(rabbitmq)
    case, came, answers = new_case(), [], []
    with running(sanya, here, hub[SANYA]), running(lanzhou, there, hub[LANZHOU]):
        tell(at_sanya, *[forwarded(sanya, new_case()) for _ in range(150)], forwarded(sanya, case))
        until(lambda: came.extend(lanzhou.told()) or len(came) == 151)
        tell(at_lanzhou, progressed(lanzhou, case))
        until(lambda: answers.extend(sanya.told()) or answers)
        until(lambda: metrics.healthy(sanya.works.node.home, "exchange"))
    assert [decode(body).seq for body in came] == list(range(1, 152))
    assert decode(answers[0]).subject == case
    assert sanya.codes() == lanzhou.codes() == []
    assert {row.state for row in sanya.rows(tables.sendings)} == {"sent"}
    at_sanya.close()
    at_lanzhou.close()


def test_what_can_never_be_sent_is_a_dead_letter_and_the_rest_is_tried_again(rabbitmq: Broker, sanya: City) -> None:
    hub = rabbitmq.new_hub([SANYA, LANZHOU])
    url, at_sanya = local_broker(rabbitmq)
    case, stranger = new_case(), encode(replace(decode(forwarded(sanya, new_case())), destination="110100"))
    with running(sanya, url, hub[SANYA]):
        tell(at_sanya, forwarded(sanya, case), "no message", stranger, progressed(sanya, case, LANZHOU))
        until(lambda: [row.state for row in sanya.rows(tables.sendings)] == ["sent"])
        until(lambda: topology.depths(url, [doors()])["exchange.retry.5s"] == 1)
        until(lambda: figure("tongban_dead_letters", service="exchange") == 2)
        assert figure("tongban_queue_ready", queue="exchange.retry.5s") is not None
    broken, wrong = sorted(topology.list_dead(url, "exchange"), key=lambda row: row["reason"])
    assert "broken envelope" in broken["reason"]
    assert "wrong_role" in wrong["reason"]
    at_sanya.close()


def test_a_process_whose_connections_were_cut_comes_back_by_itself(
    rabbitmq: Broker, sanya: City, lanzhou: City
) -> None:
    hub = rabbitmq.new_hub([SANYA, LANZHOU])
    (here, at_sanya), (there, at_lanzhou) = local_broker(rabbitmq), local_broker(rabbitmq)
    came: list[str] = []
    with running(sanya, here, hub[SANYA]), running(lanzhou, there, hub[LANZHOU]):
        tell(at_sanya, forwarded(sanya, new_case()))
        until(lambda: came.extend(lanzhou.told()) or len(came) == 1)
        vhost = hub[SANYA].rpartition("/")[2]
        broker.ctl(rabbitmq.servers.get("rabbitmq"), "close_all_connections", "--vhost", vhost, "cut by a test")
        tell(at_sanya, forwarded(sanya, new_case()))
        until(lambda: came.extend(lanzhou.told()) or len(came) == 2, 20)
    assert [decode(body).seq for body in came] == [1, 2]
    at_sanya.close()
    at_lanzhou.close()


def test_attempts_are_counted_over_the_retry_queues(rabbitmq: Broker) -> None:
    ways_in = Doors("exchange", retry_delays=(1,))
    url = rabbitmq.new_vhost()
    topology.declare(url, [ways_in])
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        connection.channel().basic_publish(topology.EXCHANGE, f"a.b.v1.{LANZHOU}", b"body")
    with closing(LocalQueue(url, ways_in, threading.Event())) as queue:
        for attempt in (1, 2):
            got: list[Got] = []
            until(lambda got=got: got.extend(queue.fetch(10, 0.1)) or got)
            assert [one.body for one in got] == [b"body"]
            queue.answer(got, [RuntimeError("what is in it is nobody's business")])
            assert len(topology.list_dead(url, "exchange")) == attempt - 1
    [row] = topology.list_dead(url, "exchange")
    assert (row["attempts"], row["reason"]) == (2, "RuntimeError")


@pytest.fixture
def deaf() -> Iterator[str]:
    """The URL of a broker that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"amqp://a:b@127.0.0.1:{server.getsockname()[1]}/x"


@pytest.mark.parametrize("there", [True, False])
def test_the_process_ends_quickly_with_its_brokers_gone(sanya: City, deaf: str, there: bool) -> None:
    url = deaf if there else "amqp://a:b@127.0.0.1:1/x"
    begun = clock.monotonic()
    with running(sanya, url, url):
        until((sanya.works.node.home / "health" / "exchange.json").exists)
        assert not metrics.healthy(sanya.works.node.home, "exchange")
    assert clock.monotonic() - begun < 12
    gc.collect()  # a socket left open would warn, and warnings are errors


def test_sigterm_in_the_middle_of_a_wait_does_not_wait_for_that_wait() -> None:
    stop = threading.Event()
    with stop._cond:  # as `stop.wait` does before it sleeps
        process.end(stop)
    assert stop.wait(5)
    faulthandler.cancel_dump_traceback_later()
