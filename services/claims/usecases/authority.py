"""主管登记处: what holders want of the keys this node guards; each wish has one answer, to whoever sent it."""

import datetime
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from contracts import claims as said
from contracts.claim_kinds import ClaimKind
from contracts.envelope import Contract, Json
from services.claims.rules import ledger as rules
from services.claims.rules.guard import Authority, may_end_unasked
from services.claims.rules.ledger import Claim, Ruling, State, Verdict
from services.claims.store import aliases
from services.claims.store import ledger as store
from services.claims.store.ledger import Entry
from services.claims.usecases import subjects
from services.claims.usecases.guarding import (
    answer,
    case_of,
    is_met_here,
    lock_prefix,
    redirect,
    source,
    with_guard,
)
from services.claims.usecases.subjects import Key
from shared import clock
from shared.errors import Denied, OutOfStep, Refused
from shared.outbox import Work

Rule = Callable[[Json, Entry | None], Ruling]
SIMPLE: dict[Verdict, type[Contract]] = {
    Verdict.LOCKED: said.ClaimLockedV1,
    Verdict.RELEASED: said.ClaimReleasedV1,
    Verdict.NOTED: said.ClaimIssueNotedV1,
}


def reserve_claim(work: Work) -> None:
    """预留: held, or denied at once; nobody waits in a queue."""
    asked = work.data(said.ReserveClaimV1)
    subject = subjects.normalised(work.personal(said.ReserveClaimV1)["subject"])
    key, listed = subjects.key_of(work, asked["kind"], subject), _authority(work, subject)
    lock(work, asked["claim_id"], key.index, key.twin)
    names = {"prefix": asked["prefix"], "key_index": key.index, "twin_index": key.twin, "claim_id": asked["claim_id"]}
    names |= {"document_index": subjects.person_index(work, subject)}
    guard, found = with_guard(work, asked["prefix"], listed, lambda: store.find_for_new(work, names))
    if listed is not None and listed.prefix != asked["prefix"]:
        redirect(work, asked["claim_id"], listed)
    elif is_met_here(work, asked, guard, listed):
        row = {"kind": asked["kind"], "key_index": key.index, "twin_index": key.twin}
        row |= {"office": asked["office"], "subject": subject}
        _reserve_or_lead_on(work, asked, key, _row(work, asked) | row, *found)


def _reserve_or_lead_on(
    work: Work, asked: Json, key: Key, row: Json, found: list[Entry], canonical: Json | None
) -> None:
    """A claim on a document that is linked to another one is to be made on that one, with the same token.

    Not where a claim stands on the document itself, as on one whose removed link a restored ledger has still: who is
    led past that may be registered twice.
    """
    here = [it for it in found if it.claim_id == asked["claim_id"] or (it.key_index == key.index and stands(work, it))]
    if canonical is None or here:
        _reserve(work, asked, key, row, found)
        return
    data = {"claim_id": asked["claim_id"], "epoch": asked["epoch"]}
    work.tell(said.ClaimAliasedV1, case_of(work), data, {"subject": canonical}, to=source(work))


def lock(work: Work, *keys: str) -> None:
    """Let nobody else pass these keys, always in the order token, key, twin; empty ones need no lock."""
    for key in filter(None, keys):
        work.lock(key)


def _authority(work: Work, subject: Json) -> Authority | None:
    try:
        return subjects.authority(work, subject)
    except Refused:  # a holder with a newer directory may know one
        return None


def _row(work: Work, asked: Json) -> Json:
    token = {"claim_id": asked["claim_id"], "prefix": asked["prefix"]}
    return token | {"holder": source(work), "case_id": case_of(work)}


def _reserve(work: Work, asked: Json, key: Key, row: Json, found: list[Entry]) -> None:
    until, doubted = _lease(work, subjects.kind_of(asked["kind"])), _is_doubted(work, asked["kind"], key.index, found)
    wanted = Claim(asked["claim_id"], source(work), State.HELD, until, doubted=doubted)
    live = next((entry.live for entry in found if entry.live and entry.key_index == key.index), None)
    ended = any(entry.live is None for entry in found if entry.claim_id == wanted.claim_id)
    ruling = rules.reserve(live, wanted, work.now, ended=ended)
    _end(work, asked, row, found, ruling)
    if ruling.live is wanted:
        store.add_claim(work, wanted, row)
    _answer(work, asked, found, ruling)


def _lease(work: Work, kind: ClaimKind) -> datetime.datetime:
    return work.now + datetime.timedelta(minutes=kind.lease_minutes)


def _is_doubted(work: Work, kind: str, key_index: str, found: Iterable[Entry]) -> bool:
    """Whether somebody of the same name, birth and sex has such a claim under another document.

    Not where two people have looked at these two before: persons who are two stay two.
    """
    others = {it.key_index for it in found if it.kind == kind and it.key_index != key_index and stands(work, it)}
    return bool(others) and not others <= aliases.list_told_apart(work, key_index)


def stands(work: Work, entry: Entry) -> bool:
    """Whether it is locked, or reserved and its lease runs."""
    return entry.live is not None and (entry.live.state is State.LOCKED or entry.live.until > work.now)


