"""Numbers, codes, names and telephones: what is accepted, what is refused and how, and what masking leaves."""

import datetime
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared import identity
from shared.errors import Refused

TODAY = datetime.date(2025, 5, 20)
MAN = "421202189905200133"
WOMAN = "421202189905200141"


def check_of(body: str) -> str:
    """GB 11643's check character by the standard's other formula: the weight of place i is 2 to the (18 - i)."""
    rest = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(body)) % 11
    return "0123456789X"[(12 - rest) % 11]


def refusal(call: Callable[..., object], *arguments: object) -> Refused:
    with pytest.raises(Refused) as caught:
        call(*arguments)
    return caught.value


@pytest.mark.parametrize(
    ("id_type", "text", "number"),
    [
        ("passport", " usa-5123 45678", "USA-512345678"),
        ("passport", "E12345678", "E12345678"),  # enough where the country does not matter
        ("hk-macau-permit", "h1234567801", "H12345678"),  # of old: with the number of the card
        ("hk-macau-permit", "M12345678", "M12345678"),
        ("taiwan-permit", "１２３４５６７８", "12345678"),
        ("foreign-permit", "911124189108030024", "911124189108030024"),
        ("citizen", MAN, MAN),
    ],
)
def test_a_document_has_one_number_however_it_is_written(id_type: str, text: str, number: str) -> None:
    assert identity.document_number(id_type, text, TODAY) == number


@pytest.mark.parametrize(
    ("id_type", "text"),
    [
        ("passport", "US-512345678"),
        ("passport", "USA-51"),
        ("taiwan-permit", "TWN-12345678"),
        ("passport", "护照123456"),
    ],
)
def test_what_can_be_no_document_s_number_is_refused(id_type: str, text: str) -> None:
    assert refusal(identity.document_number, id_type, text, TODAY).code == "number_malformed"


@st.composite
def numbers(draw: st.DrawFn) -> str:
    born_on = draw(st.dates(datetime.date(1900, 1, 1), TODAY))
    body = f"9901{draw(st.integers(0, 99)):02}{born_on:%Y%m%d}{draw(st.integers(0, 999)):03}"
    return body + check_of(body)


@pytest.mark.parametrize(
    ("text", "division", "born_on", "sex"),
    [
        (MAN, "421202", "1899-05-20", "male"),
        (WOMAN, "421202", "1899-05-20", "female"),
        ("46020218990520005X", "460202", "1899-05-20", "male"),
        ("371082189912310118", "371082", "1899-12-31", "male"),
        ("620302189909090121", "620302", "1899-09-09", "female"),
        ("460400189302280036", "460400", "1893-02-28", "male"),
        ("469003189302280023", "469003", "1893-02-28", "female"),
        ("990101200305200116", "990101", "2003-05-20", "male"),
        ("990101200305210111", "990101", "2003-05-21", "male"),
        ("990101200505200129", "990101", "2005-05-20", "female"),
    ],
)
def test_a_good_number_says_division_birth_and_sex(text: str, division: str, born_on: str, sex: str) -> None:
    assert identity.citizen_number(text, TODAY) == identity.CitizenNumber(
        text, division, datetime.date.fromisoformat(born_on), sex
    )


@pytest.mark.parametrize("division", ["810000", "820000", "830000"])
def test_residence_permits_of_hong_kong_macau_and_taiwan_carry_citizen_numbers(division: str) -> None:
    body = f"{division}18990520001"
    assert identity.citizen_number(body + check_of(body), TODAY).division == division


@pytest.mark.parametrize(
    "text",
    [
        "46020218990520005x",
        " 460202 18990520 005X\n",
        "４６０２０２１８９９０５２０００５Ｘ",
        "46020218990520005ｘ",
        "460202　18990520　005X",
        "460202\u00a018990520005X",
    ],
)
def test_a_number_is_normalised_however_it_was_typed(text: str) -> None:
    assert identity.citizen_number(text, TODAY).number == "46020218990520005X"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "number_malformed"),
        (MAN[:-1], "number_malformed"),
        (MAN + "1", "number_malformed"),
        ("0" + MAN[1:], "number_malformed"),
        (MAN[:16] + "X3", "number_malformed"),
        ("４２１２０２１８９９０５２００１３③", "number_malformed"),
        ("990101800101001", "number_malformed"),
        ("990101200302290118", "number_impossible_date"),
        ("990101200313010118", "number_impossible_date"),
        ("990101000005200116", "number_impossible_date"),
        ("990101179905200116", "number_impossible_date"),
        ("990101202505210111", "number_future_birth"),
        ("421202189905200130", "number_wrong_check"),
        ("421202189905201033", "number_wrong_check"),
    ],
)
def test_a_bad_number_is_refused_by_its_own_code_and_never_repeated(text: str, code: str) -> None:
    answer = refusal(identity.citizen_number, text, TODAY)
    assert (answer.code, answer.basis) == (code, "GB 11643-1999")
    assert "请" in answer.message
    assert not text or text not in f"{answer!r} {answer} {answer.details}"


