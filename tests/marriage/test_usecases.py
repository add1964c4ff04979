"""结婚登记 from the counter to the certificate, across cities."""

import random
from typing import Any

import pytest

from contracts import certificate, marriage
from contracts.envelope import Json
from services.certificate import store as certificate_store
from services.marriage.store import tables
from shared import clock
from shared.audit import audit_rows
from tests.builders import SANYA, WEIHAI, Country
from tests.marriage.weddings import (
    ANCIENT,
    HE,
    HEARD,
    OFFICES,
    OTHER_SHE,
    SHE,
    act,
    apply,
    calm,
    examine,
    findings,
    kept,
    last_task,
    later,
    locked,
    married,
    numbered,
    person,
    refusals,
    register,
    report_again,
    run_timer,
    settle_anyhow,
    switch,
    wed,
    withdraw,
)

# --- the way ---------------------------------------------------------------------------------------------------------


def test_a_couple_whose_claims_two_other_cities_guard_is_married_here(country: Country) -> None:
    case_id = wed(country)
    (row,) = married(country)
    assert (row.certificate_no, row.office, row.state) == ("J460204-2025-000001", "460204-mr", "valid")
    (decided,) = country[SANYA].told(marriage.ApplicationDecidedV1, case_id)
    assert decided.data["result"] == "granted"
    assert decided.personal["certificate_no"] == row.certificate_no
    assert len(country[SANYA].told(certificate.CertificateIssuedV1, case_id)) == 1
    assert country[SANYA].leg(case_id, "competent").state == "closed"
    assert locked(country) == [("locked", True, SANYA)] * 2
    assert calm(country)


def test_the_certificate_names_both_and_its_number(country: Country) -> None:
    wed(country)
    (issued,) = country[SANYA].rows("certificate", certificate_store.certificates)
    assert [holder["name"] for holder in issued.holders] == [HE["name"], SHE["name"]]
    assert issued.face["certificate_no"] == "J460204-2025-000001"
    assert issued.face["registered_on"] == "2025-10-09"


def test_a_marriage_is_reported_to_the_national_registry_once(country: Country) -> None:
    case_id = wed(country)
    report_again(country)
    (report,) = country[SANYA].rows("marriage", tables.reports)
    assert (report.marriage_id, report.version, report.state, report.attempts) == (case_id, 1, "sent", 1)


def test_a_case_is_told_no_more_than_needed(country: Country) -> None:
    case_id = wed(country)
    heard = [it.type for it in country[SANYA].heard if it.case_id == case_id and it.type.startswith("marriage.")]
    assert heard == [
        "marriage.task_opened.v1",  # examine, once both are reserved
        "marriage.application_examined.v1",
        "marriage.task_opened.v1",  # the answer to the signature
        "marriage.application_decided.v1",
    ]


def test_every_look_into_the_national_registry_is_on_record_for_both(country: Country) -> None:
    case_id = wed(country)
    rows = country[SANYA].rows("marriage", audit_rows)
    assert [(row.actor, row.purpose, row.subject) for row in rows] == [
        ("registrar", "marriage_registration", case_id)
    ] * 2
    assert len({row.person_index for row in rows}) == 2


def test_the_task_opens_without_an_answer_of_claims_after_a_while(country: Country, hand: Any) -> None:
    case_id = apply(country)
    country.work()  # letters stay where they are
    assert country[SANYA].told(marriage.TaskOpenedV1, case_id) == []
    later(hand, 31)
    with_mail, country.mail = country.mail, []
    run_timer(country, SANYA, "wake_applications")
    assert last_task(country[SANYA], case_id)["missing_facts"] == ["claims_asked"]
    country.mail = with_mail
    country.settle()
    assert last_task(country[SANYA], case_id)["missing_facts"] == []


