"""What a city does with the rest of a case that it has sent back as misdirected: nothing of it stays there."""

import itertools

import pytest
from sqlalchemy import select

from contracts.exchange import MessageMisdirectedV1, MessageQuarantinedV1
from contracts.intake import ApplicationForwardedV1, ApplicationWithdrawnV1, FileChunkSentV1
from services.exchange import rules
from services.exchange.store import tables
from services.exchange.usecases import receiving
from tests.exchange.cities import (
    WEIHAI,
    City,
    chunk,
    delivery,
    forwarded,
    handed_over,
    new_case,
    redirected,
    types,
    withdrawn,
)

CHUNK, MISDIRECTED = FileChunkSentV1.type, MessageMisdirectedV1.type


def astray(sanya: City, case: str, leg_no: int = 2) -> list[rules.Parcel]:
    """A hand-over to a city that does not answer for the division, a piece of its file, its withdrawal."""
    opens = forwarded(sanya, case, division=WEIHAI, leg_no=leg_no)
    return sanya.sends(opens, chunk(sanya, case, leg_no=leg_no), withdrawn(sanya, case, leg_no=leg_no))


def nothing_stays(city: City) -> bool:
    return city.rows(tables.quarantine) == city.rows(tables.gaps) == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("together", [True, False])
def test_nothing_of_a_case_that_was_sent_back_stays_whatever_comes_first(
    order: tuple[int, ...], together: bool, sanya: City, lanzhou: City
) -> None:
    parcels = astray(sanya, new_case())
    coming = [parcels[place] for place in order]
    for batch in [coming] if together else [[parcel] for parcel in coming]:
        receiving.receive_batch(lanzhou.works, [delivery(parcel) for parcel in batch])
    assert {told.type for told in lanzhou.gets()} <= {MISDIRECTED, MessageQuarantinedV1.type}
    assert nothing_stays(lanzhou)
    assert sorted(row.seq for row in lanzhou.rows(tables.exchange_log)) == [1, 2, 3]
    assert lanzhou.rows(tables.case_roles) == []
    assert lanzhou.gets(*parcels) == []  # and nothing happens when it comes again
    assert nothing_stays(lanzhou)


def test_of_a_dropped_piece_only_its_hash_is_left(sanya: City, lanzhou: City) -> None:
    lanzhou.gets(*astray(sanya, new_case())[:2])
    with lanzhou.works.begin() as work:
        body = select(tables.exchange_log.c.body).where(tables.exchange_log.c.type == CHUNK)
        assert list(work.execute(body).scalars()) == [None]


def test_a_case_that_is_handed_over_rightly_later_gets_its_files(sanya: City, lanzhou: City) -> None:
    case = new_case()
    lanzhou.gets(*astray(sanya, case))
    opens, piece = sanya.sends(forwarded(sanya, case, leg_no=3), chunk(sanya, case, leg_no=3))
    assert lanzhou.gets(piece) == []
    assert lanzhou.codes() == ["case_unknown"]  # it is early, and waits
    assert types(lanzhou.gets(opens)) == [ApplicationForwardedV1.type, CHUNK]
    assert lanzhou.codes() == []


def test_a_city_that_had_the_case_before_keeps_nothing_of_a_leg_it_sent_back(sanya: City, lanzhou: City) -> None:
    case = handed_over(sanya, lanzhou)
    late = sanya.sends(chunk(sanya, case, leg_no=2))
    lanzhou.sends(redirected(lanzhou, case))
    assert types(lanzhou.gets(*astray(sanya, case, leg_no=3))) == [MISDIRECTED]
    assert lanzhou.rows(tables.quarantine) == []
    assert types(lanzhou.gets(*late)) == [CHUNK]
    assert nothing_stays(lanzhou)


def test_only_what_its_own_sender_says_of_it_is_dropped(sanya: City, lanzhou: City, weihai: City) -> None:
    case = new_case()
    lanzhou.gets(*astray(sanya, case))
    weihai.sends(forwarded(weihai, case))  # another city claims the case
    lanzhou.gets(*weihai.sends(chunk(weihai, case, leg_no=2), withdrawn(weihai, case)))
    assert lanzhou.codes() == ["case_unknown", "case_unknown"]


def test_a_message_of_a_case_that_is_held_is_let_in(sanya: City, lanzhou: City) -> None:
    case = handed_over(sanya, lanzhou)
    parcels = sanya.sends(chunk(sanya, case, leg_no=2), withdrawn(sanya, case))
    assert types(lanzhou.gets(*parcels)) == [CHUNK, ApplicationWithdrawnV1.type]
