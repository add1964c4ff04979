"""A person's own claims: looked up and given up at any counter, wherever they are held. Every look is on record."""

from functools import partial

from contracts import claims as said
from contracts.claim_kinds import claim_kinds
from contracts.envelope import Contract, Json
from services.claims.rules import ledger as rules
from services.claims.rules.guard import Duty, may_end_unasked
from services.claims.store import aliases
from services.claims.store import ledger as store
from services.claims.store.ledger import Entry
from services.claims.usecases import authority, subjects
from services.claims.usecases.guarding import case_of, expect_ledger, source, with_guard
from shared import audit, clock
from shared.errors import NotFound, Refused
from shared.outbox import Work

DROP = "drop_claims"  # the purpose of a look that goes with it


def look_up_claims(work: Work) -> None:
    """查询占用: ask whoever guards this person's keys. Refused `authority_missing`."""
    asked = work.data(said.LookUpClaimsV1)
    looked = work.personal(said.LookUpClaimsV1)
    subject = subjects.normalised(looked["subject"])
    _record(work, asked["actor"]["id"], asked["actor"]["office"], asked["purpose"], subject)
    _ask(work, said.LookUpClaimV1, asked, subject, {"purpose": asked["purpose"]}, {"same_as": looked["same_as"]})


def drop_claims(work: Work) -> None:
    """放弃预留: ask whoever guards this person's keys to end what is only held. Refused `authority_missing`."""
    asked = work.data(said.DropClaimsV1)
    subject = subjects.normalised(work.personal(said.DropClaimsV1)["subject"])
    subjects.expect_about(subjects.kind_of(asked["kind"]), subject)
    _record(work, asked["actor"]["id"], asked["actor"]["office"], DROP, subject)
    _ask(work, said.DropClaimV1, asked, subject, {"kind": asked["kind"]})


def _ask(
    work: Work, contract: type[Contract], asked: Json, subject: Json, more: Json, sealed: Json | None = None
) -> None:
    to = subjects.authority(work, subject)
    data = {"prefix": to.prefix, "epoch": to.epoch, "office": asked["actor"]["office"]} | more
    work.tell(contract, case_of(work), data, {"subject": subject} | (sealed or {}), to=to.node)


def look_up_claim(work: Work) -> None:
    """查询占用, at the authority: the live claims of every kind about a person. Denied `not_the_authority`.

    While the ledger is restored the answer says that there may be more.
    """
    asked = work.data(said.LookUpClaimV1)
    looked = work.personal(said.LookUpClaimV1)
    subject = subjects.normalised(looked["subject"])
    keys = [subjects.key_of(work, kind, subject).index for kind in claim_kinds()]
    listed = subjects.listed(work, asked["prefix"])
    guard, _ = with_guard(work, asked["prefix"], listed, lambda: (store.find_guard(work, asked["prefix"]), None))
    expect_ledger(work, guard, asked["epoch"], listed)
    _record(work, source(work), asked["office"], asked["purpose"], subject)
    found = [_found(entry) for entry in store.list_of_person(work, keys) if not _is_over(work, entry)]
    complete = guard is None or guard.duty is not Duty.RECOVERING
    data, seen = (
        {"authority": work.node.code, "complete": complete},
        {"claims": found, "linked": _is_linked(work, looked)},
    )
    work.tell(said.ClaimsFoundV1, case_of(work), data, seen, to=source(work))


def _is_linked(work: Work, looked: Json) -> bool:
    """Whether claims on both are made on one of them, or on the same third one, as far as links stand here: one person's.

    A link to what is linked itself is refused, so who is to have a third number is linked beside the second, not to it.
    """
    if looked["same_as"] is None:
        return False
    return not _documents(work, looked["subject"]).isdisjoint(_documents(work, looked["same_as"]))


def _documents(work: Work, subject: Json) -> set[str]:
    """The document, and the one on which claims on it are made instead."""
    index = subjects.person_index(work, subjects.normalised(subject))
    canonical = aliases.find_canonical(work, index)
    return {index, subjects.person_index(work, canonical)} if canonical else {index}


def _is_over(work: Work, entry: Entry) -> bool:
    return entry.live is None or (entry.live.state is rules.State.HELD and entry.live.until <= work.now)


def _found(entry: Entry) -> Json:
    assert entry.live is not None  # noqa: S101 - only live ones are listed
    held = entry.live.state is rules.State.HELD
    until = clock.iso(entry.live.until) if held else ""
    data = {"kind": entry.kind, "state": str(entry.live.state), "office": entry.office, "since": entry.since}
    return data | {"until": until, "issued": entry.live.issued}


def drop_claim(work: Work) -> None:
    """放弃预留, at the authority: what is held ends, what is locked stays. Denied `not_the_authority`.

    While the ledger is on its way, or incomplete, nothing is given up, and whoever asks hears why.
    """
    asked = work.data(said.DropClaimV1)
    subject = subjects.normalised(work.personal(said.DropClaimV1)["subject"])
    key, listed = subjects.key_of(work, asked["kind"], subject), subjects.listed(work, asked["prefix"])
    authority.lock(work, key.index)
    find = partial(store.find_on_key, work, asked["prefix"], key.index)
    guard, found = with_guard(work, asked["prefix"], listed, find)
    expect_ledger(work, guard, asked["epoch"], listed)
    deferred = str(guard.duty) if guard is not None and not may_end_unasked(guard) else ""
    came = _drop(work, found[0], asked) if found and not deferred else {"found": False}
    _record(work, source(work), asked["office"], DROP, subject)
    data = {"kind": asked["kind"], "deferred": deferred} | came
    work.tell(said.ClaimDroppedV1, case_of(work), data, to=source(work))


def _drop(work: Work, found: Entry, asked: Json) -> Json:
    """Whether this one could be dropped, as it stands once whoever is confirming it, who locks its row alone, is done.

    Of a locked one: which office to ask.
    """
    _, entry = store.find_claim(work, found.claim_id, asked["prefix"])
    try:
        rules.drop(entry.live if entry else None, work.now)
    except NotFound:
        return {"found": False}
    except Refused:
        return {"found": False, "locked_by": entry.office if entry else None}
    if entry is not None and entry.live is not None:
        store.end_claim(work, entry.live, "dropped")
        authority.tell_ended(work, entry, asked["epoch"])
    return {"found": True}


def _record(work: Work, actor: str, office: str, purpose: str, subject: Json) -> None:
    audit.record(
        work,
        actor=actor,
        office=office,
        purpose=purpose,
        act="look_up_claims",
        subject=case_of(work),
        person_index=subjects.person_index(work, subject),
        fields=("claims",),
    )
