"""Matters as data: the version in force on a day, and every fault named with its file and key."""

import datetime
from pathlib import Path

import pytest
import yaml

from contracts.envelope import Json
from contracts.matters import (
    FOLDER,
    FaultyMatter,
    Matter,
    asked_materials,
    every_matter,
    find_answer_fault,
    find_channel_fault,
    find_matter,
    find_party_fault,
    find_value_fault,
    matter_version,
    read_matter,
)
from tests.builders import ANSWERS

SUBSIDIES = FOLDER / "disability-subsidies.yaml"
FIRST_DAY = datetime.date(2022, 5, 10)


def plain() -> Json:
    loaded: Json = yaml.safe_load(SUBSIDIES.read_text("utf-8"))
    return loaded


def write(folder: Path, name: str, **changed: object) -> None:
    (folder / name).write_text(yaml.safe_dump(plain() | changed, allow_unicode=True), "utf-8")


def faulty(**changed: object) -> str:
    with pytest.raises(FaultyMatter) as refused:
        read_matter(yaml.safe_dump(plain() | changed, allow_unicode=True), "some-matter.yaml")
    assert str(refused.value).startswith("some-matter.yaml: ")
    return str(refused.value)


def test_every_matter_of_this_release_can_be_read() -> None:
    names = {"disability-subsidies", "orphan-recognition", "marriage-registration"}
    assert {matter.matter for matter in every_matter()} >= names
    assert len({(m.matter, m.version) for m in every_matter()}) == len(every_matter())


def test_a_matter_is_found_from_its_first_day_on() -> None:
    assert find_matter("disability-subsidies", FIRST_DAY - datetime.timedelta(days=1)) is None
    matter = find_matter("disability-subsidies", FIRST_DAY)
    assert matter is not None
    assert matter.version == 1
    assert find_matter("disability-subsidies", datetime.date(2099, 1, 1)) == matter


def test_an_unknown_matter_is_not_found() -> None:
    assert find_matter("no-such-matter", FIRST_DAY) is None


def test_a_case_keeps_the_version_it_began_with() -> None:
    assert matter_version("disability-subsidies", 1) == find_matter("disability-subsidies", FIRST_DAY)
    with pytest.raises(KeyError):
        matter_version("disability-subsidies", 99)


def test_a_later_version_takes_over_on_its_day(tmp_path: Path) -> None:
    write(tmp_path, "a-2.yaml", version=2, valid_from=datetime.date(2026, 1, 1))
    write(tmp_path, "a-1.yaml", valid_until=datetime.date(2026, 1, 1))
    first, second = every_matter(tmp_path)
    assert (first.version, second.version) == (1, 2)
    assert first.valid_until == second.valid_from


def test_no_two_versions_of_a_matter_are_in_force_on_one_day() -> None:
    for one in every_matter():
        for other in every_matter():
            if one.matter == other.matter and one.version < other.version:
                assert one.valid_until <= other.valid_from


def test_what_a_matter_says_cannot_be_changed_by_its_readers() -> None:
    matter = every_matter()[0]
    for name in ("materials", "steps", "clocks", "remedies", "legal_basis"):
        assert isinstance(getattr(matter, name), tuple)
    assert matter.step(matter.steps[0]["verb"]) is matter.steps[0]
    assert matter.step("dance") is None


@pytest.mark.parametrize("key", sorted(set(plain()) - {"reach", "eligibility", "subject_role", "questions"}))
def test_a_misspelt_key_is_named_with_its_file(key: str) -> None:
    said = faulty(**{f"{key}s_": 1})
    assert f"{key}s_" in said


