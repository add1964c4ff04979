"""持有方: a service's attempt to have all its claims, from the first word to the last, and what authorities answer."""

import dataclasses
from collections.abc import Mapping, Sequence

from contracts import claims as said
from contracts.envelope import Contract, Json
from services.claims.rules import attempt as rules
from services.claims.rules.attempt import Said, Step, Word
from services.claims.store import attempts as store
from services.claims.store.attempts import Kept, Wish
from services.claims.usecases import subjects
from services.claims.usecases.guarding import case_of, source
from shared import clock
from shared.errors import Denied, NotFound, OutOfStep, Refused
from shared.outbox import Work

WISHES: dict[Word, type[Contract]] = {
    Word.RESERVE: said.ReserveClaimV1,
    Word.RENEW: said.RenewClaimV1,
    Word.CONFIRM: said.ConfirmClaimV1,
    Word.NOTE: said.NoteClaimIssuedV1,
    Word.RELEASE: said.ReleaseClaimV1,
}
ASKING = (Step.RESERVING, Step.HELD, Step.CONFIRMING)  # whoever asked waits for an answer


# --- what a service of this city asks -----------------------------------------------------------------------------------


def reserve_claims(work: Work) -> None:
    """预留: begin an attempt. Refused `authority_missing`, `same_person`; OutOfStep when it is known."""
    asked = work.data(said.ReserveClaimsV1)
    kind = subjects.kind_of(asked["kind"])
    if kind.asked_by != asked["asked_by"]:
        raise Denied("kind_of_another", f"{kind.name}占用不能由 {asked['asked_by']} 申请")
    about = [subjects.normalised(subject) for subject in work.personal(said.ReserveClaimsV1)["subjects"]]
    for subject in about:
        subjects.expect_about(kind, subject)
    _expect_different(about)
    _lock(work)
    wishes = tuple(_wish(work, number, subject) for number, subject in enumerate(about))
    begun = rules.start(wish.claim_id for wish in wishes)
    names = {name: asked[name] for name in ("asked_by", "kind", "office")}
    kept = Kept(asked["attempt"], case_of(work), step=begun.attempt.step, wishes=wishes, **names)
    by_claim = {wish.claim_id: subject for wish, subject in zip(wishes, about, strict=True)}
    if not store.add_attempt(work, kept, by_claim):
        raise OutOfStep("attempt_known", "这次申请已经收到")
    _say_all(work, kept, begun, by_claim)


def _expect_different(about: Sequence[Json]) -> None:
    if len({subjects.document_of(subject) for subject in about}) < len(about):
        raise Refused("same_person", "两个当事人是同一证件号码,请核对后重新填写", field="subjects")


def _wish(work: Work, number: int, subject: Json) -> Wish:
    to = subjects.authority(work, subject)
    return Wish(clock.new_id(), number, to.prefix, to.node, to.epoch)


def renew_claims(work: Work) -> None:
    """续期. OutOfStep unless all are held."""
    kept = _asked_of(work, said.RenewClaimsV1)
    go_on(work, kept, kept, rules.renew(kept.attempt))


def confirm_claims(work: Work) -> None:
    """锁定. OutOfStep unless all are held."""
    kept = _asked_of(work, said.ConfirmClaimsV1)
    go_on(work, kept, kept, rules.confirm(kept.attempt))


def release_claims(work: Work) -> None:
    """释放, whatever the attempt has; one that overtook its attempt is kept, so that the attempt never begins."""
    asked = work.data(said.ReleaseClaimsV1)
    _lock(work)
    kept = _find(work, asked)
    if kept is None:
        store.add_attempt(work, Kept(asked["attempt"], case_of(work), asked["asked_by"], "", None, Step.OVER, ()), {})
        return
    go_on(work, kept, dataclasses.replace(kept, why=kept.why or asked["why"]), rules.release(kept.attempt))


def note_issued(work: Work) -> None:
    """已签发. OutOfStep unless all are locked."""
    kept, asked = _asked_of(work, said.NoteIssuedV1), work.data(said.NoteIssuedV1)
    noted = dataclasses.replace(kept, reference=kept.reference or asked["reference"])
    go_on(work, kept, noted, rules.note_issued(kept.attempt))


def _asked_of(work: Work, contract: type[Contract]) -> Kept:
    """The attempt a service speaks of. NotFound; Denied when it is another service's."""
    _lock(work)
    kept = _find(work, work.data(contract))
    if kept is None:
        raise NotFound("attempt_unknown", "没有这次占用申请")
    return kept


def _find(work: Work, asked: Json) -> Kept | None:
    kept = store.find_attempt(work, asked["attempt"])
    if kept and (kept.asked_by, kept.case_id) != (asked["asked_by"], case_of(work)):
        raise Denied("attempt_of_another", "这次占用申请属于别的服务或别的办件")
    return kept


