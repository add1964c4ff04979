"""Under real parallel transactions: what was ruled is in the ledger that leaves, and nothing is ruled on afterwards.

Nor does a claim end that is being locked at that moment.
"""

import dataclasses
import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import insert, select

from contracts import claims as said
from contracts.envelope import Contract, Json, decode, encode
from services.claims import service
from services.claims.rules.guard import Duty, Guard
from services.claims.store import ledger
from services.claims.store.tables import claims, guards, metadata
from services.claims.usecases import authority, handing
from shared import clock
from shared.audit import audit_metadata
from shared.bus import Outcome
from shared.crypto.personal import open_personal
from shared.outbox import Work, Works, outbox
from tests.builders import HandClock
from tests.claims.town import HE, LANZHOU, SANYA, SUQIAN, Town, later
from tests.replay import a_message, at_once, handled_at_once, works_on_postgres
from tests.servers import Database

PREFIX = "990102"
OFFICE = {"code": "460204", "name": "某登记处", "node": SUQIAN, "phone": ""}
PATIENCE = 3  # seconds in which whatever does not wait is done


def on_postgres(town: Town, postgres: Database, code: str) -> Iterator[Works]:
    made = works_on_postgres(postgres, town[code].node, "claims", metadata, audit_metadata)
    yield made
    made.engine.dispose()


@pytest.fixture
def works(town: Town, postgres: Database) -> Iterator[Works]:
    """宿迁's claims on PostgreSQL."""
    for made in on_postgres(town, postgres, SUQIAN):
        with made.begin() as work:
            ledger.add_guard(work, Guard(PREFIX, 1, Duty.ACTIVE))
        yield made


@pytest.fixture
def there(town: Town, postgres: Database) -> Iterator[Works]:
    """兰州's claims on PostgreSQL."""
    yield from on_postgres(town, postgres, LANZHOU)


def a_wish(works: Works, claim_id: str, number: int = 17) -> str:
    data = {"prefix": PREFIX, "epoch": 1, "claim_id": claim_id, "kind": "marriage", "office": OFFICE}
    subject = HE | {"id_number": f"9901021975031201{number:02}", "name": f"甲{number}"}
    return a_message(works.node, said.ReserveClaimV1, clock.new_id(), data, {"subject": subject})


def hand_over(work: Work) -> None:
    handing.hand_over(work, PREFIX, LANZHOU)


def told(works: Works, contract: type[Contract]) -> list[str]:
    with works.begin() as work:
        bodies = work.execute(select(outbox.c.body)).scalars().all()
    return [body for body in bodies if decode(body).type == contract.type]


def sent(works: Works) -> list[str]:
    """The tokens that are live in the ledger that left."""
    pieces = [decode(body) for body in told(works, said.HandOverLedgerV1)]
    rows = [row for piece in pieces for row in open_personal(works.node, said.HandOverLedgerV1, piece)["rows"]]
    return sorted(row["claim_id"] for row in rows if row["state"] != "ended")


def held(works: Works) -> list[str]:
    with works.begin() as work:
        return sorted(work.execute(select(claims.c.claim_id).where(claims.c.state == "held")).scalars())


def meanwhile(first: Callable[[threading.Event, threading.Event], None], second: Callable[[], object]) -> bool:
    """Do the first up to its last moment, then the second beside it; whether the second waited for its end."""
    ready, finish, done = threading.Event(), threading.Event(), threading.Event()

    def after() -> None:
        ready.wait(30)
        second()
        done.set()

    def release() -> bool:
        ready.wait(30)
        waited = not done.wait(PATIENCE)
        finish.set()
        return waited

    first_end, second_end, waited = at_once([lambda: first(ready, finish), after, release])
    assert (first_end, second_end) == (None, None)
    return bool(waited)


def test_a_ruling_in_hand_is_committed_before_the_ledger_is_read(works: Works) -> None:
    token = clock.new_id()

    def rule(ready: threading.Event, finish: threading.Event) -> None:
        with works.once(decode(a_wish(works, token))) as work:
            authority.reserve_claim(work)
            ready.set()
            finish.wait(30)

    def freeze() -> None:
        with works.begin() as work:
            hand_over(work)

    assert meanwhile(rule, freeze), "who freezes waits for whoever rules"
    assert sent(works) == [token]


def test_a_wish_that_comes_while_the_ledger_is_read_is_put_off(works: Works) -> None:
    def freeze(ready: threading.Event, finish: threading.Event) -> None:
        with works.begin() as work:
            hand_over(work)
            ready.set()
            finish.wait(30)

    assert meanwhile(freeze, lambda: service.doors().handle(works, a_wish(works, clock.new_id())))
    assert (sent(works), held(works)) == ([], [])
    assert [decode(body).data["why"] for body in told(works, said.ClaimDeferredV1)] == ["frozen"]


