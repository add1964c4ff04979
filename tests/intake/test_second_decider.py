"""结婚登记 at intake: decided by the office that takes it in, of two persons, through the same doors as a subsidy."""

import itertools
from typing import Any

import pytest

from contracts import certificate, intake, marriage
from contracts.deciding import Word
from contracts.envelope import Json
from services.subsidy import store as subsidy_store
from shared import clock
from tests.builders import HE_SHOUTIAN, LANZHOU, SANYA, Country
from tests.intake.cases import calm, material, newest_shown, refusal, states, verbs, withdraw
from tests.replay import hold_back

OFFICE = "620102-mr"
HERE: Json = {"code": OFFICE, "name": "城关区民政局婚姻登记处", "node": LANZHOU, "phone": "0000-12345"}
SPOUSE = HE_SHOUTIAN | {"role": "spouse", "name": "顾青禾", "id_number": "99010419880704022X", "phone": ""}
PAPERS = [material("declaration"), material("photo")]


def marry(country: Country, *parties: Json, **changes: Any) -> str:
    """The registry office of 城关区 takes in an application of these two; settled."""
    changes = {"matter": "marriage-registration", "office": OFFICE, "answers": {}, "materials": PAPERS} | changes
    case_id = country.take_in(LANZHOU, *(parties or (HE_SHOUTIAN, SPOUSE)), **changes)
    country.settle()
    return case_id


def word(country: Country, contract: type[Word], case_id: str, version: int, private: Json | None, **more: Any) -> None:
    """What marriage would say of its leg; settled."""
    data = {"leg_no": 2, "version": version, "at": clock.iso(clock.now())} | more
    country.say(LANZHOU, contract, case_id, data, private)
    country.settle()


def examined(country: Country, case_id: str, version: int = 2) -> None:
    task = {"verb": "register", "tier": "county", "offices": [OFFICE]}
    more = {"approve": True, "office": HERE, "next_task": task}
    word(country, marriage.ApplicationExaminedV1, case_id, version, None, **more)


def decided(country: Country, case_id: str, result: str = "granted", version: int = 3) -> None:
    more = {"result": result, "office": HERE, "remedies": ["可以申请行政复议"], "rules_version": "民法典"}
    why = {"code": "kinship", "text": "属于三代以内旁系血亲", "basis": "民法典 第一千零四十八条"}
    private = {"findings": [], "statement": "", "reasons": [] if result == "granted" else [why]}
    word(country, marriage.ApplicationDecidedV1, case_id, version, private, **more)


def issued(country: Country, case_id: str) -> None:
    holder = {"name": "何守田", "id_type": "citizen", "id_number": HE_SHOUTIAN["id_number"]}
    named = {"certificate_type": "marriage-certificate", "name": "结婚证", "type_code": "11100000XYN00009X5013"}
    data = named | {"case_no": "1", "issuer": HERE, "issuer_code": "11620102XYN0012366"}
    data |= {"issued_on": "2025-09-24", "result": "granted"}
    country.say(LANZHOU, certificate.IssueCertificateV1, case_id, data, {"holders": [holder], "face": {}})
    country.settle()


def test_the_office_that_takes_a_couple_in_decides_in_two_legs_of_one_city(country: Country) -> None:
    case_id = marry(country)
    (accepted,) = country[LANZHOU].told(intake.ApplicationAcceptedV1)
    assert (accepted.data["decides"], accepted.data["division"]) == ("marriage", "620102")
    assert accepted.data["steps"][-1]["office"]["code"] == OFFICE
    assert [party["role"] for party in accepted.personal["parties"]] == ["applicant", "spouse"]
    assert country[LANZHOU].rows("subsidy", subsidy_store.applications) == []  # not its matter
    examined(country, case_id)
    decided(country, case_id)
    assert states(country, LANZHOU, case_id) == [(1, "in_progress"), (2, "decided")]
    issued(country, case_id)
    assert states(country, LANZHOU, case_id) == [(1, "told"), (2, "closed")]
    done = ["take_in", "forward", "take_over", "examine", "register", "close", "tell"]
    assert sorted(verbs(country, LANZHOU, case_id)) == sorted(done)
    assert country[LANZHOU].story(case_id)["outcome"]["certificate_name"] == "结婚证"
    (decide,) = country[LANZHOU].leg(case_id, "competent").clocks
    assert (decide.name, bool(decide.ended_on)) == ("decide", True)
    assert not country.mail
    assert calm(country)


