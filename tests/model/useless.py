"""The one reduction: an answer that its attempt will ignore whatever happens is taken out of the network.

It is no assumption: the real rules are tried with that answer in every state the attempt can still come to.
"""

from collections.abc import Callable, Iterator
from functools import cache

from services.claims.rules import attempt as attempts
from services.claims.rules.attempt import Attempt, Said
from shared.errors import TongbanError

Note = Callable[[Attempt, str], Said]
OWN = (attempts.confirm, attempts.renew, attempts.release, attempts.note_issued)
NOTES: dict[str, Note] = {
    "claim_held": attempts.note_held,
    "claim_locked": attempts.note_locked,
    "claim_denied": attempts.note_denied,
    "claim_released": attempts.note_released,
    "claim_issue_noted": attempts.note_issue_noted,
}


@cache
def is_useless(attempt: Attempt, word: str, token: str) -> bool:
    """Whether an authority's answer has no effect on the attempt, now and for ever."""
    return all(_ignored(later, NOTES[word], token) for later in _futures(attempt))


@cache
def _futures(attempt: Attempt) -> frozenset[Attempt]:
    """Every state the attempt can still come to, by any of its rules."""
    found, waiting = {attempt}, [attempt]
    while waiting:
        for said in _moves(waiting.pop()):
            if said.attempt not in found:
                found.add(said.attempt)
                waiting.append(said.attempt)
    return frozenset(found)


def _moves(attempt: Attempt) -> Iterator[Said]:
    for own in OWN:
        yield from _tried(lambda own=own: own(attempt))
    for note in NOTES.values():
        for token, _ in attempt.claims:
            yield from _tried(lambda note=note, token=token: note(attempt, token))


def _tried(move: Callable[[], Said]) -> Iterator[Said]:
    try:
        yield move()
    except TongbanError:
        return


def _ignored(attempt: Attempt, note: Note, token: str) -> bool:
    return all(said == Said(attempt) for said in _tried(lambda: note(attempt, token)))
