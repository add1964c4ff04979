"""Where an application begins and how it may end without us: accepted, withdrawn."""

import dataclasses
import datetime

from contracts import intake as intake_contracts
from contracts import marriage as said
from contracts.envelope import Json
from services.marriage.rules import eligibility
from services.marriage.rules import registration as rules
from services.marriage.rules.editions import edition_on
from services.marriage.rules.registration import Hold, Move, Registration, State
from services.marriage.rules.registration import begin as first_reservation
from services.marriage.store import applications as store
from services.marriage.store.applications import Kept
from services.marriage.usecases import case, desk, late
from shared import clock, identity
from shared.errors import OutOfStep, TongbanError
from shared.outbox import Work

OURS = "marriage"  # what a matter's `decides` must say for us to act on it
OPEN_BY = datetime.timedelta(seconds=30)  # claims answer sooner, or the task opens without their answer


def begin_application(work: Work) -> None:
    """受理: identify both persons, look them up in our own records and reserve them.

    The task opens with the answer of claims, or by the timer: most answers come at once. Who cannot marry here at all is
    not reserved.
    """
    told = work.data(intake_contracts.ApplicationAcceptedV1)
    if told["decides"] != OURS:
        return
    personal = _normalised(work, work.personal(intake_contracts.ApplicationAcceptedV1))
    move = first_reservation(clock.new_id())
    kept = _with_fault(work, case.looked_up(work, _application(work, told, personal, move)))
    if kept.known.fault:
        move = Move(dataclasses.replace(move.after, hold=Hold.NONE))
        kept = dataclasses.replace(kept, registration=move.after, wake_at="")
    work.lock(kept.case_id)
    if not store.open_application(work, kept):
        raise OutOfStep("stale", "过时的消息")
    if store.was_withdrawn(work, kept.case_id, kept.leg_no):
        drop(work, dataclasses.replace(kept, registration=_without_hold(kept.registration)))
        return
    case.tell_claims(work, kept, move)
    if kept.known.fault:
        case.open_task(work, kept)


def _application(work: Work, told: Json, personal: Json, move: Move) -> Kept:
    return Kept(
        case_id=case.id_of(work),
        leg_no=told["leg"]["leg_no"],
        office=told["case"]["accepting_office"]["code"],
        division=told["division"],
        registration=move.after,
        version=1,
        case_facts=told["case"],
        personal=personal,
        wake_at=clock.iso(work.now + OPEN_BY),
        retry_until=case.lease_end(work),
    )


def _without_hold(now: Registration) -> Registration:
    """Nothing was reserved yet, so nothing is released."""
    return dataclasses.replace(now, hold=Hold.NONE)


def _normalised(work: Work, personal: Json) -> Json:
    """The same parties, their numbers in their one right form; what cannot be read stays as it is."""
    return personal | {"parties": [with_number(work, party) for party in personal["parties"]]}


def with_number(work: Work, party: Json) -> Json:
    """The same person, the number in its one right form; what cannot be read stays as it is."""
    try:
        return party | {"id_number": identity.document_number(party["id_type"], party["id_number"], work.today)}
    except TongbanError:
        return party


def _with_fault(work: Work, kept: Kept) -> Kept:
    """With why the rules cannot begin, or this office may not: a person sees it, and no case is lost by it."""
    try:
        case.expect_two_named(kept)
        eligibility.expect_office(_power_needed(kept), edition_on(work.today), _power(work, kept))
        eligibility.expect_couple(case.couple_of(kept, work.today))
        late.expect_met(work, kept)
    except TongbanError as error:
        fault = {"code": error.code, "text": error.message, "basis": error.basis}
        return dataclasses.replace(kept, known=dataclasses.replace(kept.known, fault=fault))
    return kept


def _power_needed(kept: Kept) -> eligibility.Power:
    persons = case.persons_of(kept.personal)
    one, other = (eligibility.category_of(person["id_type"], person["id_number"]) for person in persons)
    return eligibility.power_needed(one, other)


def _power(work: Work, kept: Kept) -> eligibility.Office:
    office, matter = work.node.offices.by_code.get(kept.office), kept.case_facts["matter"]
    if office is None:
        return eligibility.Office(may_register=False, may_register_foreign=False, holds_hukou=False)
    return eligibility.Office(
        may_register=office.may("register", matter, work.today),
        may_register_foreign=office.may("register_foreign", matter, work.today),
        holds_hukou=any(office.covers(person["hukou_division"]) for person in case.persons_of(kept.personal)),
        for_foreigners=tuple(
            one.name for one in work.node.offices.by_code.values() if one.may("register_foreign", matter, work.today)
        ),
    )


def drop_application(work: Work) -> None:
    """撤回: in time only before the decision; both persons are free again. Call it with the case locked."""
    told = work.data(intake_contracts.ApplicationWithdrawnV1)
    if not told["leg_no"]:
        return
    kept = store.find_application(work, case.id_of(work))
    if kept is None or kept.leg_no < told["leg_no"]:
        store.keep_withdrawal(work, case.id_of(work), told["leg_no"])
    else:
        drop(work, kept)


def drop(work: Work, kept: Kept, note: str = "") -> None:
    """终止; `note`: why, where nobody has withdrawn it. OutOfStep once it is decided."""
    move = rules.end(kept.registration, State.DROPPED)
    after = case.go_on(work, dataclasses.replace(kept, version=kept.version + 1, wake_at=""), move)
    data = desk.word(after) | {"at": clock.iso(work.now), "note": note}
    work.tell(said.ApplicationDroppedV1, after.case_id, data)
