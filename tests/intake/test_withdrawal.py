"""撤回: at the window, on the way, while the case is decided, and too late."""

import itertools

import pytest

from contracts import intake, subsidy
from services.intake.store import cases as store
from tests.builders import HE_SHOUTIAN, LANZHOU, SANYA, WEIHAI, Country
from tests.intake.cases import (
    MISSING,
    MOVED,
    UNREGISTERED,
    ask_supplement,
    calm,
    material,
    orphan,
    refusal,
    states,
    supplement,
    verbs,
    withdraw,
)


def test_a_case_still_at_its_window_is_withdrawn_at_once(country: Country) -> None:
    case_id = orphan(country)
    country.settle()
    withdraw(country, LANZHOU, case_id)
    country.settle()
    assert states(country, LANZHOU, case_id) == [(1, "withdrawn")]
    assert country[LANZHOU].story(case_id)["outcome"]["result"] == "withdrawn"
    assert not country.mail
    supplement(country, LANZHOU, case_id, material("parents-circumstances"))
    assert refusal(country, LANZHOU)["code"] == "state_changed"


def test_no_clerk_of_another_office_withdraws_a_case(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    country.act(SANYA, intake.WithdrawApplicationV1, case_id, "460204")
    country.settle()
    assert refusal(country, SANYA)["code"] == "office_not_accepting"
    assert states(country, SANYA, case_id) == [(1, "in_progress"), (2, "accepted")]


def test_a_case_being_decided_is_withdrawn_when_the_deciding_city_says_so(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    country.act(LANZHOU, subsidy.CheckApplicationV1, case_id, "620102001")
    country.settle()
    withdraw(country, SANYA, case_id)
    country.work()
    assert states(country, SANYA, case_id) == [(1, "withdrawing"), (2, "accepted")]
    country.settle()
    assert states(country, SANYA, case_id) == [(1, "withdrawn"), (2, "withdrawn")]
    assert country[SANYA].story(case_id) == country[LANZHOU].story(case_id)
    assert country[SANYA].story(case_id)["outcome"]["result"] == "withdrawn"
    assert verbs(country, SANYA, case_id)[-3:] == ["withdraw", "end_withdrawn", "end_withdrawn"]
    assert ["撤回" in notice["text"] for notice in country[SANYA].notices()] == [True]
    assert not [
        clock for leg in country[LANZHOU].story(case_id)["legs"] for clock in leg["clocks"] if not clock["ended_on"]
    ]
    assert calm(country)


def test_a_case_of_the_city_s_own_people_is_withdrawn_without_a_letter(country: Country) -> None:
    case_id = country.take_in(LANZHOU)
    country.settle()
    withdraw(country, LANZHOU, case_id)
    country.work()
    assert not country.mail
    assert states(country, LANZHOU, case_id) == [(1, "withdrawn"), (2, "withdrawn")]
    assert calm(country)


def test_a_withdrawn_person_may_apply_again(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    withdraw(country, SANYA, case_id)
    country.settle()
    again = country.take_in(SANYA)
    country.settle()
    assert states(country, SANYA, again) == [(1, "in_progress"), (2, "accepted")]


def test_a_withdrawal_after_the_decision_comes_too_late(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    for verb, office in ((subsidy.CheckApplicationV1, "620102001"), (subsidy.ReviewApplicationV1, "620102-dpf")):
        country.act(LANZHOU, verb, case_id, office)
        country.settle()
    country.act(LANZHOU, subsidy.DecideApplicationV1, case_id, "620102")
    country.work()  # decided, but the letters have not arrived
    withdraw(country, SANYA, case_id)
    country.settle()
    assert states(country, SANYA, case_id) == [(1, "told"), (2, "closed")]
    assert country[SANYA].story(case_id) == country[LANZHOU].story(case_id)
    assert country[SANYA].story(case_id)["outcome"]["result"] == "granted"
    assert ["已办结" in notice["text"] for notice in country[SANYA].notices()] == [True]
    withdraw(country, SANYA, case_id)
    country.settle()
    assert refusal(country, SANYA)["kind"] == "OutOfStep"
    assert calm(country)


def test_a_case_that_waits_for_a_supplement_may_be_withdrawn_instead(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    ask_supplement(country, case_id)
    withdraw(country, SANYA, case_id)
    country.settle()
    assert states(country, SANYA, case_id) == [(1, "withdrawn"), (2, "withdrawn")]
    assert country[SANYA].story(case_id) == country[LANZHOU].story(case_id)
    assert calm(country)


def test_who_has_not_seen_the_newest_version_cannot_withdraw(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    ask_supplement(country, case_id)
    withdraw(country, SANYA, case_id, expected_version=country[SANYA].leg(case_id).version - 1)
    country.settle()
    assert refusal(country, SANYA)["code"] == "version_changed"
    assert country[SANYA].leg(case_id).state == "supplement_required"


def test_nobody_acts_on_a_withdrawn_application(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    withdraw(country, SANYA, case_id)
    country.settle()
    country.act(LANZHOU, subsidy.CheckApplicationV1, case_id, "620102001")
    country.settle()
    (answer,) = country[LANZHOU].told(subsidy.ActRefusedV1)
    assert (answer.data["kind"], answer.data["code"]) == ("OutOfStep", "application_ended")


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_a_withdrawal_may_overtake_the_case_itself(country: Country, order: tuple[int, ...]) -> None:
    case_id = country.take_in(SANYA)
    country.work()
    withdraw(country, SANYA, case_id)
    country.work()
    letters, country.mail = country.mail, []
    for number in order:
        country.deliver(letters[number])
        country.work()
    country.settle()
    assert states(country, SANYA, case_id) == [(1, "withdrawn"), (2, "withdrawn")]
    assert country[SANYA].story(case_id) == country[LANZHOU].story(case_id)
    assert country[LANZHOU].told(subsidy.TaskOpenedV1) == [] or order == (0, 1)
    assert calm(country)


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_a_withdrawal_of_a_case_that_was_declined_leaves_nothing_waiting(
    country: Country, order: tuple[int, ...]
) -> None:
    country.take_in(LANZHOU)
    country.settle()
    case_id = country.take_in(SANYA)
    country.work()
    withdraw(country, SANYA, case_id)
    country.work()
    letters, country.mail = country.mail, []
    for number in order:
        country.deliver(letters[number])
        country.work()
    country.settle()
    assert country[SANYA].leg(case_id).state == "not_accepted"
    assert calm(country)


def test_a_withdrawn_case_that_is_handed_back_goes_no_further(country: Country) -> None:
    case_id = country.take_in(SANYA, MOVED)
    country.work()
    (letter,), country.mail = country.mail, []
    withdraw(country, SANYA, case_id)
    country.work()
    country.deliver(letter)  # on which 兰州 finds that the hukou has moved
    country.settle()
    assert states(country, SANYA, case_id) == [(1, "withdrawn"), (2, "redirected")]
    assert country[SANYA].told(intake.ApplicationWithdrawnV1)[-1].data["leg_no"] == 0
    assert country[SANYA].story(case_id)["outcome"]["result"] == "withdrawn"
    assert calm(country)


def test_a_case_that_waits_for_a_person_may_be_withdrawn(country: Country) -> None:
    case_id = country.take_in(SANYA, UNREGISTERED)
    country.settle()
    country.act(LANZHOU, subsidy.RedirectApplicationV1, case_id, "620102001", to_division=WEIHAI[:4] + "02")
    country.settle()
    withdraw(country, SANYA, case_id)
    country.settle()
    assert country[SANYA].leg(case_id).state == "withdrawn"
    with country[SANYA].works["intake"].begin() as work:
        index = store.person_index(work, HE_SHOUTIAN | UNREGISTERED)
        assert store.find_open_case(work, "accepting", "disability-subsidies", index) is None


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_a_supplement_and_a_withdrawal_may_cross(country: Country, order: tuple[int, ...]) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    country.act(LANZHOU, subsidy.RequestSupplementV1, case_id, "620102001", personal=MISSING)
    country.settle()
    country.act(SANYA, intake.SupplementApplicationV1, case_id, "460204001", materials=[material("low-income")])
    country.work()
    withdraw(country, SANYA, case_id)
    country.work()
    letters, country.mail = country.mail, []
    for number in order:
        country.deliver(letters[number])
        country.work()
    country.settle()
    assert states(country, LANZHOU, case_id) == [(1, "withdrawn"), (2, "withdrawn")]
    assert set(verbs(country, LANZHOU, case_id)) == set(verbs(country, SANYA, case_id))
    assert calm(country)
