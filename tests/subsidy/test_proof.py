"""What is not known: asked for again, read off papers, refused as not proven; and cases that are not ours."""

from typing import Any

import pytest

from contracts import intake, subsidy
from contracts.envelope import Json
from contracts.matters import every_matter
from services.subsidy import store
from services.subsidy.ports import REGISTRIES
from services.subsidy.rules.eligibility import Facts
from services.subsidy.usecases.beginning import OURS
from shared.identity import mask_number
from tests.builders import ANSWERS, HE_SHOUTIAN, LANZHOU, SANYA, Country, stop_clock
from tests.subsidy.cases import (
    CHECK,
    COUNTY,
    DECIDE,
    DPF,
    MISSING,
    REVIEW,
    TOWNSHIP,
    UNREGISTERED,
    answer,
    ask_again,
    begun,
    done,
    end_supplements,
    kept,
    last_task,
    switch,
)

CARD = {"code": "disability-card", "source": "applicant", "seen": "original", "seen_by": "w", "provided_at": ""}
NUMBER = HE_SHOUTIAN["id_number"]
MULTIPLE = HE_SHOUTIAN | {"name": "田一苇", "id_number": "990104199304210105"}
SHOWN: Json = {"card_no": f"{NUMBER}41"}


def supplement(country: Country, case_id: str, *materials: Json, **answers: Any) -> None:
    personal = {"answers": answers}
    brought = list(materials)
    country.act(SANYA, intake.SupplementApplicationV1, case_id, "460204001", materials=brought, personal=personal)
    country.settle()


def asked(country: Country, *parties: Json, **changes: Any) -> str:
    case_id = begun(country, *parties, city=SANYA, **changes)
    assert answer(country, subsidy.RequestSupplementV1, case_id, TOWNSHIP, personal=MISSING) == ("", "")
    return case_id


def shown(**changes: Any) -> Json:
    return {"personal": {"reasons": [], "shown": SHOWN | changes}}


def test_a_person_the_registry_does_not_know_is_refused_in_writing_after_a_supplement(country: Country) -> None:
    case_id = asked(country, UNREGISTERED)
    supplement(country, case_id, long_term_care="yes")
    done(country, case_id, (CHECK, TOWNSHIP), (REVIEW, DPF))
    assert answer(country, DECIDE, case_id, COUNTY) == ("Refused", "facts_missing")
    assert answer(country, DECIDE, case_id, COUNTY, approve=False) == ("", "")
    for city in (SANYA, LANZHOU):
        story = country[city].story(case_id)
        assert (story["outcome"]["result"], len(story["outcome"]["remedies"])) == ("refused", 2)
        assert "not_proven_hukou" in {reason["code"] for reason in story["reasons"]}


def test_without_a_supplement_a_person_the_registry_does_not_know_is_not_refused(country: Country) -> None:
    case_id = begun(country, UNREGISTERED)
    done(country, case_id, (CHECK, TOWNSHIP), (REVIEW, DPF))
    assert answer(country, DECIDE, case_id, COUNTY, approve=False) == ("Refused", "facts_missing")
    assert answer(country, subsidy.RequestSupplementV1, case_id, COUNTY, personal=MISSING) == ("", "")


def test_an_answer_in_a_supplement_replaces_the_first_one_at_both_ends(country: Country) -> None:
    case_id = asked(country, answers=ANSWERS | {"long_term_care": "no"})
    supplement(country, case_id, long_term_care="yes")
    facts = kept(country, case_id).facts
    assert facts.long_term_care is not None
    assert facts.long_term_care.value is True
    care = next(one for one in last_task(country).personal["findings"] if one["benefit"] == "care")
    assert care["eligible"] is True
    (told,) = country[LANZHOU].told(intake.ApplicationSupplementedV1)
    assert told.personal == {"answers": {"long_term_care": "yes"}}
    assert "long_term_care" not in str(told.data)


def test_an_answer_of_a_supplement_that_the_matter_does_not_know_is_refused_by_name(country: Country) -> None:
    case_id = asked(country)
    supplement(country, case_id, long_term_care="perhaps")
    (refused,) = country[SANYA].told(intake.ActRefusedV1)
    assert (refused.data["code"], refused.data["field"]) == ("answer_not_allowed", "answers.long_term_care")
    supplement(country, case_id, {"code": "low-income", "source": "promise", "provided_at": ""})
    assert country[SANYA].told(intake.ActRefusedV1)[1].data["field"] == "answers.low_income"


