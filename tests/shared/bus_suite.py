"""What doors may rely on, whatever carries their messages: the same sentences on real servers and embedded.

A backend runs the services of `tests.shared.clerk.town_doors`: clerk, archive, and front, which only sends.
"""

import uuid
from contextlib import suppress
from typing import Any, Protocol

import pytest
from sqlalchemy import Table, select

from contracts.envelope import Message, encode
from shared import clock
from shared.errors import NotFound
from shared.outbox import Works, inbox, outbox, parked, unroutable
from tests.shared.clerk import (
    PRIVATE,
    NobodyListensV1,
    NoteTakenV1,
    PageTurnedV1,
    TakeNoteV1,
    attempts,
    effects,
)


class Backend(Protocol):
    """What carries the messages of the town; its doors try once more after a second, then give up."""

    def works(self, service: str) -> Works:
        """The transactions of clerk, archive or front."""

    def publish(self, service: str, body: bytes) -> None:
        """Put bytes into a service's queue without any outbox."""

    def run_until_idle(self) -> None:
        """Let everything happen, the attempts that were put off included."""

    def dead(self, service: str) -> list[dict[str, Any]]:
        """The dead letters of a service: message, type, case, attempts, reason."""

    def redrive(self, service: str, message_id: str = "") -> int:
        """Let one or all be tried afresh; how many."""


def subject() -> str:
    """A case nobody else has."""
    return str(uuid.uuid4())


def send(backend: Backend, about: str, **data: Any) -> str:
    """The front desk asks the clerk to take a note; the message's id."""
    with backend.works("front").begin() as work:
        return work.tell(TakeNoteV1, about, data, {"name": "王秀英"})


def turn(backend: Backend, about: str, number: int, **data: Any) -> str:
    """The front desk says that a page was turned; the message's id."""
    with backend.works("front").begin() as work:
        return work.tell(PageTurnedV1, about, {"number": number, **data})


def send_again(backend: Backend, message: Message) -> None:
    """The same message, once more."""
    with backend.works("front").begin() as work:
        work.retell(message)


def happened(backend: Backend, about: str, service: str = "clerk") -> list[str]:
    """What a service did about a case, in order."""
    with backend.works(service).begin() as work:
        mine = select(effects.c.what).where(effects.c.subject == about).order_by(effects.c.position)
        return list(work.execute(mine).scalars())


def having(backend: Backend, service: str, table: Table, message_id: str) -> int:
    """How many rows of a table bear that message's id."""
    with backend.works(service).begin() as work:
        return len(work.execute(select(table).where(table.c.message_id == message_id)).all())


def dead_letter(backend: Backend, message_id: str) -> dict[str, Any]:
    """The one dead letter of the clerk with that message."""
    [row] = [row for row in backend.dead("clerk") if row["message"] == message_id]
    return row


