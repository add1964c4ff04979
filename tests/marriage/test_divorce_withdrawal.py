"""撤回 of a divorce through intake: in time is who acts in time, and everybody is told what is true of their case."""

import pytest

from contracts import intake, marriage
from contracts.envelope import Json
from tests.builders import LANZHOU, WEIHAI, Country, HandClock
from tests.intake.cases import newest_shown, states, verbs
from tests.marriage.partings import (
    CLOSES,
    DAY_AFTER,
    FIRST_DAY,
    LAST_DAY,
    OPENS,
    TOO_LATE,
    accept,
    at_the_window,
    confirm,
    day,
    divorce,
    ending,
    judged,
    notes,
    outcome,
    record,
    sign,
    state,
    tell,
    withdraw,
)
from tests.marriage.weddings import OFFICES, calm, run_only, run_timer, wed

AS_WISHED, IN_VAIN, ENDED = "已按您的申请撤回", "未能撤回", "已终止办理,未作决定"


@pytest.fixture
def couple_of_sanya(country: Country, hand: HandClock) -> str:
    """A couple that married in 三亚 on 2025-10-09; today is the 10th: cooling-off would end on Sunday, so on Monday."""
    case_id = wed(country)
    day(country, hand, FIRST_DAY)
    return case_id


def wish(country: Country, case_id: str) -> None:
    """The applicant withdraws, at the window or in the portal. Nothing moves yet."""
    country.act(LANZHOU, intake.WithdrawApplicationV1, case_id, OFFICES[LANZHOU])


def read(country: Country) -> list[str]:
    """Which of these words the applicant of 兰州 has read, one after the other."""
    texts = [notice["text"] for notice in country[LANZHOU].notices()]
    return [words for text in texts for words in (AS_WISHED, IN_VAIN, ENDED) if words in text]


# --- in time, or too late ------------------------------------------------------------------------------------------------


