"""The policy files: which standard holds where and when, and that no faulty file passes."""

import datetime
from pathlib import Path

import pytest

from services.subsidy.rules.eligibility import Allowance, Card
from services.subsidy.rules.standard import Extension, Standard
from services.subsidy.standards import BadPolicy, load, standard_for
from shared.errors import Refused
from tests.subsidy.persons import amounts, asked, codes, fact, someone

DAY = datetime.date(2025, 9, 24)
GOOD = """\
division: "990100"
name: 某市
standards:
  - document: {number: 示例〔2025〕1号, title: 标准, source: 测试}
    valid_from: 2025-01-01
    valid_until: 2025-12-31
    lines:
      urban: {fen: 747600, per: year}
      rural: {fen: 52000, per: month}
    living:
      statuses: [dibao]
      rates: [{percent: 30}]
      rounding: {unit_fen: 100, mode: up}
    care:
      need_presumed: true
      extension: {grades: [3], categories: [5, 6], contains: false}
      rates: [{grades: [1], fen: 20000}, {grades: [2, 3], fen: 10000}]
      ages: [18, 59]
    allowances:
      - {kind: senior, name: 高龄津贴, living: choose_higher, care: together, basis: 示例〔2025〕1号}
    local: {public_pay_needs_proof: true, serving_sentence_excludes: false}
"""
SECOND = GOOD[GOOD.index("  - document") :].replace("1号, title", "2号, title")


