"""What all verbs of subsidy share: reading an application, its task and findings, going on, sending it back."""

import dataclasses
from collections.abc import Sequence
from itertools import chain

from contracts import subsidy as said
from contracts.envelope import Json
from contracts.matters import Matter, matter_version
from services.subsidy import store
from services.subsidy.rules import application as rules
from services.subsidy.rules import facts as fact_rules
from services.subsidy.rules.application import Application, State
from services.subsidy.rules.eligibility import Outcome, assess
from services.subsidy.standards import standard_for
from services.subsidy.store import Kept
from shared import audit, clock
from shared.crypto.sealing import blind_index
from shared.directory import Office
from shared.errors import NotFound, OutOfStep, Refused
from shared.outbox import Work


def id_of(work: Work) -> str:
    """The case the causing message is about."""
    assert work.cause is not None  # noqa: S101 - every door brings a message
    return work.cause.subject


def get(work: Work) -> Kept:
    """The newest application of that case. NotFound."""
    kept = store.find_application(work, id_of(work))
    if kept is None:
        raise NotFound("case_unknown", "没有这个办件,请核对办件编号")
    return kept


def matter_of(kept: Kept) -> Matter:
    """The version of the matter with which the case began."""
    return matter_version(kept.application.matter, kept.application.matter_version)


def office_ref(work: Work, office: Office) -> Json:
    """An office of ours as contracts.case.OfficeRef."""
    return {"code": office.code, "name": office.name, "node": work.node.code, "phone": office.phone}


def word(application: Application) -> Json:
    """Of which application, and which of its words: the beginning of a contracts.subsidy.Word."""
    return {"leg_no": application.leg_no, "version": application.version}


def subject_of(matter: Matter, personal: Json) -> Json:
    """The party the matter is about."""
    return next(party for party in personal["parties"] if party["role"] == matter.subject_role)


def person_index(work: Work, person: Json) -> str:
    """By this the house finds a person."""
    return blind_index(work.node.keys, "person", f"{person['id_type']}:{person['id_number']}")


def registries_of(matter: Matter) -> set[str]:
    """Which registries hold materials of a matter that has rules."""
    return {item["registry"] for item in matter.materials if item["registry"]} if matter.eligibility else set()


def expect_turn(work: Work, kept: Kept, asked: Json, verb: str = "") -> Office:
    """The actor's office, which may do the next step (`verb`, if it must be that one). Denied, NotFound or OutOfStep."""
    application, actor = kept.application, asked["actor"]
    rules.expect_version(application, asked["expected_version"])
    rules.expect_open(application)
    step = rules.next_step(application, matter_of(kept).steps)
    verb = verb or (step["verb"] if step else "")
    office = work.node.offices.get(actor["office"])
    rules.expect_actor(application, step, verb, actor["id"], _powers(work, office, verb, application))
    return office


def _powers(work: Work, office: Office, verb: str, application: Application) -> Json:
    return {
        "code": office.code,
        "node": work.node.code,
        "tier": office.tier,
        "may": office.may(verb, application.matter, work.today),
        "covers": office.covers(application.division),
    }


def go_on(work: Work, kept: Kept) -> None:
    """Open the next task, or send the case back where the hukou is."""
    if not _redirected(work, kept):
        open_task(work, kept)


def _redirected(work: Work, kept: Kept) -> bool:
    """Whether the population registry says that another county is competent; then the case goes back."""
    hukou = kept.facts.hukou
    if matter_of(kept).competence != "hukou" or hukou is None or hukou.source != "registry":
        return False
    if hukou.value[:6] == kept.application.division[:6]:
        return False
    redirect(work, kept, speaker(work, kept), hukou.value)
    return True


def redirect(work: Work, kept: Kept, office: Json, to: str, why: Json | None = None) -> None:
    """The case goes back, naming the division where the hukou is.

    `office`: contracts.case.OfficeRef; `why`: who sent it back and for what reason, kept sealed with the application.
    """
    after = rules.ended(kept.application, State.REDIRECTED)
    store.save_application(work, after, kept.application.version, ask_again=False, decision=why)
    data = word(after) | {"office": office, "at": clock.iso(work.now)}
    work.tell(said.HukouMovedV1, after.case_id, data | {"to_division": to})


