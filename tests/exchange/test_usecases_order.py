"""What overtakes what: a word that comes behind the one with which its city gave the case back."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from contracts.envelope import decode
from contracts.exchange import MessageQuarantinedV1
from contracts.intake import ApplicationProgressedV1, ApplicationRedirectedV1
from services.exchange.store import tables
from services.exchange.usecases import quarantine, receiving
from services.exchange.usecases.sending import accept_batch
from services.exchange.usecases.wire import drafted
from shared import clock
from shared.errors import Denied
from tests.exchange.cities import City, closed, delivery, forwarded, handed_over, progressed, redirected, types

PROGRESSED, REDIRECTED = ApplicationProgressedV1.type, ApplicationRedirectedV1.type


@pytest.mark.parametrize("together", [True, False])
def test_a_word_that_its_hand_back_overtook_at_home_is_sent_behind_it(
    together: bool, sanya: City, lanzhou: City
) -> None:
    case = handed_over(sanya, lanzhou)
    late, back = progressed(lanzhou, case, version=2), redirected(lanzhou, case, version=3)
    if together:
        assert accept_batch(lanzhou.works, [back, late]) == [None, None]
    else:
        assert [accept_batch(lanzhou.works, [body]) for body in (back, late)] == [[None], [None]]
    assert types(sanya.gets(*lanzhou.sends())) == [REDIRECTED, PROGRESSED]
    assert sanya.codes() == lanzhou.codes() == []


@pytest.mark.parametrize("together", [True, False])
def test_a_word_that_its_hand_back_overtook_on_the_way_is_let_in_behind_it(
    together: bool, sanya: City, lanzhou: City
) -> None:
    case = handed_over(sanya, lanzhou)
    late, back = lanzhou.sends(progressed(lanzhou, case, version=2), redirected(lanzhou, case, version=3))
    came = sanya.gets(back, late) if together else [*sanya.gets(back), *sanya.gets(late)]
    assert types(came) == [REDIRECTED, PROGRESSED]
    assert sanya.codes() == []
    assert sanya.rows(tables.gaps) == []


def test_in_their_own_order_they_pass_and_both_cities_know_the_last_word(sanya: City, lanzhou: City) -> None:
    case = handed_over(sanya, lanzhou)
    parcels = lanzhou.sends(progressed(lanzhou, case, version=2), redirected(lanzhou, case, version=3))
    assert types(sanya.gets(*parcels)) == [PROGRESSED, REDIRECTED]
    for city in (sanya, lanzhou):
        [part] = [row for row in city.rows(tables.case_roles) if row.role == "competent"]
        assert (part.active, part.last_leg, part.last_version) == (False, 2, 3)


def test_a_late_word_is_let_in_although_the_case_was_handed_on_meanwhile(
    sanya: City, lanzhou: City, weihai: City
) -> None:
    case = handed_over(sanya, lanzhou)
    late, back = lanzhou.sends(progressed(lanzhou, case, version=2), redirected(lanzhou, case, version=3))
    sanya.gets(back)
    weihai.gets(*sanya.sends(forwarded(sanya, case, weihai.code)))
    assert types(sanya.gets(late)) == [PROGRESSED]


FORGED: dict[str, Callable[[City, str], str]] = {
    "newer than its hand-back": lambda city, case: progressed(city, case, version=4),
    "as its hand-back": lambda city, case: progressed(city, case, version=3),
    "of a version it spoke of already": lambda city, case: progressed(city, case, version=1),
    "of no version": lambda city, case: progressed(city, case, version=0),
    "that ends the case": lambda city, case: closed(city, case, version=2),
    "that gives the case back again": lambda city, case: redirected(city, case, version=2),
    "of the leg of whoever comes after it": lambda city, case: progressed(city, case, version=1, leg_no=3),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_city_that_gave_a_case_back_says_nothing_new_of_it(
    forge: Callable[[City, str], str], sanya: City, lanzhou: City
) -> None:
    case = handed_over(sanya, lanzhou)
    said = lanzhou.sends(progressed(lanzhou, case, version=1), redirected(lanzhou, case, version=3))
    body = forge(lanzhou, case)
    [refused] = accept_batch(lanzhou.works, [body])
    assert "wrong_role" in str(refused)

    sanya.gets(*said)
    sent_all_the_same = drafted(lanzhou.works.node, lanzhou.works.node.directory, body, clock.now()).message
    receiving.receive_batch(sanya.works, [lanzhou.signed(replace(sent_all_the_same, seq=3))])
    assert sanya.codes() == ["wrong_role"]
    assert [decode(told).type for told in sanya.told()] == [MessageQuarantinedV1.type]


def test_a_city_speaks_of_the_leg_it_was_handed_and_of_no_other(sanya: City, lanzhou: City) -> None:
    case = handed_over(sanya, lanzhou)
    for body in (progressed(lanzhou, case, version=1, leg_no=3), redirected(lanzhou, case, version=1000, leg_no=3)):
        [refused] = accept_batch(lanzhou.works, [body])
        assert "wrong_role" in str(refused)


def test_what_was_quarantined_as_late_before_is_let_in_by_its_release(sanya: City, lanzhou: City) -> None:
    case = handed_over(sanya, lanzhou)
    late, back = lanzhou.sends(progressed(lanzhou, case, version=2), redirected(lanzhou, case, version=3))
    sanya.gets(back)
    with sanya.works.begin() as work:
        quarantine.keep(work, delivery(late), Denied("wrong_role", "as an older release said"))
    sanya.told()
    [row] = quarantine.list_quarantined(sanya.works)
    assert receiving.release(sanya.works, row.id)
    assert types([decode(told) for told in sanya.told()]) == [PROGRESSED]
