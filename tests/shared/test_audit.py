"""Who looked up whom is on record: in the look-up's own transaction, in chains that show every change."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from deploy.migrate import upgrade
from shared import audit
from shared.audit import GENESIS, audit_heads, audit_rows, broken_rows, record
from shared.crypto.sealing import blind_index
from shared.directory import Node
from shared.embedded import sqlite_engine
from shared.outbox import Work, Works
from tests.builders import make_node, stop_clock

NUMBER = "990102197503120178"
NAMES = [column.name for column in audit_rows.columns]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return make_node(tmp_path_factory.mktemp("homes"))


@pytest.fixture
def works(node: Node, tmp_path: Path) -> Iterator[Works]:
    """Transactions over migrated tables: with what keeps the rows."""
    engine = sqlite_engine(tmp_path / "web.db")
    upgrade(engine, "web")
    yield Works(node, "web", engine)
    engine.dispose()


def look(work: Work, subject: str = "case-1", fields: tuple[str, ...] = ("name", "phone")) -> None:
    person = blind_index(work.node.keys, "citizen", NUMBER)
    record(
        work,
        actor="clerk-07",
        office="460204001",
        purpose="核对材料",
        act="view_case",
        subject=subject,
        person_index=person,
        fields=fields,
    )


def looks(works: Works, count: int) -> None:
    for number in range(count):
        with works.begin() as work:
            look(work, f"case-{number}")


def rows(works: Works) -> list[Any]:
    with works.begin() as work:
        return list(work.execute(select(audit_rows).order_by(audit_rows.c.lane, audit_rows.c.n)).all())


def faults(works: Works) -> list[tuple[int, int]]:
    with works.begin() as work:
        return broken_rows(work)


def tamper(folder: Path, *statements: str, kept: bool = False) -> None:
    """What somebody with the file itself could do, the triggers out of the way."""
    with closing(sqlite3.connect(folder / "web.db")) as connection:
        for act in () if kept else ("UPDATE", "DELETE"):
            connection.execute(f"DROP TRIGGER audit_kept_{act}")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_a_look_up_says_who_where_why_whose_and_which_fields(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch, "2025-10-09T01:30:00Z")
    looks(works, 1)
    [row] = rows(works)
    assert (row.actor, row.office, row.purpose, row.act) == ("clerk-07", "460204001", "核对材料", "view_case")
    assert (row.subject, row.fields) == ("case-0", "name,phone")
    assert row.person_index == blind_index(works.node.keys, "citizen", NUMBER)
    assert row.at.startswith("2025-10-09T01:30:00.")
    assert (row.n, row.prev) == (1, GENESIS)


def test_the_person_is_found_again_but_not_named(works: Works, tmp_path: Path) -> None:
    looks(works, 2)
    assert len({row.person_index for row in rows(works)}) == 1
    assert not [path for path in tmp_path.glob("web.db*") if NUMBER.encode() in path.read_bytes()]


def test_a_look_up_that_failed_leaves_no_row_and_no_gap(works: Works) -> None:
    with suppress(ZeroDivisionError), works.begin() as work:
        look(work)
        raise ZeroDivisionError
    assert rows(works) == []
    looks(works, 2)
    assert [row.n for row in rows(works)] == [1, 2]
    assert faults(works) == []


def test_an_untouched_chain_is_whole(works: Works) -> None:
    assert faults(works) == []
    looks(works, 5)
    assert faults(works) == []
    found = rows(works)
    assert [row.prev for row in found[1:]] == [row.chain for row in found[:-1]]


def test_many_at_once_leave_whole_chains(works: Works) -> None:
    threads = [threading.Thread(target=looks, args=(works, 10)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rows(works)) == 50
    assert faults(works) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_rows SET purpose = 'x'",
        "UPDATE audit_rows SET n = n + 100",
        "DELETE FROM audit_rows",
        "DELETE FROM audit_rows WHERE n = 3",
    ],
)
def test_rows_cannot_be_changed_or_deleted_once_migrated(works: Works, statement: str) -> None:
    looks(works, 3)
    before = rows(works)

    def change() -> None:
        with works.begin() as work:
            work.execute(text(statement))

    with pytest.raises(IntegrityError, match="never changed or deleted"):
        change()
    assert rows(works) == before


@pytest.mark.parametrize("column", [name for name in NAMES if name not in ("lane", "n")])
def test_a_changed_value_is_found_where_it_stands(works: Works, tmp_path: Path, column: str) -> None:
    looks(works, 4)
    tamper(tmp_path, f"UPDATE audit_rows SET {column} = {column} || '0' WHERE n = 2")
    lane = rows(works)[0].lane
    assert (lane, 2) in faults(works)


@pytest.mark.parametrize(
    ("statement", "n"),
    [
        ("DELETE FROM audit_rows WHERE n = 1", 2),
        ("DELETE FROM audit_rows WHERE n = 2", 3),
        ("DELETE FROM audit_rows WHERE n = 4", 4),
        ("DELETE FROM audit_rows", 4),
        ("UPDATE audit_rows SET n = 9 WHERE n = 4", 9),
        ("UPDATE audit_rows SET lane = 7 WHERE n = 4", 4),
        ("UPDATE audit_heads SET n = 3 WHERE n = 4", 3),
        ("UPDATE audit_heads SET chain = 'x' WHERE n = 4", 4),
        ("UPDATE audit_heads SET n = 0, chain = 'x' WHERE n = 0 AND lane = 5", 0),
    ],
)
def test_what_is_missing_or_moved_is_found(works: Works, tmp_path: Path, statement: str, n: int) -> None:
    looks(works, 4)
    tamper(tmp_path, statement)
    assert n in [found for _, found in faults(works)]


def test_a_row_put_over_another_is_found(works: Works, tmp_path: Path) -> None:
    looks(works, 3)
    columns = ", ".join("'x'" if name == "purpose" else name for name in NAMES)
    tamper(tmp_path, f"INSERT OR REPLACE INTO audit_rows SELECT {columns} FROM audit_rows WHERE n = 2", kept=True)
    assert 2 in [n for _, n in faults(works)]


def test_two_rows_that_changed_places_are_found(works: Works, tmp_path: Path) -> None:
    looks(works, 4)
    swap = [f"UPDATE audit_rows SET n = {new} WHERE n = {old}" for old, new in ((2, 99), (3, 2), (99, 3))]
    tamper(tmp_path, *swap)
    assert {2, 3} <= {n for _, n in faults(works)}


def test_a_forged_row_behind_the_last_is_found(works: Works, tmp_path: Path) -> None:
    looks(works, 2)
    columns = ", ".join({"n": "3", "prev": "chain"}.get(name, name) for name in NAMES)
    tamper(tmp_path, f"INSERT INTO audit_rows SELECT {columns} FROM audit_rows WHERE n = 2", kept=True)
    assert 3 in [n for _, n in faults(works)]


@pytest.mark.parametrize(
    "statements",
    [
        ["DELETE FROM audit_heads WHERE n > 0"],
        ["DELETE FROM audit_heads"],
        ["DELETE FROM audit_rows", "DELETE FROM audit_heads WHERE n > 0"],
        ["DELETE FROM audit_heads WHERE lane = 5"],
    ],
)
def test_a_lost_head_is_found_even_with_all_its_rows(works: Works, tmp_path: Path, statements: list[str]) -> None:
    looks(works, 2)
    tamper(tmp_path, *statements)
    assert faults(works)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), max_size=4))
def test_whatever_was_looked_at_the_chain_is_whole(works: Works, words: list[str]) -> None:
    with works.begin() as work:
        look(work, "".join(words)[:80], tuple(words))
    assert faults(works) == []


def test_every_lane_has_a_head_from_the_first_look_up_on(works: Works) -> None:
    looks(works, 1)
    with works.begin() as work:
        heads = work.execute(select(audit_heads.c.lane, audit_heads.c.n)).all()
    assert len(heads) == 8
    assert sum(head.n for head in heads) == 1


def test_a_look_that_comes_while_the_rows_are_read_is_no_fault(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    looks(works, 3)
    read = audit._rows

    def late(work: Work) -> Iterator[dict[str, Any]]:
        look(work)
        yield from read(work)
        look(work)

    monkeypatch.setattr(audit, "_rows", late)
    assert faults(works) == []


def test_a_chain_of_several_pages_is_read_to_its_end(
    works: Works, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PAGE", 2)
    looks(works, 5)
    assert faults(works) == []
    tamper(tmp_path, "UPDATE audit_rows SET fields = 'x' WHERE n = 5")
    assert faults(works) == [(0, 5)]
