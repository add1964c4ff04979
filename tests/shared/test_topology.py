"""Exchanges, queues and dead letters on a real broker."""

import time
from typing import Any

import pytest

from contracts.envelope import Contract, Message, encode
from shared import clock, topology
from shared.bus import Doors
from shared.errors import NotFound
from tests.servers import Broker
from tests.shared.clerk import KnockV1, NoteTakenV1, TakeNoteV1
from tests.waiting import eventually

Channel = Any


def doors(service: str, *contracts: type[Contract], delays: tuple[int, ...] = (1,)) -> Doors:
    made = Doors(service, delays)
    for contract in contracts:
        made.listen(contract)(lambda work: None)
    return made


CLERK = doors("clerk", TakeNoteV1, KnockV1)
WEB = doors("web", NoteTakenV1)
EXCHANGE = doors("exchange")


@pytest.fixture(scope="module")
def amqp_url(rabbitmq: Broker) -> str:
    """A vhost in which the three services are declared."""
    url = rabbitmq.new_vhost()
    topology.declare(url, [CLERK, WEB, EXCHANGE])
    return url


@pytest.fixture
def channel(amqp_url: str) -> Any:
    """A channel, all queues emptied."""
    with topology.connected(amqp_url) as link:
        channel = link.channel()
        for name in topology.depths(amqp_url, [CLERK, WEB, EXCHANGE]):
            channel.queue_purge(name)
        yield channel


def letter(number: int = 0, sealed: str | None = None) -> Message:
    return Message(clock.new_id(), KnockV1.type, "460200", f"case-{number}", clock.iso(clock.now()), {}, sealed=sealed)


def put(channel: Channel, queue: str, message: Message | bytes, exchange: str = "", **headers: Any) -> None:
    body = message if isinstance(message, bytes) else encode(message).encode()
    delivery = topology.Delivery(body, application_headers=headers, delivery_mode=2, content_type="application/json")
    channel.basic_publish_confirm(delivery, exchange, queue)


def arrived(amqp_url: str) -> dict[str, int]:
    """The queues in which something lies."""
    return {name: depth for name, depth in topology.depths(amqp_url, [CLERK, WEB, EXCHANGE]).items() if depth}


def test_queues_are_named_after_their_service() -> None:
    assert list(topology.queues(doors("subsidy", delays=(1, 30)))) == [
        "subsidy.dead",
        "subsidy",
        "subsidy.retry.1s",
        "subsidy.retry.30s",
    ]


def test_every_queue_survives_the_loss_of_a_broker() -> None:
    for arguments in topology.queues(CLERK).values():
        assert arguments["x-queue-type"] == "quorum"


def test_what_leaves_a_queue_unhandled_always_reaches_another() -> None:
    queues = topology.queues(doors("subsidy", delays=(1, 30)))
    leads_to = {name: arguments.get("x-dead-letter-routing-key") for name, arguments in queues.items()}
    assert leads_to == {
        "subsidy": "subsidy.dead",
        "subsidy.retry.1s": "subsidy",
        "subsidy.retry.30s": "subsidy",
        "subsidy.dead": None,
    }
    for name, arguments in queues.items():
        assert name == "subsidy.dead" or arguments["x-dead-letter-strategy"] == "at-least-once"


def test_a_fact_for_this_city_reaches_those_who_listen(amqp_url: str, channel: Channel) -> None:
    put(channel, NoteTakenV1.type, b"{}", topology.EXCHANGE)
    eventually(lambda: arrived(amqp_url) == {"web": 1})


def test_what_is_addressed_to_another_city_reaches_the_gateway_and_the_readers_screen(
    amqp_url: str, channel: Channel
) -> None:
    put(channel, f"{NoteTakenV1.type}.321300", b"{}", topology.EXCHANGE)
    put(channel, f"{TakeNoteV1.type}.321300", b"{}", topology.EXCHANGE)
    eventually(lambda: arrived(amqp_url) == {"exchange": 2, "web": 1})
    time.sleep(0.1)
    assert arrived(amqp_url) == {"exchange": 2, "web": 1}  # the clerk is for this city only


