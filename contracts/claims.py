"""What claims (一人一事) is asked and what it says: at most one live claim on a key, across all cities.

A service asks its own city's claims for all keys of one attempt (`reserve_claims` … `claims_locked`); claims asks the
authority of each key (`reserve_claim` … `claim_locked`), which may be its own city. `claim_id` is the token: made once
for an attempt and a key, never used again. Subjects of all messages are the case, so that its trace shows them.
"""

from marshmallow import fields, validate

from contracts.case import Actor, OfficeRef
from contracts.claim_parts import UUID, ClaimsFound, LedgerRows, LookedUp, OneSubject, Reference, Subjects
from contracts.envelope import CODE6, Contract, Part

MARRIAGE_NO = "marriage"  # the id_type of a subject that is a marriage: its first certificate's number, "#", its id
# why a claim is denied: for ever, this token is dead
HELD_ELSEWHERE = "held_elsewhere"  # another office has reserved it: 暂不能办结, no ground of refusal
LOCKED_ELSEWHERE = "locked_elsewhere"  # another office has it for good
ENDED = "ended"  # the lease ran out, it was dropped or given up
DENIALS = (HELD_ELSEWHERE, LOCKED_ELSEWHERE, ENDED)
# why it is put off: the same token is asked for again later
FROZEN = "frozen"  # the ledger is being handed over
RECOVERING = "recovering"  # after a restore: the holders are asked first
LEDGER_MISSING = "ledger_missing"  # the directory names an authority that has not got the ledger yet
EPOCH_AHEAD = "epoch_ahead"  # whoever asks knows a newer directory than the authority
DOUBTED = "doubted"  # somebody of the same name, birth and sex has a claim under another document: two people look
DIRECTORY_STALE = "directory_stale"  # ours: no claim is confirmed on a directory older than a day
DEFERRALS = (FROZEN, RECOVERING, LEDGER_MISSING, EPOCH_AHEAD, DOUBTED, DIRECTORY_STALE)


class Denial(Part):
    """Why one of the claims is denied; `by` is the office to ask, never the person."""

    number = fields.Integer(required=True)  # place of its subject in the wish, from 0
    why = fields.String(required=True, validate=validate.OneOf(DENIALS))
    by = fields.Nested(OfficeRef, load_default=None, allow_none=True)
    issued = fields.Boolean(load_default=False)  # what the other claim stands for has been registered


# --- inside a city: a service and its claims ---------------------------------------------------------------------------


class ActRefusedV1(Contract):
    """不能办: the answer to a wish claims cannot even ask for."""

    type = "claims.act_refused.v1"
    consumers = ("marriage", "web")
    kind = fields.String(required=True)
    code = fields.String(required=True)
    message = fields.String(required=True)
    basis = fields.String(load_default="")
    field = fields.String(load_default="")
    details = fields.Dict(keys=fields.String(), values=fields.String(), load_default=dict)


class OfAttempt(Contract):
    """Of which attempt, and of which service."""

    attempt = fields.String(required=True, validate=UUID)
    asked_by = fields.String(required=True)  # the service; others pass it over


class ReserveClaimsV1(OfAttempt):
    """预留: reserve all keys of a new attempt, or none."""

    type = "claims.reserve_claims.v1"
    consumers = ("claims",)
    answers = ActRefusedV1
    Personal = Subjects
    kind = fields.String(required=True)
    office = fields.Nested(OfficeRef, required=True)


class RenewClaimsV1(OfAttempt):
    """续期: the couple is still here."""

    type = "claims.renew_claims.v1"
    consumers = ("claims",)


class ConfirmClaimsV1(OfAttempt):
    """锁定: the last step before what the claims stand for is issued."""

    type = "claims.confirm_claims.v1"
    consumers = ("claims",)


class ReleaseClaimsV1(OfAttempt):
    """释放: the attempt is given up, or what it stood for has ended."""

    type = "claims.release_claims.v1"
    consumers = ("claims",)
    why = fields.String(required=True, validate=validate.Length(max=40))


class NoteIssuedV1(OfAttempt):
    """已签发: what the locked claims stand for is registered under `reference`."""

    type = "claims.note_issued.v1"
    consumers = ("claims",)
    reference = fields.String(required=True, validate=validate.Length(max=80))