class BusSuite:
    """Subclass it where a fixture `backend` is."""

    def test_a_message_leads_to_its_use_case_and_to_what_follows_from_it(self, backend: Backend) -> None:
        about = subject()
        send(backend, about)
        backend.run_until_idle()
        assert happened(backend, about) == ["noted"]
        assert happened(backend, about, "archive") == ["taken"]

    def test_an_effect_happens_once_however_often_its_message_comes(self, backend: Backend) -> None:
        about = subject()
        message = Message(clock.new_id(), TakeNoteV1.type, "460200", about, clock.iso(clock.now()), {})
        for _ in range(3):
            send_again(backend, message)
        backend.run_until_idle()
        send_again(backend, message)
        backend.publish("clerk", encode(message).encode())
        backend.run_until_idle()
        assert happened(backend, about) == ["noted"]
        assert happened(backend, about, "archive") == ["taken"]

    def test_a_failing_handler_is_tried_again_until_it_succeeds(self, backend: Backend) -> None:
        about = subject()
        message_id = send(backend, about, how="fails", times=1)
        backend.run_until_idle()
        assert having(backend, "clerk", attempts, message_id) == 2
        assert happened(backend, about) == ["noted"]
        assert happened(backend, about, "archive") == ["taken"]

    def test_a_question_that_fails_is_asked_again(self, backend: Backend) -> None:
        about = subject()
        message_id = send(backend, about, how="fails_asking", times=1)
        backend.run_until_idle()
        assert having(backend, "clerk", attempts, message_id) == 2
        assert happened(backend, about) == ["noted"]

    def test_a_message_that_never_succeeds_leaves_nothing_but_a_dead_letter(self, backend: Backend) -> None:
        about = subject()
        message_id = send(backend, about, how="fails", times=9)
        backend.run_until_idle()
        assert having(backend, "clerk", attempts, message_id) == 2
        assert happened(backend, about) == []
        assert happened(backend, about, "archive") == []
        assert having(backend, "clerk", inbox, message_id) == 0
        found = dead_letter(backend, message_id)
        assert found["type"] == TakeNoteV1.type
        assert found["case"] == about
        assert found["attempts"] == 2
        assert found["reason"] == "RuntimeError"
        assert PRIVATE not in str(found)
        assert "王秀英" not in str(found)

    def test_a_dead_letter_that_is_tried_afresh_takes_effect_once(self, backend: Backend) -> None:
        about = subject()
        message_id = send(backend, about, how="fails", times=3)
        backend.run_until_idle()
        assert dead_letter(backend, message_id)["attempts"] == 2
        assert backend.redrive("clerk", message_id) == 1
        backend.run_until_idle()
        assert having(backend, "clerk", attempts, message_id) == 4  # it had all its attempts again
        assert happened(backend, about) == ["noted"]
        assert message_id not in [row["message"] for row in backend.dead("clerk")]

    def test_only_what_is_dead_can_be_tried_afresh(self, backend: Backend) -> None:
        with pytest.raises(NotFound, match="dead_letter_unknown"):
            backend.redrive("clerk", clock.new_id())

    def test_a_refused_command_is_answered_and_leaves_nothing_else(self, backend: Backend) -> None:
        about = subject()
        message_id = send(backend, about, how="refused")
        backend.run_until_idle()
        assert happened(backend, about) == []
        assert happened(backend, about, "archive") == ["no_paper"]
        assert having(backend, "clerk", attempts, message_id) == 1
        assert message_id not in [row["message"] for row in backend.dead("clerk")]

    def test_a_command_out_of_step_is_answered_too(self, backend: Backend) -> None:
        about = subject()
        send(backend, about, how="late")
        backend.run_until_idle()
        assert happened(backend, about) == []
        assert happened(backend, about, "archive") == ["too_late"]

    def test_a_refused_fact_is_dead_at_once(self, backend: Backend) -> None:
        message_id = turn(backend, subject(), 1, how="refused")
        backend.run_until_idle()
        found = dead_letter(backend, message_id)
        assert found["attempts"] <= 1
        assert found["reason"] == "Refused no_such_book"

    def test_a_stale_fact_is_read_and_forgotten(self, backend: Backend) -> None:
        about = subject()
        message_id = turn(backend, about, 1, how="late")
        backend.run_until_idle()
        assert happened(backend, about) == []
        assert having(backend, "clerk", inbox, message_id) == 1
        assert message_id not in [row["message"] for row in backend.dead("clerk")]

    def test_early_messages_wait_for_their_predecessors(self, backend: Backend) -> None:
        about = subject()
        for number in (4, 2, 3):
            turn(backend, about, number)
        backend.run_until_idle()
        assert happened(backend, about) == []
        turn(backend, about, 1)
        backend.run_until_idle()
        assert happened(backend, about) == ["1", "2", "3", "4"]

    def test_a_parked_message_that_comes_again_is_still_done_once(self, backend: Backend) -> None:
        about = subject()
        early = Message(clock.new_id(), PageTurnedV1.type, "460200", about, clock.iso(clock.now()), {"number": 2})
        send_again(backend, early)
        backend.run_until_idle()
        assert having(backend, "clerk", parked, early.id) == 1
        send_again(backend, early)
        backend.run_until_idle()
        turn(backend, about, 1)
        backend.run_until_idle()
        send_again(backend, early)
        backend.run_until_idle()
        assert happened(backend, about) == ["1", "2"]
        assert having(backend, "clerk", parked, early.id) == 0

    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b'{"specversion": "0.3"}', b"{" * 2000],
        ids=["empty", "half", "list", "text", "no utf-8", "other version", "deep"],
    )
    def test_what_is_no_message_is_a_dead_letter(self, backend: Backend, body: bytes) -> None:
        before = len(backend.dead("clerk"))
        backend.publish("clerk", body)
        backend.run_until_idle()
        found = backend.dead("clerk")
        assert len(found) == before + 1
        assert "unreadable" in [row["type"] for row in found]

    def test_a_message_without_a_door_is_a_dead_letter(self, backend: Backend) -> None:
        stray = Message(clock.new_id(), NoteTakenV1.type, "460200", subject(), clock.iso(clock.now()), {})
        backend.publish("clerk", encode(stray).encode())
        backend.run_until_idle()
        assert dead_letter(backend, stray.id)["reason"] == f"clerk has no door for {NoteTakenV1.type}"

    def test_a_message_that_breaks_its_contract_is_dead_at_once(self, backend: Backend) -> None:
        stray = Message(clock.new_id(), PageTurnedV1.type, "460200", subject(), clock.iso(clock.now()), {"number": "?"})
        backend.publish("clerk", encode(stray).encode())
        backend.run_until_idle()
        assert dead_letter(backend, stray.id)["attempts"] <= 1

    def test_a_message_nobody_wants_is_kept_and_can_be_sent_again(self, backend: Backend) -> None:
        works = backend.works("front")
        with works.begin() as work:
            message_id = work.tell(NobodyListensV1, subject(), {})
        about = subject()
        send(backend, about)
        backend.run_until_idle()
        assert happened(backend, about) == ["noted"]  # it did not stand in the way
        assert having(backend, "front", unroutable, message_id) == 1
        assert having(backend, "front", outbox, message_id) == 0
        assert works.redrive_unroutable() == 1
        assert having(backend, "front", unroutable, message_id) == 0
        backend.run_until_idle()
        assert having(backend, "front", unroutable, message_id) == 1
        with works.begin() as work:  # leave nothing to others
            work.execute(unroutable.delete())

    def test_what_was_rolled_back_is_not_sent(self, backend: Backend) -> None:
        about = subject()
        works = backend.works("front")
        with suppress(ZeroDivisionError), works.begin() as work:
            work.tell(TakeNoteV1, about, {}, {"name": "王秀英"})
            assert work.execute(select(outbox).where(outbox.c.body.contains(about))).all()  # it was on its way
            raise ZeroDivisionError
        backend.run_until_idle()
        assert happened(backend, about) == []
