"""持有方的一次尝试: all its claims or none. Each verb gives the attempt afterwards and what must be said.

reserving ─► held ─► confirming ─► locked ─► issued ─► releasing ─► over. Denied or lost before it is locked: the rest
is released. Released at any moment.
"""

import dataclasses
import enum
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from shared.errors import OutOfStep

Key = TypeVar("Key")


class Step(enum.StrEnum):
    """How far the attempt is."""

    RESERVING = "reserving"
    HELD = "held"
    CONFIRMING = "confirming"
    LOCKED = "locked"
    ISSUED = "issued"
    RELEASING = "releasing"
    OVER = "over"


class Word(enum.StrEnum):
    """What is said: the first five to authorities, the rest to the service that asked."""

    RESERVE = "reserve"
    RENEW = "renew"
    CONFIRM = "confirm"
    NOTE = "note"
    RELEASE = "release"
    ALL_HELD = "all_held"
    ALL_LOCKED = "all_locked"
    DENIED = "denied"
    LOST = "lost"


class Standing(enum.StrEnum):
    """Where one claim of the attempt stands, as far as its holder has heard."""

    ASKED = "asked"
    HELD = "held"
    RENEWS = "renews"  # held, and its renewal has no answer yet
    LOCKED = "locked"
    NOTED = "noted"  # locked, and its authority knows that it is issued
    ENDED = "ended"