class ClaimsHeldV1(OfAttempt):
    """已预留: all of them, until the first lease ends."""

    type = "claims.claims_held.v1"
    consumers = ("marriage",)
    until = fields.String(required=True)


class ClaimsDeniedV1(OfAttempt):
    """未能预留: the others are released; the attempt is over."""

    type = "claims.claims_denied.v1"
    consumers = ("marriage",)
    denials = fields.List(fields.Nested(Denial), required=True, validate=validate.Length(min=1))


class ClaimsDeferredV1(OfAttempt):
    """暂缓: an authority cannot answer now; claims asks again by itself."""

    type = "claims.claims_deferred.v1"
    consumers = ("marriage",)
    number = fields.Integer(required=True)
    why = fields.String(required=True, validate=validate.OneOf(DEFERRALS))
    authority = fields.String(required=True, validate=CODE6)


class ClaimsLockedV1(OfAttempt):
    """已锁定: all of them, without end: now, and only now, it may be issued."""

    type = "claims.claims_locked.v1"
    consumers = ("marriage",)


class ClaimsLostV1(OfAttempt):
    """已失效: held ones ran out or were dropped before they were locked; the attempt is over."""

    type = "claims.claims_lost.v1"
    consumers = ("marriage",)
    denials = fields.List(fields.Nested(Denial), required=True, validate=validate.Length(min=1))


# --- between a holder and an authority, which may be the same city ------------------------------------------------------


class OfClaim(Contract):
    """Of which claim, on the authority table of which epoch."""

    crosses = "anyone"  # claims itself binds every word to its holder and its authority
    claim_id = fields.String(required=True, validate=UUID)
    epoch = fields.Integer(required=True)


class Wish(OfClaim):
    """What a holder wants of an authority; `prefix`: the row of the authority table by which it was found."""

    consumers = ("claims",)
    prefix = fields.String(required=True, validate=validate.Length(min=2, max=12))


class ReserveClaimV1(Wish):
    """预留."""

    type = "claims.reserve_claim.v1"
    Personal = OneSubject
    kind = fields.String(required=True)
    office = fields.Nested(OfficeRef, required=True)


class RenewClaimV1(Wish):
    """续期."""

    type = "claims.renew_claim.v1"


class ConfirmClaimV1(Wish):
    """锁定."""

    type = "claims.confirm_claim.v1"


class ReleaseClaimV1(Wish):
    """释放."""

    type = "claims.release_claim.v1"
    why = fields.String(required=True, validate=validate.Length(max=40))


class NoteClaimIssuedV1(Wish):
    """已签发: a lock without it is an old lock after a while, for people to look at."""

    type = "claims.note_claim_issued.v1"
    Personal = Reference


class Ruling(OfClaim):
    """What an authority says of a claim."""

    consumers = ("claims",)


class ClaimHeldV1(Ruling):
    """已预留, until the authority's clock says so."""

    type = "claims.claim_held.v1"
    until = fields.String(required=True)


class ClaimLockedV1(Ruling):
    """已锁定."""

    type = "claims.claim_locked.v1"


class ClaimReleasedV1(Ruling):
    """已释放."""

    type = "claims.claim_released.v1"


class ClaimIssueNotedV1(Ruling):
    """已记录签发."""

    type = "claims.claim_issue_noted.v1"


class ClaimDeniedV1(Ruling):
    """不能预留或锁定: the token is dead."""

    type = "claims.claim_denied.v1"
    why = fields.String(required=True, validate=validate.OneOf(DENIALS))
    by = fields.Nested(OfficeRef, load_default=None, allow_none=True)
    issued = fields.Boolean(load_default=False)


class ClaimDeferredV1(Ruling):
    """暂缓: ask again later with the same token."""

    type = "claims.claim_deferred.v1"
    why = fields.String(required=True, validate=validate.OneOf(DEFERRALS))


class ClaimRedirectedV1(Ruling):
    """另有登记处: that node guards the key, in that epoch of `prefix`."""

    type = "claims.claim_redirected.v1"
    prefix = fields.String(required=True, validate=validate.Length(min=2, max=12))
    authority = fields.String(required=True, validate=CODE6)


class ClaimAliasedV1(Ruling):
    """同一人的另一证件: the claim is to be made on that document."""

    type = "claims.claim_aliased.v1"
    Personal = OneSubject