def test_two_rulings_on_one_prefix_do_not_wait_for_each_other(works: Works) -> None:
    def rule(ready: threading.Event, finish: threading.Event) -> None:
        with works.once(decode(a_wish(works, clock.new_id(), 18))) as work:
            authority.reserve_claim(work)
            ready.set()
            finish.wait(30)

    assert not meanwhile(rule, lambda: service.doors().handle(works, a_wish(works, clock.new_id(), 19)))
    assert len(held(works)) == 2


def test_whatever_was_granted_in_the_moment_of_the_freeze_has_left_with_the_ledger(works: Works) -> None:
    wishes = [a_wish(works, clock.new_id(), number) for number in range(7)]
    entrance = service.doors()

    def freeze() -> None:
        with works.begin() as work:
            hand_over(work)

    at_once([freeze, *[lambda body=body: entrance.handle(works, body) for body in wishes]])
    assert sent(works) == held(works)
    assert len(told(works, said.ClaimHeldV1)) == len(held(works))
    assert len(told(works, said.ClaimDeferredV1)) == 7 - len(held(works))


def test_pieces_that_arrive_at_the_same_moment_are_taken_over_once(works: Works, there: Works) -> None:
    ended: Json = {column.name: "" for column in claims.c} | {"office": None, "subject": None, "prefix": PREFIX}
    ended |= {"kind": "marriage", "holder": SANYA, "state": "ended", "renewals": 0, "issued": False, "doubted": False}
    with works.begin() as work:
        work.execute(insert(claims), [ended | {"claim_id": clock.new_id()} for _ in range(700)])
        hand_over(work)
    letters = []
    for body in told(works, said.HandOverLedgerV1):
        private = open_personal(works.node, said.HandOverLedgerV1, decode(body))
        letter = a_message(there.node, said.HandOverLedgerV1, PREFIX, decode(body).data, private)
        letters.append(encode(dataclasses.replace(decode(letter), source=SUQIAN)))
    assert len(letters) == 4
    assert handled_at_once(service.doors(), there, letters) == [Outcome.DONE] * 4
    with there.begin() as work:
        assert len(work.execute(select(claims.c.claim_id)).all()) == 700
        assert [tuple(row) for row in work.execute(select(guards.c.epoch, guards.c.duty))] == [(2, "active")]
    assert len(told(there, said.LedgerTakenOverV1)) == 1


# --- a claim that is being locked -----------------------------------------------------------------------------------------


def confirmed_meanwhile(works: Works, second: Callable[[], object]) -> bool:
    """Reserve a claim, and do the second beside its confirmation; whether that waited."""
    token = clock.new_id()
    service.doors().handle(works, a_wish(works, token))
    wish = {"prefix": PREFIX, "epoch": 1, "claim_id": token}
    letter = a_message(works.node, said.ConfirmClaimV1, clock.new_id(), wish)

    def confirm(ready: threading.Event, finish: threading.Event) -> None:
        with works.once(decode(letter)) as work:
            authority.confirm_claim(work)
            ready.set()
            finish.wait(30)

    return meanwhile(confirm, second)


def states(works: Works) -> list[str]:
    with works.begin() as work:
        return list(work.execute(select(claims.c.state)).scalars())


def test_nobody_hears_that_a_claim_is_given_up_which_is_locked_in_that_moment(works: Works) -> None:
    asked = {"prefix": PREFIX, "epoch": 1, "office": "620100-marry", "kind": "marriage"}
    subject = HE | {"id_number": "990102197503120117", "name": "甲17"}
    letter = a_message(works.node, said.DropClaimV1, clock.new_id(), asked, {"subject": subject})
    assert confirmed_meanwhile(works, lambda: service.doors().handle(works, letter)), (
        "who drops waits for whoever confirms"
    )
    assert states(works) == ["locked"]
    assert [decode(body).data["found"] for body in told(works, said.ClaimDroppedV1)] == [False]
    assert told(works, said.ClaimDeniedV1) == []


def test_no_lease_is_swept_of_a_claim_that_is_locked_in_that_moment(works: Works, hand: HandClock) -> None:
    def sweep() -> None:
        later(hand, minutes=121)
        service.sweep(works)

    assert confirmed_meanwhile(works, sweep), "who sweeps waits for whoever confirms"
    assert (states(works), told(works, said.ClaimDeniedV1)) == (["locked"], [])
