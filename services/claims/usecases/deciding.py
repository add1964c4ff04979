"""What two operators decide together about a claim or a document, each on record: 核对、关联、取消关联、释放."""

from dataclasses import dataclass
from typing import Any

from contracts.claim_kinds import claim_kinds
from contracts.envelope import Json
from services.claims.rules import ledger as rules
from services.claims.rules.guard import Duty, Guard
from services.claims.rules.ledger import State
from services.claims.rules.recovery import LINKED_LIVE
from services.claims.store import aliases, ledger, restating
from services.claims.store.ledger import Entry
from services.claims.usecases import authority, subjects
from services.claims.usecases.guarding import lock_prefix, with_guard
from shared import audit
from shared.errors import NotFound, OutOfStep, Refused
from shared.outbox import Work

HOLDER_GONE, SAME_PERSON = "holder_gone", "same_person"
LINKING = (Duty.ACTIVE, Duty.RECOVERING)  # links made after the copy are made again before anybody is answered
TO_CHECK = (
    "取消关联后,第一行的证件可以另行办理。请两人先逐项核实,再加 --checked:"
    "一、在柜台查询第二行证件的占用,没有正在预留的;第一行证件的本人也没有尚未办结的申请。"
    "二、每一个已锁定的占用,都由其持有方对照登记档案确认:登记的是第二行证件的本人,不是第一行证件的本人。"
    "三、没有登记档案依据这项关联更正为第一行的号码:这种档案防止重复登记的锁定仍在第二行的号码上,全靠这项关联。"
    "有任何一项不符,不得取消,否则同一人可能再次登记。"
)


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
    also for what is linked already; OutOfStep where we do not guard the second one. A restored ledger may be linked in:
    what else stands on the second one is heard of, and nobody is led past it.
    """
    _expect_pair(pair)
    second, canonical = subjects.normalised(second), subjects.normalised(canonical)
    listed = subjects.authority(work, second)
    keys = _keys(work, second)
    authority.lock(work, *keys)
    guard, live = with_guard(
        work, listed.prefix, listed, lambda: (ledger.find_guard(work, listed.prefix), ledger.list_of_person(work, keys))
    )
    _expect_ours(guard, listed.prefix, LINKING)
    _add_alias(work, listed.prefix, second, canonical) if not live else _list(work, listed.prefix, live)
    for subject in (second, canonical):
        _record(work, pair, "link_documents", listed.prefix, subject)
    return [entry.claim_id for entry in live]


def _keys(work: Work, *documents: Json) -> list[str]:
    """What claims of any kind on these documents stand under, in the order in which they are locked."""
    return sorted(subjects.key_of(work, kind, it).index for it in documents for kind in claim_kinds())


def _expect_ours(guard: Guard | None, prefix: str, duties: tuple[Duty, ...] = (Duty.ACTIVE,)) -> None:
    if guard is None or guard.duty not in duties:
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


def unlink(work: Work, second: Json, canonical: Json, pair: Pair, *, checked: bool) -> None:
    """取消关联: claims on the second document are made on itself again; all that live stay where they are.

    No ledger says with which document a claim on the canonical one was asked for, nor which records rely upon the link,
    and another node may guard it. So two people look, at the records of whoever holds it (`checked`). NotFound but for
    this very link; Refused `link_unchecked`; OutOfStep where we do not guard the second one, or `link_in_use`.
    """
    _expect_pair(pair)
    second, canonical = subjects.normalised(second), subjects.normalised(canonical)
    behind = _behind(work, second, canonical)
    authority.lock(work, *_keys(work, second, *behind))
    index = subjects.person_index(work, second)
    prefix = _prefix_of_link(work, index, canonical)
    lock_prefix(work, prefix, shared=True)
    _expect_ours(ledger.find_guard(work, prefix), prefix)
    live = [it for it in ledger.list_of_person(work, _keys(work, *behind)) if authority.stands(work, it)]
    _expect_looked_at(live, checked=checked)
    aliases.remove_alias(work, index)
    for subject in (second, canonical):
        _record(work, pair, "unlink_documents", prefix, subject)


def _behind(work: Work, second: Json, canonical: Json) -> list[Json]:
    """The documents a claim on the second one is led to, as far as links stand here; two may lead to each other."""
    passed, further = {subjects.person_index(work, second)}, canonical
    found: list[Json] = []
    while further and (index := subjects.person_index(work, further)) not in passed:
        passed.add(index)
        found.append(further)
        further = aliases.find_canonical(work, index) or {}
    return found


def _prefix_of_link(work: Work, index: str, canonical: Json) -> str:
    link = aliases.find_link(work, index)
    if link is None or subjects.person_index(work, link["canonical"]) != subjects.person_index(work, canonical):
        words = "本节点没有从第一行到第二行证件的关联;请核对两个号码和先后,并在第一行证件的主管登记处办理"
        raise NotFound("link_unknown", words)
    return str(link["prefix"])


def _expect_looked_at(live: list[Entry], *, checked: bool) -> None:
    """Nobody can look at the record of what is only reserved: it has none yet."""
    if reserved := [it for it in live if it.live and it.live.state is State.HELD]:
        words = "还没有登记档案可以核对是谁的,请等其锁定或结束后再核实"
        raise OutOfStep("link_in_use", f"第二行的证件上有预留中的占用 {_named(reserved)},{words}")
    if not checked:
        here = f"本节点账上有占用 {_named(live)}" if live else "本节点账上没有占用"
        raise Refused("link_unchecked", f"{TO_CHECK}第二行的证件:{here};其他节点主管的,本节点看不到")


def _named(live: list[Entry]) -> str:
    return "、".join(f"{it.claim_id}(持有方 {it.holder})" for it in live)


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