# --- a person's own claims ------------------------------------------------------------------------------------------------


class DropClaimsV1(Contract):
    """放弃预留: a person gives up at any counter what any office has reserved for them."""

    type = "claims.drop_claims.v1"
    consumers = ("claims",)
    answers = ActRefusedV1
    Personal = OneSubject
    kind = fields.String(required=True)
    actor = fields.Nested(Actor, required=True)


class LookUpClaimsV1(Contract):
    """查询占用: what is held on a person, by whom."""

    type = "claims.look_up_claims.v1"
    consumers = ("claims",)
    answers = ActRefusedV1
    Personal = LookedUp
    purpose = fields.String(required=True, validate=validate.Length(max=40))
    actor = fields.Nested(Actor, required=True)


class AskAuthority(Contract):
    """A question about a subject, to the node that guards its keys."""

    consumers = ("claims",)
    crosses = "anyone"
    Personal = OneSubject
    prefix = fields.String(required=True, validate=validate.Length(min=2, max=12))
    epoch = fields.Integer(required=True)
    office = fields.String(required=True)  # whose clerk asks; empty of a citizen who asks for themselves


class DropClaimV1(AskAuthority):
    """放弃预留."""

    type = "claims.drop_claim.v1"
    kind = fields.String(required=True)


class LookUpClaimV1(AskAuthority):
    """查询占用."""

    type = "claims.look_up_claim.v1"
    Personal = LookedUp
    purpose = fields.String(required=True, validate=validate.Length(max=40))


class ClaimsFoundV1(Contract):
    """占用情况: the answer to a look-up, to the node that asked."""

    type = "claims.claims_found.v1"
    consumers = ("marriage", "web")
    crosses = "anyone"
    Personal = ClaimsFound
    authority = fields.String(required=True, validate=CODE6)
    complete = fields.Boolean(load_default=True)  # not while the ledger is restored: more may be held than was found


class ClaimDroppedV1(Contract):
    """已放弃; `found`: there was one that could be dropped. A locked claim cannot: `locked_by` is the office to ask."""

    type = "claims.claim_dropped.v1"
    consumers = ("web",)
    crosses = "anyone"
    kind = fields.String(required=True)
    found = fields.Boolean(required=True)
    deferred = fields.String(load_default="")  # why nothing can be given up now, of DEFERRALS; ask again later
    locked_by = fields.Nested(OfficeRef, load_default=None, allow_none=True)


# --- from one authority to another, and back from the dead ---------------------------------------------------------------


class HandOverLedgerV1(Contract):
    """移交: one piece of a frozen ledger, for its new authority."""

    type = "claims.hand_over_ledger.v1"
    consumers = ("claims",)
    crosses = "anyone"
    Personal = LedgerRows
    prefix = fields.String(required=True, validate=validate.Length(min=2, max=12))
    epoch = fields.Integer(required=True)  # the new one
    number = fields.Integer(required=True)  # from 1
    count = fields.Integer(required=True)


class LedgerTakenOverV1(Contract):
    """已接管: every piece is here; from now on the new authority answers in the new epoch."""

    type = "claims.ledger_taken_over.v1"
    consumers = ("claims", "web")
    crosses = "anyone"
    prefix = fields.String(required=True, validate=validate.Length(min=2, max=12))
    epoch = fields.Integer(required=True)


class RestateClaimsV1(Contract):
    """请重述: an authority that was restored asks a holder which of its claims it holds."""

    type = "claims.restate_claims.v1"
    consumers = ("claims",)
    crosses = "anyone"
    prefix = fields.String(required=True, validate=validate.Length(min=2, max=12))
    round = fields.String(required=True, validate=UUID)
    epoch = fields.Integer(load_default=0)  # of the guard that asks: whoever has taken over a later one says so


class ClaimsRestatedV1(Contract):
    """重述: a holder's live claims with that authority, in pieces."""

    type = "claims.claims_restated.v1"
    consumers = ("claims",)
    crosses = "anyone"
    Personal = LedgerRows
    prefix = fields.String(required=True, validate=validate.Length(min=2, max=12))
    round = fields.String(required=True, validate=UUID)
    number = fields.Integer(required=True)
    count = fields.Integer(required=True)