AWAITED = {  # the word an answer is awaited to, and where the claims stand of which none has come
    Step.RESERVING: (Word.RESERVE, (Standing.ASKED,)),
    Step.HELD: (Word.RENEW, (Standing.RENEWS,)),
    Step.CONFIRMING: (Word.CONFIRM, (Standing.HELD,)),
    Step.ISSUED: (Word.NOTE, (Standing.LOCKED,)),
    Step.RELEASING: (Word.RELEASE, tuple(standing for standing in Standing if standing is not Standing.ENDED)),
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of one case; its tokens are never used again."""

    step: Step
    claims: tuple[tuple[str, Standing], ...]  # claim_id, in the order of the subjects

    def standing(self, claim_id: str) -> Standing:
        """Where one of its claims stands."""
        return dict(self.claims)[claim_id]


@dataclass(frozen=True, slots=True)
class Said:
    """The attempt afterwards; per word the claims it is said of (of an answer to the service: none)."""

    attempt: Attempt
    words: tuple[tuple[Word, tuple[str, ...]], ...] = ()


def start(claim_ids: Iterable[str]) -> Said:
    """预留 all of them at once: nobody waits for anybody, so nobody waits in a circle."""
    claims = tuple((claim_id, Standing.ASKED) for claim_id in claim_ids)
    return Said(Attempt(Step.RESERVING, claims), ((Word.RESERVE, _ids(claims)),))


def note_held(attempt: Attempt, claim_id: str) -> Said:
    """已预留, or renewed. OutOfStep when the attempt has gone on without."""
    if attempt.step is Step.HELD:
        return Said(
            _with(attempt, claim_id, Standing.HELD), ((Word.ALL_HELD, ()),)
        )  # a renewal, or a repetition: the lease may be another
    if attempt.step is not Step.RESERVING:
        raise _stale()
    after = _with(attempt, claim_id, Standing.HELD)
    if not _all(after, Standing.HELD):
        return Said(after)
    return Said(dataclasses.replace(after, step=Step.HELD), ((Word.ALL_HELD, ()),))


def note_locked(attempt: Attempt, claim_id: str) -> Said:
    """已锁定: issue when all are, never before. OutOfStep when it was given up meanwhile: the release is on its way."""
    if attempt.step is not Step.CONFIRMING:
        raise _stale()
    after = _with(attempt, claim_id, Standing.LOCKED)
    if not _all(after, Standing.LOCKED):
        return Said(after)
    return Said(dataclasses.replace(after, step=Step.LOCKED), ((Word.ALL_LOCKED, ()),))


def note_denied(attempt: Attempt, claim_id: str) -> Said:
    """不能: this token is dead, and the attempt with it; what else it has is released."""
    if attempt.step in (Step.LOCKED, Step.ISSUED):
        raise _stale()  # a locked claim ends by its holder alone: this is about an earlier word
    after = _with(attempt, claim_id, Standing.ENDED)
    if attempt.step in (Step.RELEASING, Step.OVER):
        return Said(_over_if_all_ended(after))
    word = Word.DENIED if attempt.step is Step.RESERVING else Word.LOST
    given_up = _give_up(after)
    return Said(given_up.attempt, (*given_up.words, (word, ())))


def note_released(attempt: Attempt, claim_id: str) -> Said:
    """已释放. OutOfStep unless a release was asked for."""
    if attempt.step not in (Step.RELEASING, Step.OVER):
        raise _stale()
    return Said(_over_if_all_ended(_with(attempt, claim_id, Standing.ENDED)))


def confirm(attempt: Attempt) -> Said:
    """锁定 all of them; a repetition asks nothing new, and a renewal is not waited for. OutOfStep unless all are held."""
    if attempt.step in (Step.CONFIRMING, Step.LOCKED):
        return Said(attempt)
    if attempt.step is not Step.HELD:
        raise OutOfStep("claims_not_held", "占用未全部预留或已失效,不能锁定")
    after = _all_stand(attempt, Standing.HELD)
    return Said(dataclasses.replace(after, step=Step.CONFIRMING), ((Word.CONFIRM, _ids(attempt.claims)),))


def renew(attempt: Attempt) -> Said:
    """续期, said again like any other word until each authority has answered. OutOfStep unless all are held."""
    if attempt.step is not Step.HELD:
        raise OutOfStep("claims_not_held", "占用未全部预留或已失效,不能续期")
    return Said(_all_stand(attempt, Standing.RENEWS), ((Word.RENEW, _ids(attempt.claims)),))


def release(attempt: Attempt) -> Said:
    """释放, at any moment; a repetition says nothing new."""
    if attempt.step in (Step.RELEASING, Step.OVER):
        return Said(attempt)
    return _give_up(attempt)


def note_issued(attempt: Attempt) -> Said:
    """已签发: every authority is to know. A repetition says nothing new. OutOfStep unless all are locked."""
    if attempt.step is Step.ISSUED:
        return Said(attempt)
    if attempt.step is not Step.LOCKED:
        raise OutOfStep("claims_not_locked", "占用未全部锁定或已释放,不能记为已签发")
    return Said(dataclasses.replace(attempt, step=Step.ISSUED), ((Word.NOTE, _ids(attempt.claims)),))


def note_issue_noted(attempt: Attempt, claim_id: str) -> Said:
    """已记录签发. OutOfStep when it was released meanwhile."""
    if attempt.step is not Step.ISSUED:
        raise _stale()
    return Said(_with(attempt, claim_id, Standing.NOTED))


def unanswered(attempt: Attempt) -> tuple[Word, tuple[str, ...]] | None:
    """What is said again when no answer came: the same word, with the same tokens."""
    if attempt.step not in AWAITED:
        return None
    word, standings = AWAITED[attempt.step]
    left = tuple(claim_id for claim_id, standing in attempt.claims if standing in standings)
    return (word, left) if left else None


def to_say_again(
    due: Mapping[Key, Collection[str]], in_vain: Mapping[str, int], most: int, least: int
) -> Iterator[Key]:
    """Of the attempts that are `due`, each with the authorities it waits for, those whose words are said again now.

    So that each authority has at most `most` words said again to answer, but hears `least` of them at a time: one that is
    slow has all of them in its queue already, and one that is silent keeps no word to another back.
    """
    room = {authority: max(least, most - in_vain.get(authority, 0)) for waits in due.values() for authority in waits}
    for key, waits in due.items():
        if any(room[authority] > 0 for authority in waits):
            yield key
            for authority in waits:
                room[authority] -= 1


def _give_up(attempt: Attempt) -> Said:
    left = tuple(claim_id for claim_id, standing in attempt.claims if standing is not Standing.ENDED)
    after = _over_if_all_ended(dataclasses.replace(attempt, step=Step.RELEASING))
    return Said(after, ((Word.RELEASE, left),) if left else ())


def _over_if_all_ended(attempt: Attempt) -> Attempt:
    if attempt.step is Step.RELEASING and _all(attempt, Standing.ENDED):
        return dataclasses.replace(attempt, step=Step.OVER)
    return attempt


def _with(attempt: Attempt, claim_id: str, standing: Standing) -> Attempt:
    claims = tuple((known, standing if known == claim_id else was) for known, was in attempt.claims)
    return dataclasses.replace(attempt, claims=claims)


def _all_stand(attempt: Attempt, standing: Standing) -> Attempt:
    return dataclasses.replace(attempt, claims=tuple((claim_id, standing) for claim_id, _ in attempt.claims))


def _all(attempt: Attempt, standing: Standing) -> bool:
    return all(was is standing for _, was in attempt.claims)


def _ids(claims: Iterable[tuple[str, Standing]]) -> tuple[str, ...]:
    return tuple(claim_id for claim_id, _ in claims)


def _stale() -> OutOfStep:
    return OutOfStep("stale", "过时的消息")
