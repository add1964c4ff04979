"""Records looked up: by departments for a purpose, by a person, and of which years and places the answer is one."""

import dataclasses
import datetime
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite

from contracts import marriage
from contracts.envelope import Json
from contracts.record_purposes import record_purposes
from services.marriage.rules.late import expect_of_age
from services.marriage.rules.lookups import Purpose, Question, expect_purpose
from services.marriage.store.archives import FIRST_OWN, Covered
from services.marriage.usecases import archive_conflicts
from shared import clock
from shared.audit import audit_rows
from shared.errors import Denied, Refused
from tests.builders import LANZHOU, SANYA, Country, HandClock, Heard, clerk
from tests.marriage.books import OLD, enter, line
from tests.marriage.couples import couple
from tests.marriage.partings import accept, day, sign
from tests.marriage.weddings import (
    HE,
    OFFICES,
    OTHER_HE,
    OTHER_SHE,
    SHE,
    add_spouse,
    apply,
    calm,
    examine,
    findings,
    locked,
    married,
    refusals,
    register,
    run_timer,
    switch,
    wed,
    withdraw,
)

MR = OFFICES[LANZHOU]


def ask(country: Country, person: Json = HE, city: str = LANZHOU, **changes: Any) -> str:
    """Somebody looks a person up; the request's id. All settled."""
    actor = changes.pop("actor", clerk("查询员", changes.pop("office", OFFICES[city])))
    data = {"actor": actor, "purpose": "marriage_registration"} | changes
    request = clock.new_id()
    whose = {"person": {"id_type": person["id_type"], "id_number": person["id_number"]}}
    country.say(city, marriage.LookUpRecordsV1, request, data, whose)
    country.settle()
    return request


def answer(country: Country, person: Json = HE, city: str = LANZHOU, **changes: Any) -> Heard:
    """What the desk was told."""
    (found,) = country[city].told(marriage.RecordsFoundV1, ask(country, person, city, **changes))
    return found


def kinds(found: Heard) -> list[tuple[str, str, str]]:
    return [(row["kind"], row["registered_on"], row["standing"]) for row in found.personal["records"]]


# --- what is found ---------------------------------------------------------------------------------------------------


def test_every_registration_of_a_person_is_found_old_and_new_and_nobody_else_s(
    country: Country, hand: HandClock
) -> None:
    ended = {"state": "divorce_by_court", "ended_on": "2021-03-04", "ended_by": "某法院(2021)民初1号"}
    enter(country, line(HE, OTHER_SHE, registered_on="2015-05-20", **ended))
    enter(country, line(HE, OTHER_SHE, kind="divorce", certificate_no="兰离字第1号", registered_on="2012-05-20"))
    wed(country, LANZHOU)
    found = answer(country)
    assert kinds(found) == [
        ("divorce", "2012-05-20", "divorced"),
        ("marriage", "2015-05-20", "dissolved"),
        ("marriage", "2025-10-09", "valid"),
    ]
    old = found.personal["records"][1]
    assert (old["certificate_no"], old["words"], old["ended_on"], old["back_entered"]) == (
        *(OLD, "由人民法院判决或调解离婚", "2021-03-04"),
        True,
    )
    assert OTHER_SHE["name"] not in str(found.personal)
    assert kinds(answer(country, OTHER_HE)) == []
    assert calm(country)


def test_a_divorce_registered_here_is_found_beside_the_marriage_it_ended(country: Country, hand: HandClock) -> None:
    wed(country, LANZHOU)
    day(country, hand, "2025-10-10")
    case_id = accept(country, certificate_no="J620102-2025-000001")
    day(country, hand, "2025-11-12")
    country.settle()

    run_timer(country, LANZHOU, "turn_days")
    sign(country, LANZHOU, case_id)
    assert kinds(answer(country, SHE)) == [
        ("marriage", "2025-10-09", "dissolved"),
        ("divorce", "2025-11-12", "divorced"),
    ]


def test_no_record_says_of_which_years_and_places_it_is_said(country: Country) -> None:
    enter(country, line(OTHER_HE, OTHER_SHE))
    wed(country, LANZHOU, OTHER_HE, SHE)  # refused, so that only the book is covered
    with country[LANZHOU].works["marriage"].begin() as work:
        archive_conflicts.declare_years(work, Covered(MR, 2017, 2018, True), "核对员")
    found = answer(country)
    assert found.personal["records"] == []
    spans = [(span["office"], span["from_year"], span["until_year"], span["complete"]) for span in found.data["covers"]]
    assert spans == [(MR, 2017, 2018, True), (MR, 2019, 2019, False)]


def test_what_this_system_registers_itself_is_covered_since_its_first_day(country: Country) -> None:
    wed(country, LANZHOU, OTHER_HE, OTHER_SHE)
    (span,) = answer(country).data["covers"]
    assert (span["from_on"], span["until_year"], span["complete"]) == ("2025-10-09", None, True)


