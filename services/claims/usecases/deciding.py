"""What two operators decide together about a claim or a document, each on record: 核对、关联、释放."""

from dataclasses import dataclass
from typing import Any

from contracts.claim_kinds import claim_kinds
from contracts.envelope import Json
from services.claims.rules import ledger as rules
from services.claims.rules.guard import Duty, Guard
from services.claims.rules.ledger import State
from services.claims.store import aliases, ledger, restating
from services.claims.store.ledger import Entry
from services.claims.usecases import authority, subjects
from services.claims.usecases.guarding import lock_prefix, with_guard
from shared import audit
from shared.errors import NotFound, OutOfStep, Refused
from shared.outbox import Work

HOLDER_GONE, SAME_PERSON, LINKED_LIVE = "holder_gone", "same_person", "linked_live"


@dataclass(frozen=True, slots=True)
class Pair:
    """Who decides, who agrees, and why."""

    by: str
    confirmed_by: str
    reason: str


def _expect_pair(pair: Pair) -> None:
    """Refused unless they are two who say why."""
    if not pair.by or not pair.confirmed_by or pair.by == pair.confirmed_by:
        raise Refused("two_persons", "须由两名不同的经办人办理:--by 和 --confirmed-by")
    if not pair.reason:
        raise Refused("reason_missing", "请写明理由:--reason")


def _record(work: Work, pair: Pair, act: str, about: str, subject: Json | None) -> None:
    index = subjects.person_index(work, subject) if subject else ""
    for actor in (pair.by, pair.confirmed_by):
        audit.record(
            work,
            actor=actor,
            office=work.node.code,
            purpose=pair.reason[:80],
            act=act,
            subject=about,
            person_index=index,
            fields=("claims",),
        )


# --- documents ----------------------------------------------------------------------------------------------------------


def link(work: Work, second: Json, canonical: Json, pair: Pair) -> list[str]:
    """关联: from now on whoever asks for a claim on the second document is told to make it on the canonical one.

    The claims that are live on the second one: with any, nothing is linked, and they are listed as conflicts. Refused
    also for what is linked already; OutOfStep where we do not guard the second one.
    """
    _expect_pair(pair)
    second, canonical = subjects.normalised(second), subjects.normalised(canonical)
    listed = subjects.authority(work, second)
    keys = sorted(subjects.key_of(work, kind, second).index for kind in claim_kinds())
    authority.lock(work, *keys)
    guard, live = with_guard(
        work, listed.prefix, listed, lambda: (ledger.find_guard(work, listed.prefix), ledger.list_of_person(work, keys))
    )
    _expect_ours(guard, listed.prefix)
    _add_alias(work, listed.prefix, second, canonical) if not live else _list(work, listed.prefix, live)
    for subject in (second, canonical):
        _record(work, pair, "link_documents", listed.prefix, subject)
    return [entry.claim_id for entry in live]


def _expect_ours(guard: Guard | None, prefix: str) -> None:
    if guard is None or guard.duty is not Duty.ACTIVE:
        raise OutOfStep("guard_not_active", f"号段 {prefix} 现在不由本节点主管,或正在移交或恢复")


def _add_alias(work: Work, prefix: str, second: Json, canonical: Json) -> None:
    index, other = subjects.person_index(work, second), subjects.person_index(work, canonical)
    if index == other:
        raise Refused("same_document", "两个证件是同一个,请核对号码")
    if aliases.find_canonical(work, other):
        raise Refused("canonical_linked", "第二行的证件自己已关联到别的证件,请关联到那一个")
    if not aliases.add_alias(work, index, prefix, second, canonical):
        raise Refused("document_linked", "第一行的证件已经关联")


def _list(work: Work, prefix: str, live: list[Entry]) -> None:
    names = ("claim_id", "kind", "holder", "office")
    rows = [{name: getattr(entry, name) for name in names} | {"prefix": prefix} for entry in live]
    restating.add_conflicts(work, rows, LINKED_LIVE)


# --- doubts ---------------------------------------------------------------------------------------------------------------