# --- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"office": "460203-mr"}, "office_not_accepting"),
        ({"office": "nowhere"}, "office_unknown"),
        ({"expected_version": 7}, "version_changed"),
        ({"heard": [HEARD[0], HEARD[1] | {"present": False}]}, "not_in_person"),
        ({"heard": [HEARD[0], HEARD[0]]}, "person_not_heard"),
        ({"heard": [HEARD[0], HEARD[1] | {"declared": False}]}, "will_not_recorded"),
        ({"heard": [HEARD[0], HEARD[1] | {"willing": False}]}, "unwilling"),
        ({"heard": [HEARD[0], HEARD[1] | {"apart": False}]}, "will_not_asked_apart"),
        ({"kinship": "collateral"}, "kinship"),
        ({"approve": False}, "ground_not_lawful"),
        (
            {"approve": False, "kinship": "lineal", "reasons": [{"code": "other", "text": "理由", "basis": "依据"}]},
            "ground_not_lawful",
        ),
    ],
)
def test_an_examination_that_cannot_stand_is_refused_by_name(country: Country, changes: Json, code: str) -> None:
    case_id = apply(country)
    country.settle()
    examine(country, SANYA, case_id, **changes)
    assert refusals(country[SANYA], case_id) == [code]
    assert kept(country, SANYA, case_id).registration.state == "accepted"


def test_an_office_that_lost_its_power_can_do_nothing_more(country: Country) -> None:
    case_id = apply(country)
    country.settle()
    path = country[SANYA].node.home / "offices.csv"
    path.write_text(path.read_text("utf-8").replace("examine:marriage-registration", ""), "utf-8")
    examine(country, SANYA, case_id)
    assert refusals(country[SANYA], case_id) == ["office_without_power"]


def test_of_two_registrars_who_sign_at_once_one_does(country: Country) -> None:
    case_id = apply(country)
    country.settle()
    examine(country, SANYA, case_id)
    for actor in ("one", "another"):
        act(country, SANYA, marriage.RegisterMarriageV1, case_id, actor=actor)
    country.settle()
    assert refusals(country[SANYA], case_id) == ["signed_already"]
    assert len(married(country)) == 1


def test_nobody_signs_what_was_not_examined(country: Country) -> None:
    case_id = apply(country)
    country.settle()
    register(country, SANYA, case_id)
    assert refusals(country[SANYA], case_id) == ["not_this_step"]


# --- 不予登记 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heard", "code"),
    [
        ({"kinship": "lineal"}, "kinship"),
        ({"heard": [HEARD[0], HEARD[1] | {"willing": False}]}, "unwilling"),
    ],
)
def test_a_refusal_on_a_ground_that_was_heard_frees_both(country: Country, heard: Json, code: str) -> None:
    case_id = apply(country)
    country.settle()
    examine(country, SANYA, case_id, approve=False, **heard)
    (decided,) = country[SANYA].told(marriage.ApplicationDecidedV1, case_id)
    assert (decided.data["result"], len(decided.data["remedies"])) == ("refused", 2)
    assert [reason["code"] for reason in decided.personal["reasons"]] == [code]
    assert country[SANYA].leg(case_id, "competent").state == "closed"
    assert locked(country) == []
    assert married(country) == []
    assert calm(country)


def test_a_will_that_is_lost_at_the_signing_is_heard_again_and_refuses(country: Country) -> None:
    case_id = apply(country)
    country.settle()
    examine(country, SANYA, case_id)
    lost = [HEARD[0], HEARD[1] | {"willing": False}]
    reason = {"code": "unwilling", "text": "女方当场表示不愿意", "basis": "民法典 第一千零四十六条"}
    register(country, SANYA, case_id, approve=False, reasons=[reason])
    register(country, SANYA, case_id, approve=False, heard=[HEARD[0], HEARD[0]])
    register(country, SANYA, case_id, heard=lost)
    assert refusals(country[SANYA], case_id) == ["ground_not_lawful", "person_not_heard", "unwilling"]
    register(country, SANYA, case_id, approve=False, heard=lost, reasons=[reason])
    (decided,) = country[SANYA].told(marriage.ApplicationDecidedV1, case_id)
    assert (decided.data["result"], decided.personal["reasons"]) == ("refused", [reason])
    said = [[row["willing"] for row in act["heard"]] for act in kept(country, SANYA, case_id).acts]
    assert said == [[True, True], [True, False]]
    assert (locked(country), married(country), calm(country)) == ([], [], True)


