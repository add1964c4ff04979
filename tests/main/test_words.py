"""What a command says of a broken world, and of what must be a fault of ours."""

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from services.main import words
from shared.errors import NotFound


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotFound("case_unknown", "没有这个办件"), "没有这个办件"),
        (OperationalError("", {}, psycopg.OperationalError("connection refused")), words.DATABASE_AWAY),
        (psycopg.OperationalError("connection refused"), words.DATABASE_AWAY),
        (ProgrammingError("", {}, psycopg.errors.InsufficientPrivilege("no")), words.OTHER_ROLE),
        (ProgrammingError("", {}, psycopg.errors.UndefinedTable("no")), words.NO_TABLE),
        (ConnectionRefusedError(111, "refused"), words.BROKER_AWAY),
        (TimeoutError(), words.BROKER_AWAY),
    ],
)
def test_a_broken_world_has_its_own_words(error: Exception, said: str) -> None:
    assert words.plain(error) == said


@pytest.mark.parametrize(
    "error",
    [
        IntegrityError("", {}, psycopg.errors.UniqueViolation("twice")),
        ProgrammingError("", {}, psycopg.errors.SyntaxError("?")),
        BrokenPipeError(32, "the pager was closed"),
        ValueError("a fault of ours"),
    ],
)
def test_a_fault_of_ours_is_not_called_a_broken_world(error: Exception) -> None:
    assert words.plain(error) == ""


def test_a_file_is_named_with_what_is_wrong_with_it() -> None:
    assert "home/keys.json" in words.plain(FileNotFoundError(2, "no", "home/keys.json"))
    assert "disk full" in words.plain(OSError(28, "disk full", "home/offices.csv"))
