"""证照标识: the public samples, and which slips of a pen its check character finds."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.certificate import rules
from shared.errors import Refused

ROOT = "1.2.156.3005.2."
PUBLIC = [  # tails of identifiers that governments have published
    "11100000000013338W011.11430000006122244L.20230000403.001.U",
    "11100000000013338W011.11430000006122244L.20230000403.002.S",
    "11100000000013338W009.11330105002500287C.2025052201.002.0",
]
MADE_UP = [
    "11100000XYN00009X5001.11421202XYN000014F.2025000001.001.Q",
    "11100000XYN00009X5001.11421202XYN000014F.2025000001.002.O",
    "11100000XYN00009X5002.11371082XYN000030L.2025000002.001.4",
    "11100000XYN00009X5002.11371082XYN000030L.2025000002.002.2",
    "11100000XYN00009X5003.11460400XYN000057E.B0000000000000000001.001.U",
    "11100000XYN00009X5003.11460400XYN000057E.B0000000000000000001.002.S",
]
TYPE, ISSUER = "11100000XYN00009X5011", "11620102XYN0012366"
SERIALS = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=32)


def made(serial: str, version: int = 1) -> str:
    return rules.identifier(TYPE, ISSUER, serial, version)


@pytest.mark.parametrize("tail", PUBLIC + MADE_UP)
def test_a_known_identifier_has_the_check_character_we_compute(tail: str) -> None:
    kind, issuer, serial, version, check = tail.split(".")
    assert rules.check_character(kind + issuer + serial + version) == check
    assert rules.identifier(kind, issuer, serial, int(version)) == ROOT + tail
    assert rules.is_identifier(ROOT + tail)


@given(SERIALS, st.integers(1, 999))
def test_every_identifier_we_make_is_one(serial: str, version: int) -> None:
    assert rules.is_identifier(made(serial, version))


@given(SERIALS, st.data())
def test_one_wrong_character_anywhere_is_found(serial: str, data: st.DataObject) -> None:
    good = made(serial)
    place = data.draw(st.sampled_from([n for n in range(len(ROOT), len(good)) if good[n] != "."]))
    wrong = data.draw(st.sampled_from(rules.ALPHABET.replace(good[place], "")))
    assert not rules.is_identifier(good[:place] + wrong + good[place + 1 :])


def transposed(text: str, place: int) -> str:
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


@given(SERIALS, st.data())
def test_two_neighbours_that_changed_places_are_found_but_for_the_pair_the_method_is_blind_to(
    serial: str, data: st.DataObject
) -> None:
    """MOD 37,36 finds every transposition of neighbours in some place of the running sum, and nearly all in each."""
    good = made(serial)
    places = [n for n in range(len(ROOT), len(good) - 1) if "." not in good[n : n + 2] and good[n] != good[n + 1]]
    assume(places)
    swapped = transposed(good, data.draw(st.sampled_from(places)))
    body = swapped.removeprefix(ROOT).replace(".", "")
    assert rules.is_identifier(swapped) == (rules.check_character(body[:-1]) == body[-1])


def test_of_all_transpositions_of_neighbours_nearly_all_are_found() -> None:
    tried = found = 0
    for number in range(300):
        good = made(f"2025{number:06d}")
        for place in range(len(ROOT), len(good) - 1):
            if "." not in good[place : place + 2] and good[place] != good[place + 1]:
                tried += 1
                found += not rules.is_identifier(transposed(good, place))
    assert tried > 5000
    assert found / tried > 0.97


@pytest.mark.parametrize(
    "text",
    [
        "",
        PUBLIC[0],
        ROOT + PUBLIC[0].lower(),
        ROOT + PUBLIC[0] + "0",
        ROOT + PUBLIC[0].replace(".001.", ".01."),
        "1.2.156.3005.3." + PUBLIC[0],
        ROOT.replace(".", "x") + PUBLIC[0],
        ROOT + PUBLIC[0] + "\n",
        ROOT + PUBLIC[0].replace("20230000403", ""),
        ROOT + PUBLIC[0].replace("2023", "２０２３"),
    ],
)
def test_what_only_looks_like_an_identifier_is_none(text: str) -> None:
    assert not rules.is_identifier(text)


@pytest.mark.parametrize(
    ("kind", "issuer"),
    [
        (TYPE, ""),
        (TYPE, ISSUER[:-1]),
        (TYPE, ISSUER + "0"),
        (TYPE, ISSUER[:-1] + "I"),  # a credit code has no I, O, S, V, Z
        (TYPE, ISSUER.lower()),
        (TYPE[:-1], ISSUER),
        (TYPE[:-1] + "-", ISSUER),
    ],
)
def test_no_identifier_is_made_of_codes_that_are_none(kind: str, issuer: str) -> None:
    with pytest.raises(Refused, match="issuer_code_invalid"):
        rules.identifier(kind, issuer, "2025000001", 1)


def test_serial_numbers_begin_with_their_year_and_never_meet() -> None:
    assert [rules.serial(2025, number) for number in (1, 999_999)] == ["2025000001", "2025999999"]
    assert len({rules.serial(year, n) for year in (2025, 2026) for n in (1, 10, 999_999, 1_000_000)}) == 8