def open_task(work: Work, kept: Kept) -> None:
    """Say who may do what next, on which findings."""
    task = task_of(work, kept)
    if task is None:
        return
    outcomes = outcomes_of(kept)
    data = word(kept.application) | {
        "case": dict(kept.case_facts),
        "division": kept.application.division,
        "task": task,
        "missing_facts": sorted({fact for outcome in outcomes for fact in outcome.missing} | kept.unanswered),
    }
    findings = {"findings": [finding_of(outcome) for outcome in outcomes]}
    work.tell(said.TaskOpenedV1, kept.application.case_id, data, findings)


def task_of(work: Work, kept: Kept) -> Json | None:
    """The next task as contracts.subsidy.Task; None when all are done."""
    step = rules.next_step(kept.application, matter_of(kept).steps)
    if step is None:
        return None
    return {"verb": step["verb"], "tier": step["tier"], "offices": [o.code for o in task_offices(work, kept)]}


def task_offices(work: Work, kept: Kept) -> list[Office]:
    """The offices that may do the next task."""
    step = rules.next_step(kept.application, matter_of(kept).steps)
    if step is None:
        raise OutOfStep("application_ended", "此办件已办结或终止,不能再办")
    found = work.node.offices.competent(step["verb"], kept.application.matter, kept.application.division, work.today)
    return [office for office in found if office.tier == step["tier"]]


def speaker(work: Work, kept: Kept) -> Json:
    """Who speaks where no clerk did, as contracts.case.OfficeRef.

    One of the offices of the task; when the table has lost them all, one that decides there, or the city itself.
    """
    matter, division = kept.application.matter, kept.application.division
    deciders = work.node.offices.competent("decide", matter, division, work.today)
    return _ref_or_city(work, next(chain(task_offices(work, kept), deciders), None))


def decider_ref(work: Work, kept: Kept) -> Json:
    """The office that decided, as contracts.case.OfficeRef; the city itself when the table has lost it."""
    return _ref_or_city(work, work.node.offices.by_code.get(kept.application.acts[-1].office))


def _ref_or_city(work: Work, office: Office | None) -> Json:
    if office is not None:
        return office_ref(work, office)
    return {"code": work.node.code, "name": work.node.directory.name_of(work.node.code), "node": work.node.code}


def outcomes_of(kept: Kept) -> Sequence[Outcome]:
    """The rules' answer on the facts at hand, as of the day of application; none for a clerk's matter."""
    application = kept.application
    if not matter_of(kept).eligibility:
        return ()
    try:
        standard = standard_for(application.division[:6], application.applied_on)
    except Refused:  # a rule that is missing here loses nobody's case
        return rules.unruled()
    return assess(kept.facts, standard, application.division[:6], application.applied_on)


def finding_of(found: Outcome) -> Json:
    """An outcome as contracts.subsidy.Finding."""
    return {
        "benefit": found.benefit,
        "eligible": None if found.verdict == "undetermined" else found.eligible,
        "monthly_amount": found.monthly_amount_fen,
        "reasons": [dataclasses.asdict(reason) for reason in found.reasons],
    }


def owed(kept: Kept) -> set[str]:
    """The registries to be asked again: those that have not answered, and those that can check a promise or paper.

    After the decision only the checks are left; after any other end nothing is.
    """
    checks = {fact_rules.HELD_BY[name] for name in fact_rules.unchecked(kept.facts)}
    if kept.application.state is State.DECIDED:
        return checks
    return checks | kept.unanswered if kept.application.open else set()


def note_look(work: Work, kept: Kept, asked: set[str], purpose: str) -> None:
    """Asking registries about a person is a look-up like any other."""
    person, office = subject_of(matter_of(kept), dict(kept.personal)), kept.application.accepting_office
    record_look(work, kept.application.case_id, office, person, asked, purpose)


def record_look(work: Work, case_id: str, office: str, person: Json, asked: set[str], purpose: str) -> None:
    """Put on record that registries are asked about a person; nothing when none is asked."""
    if asked:
        audit.record(
            work,
            actor="system",
            office=office,
            purpose=purpose,
            act="ask_registries",
            subject=case_id,
            person_index=person_index(work, person),
            fields=tuple(sorted(asked)),
        )
