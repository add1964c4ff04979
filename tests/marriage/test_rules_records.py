"""婚姻档案: every way in which a marriage on record ends, comes back and is put right, and those that are none."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.marriage.rules import records
from services.marriage.rules.endings import LAWS, Ground, Standing
from services.marriage.rules.records import Ending, Origin, Provenance, Reappearance, Record
from shared.errors import OutOfStep, Refused, TongbanError
from tests.marriage.couples import DAY

NUMBER = "J371082-2025-000013"
ON, TODAY = DAY("2025-05-20"), DAY("2026-03-02")
FACTS = {"man_name": "甲", "woman_name": "乙"}
FOUND = Provenance("荣成市档案馆", "1987-结-12", "3", "clerk-7")
ANNULS = [ground for ground, law in LAWS.items() if law.from_the_beginning]
ENDS = [ground for ground, law in LAWS.items() if not law.from_the_beginning]


def married() -> Record:
    return records.registered(NUMBER, ON, FACTS)


def ended(ground: Ground, record: Record | None = None, on: str = "2025-12-01", document: str = "文书1号") -> Record:
    return records.end(record or married(), Ending(ground, DAY(on), document), TODAY)


def back(**more: Any) -> Reappearance:
    return dataclasses.replace(Reappearance(TODAY, "判决1号", remarried=False), **more)


# --- beginning ---------------------------------------------------------------------------------------------------------


def test_a_registered_marriage_is_valid_under_its_number_from_that_day() -> None:
    record = married()
    assert (record.standing, record.number, record.registered_on) == (Standing.VALID, NUMBER, ON)
    assert (record.certificates, record.version) == ((NUMBER,), 1)
    assert records.effective_from(record) == ON


@pytest.mark.parametrize("number", ["L371082-2025-000013", "BJ371082-2025-000013"])
def test_only_a_marriage_number_begins_a_marriage(number: str) -> None:
    with pytest.raises(Refused, match="wrong_kind"):
        records.registered(number, ON, FACTS)


def test_a_later_marriage_stands_against_a_declared_dead_s_return_unless_it_never_bound() -> None:
    declared = ended(Ground.DECLARED_DEAD)
    later = dataclasses.replace(married(), registered_on=DAY("2025-12-01"))
    earlier = dataclasses.replace(married(), registered_on=DAY("2025-11-30"))
    assert records.stands_against(declared, later)
    for ground in ENDS:
        assert records.stands_against(
            declared, dataclasses.replace(later, standing=LAWS[ground].standing, ground=ground)
        )
        past = dataclasses.replace(earlier, standing=LAWS[ground].standing, ground=ground)
        assert not records.stands_against(declared, past)
        assert not records.stands_against(ended(Ground.DEATH), past)
    for ground in ANNULS:
        void = dataclasses.replace(later, standing=LAWS[ground].standing, ground=ground)
        assert not records.stands_against(declared, void)


def test_a_late_registration_keeps_its_own_day_and_beside_it_since_when_the_conditions_were_met() -> None:
    record = records.registered_late(NUMBER, ON, FACTS, DAY("2010-02-01"))
    assert (record.origin, record.registered_on) == (Origin.LATE, ON)
    assert records.effective_from(record) == DAY("2010-02-01")


def test_a_late_registration_without_that_day_has_effect_from_its_own() -> None:
    assert records.effective_from(records.registered_late(NUMBER, ON, FACTS, None)) == ON


def test_conditions_cannot_have_been_met_after_the_registration() -> None:
    with pytest.raises(Refused, match="conditions_met_later"):
        records.registered_late(NUMBER, ON, FACTS, DAY("2025-05-21"))


def test_an_old_record_is_entered_under_its_own_number_with_its_provenance() -> None:
    record = records.back_entered(" 荣结字第12号 ", DAY("1987-05-01"), FACTS, FOUND, TODAY)
    assert (record.number, record.origin, record.standing) == ("荣结字第12号", Origin.BACK_ENTRY, Standing.VALID)
    assert record.history[0].document == "荣成市档案馆 1987-结-12 3 clerk-7"
    assert record.history[0].on == TODAY


@pytest.mark.parametrize("part", ["archive", "call_number", "page", "entered_by"])
def test_no_old_record_is_entered_without_its_whole_provenance(part: str) -> None:
    with pytest.raises(Refused, match="provenance_missing"):
        records.back_entered("荣结字第12号", DAY("1987-05-01"), FACTS, dataclasses.replace(FOUND, **{part: " "}), TODAY)


def test_no_old_record_is_of_tomorrow() -> None:
    with pytest.raises(Refused, match="registered_in_future"):
        records.back_entered("荣结字第12号", DAY("2026-03-03"), FACTS, FOUND, TODAY)


# --- ending ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ground", "standing", "clause"),
    [
        (Ground.DIVORCE_REGISTERED, Standing.DISSOLVED, "第一千零八十条"),
        (Ground.DIVORCE_BY_COURT, Standing.DISSOLVED, "第一千零八十条"),
        (Ground.DEATH, Standing.ENDED_BY_DEATH, "第十三条"),
        (Ground.DECLARED_DEAD, Standing.ENDED_BY_DEATH, "第五十一条"),
        (Ground.BIGAMY, Standing.VOID, "第一千零五十一条第一项"),
        (Ground.KINSHIP, Standing.VOID, "第一千零五十一条第二项"),
        (Ground.UNDER_AGE, Standing.VOID, "第一千零五十一条第三项"),
        (Ground.COERCION, Standing.REVOKED, "第一千零五十二条"),
        (Ground.ILLNESS, Standing.REVOKED, "第一千零五十三条"),
        (Ground.IMPERSONATION, Standing.REVOKED, "指导意见"),
    ],
)
def test_each_ground_ends_a_marriage_in_its_own_way_and_names_its_clause(
    ground: Ground, standing: Standing, clause: str
) -> None:
    record = ended(ground)
    assert (record.standing, record.ground, record.ended_on) == (standing, ground, DAY("2025-12-01"))
    assert clause in record.history[-1].basis
    assert record.history[-1].document == "文书1号"
    assert (record.number, record.registered_on, record.facts) == (NUMBER, ON, FACTS)


def test_every_ground_has_its_law() -> None:
    assert set(LAWS) == set(Ground)
    assert all(law.basis and law.name for law in LAWS.values())


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("second", ENDS)
def test_what_has_ended_does_not_end_again(first: Ground, second: Ground) -> None:
    with pytest.raises(OutOfStep, match=LAWS[first].name):
        ended(second, ended(first))


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("second", ANNULS)
def test_what_never_bound_is_void_also_after_it_had_ended_otherwise(first: Ground, second: Ground) -> None:
    record = ended(second, ended(first))
    assert record.standing is LAWS[second].standing
    assert [entry.what for entry in record.history] == ["registered", f"ended:{first}", f"ended:{second}"]


@pytest.mark.parametrize("first", ANNULS)
@pytest.mark.parametrize("second", list(Ground))
def test_what_was_void_from_the_beginning_cannot_end(first: Ground, second: Ground) -> None:
    with pytest.raises(OutOfStep, match="marriage_ended"):
        ended(second, ended(first))


@pytest.mark.parametrize(
    ("on", "document", "code"),
    [
        ("2025-05-19", "文书1号", "ended_before_it_began"),
        ("2026-03-03", "文书1号", "ended_in_future"),
        ("2025-12-01", " ", "document_missing"),
    ],
)
@pytest.mark.parametrize("ground", list(Ground))
def test_an_ending_has_a_document_and_a_day_within_the_marriage(
    ground: Ground, on: str, document: str, code: str
) -> None:
    with pytest.raises(Refused, match=code) as refused:
        ended(ground, on=on, document=document)
    assert refused.value.basis == LAWS[ground].basis


def test_a_marriage_may_end_on_the_day_on_which_it_began() -> None:
    assert ended(Ground.DEATH, on="2025-05-20").standing is Standing.ENDED_BY_DEATH


def test_a_marriage_may_end_on_the_day_on_which_that_is_noted() -> None:
    assert ended(Ground.DIVORCE_REGISTERED, on="2026-03-02").ended_on == TODAY


# --- a death taken back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ground", [Ground.DEATH, Ground.DECLARED_DEAD])
def test_a_death_that_was_none_gives_the_marriage_back(ground: Ground) -> None:
    record = records.restore(ended(ground), back())
    assert (record.standing, record.ground, record.ended_on) == (Standing.VALID, None, None)
    assert [entry.what for entry in record.history] == ["registered", f"ended:{ground}", "restored"]
    assert ended(Ground.DIVORCE_BY_COURT, record).standing is Standing.DISSOLVED


def test_a_marriage_is_still_ended_by_a_death_until_it_comes_back_or_ends_again() -> None:
    first = ended(Ground.DEATH)
    assert records.still_ended_by(first, first.version)
    corrected = records.correct(first, FACTS | {"man_name": "丙"}, TODAY, "更正1号")
    assert records.still_ended_by(corrected, first.version)
    restored = records.restore(corrected, back())
    assert not records.still_ended_by(restored, first.version)
    again = ended(Ground.DEATH, restored)
    assert not records.still_ended_by(again, first.version)
    assert records.still_ended_by(again, again.version)


def test_what_is_void_is_ended_by_no_death() -> None:
    first = ended(Ground.DEATH)
    assert not records.still_ended_by(ended(Ground.BIGAMY, first), first.version)


@pytest.mark.parametrize("more", [{"remarried": True}, {"declined": True}])
def test_after_a_declaration_of_death_a_spouse_who_remarried_or_declines_stays_free(more: Any) -> None:
    record = records.restore(ended(Ground.DECLARED_DEAD), back(**more))
    assert (record.standing, record.history[-1].what) == (Standing.ENDED_BY_DEATH, "not_restored")
    assert "第五十一条" in record.history[-1].basis


def test_a_wrongly_reported_death_never_ended_the_marriage_whatever_the_spouse_wants() -> None:
    assert records.restore(ended(Ground.DEATH), back(declined=True)).standing is Standing.VALID


def test_who_remarried_after_a_wrong_report_of_death_must_go_to_court() -> None:
    with pytest.raises(Refused, match="remarried_after_wrong_report") as refused:
        records.restore(ended(Ground.DEATH), back(remarried=True))
    assert "人民法院" in refused.value.message


@pytest.mark.parametrize(
    ("more", "code"), [({"remarried": None}, "remarriage_unknown"), ({"document": ""}, "document_missing")]
)
def test_no_marriage_comes_back_before_that_is_known(more: Any, code: str) -> None:
    with pytest.raises(Refused, match=code):
        records.restore(ended(Ground.DECLARED_DEAD), back(**more))


@pytest.mark.parametrize(
    "ground", [None, *(ground for ground in Ground if ground not in (Ground.DEATH, Ground.DECLARED_DEAD))]
)
def test_only_an_end_by_death_can_be_taken_back(ground: Ground | None) -> None:
    with pytest.raises(OutOfStep, match="not_ended_by_death"):
        records.restore(ended(ground) if ground else married(), back())


# --- putting right -----------------------------------------------------------------------------------------------------


def test_a_correction_keeps_both_versions() -> None:
    record = records.correct(married(), {**FACTS, "man_name": "丙"}, TODAY, "更正申请1号")
    assert record.facts["man_name"] == "丙"
    assert record.history[-1].before == FACTS
    assert (record.number, record.registered_on, record.version) == (NUMBER, ON, 2)


def test_a_correction_changes_something_and_rests_on_a_document() -> None:
    with pytest.raises(Refused, match="nothing_to_correct"):
        records.correct(married(), dict(FACTS), TODAY, "更正申请1号")
    with pytest.raises(Refused, match="document_missing"):
        records.correct(married(), {"man_name": "丙"}, TODAY, "")


def test_a_reissued_certificate_keeps_the_day_and_the_number_of_the_registration() -> None:
    record = records.reissue(married(), "BJ620102-2026-000001", TODAY)
    assert (record.number, record.registered_on) == (NUMBER, ON)
    assert record.certificates == (NUMBER, "BJ620102-2026-000001")


@pytest.mark.parametrize("ground", list(Ground))
def test_no_marriage_certificate_is_reissued_of_a_marriage_that_has_ended(ground: Ground) -> None:
    with pytest.raises(Refused, match="reissue_of_ended_marriage"):
        records.reissue(ended(ground), "BJ620102-2026-000001", TODAY)


@pytest.mark.parametrize("certificate", [NUMBER, "L371082-2025-000002", "BL620102-2026-000001"])
def test_a_reissue_has_a_number_of_its_own_kind(certificate: str) -> None:
    with pytest.raises(Refused, match="wrong_kind"):
        records.reissue(married(), certificate, TODAY)


# --- of every record ---------------------------------------------------------------------------------------------------

ACTS = st.lists(
    st.one_of(
        st.sampled_from(Ground).map(lambda ground: ("end", ground)),
        st.sampled_from([True, False, None]).map(lambda remarried: ("restore", remarried)),
        st.text(min_size=1, max_size=2).map(lambda name: ("correct", name)),
        st.just("BJ620102-2026-000001").map(lambda number: ("reissue", number)),
    ),
    max_size=8,
)


def done(record: Record, act: tuple[str, Any]) -> Record:
    match act:
        case ("end", ground):
            return ended(ground, record)
        case ("restore", remarried):
            return records.restore(record, back(remarried=remarried))
        case ("correct", name):
            return records.correct(record, {"man_name": name}, TODAY, "更正申请1号")
        case (_, number):
            return records.reissue(record, number, TODAY)


def no(record: Record, act: tuple[str, Any]) -> TongbanError | None:
    try:
        done(record, act)
    except TongbanError as error:
        return error
    return None


@given(ACTS)
def test_whatever_is_done_the_history_only_grows_and_the_registration_stays(acts: list[tuple[str, Any]]) -> None:
    record = married()
    for act in acts:
        if error := no(record, act):
            assert error.message != error.code
            assert error.basis or isinstance(error, OutOfStep)
            continue
        after = done(record, act)
        assert after.history[:-1] == record.history
        assert (after.number, after.registered_on) == (NUMBER, ON)
        assert (after.standing is Standing.VALID) is (after.ground is None) is (after.ended_on is None)
        record = after