def test_who_has_signed_and_waits_for_the_registry_may_still_say_no(country: Country) -> None:
    switch(country[SANYA], "down")
    case_id = apply(country)
    country.settle()
    examine(country, SANYA, case_id)
    register(country, SANYA, case_id)
    register(country, SANYA, case_id, approve=False, heard=[HEARD[0] | {"willing": False}, HEARD[1]])
    (decided,) = country[SANYA].told(marriage.ApplicationDecidedV1, case_id)
    assert [reason["code"] for reason in decided.personal["reasons"]] == ["unwilling"]
    switch(country[SANYA], "up")
    run_timer(country, SANYA, "ask_registry_again")
    assert (locked(country), married(country), calm(country)) == ([], [], True)


def test_who_is_under_age_is_refused_and_may_not_be_signed_for(country: Country) -> None:
    young = person("郑小雨", numbered("990105", "20060523", 2))
    case_id = apply(country, SANYA, HE, young)
    country.settle()
    assert findings(country[SANYA], case_id)["under_age"] is False
    examine(country, SANYA, case_id)
    examine(country, SANYA, case_id, approve=False)
    assert refusals(country[SANYA], case_id) == ["under_age"]
    (decided,) = country[SANYA].told(marriage.ApplicationDecidedV1, case_id)
    assert [reason["code"] for reason in decided.personal["reasons"]] == ["under_age"]


def test_two_women_are_told_why_they_cannot_register_and_nobody_is_reserved(country: Country) -> None:
    case_id = apply(country, SANYA, OTHER_SHE, SHE)
    country.settle()
    assert findings(country[SANYA], case_id) == {"same_sex": None}
    assert locked(country) == []
    examine(country, SANYA, case_id)
    act(country, SANYA, marriage.ReserveAgainV1, case_id)
    country.settle()
    assert refusals(country[SANYA], case_id) == ["same_sex"] * 2
    withdraw(country, SANYA, case_id)
    country.settle()
    assert country[SANYA].leg(case_id, "competent").state == "withdrawn"


# --- one person, one marriage ----------------------------------------------------------------------------------------


def test_who_is_married_here_is_found_so_and_may_be_refused(country: Country) -> None:
    wed(country)
    case_id = apply(country, SANYA, HE, OTHER_SHE)
    country.settle()
    assert findings(country[SANYA], case_id)["has_spouse"] is False
    examine(country, SANYA, case_id, approve=False)
    (decided,) = country[SANYA].told(marriage.ApplicationDecidedV1, case_id)
    assert decided.data["result"] == "refused"
    assert len(married(country)) == 1


def test_who_is_married_elsewhere_is_found_so_by_the_claims_and_is_never_married_twice(country: Country) -> None:
    wed(country, WEIHAI)
    case_id = wed(country, SANYA, HE, OTHER_SHE)
    assert findings(country[SANYA], case_id)["has_spouse"] is False
    assert last_task(country[SANYA], case_id)["missing_facts"] == ["locked_elsewhere"]
    assert refusals(country[SANYA], case_id)[0] == "has_spouse"
    examine(country, SANYA, case_id, approve=False)
    assert country[SANYA].told(marriage.ApplicationDecidedV1, case_id)[0].data["result"] == "refused"
    assert len(married(country)) == 1


def test_who_married_in_1999_where_nobody_has_joined_is_found_by_the_national_registry(country: Country) -> None:
    case_id = wed(country, SANYA, ANCIENT, SHE)
    assert findings(country[SANYA], case_id)["has_spouse"] is False
    assert kept(country, SANYA, case_id).registration.state == "examined"
    register(country, SANYA, case_id)  # the registrar insists; the registry too
    assert married(country) == []
    register(country, SANYA, case_id, approve=False)
    assert country[SANYA].told(marriage.ApplicationDecidedV1, case_id)[0].data["result"] == "refused"
    assert locked(country) == []


def test_a_person_reserved_elsewhere_is_a_wait_that_names_the_office_and_nobody(country: Country) -> None:
    apply(country, WEIHAI)
    country.settle()
    case_id = apply(country, SANYA, HE, OTHER_SHE)
    country.settle()
    task = last_task(country[SANYA], case_id)
    assert task["missing_facts"] == ["held_elsewhere"]
    assert task["ask_office"]["code"] == OFFICES[WEIHAI]
    told = str([it for it in country[SANYA].heard if it.case_id == case_id])
    assert SHE["name"] not in told
    assert SHE["id_number"] not in told
    assert findings(country[SANYA], case_id)["held_elsewhere"] is None
    examine(country, SANYA, case_id, approve=False)
    assert refusals(country[SANYA], case_id) == ["ground_not_lawful"]