def clear_doubt(work: Work, claim_id: str, pair: Pair) -> None:
    """核对后不是同一人: the claim may be locked, and these persons are not compared again. NotFound; OutOfStep.

    They are those who stood there when it was doubted: whoever came later is doubted by itself.
    """
    whole, entry = _find(work, claim_id, pair)
    cleared = rules.clear_doubt(_doubted(entry).live, claim_id)
    ledger.save_claim(work, cleared)
    others = [twin for twin in aliases.list_twins(work, whole) if twin["reserved_at"] <= whole["reserved_at"]]
    for other in others:
        aliases.tell_apart(work, whole["key_index"], other["key_index"])
    for found in (whole, *others):
        _record(work, pair, "clear_doubt", claim_id, found["subject"])


def note_same(work: Work, claim_id: str, other: str, pair: Pair) -> None:
    """核对后是同一人: the doubted claim ends, and its document is linked to the one of the other claim.

    Whoever asks again is led there. `other`: which one, where there are several. NotFound; Refused; OutOfStep.
    """
    whole, entry = _find(work, claim_id, pair)
    live = _doubted(entry).live
    twins = [twin for twin in aliases.list_twins(work, whole) if other in ("", twin["claim_id"])]
    if len(twins) != 1:
        raise Refused("twin_unclear", "请用 --other 写明是与哪一个占用为同一人(tongban claims doubts 的 other 一栏)")
    if live is not None:
        ledger.end_claim(work, live, SAME_PERSON)
        authority.tell_ended(work, entry, _epoch(work, whole["prefix"]))
    _add_alias(work, whole["prefix"], whole["subject"], twins[0]["subject"])
    for subject in (whole["subject"], twins[0]["subject"]):
        _record(work, pair, "link_documents", claim_id, subject)


def _doubted(entry: Entry) -> Entry:
    if entry.live is None or not entry.live.doubted:
        raise OutOfStep("claim_not_doubted", "此占用已经结束,或不需核对")
    return entry


def _epoch(work: Work, prefix: str) -> int:
    guard = ledger.find_guard(work, prefix)
    return guard.epoch if guard else 0


# --- locks that nobody releases, conflicts that are settled ----------------------------------------------------------------


def release(work: Work, claim_id: str, pair: Pair) -> None:
    """释放 what its holder, who is gone, cannot release. NotFound; OutOfStep when it has ended."""
    whole, entry = _find(work, claim_id, pair)
    if entry.live is None:
        raise OutOfStep("claim_ended", "此占用已经结束")
    ledger.end_claim(work, entry.live, HOLDER_GONE)
    if entry.live.state is State.HELD and entry.holder in work.node.directory.nodes:
        authority.tell_ended(work, entry, _epoch(work, whole["prefix"]))
    restating.settle_conflict(work, claim_id)
    _record(work, pair, "release_claim", claim_id, whole["subject"])


def settle(work: Work, claim_id: str, pair: Pair) -> None:
    """A conflict that two people have looked into leaves the list; no claim changes. NotFound."""
    _expect_pair(pair)
    if not restating.settle_conflict(work, claim_id):
        raise NotFound("conflict_unknown", "冲突清单中没有这个占用")
    whole = aliases.find_whole(work, claim_id)
    _record(work, pair, "settle_conflict", claim_id, whole["subject"] if whole else None)


def _find(work: Work, claim_id: str, pair: Pair) -> tuple[dict[str, Any], Entry]:
    """A claim that two people speak of, locked. NotFound; OutOfStep where its ledger is not ours to rule on."""
    _expect_pair(pair)
    whole = aliases.find_whole(work, claim_id)
    if whole is None:
        raise NotFound("claim_unknown", "本节点的账上没有这个占用")
    authority.lock(work, claim_id, whole["key_index"], whole["twin_index"])
    lock_prefix(work, whole["prefix"], shared=True)
    guard, entry = ledger.find_claim(work, claim_id, whole["prefix"])
    _expect_ours(guard, whole["prefix"])
    if entry is None:
        raise NotFound("claim_unknown", "本节点的账上没有这个占用")
    return whole, entry