def test_since_when_an_office_registers_is_read_from_an_index_and_not_from_all_marriages(country: Country) -> None:
    wed(country, LANZHOU, OTHER_HE, OTHER_SHE)
    text = str(FIRST_OWN.params(of_office=MR).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    with country[LANZHOU].works["marriage"].begin() as work:
        plan = work.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
    assert [row[-1] for row in plan] == ["SEARCH marriages USING INDEX marriages_own (office=?)"]


def test_the_national_registry_is_asked_only_where_that_is_wanted_and_may_be_silent(country: Country) -> None:
    assert answer(country, nationwide=False).personal["national"] is None
    national = answer(country, nationwide=True).personal["national"]
    assert (national["married"], national["as_of"][:10]) == (False, "2025-10-09")
    switch(country[LANZHOU], "down")
    assert answer(country, nationwide=True).personal["national"]["married"] is None


# --- who may ask -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"purpose": "curiosity"}, "purpose_unknown"),
        ({"purpose": "own"}, "purpose_not_yours"),
        ({"office": "620102-dpf"}, "purpose_not_yours"),
        ({"purpose": "other_department"}, "department_missing"),
        ({"certificate": True}, "no_record_certificate_abolished"),
        (
            {"purpose": "other_department", "department": "某法院", "certificate": True},
            "no_record_certificate_abolished",
        ),
    ],
)
def test_for_no_lawful_purpose_nothing_is_found_and_nobody_is_asked(country: Country, changes: Json, code: str) -> None:
    request = ask(country, nationwide=True, **changes)
    assert refusals(country[LANZHOU], request) == [code]
    assert country[LANZHOU].told(marriage.RecordsFoundV1) == []
    assert country[LANZHOU].rows("marriage", audit_rows) == []


def test_who_wants_a_certificate_of_no_record_is_told_what_to_do_instead(country: Country) -> None:
    request = ask(country, certificate=True)
    (refusal,) = country[LANZHOU].told(marriage.ActRefusedV1, request)
    assert "数据共享" in refusal.data["message"]
    assert "结婚证" in refusal.data["message"]


def test_no_record_is_certified_for_taiwan_and_notaries_only_of_complete_years_and_never_of_a_record(
    country: Country,
) -> None:
    lawful = {code for code, purpose in record_purposes().items() if purpose.certificate}
    assert lawful == {"taiwan_affairs", "notary_nine_countries"}
    enter(country, line(OTHER_HE, OTHER_SHE))
    assert answer(country, purpose="taiwan_affairs", certificate=True).personal["statement"] == ""
    with country[LANZHOU].works["marriage"].begin() as work:
        archive_conflicts.declare_years(work, Covered(MR, 2017, 2019, True), "核对员")
    said = answer(country, purpose="taiwan_affairs", certificate=True).personal["statement"]
    assert "2017年至2019年" in said
    assert "仅用于涉台事务" in said
    assert answer(country, OTHER_HE, purpose="taiwan_affairs", certificate=True).personal["statement"] == ""


def test_no_record_is_never_certified_of_whom_the_national_registry_has_one_or_has_not_answered(
    country: Country,
) -> None:
    with country[SANYA].works["marriage"].begin() as work:
        archive_conflicts.declare_years(work, Covered(OFFICES[SANYA], 2017, 2019, True), "核对员")
    asked: Json = {"purpose": "taiwan_affairs", "certificate": True, "nationwide": True}
    assert "未发现" in answer(country, city=SANYA, **asked).personal["statement"]
    add_spouse(country, HE["id_number"])
    request = ask(country, city=SANYA, **asked)
    (refusal,) = country[SANYA].told(marriage.ActRefusedV1, request)
    assert (refusal.data["code"], refusal.data["basis"][:6]) == ("national_record_found", "婚姻登记条例")
    switch(country[SANYA], "down")
    assert refusals(country[SANYA], ask(country, city=SANYA, **asked)) == ["national_registry_silent"]
    assert country[SANYA].told(marriage.RecordsFoundV1, request) == []


def test_every_look_is_on_record_with_who_for_whom_why_and_what(country: Country) -> None:
    request = ask(country, purpose="other_department", department="某法院", nationwide=True)
    rows = country[LANZHOU].rows("marriage", audit_rows)
    assert [(row.act, row.fields) for row in sorted(rows, key=lambda row: row.at)] == [
        ("ask_registries", "national-marriage"),
        ("look_up_records", "marriages,divorces"),
    ]
    for row in rows:
        assert (row.actor, row.office, row.purpose, row.subject) == (
            *("查询员", MR, "other_department(某法院)"),
            request,
        )


def test_every_purpose_names_its_clause_and_who_may_ask() -> None:
    for code, purpose in record_purposes().items():
        assert purpose.basis, code
        assert purpose.asked_by, code
        assert bool(purpose.organisations) == ("clerk" in purpose.asked_by), code


