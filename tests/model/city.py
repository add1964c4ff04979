"""A city: the database of its marriage service and of its claims service as a holder, with the commits of both."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from services.claims.rules import attempt as attempts
from services.claims.rules import recovery
from services.claims.rules.attempt import Attempt, Said, Step, Word
from services.claims.rules.guard import Authority
from services.marriage.rules import registration
from services.marriage.rules.registration import Move, Registration, State, Wish
from shared.errors import Denied, OutOfStep, TongbanError
from tests.model import useless
from tests.model.world import ALWAYS, NEVER, Commit, EarlyError, Happenings, Message, World

WISHES = {Wish.RESERVE: "reserve_claims", Wish.CONFIRM: "confirm_claims", Wish.RELEASE: "release_claims"}
TO_AUTHORITY = {
    Word.RESERVE: "reserve_claim",
    Word.CONFIRM: "confirm_claim",
    Word.RELEASE: "release_claim",
    Word.RENEW: "renew_claim",
    Word.NOTE: "note_claim_issued",
}
TO_OFFICE = {
    Word.ALL_HELD: "claims_held",
    Word.DENIED: "claims_denied",
    Word.LOST: "claims_lost",
    Word.ALL_LOCKED: "claims_locked",
}
FROM_OFFICE = {
    "confirm_claims": attempts.confirm,
    "release_claims": attempts.release,
    "note_issued": attempts.note_issued,
}


REGISTRARS: dict[str, Callable[[Registration], Move]] = {
    "examined": registration.examine,
    "signed by the registrar": registration.register,
    "the national registry says none": lambda now: registration.clear(now, now.attempt),
    "the national registry knows a spouse": registration.note_spouse,
}
ACTS = {"the couple gives up": lambda now: registration.end(now, State.DROPPED)} | REGISTRARS


@dataclass(frozen=True)
class Record:
    """A marriage, with its certificate."""

    attempt: str  # whose claims it rests on
    valid: bool = True


@dataclass(frozen=True)
class Case:
    """An application as its office knows it."""

    name: str
    now: Registration | None = None
    attempts: int = 0
    records: tuple[Record, ...] = ()

    def is_open(self) -> bool:
        """Taken in, and not at its end."""
        return self.now is not None and self.now.state in registration.OPEN


@dataclass(frozen=True)
class Row:
    """An attempt as its holder knows it, with the authority of each claim as the holder believes it to be."""

    name: str
    attempt: Attempt
    persons: tuple[str, ...]
    authorities: tuple[Authority, ...]

    def claims(self) -> Iterator[tuple[str, str, Authority]]:
        """Token, person and authority of each claim."""
        for (token, _), person, authority in zip(self.attempt.claims, self.persons, self.authorities, strict=True):
            yield token, person, authority


@dataclass(frozen=True)
class City:
    """Everything a city has committed."""

    node: str
    cases: tuple[Case, ...]
    rows: tuple[Row, ...] = ()
    inbox: frozenset[Message] = frozenset()

    def case(self, name: str) -> Case:
        """An application by its name."""
        return next(case for case in self.cases if case.name == name)

    def with_case(self, case: Case) -> "City":
        """The same city with this application in place of the one it was."""
        return replace(self, cases=tuple(case if was.name == case.name else was for was in self.cases))

    def with_row(self, row: Row) -> "City":
        """The same city with this attempt, new or changed."""
        if all(was.name != row.name for was in self.rows):
            return replace(self, rows=(*self.rows, row))
        return replace(self, rows=tuple(row if was.name == row.name else was for was in self.rows))


def empty_city(world: World, node: str) -> City:
    """A city before anybody has come."""
    return City(node, tuple(Case(each.name) for each in world.setting.applications if each.office == node))


def hear(world: World, city: City, message: Message) -> Iterator[Commit]:
    """What the handling of a message may leave behind. EarlyError, OutOfStep and Denied as the real doors have them."""
    if message.word == "application_accepted":
        yield from _take_in(world, city, message)
    elif message.word in TO_OFFICE.values():
        yield from _office_hears(world, city, message)
    elif message.word == "reserve_claims":
        yield from _begin(world, city, message.about)
    elif message.word in FROM_OFFICE:
        yield _holder_is_asked(city, message)
    elif message.word == "restate_claims":
        yield _restate(world, city, message)
    else:
        yield from _holder_hears(world, city, message)


# --- the marriage service -------------------------------------------------------------------------------------------


def _take_in(world: World, city: City, message: Message) -> Iterator[Commit]:
    application, case = world.setting.application(message.about), city.case(message.about)
    if world.rules.seen(city.inbox, message):
        raise OutOfStep("duplicate", "")
    if application.after and (city.case(application.after).now is None or city.case(application.after).is_open()):
        raise EarlyError
    if case.attempts >= application.attempts + len(case.records):
        return  # bound: it has used up its attempts
    city = replace(city, inbox=city.inbox | {message})
    move = registration.begin(f"{case.name}.{case.attempts + 1}")
    yield _moved(world, city, _next_attempt(case), _signed(move) if world.setting.brisk else move)


def _signed(move: Move) -> Move:
    """Bound: the registrar's acts and the national registry's answer come before any word from claims."""
    now = move.after
    if now.state is not State.REGISTERING:
        now = registration.register(registration.examine(now).after).after
    return replace(move, after=registration.clear(now, now.attempt).after)


def _next_attempt(case: Case) -> Case:
    return replace(case, attempts=case.attempts + 1)


def _office_hears(world: World, city: City, message: Message) -> Iterator[Commit]:
    case = city.case(message.about.partition(".")[0])
    if case.now is None:
        raise EarlyError
    note = {
        "claims_held": world.rules.note_held,
        "claims_denied": registration.note_lost,
        "claims_lost": registration.note_lost,
        "claims_locked": registration.note_locked,
    }[message.word]
    whole = _moved(world, city, case, note(case.now, message.about))
    issued = replace(case, records=whole.after.case(case.name).records)
    for after in world.rules.commits(city.with_case(issued), whole.after):
        yield whole if after is whole.after else Commit(after, crash=True)


def _moved(world: World, city: City, case: Case, move: Move) -> Commit:
    """The application after a move; once it is registered, with its marriage, in the same commit."""
    new = case.now is not None and case.now.state is not State.REGISTERED and move.after.state is State.REGISTERED
    records = (*case.records, Record(move.after.attempt)) if new else case.records
    after = city.with_case(replace(case, now=move.after, records=records))
    says = (_wish(city, move.wish, move.after.attempt),) if move.wish else ()
    if new and world.setting.notes:
        says = (*says, Message("note_issued", city.node, city.node, move.after.attempt))
    return Commit(after, says)


def _wish(city: City, wish: Wish, attempt: str) -> Message:
    return Message(WISHES[wish], city.node, city.node, attempt)


def office_acts(world: World, city: City) -> Happenings:
    """What clerks, couples, courts and the national registry may do at any moment."""
    for case in city.cases:
        for name, act in ACTS.items():
            if case.now and not (world.setting.brisk and name in REGISTRARS):
                with suppress(TongbanError):
                    yield f"{case.name}: {name}", _moved(world, city, case, act(case.now))
        if case.attempts < world.setting.application(case.name).attempts and case.now:
            with suppress(TongbanError):
                yield f"{case.name}: reserved again", _reserve_again(world, city, case, case.now)
        yield from _endings(world, city, case)


def _reserve_again(world: World, city: City, case: Case, now: Registration) -> Commit:
    move = registration.reserve_again(now, f"{case.name}.{case.attempts + 1}")
    return _moved(world, city, _next_attempt(case), _signed(move) if world.setting.brisk else move)


def _endings(world: World, city: City, case: Case) -> Happenings:
    """Divorce or death: the record ends and its claims are released in one commit."""
    ending = dict(world.setting.endings).get(case.name)
    for number, record in enumerate(case.records):
        if record.valid and ending:
            ended = (*case.records[:number], replace(record, valid=False), *case.records[number + 1 :])
            after = city.with_case(replace(case, records=ended))
            yield f"{case.name}: {ending}", Commit(after, (_wish(city, Wish.RELEASE, record.attempt),))


# --- the claims service, as a holder --------------------------------------------------------------------------------


def _begin(world: World, city: City, name: str) -> Iterator[Commit]:
    """A new attempt; each claim's authority as any directory this city may have names it."""
    if any(row.name == name for row in city.rows):
        raise OutOfStep("attempt_known", "")
    persons = tuple(world.setting.application(name.partition(".")[0]).persons)
    said = attempts.start(world.rules.token(name, person) for person in persons)
    firsts = tuple(world.setting.first_authority(person) for person in persons)
    for listed in {tuple(world.setting.listings(first)[-1 if new else 0] for first in firsts) for new in (0, 1)}:
        yield _said(city, Row(name, said.attempt, persons, listed), said)


