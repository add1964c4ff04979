"""主管登记处的账: what an authority rules on one key. Deny, never queue; only its own clock judges a lease.

FREE ── reserve ─► HELD ── confirm ─► LOCKED ── release ─► FREE. A HELD claim ends with its lease; a LOCKED one only by
its holder. A token that has ended never comes back: what was released cannot be reserved again by a late message.
"""

import dataclasses
import datetime
import enum
from dataclasses import dataclass

from shared.errors import Denied, NotFound, OutOfStep, Refused

HELD_ELSEWHERE, LOCKED_ELSEWHERE, ENDED, DOUBTED = "held_elsewhere", "locked_elsewhere", "ended", "doubted"


class State(enum.StrEnum):
    """Where a live claim stands."""

    HELD = "held"
    LOCKED = "locked"


class Verdict(enum.StrEnum):
    """What the holder is told."""

    HELD = "held"
    LOCKED = "locked"
    RELEASED = "released"
    NOTED = "noted"
    DENIED = "denied"
    DEFERRED = "deferred"


@dataclass(frozen=True, slots=True)
class Claim:
    """A live claim on a key. `holder`: the node that may speak of it; `until`: its lease, no matter once locked."""

    claim_id: str
    holder: str
    state: State
    until: datetime.datetime
    renewals: int = 0
    issued: bool = False
    doubted: bool = False  # two people are to say whether this is a person who has another claim


@dataclass(frozen=True, slots=True)
class Ruling:
    """What stands on the key afterwards, what the holder is told, which tokens have ended by it."""

    live: Claim | None
    verdict: Verdict
    why: str = ""
    by: Claim | None = None  # who stands in the way
    ended: tuple[str, ...] = ()


def _is_over(live: Claim, at: datetime.datetime) -> bool:
    return live.state is State.HELD and live.until <= at


def reserve(live: Claim | None, asked: Claim, at: datetime.datetime, *, ended: bool) -> Ruling:
    """预留. `ended`: the token has a tombstone. A repetition is answered as the first time."""
    if ended:
        return Ruling(live, Verdict.DENIED, ENDED)
    if live is None:
        return Ruling(asked, Verdict.HELD)
    if live.claim_id == asked.claim_id:
        _expect_holder(live, asked.holder)
        return _standing(live, at)
    if _is_over(live, at):
        return Ruling(asked, Verdict.HELD, ended=(live.claim_id,))
    why = LOCKED_ELSEWHERE if live.state is State.LOCKED else HELD_ELSEWHERE
    return Ruling(live, Verdict.DENIED, why, live, (asked.claim_id,))


def _standing(live: Claim, at: datetime.datetime) -> Ruling:
    if _is_over(live, at):
        return Ruling(None, Verdict.DENIED, ENDED, ended=(live.claim_id,))
    return Ruling(live, Verdict.LOCKED if live.state is State.LOCKED else Verdict.HELD)


def confirm(live: Claim | None, claim_id: str, holder: str, at: datetime.datetime) -> Ruling:
    """锁定: from now on without end. What is not held any more is denied, also while nobody else has it.

    Accepting a late one would be safe, and block the person for ever when its holder has given up.
    """
    if not _is_mine(live, claim_id, holder):
        return Ruling(live, Verdict.DENIED, ENDED, ended=(claim_id,))
    standing = _standing(_sure(live), at)
    if standing.verdict is not Verdict.HELD:
        return standing
    if _sure(live).doubted:
        return Ruling(live, Verdict.DEFERRED, DOUBTED)
    return Ruling(dataclasses.replace(_sure(live), state=State.LOCKED), Verdict.LOCKED)


def renew(
    live: Claim | None, claim_id: str, holder: str, at: datetime.datetime, until: datetime.datetime, most: int
) -> Ruling:
    """续期, `most` times; a further wish is answered with the lease that runs."""
    if not _is_mine(live, claim_id, holder):
        return Ruling(live, Verdict.DENIED, ENDED, ended=(claim_id,))
    standing = _standing(_sure(live), at)
    if standing.verdict is not Verdict.HELD or _sure(live).renewals >= most:
        return standing
    return Ruling(dataclasses.replace(_sure(live), until=until, renewals=_sure(live).renewals + 1), Verdict.HELD)


def release(live: Claim | None, claim_id: str, holder: str) -> Ruling:
    """释放, by its holder alone; a release that comes before its reservation buries the token all the same."""
    mine = _is_mine(live, claim_id, holder)
    return Ruling(None if mine else live, Verdict.RELEASED, ended=(claim_id,))


def note_issued(live: Claim | None, claim_id: str, holder: str) -> Ruling:
    """已签发. OutOfStep where nothing is locked under this token."""
    if live is None or not _is_mine(live, claim_id, holder) or live.state is not State.LOCKED:
        raise OutOfStep("claim_not_locked", "此占用未锁定,不能记为已签发")
    return Ruling(dataclasses.replace(live, issued=True), Verdict.NOTED)


def sweep(live: Claim, at: datetime.datetime) -> Ruling:
    """到期清理. OutOfStep while the lease runs."""
    if not _is_over(live, at):
        raise OutOfStep("lease_runs", "预留尚未到期")
    return Ruling(None, Verdict.RELEASED, ended=(live.claim_id,))


def drop(live: Claim | None, at: datetime.datetime) -> Ruling:
    """放弃预留, by the person. NotFound; Refused `claim_locked`: what is locked ends only with what it stands for."""
    if live is None or _is_over(live, at):
        raise NotFound("claim_unknown", "没有可以放弃的预留")
    if live.state is State.LOCKED:
        raise Refused("claim_locked", "已锁定的占用不能放弃,请到办理机构办理", basis="民法典 第一千零四十九条")
    return Ruling(None, Verdict.DENIED, ENDED, ended=(live.claim_id,))


def clear_doubt(live: Claim | None, claim_id: str) -> Claim:
    """核对后不是同一人. NotFound."""
    if live is None or live.claim_id != claim_id:
        raise NotFound("claim_unknown", "此占用已经结束")
    return dataclasses.replace(live, doubted=False)


def _is_mine(live: Claim | None, claim_id: str, holder: str) -> bool:
    if live is None or live.claim_id != claim_id:
        return False
    _expect_holder(live, holder)
    return True


def _expect_holder(live: Claim, holder: str) -> None:
    """Denied `claim_of_another`: a token is worth nothing in another node's hand."""
    if live.holder != holder:
        raise Denied("claim_of_another", "这个占用不是该节点的")


def _sure(live: Claim | None) -> Claim:
    assert live is not None  # noqa: S101 - it is mine
    return live
