"""A database that is away is waited for; a database that says no is an error like any other."""

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from deploy.children import free_port
from shared.bus import Doors, Outcome
from shared.outbox import is_away
from shared.runner import Mailbox
from tests.servers import Database

AWAY = "postgresql+psycopg://nobody@127.0.0.1:{port}/none?connect_timeout=2"


def _error(url: str, statement: str) -> DBAPIError:
    with pytest.raises(DBAPIError) as caught, create_engine(url, poolclass=NullPool).connect() as link:
        link.execute(text(statement))
    return caught.value


def test_a_server_that_does_not_answer_is_away() -> None:
    assert is_away(_error(AWAY.format(port=free_port()), "SELECT 1"))


def test_a_session_that_the_server_ended_is_away(postgres: Database) -> None:
    assert is_away(_error(postgres.url, "SELECT pg_terminate_backend(pg_backend_pid())"))


@pytest.mark.parametrize(
    "statement", ["SELECT 1 / 0", "SELECT * FROM nowhere", "SET statement_timeout = 1; SELECT pg_sleep(1)"]
)
def test_a_server_that_refuses_is_not_away(postgres: Database, statement: str) -> None:
    assert not is_away(_error(postgres.url, statement))


def test_a_delivery_waits_for_the_database_and_uses_up_no_attempt() -> None:
    doors, answered = Doors("clerk"), []
    away = _error(AWAY.format(port=free_port()), "SELECT 1")
    outcomes: list[Any] = [away, away, Outcome.DONE]
    mailbox = Mailbox(doors, None, None)  # type: ignore[arg-type]
    mailbox.in_hand = 1

    def handle(_works: Any, _body: Any) -> Outcome:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome  # type: ignore[no-any-return]

    doors_like = SimpleNamespace(handle=handle, stopping=SimpleNamespace(wait=lambda _s: None, is_set=lambda: False))
    mailbox.doors = doors_like  # type: ignore[assignment]
    channel = SimpleNamespace(basic_ack=answered.append)
    mailbox.take(SimpleNamespace(properties={}, body=b"", channel=channel, delivery_tag=7))  # type: ignore[arg-type]

    assert answered == [7]
    assert outcomes == []
    assert mailbox.in_hand == 0
