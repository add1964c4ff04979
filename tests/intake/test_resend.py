"""材料重发: a file that does not become whole is said aloud and asked for again, until it is here."""

from collections.abc import Sequence

import pytest

from contracts import intake, subsidy
from contracts.envelope import Json, decode
from services.intake.store import tables
from services.intake.usecases import materials, notices
from services.intake.usecases.materials import CHUNK_BYTES
from shared import clock, files
from shared.errors import NotFound
from tests.builders import LANZHOU, SANYA, WEIHAI, Country, HandClock, stop_clock
from tests.intake.cases import UNREGISTERED, calm, withdraw
from tests.intake.test_materials import a_file, altered, chunks
from tests.replay import record

REQUEST = intake.FileRequestedV1


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    return stop_clock(monkeypatch, "2025-10-09T09:00:00+08:00")


def arrives(country: Country, *lost: int) -> tuple[str, Json, bytes]:
    """A case with a file of three pieces, of which those are lost on their way."""
    item, content = a_file(country, 3 * CHUNK_BYTES - 5)
    case_id = country.take_in(SANYA, UNREGISTERED, materials=[item])
    country.work()
    gone = [body for body in chunks(country) if decode(body).data["number"] in lost]
    country.mail = [body for body in country.mail if body not in gone]
    country.settle()
    return case_id, item, content


def chase(country: Country) -> list[str]:
    """The timer of 兰州; the letters it leads to stay where they are."""
    materials.chase_files(country[LANZHOU].works["intake"])
    country.work()
    return [body for body in country.mail if decode(body).type == REQUEST.type]


def items(country: Country, city: str = LANZHOU) -> list[str]:
    return [told.data["kind"] for told in country[city].told(intake.WorkItemOpenedV1)]


def lose(country: Country, item: Json) -> None:
    (path,) = (country[SANYA].node.home / "files").rglob(f"{item['file_id']}*")
    path.unlink()


@pytest.mark.parametrize("lost", [(1,), (0, 1, 2)])
def test_a_file_that_is_not_whole_after_an_hour_is_said_aloud_and_sent_again(
    country: Country, hand: HandClock, lost: Sequence[int]
) -> None:
    case_id, item, content = arrives(country, *lost)
    hand.set("2025-10-09T09:59:00+08:00")
    assert chase(country) == []
    hand.set("2025-10-09T10:01:00+08:00")
    (asked,) = chase(country)
    assert (decode(asked).data, decode(asked).destination) == ({"file_id": item["file_id"]}, SANYA)
    assert items(country) == ["file_incomplete"]
    country.settle()
    assert files.read(country[LANZHOU].node, item["file_id"]) == content
    for table in (tables.chunks, tables.awaited_files):
        assert country[LANZHOU].rows("intake", table) == []
    assert country[LANZHOU].leg(case_id, "competent").state == "accepted"
    assert calm(country)


def test_it_is_asked_for_again_every_hour_and_said_aloud_once(country: Country, hand: HandClock) -> None:
    arrives(country, 1)
    for hour in ("11:00", "12:01", "13:02"):
        hand.set(f"2025-10-09T{hour}:00+08:00")
        assert len(chase(country)) == 1
        country.mail.clear()  # the request is lost, too
        assert chase(country) == []
    assert items(country) == ["file_incomplete"]


def test_pieces_that_come_twice_after_the_file_is_whole_leave_nothing_behind(country: Country, hand: HandClock) -> None:
    _, item, content = arrives(country, 1)
    hand.set("2025-10-09T11:00:00+08:00")
    (asked,) = chase(country)
    country.mail.clear()
    for _ in range(2):
        country.deliver(asked)
        country.work()
    again, country.mail = chunks(country), []
    assert len(again) == 3  # the same request twice is one request
    for body in (*again, *again):
        country.deliver(body)
        country.work()
    late = record(country[SANYA], "intake")
    with country[LANZHOU].works["intake"].begin() as work:
        work.tell(REQUEST, decode(asked).subject, decode(asked).data, to=SANYA)
    country.settle()  # asked once more than was needed
    assert len(late.bodies) == 1
    assert files.read(country[LANZHOU].node, item["file_id"]) == content
    for table in (tables.chunks, tables.awaited_files):
        assert country[LANZHOU].rows("intake", table) == []
    assert calm(country)