def _holder_is_asked(city: City, message: Message) -> Commit:
    """The office wants something of an attempt; a release that overtook the beginning is kept in its place."""
    row = next((row for row in city.rows if row.name == message.about), None)
    if row:
        return _said(city, row, FROM_OFFICE[message.word](row.attempt))
    if message.word == "release_claims":
        return Commit(city.with_row(Row(message.about, Attempt(Step.OVER, ()), (), ())))
    raise EarlyError


def _said(city: City, row: Row, said: Said) -> Commit:
    """The attempt as it is now, and its words: to authorities per claim, to the office of the attempt."""
    says: list[Message] = []
    for word, tokens in said.words:
        if word in TO_OFFICE:
            says.append(Message(TO_OFFICE[word], city.node, city.node, row.name))
        else:
            says += _to_authorities(city, row, word, tokens)
    return Commit(city.with_row(replace(row, attempt=said.attempt)), tuple(says))


def _to_authorities(city: City, row: Row, word: Word, tokens: tuple[str, ...]) -> Iterator[Message]:
    for token, person, authority in row.claims():
        if token in tokens:
            yield Message(TO_AUTHORITY[word], city.node, authority.node, token, person, authority.epoch)


def _holder_hears(world: World, city: City, message: Message) -> Iterator[Commit]:
    """An authority's answer: only the node that this city's own row names is believed."""
    row = next((row for row in reversed(city.rows) if message.about in dict(row.attempt.claims)), None)
    if row is None:
        raise Denied("not_the_authority", "")
    believed = next(authority for token, _, authority in row.claims() if token == message.about)
    if message.source != believed.node:
        raise Denied("not_the_authority", "")
    if message.word == "claim_redirected":
        yield _redirected(world, city, row, message)
    else:
        yield _said(city, row, useless.NOTES[message.word](row.attempt, message.about))