def test_who_was_reserved_elsewhere_is_reserved_here_by_the_timer_once_free(country: Country, hand: Any) -> None:
    first = apply(country, WEIHAI)
    country.settle()
    case_id = apply(country, SANYA, HE, OTHER_SHE)
    country.settle()
    run_timer(country, SANYA, "wake_applications")
    assert kept(country, SANYA, case_id).registration.hold == "none"  # not yet
    withdraw(country, WEIHAI, first)
    country.settle()
    later(hand, 61)
    run_timer(country, SANYA, "wake_applications")
    assert kept(country, SANYA, case_id).registration.hold == "held"
    assert last_task(country[SANYA], case_id)["missing_facts"] == []
    assert "held_elsewhere" not in findings(country[SANYA], case_id)


def test_the_longer_somebody_is_reserved_elsewhere_the_later_it_is_tried_again(country: Country, hand: Any) -> None:
    apply(country, WEIHAI)
    country.settle()
    case_id = apply(country, SANYA, HE, OTHER_SHE)
    country.settle()
    assert 29 <= pause(country, case_id) <= 60
    later(hand, 20 * 60)
    run_timer(country, SANYA, "wake_applications")
    assert 119 <= pause(country, case_id) <= 240


def pause(country: Country, case_id: str) -> float:
    """In seconds, until the timer reserves again."""
    return (clock.instant(kept(country, SANYA, case_id).wake_at) - clock.now()).total_seconds()


def test_after_the_lease_time_only_a_registrar_reserves_again(country: Country, hand: Any) -> None:
    first = apply(country, WEIHAI)
    country.settle()
    case_id = apply(country, SANYA, HE, OTHER_SHE)
    country.settle()
    for _ in range(3):
        later(hand, 59 * 60)
        run_timer(country, SANYA, "wake_applications")
        run_timer(country, WEIHAI, "renew_leases")
    assert kept(country, SANYA, case_id).wake_at == ""
    assert kept(country, SANYA, case_id).registration.hold == "none"
    withdraw(country, WEIHAI, first)
    country.settle()
    act(country, SANYA, marriage.ReserveAgainV1, case_id)
    country.settle()
    assert kept(country, SANYA, case_id).registration.hold == "held"


def test_a_registrar_cannot_reserve_again_what_is_reserved(country: Country) -> None:
    case_id = apply(country)
    country.settle()
    act(country, SANYA, marriage.ReserveAgainV1, case_id)
    country.settle()
    assert refusals(country[SANYA], case_id) == ["hold_lives"]


@pytest.mark.parametrize("seed", range(4))
def test_of_crossing_couples_in_two_cities_exactly_one_marries(country: Country, hand: Any, seed: int) -> None:
    """温远山 wants to marry 宋晚晴 in 三亚 and 沈疏桐 in 威海."""
    chance = random.Random(seed)
    cases = {SANYA: apply(country, SANYA, HE, SHE), WEIHAI: apply(country, WEIHAI, HE, OTHER_SHE)}
    settle_anyhow(country, chance)
    for _ in range(6):
        later(hand, 61)
        for city in chance.sample(list(cases), 2):
            run_timer(country, city, "wake_applications")
    for city, case_id in cases.items():
        act(country, city, marriage.ExamineApplicationV1, case_id)
    settle_anyhow(country, chance)
    for city, case_id in cases.items():
        act(country, city, marriage.RegisterMarriageV1, case_id)
    settle_anyhow(country, chance)
    assert len(married(country)) == 1
    assert calm(country)


def test_whose_numbers_nobody_guards_is_registered_by_nobody_and_the_registrar_learns_why(country: Country) -> None:
    """咸安 guards such numbers, and has not joined this country."""
    case_id = wed(country, SANYA, person("钱望舒", numbered("990103", "19960412", 1)), SHE)
    assert last_task(country[SANYA], case_id)["missing_facts"] == ["authority_away"]
    assert findings(country[SANYA], case_id)["authority_missing"] is None
    assert refusals(country[SANYA], case_id) == ["persons_not_reserved"]
    assert locked(country) == []