@pytest.mark.parametrize("key", ["matter", "name", "version", "valid_from", "reach", "decides", "steps", "remedies"])
def test_a_missing_key_is_named_with_its_file(key: str) -> None:
    text = yaml.safe_dump({name: value for name, value in plain().items() if name != key})
    with pytest.raises(FaultyMatter, match=rf"^m\.yaml: .*{key}"):
        read_matter(text, "m.yaml")


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"matter": "Disability Subsidies"}, "matter"),
        ({"reach": "world"}, "reach"),
        ({"competence": "anywhere"}, "competence"),
        ({"steps": []}, "steps"),
        ({"remedies": []}, "remedies"),
        ({"legal_basis": []}, "legal_basis"),
        ({"valid_from": "soon"}, "valid_from"),
        ({"output": plain()["output"] | {"type_code": "123"}}, "type_code"),
        ({"steps": [plain()["steps"][0] | {"verb": "bless"}]}, "verb"),
        ({"steps": [plain()["steps"][0] | {"tier": "moon"}]}, "tier"),
        ({"steps": [plain()["steps"][0] | {"bassis": "x"}]}, "bassis"),
        ({"materials": [plain()["materials"][0] | {"sources": ["hearsay"]}]}, "sources"),
        ({"materials": [plain()["materials"][0] | {"sources": []}]}, "sources"),
        ({"clocks": [plain()["clocks"][0] | {"role": "nobody"}]}, "role"),
        ({"registry_checks": None}, "registry_checks"),
        ({"supplement_days": 0}, "supplement_days"),
        ({"parties": ["groom"]}, "parties"),
        ({"channels": ["letter"]}, "channels"),
        ({"channels": []}, "channels"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_value_is_named_with_its_file_and_key(changed: Json, key: str) -> None:
    assert f"'{key}'" in faulty(**changed)


def test_all_faults_of_a_file_are_named_at_once() -> None:
    said = faulty(reach="world", competence="anywhere", extra=1)
    assert all(key in said for key in ("reach", "competence", "extra"))


def test_what_is_no_yaml_is_named_with_its_file() -> None:
    with pytest.raises(FaultyMatter, match=r"^m\.yaml: "):
        read_matter("a: [1", "m.yaml")


def test_every_clock_starts_and_ends_by_a_moment_that_comes() -> None:
    moments = {"complete", "forwarded", "taken_over", "closed", "told"}
    moments |= {"checked", "reviewed", "examined", "decided"}
    for matter in every_matter():
        for clock in matter.clocks:
            assert {clock["starts"], clock["ends"]} <= moments
            assert clock["statutory"] > 0
            assert clock["basis"]


CARD_PROMISE = frozenset({"disability-card"})


def fault(answers: Json, promises: frozenset[str] = frozenset()) -> tuple[str, str]:
    found = find_answer_fault(matter_version("disability-subsidies", 1), answers, promises)
    return (found.code, found.field) if found else ("", "")


@pytest.mark.parametrize("question", ANSWERS)
def test_no_question_that_decides_may_be_left_out(question: str) -> None:
    assert fault(ANSWERS) == ("", "")
    assert fault({name: value for name, value in ANSWERS.items() if name != question}) == (
        "answer_missing",
        f"answers.{question}",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("special_support", "maybe"),
        ("special_support", True),
        ("public_pay", ["none"]),
        ("card_grade", "5"),
        ("allowances", "none"),
        ("allowances", ["senior"]),
        ("allowances", [{"kind": "pocket-money", "monthly_fen": 1}]),
        ("allowances", [{"kind": "senior", "monthly_fen": -1}]),
        ("allowances", [{"kind": "senior", "monthly_fen": True}]),
        ("allowances", [{"kind": "senior"}]),
    ],
)
def test_a_value_the_matter_does_not_know_is_refused_by_its_field(name: str, value: object) -> None:
    assert fault(ANSWERS | {name: value}) == ("answer_not_allowed", f"answers.{name}")
    some = find_value_fault(matter_version("disability-subsidies", 1), {name: value})
    assert some is not None
    assert str(value) not in some.words


def test_a_question_the_matter_does_not_ask_is_refused() -> None:
    assert fault(ANSWERS | {"favourite_colour": "blue"}) == ("answer_not_asked", "answers")


def test_who_promises_a_card_says_what_is_on_it() -> None:
    said = ANSWERS | {"card_category": "4", "card_grade": "1", "area": "urban"}
    assert fault(said, CARD_PROMISE) == ("", "")
    for name in ("card_category", "card_grade", "area"):
        assert fault(said | {name: ""}, CARD_PROMISE) == ("answer_missing", f"answers.{name}")
        assert fault(said | {name: ""}) == ("", "")


