"""What timers do to many cases: one that cannot go on keeps no other from it, and no case waits for an office in silence."""

from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import update

from contracts import intake, subsidy
from services.subsidy import store
from services.subsidy.standards import standard_for
from services.subsidy.usecases import case
from tests.builders import HE_SHOUTIAN, LANZHOU, SANYA, Country, HandClock
from tests.subsidy.cases import MISSING, TOWNSHIP, answer, ask_again, begun, end_supplements, kept, switch

IN_620103 = HE_SHOUTIAN | {"name": "王𬍛", "id_number": "990102199508160442", "hukou_division": "620103"}
LONG_AFTER = "2026-01-20T01:00:00Z"

pytestmark = pytest.mark.usefixtures("hand")


def both_asked(country: Country) -> tuple[str, str]:
    first, second = begun(country), begun(country, IN_620103)
    for case_id, office in ((first, TOWNSHIP), (second, "620103001")):
        assert answer(country, subsidy.RequestSupplementV1, case_id, office, personal=MISSING) == ("", "")
    return first, second


def break_case(country: Country, case_id: str) -> None:
    """Nobody can go on with a case whose matter has no such version."""
    with country[LANZHOU].works["subsidy"].begin() as work:
        mine = update(store.applications).where(store.applications.c.case_id == case_id)
        work.execute(mine.values(matter_version=99))


def close_offices(country: Country, start: str) -> None:
    table = country[LANZHOU].node.home / "offices.csv"
    lines = table.read_text("utf-8").splitlines()
    table.write_text("\n".join(line for line in lines if not line.startswith(start)) + "\n", "utf-8")


def test_a_case_that_fails_does_not_keep_the_supplement_of_another_from_ending(
    country: Country, hand: HandClock
) -> None:
    whole, broken = both_asked(country)
    break_case(country, broken)
    hand.set(LONG_AFTER)
    end_supplements(country)
    assert kept(country, whole).application.state == "open"
    assert kept(country, broken).application.state == "supplementing"


def test_a_case_of_a_division_without_a_standard_waits_for_one_and_can_be_withdrawn(
    country: Country, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(case, "standard_for", partial(standard_for, folder=tmp_path))
    case_id = begun(country, city=SANYA)
    assert country[LANZHOU].told(subsidy.TaskOpenedV1, case_id)[0].data["missing_facts"] == ["standard"]
    country.act(SANYA, intake.WithdrawApplicationV1, case_id, "460204001")
    country.settle()
    assert country[SANYA].leg(case_id).state == "withdrawn"


def test_a_case_that_fails_does_not_keep_registries_from_being_asked_for_another(country: Country) -> None:
    switch(country, "disability-card", "down")
    whole, broken = begun(country), begun(country, IN_620103)
    break_case(country, broken)
    switch(country, "disability-card", "up")
    ask_again(country)
    assert kept(country, whole).unanswered == frozenset()


@pytest.mark.parametrize(("closed", "speaker"), [("620103001", "620103"), ("620103", "620100"), ("620", "620100")])
def test_a_supplement_lapses_though_the_office_of_the_task_is_gone(
    country: Country, hand: HandClock, closed: str, speaker: str
) -> None:
    first, second = both_asked(country)
    close_offices(country, closed)
    hand.set(LONG_AFTER)
    end_supplements(country)
    assert [kept(country, case_id).application.state for case_id in (first, second)] == ["open", "open"]
    (lapsed,) = country[LANZHOU].told(subsidy.SupplementLapsedV1, second)
    assert lapsed.data["office"]["code"] == speaker
    assert lapsed.data["office"]["name"]
    assert country[LANZHOU].told(subsidy.TaskOpenedV1, second)[-1].data["task"]["offices"] == []
