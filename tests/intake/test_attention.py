"""待人工处理 is no dead end: a clerk of the accepting office sends the case on, or it is withdrawn."""

import pytest

from contracts import intake, subsidy
from contracts.envelope import Unreadable, read_data
from services.intake.store import tables
from tests.builders import LANZHOU, SANYA, Country, stop_clock
from tests.contracts.examples import example
from tests.intake.cases import UNREGISTERED, calm, newest_shown, refusal, states, verbs, withdraw

WINDOW = "460204001"


def stuck(country: Country) -> str:
    """A case that 兰州 has sent to where nobody answers."""
    case_id = country.take_in(SANYA, UNREGISTERED)
    country.settle()
    to = {"to_division": "371002", "personal": {"reason": ""}}
    country.act(LANZHOU, subsidy.RedirectApplicationV1, case_id, "620102001", **to)
    country.settle()
    assert country[SANYA].leg(case_id).state == "needs_attention"
    return case_id


def forward(country: Country, case_id: str, division: str, office: str = WINDOW, **changes: int) -> None:
    to = {"to_division": division, "actor": "clerk-9"}
    country.act(SANYA, intake.ForwardApplicationV1, case_id, office, **to | changes)
    country.settle()


def items(country: Country) -> list[tuple[str, str, str]]:
    return [(row.kind, row.office, row.closed_by) for row in country[SANYA].rows("intake", tables.work_items)]


def test_a_clerk_sends_a_stuck_case_on_and_it_is_decided(country: Country) -> None:
    case_id = stuck(country)
    applied_on = country[SANYA].rows("intake", tables.cases)[0].facts["applied_on"]
    assert items(country) == [("division_not_joined", WINDOW, "")]
    forward(country, case_id, "620103")
    assert states(country, SANYA, case_id) == [(1, "in_progress"), (2, "redirected"), (3, "accepted")]
    assert newest_shown(country, SANYA, case_id)[1] == "in_progress"
    assert items(country) == [("division_not_joined", WINDOW, "system")]
    (closed,) = country[SANYA].told(intake.WorkItemClosedV1, case_id)
    assert closed.data["kind"] == "division_not_joined"
    (*_, row) = [row for row in country[SANYA].rows("intake", tables.steps) if row.verb == "forward"]
    assert row.actor == "clerk-9"
    (kept,) = country[LANZHOU].rows("intake", tables.cases)
    assert (kept.division, kept.facts["applied_on"]) == ("620103", applied_on)
    (*_, task) = country[LANZHOU].told(subsidy.TaskOpenedV1)
    assert task.data["task"]["offices"] == ["620103001"]
    assert calm(country)


def test_a_stuck_case_may_go_to_the_accepting_city_itself(country: Country) -> None:
    case_id = stuck(country)
    forward(country, case_id, "460204")
    assert states(country, SANYA, case_id)[-1] == (3, "accepted")
    assert calm(country)


def test_a_stuck_case_that_its_own_city_cannot_take_over_either_stays_in_the_list(country: Country) -> None:
    case_id = stuck(country)
    forward(country, case_id, "460204999")
    assert country[SANYA].leg(case_id).state == "needs_attention"
    assert items(country) == [("division_not_joined", WINDOW, "system"), ("no_competent_office", WINDOW, "")]
    assert calm(country)


def test_a_township_that_nobody_knows_there_is_no_refusal_and_is_corrected(country: Country) -> None:
    party = UNREGISTERED | {"hukou_division": "620102999"}
    case_id = country.take_in(SANYA, party)
    country.settle()
    assert states(country, SANYA, case_id) == [(1, "needs_attention"), (2, "declined")]
    assert newest_shown(country, SANYA, case_id)[1] == "needs_attention"
    assert items(country) == [("no_competent_office", WINDOW, "")]
    forward(country, case_id, "620102001")
    assert states(country, SANYA, case_id) == [(1, "in_progress"), (2, "declined"), (3, "accepted")]
    assert newest_shown(country, SANYA, case_id)[1] == "in_progress"
    assert calm(country)


@pytest.mark.parametrize(
    ("division", "code"),
    [
        ("371002", "division_not_joined"),
        ("620100", "division_too_wide"),
        ("469003", "division_retired"),
        ("999999", "division_unknown"),
    ],
)
def test_the_division_given_anew_is_checked_as_at_the_counter(country: Country, division: str, code: str) -> None:
    case_id = stuck(country)
    forward(country, case_id, division)
    assert (refusal(country, SANYA)["kind"], refusal(country, SANYA)["code"]) == ("Refused", code)
    assert country[SANYA].leg(case_id).state == "needs_attention"
    assert items(country) == [("division_not_joined", WINDOW, "")]


@pytest.mark.parametrize(
    ("office", "changes", "code"),
    [("460204", {}, "office_not_accepting"), (WINDOW, {"expected_version": 1}, "version_changed")],
)
def test_only_the_accepting_office_sends_on_and_only_what_it_has_seen(
    country: Country, office: str, changes: dict[str, int], code: str
) -> None:
    case_id = stuck(country)
    forward(country, case_id, "620103", office, **changes)
    assert refusal(country, SANYA)["code"] == code
    assert country[SANYA].leg(case_id).state == "needs_attention"


