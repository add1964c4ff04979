"""婚姻登记证字号: today's form to the letter, old books' numbers as they are."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.marriage.rules import numbers
from services.marriage.rules.numbers import CertificateNumber, Kind
from shared.errors import Refused

KINDS: st.SearchStrategy[Kind] = st.sampled_from(get_args(Kind))
DIVISIONS = st.integers(100000, 999999).map(str)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("J421202-2025-000001", CertificateNumber("J", "421202", 2025, 1)),
        ("L371082-2025-999999", CertificateNumber("L", "371082", 2025, 999999)),
        ("BL371082-2025-000013", CertificateNumber("BL", "371082", 2025, 13)),
        ("BJ469003-2014-000120", CertificateNumber("BJ", "469003", 2014, 120)),  # 儋州's code of that year
        ("J110101-2010-000001", CertificateNumber("J", "110101", 2010, 1)),
    ],
)
def test_a_number_in_today_s_form_says_what_where_and_when(text: str, parts: CertificateNumber) -> None:
    assert numbers.parse(text) == parts
    assert numbers.is_valid(text)


@pytest.mark.parametrize(
    "text",
    [
        "L42120-2025-000001",
        "JH421202-2025-000001",
        "J421202-25-1",
        "j421202-2025-000001",
        "bj421202-2025-000001",
        "J421202-2025-000000",
        "J421202-2025-0000001",
        "J021202-2025-000001",
        "J421202-3025-000001",
        "J421202—2025—000001",
        "J４２１２０２-2025-000001",
        " J421202-2025-000001",
        "J421202-2025-000001\n",
        "",
    ],
)
def test_what_only_looks_like_a_number_is_refused_with_an_example(text: str) -> None:
    assert not numbers.is_valid(text)
    with pytest.raises(Refused) as refused:
        numbers.parse(text)
    assert refused.value.code == "certificate_number_malformed"
    assert "J371082-2025-000013" in refused.value.message
    assert refused.value.basis


@given(KINDS, DIVISIONS, st.integers(1900, 2099), st.integers(1, 999_999))
def test_a_number_made_is_read_back_as_it_was_made(kind: Kind, division: str, year: int, serial: int) -> None:
    made = numbers.make(kind, division, year, serial)
    assert numbers.parse(made) == CertificateNumber(kind, division, year, serial)
    assert str(numbers.parse(made)) == made


@given(st.text(max_size=24) | st.from_regex(r"[A-Z]{1,2}\d{5,7}-\d{4}-\d{6}", fullmatch=True))
def test_what_is_valid_is_written_in_one_way_only(text: str) -> None:
    if numbers.is_valid(text):
        assert str(numbers.parse(text)) == text


def test_after_the_last_serial_of_a_year_no_number_is_made_and_it_says_what_to_do() -> None:
    assert numbers.make("J", "371082", 2025, 999_999) == "J371082-2025-999999"
    with pytest.raises(Refused) as refused:
        numbers.make("J", "371082", 2025, 1_000_000)
    assert refused.value.code == "serial_exhausted"
    assert "报省级民政部门" in refused.value.message


@pytest.mark.parametrize(("division", "year", "serial"), [("37108", 2025, 1), ("371082", 25, 1), ("371082", 2025, 0)])
def test_parts_that_make_no_number_are_a_fault_of_ours(division: str, year: int, serial: int) -> None:
    with pytest.raises(ValueError, match="certificate number"):
        numbers.make("J", division, year, serial)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("咸结字第0012号", "咸结字第0012号"),
        (" (1987)崖结字 第 3 号 ", "(1987)崖结字 第 3 号"),
        ("结字\u3000第5号", "结字\u3000第5号"),
        ("J421202-2025-000001", "J421202-2025-000001"),
        ("一" * 40, "一" * 40),
        ("\U000323af字第1号", "\U000323af字第1号"),  # a character newer than this Python's tables
    ],
)
def test_an_old_book_s_number_is_kept_as_it_stands(text: str, kept: str) -> None:
    assert numbers.archived(text) == kept


@pytest.mark.parametrize(
    "text", ["", "   ", "一" * 41, "结字\n第5号", "结字\x00第5号", "结字\u202e第5号", "结字\u2028第5号"]
)
def test_an_old_number_has_one_to_forty_characters_and_no_control_characters(text: str) -> None:
    with pytest.raises(Refused, match="archive_number_malformed") as refused:
        numbers.archived(text)
    assert refused.value.basis
