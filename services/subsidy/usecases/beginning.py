"""Where an application begins and how it may end without us: accepted, answered by registries, withdrawn."""

import dataclasses
import datetime

from contracts import intake as intake_contracts
from contracts import subsidy as said
from contracts.envelope import Json
from contracts.matters import matter_version, promised
from services.subsidy import store
from services.subsidy.ports import Gathered
from services.subsidy.rules import application as rules
from services.subsidy.rules import facts as fact_rules
from services.subsidy.rules.application import Application, State
from services.subsidy.rules.eligibility import Facts
from services.subsidy.store import Kept
from services.subsidy.usecases import case
from shared import clock
from shared.errors import OutOfStep
from shared.outbox import Work

OURS = "subsidy"  # what a matter's `decides` must say for us to act on it


def begin_application(work: Work) -> None:
    """受理: keep the application with the facts the registries gave, and open its first task."""
    told = work.data(intake_contracts.ApplicationAcceptedV1)
    if told["decides"] != OURS:
        return
    personal = work.personal(intake_contracts.ApplicationAcceptedV1)
    application, gathered = _application(work, told), work.answer
    declared = declared_facts(told["case"], personal, told["division"])
    known = fact_rules.answered(declared, gathered.found, gathered.denied)
    kept = Kept(application, told["case"], personal, known, gathered.unavailable)
    work.lock(application.case_id)
    subject = case.subject_of(case.matter_of(kept), personal)
    if not store.open_application(work, kept, case.person_index(work, subject)):
        raise OutOfStep("stale", "过时的消息")
    if store.was_withdrawn(work, application.case_id, application.leg_no):
        _drop(work, application)
    else:
        case.go_on(work, kept)


def begin_look(work: Work, case_id: str, told: Json, personal: Json) -> set[str]:
    """Which registries to ask about a new application, on record; none when it is known already, or withdrawn."""
    kept, leg_no, facts = store.find_application(work, case_id), told["leg"]["leg_no"], told["case"]
    if (kept and kept.application.leg_no >= leg_no) or store.was_withdrawn(work, case_id, leg_no):
        return set()
    matter = matter_version(facts["matter"], facts["matter_version"])
    asked, person = case.registries_of(matter), case.subject_of(matter, personal)
    case.record_look(work, case_id, facts["accepting_office"]["code"], person, asked, "registries")
    return asked


def _application(work: Work, told: Json) -> Application:
    facts = told["case"]
    return Application(
        case_id=case.id_of(work),
        leg_no=told["leg"]["leg_no"],
        matter=facts["matter"],
        matter_version=facts["matter_version"],
        division=told["division"],
        accepting_office=facts["accepting_office"]["code"],
        accepting_node=facts["accepting_office"]["node"],
        accepted_on=work.today,
        applied_on=datetime.date.fromisoformat(facts["applied_on"]),
    )


def declared_facts(facts: Json, personal: Json, division: str) -> Facts:
    """What the application itself states; empty for matters without rules of their own."""
    matter = matter_version(facts["matter"], facts["matter_version"])
    promises = promised(facts["materials"])
    on = datetime.date.fromisoformat(facts["applied_on"])
    return fact_rules.declared(personal["answers"], promises, division[:6], on) if matter.eligibility else Facts()


def drop_application(work: Work) -> None:
    """撤回: in time only before the decision."""
    told = work.data(intake_contracts.ApplicationWithdrawnV1)
    if not told["leg_no"]:
        return
    work.lock(case.id_of(work))
    kept = store.find_application(work, case.id_of(work))
    if kept is None or kept.application.leg_no < told["leg_no"]:
        store.keep_withdrawal(work, case.id_of(work), told["leg_no"])
    elif kept.application.leg_no > told["leg_no"]:
        raise OutOfStep("stale", "过时的消息")
    else:
        _drop(work, kept.application)


def _drop(work: Work, application: Application) -> None:
    after = rules.ended(application, State.DROPPED)
    store.save_application(work, after, application.version, ask_again=False)
    work.tell(said.ApplicationDroppedV1, after.case_id, case.word(after) | {"at": clock.iso(work.now)})


def note_answers(work: Work, kept: Kept, gathered: Gathered) -> None:
    """A registry that was away has answered: what was unknown is known, promises and papers are checked."""
    known = fact_rules.answered(kept.facts, gathered.found, gathered.denied)
    unanswered = kept.unanswered & gathered.unavailable
    if (known, unanswered) == (kept.facts, kept.unanswered):
        return
    tell_checked(work, kept.application, kept.facts, known)
    now = dataclasses.replace(kept, facts=known, unanswered=unanswered)
    store.save_facts(work, now)
    if kept.application.state is State.OPEN:
        case.go_on(work, now)


def tell_checked(work: Work, application: Application, said_before: Facts, known: Facts) -> None:
    """Say of every promise and paper that a registry has answered by now whether it was borne out."""
    for name in sorted(fact_rules.unchecked(said_before) - fact_rules.unchecked(known)):
        data = case.word(application) | {"source": getattr(said_before, name).source}
        checked = {"fact": name, "kept": fact_rules.kept_word(name, said_before, known)}
        work.tell(said.PromiseCheckedV1, application.case_id, data, checked)