def test_when_no_supplement_comes_in_time_the_case_goes_on_and_can_be_refused(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = stop_clock(monkeypatch, "2025-10-09T01:00:00Z")
    country = Country(tmp_path, LANZHOU, SANYA)
    case_id = asked(country, UNREGISTERED)
    assert country[SANYA].told(intake.SupplementRequestedV1)[0].data["due_on"] == "2025-11-19"
    hand.set("2025-11-19T10:00:00Z")
    end_supplements(country)
    assert answer(country, CHECK, case_id, TOWNSHIP) == ("OutOfStep", "awaiting_supplement")
    hand.set("2025-11-24T10:00:00Z")  # it may have been brought on the last day, and be under way
    end_supplements(country)
    assert answer(country, CHECK, case_id, TOWNSHIP) == ("OutOfStep", "awaiting_supplement")
    hand.set("2025-11-25T01:00:00Z")
    for _ in range(2):
        end_supplements(country)
    assert [step["verb"] for step in country[SANYA].story(case_id)["steps"]].count("supplement_lapsed") == 1
    (clock,) = country[LANZHOU].leg(case_id, "competent").clocks
    assert clock.running
    supplement(country, case_id, long_term_care="yes")  # late, but before the decision
    country.decide(LANZHOU, case_id, COUNTY, approve=False)
    assert country[SANYA].leg(case_id).state == "told"
    assert country[SANYA].story(case_id)["outcome"]["result"] == "refused"
    assert country[LANZHOU].dead() == country[LANZHOU].parked() == []
    country.close()


def test_a_card_that_was_brought_stands_in_for_a_registry_that_is_down_and_is_checked_later(country: Country) -> None:
    switch(country, "disability-card", "down")
    case_id = begun(country, materials=[CARD])
    assert answer(country, CHECK, case_id, TOWNSHIP, **shown()) == ("", "")
    card = kept(country, case_id).facts.card
    assert card is not None
    assert card.source == "document"
    assert [one["eligible"] for one in last_task(country).personal["findings"]] == [True, True]
    assert last_task(country).data["task"]["verb"] == "review"
    done(country, case_id, (REVIEW, DPF), (DECIDE, COUNTY))
    assert country[LANZHOU].story(case_id)["outcome"]["result"] == "granted"
    switch(country, "disability-card", "up")
    ask_again(country)
    (told,) = country[LANZHOU].told(subsidy.PromiseCheckedV1)
    assert told.personal == {"fact": "card", "kept": True}
    assert (told.data["source"], "fact" in told.data) == ("document", False)


def test_a_card_that_says_other_than_the_registry_shows_up_as_a_broken_promise_does(country: Country) -> None:
    switch(country, "disability-card", "down")
    case_id = begun(country, materials=[CARD])
    assert answer(country, CHECK, case_id, TOWNSHIP, **shown(card_no=f"{NUMBER}42")) == ("", "")
    switch(country, "disability-card", "up")
    ask_again(country)
    (told,) = country[LANZHOU].told(subsidy.PromiseCheckedV1)
    assert (told.personal["kept"], told.data["source"]) == (False, "document")


def test_the_components_of_a_multiple_disability_are_read_off_the_card_where_the_registry_has_none(
    country: Country,
) -> None:
    path = country[LANZHOU].node.home / "registries.yaml"
    path.write_text(path.read_text("utf-8").replace('"620111"', '"620102"'), "utf-8")
    case_id = begun(country, MULTIPLE, materials=[CARD])
    assert last_task(country).data["missing_facts"] == ["card_components"]
    card_no = f"{MULTIPLE['id_number']}73"
    opinion = shown(card_no=card_no, card_components=[4])
    assert answer(country, CHECK, case_id, TOWNSHIP, **opinion) == ("", "")
    assert last_task(country).data["missing_facts"] == []
    ask_again(country)
    done(country, case_id, (REVIEW, DPF), (DECIDE, COUNTY))
    assert country[LANZHOU].story(case_id)["outcome"]["result"] == "granted"
    assert country[LANZHOU].told(subsidy.PromiseCheckedV1) == []


@pytest.mark.parametrize(
    ("down", "materials", "changes", "code", "field"),
    [
        (True, [], {}, "paper_not_brought", "shown.card_no"),
        (True, [CARD], {"card_no": "1"}, "card_malformed", "shown.card_no"),
        (True, [CARD], {"card_no": "99010419630520013241"}, "card_of_another_person", "shown.card_no"),
        (True, [CARD], {"card_components": [4]}, "card_components_wrong", "shown.card_components"),
        (True, [CARD], {"low_income": "dibao"}, "paper_not_brought", "shown.low_income"),
        (False, [CARD], {}, "fact_on_record", "shown"),
    ],
)
def test_a_paper_that_cannot_be_read_so_is_refused_naming_the_field(
    country: Country, down: bool, materials: list[Json], changes: Json, code: str, field: str
) -> None:
    switch(country, "disability-card", "down" if down else "up")
    case_id = begun(country, materials=materials)
    held = kept(country, case_id)
    assert answer(country, CHECK, case_id, TOWNSHIP, **shown(**changes)) == ("Refused", code)
    told = country[LANZHOU].told(subsidy.ActRefusedV1)[-1].data
    assert told["field"] == field
    assert NUMBER not in str(told)
    assert mask_number(NUMBER) not in str(told)
    assert kept(country, case_id) == held


def test_a_matter_that_another_service_decides_is_not_touched(country: Country) -> None:
    case_id = begun(country)
    (accepted,) = country[LANZHOU].told(intake.ApplicationAcceptedV1)
    foreign = accepted.data | {"decides": "relief"}
    country.say(LANZHOU, intake.ApplicationAcceptedV1, "another-case", foreign, accepted.personal)
    country.settle()
    assert [row.case_id for row in country[LANZHOU].rows("subsidy", store.applications)] == [case_id]
    assert country[LANZHOU].dead() == []


def test_every_matter_is_decided_by_a_service_there_is() -> None:
    assert {matter.decides for matter in every_matter()} <= set(intake.ApplicationAcceptedV1.consumers)
    assert OURS in {matter.decides for matter in every_matter()}


def test_every_fact_that_may_be_missing_has_plain_words() -> None:
    facts = set(Facts.__dataclass_fields__) | {"card_components", "allowance_rule", "standard"} | set(REGISTRIES)
    assert facts == subsidy.MISSING_FACTS.keys()