MARRIAGE = matter_version("marriage-registration", 1)
SUBSIDY = matter_version("disability-subsidies", 1)
ONE, OTHER = "990102197503120178", "99010419880704022X"


def party(role: str, number: str) -> Json:
    return {"role": role, "id_type": "citizen", "id_number": number}


def party_fault(matter: Matter, *parties: Json) -> str:
    found = find_party_fault(matter, parties)
    return found.code if found else ""


def test_who_applies_together_is_one_person_of_each_role_with_a_document_of_their_own() -> None:
    couple = (party("applicant", ONE), party("spouse", OTHER))
    assert party_fault(MARRIAGE, *couple) == ""
    assert party_fault(MARRIAGE, *reversed(couple)) == ""
    assert party_fault(MARRIAGE, couple[0]) == party_fault(MARRIAGE, couple[1]) == "party_missing"
    assert party_fault(MARRIAGE, *couple, party("spouse", "990102196908010597")) == "party_twice"
    assert party_fault(MARRIAGE, couple[0], party("spouse", ONE)) == "same_person"
    assert party_fault(MARRIAGE, couple[0], party("spouse", ONE) | {"id_type": "passport"}) == ""


@pytest.mark.parametrize(
    ("id_type", "number", "wanted"),
    [
        ("citizen", OTHER, []),
        ("citizen", "810000189001011236", ["single-declaration"]),  # 居住证 of Hong Kong
        ("citizen", "830000189001011236", ["single-declaration"]),
        ("hk-macau-permit", "H12345678", ["single-declaration"]),
        ("taiwan-permit", "12345678", ["single-declaration"]),
        ("passport", "USA-512345678", ["single-proof"]),
        ("foreign-permit", "911124189108030024", ["single-proof"]),
    ],
)
def test_who_comes_from_outside_the_mainland_proves_to_be_single_and_nobody_else(
    id_type: str, number: str, wanted: list[str]
) -> None:
    couple = party("applicant", ONE), party("spouse", number) | {"id_type": id_type}
    asked = [spec["code"] for spec in asked_materials(MARRIAGE, couple)]
    assert [code for code in asked if code.startswith("single-")] == wanted
    assert "declaration" in asked


def test_other_matters_need_an_applicant_and_whom_they_are_about() -> None:
    orphan = matter_version("orphan-recognition", 1)
    assert party_fault(SUBSIDY, party("applicant", ONE)) == ""
    assert party_fault(SUBSIDY, party("applicant", ONE), party("guardian", ONE)) == ""
    assert party_fault(SUBSIDY, party("applicant", ONE), party("applicant", ONE)) == "party_twice"
    assert party_fault(orphan, party("applicant", ONE)) == "party_missing"
    assert party_fault(orphan, party("applicant", ONE), party("beneficiary", ONE)) == ""


def test_a_matter_that_asks_for_presence_is_taken_in_at_counters_only() -> None:
    assert [find_channel_fault(SUBSIDY, channel) for channel in SUBSIDY.channels] == [None, None, None]
    assert find_channel_fault(MARRIAGE, "counter") is None
    for channel in ("online", "channel"):
        fault = find_channel_fault(MARRIAGE, channel)
        assert fault is not None
        assert (fault.code, fault.field) == ("channel_not_allowed", "channel")


def test_who_decides_what_it_takes_in_needs_the_power_of_every_step() -> None:
    assert MARRIAGE.accepting_verbs == ("take_in", "examine", "register")
    assert SUBSIDY.accepting_verbs == ("take_in",)


def test_no_matter_of_marriages_asks_for_the_household_book() -> None:
    of_marriages = [one for one in every_matter() if "marriage" in one.matter or "divorce" in one.matter]
    assert len(of_marriages) >= 5
    for one in of_marriages:
        assert "户口簿" in [proof["name"] for proof in one.forbidden_proofs]
        assert not [material for material in one.materials if "户口簿" in material["name"]]