def test_a_citizen_asks_for_no_purpose_of_clerks() -> None:
    known = record_purposes()
    asked = Question("citizen", "", "", certificate=False)
    names = ("name", "basis", "asked_by", "organisations", "department", "certificate")
    every = {code: Purpose(**{name: getattr(it, name) for name in names}) for code, it in known.items()}
    assert expect_purpose(every["own"], asked, known)
    for code in known.keys() - {"own"}:
        with pytest.raises(Denied, match="purpose_not_yours"):
            expect_purpose(every[code], asked, known)
    with pytest.raises(Refused, match="purpose_unknown"):
        expect_purpose(None, asked, known)


# --- 补办 ------------------------------------------------------------------------------------------------------------


def test_a_late_registration_has_the_day_of_today_and_keeps_since_when_the_conditions_were_met(
    country: Country,
) -> None:
    late = {"matter": "marriage-late-registration", "answers": {"conditions_met_on": "2021-05-20"}}
    case_id = apply(country, LANZHOU, **late)
    country.settle()
    examine(country, LANZHOU, case_id)
    register(country, LANZHOU, case_id)
    (row,) = married(country, LANZHOU)
    assert (row.registered_on.isoformat(), row.archive["origin"]) == ("2025-10-09", "late")
    assert row.archive["conditions_met_on"] == "2021-05-20"
    (found,) = answer(country).personal["records"]
    assert (found["late"], found["registered_on"], found["effective_from"]) == (True, "2025-10-09", "2021-05-20")
    assert calm(country)


@pytest.mark.parametrize(
    ("day", "code"),
    [
        ("2026-01-01", "conditions_met_later"),
        ("前年", "date_malformed"),
        ("2001-01-01", "conditions_met_under_age"),  # he was four
        ("2018-09-22", "conditions_met_under_age"),  # she was twenty on the day after
    ],
)
def test_a_late_registration_without_a_day_that_may_be_is_shown_to_a_person_and_reserves_nobody(
    country: Country, day: str, code: str
) -> None:
    late = {"matter": "marriage-late-registration", "answers": {"conditions_met_on": day}}
    case_id = apply(country, LANZHOU, **late)
    country.settle()
    assert (findings(country[LANZHOU], case_id), locked(country)) == ({code: None}, [])


def test_a_late_registration_has_no_effect_before_an_earlier_marriage_of_either_had_ended(country: Country) -> None:
    ended = {"state": "divorce_by_court", "ended_on": "2021-03-04", "ended_by": "某法院(2021)民初1号"}
    enter(country, line(HE, OTHER_SHE, registered_on="2019-05-20", **ended))
    late: Json = {"matter": "marriage-late-registration", "answers": {"conditions_met_on": "2021-03-03"}}
    case_id = apply(country, LANZHOU, **late)
    country.settle()
    assert (findings(country[LANZHOU], case_id), locked(country)) == ({"conditions_met_while_married": None}, [])
    withdraw(country, LANZHOU, case_id)
    country.settle()
    again = apply(country, LANZHOU, **late | {"answers": {"conditions_met_on": "2021-03-04"}})
    country.settle()
    examine(country, LANZHOU, again)
    register(country, LANZHOU, again)
    assert [row.archive.get("conditions_met_on") for row in married(country)] == ["", "2021-03-04"]


def test_an_ending_that_is_found_before_the_signature_forbids_an_effect_before_it(country: Country) -> None:
    late = {"matter": "marriage-late-registration", "answers": {"conditions_met_on": "2021-03-03"}}
    case_id = apply(country, LANZHOU, **late)
    country.settle()
    examine(country, LANZHOU, case_id)
    enter(country, line(HE, OTHER_SHE, kind="divorce", certificate_no="兰离字第1号", registered_on="2022-05-20"))
    register(country, LANZHOU, case_id)
    assert (refusals(country[LANZHOU], case_id), married(country)) == (["conditions_met_while_married"], [])


@pytest.mark.parametrize(
    ("born_on", "first_day"),
    [
        ("1950-05-20", "1970-05-20"),  # twenty, by the law of 1950
        ("1960-06-01", "1980-06-01"),  # the same, half a year before the next one
        ("1961-06-01", "1983-06-01"),  # twenty-two, by that of 1980
        ("1960-02-29", "1980-02-29"),
        ("1996-02-29", "2018-03-01"),  # in a common year
    ],
)
def test_the_age_for_the_effect_is_that_of_the_law_of_its_day(born_on: str, first_day: str) -> None:
    he = dataclasses.replace(couple().one, sex="male", born_on=datetime.date.fromisoformat(born_on))
    day = datetime.date.fromisoformat(first_day)
    expect_of_age([he], day)
    with pytest.raises(Refused, match="conditions_met_under_age"):
        expect_of_age([he], day - datetime.timedelta(days=1))