def test_declaring_twice_changes_nothing(amqp_url: str, channel: Channel) -> None:
    put(channel, "clerk", b"{}")
    topology.declare(amqp_url, [CLERK, WEB, EXCHANGE])
    eventually(lambda: arrived(amqp_url) == {"clerk": 1})


def test_a_queue_with_other_arguments_is_an_error(rabbitmq: Broker) -> None:
    url = rabbitmq.new_vhost()
    topology.declare(url, [doors("clerk")])
    with topology.connected(url) as link:
        link.channel().queue_declare("other", durable=True, auto_delete=False)
    with pytest.raises(topology.QueueDiffers):
        topology.declare(url, [doors("other")])


def test_an_absent_broker_is_one_of_the_expected_errors() -> None:
    with pytest.raises(topology.LOST):
        topology.declare("amqp://guest:guest@127.0.0.1:1/", [CLERK])


def test_a_delivery_put_off_comes_back_after_its_delay(amqp_url: str, channel: Channel) -> None:
    message = letter()
    put(channel, "clerk.retry.1s", message, **{topology.ATTEMPT: 1})
    began = time.monotonic()
    assert channel.basic_get("clerk") is None
    eventually(lambda: arrived(amqp_url) == {"clerk": 1})
    assert time.monotonic() - began > 0.8
    delivery = channel.basic_get("clerk")
    assert delivery.body == encode(message).encode()
    assert topology.attempts_of(delivery) == 1


def test_a_delivery_nobody_ever_answers_becomes_a_dead_letter(amqp_url: str, channel: Channel) -> None:
    message = letter()
    put(channel, "clerk", message)
    for _ in range(topology.DELIVERY_LIMIT + 1):
        eventually(lambda: arrived(amqp_url) == {"clerk": 1})
        channel.basic_reject(channel.basic_get("clerk").delivery_tag, requeue=True)
    eventually(lambda: arrived(amqp_url) == {"clerk.dead": 1})
    [row] = topology.list_dead(amqp_url, "clerk")
    assert (row["message"], row["reason"]) == (message.id, "delivery_limit")


def test_a_missing_queue_is_missing_in_the_depths(amqp_url: str) -> None:
    assert "nowhere" not in topology.depths(amqp_url, [doors("nowhere")])
    assert set(topology.depths(amqp_url, [CLERK])) == {"clerk", "clerk.retry.1s", "clerk.dead"}


def test_a_copy_for_a_missing_queue_is_an_error_and_the_next_copy_is_not(amqp_url: str, channel: Channel) -> None:
    put(channel, "clerk", letter())
    delivery = channel.basic_get("clerk")
    with topology.connected(amqp_url) as link:
        out = link.channel()
        with pytest.raises(topology.LOST, match="no queue nowhere"):
            topology.publish_copy(out, "nowhere", delivery, {})
    with topology.connected(amqp_url) as link:
        topology.publish_copy(link.channel(), "web", delivery, {"x-attempt": 2})
    copy = channel.basic_get("web")
    assert (copy.body, topology.attempts_of(copy)) == (delivery.body, 2)
    assert copy.properties["content_type"] == "application/json"


@pytest.mark.parametrize("attempts", ["3", -1, None, 2.5, [1]])
def test_strange_attempts_count_as_none(attempts: object) -> None:
    assert topology.attempts_of(topology.Delivery(b"", application_headers={topology.ATTEMPT: attempts})) == 0
    assert topology.attempts_of(topology.Delivery(b"")) == 0


def test_dead_letters_are_listed_with_what_an_operator_needs(amqp_url: str, channel: Channel) -> None:
    message = letter(7)
    put(channel, "clerk.dead", message, **{topology.ATTEMPT: 5, topology.REASON: "OperationalError"})
    put(channel, "clerk.dead", b"nonsense")
    eventually(lambda: arrived(amqp_url) == {"clerk.dead": 2})
    assert topology.list_dead(amqp_url, "clerk") == [
        {"message": message.id, "type": KnockV1.type, "case": "case-7", "attempts": 5, "reason": "OperationalError"},
        {"message": "", "type": "unreadable", "case": "", "attempts": 0, "reason": ""},
    ]
    assert len(topology.list_dead(amqp_url, "clerk", limit=1)) == 1