def test_a_person_born_today_has_a_number() -> None:
    body = f"99010120250520{1:03}"
    assert identity.citizen_number(body + check_of(body), TODAY).born_on == TODAY


def test_an_old_number_is_told_apart_from_a_mistyped_one() -> None:
    assert "15位" in refusal(identity.citizen_number, "990101800101001", TODAY).message
    assert "15位" not in refusal(identity.citizen_number, "99010180010100", TODAY).message


def test_a_number_does_not_print_itself() -> None:
    shown = repr(identity.citizen_number(MAN, TODAY))
    assert MAN not in shown
    assert "1899" not in shown


@given(numbers())
def test_every_number_with_the_right_check_is_accepted(number: str) -> None:
    assert identity.citizen_number(number, TODAY).number == number


@given(numbers(), st.integers(0, 16), st.integers(1, 9))
def test_no_single_wrong_digit_passes(number: str, place: int, shift: int) -> None:
    wrong = number[:place] + str((int(number[place]) + shift) % 10) + number[place + 1 :]
    assert refusal(identity.citizen_number, wrong, TODAY).code.startswith("number_")


@given(numbers(), st.integers(0, 15))
def test_no_two_digits_change_places_unnoticed(number: str, place: int) -> None:
    wrong = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    if wrong != number:
        assert refusal(identity.citizen_number, wrong, TODAY).code.startswith("number_")


def test_an_archive_number_of_15_digits_is_upgraded() -> None:
    number = identity.upgrade_15(" 990101 800101 001")
    assert number == "990101198001010014"
    assert identity.citizen_number(number, TODAY).born_on == datetime.date(1980, 1, 1)


@pytest.mark.parametrize("text", ["", "99010180010100", "99010180010100X", MAN])
def test_only_15_digits_are_upgraded(text: str) -> None:
    assert refusal(identity.upgrade_15, text).code == "number_malformed"


@pytest.mark.parametrize(
    "text",
    [
        "11100000000013338W",
        "11110000000021135M",
        "11430000006122244L",
        "11100000MB03271699",
        "11100000MB0341032Y",
        "11370800MB28559184",
        "11421202XYN000014F",
        "11321302XYN000022Q",
        "11371082XYN000030L",
        "11620302XYN0000498",
        "11460400XYN000057E",
        "11100000XYN00009X5",
    ],
)
def test_a_credit_code_with_right_checks_is_accepted(text: str) -> None:
    assert identity.uscc(f" {text.lower()} ") == text
    assert identity.uscc_inner_ok(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("11100000000013338", "uscc_malformed"),
        ("1110000000001333IW", "uscc_malformed"),
        ("111000000000133380", "uscc_wrong_check"),
        ("11100000000013383W", "uscc_wrong_check"),
    ],
)
def test_a_wrong_credit_code_is_refused(text: str, code: str) -> None:
    answer = refusal(identity.uscc, text)
    assert (answer.code, answer.basis) == (code, "GB 32100-2015")


def test_a_wrong_organisation_code_inside_only_deserves_a_warning() -> None:
    assert identity.uscc("11421202XYN000015J") == "11421202XYN000015J"
    assert not identity.uscc_inner_ok("11421202XYN000015J")


@pytest.mark.parametrize(
    ("tail", "card"),
    [
        ("11", identity.DisabilityCard(1, 1, 0)),
        ("44", identity.DisabilityCard(4, 4, 0)),
        ("62", identity.DisabilityCard(6, 2, 0)),
        ("73b2", identity.DisabilityCard(7, 3, 2)),
    ],
)
def test_a_disability_card_says_category_grade_and_reissue(tail: str, card: identity.DisabilityCard) -> None:
    assert identity.disability_card(f"{MAN} {tail}", MAN) == card


@pytest.mark.parametrize("text", ["", MAN, MAN + "01", MAN + "81", MAN + "15", MAN + "11B", "42120218990520013011"])
def test_a_malformed_disability_card_is_refused(text: str) -> None:
    answer = refusal(identity.disability_card, text, MAN)
    assert answer.code == "card_malformed"
    assert MAN not in answer.message


