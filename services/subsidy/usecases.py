"""What may be asked of subsidy: begin, check, review, decide, ask for supplements, redirect, drop."""

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Any

from contracts import certificate as certificate_contracts
from contracts import intake as intake_contracts
from contracts import subsidy as said
from contracts.envelope import Contract, Json
from contracts.matters import Matter, matter_version
from services.subsidy import store
from services.subsidy.ports import Gathered
from services.subsidy.rules import application as rules
from services.subsidy.rules import facts as fact_rules
from services.subsidy.rules.application import Act, Application, State
from services.subsidy.rules.eligibility import Facts, Outcome, assess, first_month, merged
from services.subsidy.standards import standard_for
from services.subsidy.store import Kept
from shared import audit, calendar, clock, identity, regions
from shared.crypto.sealing import blind_index
from shared.directory import Office
from shared.errors import NotFound, OutOfStep, Refused
from shared.outbox import Work

DONE: dict[str, type[said.StepDoneV1]] = {"check": said.ApplicationCheckedV1, "review": said.ApplicationReviewedV1}
RULES_VERSION = "disability-subsidies/1"


def begin_application(work: Work) -> None:
    """受理: keep the application with the facts the registries gave, and open its first task."""
    told = work.data(intake_contracts.ApplicationAcceptedV1)
    personal = work.personal(intake_contracts.ApplicationAcceptedV1)
    application, gathered = _application(work, told), work.answer
    declared = declared_facts(told["case"], personal, told["division"])
    known = fact_rules.answered(declared, gathered.found, gathered.denied)
    kept = Kept(application, told["case"], personal, known, gathered.unavailable)
    work.lock(application.case_id)
    if not store.open_application(work, kept):
        raise OutOfStep("stale", "过时的消息")
    _audit(work, kept, "registries")
    if store.was_withdrawn(work, application):
        _drop(work, application)
    else:
        _go_on(work, kept)


