"""What a sabotage takes out is one safeguard, and everything else goes on: else a run without it proves something else."""

from types import SimpleNamespace
from typing import Any

import pytest

from shared.bus import Outcome
from shared.relay import Wire
from shared.runner import Mailbox
from tests.chaos import sabotage


class Channel:
    """Either end of a channel, which writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def basic_publish(self, _exchange: str, key: str, *_args: Any, **_named: Any) -> None:
        self.told.append(key)

    def basic_ack(self, tag: int) -> None:
        self.told.append(("ack", tag))

    def basic_reject(self, tag: int, *, requeue: bool) -> None:
        self.told.append(("reject", tag, requeue))


def delivery(tag: int, channel: Channel) -> Any:
    return SimpleNamespace(delivery_tag=tag, channel=channel, body="{}", properties={}, headers={})


def test_with_early_ack_every_delivery_is_acknowledged_once_before_it_is_handled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Mailbox, "take", Mailbox.take)
    sabotage.with_early_ack()
    channel, nothing = Channel(), SimpleNamespace()

    def handle(*_args: Any) -> Outcome:
        channel.told.append("handled")
        return Outcome.DONE

    mailbox: Any = Mailbox(SimpleNamespace(service="intake", handle=handle), nothing, nothing)  # type: ignore[arg-type]
    for tag in (1, 2, 3):
        mailbox.take(delivery(tag, channel))
    assert channel.told == [("ack", 1), "handled", ("ack", 2), "handled", ("ack", 3), "handled"]


def test_without_confirms_the_relay_sends_everything_and_takes_all_for_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("send", "_answer"):
        monkeypatch.setattr(Wire, name, getattr(Wire, name))
    sabotage.without_confirms()
    wire, rows = Wire.__new__(Wire), [row("a"), row("b")]  # without a broker: of it all, only the channel is needed
    wire.channel, wire.sent, wire.unconfirmed = Channel(), 0, {}
    assert [wire.send(rows), wire.send(rows)] == [[(one, "") for one in rows]] * 2
    assert (wire.channel.told, wire.unconfirmed) == (["a", "b"] * 2, {})


def row(key: str) -> Any:
    return SimpleNamespace(message_id=key, routing_key=key, queue="", body="{}")
