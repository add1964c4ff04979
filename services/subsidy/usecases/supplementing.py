"""补正: asked for once, brought in time, late or not at all."""

import dataclasses

from contracts import intake as intake_contracts
from contracts import subsidy as said
from contracts.envelope import Json
from services.subsidy import store
from services.subsidy.ports import Gathered
from services.subsidy.rules import application as rules
from services.subsidy.rules import facts as fact_rules
from services.subsidy.rules.application import State
from services.subsidy.store import Kept
from services.subsidy.usecases import beginning, case
from shared import calendar, clock
from shared.outbox import Work


def request_supplement(work: Work) -> None:
    """要求补正: by the office whose task it is, once, in time, with every fact that is missing."""
    asked, kept = work.data(said.RequestSupplementV1), case.get(work)
    office, days = case.expect_turn(work, kept, asked), case.matter_of(kept).supplement_days
    unproven = frozenset(fact for outcome in case.outcomes_of(kept) for fact in outcome.missing)
    after = rules.asked_supplement(kept.application, work.today, calendar.standard(), days, unproven)
    store.save_application(work, after, kept.application.version)
    data = case.word(after) | {"office": case.office_ref(work, office), "at": clock.iso(work.now)}
    data["due_on"] = str(after.supplement_due_on)
    named = work.personal(said.RequestSupplementV1)["missing"]
    new = after.asked_for[len(kept.application.asked_for) :]
    work.tell(said.SupplementNeededV1, after.case_id, data, {"missing": [*named, *map(_to_prove, new)]})


def _to_prove(fact: str) -> Json:
    """A missing fact as contracts.case.Reason: all that is missing is told, whatever the clerk thought of."""
    name, _advice = said.MISSING_FACTS[fact]
    text = f"{name}尚未核实,请提供材料、书面承诺或补充回答"
    return {"code": rules.MISSING + fact, "text": text, "basis": rules.PROOF}


def begin_look(work: Work, case_id: str) -> set[str]:
    """Which registries to ask once a supplement has come, on record; none when nobody waits for it any more."""
    kept = store.find_application(work, case_id)
    if kept is None or not rules.awaits_supplement(kept.application):
        return set()
    asked = case.registries_of(case.matter_of(kept))
    case.note_look(work, kept, asked, "registries_again")
    return asked


def note_supplement(work: Work) -> None:
    """补正到件: go on where we stood, with what was brought, promised, answered, and what the registries now say.

    What answers an earlier request than the one that is open is kept all the same.
    """
    kept = store.find_application(work, case.id_of(work))
    if kept is None:  # another service decides that matter
        return
    if kept.application.state is State.DECIDED and kept.application.supplement_due_on:
        _tell_late(work, kept)
        return
    told = work.data(intake_contracts.ApplicationSupplementedV1)
    after = rules.supplemented(kept.application, told["leg_no"], told["request"])
    store.save_application(work, after, kept.application.version)
    gathered: Gathered = work.answer
    brought = _with_supplement(work, dataclasses.replace(kept, application=after))
    known = fact_rules.answered(brought.facts, gathered.found, gathered.denied)
    beginning.tell_checked(work, after, brought.facts, known)
    now = dataclasses.replace(brought, facts=known, unanswered=kept.unanswered & gathered.unavailable)
    store.save_facts(work, now)
    if after.state is State.OPEN:
        case.go_on(work, now)


def _tell_late(work: Work, kept: Kept) -> None:
    """补正迟到: nothing is decided anew by itself; whoever decided sees when it was brought, and whether in time."""
    brought_at = work.data(intake_contracts.ApplicationSupplementedV1)["step"]["at"]
    data = case.word(kept.application) | {"office": case.decider_ref(work, kept), "brought_at": brought_at}
    data["due_on"] = str(kept.application.supplement_due_on)
    work.tell(said.SupplementArrivedLateV1, kept.application.case_id, data)


def _with_supplement(work: Work, kept: Kept) -> Kept:
    told = work.data(intake_contracts.ApplicationSupplementedV1)
    answers = work.personal(intake_contracts.ApplicationSupplementedV1)["answers"]
    facts = dict(kept.case_facts) | {"materials": [*kept.case_facts["materials"], *told["materials"]]}
    personal = dict(kept.personal) | {"answers": kept.personal["answers"] | answers}
    said_now = beginning.declared_facts(facts, personal, kept.application.division)
    known = fact_rules.restated(kept.facts, said_now, kept.unanswered)
    return dataclasses.replace(kept, case_facts=facts, personal=personal, facts=known)


def note_lapse(work: Work, case_id: str) -> None:
    """逾期未补正: go on with what is known. OutOfStep when it came meanwhile."""
    kept = store.find_application(work, case_id)
    if kept is None:
        return
    after = rules.lapsed(kept.application, work.today)
    store.save_application(work, after, kept.application.version)
    now = dataclasses.replace(kept, application=after)
    data = case.word(after) | {"office": case.speaker(work, now)}
    work.tell(said.SupplementLapsedV1, case_id, data | {"at": clock.iso(work.now)})
    case.go_on(work, now)