def test_what_waits_for_its_next_attempt_is_listed_and_stays(amqp_url: str, channel: Channel) -> None:
    patient = doors("patient", KnockV1, delays=(200, 300))
    topology.declare(amqp_url, [patient])
    first, second = letter(1), letter(2)
    put(channel, "patient.retry.200s", first, **{topology.ATTEMPT: 1})
    put(channel, "patient.retry.300s", second, **{topology.ATTEMPT: 2})
    for _ in range(3):
        waiting = topology.list_retried(amqp_url, patient)
        assert [(row["message"], row["case"], row["attempts"]) for row in waiting] == [
            (first.id, "case-1", 1),
            (second.id, "case-2", 2),
        ]


def test_looking_at_dead_letters_does_not_wear_them_out(amqp_url: str, channel: Channel) -> None:
    put(channel, "clerk.dead", letter())
    eventually(lambda: arrived(amqp_url) == {"clerk.dead": 1})
    for _ in range(topology.DELIVERY_LIMIT + 5):
        assert len(topology.list_dead(amqp_url, "clerk")) == 1


def test_a_dead_letter_is_shown_without_its_sealed_part(amqp_url: str, channel: Channel) -> None:
    message = letter(sealed="c2VhbGVk")
    put(channel, "clerk.dead", message)
    eventually(lambda: arrived(amqp_url) == {"clerk.dead": 1})
    shown = topology.show_dead(amqp_url, "clerk", message.id)
    assert (shown["sealed"], shown["source"], shown["data"]) == (True, "460200", {})
    assert "c2VhbGVk" not in str(shown)


def test_of_an_unreadable_dead_letter_only_the_size_is_shown(amqp_url: str, channel: Channel) -> None:
    body = "王秀英".encode()
    delivery = topology.Delivery(body, message_id="stray", delivery_mode=2)
    channel.basic_publish_confirm(delivery, "", "clerk.dead")
    eventually(lambda: arrived(amqp_url) == {"clerk.dead": 1})
    shown = topology.show_dead(amqp_url, "clerk", "stray")
    assert shown["bytes"] == len(body)
    assert "王" not in str(shown)


def test_one_dead_letter_is_redriven_with_all_its_attempts_ahead(amqp_url: str, channel: Channel) -> None:
    one, other = letter(1), letter(2)
    for message in (one, other):
        put(channel, "clerk.dead", message, **{topology.ATTEMPT: 5, topology.REASON: "RuntimeError"})
    eventually(lambda: arrived(amqp_url) == {"clerk.dead": 2})
    assert topology.redrive(amqp_url, "clerk", other.id) == 1
    eventually(lambda: arrived(amqp_url) == {"clerk": 1, "clerk.dead": 1})
    delivery = channel.basic_get("clerk")
    assert (delivery.body, topology.attempts_of(delivery)) == (encode(other).encode(), 0)
    assert topology.REASON not in topology.headers_of(delivery)
    assert [row["message"] for row in topology.list_dead(amqp_url, "clerk")] == [one.id]


def test_all_dead_letters_are_redriven_at_once(amqp_url: str, channel: Channel) -> None:
    for number in range(30):
        put(channel, "clerk.dead", letter(number))
    eventually(lambda: arrived(amqp_url) == {"clerk.dead": 30})
    assert topology.redrive(amqp_url, "clerk") == 30
    eventually(lambda: arrived(amqp_url) == {"clerk": 30})
    assert topology.redrive(amqp_url, "clerk") == 0


def test_an_unknown_dead_letter_is_not_found(amqp_url: str, channel: Channel) -> None:
    put(channel, "clerk.dead", letter())
    eventually(lambda: arrived(amqp_url) == {"clerk.dead": 1})
    for look in (topology.show_dead, topology.redrive):
        with pytest.raises(NotFound, match="dead_letter_unknown"):
            look(amqp_url, "clerk", clock.new_id())
    assert len(topology.list_dead(amqp_url, "clerk")) == 1