def test_who_withdraws_through_intake_at_the_last_minute_is_in_time_though_it_is_read_after_midnight(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = accept(country)
    hand.set(f"{LAST_DAY}T15:59:00Z")  # 23:59 in China
    wish(country, case_id)
    hand.set(f"{OPENS}T00:30:00Z")  # the broker was away all night
    run_only(country, LANZHOU, "turn_days")
    assert state(country, case_id) == "awaiting_certificate"
    country.settle()
    assert (state(country, case_id), outcome(country[LANZHOU], case_id)) == ("withdrawn", "withdrawn")
    assert str(divorce(country, LANZHOU, case_id).divorce.ended_on) == LAST_DAY
    assert f"于{LAST_DAY}撤回" in notes(country[LANZHOU], case_id)[-1]
    assert read(country) == [AS_WISHED]
    assert calm(country)


def test_of_a_withdrawal_that_does_not_say_when_the_day_of_its_message_counts(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = accept(country)
    story = country[LANZHOU].story(case_id)
    hand.set(f"{LAST_DAY}T15:59:00Z")
    told: Json = {"leg": story["legs"][0], "step": story["steps"][0], "leg_no": 2}  # as an earlier release
    country.say(LANZHOU, intake.ApplicationWithdrawnV1, case_id, told)
    hand.set(f"{LAST_DAY}T16:05:00Z")
    country.settle()
    assert (state(country, case_id), str(divorce(country, LANZHOU, case_id).divorce.ended_on)) == (
        "withdrawn",
        LAST_DAY,
    )


def test_who_withdraws_too_late_is_told_so_and_both_may_still_sign(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = at_the_window(country, hand)
    shown = divorce(country, LANZHOU, case_id).version
    wish(country, case_id)
    country.settle()
    assert states(country, LANZHOU, case_id) == [(1, "in_progress"), (2, "accepted")]
    assert newest_shown(country, LANZHOU, case_id)[1] == "in_progress"
    assert verbs(country, LANZHOU, case_id)[-2:] == ["withdraw", "refuse_withdrawal"]
    assert f"冷静期已于{LAST_DAY}届满" in notes(country[LANZHOU], case_id)[-1]
    assert read(country) == [IN_VAIN]
    assert divorce(country, LANZHOU, case_id).version == shown  # who has the couple at the counter need not begin anew
    sign(country, LANZHOU, case_id)
    assert (state(country, case_id), outcome(country[LANZHOU], case_id)) == ("registered", "granted")
    assert states(country, LANZHOU, case_id) == [(1, "told"), (2, "closed")]
    assert calm(country)


def test_every_withdrawal_in_vain_is_answered(country: Country, couple_of_sanya: str, hand: HandClock) -> None:
    case_id = at_the_window(country, hand)
    for _ in range(2):
        wish(country, case_id)
        country.settle()
    assert read(country) == [IN_VAIN, IN_VAIN]
    assert calm(country)


def test_who_withdraws_while_the_holder_is_asked_is_told_that_both_have_signed(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = at_the_window(country, hand)
    tell(country, LANZHOU, marriage.RegisterDivorceV1, case_id)
    country.work()
    wish(country, case_id)
    country.work()
    assert states(country, LANZHOU, case_id) == [(1, "in_progress"), (2, "accepted")]
    assert "双方已签字" in notes(country[LANZHOU], case_id)[-1]
    country.settle()
    assert (read(country), outcome(country[LANZHOU], case_id)) == ([IN_VAIN], "granted")
    assert calm(country)


def test_who_withdraws_when_nobody_came_in_time_is_not_told_that_it_was_their_wish(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = at_the_window(country, hand)
    day(country, hand, TOO_LATE)
    wish(country, case_id)
    country.settle()
    assert read(country) == [IN_VAIN]
    day(country, hand, DAY_AFTER)
    run_timer(country, LANZHOU, "turn_days")
    assert (state(country, case_id), read(country)) == ("deemed_withdrawn", [IN_VAIN, ENDED])
    assert calm(country)


# --- how it ended --------------------------------------------------------------------------------------------------------


def test_who_does_not_come_is_not_told_that_they_have_withdrawn(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = at_the_window(country, hand)
    day(country, hand, DAY_AFTER)
    run_timer(country, LANZHOU, "turn_days")
    assert read(country) == [ENDED]
    assert "视为撤回" in notes(country[LANZHOU], case_id)[-1]


def test_nor_is_who_applied_when_the_other_one_withdraws(country: Country, couple_of_sanya: str) -> None:
    case_id = accept(country)
    withdraw(country, LANZHOU, case_id)
    assert (state(country, case_id), read(country)) == ("withdrawn", [ENDED])
    assert "一方" in notes(country[LANZHOU], case_id)[-1]


def test_nor_is_a_widow_told_that_somebody_withdrew(country: Country, couple_of_sanya: str) -> None:
    case_id = accept(country)
    record(country, WEIHAI, ending())
    assert (state(country, case_id), read(country)) == ("marriage_ended", [ENDED])
    assert "死亡" in notes(country[LANZHOU], case_id)[-1]


def test_nor_whom_a_court_has_divorced(country: Country, couple_of_sanya: str) -> None:
    case_id = accept(country)
    confirm(country, WEIHAI, record(country, WEIHAI, judged()))
    assert (state(country, case_id), read(country)) == ("marriage_ended", [ENDED])
    assert "法院" in notes(country[LANZHOU], case_id)[-1]


def test_both_who_sign_at_the_last_minute_are_divorced_though_it_is_read_after_midnight(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = at_the_window(country, hand)
    hand.set(f"{CLOSES}T15:59:00Z")  # 23:59 in China
    tell(country, LANZHOU, marriage.RegisterDivorceV1, case_id)
    hand.set(f"{CLOSES}T16:05:00Z")
    run_only(country, LANZHOU, "turn_days")
    country.settle()
    assert (state(country, case_id), outcome(country[LANZHOU], case_id)) == ("registered", "granted")
    assert calm(country)