def _application(work: Work, told: Json) -> Application:
    facts = told["case"]
    return Application(
        case_id=_case_id(work),
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
    promised = frozenset(item["code"] for item in facts["materials"] if item["source"] == "promise")
    on = datetime.date.fromisoformat(facts["applied_on"])
    return fact_rules.declared(personal["answers"], promised, division[:6], on) if matter.eligibility else Facts()


def registries_of(matter: Matter) -> set[str]:
    """Which registries hold materials of a matter that has rules."""
    return {item["registry"] for item in matter.materials if item["registry"]} if matter.eligibility else set()


def subject_of(matter: Matter, personal: Json) -> Json:
    """The party the matter is about."""
    return next(party for party in personal["parties"] if party["role"] == matter.subject_role)


def check_application(work: Work) -> None:
    """初审."""
    _act(work, said.CheckApplicationV1, "check")


def review_application(work: Work) -> None:
    """审核."""
    _act(work, said.ReviewApplicationV1, "review")


def decide_application(work: Work) -> None:
    """审定: the result, its certificate, and the end of our part."""
    _act(work, said.DecideApplicationV1, "decide")


def _act(work: Work, contract: type[Contract], verb: str) -> None:
    asked, kept = work.data(contract), _get(work)
    application, matter = kept.application, _matter(kept)
    rules.expect_version(application, asked["expected_version"])
    rules.expect_open(application)
    step, actor = rules.next_step(application, matter.steps), asked["actor"]
    office = work.node.offices.get(actor["office"])
    rules.expect_actor(application, step, verb, actor["id"], _powers(work, office, verb, application))
    reasons = tuple(work.personal(contract)["reasons"])
    act = Act(verb, actor["id"], office.code, asked["approve"], reasons, clock.iso(work.now))
    last = len(application.acts) + 1 == len(matter.steps)
    after = rules.done(application, act, last)
    if last:
        _decide(work, dataclasses.replace(kept, application=after), application.version, office)
    else:
        store.save_application(work, after, application.version)
        _tell_done(work, dataclasses.replace(kept, application=after), verb, act, office)


def _powers(work: Work, office: Office, verb: str, application: Application) -> Json:
    return {
        "code": office.code,
        "node": work.node.code,
        "tier": office.tier,
        "may": office.may(verb, application.matter, work.today),
        "covers": office.covers(application.division),
    }


def _tell_done(work: Work, kept: Kept, verb: str, act: Act, office: Office) -> None:
    data = {
        "version": kept.application.version,
        "approve": act.approve,
        "office": _ref(work, office),
        "at": act.at,
        "next_task": _task(work, kept),
    }
    work.tell(DONE[verb], kept.application.case_id, data)


def _decide(work: Work, kept: Kept, read_version: int, office: Office) -> None:
    application, matter = kept.application, _matter(kept)
    _expect_issuer(office)
    findings = [_finding(outcome) for outcome in _outcomes(kept)]
    result, reasons = rules.decision(findings, application.acts)
    inputs = {"facts": fact_rules.to_json(kept.facts), "findings": findings, "rules": RULES_VERSION}
    inputs |= {"division": application.division, "applied_on": application.applied_on.isoformat()}
    store.save_application(
        work, application, read_version, decision=inputs | {"result": result, "reasons": list(reasons)}
    )
    last = application.acts[-1]
    data = {
        "version": application.version,
        "result": result,
        "office": _ref(work, office),
        "at": last.at,
        "remedies": list(matter.remedies),
        "rules_version": RULES_VERSION if matter.eligibility else "clerk",
        "first_month": first_month(application.applied_on).strftime("%Y-%m") if result == "granted" else "",
    }
    why = {"statement": _statement(result, reasons), "findings": findings, "reasons": list(reasons)}
    work.tell(said.ApplicationDecidedV1, application.case_id, data, why)
    _issue(work, kept, result, reasons, office)


def _expect_issuer(office: Office) -> None:
    """No decision without a certificate: its issuer needs a 统一社会信用代码."""
    try:
        identity.uscc(office.organisation_code)
    except Refused as error:
        words = f"{office.name}未配置有效的统一社会信用代码,不能签发结果,请管理员补全机构表"
        raise Refused("issuer_code_missing", words, basis=error.basis) from error


def _statement(result: str, reasons: Sequence[Any]) -> str:
    verdict = "经审定,符合条件,予以认定。" if result == "granted" else "经审定,不符合条件,不予认定。"
    return verdict + "".join(f"{reason['text']}(依据:{reason['basis']})" for reason in reasons)


def _issue(work: Work, kept: Kept, result: str, reasons: Sequence[Any], office: Office) -> None:
    application, matter = kept.application, _matter(kept)
    person = subject_of(matter, dict(kept.personal))
    data = {
        "case_no": kept.case_facts["case_no"],
        "certificate_type": matter.output["certificate_type"],
        "name": matter.output["name"],
        "type_code": matter.output["type_code"],
        "issuer": _ref(work, office),
        "issuer_code": office.organisation_code,
        "issued_on": work.today.isoformat(),
        "result": result,
    }
    face = {"result": result, "statement": _statement(result, reasons), "remedies": list(matter.remedies)}
    holder = {name: person[name] for name in ("name", "id_type", "id_number")}
    work.tell(certificate_contracts.IssueCertificateV1, application.case_id, data, {"holders": [holder], "face": face})


def request_supplement(work: Work) -> None:
    """要求补正: by the office whose task it is, once, in time."""
    asked, kept = work.data(said.RequestSupplementV1), _get(work)
    application = kept.application
    rules.expect_version(application, asked["expected_version"])
    rules.expect_open(application)
    step, office = rules.next_step(application, _matter(kept).steps), work.node.offices.get(asked["actor"]["office"])
    verb = step["verb"] if step else ""
    rules.expect_actor(application, step, verb, asked["actor"]["id"], _powers(work, office, verb, application))
    after = rules.asked_supplement(application, work.today, calendar.standard())
    store.save_application(work, after, application.version)
    data = {"version": after.version, "office": _ref(work, office), "at": clock.iso(work.now)}
    work.tell(said.SupplementNeededV1, application.case_id, data, work.personal(said.RequestSupplementV1))


def note_supplement(work: Work) -> None:
    """补正到件: go on where we stood, with what the applicant promised or the registries now say."""
    told, kept = work.data(intake_contracts.ApplicationSupplementedV1), _get(work)
    after = rules.supplemented(kept.application)
    store.save_application(work, after, kept.application.version)
    facts = dict(kept.case_facts) | {"materials": [*kept.case_facts["materials"], *told["materials"]]}
    known = merged(declared_facts(facts, dict(kept.personal), after.division), kept.facts)
    now = dataclasses.replace(kept, application=after, case_facts=facts, facts=known)
    store.save_facts(work, now)
    _go_on(work, now)


def redirect_application(work: Work) -> None:
    """退回转办, by a clerk of the office that checks."""
    asked, kept = work.data(said.RedirectApplicationV1), _get(work)
    application = kept.application
    rules.expect_version(application, asked["expected_version"])
    rules.expect_open(application)
    step, office = rules.next_step(application, _matter(kept).steps), work.node.offices.get(asked["actor"]["office"])
    verb = step["verb"] if step else ""
    rules.expect_actor(application, step, verb, asked["actor"]["id"], _powers(work, office, verb, application))
    rules.expect_elsewhere(application, asked["to_division"])
    regions.standard().resolve(asked["to_division"], work.today)
    _redirect(work, kept, office, asked["to_division"])


def _go_on(work: Work, kept: Kept) -> None:
    if not _redirected(work, kept):
        _open_task(work, kept)


def _redirected(work: Work, kept: Kept) -> bool:
    """Whether the population registry says that another county is competent; then the case goes back."""
    hukou = kept.facts.hukou
    if _matter(kept).competence != "hukou" or hukou is None or hukou.source != "registry":
        return False
    if hukou.value[:6] == kept.application.division[:6]:
        return False
    office = _task_offices(work, kept)[0]
    _redirect(work, kept, office, hukou.value)
    return True


def _redirect(work: Work, kept: Kept, office: Office, to: str) -> None:
    after = rules.ended(kept.application, State.REDIRECTED)
    store.save_application(work, after, kept.application.version, ask_again=False)
    data = {"version": after.version, "office": _ref(work, office), "at": clock.iso(work.now)}
    work.tell(said.HukouMovedV1, after.case_id, data | {"to_division": to})


def drop_application(work: Work) -> None:
    """撤回: in time only before the decision."""
    told = work.data(intake_contracts.ApplicationWithdrawnV1)
    if not told["leg_no"]:
        return
    work.lock(_case_id(work))
    kept = store.find_application(work, _case_id(work))
    if kept is None or kept.application.leg_no < told["leg_no"]:
        store.keep_withdrawal(work, _case_id(work), told["leg_no"])
    elif kept.application.leg_no > told["leg_no"]:
        raise OutOfStep("stale", "过时的消息")
    else:
        _drop(work, kept.application)


def _drop(work: Work, application: Application) -> None:
    after = rules.ended(application, State.DROPPED)
    store.save_application(work, after, application.version, ask_again=False)
    work.tell(said.ApplicationDroppedV1, after.case_id, {"version": after.version, "at": clock.iso(work.now)})


def note_answers(work: Work, kept: Kept, gathered: Gathered) -> None:
    """A registry that was away has answered: what was unknown is known, what was promised is checked."""
    _audit(work, kept, "registries_again")
    known = fact_rules.answered(kept.facts, gathered.found, gathered.denied)
    if (known, gathered.unavailable) == (kept.facts, kept.unanswered):
        return
    for name in sorted(fact_rules.promises(kept.facts) - fact_rules.promises(known)):
        checked = {"fact": name, "kept": fact_rules.kept_word(name, kept.facts, known)}
        work.tell(said.PromiseCheckedV1, kept.application.case_id, checked)
    now = dataclasses.replace(kept, facts=known, unanswered=gathered.unavailable)
    store.save_facts(work, now)
    if kept.application.state is State.OPEN:
        _go_on(work, now)


def _open_task(work: Work, kept: Kept) -> None:
    task = _task(work, kept)
    if task is None:
        return
    outcomes = _outcomes(kept)
    data = {
        "case": dict(kept.case_facts),
        "division": kept.application.division,
        "version": kept.application.version,
        "task": task,
        "missing_facts": sorted({fact for outcome in outcomes for fact in outcome.missing} | kept.unanswered),
    }
    findings = {"findings": [_finding(outcome) for outcome in outcomes]}
    work.tell(said.TaskOpenedV1, kept.application.case_id, data, findings)


def _task(work: Work, kept: Kept) -> Json | None:
    step = rules.next_step(kept.application, _matter(kept).steps)
    if step is None:
        return None
    return {"verb": step["verb"], "tier": step["tier"], "offices": [o.code for o in _task_offices(work, kept)]}


def _task_offices(work: Work, kept: Kept) -> list[Office]:
    step = rules.next_step(kept.application, _matter(kept).steps)
    if step is None:
        raise OutOfStep("application_ended", "此办件已办结或终止,不能再办")
    found = work.node.offices.competent(step["verb"], kept.application.matter, kept.application.division, work.today)
    return [office for office in found if office.tier == step["tier"]]


def _outcomes(kept: Kept) -> Sequence[Outcome]:
    """The rules' answer on the facts at hand, as of the day of application; none for a clerk's matter."""
    application = kept.application
    if not _matter(kept).eligibility:
        return ()
    standard = standard_for(application.division[:6], application.applied_on)
    return assess(kept.facts, standard, application.division[:6], application.applied_on)


def _finding(found: Outcome) -> Json:
    return {
        "benefit": found.benefit,
        "eligible": None if found.verdict == "undetermined" else found.eligible,
        "monthly_amount": found.monthly_amount_fen,
        "reasons": [dataclasses.asdict(reason) for reason in found.reasons],
    }


def _audit(work: Work, kept: Kept, purpose: str) -> None:
    """Asking a registry about a person is a look-up like any other."""
    asked = registries_of(_matter(kept))
    if asked:
        person = subject_of(_matter(kept), dict(kept.personal))
        audit.record(
            work,
            actor="system",
            office=kept.application.accepting_office,
            purpose=purpose,
            act="ask_registries",
            subject=kept.application.case_id,
            person_index=blind_index(work.node.keys, "person", f"{person['id_type']}:{person['id_number']}"),
            fields=tuple(sorted(asked)),
        )


def _matter(kept: Kept) -> Matter:
    return matter_version(kept.application.matter, kept.application.matter_version)


def _get(work: Work) -> Kept:
    kept = store.find_application(work, _case_id(work))
    if kept is None:
        raise NotFound("case_unknown", "没有这个办件,请核对办件编号")
    return kept


def _case_id(work: Work) -> str:
    assert work.cause is not None  # noqa: S101 - every door brings a message
    return work.cause.subject


def _ref(work: Work, office: Office) -> Json:
    return {"code": office.code, "name": office.name, "node": work.node.code, "phone": office.phone}