def test_a_disability_card_of_another_person_is_refused() -> None:
    assert refusal(identity.disability_card, MAN + "11", WOMAN).code == "card_of_another_person"
    assert identity.disability_card("46020218990520005X11", "46020218990520005ｘ").category == 1


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("王小明", "王小明"),
        ("  王 小　明\n", "王小明"),
        ("买买提·阿不都拉", "买买提·阿不都拉"),
        ("买买提•阿不都拉", "买买提·阿不都拉"),
        ("买买提 ・ 阿不都拉", "买买提·阿不都拉"),
        ("买买提．阿不都拉", "买买提·阿不都拉"),
        ("买买提.阿不都拉", "买买提·阿不都拉"),
        ("Mary  Ann O'Neil-Smith", "Mary Ann O'Neil-Smith"),
        ("Иван Иванов", "Иван Иванов"),
        ("Ｍａｒｙ", "Mary"),
        ("John Smith Jr.", "John Smith Jr."),
        ("Jose\u0301", "Jos\u00e9"),
        ("李〇", "李〇"),
        ("王䶮", "王䶮"),
        ("王\U00020bb7", "王\U00020bb7"),  # beyond the first plane
        ("王\U000323af", "王\U000323af"),  # younger than some Pythons' tables
        ("王\ue863", "王\ue863"),  # still without a code of its own
        ("曲", "曲"),
        ("那" * 50, "那" * 50),
    ],
)
def test_a_name_is_written_as_the_register_writes_it(text: str, name: str) -> None:
    assert identity.person_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "那" * 51,
        "王3",
        "王３",
        "王①",
        "王\u0007明",
        "王\u200b明",
        "王\t明",
        "王😀",
        "王❤️",
        "王\ufe0f",
        "王_明",
        "·王",
        "王·",
        "王··明",
        "-",
        "王;明",
        "<b>王</b>",
        "王（小）明",
        "\u0301王",
    ],
)
def test_digits_signs_and_pictures_are_no_name(text: str) -> None:
    assert refusal(identity.person_name, text).code == "name_malformed"


@given(st.text(max_size=60))
@example("王 .·明")
def test_a_name_once_accepted_does_not_change_again(text: str) -> None:
    try:
        name = identity.person_name(text)
    except Refused:
        return
    assert identity.person_name(name) == name
    assert not any(character.isdigit() or not character.isprintable() for character in name if character < "\ue000")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("13800000000", "13800000000"),
        ("138 0000 0000", "13800000000"),
        ("138-0000-0000", "13800000000"),
        ("１３８００００００００", "13800000000"),
        ("+86 13800000000", "13800000000"),
        ("0086-13800000000", "13800000000"),
        ("8613800000000", "13800000000"),
        ("0931-1234567", ""),
        ("0931-8234567", "0931-8234567"),
        ("(0931) 8234567", "0931-8234567"),
        ("09318234567", "0931-8234567"),
        ("+86 931 8234567", "0931-8234567"),
        ("+86 (0)10 82345678", "010-82345678"),
        ("010 8234 5678", "010-82345678"),
        ("0755—82345678", "0755-82345678"),
        ("010-8234567", ""),
        ("8234567", ""),
        ("12800000000", ""),
        ("1380000000", ""),
        ("+1 212 555 0100", ""),
        ("", ""),
        ("一三八", ""),
    ],
)
def test_a_telephone_is_a_mainland_mobile_or_landline(text: str, number: str) -> None:
    if number:
        assert identity.phone(text) == number
    else:
        assert refusal(identity.phone, text).code == "phone_malformed"


@pytest.mark.parametrize(
    ("mask", "text", "shown"),
    [
        (identity.mask_number, MAN, "421***********0133"),
        (identity.mask_number, "990101800101001", "990********1001"),
        (identity.mask_number, "E123456", "*******"),
        (identity.mask_name, "王芳", "王*"),
        (identity.mask_name, "王小明", "王*明"),
        (identity.mask_name, "买买提·阿不都拉", "买******拉"),
        (identity.mask_name, "曲", "*"),
        (identity.mask_name, "", ""),
        (identity.mask_phone, "13800001234", "138****1234"),
        (identity.mask_phone, "0931-8234567", "093*****4567"),
        (identity.mask_card, "6222000000001234", "************1234"),
        (identity.mask_card, "1234", "****"),
    ],
)
def test_masking_leaves_only_what_recognises(mask: Callable[[str], str], text: str, shown: str) -> None:
    assert mask(text) == shown