def _lock(work: Work) -> None:
    """An attempt belongs to a case, and every word about it names the case: two answers never pass each other."""
    work.lock(f"case/{case_of(work)}")


# --- what authorities answer --------------------------------------------------------------------------------------------


def note_held(work: Work) -> None:
    """已预留, or renewed; that the lease which runs cannot be longer is nobody's news."""
    told = work.data(said.ClaimHeldV1)
    kept, wish = _heard(work, told)
    known = kept.step is Step.HELD and wish.until == told["until"]
    if known and wish.standing is not rules.Standing.RENEWS:
        raise OutOfStep("stale", "过时的消息")
    held = rules.note_held(kept.attempt, wish.claim_id)
    after = kept.with_wish(dataclasses.replace(wish, until=told["until"]))
    go_on(work, kept, after, Said(held.attempt) if known else held)


def note_locked(work: Work) -> None:
    """已锁定."""
    kept, wish = _heard(work, work.data(said.ClaimLockedV1))
    go_on(work, kept, kept, rules.note_locked(kept.attempt, wish.claim_id))


def note_released(work: Work) -> None:
    """已释放."""
    kept, wish = _heard(work, work.data(said.ClaimReleasedV1))
    go_on(work, kept, kept, rules.note_released(kept.attempt, wish.claim_id))


def note_issue_noted(work: Work) -> None:
    """已记录签发."""
    kept, wish = _heard(work, work.data(said.ClaimIssueNotedV1))
    go_on(work, kept, kept, rules.note_issue_noted(kept.attempt, wish.claim_id))


def note_denied(work: Work) -> None:
    """不能: the attempt is over, what it has is released, and whoever asked learns which office to ask."""
    told = work.data(said.ClaimDeniedV1)
    kept, wish = _heard(work, told)
    denial = {name: told[name] for name in ("why", "by", "issued")} | {"number": wish.number}
    ended = rules.note_denied(kept.attempt, wish.claim_id)
    go_on(work, kept, dataclasses.replace(kept, why=kept.why or told["why"]), ended, denial)


def note_deferred(work: Work) -> None:
    """暂缓: whoever asked learns it once; the timer asks again."""
    told = work.data(said.ClaimDeferredV1)
    kept, wish = _heard(work, told)
    _defer(work, kept, [wish], told["why"], wish.authority)


def _defer(work: Work, kept: Kept, deferred: Sequence[Wish], why: str, authority: str) -> None:
    """Keep that these wishes wait for that reason, and say so unless that is known."""
    new = [wish for wish in deferred if wish.deferred != why]
    after = dataclasses.replace(kept, tries=0)  # somebody is there: ask again soon
    for wish in new:
        after = after.with_wish(dataclasses.replace(wish, deferred=why))
    store.save_attempt(work, kept, after)
    if new and kept.step in ASKING:
        data = {"number": new[0].number, "why": why, "authority": authority}
        work.tell(said.ClaimsDeferredV1, kept.case_id, _named(kept) | data)


def note_redirected(work: Work) -> None:
    """另有登记处: ask there from now on, at once when that is news."""
    told = work.data(said.ClaimRedirectedV1)
    kept, wish = _heard(work, told)
    names = {name: told[name] for name in ("prefix", "authority", "epoch")}
    after = dataclasses.replace(kept, tries=0).with_wish(dataclasses.replace(wish, **names))
    left = rules.unanswered(kept.attempt)
    again = left is not None and wish.claim_id in left[1] and told["epoch"] > wish.epoch
    store.save_attempt(work, kept, after, spoken=again)
    if again and left is not None:
        _say(work, after, left[0], (wish.claim_id,))


def note_aliased(work: Work) -> None:
    """同一人的另一证件: ask for the canonical document with the same token, at once when that is news. OutOfStep."""
    kept, wish = _heard(work, work.data(said.ClaimAliasedV1))
    if kept.step is not Step.RESERVING or wish.standing is not rules.Standing.ASKED:
        raise OutOfStep("stale", "过时的消息")
    before = store.subjects_of(work, kept.attempt_id)[wish.claim_id]
    told = subjects.normalised(work.personal(said.ClaimAliasedV1)["subject"])
    subject = before | {name: value for name, value in told.items() if value}
    to = subjects.authority(work, subject)
    led = dataclasses.replace(wish, prefix=to.prefix, authority=to.node, epoch=to.epoch, aliased=True, deferred="")
    after = dataclasses.replace(kept, tries=0).with_wish(led)
    store.save_attempt(work, kept, after, spoken=not wish.aliased)
    store.save_subject(work, wish.claim_id, subject)
    if not wish.aliased:  # two documents that lead to each other are asked for by the timer alone
        _say(work, after, Word.RESERVE, (wish.claim_id,), {wish.claim_id: subject})