def test_a_refused_registration_closes_without_a_certificate(country: Country) -> None:
    case_id = marry(country)
    decided(country, case_id, "refused", version=2)  # at the first step already
    story = country[LANZHOU].story(case_id)
    assert states(country, LANZHOU, case_id) == [(1, "told"), (2, "closed")]
    assert (story["outcome"]["result"], story["outcome"]["certificate_id"]) == ("refused", "")
    assert story["reasons"][0]["code"] == "kinship"
    assert "register" not in verbs(country, LANZHOU, case_id)
    (closed,) = country[LANZHOU].told(intake.ApplicationClosedV1)
    assert closed.personal["reasons"] == story["reasons"]
    assert calm(country)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_words_of_a_registration_lead_to_the_same_case_in_any_order(country: Country, order: tuple[int, ...]) -> None:
    case_id = marry(country)
    say = (
        lambda: examined(country, case_id),
        lambda: decided(country, case_id),
        lambda: issued(country, case_id),
    )
    for number in order:
        say[number]()
    assert states(country, LANZHOU, case_id) == [(1, "told"), (2, "closed")]
    assert calm(country)


def test_a_couple_that_withdraws_is_withdrawn_when_the_deciding_service_says_so(country: Country) -> None:
    case_id = marry(country)
    decider = hold_back(country[LANZHOU], "marriage", intake.ApplicationWithdrawnV1)
    withdraw_at_office(country, case_id)
    assert states(country, LANZHOU, case_id) == [(1, "withdrawing"), (2, "accepted")]
    decider.let_in()
    country.settle()
    assert states(country, LANZHOU, case_id) == [(1, "withdrawn"), (2, "withdrawn")]
    assert calm(country)


def dropped(country: Country, case_id: str, version: int = 2) -> None:
    word(country, marriage.ApplicationDroppedV1, case_id, version, None, note="一方已经死亡")


def in_vain(country: Country, case_id: str, version: int = 1) -> None:
    word(country, marriage.WithdrawalRefusedV1, case_id, version, None, office=HERE, note="期限已过")


def test_an_application_that_nobody_withdrew_does_not_end_as_if_somebody_had_wished_it(country: Country) -> None:
    case_id = marry(country)
    dropped(country, case_id)
    assert states(country, LANZHOU, case_id) == [(1, "withdrawn"), (2, "withdrawn")]
    (notice,) = country[LANZHOU].notices()
    assert "已终止办理,未作决定" in notice["text"]
    assert "一方已经死亡" in [step["note"] for step in country[LANZHOU].story(case_id)["steps"]]


def test_a_withdrawal_in_vain_leaves_the_case_as_it_was_and_the_applicant_is_told(country: Country) -> None:
    case_id = marry(country)
    hold_back(country[LANZHOU], "marriage", intake.ApplicationWithdrawnV1)
    withdraw_at_office(country, case_id)
    in_vain(country, case_id)
    assert states(country, LANZHOU, case_id) == [(1, "in_progress"), (2, "accepted")]
    assert newest_shown(country, LANZHOU, case_id) == (country[LANZHOU].leg(case_id).version, "in_progress")
    (notice,) = country[LANZHOU].notices()
    assert "未能撤回,继续办理" in notice["text"]
    examined(country, case_id)
    dropped(country, case_id, version=3)
    assert "已终止办理" in country[LANZHOU].notices()[-1]["text"]
    assert calm(country)


def test_a_refusal_of_a_withdrawal_waits_for_the_word_that_it_follows(country: Country) -> None:
    case_id = marry(country)
    hold_back(country[LANZHOU], "marriage", intake.ApplicationWithdrawnV1)
    withdraw_at_office(country, case_id)
    in_vain(country, case_id, version=2)
    assert states(country, LANZHOU, case_id)[0] == (1, "withdrawing")
    examined(country, case_id)
    assert states(country, LANZHOU, case_id) == [(1, "in_progress"), (2, "accepted")]
    assert calm(country)