def written(folder: Path, text: str, name: str = "990100.yaml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def everything() -> list[Standard]:
    return [standard for standards in load().values() for standard in standards]


def test_a_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    standard = standard_for("990101", DAY, written(tmp_path, GOOD))
    assert (standard.division, standard.document_no, standard.source) == ("990100", "示例〔2025〕1号", "测试")
    assert (standard.valid_from, standard.valid_until) == (datetime.date(2025, 1, 1), datetime.date(2025, 12, 31))
    assert standard.living_statuses == {"dibao"}
    assert standard.care.ages == (18, 59)
    assert standard.care_extension == Extension(frozenset({3}), frozenset({5, 6}))
    assert standard.public_pay_needs_proof
    assert not standard.serving_sentence_excludes
    assert standard.allowance_rules[0].living == "choose_higher"
    assert amounts(someone(hukou="620102"), standard) == (18700, 20000)
    assert standard.unverified == ()


def test_each_of_the_demo_cities_has_a_standard_in_force() -> None:
    for county in ("620102", "460204", "321302", "421202", "371082"):
        assert standard_for(county, DAY).valid_from <= DAY


def test_a_county_goes_before_its_city_and_the_city_before_the_province() -> None:
    found = [standard_for(code, DAY).division for code in ("421202", "620102", "620100", "620302", "620000")]
    assert found == ["421202", "620100", "620100", "620000", "620000"]


def test_a_township_takes_the_standard_of_its_county() -> None:
    assert standard_for("421202001003", DAY).division == "421202"


def test_a_division_without_any_standard_is_refused_by_name() -> None:
    with pytest.raises(Refused) as refusal:
        standard_for("421221", DAY)
    assert refusal.value.code == "no_standard"
    assert "421221" in refusal.value.message


@pytest.mark.parametrize(
    ("on", "number"),
    [
        (datetime.date(2021, 1, 1), "示例兰民〔2021〕1号"),
        (datetime.date(2024, 12, 31), "示例兰民〔2021〕1号"),
        (datetime.date(2025, 1, 1), "示例兰民〔2025〕1号"),
        (datetime.date(2039, 1, 1), "示例兰民〔2025〕1号"),
    ],
)
def test_the_day_decides_between_an_old_and_a_new_standard(on: datetime.date, number: str) -> None:
    assert standard_for("620102", on).document_no == number


def test_before_the_first_standard_there_is_none() -> None:
    with pytest.raises(Refused):
        standard_for("620102", datetime.date(2020, 12, 31))


def test_when_a_city_standard_has_run_out_the_province_steps_in(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    written(tmp_path, GOOD.replace("990100", "990000").replace("2025-12-31", "null"), "990000.yaml")
    assert standard_for("990101", datetime.date(2025, 12, 31), tmp_path).division == "990100"
    assert standard_for("990101", datetime.date(2026, 1, 1), tmp_path).division == "990000"


@pytest.mark.parametrize(
    ("card", "low_income", "expected"),
    [
        (Card(4, 1), "dibao", (10000, 12000)),
        (Card(4, 3), "dibao", (10000, 0)),
        (Card(6, 3), "none", (0, 12000)),
    ],
)
def test_lanzhou_pays_by_the_decision_vectors(card: Card, low_income: str, expected: tuple[int, int]) -> None:
    assert amounts(someone(card, low_income), standard_for("620102", DAY)) == expected


def test_gansu_makes_the_senior_allowance_a_choice_and_guangzhou_does_not() -> None:
    facts = someone(allowances=(Allowance("senior", 50000),))
    gansu, _ = asked(facts, standard_for("620102", DAY))
    assert codes(gansu) == {"other_allowance_higher"}
    in_guangzhou = someone(hukou="440104", allowances=(Allowance("senior", 50000),))
    living, care = asked(in_guangzhou, standard_for("440104", DAY), "440104")
    assert (living.monthly_amount_fen, care.monthly_amount_fen) == (18100, 24300)


def test_the_provincial_share_of_the_line_differs_between_town_and_country() -> None:
    gansu = standard_for("620302", DAY)
    paid = [amounts(someone(area=fact(area)), gansu)[0] for area in ("urban", "rural")]
    assert paid == [12500, 8000]


def test_a_standard_made_up_for_demonstration_says_so() -> None:
    for standard in everything():
        assert ("示例" in standard.document_no) is ("document" in standard.unverified)


def test_every_shipped_standard_rules_on_the_welfare_allowances_the_law_names() -> None:
    named = {"old-age-living", "injury-living", "retired-cadre-living", "elder-care", "senior"}
    for standard in everything():
        assert {rule.kind for rule in standard.allowance_rules} == named


def test_marks_are_kept_with_their_place(tmp_path: Path) -> None:
    text = GOOD.replace("{percent: 30}", "{percent: 30, unverified: true}").replace("测试}", "测试, unverified: true}")
    standard = standard_for("990100", DAY, written(tmp_path, text))
    assert standard.unverified == ("document", "living.rates[0]")


def test_the_files_are_read_once(tmp_path: Path) -> None:
    folder = written(tmp_path, GOOD)
    first = standard_for("990100", DAY, folder)
    (folder / "990100.yaml").unlink()
    assert standard_for("990100", DAY, folder) is first


def test_two_standards_follow_one_another_in_any_order(tmp_path: Path) -> None:
    later = SECOND.replace("2025-01-01", "2026-01-01").replace("2025-12-31", "null")
    folder = written(tmp_path, GOOD[: GOOD.index("  - document")] + later + GOOD[GOOD.index("  - document") :])
    assert standard_for("990100", DAY, folder).document_no == "示例〔2025〕1号"
    assert standard_for("990100", datetime.date(2026, 1, 1), folder).document_no == "示例〔2025〕2号"


@pytest.mark.parametrize("start", ["2025-12-31", "2025-01-01", "2024-06-01"])
def test_overlapping_standards_are_a_fault(tmp_path: Path, start: str) -> None:
    overlapping = SECOND.replace("2025-01-01", start)
    with pytest.raises(BadPolicy, match=r"990100\.yaml:\d+: standards\[\d\]\.valid_from: overlaps"):
        load(written(tmp_path, GOOD + overlapping))


def test_nothing_may_follow_a_standard_without_an_end(tmp_path: Path) -> None:
    text = GOOD.replace("2025-12-31", "null") + SECOND.replace("2025-01-01", "2026-01-01").replace("2025-12-31", "null")
    with pytest.raises(BadPolicy, match="overlaps"):
        load(written(tmp_path, text))


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("number: 示例〔2025〕1号, title", "title", "4: standards[0].document.number: is missing"),
        ("number: 示例〔2025〕1号", "number: ''", "4: standards[0].document.number: must be a str"),
        ("number: 示例〔2025〕1号", "number: ' '", "4: standards[0]: document_no and source must be given"),
        ("source: 测试", "sauce: 测试", "4: standards[0].document.sauce: is not a known key"),
        ("    valid_from: 2025-01-01\n", "", "4: standards[0].valid_from: is missing"),
        ("    valid_until: 2025-12-31\n", "", "4: standards[0].valid_until: is missing"),
        ("2025-01-01", "'2025-01-01'", "5: standards[0].valid_from: must be a date"),
        ("2025-12-31", "2024-12-31", "4: standards[0]: valid_until is before valid_from"),
        ("valid_until:", "valid_untill:", "6: standards[0].valid_untill: is not a known key"),
        ("fen: 747600", "fen: 7476.00", "8: standards[0].lines.urban.fen: must be a int"),
        ("per: year", "per: week", "8: standards[0].lines.urban.per: must be one of"),
        ("      rural: {fen: 52000, per: month}\n", "", "4: standards[0]: a percentage needs the 低保 lines"),
        ("[dibao]", "[dibao, rich]", "11: standards[0].living.statuses: may hold only"),
        ("[dibao]", "[dibao_edge]", "4: standards[0]: living_statuses must contain dibao"),
        ("{percent: 30}", "{percent: 30, fen: 1}", "12: standards[0].living.rates[0]: a rate is either"),
        ("{percent: 30}", "{fen: true}", "12: standards[0].living.rates[0].fen: must be a int"),
        ("[{percent: 30}]", "[30]", "standards[0].living.rates[0]: must be a mapping"),
        ("[{percent: 30}]", "[]", "12: standards[0].living.rates: each grade has one rate"),
        ("unit_fen: 100", "unit_fen: 0", "13: standards[0].living.rounding.unit_fen: the rounding unit"),
        ("mode: up", "mode: sideways", "13: standards[0].living.rounding.mode: must be one of"),
        ("grades: [2, 3]", "grades: [2]", "4: standards[0]: care has rates for grades"),
        ("grades: [2, 3]", "grades: [2, true]", "17: standards[0].care.rates[1].grades: may hold only"),
        ("categories: [5, 6]", "categories: [5, 7]", "16: standards[0].care.extension: an extension has"),
        ("categories: [5, 6]", "categories: [[5]]", "16: standards[0].care.extension.categories: may hold only"),
        ("ages: [18, 59]", "ages: [18]", "18: standards[0].care.ages: must be [first, last]"),
        ("need_presumed: true", "need_presumed: 1", "15: standards[0].care.need_presumed: must be a bool"),
        ("living: choose_higher", "living: both", "20: standards[0].allowances[0].living: must be one of"),
        (", basis: 示例〔2025〕1号}", "}", "20: standards[0].allowances[0].basis: is missing"),
        ("public_pay_needs_proof: true, ", "", "21: standards[0].local.public_pay_needs_proof: is missing"),
        ("source: 测试", "source: 测试, unverified: false", "4: standards[0].document.unverified: may only be true"),
        ('"990100"', '"990200"', "1: division: must be six digits and the file's own name"),
        ("name: 某市\n", "name: 某市\nname: 又一市\n", "3: key 'name' given twice"),
        ("name: 某市", "name: [", "4: "),
        (GOOD[GOOD.index("standards:") :], "standards: []\n", "3: standards: must hold at least one"),
        (GOOD, "- 1\n", "1: must be a mapping"),
    ],
)
def test_a_faulty_file_is_named_with_line_and_key(tmp_path: Path, old: str, new: str, where: str) -> None:
    assert old in GOOD
    with pytest.raises(BadPolicy) as fault:
        load(written(tmp_path, GOOD.replace(old, new, 1)))
    name, place = str(fault.value).split(":", 1)
    assert name == "990100.yaml"
    assert where in place


def test_one_faulty_file_fails_every_question(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    written(tmp_path, "name: 半个文件\n", "990200.yaml")
    with pytest.raises(BadPolicy, match=r"990200\.yaml:1: division"):
        standard_for("990100", DAY, tmp_path)