def _heard(work: Work, told: Json) -> tuple[Kept, Wish]:
    """The attempt and the wish an authority speaks of. NotFound; Denied unless it is the one we asked.

    OutOfStep for an answer from before we were sent elsewhere.
    """
    _lock(work)
    kept = store.find_attempt_of(work, told["claim_id"])
    if kept is None:
        raise NotFound("claim_unknown", "没有这个占用")
    wish = kept.wish(told["claim_id"])
    known = (told.get("authority"), told["epoch"]) == (
        wish.authority,
        wish.epoch,
    )  # the one before has sent us on twice
    if told["epoch"] < wish.epoch or (source(work) != wish.authority and (wish.aliased or known)):
        raise OutOfStep("stale", "过时的消息")
    if (wish.authority, kept.case_id) != (source(work), case_of(work)):
        raise Denied("not_the_authority", f"{source(work)} 不是这个占用的主管登记处")
    return kept, wish


# --- what is said next --------------------------------------------------------------------------------------------------


def say_again(work: Work, attempt_id: str, case_id: str) -> None:
    """Say once more what no authority has answered. OutOfStep when all has been answered meanwhile."""
    work.lock(f"case/{case_id}")
    kept = store.find_attempt(work, attempt_id)
    left = rules.unanswered(kept.attempt) if kept else None
    if kept is None or left is None:
        raise OutOfStep("answered", "已有答复")
    again = dataclasses.replace(kept, tries=kept.tries + 1)
    store.save_attempt(work, kept, again, spoken=True)
    _say(work, again, *left)


def go_on(work: Work, before: Kept, after: Kept, ruled: Said, denial: Json | None = None) -> None:
    """Keep what the rules made of an attempt, and say what they want said."""
    kept = after.changed(ruled.attempt)
    spoken = any(word in WISHES for word, _ in ruled.words)
    kept = dataclasses.replace(kept, tries=0) if spoken else kept
    store.save_attempt(work, before, kept, spoken=spoken)
    _say_all(work, kept, ruled, denial=denial)


def _say_all(
    work: Work, kept: Kept, ruled: Said, about: Mapping[str, Json] | None = None, denial: Json | None = None
) -> None:
    for word, claim_ids in ruled.words:
        if word in WISHES:
            _say(work, kept, word, claim_ids, about)
        else:
            _tell(work, kept, word, denial)


def _say(work: Work, kept: Kept, word: Word, claim_ids: Sequence[str], about: Mapping[str, Json] | None = None) -> None:
    """Tell each authority; nothing is confirmed on a directory that is older than a day."""
    wishes = [kept.wish(claim_id) for claim_id in claim_ids]
    if word is Word.CONFIRM and work.node.directory.is_stale(work.now):
        _defer(work, kept, wishes, said.DIRECTORY_STALE, work.node.code)
        return
    if word is Word.RESERVE and about is None:
        about = store.subjects_of(work, kept.attempt_id)
    for wish in wishes:
        private = _sealed(kept, word, (about or {}).get(wish.claim_id))
        work.tell(WISHES[word], kept.case_id, _wanted(kept, word, wish), private, to=wish.authority)


def _sealed(kept: Kept, word: Word, subject: Json | None) -> Json | None:
    """What of a wish nobody between the two may read."""
    if word is Word.NOTE:
        return {"reference": kept.reference}
    return {"subject": subject} if word is Word.RESERVE else None


def _wanted(kept: Kept, word: Word, wish: Wish) -> Json:
    more: dict[Word, Json] = {
        Word.RESERVE: {"kind": kept.kind, "office": kept.office},
        Word.RELEASE: {"why": kept.why},
    }
    return {name: getattr(wish, name) for name in ("claim_id", "prefix", "epoch")} | more.get(word, {})


def _tell(work: Work, kept: Kept, word: Word, denial: Json | None) -> None:
    """The answer to the service that asked."""
    if word is Word.ALL_HELD:
        until = min(wish.until for wish in kept.wishes)
        work.tell(said.ClaimsHeldV1, kept.case_id, _named(kept) | {"until": until})
    elif word is Word.ALL_LOCKED:
        work.tell(said.ClaimsLockedV1, kept.case_id, _named(kept))
    else:
        contract = said.ClaimsDeniedV1 if word is Word.DENIED else said.ClaimsLostV1
        work.tell(contract, kept.case_id, _named(kept) | {"denials": [denial]})


def _named(kept: Kept) -> Json:
    return {"attempt": kept.attempt_id, "asked_by": kept.asked_by}