def test_a_file_that_is_damaged_at_its_source_is_asked_for_once_an_hour_not_in_a_circle(
    country: Country, hand: HandClock
) -> None:
    item, _ = a_file(country, 100)
    country.take_in(SANYA, UNREGISTERED, materials=[item])
    requests = 0
    for _ in range(4):
        country.work()
        letters, country.mail = country.mail, []
        requests += sum(decode(body).type == REQUEST.type for body in letters)
        for body in letters:
            country.deliver(altered(country, body, lambda chunk: chunk[:-3]) if body in [*_chunks(letters)] else body)
    assert requests == 1
    hand.set("2025-10-09T11:00:00+08:00")
    assert len(chase(country)) == 1
    with pytest.raises(NotFound):
        files.read(country[LANZHOU].node, item["file_id"])


def _chunks(letters: Sequence[str]) -> list[str]:
    return [body for body in letters if decode(body).type == intake.FileChunkSentV1.type]


def test_only_the_city_that_holds_the_case_is_given_its_files_and_no_others(
    wide_country: Country, hand: HandClock
) -> None:
    country = wide_country
    case_id, item, _ = arrives(country)
    stranger, _ = a_file(country, 50)
    for city, file_id in ((WEIHAI, item["file_id"]), (LANZHOU, stranger["file_id"]), (LANZHOU, clock.new_id())):
        with country[city].works["intake"].begin() as work:
            work.tell(REQUEST, case_id, {"file_id": file_id}, to=SANYA)
        country.work()
        (letter,) = country.mail
        country.mail.clear()
        country.deliver(letter)
        country.work()
        assert country.mail == []
    assert calm(country)


def test_a_city_that_has_lost_the_file_itself_says_so_to_its_own_office(country: Country, hand: HandClock) -> None:
    _, item, _ = arrives(country, 2)
    lose(country, item)
    hand.set("2025-10-09T11:00:00+08:00")
    chase(country)
    country.settle()
    assert items(country, SANYA) == ["file_lost"]
    assert calm(country)


def test_a_case_is_handed_on_without_the_file_that_was_lost_where_it_was_taken_in(wide_country: Country) -> None:
    country = wide_country
    (lost, _), (other, content) = a_file(country, 300), a_file(country, 400)
    case_id = country.take_in(SANYA, UNREGISTERED, materials=[lost, other])
    country.settle()
    lose(country, lost)
    moved = {"to_division": "371082", "personal": {"reason": ""}}
    country.act(LANZHOU, subsidy.RedirectApplicationV1, case_id, "620102001", **moved)
    country.settle()
    assert country[WEIHAI].leg(case_id, "competent").state == "accepted"
    assert files.read(country[WEIHAI].node, other["file_id"]) == content
    assert [(row.kind, row.about) for row in country[SANYA].rows("intake", tables.work_items)] == [
        ("file_lost", lost["file_id"])
    ]
    assert calm(country)


def test_a_clerk_sends_a_case_on_although_its_file_is_lost(country: Country) -> None:
    item, _ = a_file(country, 300)
    case_id = country.take_in(SANYA, UNREGISTERED | {"hukou_division": "620102999"}, materials=[item])
    country.settle()
    lose(country, item)
    to = {"to_division": "620102001", "actor": "clerk-9"}
    country.act(SANYA, intake.ForwardApplicationV1, case_id, "460204001", **to)
    country.settle()
    assert country[SANYA].leg(case_id).state == "in_progress"
    assert items(country, SANYA) == ["no_competent_office", "file_lost"]
    assert calm(country)


def test_pieces_of_a_case_that_is_over_are_thrown_away(country: Country, hand: HandClock) -> None:
    case_id, _, _ = arrives(country, 2)
    country.act(SANYA, intake.WithdrawApplicationV1, case_id, "460204001")
    country.settle()
    assert country[LANZHOU].leg(case_id, "competent").state == "withdrawn"
    hand.set("2025-10-09T11:00:00+08:00")
    assert chase(country) == []
    for table in (tables.chunks, tables.awaited_files):
        assert country[LANZHOU].rows("intake", table) == []
    assert items(country) == []


@pytest.mark.parametrize("kind", ["file_incomplete", "file_damaged"])
def test_when_the_case_is_over_nobody_is_asked_for_its_file_any_more(
    country: Country, hand: HandClock, kind: str
) -> None:
    case_id, item, _ = arrives(country, 1)
    with country[LANZHOU].works["intake"].begin() as work:
        notices.open_work_item(work, case_id, kind, "材料", about=item["file_id"])
    withdraw(country, SANYA, case_id)
    country.settle()
    hand.set("2025-10-09T11:00:00+08:00")
    assert chase(country) == []
    assert [row.closed_by for row in country[LANZHOU].rows("intake", tables.work_items)] == ["system"]
