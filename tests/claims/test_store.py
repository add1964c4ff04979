"""Under real parallel transactions: one live claim on a key, and answers that do not pass each other."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from contracts import claims as said
from contracts.envelope import Json, decode
from services.claims import service
from services.claims.rules.guard import Duty, Guard
from services.claims.store import ledger, lists
from services.claims.store.tables import attempts, claims, guards, metadata
from shared import clock
from shared.audit import audit_metadata
from shared.bus import Outcome
from shared.outbox import Works, outbox
from tests.builders import HandClock
from tests.claims.town import HE, SANYA, SU, SUQIAN, Town, later
from tests.replay import a_message, handled_at_once, works_on_postgres
from tests.servers import Database

OFFICE = {"code": "460204", "name": "某登记处", "node": SUQIAN, "phone": ""}
WISH = {"prefix": "990102", "epoch": 1}


@pytest.fixture
def works(town: Town, postgres: Database) -> Iterator[Works]:
    """宿迁's claims on PostgreSQL."""
    made = works_on_postgres(postgres, town[SUQIAN].node, "claims", metadata, audit_metadata)
    with made.begin() as work:  # the first wish of all makes all others wait for it
        ledger.add_guard(work, Guard("990102", 1, Duty.ACTIVE))
    yield made
    made.engine.dispose()


def a_wish(works: Works, claim_id: str, subject: Json = HE) -> str:
    data = WISH | {"claim_id": claim_id, "kind": "marriage", "office": OFFICE}
    return a_message(works.node, said.ReserveClaimV1, clock.new_id(), data, {"subject": subject})


def about(works: Works, contract: type[said.Wish], claim_id: str, **more: Any) -> str:
    return a_message(works.node, contract, clock.new_id(), WISH | {"claim_id": claim_id} | more)


def told(works: Works) -> list[str]:
    with works.begin() as work:
        return sorted(decode(body).type.split(".")[1] for body in work.execute(select(outbox.c.body)).scalars())


def states(works: Works) -> list[str]:
    with works.begin() as work:
        return sorted(work.execute(select(claims.c.state)).scalars())


def test_of_eight_who_ask_for_one_key_at_the_same_moment_one_has_it(works: Works) -> None:
    wishes = [a_wish(works, clock.new_id()) for _ in range(8)]
    assert handled_at_once(service.doors(), works, wishes) == [Outcome.DONE] * 8
    assert states(works) == ["ended"] * 7 + ["held"]
    assert told(works) == ["claim_denied"] * 7 + ["claim_held"]


def test_of_eight_first_wishes_at_the_same_moment_each_finds_the_one_guard(works: Works) -> None:
    with works.begin() as work:
        work.execute(delete(guards))
    wishes = [a_wish(works, clock.new_id(), HE | {"id_number": f"9901021975031201{n:02}"}) for n in range(8)]
    assert handled_at_once(service.doors(), works, wishes) == [Outcome.DONE] * 8
    assert set(states(works)) == {"held"}
    with works.begin() as work:
        assert len(work.execute(select(guards)).all()) == 1


def test_two_documents_of_one_person_at_the_same_moment_are_doubted_once(works: Works) -> None:
    other = HE | {"id_number": "990102197503120194"}
    handled_at_once(service.doors(), works, [a_wish(works, clock.new_id(), about) for about in (HE, other) * 4])
    with works.begin() as work:
        rows = work.execute(select(claims.c.doubted).where(claims.c.state == "held")).scalars().all()
    assert sorted(rows) == [False, True]


def test_a_reservation_and_its_release_at_the_same_moment_leave_nothing_live(works: Works) -> None:
    tokens = [clock.new_id() for _ in range(8)]
    for number, token in enumerate(tokens):
        subject = HE | {"id_number": f"9901021975031201{number:02}"}
        both = [a_wish(works, token, subject), about(works, said.ReleaseClaimV1, token, why="given_up")]
        assert handled_at_once(service.doors(), works, both) == [Outcome.DONE] * 2
    assert states(works) == ["ended"] * 8


