"""初审、审核、审定: what clerks do, and the decision."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from contracts import certificate as certificate_contracts
from contracts import subsidy as said
from contracts.deciding import StepDone
from contracts.envelope import Contract, Json
from services.subsidy import store
from services.subsidy.rules import application as rules
from services.subsidy.rules import facts as fact_rules
from services.subsidy.rules.application import Act
from services.subsidy.rules.eligibility import Card, Facts, first_month
from services.subsidy.rules.standard import CATEGORIES, MULTIPLE
from services.subsidy.store import Kept
from services.subsidy.usecases import case
from shared import clock, identity, regions
from shared.directory import Office
from shared.errors import Refused
from shared.outbox import Work

DONE: dict[str, type[StepDone]] = {"check": said.ApplicationCheckedV1, "review": said.ApplicationReviewedV1}
RULES_VERSION = "disability-subsidies/1"
SHARED = "政务数据共享条例(国务院令第809号)"
PAPERS: Mapping[str, str] = {  # what a paper shows -> the material it is
    "card_no": "disability-card",
    "low_income": "low-income",
    "hukou_division": "identity",
    "area": "identity",
}


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
    asked, kept = work.data(contract), case.get(work)
    opinion, application = work.personal(contract), kept.application
    office = case.expect_turn(work, kept, asked, verb)
    act = Act(verb, asked["actor"]["id"], office.code, asked["approve"], tuple(opinion["reasons"]), clock.iso(work.now))
    last = len(application.acts) + 1 == len(case.matter_of(kept).steps)
    now = dataclasses.replace(kept, application=rules.done(application, act, last))
    if opinion["shown"] is not None:
        now = dataclasses.replace(now, facts=_seen(work, now, opinion["shown"]))
    if last:
        _decide(work, now, application.version, office)
    else:
        store.save_application(work, now.application, application.version)
        _tell_done(work, now, verb, act, office)
    if now.facts != kept.facts:
        store.save_facts(work, now)
        case.open_task(work, now)


def _seen(work: Work, kept: Kept, shown: Json) -> Facts:
    """The facts, with those on the papers that the applicant brought. Refused, naming the field at fault.

    A paper stands in for a registry that did not answer, no more: what the registry told is not written over (it may
    leave the components of a card open), and what the paper shows is checked later as a promise is.
    """
    _expect_brought(kept, shown)
    person = case.subject_of(case.matter_of(kept), dict(kept.personal))
    if shown["hukou_division"]:
        with _at("hukou_division"):
            regions.standard().resolve(shown["hukou_division"], work.today)
    citizen = person["id_type"] == "citizen"
    born_on = identity.citizen_number(person["id_number"], work.today).born_on if citizen else None
    seen = fact_rules.documented(shown, _card(shown, person), born_on, work.today)
    known = fact_rules.on_record(kept.facts, seen)
    if known:
        words = f"登记机构已有答复,以登记信息为准,不必按证件记录:{said.MISSING_FACTS[known][0]}"
        raise Refused("fact_on_record", words, basis=SHARED, field="shown")
    return fact_rules.noted(kept.facts, seen)


def _expect_brought(kept: Kept, shown: Json) -> None:
    materials = kept.case_facts["materials"]
    brought = {item["code"] for item in materials if item["source"] in ("applicant", "e-certificate")}
    for name, material in PAPERS.items():
        if shown[name] and material not in brought:
            words = "申请人没有带来这项材料,不能记录证件内容;请先要求补正"
            raise Refused("paper_not_brought", words, basis=rules.EXAMINED, field=f"shown.{name}")


def _card(shown: Json, person: Json) -> Card | None:
    if not shown["card_no"]:
        return None
    with _at("card_no"):
        number = identity.disability_card(shown["card_no"], person["id_number"])
    components = frozenset(shown["card_components"])
    if components and not (number.category == MULTIPLE and components <= CATEGORIES - {MULTIPLE}):
        words = "只有多重残疾(类别7)才记录所含类别,类别为1至6,请对照残疾人证"
        raise Refused("card_components_wrong", words, basis=identity.CARD_BASIS, field="shown.card_components")
    return Card(number.category, number.grade, components or None)


@contextmanager
def _at(name: str) -> Iterator[None]:
    try:
        yield
    except Refused as error:
        error.field = f"shown.{name}"
        raise


def _tell_done(work: Work, kept: Kept, verb: str, act: Act, office: Office) -> None:
    data = case.word(kept.application) | {
        "approve": act.approve,
        "office": case.office_ref(work, office),
        "at": act.at,
        "next_task": case.task_of(work, kept),
    }
    work.tell(DONE[verb], kept.application.case_id, data)


def _decide(work: Work, kept: Kept, read_version: int, office: Office) -> None:
    application, matter = kept.application, case.matter_of(kept)
    _expect_issuer(office)
    findings = rules.settled([case.finding_of(outcome) for outcome in case.outcomes_of(kept)], application)
    result, reasons = rules.decision(findings, application.acts)
    inputs = {"facts": fact_rules.to_json(kept.facts), "findings": findings, "rules": RULES_VERSION}
    inputs |= {"division": application.division, "applied_on": application.applied_on.isoformat()}
    inputs |= {"result": result, "reasons": list(reasons)}
    store.save_application(work, application, read_version, decision=inputs, ask_again=store.to_ask_again(kept))
    last = application.acts[-1]
    data = case.word(application) | {
        "result": result,
        "office": case.office_ref(work, office),
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
    application, matter = kept.application, case.matter_of(kept)
    person = case.subject_of(matter, dict(kept.personal))
    data = {
        "case_no": kept.case_facts["case_no"],
        "certificate_type": matter.output["certificate_type"],
        "name": matter.output["name"],
        "type_code": matter.output["type_code"],
        "issuer": case.office_ref(work, office),
        "issuer_code": identity.uscc(office.organisation_code),
        "issued_on": work.today.isoformat(),
        "result": result,
    }
    face = {"result": result, "statement": _statement(result, reasons), "remedies": list(matter.remedies)}
    holder = {name: person[name] for name in ("name", "id_type", "id_number")}
    work.tell(certificate_contracts.IssueCertificateV1, application.case_id, data, {"holders": [holder], "face": face})


def redirect_application(work: Work) -> None:
    """退回转办, by a clerk of the office that checks."""
    asked, kept = work.data(said.RedirectApplicationV1), case.get(work)
    office = case.expect_turn(work, kept, asked)
    rules.expect_elsewhere(kept.application, asked["to_division"])
    regions.standard().resolve(asked["to_division"], work.today)
    why = {"result": "redirected", "by": asked["actor"], **work.personal(said.RedirectApplicationV1)}
    case.redirect(work, kept, case.office_ref(work, office), asked["to_division"], why)