def test_a_case_that_another_city_holds_is_not_sent_on_by_hand(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    forward(country, case_id, "620103")
    assert refusal(country, SANYA)["code"] == "state_changed"
    assert verbs(country, SANYA, case_id).count("forward") == 1


def test_what_asked_for_a_person_is_settled_by_a_withdrawal(country: Country) -> None:
    case_id = stuck(country)
    withdraw(country, SANYA, case_id)
    country.settle()
    assert country[SANYA].leg(case_id).state == "withdrawn"
    assert items(country) == [("division_not_joined", WINDOW, "system")]
    assert calm(country)


def test_the_desk_is_told_which_hand_over_came_to_nothing(country: Country) -> None:
    case_id = stuck(country)
    (*_, told) = country[SANYA].told(intake.LegChangedV1, case_id)
    assert (told.data["leg"]["state"], told.data["peer_leg_no"]) == ("needs_attention", 2)


def test_a_withdrawn_case_for_which_nobody_is_competent_is_withdrawn_not_refused(country: Country) -> None:
    case_id = country.take_in(SANYA, UNREGISTERED | {"hukou_division": "620102999"})
    country.work()
    withdraw(country, SANYA, case_id)
    country.settle()
    assert states(country, SANYA, case_id) == [(1, "withdrawn"), (2, "declined")]
    assert country[SANYA].story(case_id)["outcome"]["result"] == "withdrawn"
    assert items(country) == []
    assert "按您的申请撤回" in country[SANYA].notices()[-1]["text"]
    assert calm(country)


def newer(country: Country) -> None:
    """The hand-over on its way is of a version of the matter that 兰州's release does not have."""
    (body,) = country.mail
    assert '"matter_version":1' in body
    country.mail = [body.replace('"matter_version":1', '"matter_version":2')]


def test_a_case_of_a_newer_release_is_no_refusal_and_is_sent_on_when_the_other_city_has_it(country: Country) -> None:
    case_id = country.take_in(SANYA, UNREGISTERED)
    country.work()
    newer(country)
    country.settle()
    assert states(country, SANYA, case_id) == [(1, "needs_attention"), (2, "declined")]
    assert newest_shown(country, SANYA, case_id)[1] == "needs_attention"
    assert items(country) == [("release_behind", WINDOW, "")]
    (item,) = country[SANYA].rows("intake", tables.work_items)
    assert "升级后再转办" in item.text
    assert country[LANZHOU].rows("intake", tables.cases) == []  # nobody holds the papers of a case that is not theirs
    assert calm(country)
    forward(country, case_id, "620102")
    assert states(country, SANYA, case_id) == [(1, "in_progress"), (2, "declined"), (3, "accepted")]
    assert items(country) == [("release_behind", WINDOW, "system")]
    assert calm(country)


def test_a_withdrawn_case_of_a_newer_release_is_withdrawn_not_refused(country: Country) -> None:
    case_id = country.take_in(SANYA, UNREGISTERED)
    country.work()
    newer(country)
    withdraw(country, SANYA, case_id)
    country.settle()
    assert states(country, SANYA, case_id) == [(1, "withdrawn"), (2, "declined")]
    assert items(country) == []
    assert calm(country)


def hand_over_clocks(country: Country, case_id: str) -> list[tuple[str, str, bool]]:
    clocks = country[SANYA].leg(case_id).clocks
    return [(str(it.started_on), str(it.due_on), it.running) for it in clocks if it.name == "forward"]


def test_a_case_that_waits_for_a_clerk_has_a_last_day_until_it_is_sent_on(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = stop_clock(monkeypatch, "2025-10-13T09:00:00+08:00")
    case_id = stuck(country)
    first, waits = hand_over_clocks(country, case_id)
    assert not first[2]
    assert waits == ("2025-10-13", "2025-10-16", True)
    assert dict(newest_clocks(country, case_id))["2025-10-16"] == ""  # the screens hear of it
    hand.set("2025-10-20T09:00:00+08:00")
    forward(country, case_id, "620103")
    assert hand_over_clocks(country, case_id) == [first, ("2025-10-13", "2025-10-16", False)]


def newest_clocks(country: Country, case_id: str) -> list[tuple[str, str]]:
    told = country[SANYA].told(intake.LegChangedV1, case_id)[-1]
    return [(clock["due_on"], clock["ended_on"]) for clock in told.data["leg"]["clocks"]]


def test_reasons_of_any_length_from_another_city_are_cut_to_what_a_work_item_holds(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.work()
    country.mail.clear()
    leg = {"leg_no": 2, "role": "competent", "node": LANZHOU, "state": "declined", "version": 1, "clocks": []}
    why = {"code": "no_competent_office", "text": "没有" * 1000, "basis": ""}
    office = {"code": "620102001", "name": "某窗口", "node": LANZHOU}
    country.say(SANYA, intake.ApplicationDeclinedV1, case_id, {"leg": leg, "reasons": [why], "ask_office": office})
    country.settle()
    (item,) = country[SANYA].rows("intake", tables.work_items)
    assert len(item.text) == 400


@pytest.mark.parametrize(("name", "longest"), [("note", 400), ("verb", 40)])
def test_a_step_that_no_timeline_can_hold_is_refused_when_it_is_read(name: str, longest: int) -> None:
    data = example(intake.ApplicationTakenOverV1)["data"]
    for length in (longest, longest + 1):
        data["step"][name] = "长" * length
        if length == longest:
            assert read_data(intake.ApplicationTakenOverV1, data)["step"][name] == "长" * length
        else:
            with pytest.raises(Unreadable, match="step"):
                read_data(intake.ApplicationTakenOverV1, data)
