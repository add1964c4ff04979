"""What runs by itself, and what people look at."""

import json
from pathlib import Path

from click.testing import CliRunner
from sqlalchemy import select, update

from contracts import claims as said
from services.claims.store.tables import attempts, claims, wishes
from services.main import city
from services.main.cli import cli
from shared import clock
from tests.builders import HandClock
from tests.claims.town import HE, LANZHOU, SANYA, SU, SUQIAN, Town, later, live, reserve, ring


def shown(town: Town, code: str, *words: str) -> list[dict[str, object]]:
    """What `tongban claims …` of a city prints."""
    node = town[code].node
    done = CliRunner().invoke(
        cli, ["claims", *words], env={"TONGBAN_NODE": code, "TONGBAN_HOME": str(node.home)}, catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.output.splitlines()]


def test_one_claim_that_cannot_be_ended_keeps_no_other_from_it(town: Town, hand: HandClock) -> None:
    reserve(town, SANYA)
    reserve(town, LANZHOU, SU, HE | {"id_number": "990102197603120194", "born_on": "1976-03-12"})
    with town[SUQIAN].works["claims"].begin() as work:
        work.execute(update(claims).where(claims.c.holder == SANYA).values(until="1", kind="no such kind"))
    later(hand, minutes=121)
    ring(town, "sweep")
    assert live(town) == [(SUQIAN, SANYA, "held")]


def test_one_attempt_that_cannot_speak_keeps_no_other_from_it(town: Town, hand: HandClock) -> None:
    broken, good = reserve(town, SANYA, settled=False), reserve(town, SANYA, SU, settled=False)
    town.work()
    town.mail = []
    with town[SANYA].works["claims"].begin() as work:
        work.execute(update(wishes).where(wishes.c.attempt == broken.attempt).values(prefix=""))
        work.execute(update(attempts).values(due_at=""))
        work.execute(update(wishes).where(wishes.c.attempt == good.attempt).values(standing="asked"))
        work.execute(update(attempts).where(attempts.c.attempt == good.attempt).values(step="reserving", waits=True))
    ring(town, "say_again")
    assert (good.step(), broken.step()) == ("held", "reserving")


def test_old_locks_are_those_for_which_nothing_was_issued(town: Town, hand: HandClock) -> None:
    old, issued = reserve(town, SANYA), reserve(town, LANZHOU, SU)
    for asked in (old, issued):
        asked.confirm()
    issued.note()
    assert shown(town, SUQIAN, "old-locks") == []
    later(hand, days=7, seconds=1)
    (row,) = shown(town, SUQIAN, "old-locks")
    assert (row["kind"], row["holder"], row["office"]) == ("marriage", SANYA, "460200婚姻登记处")
    assert shown(town, SANYA, "old-locks") == []
    assert shown(town, SUQIAN, "old-locks", "--days", "8") == []


def test_doubts_name_both_offices_and_no_person(town: Town) -> None:
    reserve(town, SANYA)
    reserve(town, LANZHOU, HE | {"id_number": "990102197503120194"}, SU)
    (row,) = shown(town, SUQIAN, "doubts")
    assert (row["holder"], row["office"], row["at"]) == (LANZHOU, "620100婚姻登记处", "460200婚姻登记处")
    assert "何守田" not in json.dumps(row, ensure_ascii=False)
    assert shown(town, SANYA, "doubts") == []


def test_the_list_counts_what_a_city_guards_and_what_it_holds(town: Town) -> None:
    reserve(town, SANYA, HE, SU).confirm()
    reserve(town, SANYA, SU)
    names = [(row["side"], row["state"], row["number"]) for row in shown(town, SANYA, "list")]
    assert names == [
        ("authority", "ended", 1),
        ("authority", "locked", 1),
        ("holder", "locked", 1),
        ("holder", "over", 1),
    ]
    assert [(row["state"], row["number"]) for row in shown(town, SUQIAN, "list")] == [("locked", 1)]


def test_nothing_of_a_person_can_be_read_in_any_file_of_claims(town: Town) -> None:
    reserve(town, SANYA, HE, SU).confirm()
    for code in (SANYA, SUQIAN):
        home: Path = town[code].node.home
        text = b"".join(path.read_bytes() for path in home.glob("claims.db*"))
        assert HE["id_number"].encode() not in text
        assert "何守田".encode() not in text


def test_claims_cross_by_the_real_exchange_signed_and_sealed(hand: HandClock, tmp_path: Path) -> None:
    country = city.Country(tmp_path, (SANYA, SUQIAN))
    attempt = {"attempt": clock.new_id(), "asked_by": "marriage"}
    office = {"code": "460200-marry", "name": "某登记处", "node": SANYA, "phone": ""}
    data = attempt | {"kind": "marriage", "office": office}
    with country.cities[SANYA].works["web"].begin() as work:
        work.tell(said.ReserveClaimsV1, clock.new_id(), data, {"subjects": [HE, SU]})
    country.settle()
    with country.cities[SANYA].works["claims"].begin() as work:
        assert work.execute(select(attempts.c.step)).scalars().all() == ["held"]
    with country.cities[SUQIAN].works["claims"].begin() as work:
        (row,) = work.execute(select(claims)).all()
        assert (row.holder, row.state, row.subject["name"]) == (SANYA, "held", "何守田")
    country.stop()


def test_the_number_of_a_certificate_leaves_the_city_sealed(town: Town) -> None:
    asked = reserve(town, SANYA)
    asked.confirm()
    asked.say(said.NoteIssuedV1, reference="J460204-2025-000001")
    town.work()
    assert len(town.mail) == 2
    assert not any("J460204" in letter for letter in town.mail)
    town.settle()
    assert {row.reference for row in town[SUQIAN].rows("claims", claims)} == {"J460204-2025-000001"}
