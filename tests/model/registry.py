"""An authority: its guard and its ledger of one prefix, with the commits it makes."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from services.claims.rules import guard as guards
from services.claims.rules import ledger, recovery
from services.claims.rules.guard import Answer, Authority, Duty, Guard
from services.claims.rules.ledger import Claim, Ruling, State, Verdict
from shared.errors import OutOfStep, TongbanError
from tests.model.world import LATER, NOW, PASSED, PUT_OFF, Commit, EarlyError, Happenings, Message, World

ANSWERS = {
    Verdict.HELD: "claim_held",
    Verdict.LOCKED: "claim_locked",
    Verdict.RELEASED: "claim_released",
    Verdict.DENIED: "claim_denied",
    Verdict.NOTED: "claim_issue_noted",
}
Lives = tuple[tuple[str, Claim], ...]


@dataclass(frozen=True)
class Book:
    """What an authority has committed for a prefix: its guard, live claims by person, tombstones."""

    node: str
    first: Authority  # the directory's first row of the prefix
    guard: Guard | None
    lives: Lives = ()
    ended: frozenset[str] = frozenset()
    copy: "Book | None" = None  # what a restore would bring back
    restored: bool = False
    heard: frozenset[str] = frozenset()  # the holders that have restated …
    restated: frozenset[str] = frozenset()  # … and what they said is locked


def empty_book(world: World, node: str) -> Book:
    """A ledger before the first claim; a successor's is not there yet."""
    owner = world.setting.guards[0][0] if node == world.setting.successor else node
    first = Authority(owner, owner, guards.FIRST_EPOCH)
    return Book(node, first, guards.first_guard(first, node))


def hear(world: World, book: Book, message: Message) -> Iterator[Commit]:
    """What the handling of a message may leave behind."""
    if message.word == "claims_restated":
        yield _hear_restated(world, book, message)
        return
    for listed in world.setting.listings(book.first):
        if message.word == "hand_over_ledger":
            yield _hear_ledger(book, message, listed)
        elif message.word == "ledger_taken_over":
            yield _note_taken_over(book, message, listed)
        else:
            yield from _meet(world, book, message, listed)


def _meet(world: World, book: Book, wish: Message, listed: Authority) -> Iterator[Commit]:
    """A wish is ruled on, sent on, or put off: then it has left nothing behind, and is said again."""
    meeting = world.rules.meet(book.guard, wish.epoch, listed, ends=wish.word == "release_claim")
    if meeting.answer is Answer.RULE:
        yield _ruled(book, wish.key, _ruling(world, book, wish), wish.about, wish.source)
    elif meeting.answer is Answer.REDIRECT:
        to = meeting.to.node or book.node
        word = Message("claim_redirected", book.node, wish.source, wish.about, epoch=meeting.to.epoch, rest=(to,))
        yield Commit(book, (word,))
    elif world.setting.timer != PUT_OFF:
        yield Commit(book)  # handled: what is not said again now is lost


def _ruling(world: World, book: Book, wish: Message) -> Ruling:
    live = dict(book.lives).get(wish.key)
    if wish.word == "reserve_claim":
        asked = Claim(wish.about, wish.source, State.HELD, LATER)
        return world.rules.reserve(live, asked, NOW, ended=wish.about in book.ended)
    if wish.word == "confirm_claim":
        return world.rules.confirm(live, wish.about, wish.source, NOW)
    if wish.word == "renew_claim":
        return ledger.renew(live, wish.about, wish.source, NOW, LATER, world.setting.renews)
    if wish.word == "note_claim_issued":
        return ledger.note_issued(live, wish.about, wish.source)
    return world.rules.release(live, wish.about, wish.source)


def _ruled(book: Book, person: str, ruling: Ruling, token: str, holder: str) -> Commit:
    """The ledger after a ruling; whose claim has ended by another's wish, or by the clock, is told so."""
    was = dict(book.lives).get(person)
    says = [Message(ANSWERS[ruling.verdict], book.node, holder, token)]
    if was and was.claim_id in ruling.ended and was.claim_id != token:
        says.append(Message("claim_denied", book.node, was.holder, was.claim_id))
    return Commit(_with_ruling(book, person, ruling), tuple(says))


def _with_ruling(book: Book, person: str, ruling: Ruling) -> Book:
    lives = {key: live for key, live in book.lives if key != person} | ({person: ruling.live} if ruling.live else {})
    return replace(book, lives=tuple(sorted(lives.items())), ended=book.ended | set(ruling.ended))


def acts(world: World, book: Book) -> Happenings:
    """What clocks, sweepers, persons and operators may do at any moment."""
    for person, live in book.lives:
        if live.until > NOW:
            passed = tuple((key, replace(c, until=PASSED) if key == person else c) for key, c in book.lives)
            yield f"the lease of {live.claim_id} passes", Commit(replace(book, lives=passed))
        if world.rules.may_end_unasked(book.guard):
            yield from _ended(world, book, person, live)
    if book.node == world.setting.guards[0][0]:
        yield from _operate(world, book)