def test_a_lock_and_a_newcomer_at_the_end_of_a_lease_do_not_both_win(works: Works, hand: HandClock) -> None:
    entrance = service.doors()
    for _ in range(4):
        token = clock.new_id()
        subject = HE | {"id_number": f"99010219750312{hand.at.hour:04}"}
        entrance.handle(works, a_wish(works, token, subject))
        later(hand, minutes=120)
        both = [about(works, said.ConfirmClaimV1, token), a_wish(works, clock.new_id(), subject)]
        handled_at_once(entrance, works, both)
    with works.begin() as work:
        live = work.execute(select(claims.c.key_index).where(claims.c.state != "ended")).scalars().all()
    assert len(live) == len(set(live)) == 4


def test_the_database_itself_refuses_a_second_live_claim_on_a_key(works: Works) -> None:
    service.doors().handle(works, a_wish(works, clock.new_id()))
    with works.begin() as work:
        row = dict(work.execute(select(claims)).mappings().one()) | {"claim_id": clock.new_id()}
    with pytest.raises(IntegrityError, match="claims_one_live"), works.begin() as work:
        work.execute(insert(claims), row | {"state": "locked"})
    with works.begin() as work:
        work.execute(insert(claims), row | {"state": "ended"})


def test_a_claim_locked_meanwhile_is_not_ended_by_whoever_read_it_as_held(works: Works, hand: HandClock) -> None:
    token = clock.new_id()
    service.doors().handle(works, a_wish(works, token))
    with works.begin() as work:
        _, entry = ledger.find_claim(work, token, "")
    assert entry
    assert entry.live
    service.doors().handle(works, about(works, said.ConfirmClaimV1, token))
    with works.begin() as work:
        ledger.end_claim(work, entry.live, "ended")
    assert states(works) == ["locked"]


@pytest.mark.parametrize("number", range(3))
def test_answers_of_two_authorities_at_the_same_moment_both_count(works: Works, number: int) -> None:
    case_id, asked, entrance = clock.new_id(), {"attempt": clock.new_id(), "asked_by": "marriage"}, service.doors()
    first = asked | {"kind": "marriage", "office": OFFICE}
    pair = {"subjects": [HE, HE | {"id_number": f"99010219760312{number:04}"}]}  # both are its own
    entrance.handle(works, a_message(works.node, said.ReserveClaimsV1, case_id, first, pair))
    with works.begin() as work:
        tokens = [decode(body).data["claim_id"] for body in work.execute(select(outbox.c.body)).scalars()]
    until = {"epoch": 1, "until": clock.iso(clock.now())}
    held = [
        a_message(works.node, said.ClaimHeldV1, case_id, {"claim_id": token} | until)
        for token in tokens
        for _ in (1, 2)
    ]
    handled_at_once(entrance, works, held)
    assert told(works).count("claims_held") == 1
    with works.begin() as work:
        assert work.execute(select(attempts.c.step)).scalars().all() == ["held"]


def test_one_attempt_asked_for_eight_times_at_once_is_one_attempt(works: Works) -> None:
    case_id, asked = clock.new_id(), {"attempt": clock.new_id(), "asked_by": "marriage"}
    data, pair = asked | {"kind": "marriage", "office": OFFICE}, {"subjects": [HE, SU]}
    asks = [a_message(works.node, said.ReserveClaimsV1, case_id, data, pair) for _ in range(8)]
    assert sorted(map(str, handled_at_once(service.doors(), works, asks))) == ["done"] + ["stale"] * 7
    assert told(works).count("reserve_claim") == 2


def test_lists_for_people_read_the_same_from_postgresql(works: Works, hand: HandClock) -> None:
    entrance, token, other = service.doors(), clock.new_id(), clock.new_id()
    entrance.handle(works, a_wish(works, token))
    entrance.handle(works, about(works, said.ConfirmClaimV1, token))
    entrance.handle(works, a_wish(works, other, HE | {"id_number": "990102197503120194"}))
    later(hand, days=8)
    with works.begin() as work:
        assert [row["claim_id"] for row in lists.list_old_locks(work, 7)] == [token]
        assert [(row["claim_id"], row["other"]) for row in lists.list_doubts(work)] == [(other, token)]
        assert {(row["state"], row["number"]) for row in lists.count_claims(work)} == {("held", 1), ("locked", 1)}
        assert SANYA not in str(lists.list_doubts(work))
    service.sweep(works)
    assert states(works) == ["ended", "locked"]
    service.say_again(works)