def confirm_claim(work: Work) -> None:
    """锁定."""

    def rule(asked: Json, entry: Entry | None) -> Ruling:
        return rules.confirm(_live(entry), asked["claim_id"], source(work), work.now)

    _rule(work, said.ConfirmClaimV1, rule, locked_at=clock.iso(work.now))


def renew_claim(work: Work) -> None:
    """续期."""

    def rule(asked: Json, entry: Entry | None) -> Ruling:
        live = _live(entry)
        kind = subjects.kind_of(entry.kind) if entry and live else None
        until, most = (_lease(work, kind), kind.renewals) if kind else (work.now, 0)
        return rules.renew(live, asked["claim_id"], source(work), work.now, until, most)

    _rule(work, said.RenewClaimV1, rule)


def release_claim(work: Work) -> None:
    """释放; one that overtook its reservation buries the token."""

    def rule(asked: Json, entry: Entry | None) -> Ruling:
        return rules.release(_live(entry), asked["claim_id"], source(work))

    _rule(work, said.ReleaseClaimV1, rule, ends=True)


def note_claim_issued(work: Work) -> None:
    """已签发."""

    def rule(asked: Json, entry: Entry | None) -> Ruling:
        return rules.note_issued(_live(entry), asked["claim_id"], source(work))

    _rule(work, said.NoteClaimIssuedV1, rule, reference=work.personal(said.NoteClaimIssuedV1)["reference"])


def _live(entry: Entry | None) -> Claim | None:
    return entry.live if entry else None


def _rule(work: Work, contract: type[Contract], rule: Rule, *, ends: bool = False, **also: Any) -> None:
    """Rule on a claim that should be known; `also`: what is written with whatever the ruling changes."""
    asked = work.data(contract)
    listed = subjects.listed(work, asked["prefix"])
    if ends:  # it may come together with its reservation
        lock(work, asked["claim_id"])
    find = partial(store.find_claim, work, asked["claim_id"], asked["prefix"])
    guard, entry = with_guard(work, asked["prefix"], listed, find)
    if guard is not None and guard.prefix != asked["prefix"]:  # the lock would be another's
        raise Denied("prefix_of_another", "这个占用不属于所称的号段")
    if not is_met_here(work, asked, guard, listed, ends=ends):
        return
    found, ruling = [entry] if entry else [], rule(asked, entry)
    _end(work, asked, _row(work, asked), found, ruling)
    if entry and ruling.live and ruling.live != entry.live:
        store.save_claim(work, ruling.live, **also)
    _answer(work, asked, found, ruling)


def _end(work: Work, asked: Json, row: Json, found: Iterable[Entry], ruling: Ruling) -> None:
    """End the tokens of a ruling: those on the ledger, and the one that asks, which may never have stood there."""
    known, why = {entry.claim_id: entry for entry in found}, asked.get("why") or ruling.why or rules.ENDED
    for token in ruling.ended:
        if token not in known:
            store.bury_claim(work, row, why)
        elif live := known[token].live:
            store.end_claim(work, live, why)
            if token != asked["claim_id"]:
                tell_ended(work, known[token], asked["epoch"])


def tell_ended(work: Work, entry: Entry, epoch: int) -> None:
    """Its former holder learns that a claim has ended without it."""
    data = {"claim_id": entry.claim_id, "epoch": epoch, "why": rules.ENDED}
    work.tell(said.ClaimDeniedV1, entry.case_id, data, to=entry.holder)


def _answer(work: Work, asked: Json, found: Iterable[Entry], ruling: Ruling) -> None:
    contract, data = SIMPLE.get(ruling.verdict), {}
    if ruling.verdict is Verdict.HELD and ruling.live:
        contract, data = said.ClaimHeldV1, {"until": clock.iso(ruling.live.until)}
    elif ruling.verdict is Verdict.DEFERRED:
        contract, data = said.ClaimDeferredV1, {"why": ruling.why}
    elif contract is None:
        contract, data = said.ClaimDeniedV1, {"why": ruling.why} | _by(ruling, found)
    answer(work, contract, asked["claim_id"], asked["epoch"], data)


def _by(ruling: Ruling, found: Iterable[Entry]) -> Json:
    """Which office to ask, and whether what it stands for is registered; never whom."""
    offices = {entry.claim_id: entry.office for entry in found}
    return {"by": offices[ruling.by.claim_id], "issued": ruling.by.issued} if ruling.by else {}


def sweep(work: Work, claim_id: str, prefix: str) -> None:
    """到期清理: end a reservation whose lease has run out. OutOfStep when it has gone on, or is not ours to end now.

    A restored ledger may lack the lock of what it has as reserved: nothing ends there before its holder was heard.
    """
    lock_prefix(work, prefix, shared=True)
    guard, entry = store.find_claim(work, claim_id, prefix)
    if guard is None or entry is None or entry.live is None or not may_end_unasked(guard):
        raise OutOfStep("claim_ended", "此占用已经结束,或其账目正在移交或恢复")
    rules.sweep(entry.live, work.now)
    store.end_claim(work, entry.live, "lease_ended")
    tell_ended(work, entry, guard.epoch)