def test_a_refusal_of_a_withdrawal_that_comes_after_the_decision_changes_nothing(country: Country) -> None:
    case_id = marry(country)
    hold_back(country[LANZHOU], "marriage", intake.ApplicationWithdrawnV1)
    withdraw_at_office(country, case_id)
    decided(country, case_id, "refused", version=2)
    in_vain(country, case_id, version=1)
    assert states(country, LANZHOU, case_id) == [(1, "told"), (2, "closed")]
    assert len(country[LANZHOU].notices()) == 1
    assert calm(country)


def withdraw_at_office(country: Country, case_id: str) -> None:
    withdraw(country, LANZHOU, case_id, actor="registrar")
    country.settle()


@pytest.mark.parametrize("office", ["620102", "620102002", "620100"])
def test_an_office_that_may_not_register_cannot_take_a_couple_in(country: Country, office: str) -> None:
    marry(country, office=office)
    assert refusal(country, LANZHOU)["code"] == "office_without_power"


@pytest.mark.parametrize("tier", ["city", "township", "county"])
def test_an_office_of_any_tier_that_holds_the_power_decides_itself(country: Country, tier: str) -> None:
    office = {"city": "620100", "township": "620102001", "county": "620103-mr"}[tier]
    path = country[LANZHOU].node.home / "offices.csv"
    more = "take_in:* examine:marriage-registration register:marriage-registration"
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join(_with_power(line, office, more) for line in lines), "utf-8")
    case_id = marry(country, office=office)
    take_over = next(step for step in country[LANZHOU].story(case_id)["steps"] if step["verb"] == "take_over")
    assert take_over["office"]["code"] == office
    assert states(country, LANZHOU, case_id) == [(1, "in_progress"), (2, "accepted")]


def _with_power(line: str, office: str, powers: str) -> str:
    cells = line.split(",")
    return ",".join([*cells[:7], powers, *cells[8:]]) if cells[0] == office else line


def test_no_city_decides_what_another_city_s_office_must_decide_itself(country: Country) -> None:
    case_id = clock.new_id()
    facts = country._facts(country[SANYA].node, "460204-mr", "marriage-registration")
    leg = {"leg_no": 1, "role": "accepting", "node": SANYA, "state": "forwarded", "version": 2, "clocks": []}
    told = {"case": facts, "leg_no": 2, "division": "620102", "redirects": 0, "steps": [], "leg": leg}
    country.say(LANZHOU, intake.ApplicationForwardedV1, case_id, told, {"parties": [HE_SHOUTIAN, SPOUSE]})
    country.work()
    (declined,) = country[LANZHOU].told(intake.ApplicationDeclinedV1)
    assert declined.data["reasons"][0]["code"] == "no_competent_office"


def test_a_couple_must_come_in_person(country: Country) -> None:
    marry(country, channel="online")
    said = refusal(country, LANZHOU)
    assert (said["code"], said["field"]) == ("channel_not_allowed", "channel")
    assert "到场办理" in said["message"]


@pytest.mark.parametrize(
    ("parties", "code"),
    [
        ((HE_SHOUTIAN,), "party_missing"),
        ((SPOUSE,), "party_missing"),
        ((HE_SHOUTIAN, SPOUSE, SPOUSE | {"id_number": "990102196908010597"}), "party_twice"),
        ((HE_SHOUTIAN, HE_SHOUTIAN | {"role": "spouse"}), "same_person"),
        ((HE_SHOUTIAN, HE_SHOUTIAN | {"role": "spouse", "id_number": " 990102 19750312 0178"}), "same_person"),
    ],
)
def test_a_couple_is_two_persons_with_two_documents(country: Country, parties: tuple[Json, ...], code: str) -> None:
    marry(country, *parties)
    said = refusal(country, LANZHOU)
    assert (said["code"], said["field"]) == (code, "parties")


def test_a_couple_without_its_declaration_is_told_so_once(country: Country) -> None:
    case_id = marry(country, materials=[])
    assert states(country, LANZHOU, case_id) == [(1, "supplement_required")]
    (told,) = country[LANZHOU].told(intake.ApplicationTakenInV1)
    assert told.data["missing"] == ["declaration", "photo"]
