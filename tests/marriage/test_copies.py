"""抄告户籍地: off without a clause; with one, each city of a hukou hears once of its own person, and of nobody else."""

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts import marriage
from contracts.envelope import Json, decode
from services.marriage import standards
from services.marriage.rules.copies import CHANGES, Copy, clause_for
from shared.crypto.personal import open_personal
from tests.builders import LANZHOU, SANYA, WEIHAI, Country, HandClock
from tests.marriage.partings import at_the_window, ending, record, sign
from tests.marriage.weddings import HE, OTHER_HE, OTHER_SHE, SHE, calm, wed

ROW: Json = {"what": list(CHANGES), "valid_from": datetime.date(2025, 10, 1), "valid_until": None, "basis": "某条"}


def switch_on(monkeypatch: pytest.MonkeyPatch, folder: Path, **changes: Any) -> None:
    """A clause in force, as a file of its own."""
    path = folder / "switched.yaml"
    path.write_text(yaml.safe_dump({"copies": [ROW | changes]}, allow_unicode=True), "utf-8")
    standards.load.cache_clear()
    monkeypatch.setattr(standards, "COPIES", path)


@pytest.fixture
def copied(country: Country, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Json]]:
    """Every copy that leaves a city: to which one, and what it says."""
    sent: list[tuple[str, Json]] = []
    deliver = country.deliver

    def watch(body: str) -> None:
        letter = decode(body)
        if letter.type == marriage.StatusCopiedV1.type:
            assert letter.data["basis"] == ROW["basis"]
            sent.append(
                (letter.destination, open_personal(country[letter.source].node, marriage.StatusCopiedV1, letter))
            )
        deliver(body)

    monkeypatch.setattr(country, "deliver", watch)
    return sent


def of(person: Json, what: str, on: str) -> Json:
    return {"what": what, "on": on, "persons": [{name: person[name] for name in ("name", "id_type", "id_number")}]}


def test_without_a_clause_nothing_is_copied_to_the_cities_of_the_hukou(
    country: Country, hand: HandClock, copied: list[tuple[str, Json]]
) -> None:
    assert standards.load(standards.COPIES) == ()
    wed(country)
    sign(country, LANZHOU, at_the_window(country, hand))
    assert copied == []


def test_with_a_clause_in_force_each_city_of_a_hukou_hears_once_of_its_own_person(
    country: Country, copied: list[tuple[str, Json]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    switch_on(monkeypatch, tmp_path)
    wed(country)
    told = [
        (LANZHOU, of(HE, "marriage_registered", "2025-10-09")),
        (WEIHAI, of(SHE, "marriage_registered", "2025-10-09")),
    ]
    assert copied == told
    record(country, LANZHOU, ending(on="2025-10-09"))
    ended = [(LANZHOU, of(HE, "marriage_ended", "2025-10-09")), (WEIHAI, of(SHE, "marriage_ended", "2025-10-09"))]
    assert copied == told + ended
    assert calm(country)


def test_of_a_divorce_only_the_city_that_registered_it_tells_and_not_itself(
    country: Country,
    hand: HandClock,
    copied: list[tuple[str, Json]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    wed(country)
    switch_on(monkeypatch, tmp_path)
    sign(country, LANZHOU, at_the_window(country, hand))
    assert copied == [(WEIHAI, of(SHE, "divorce_registered", "2025-11-11"))]


@pytest.mark.parametrize(
    "changes",
    [
        {"valid_until": datetime.date(2025, 10, 8)},
        {"valid_from": datetime.date(2025, 10, 10)},
        {"what": ["divorce_registered"]},
    ],
)
def test_outside_its_days_and_for_another_change_a_clause_lets_nothing_be_copied(
    country: Country, copied: list[tuple[str, Json]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changes: Json
) -> None:
    switch_on(monkeypatch, tmp_path, **changes)
    wed(country)
    assert copied == []


def test_one_city_of_both_hears_once_of_both_and_one_that_has_not_joined_hears_nothing(
    country: Country, copied: list[tuple[str, Json]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    switch_on(monkeypatch, tmp_path)
    wed(country, SANYA, HE, SHE | {"hukou_division": "620102"})
    [(city, told)] = copied
    assert (city, [person["name"] for person in told["persons"]]) == (LANZHOU, [HE["name"], SHE["name"]])
    wed(country, SANYA, OTHER_HE | {"hukou_division": "110101"}, OTHER_SHE | {"hukou_division": ""})
    assert len(copied) == 1


def test_a_clause_holds_from_its_first_day_to_its_last() -> None:
    first, last = datetime.date(2026, 1, 1), datetime.date(2026, 12, 31)
    copy = Copy(("marriage_ended",), first, last, "某条")
    one_day = datetime.timedelta(days=1)
    found = [clause_for("marriage_ended", day, [copy]) for day in (first - one_day, first, last, last + one_day)]
    assert found == [None, copy, copy, None]


@pytest.mark.parametrize(
    "changes",
    [
        {"basis": " "},
        {"what": []},
        {"what": ["born"]},
        {"valid_from": "2025-10-01"},
        {"valid_until": datetime.date(2025, 9, 30)},
        {"where": "620100"},
    ],
)
def test_a_row_without_clause_days_or_a_known_change_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changes: Json
) -> None:
    switch_on(monkeypatch, tmp_path, **changes)
    with pytest.raises(standards.BadPolicy):
        standards.load(standards.COPIES)