def _ended(world: World, book: Book, person: str, live: Claim) -> Happenings:
    """Swept by a timer, or dropped by its person: its holder learns that it has ended."""
    word = Message("claim_denied", book.node, live.holder, live.claim_id)
    with suppress(TongbanError):
        yield f"{live.claim_id} is swept", Commit(_with_ruling(book, person, ledger.sweep(live, NOW)), (word,))
    if world.setting.drops:
        with suppress(TongbanError):
            yield f"{person} drops {live.claim_id}", Commit(_with_ruling(book, person, ledger.drop(live, NOW)), (word,))


def _is_active(book: Book) -> bool:
    return book.guard is not None and book.guard.duty is Duty.ACTIVE


def _operate(world: World, book: Book) -> Happenings:
    if world.setting.successor and book.guard and book.guard.duty in (Duty.ACTIVE, Duty.FROZEN):
        yield from _freeze(world, book)
    if world.setting.restores and not book.restored:
        if book.copy is None:
            yield f"{book.node} is copied", Commit(replace(book, copy=book))
        yield from _restore(world, book, book.copy or empty_book(world, book.node))
    if book.guard and book.guard.duty is Duty.RECOVERING and book.heard == set(world.setting.cities()):
        active = guards.recovered(book.guard, book.first, book.node)
        after = replace(book, guard=active, lives=_with_grace(book.lives), restated=frozenset())
        yield f"{book.node} has recovered", Commit(after)


# --- handing over ---------------------------------------------------------------------------------------------------


def _freeze(world: World, book: Book) -> Happenings:
    """The operator's command, by whichever directory is here; again: the same piece once more."""
    for listed in world.setting.listings(book.first):
        guard, successor = _sure(book.guard), world.setting.successor
        guards.expect_successor(guard, listed, book.node, successor)
        frozen = guards.freeze(guard, successor)
        rows = (book.lives, book.ended)
        piece = Message("hand_over_ledger", book.node, successor, frozen.prefix, epoch=frozen.epoch + 1, rest=rows)
        yield f"{book.node} freezes", Commit(replace(book, guard=frozen), (piece,))


def _hear_ledger(book: Book, message: Message, listed: Authority) -> Commit:
    """The whole ledger; reservations get time, for nobody could confirm them meanwhile."""
    word = Message("ledger_taken_over", book.node, message.source, message.about, epoch=message.epoch)
    if book.guard is not None and book.guard.epoch >= message.epoch:
        return Commit(book, (word,))
    guards.expect_predecessor(listed, message.source, book.node, message.epoch)
    taken = guards.take_over(book.guard, message.about, message.epoch)
    lives, ended = message.rest
    return Commit(replace(book, guard=taken, lives=_with_grace(lives), ended=ended), (word,))


def _note_taken_over(book: Book, message: Message, listed: Authority) -> Commit:
    """From now on others rule: holders of reservations are sent on, and the copy here is gone."""
    guard = guards.taken_over(_sure(book.guard), listed, message.source, message.epoch)
    held = [live for _, live in book.lives if live.state is State.HELD]
    after = replace(book, guard=guard, lives=(), ended=frozenset())
    return Commit(after, tuple(_redirect(book, live.holder, live.claim_id, guard) for live in held))


def _redirect(book: Book, holder: str, token: str, guard: Guard) -> Message:
    return Message("claim_redirected", book.node, holder, token, epoch=guard.epoch + 1, rest=(guard.successor,))


def _with_grace(lives: Lives) -> Lives:
    """Every reservation runs again for a while."""
    return tuple((key, replace(live, until=LATER) if live.state is State.HELD else live) for key, live in lives)


# --- after a restore ------------------------------------------------------------------------------------------------


def _restore(world: World, book: Book, copy: Book) -> Happenings:
    """Back to the copy, or to nothing: before anything is handled the node recovers, and asks every holder."""
    recovering = world.rules.recover(copy.guard, book.first, book.node)
    after = replace(copy, guard=recovering, copy=None, restored=True)
    asks = tuple(Message("restate_claims", book.node, city, book.node) for city in world.setting.cities())
    yield f"{book.node} loses its disk, is restored", Commit(after, asks)


def _hear_restated(world: World, book: Book, message: Message) -> Commit:
    if book.guard is None or book.guard.duty is not Duty.RECOVERING or message.source in book.heard:
        raise OutOfStep("stale", "")
    for row in message.rest:
        book = _hear_row(book, message.source, *row)
    return Commit(replace(book, heard=book.heard | {message.source}))


def _hear_row(book: Book, holder: str, token: str, person: str, locked: bool) -> Book:
    live = dict(book.lives).get(person)
    if not locked:
        return _with_ruling(book, person, ledger.release(live, token, holder))
    heard = live is not None and live.claim_id in book.restated
    claim = Claim(token, holder, State.LOCKED, LATER)
    ruling = recovery.hear_locked(live, claim, ended=token in book.ended, heard=heard)
    return _with_ruling(replace(book, restated=book.restated | {token}), person, ruling)


def _sure(guard: Guard | None) -> Guard:
    if guard is None:
        raise EarlyError
    return guard


def projection(book: Book) -> tuple[Any, ...]:
    """What the invariants look at: whether it is in force, and who has each person."""
    return _is_active(book), tuple((person, live.claim_id, live.state is State.LOCKED) for person, live in book.lives)