def _redirected(world: World, city: City, row: Row, message: Message) -> Commit:
    """What is unanswered is said there at once; an epoch that is not newer is an old answer."""
    believed = next(authority for token, _, authority in row.claims() if token == message.about)
    if message.epoch <= believed.epoch:
        raise OutOfStep("stale", "")
    (node,) = message.rest
    new = dataclasses.replace(believed, node=node, epoch=message.epoch)
    authorities = tuple(new if token == message.about else authority for token, _, authority in row.claims())
    row = replace(row, authorities=authorities)
    word, left = attempts.unanswered(row.attempt) or (Word.RESERVE, ())
    says = _to_authorities(city, row, word, tuple({message.about} & set(left)))
    return Commit(city.with_row(row), () if world.setting.timer == NEVER else tuple(says))


def is_useless(city: City, message: Message) -> bool:
    """Whether a message in the network is an answer that can have no effect any more."""
    rows = [row for row in city.rows if message.about in dict(row.attempt.claims)]
    return message.word in useless.NOTES and all(
        useless.is_useless(row.attempt, message.word, message.about) for row in rows
    )


def _restate(world: World, city: City, message: Message) -> Commit:
    """A restored authority asks: every claim this city ever had with it, locked or ended; half done is given up."""
    says: list[Message] = []
    rows: list[tuple[str, str, bool]] = []
    for row in city.rows:
        restated = world.rules.restate(row.attempt)
        gone = row.attempt.step in recovery.HALF_DONE and restated.said.attempt != row.attempt
        done = _said(city, row, recovery.give_up(row.attempt) if gone else restated.said)
        city, says = done.after, [*says, *done.says]
        theirs = {token: person for token, person, authority in row.claims() if authority.node == message.source}
        rows += [(token, theirs[token], True) for token in restated.locked if token in theirs]
        rows += [(token, theirs[token], False) for token in restated.ended if token in theirs]
    answer = Message("claims_restated", city.node, message.source, city.node, rest=tuple(rows))
    return Commit(city, (*says, answer))


def holder_acts(world: World, city: City) -> Happenings:
    """The timer says again what was not answered; a couple that is still there renews."""
    for row in city.rows:
        again = attempts.unanswered(row.attempt)
        if world.setting.timer == ALWAYS and again:
            yield f"{row.name}: said again", Commit(city, tuple(_to_authorities(city, row, *again)))
        if world.setting.renews and row.attempt.step is Step.HELD:
            yield f"{row.name}: renewed", _said(city, row, attempts.renew(row.attempt))


def projection(world: World, city: City) -> tuple[Any, ...]:
    """What the invariants look at: per application whether it is done, its valid marriages, all its certificates."""
    return tuple(
        (
            case.now is not None and not case.is_open(),
            tuple(_of_record(world, case, record) for record in case.records if record.valid),
            len(case.records),
        )
        for case in city.cases
    )


def _of_record(world: World, case: Case, record: Record) -> tuple[tuple[str, str], ...]:
    persons = world.setting.application(case.name).persons
    return tuple((person, world.rules.token(record.attempt, person)) for person in persons)
