"""A clerk's or applicant's act on a case that exists: one command to the service that owns it."""

from collections.abc import Mapping

from contracts import intake, marriage, subsidy
from contracts.envelope import Contract, Json
from services.web import rules
from services.web.rules import Case, Principal
from services.web.store import reading
from services.web.usecases import checking, viewing
from services.web.usecases.taking_in import actor, find_repeated, index_of_body, keep
from shared.errors import Denied, OutOfStep, Refused
from shared.outbox import Work

COMMANDS: Mapping[str, type[Contract]] = {
    "check": subsidy.CheckApplicationV1,
    "review": subsidy.ReviewApplicationV1,
    "decide": subsidy.DecideApplicationV1,
    "request_supplement": subsidy.RequestSupplementV1,
    "examine": marriage.ExamineApplicationV1,
    "register": marriage.RegisterMarriageV1,
    "reserve_again": marriage.ReserveAgainV1,
    "examine_divorce": marriage.ExamineDivorceV1,
    "register_divorce": marriage.RegisterDivorceV1,
    "withdraw_divorce": marriage.WithdrawDivorceV1,
    "supplement": intake.SupplementApplicationV1,
    "withdraw": intake.WithdrawApplicationV1,
    "redirect": subsidy.RedirectApplicationV1,
    "forward": intake.ForwardApplicationV1,
    "tell": intake.TellApplicantV1,
}
DIVORCE = "divorce-registration"
OF_DIVORCE = {"examine": "examine_divorce", "register": "register_divorce"}  # the same acts, on other papers
NEEDS: Mapping[str, tuple[str, ...]] = {  # act -> what must be said beyond act and expected_version
    "check": ("approve",),
    "review": ("approve",),
    "decide": ("approve",),
    "request_supplement": ("missing",),
    "examine": ("approve", "heard", "kinship"),
    "register": ("approve",),
    "reserve_again": (),
    "examine_divorce": ("approve", "papers"),
    "register_divorce": ("approve", "papers"),
    "withdraw_divorce": ("number",),
    "supplement": (),
    "withdraw": (),
    "redirect": ("to_division", "reason"),
    "forward": ("to_division",),
    "tell": (),
}
PERSONAL: Mapping[str, tuple[str, ...]] = {  # act -> what only the command's sealed part may carry
    "check": ("reasons", "shown"),
    "review": ("reasons", "shown"),
    "decide": ("reasons", "shown"),
    "request_supplement": ("missing",),
    "examine": ("heard", "kinship", "reasons"),
    "register": ("heard", "reasons"),
    "reserve_again": (),
    "examine_divorce": ("papers", "reasons"),
    "register_divorce": ("papers", "reasons"),
    "withdraw_divorce": ("number",),
    "supplement": ("answers",),
    "withdraw": ("reason",),
    "redirect": ("reason",),
    "forward": (),
    "tell": (),
}
MAY_SAY: Mapping[str, tuple[str, ...]] = {
    **NEEDS,
    "check": ("approve", "reasons", "shown"),
    "review": ("approve", "reasons", "shown"),
    "decide": ("approve", "reasons", "shown"),
    "examine": ("approve", "heard", "kinship", "reasons"),
    "register": ("approve", "heard", "reasons"),
    "examine_divorce": ("approve", "papers", "reasons"),
    "register_divorce": ("approve", "papers", "reasons"),
    "supplement": ("materials", "answers"),
    "withdraw": ("reason", "supplement_lapsed"),
}


def act(work: Work, who: Principal, case_id: str, asked: Json, key: str) -> None:
    """Ask for one act on a case; a repetition under the same key asks nothing new.

    NotFound, Denied, OutOfStep or Refused name what is wrong; whether the act comes in time is for the case's owner to
    say.
    """
    verb: str = asked["act"]
    rules.expect_act_allowed(who.kind, verb)
    body_index = index_of_body(work, f"act/{case_id}", asked)
    if find_repeated(work, who, key, body_index) is not None:
        return
    case = viewing.get_case(work, who, case_id)
    verb = OF_DIVORCE.get(verb, verb) if case.matter == DIVORCE else verb
    contract = COMMANDS[verb]
    _expect_of_matter(contract, case)
    _expect_power(work, who, asked["act"], case.matter)
    said = _said(work, who, asked | {"act": verb}, case)
    _expect_shown(work, case_id, contract, asked["expected_version"])
    told = {"expected_version": asked["expected_version"], "actor": actor(who)}
    personal = {name: said.pop(name) for name in PERSONAL[verb]}
    personal |= personal.pop("papers", {})
    command_id = work.tell(contract, case_id, told | said, personal or None)
    keep(work, who, key, body_index, {"command_id": command_id, "case_id": case_id, "kind": contract.type})


def _expect_of_matter(contract: type[Contract], case: Case) -> None:
    """Intake's acts are of every matter; of the deciding services only the one of this matter is asked. Refused."""
    owner, matter = contract.consumers[0], viewing.matter_of(case)
    stray = contract is marriage.WithdrawDivorceV1 and case.matter != DIVORCE
    if matter is not None and (stray or owner not in ("intake", matter.decides)):
        words = "此事项没有这一环节,请刷新后按待办中的环节办理"
        raise Refused("act_not_of_matter", words, basis=matter.legal_basis[0], field="act")


def _expect_power(work: Work, who: Principal, verb: str, matter: str) -> None:
    if who.kind != "clerk":
        return
    office = work.node.offices.get(who.office)
    if not any(office.may(power, matter, work.today) for power in rules.ACTS[verb]):
        raise Denied("office_without_power", f"{office.name}无权办理此事项的这一环节", field="act")


def _expect_shown(work: Work, case_id: str, contract: type[Contract], expected: int) -> None:
    """No act on a version that nobody was shown: it could overtake what makes that version. OutOfStep."""
    if contract.consumers != ("intake",):
        shown = (reading.find_task(work, case_id) or {"version": 0})["version"]
    else:
        accepting = [leg for leg in reading.list_legs(work, case_id) if leg["role"] == "accepting"]
        shown = max((leg["version"] for leg in accepting), default=0)
    if expected > shown:
        raise OutOfStep("version_ahead", "此办件还没有到这个版本,请刷新,按显示的版本再办", field="expected_version")


def _said(work: Work, who: Principal, asked: Json, case: Case) -> Json:
    verb = asked["act"]
    for name in NEEDS[verb]:
        if asked.get(name) in (None, "", []):
            raise Refused("act_field_missing", "请补全此操作所需的内容", field=name)
    said = {name: asked[name] for name in MAY_SAY[verb]}
    if "materials" in said:
        if not (asked["materials"] or asked["answers"]):
            raise Refused("act_field_missing", "请补充材料或者回答", field="materials")
        matter = viewing.matter_of(case)
        if matter is None:  # a newer release of the city that took the case in has it
            raise Denied("office_not_accepting", "只有收件机构可以执行此操作", field="act")
        checking.expect_values(matter, asked["answers"])
        said["materials"] = checking.read_materials(work, who, matter, said["materials"])
    if "to_division" in said:
        checking.expect_division(said["to_division"], work.today, "to_division")
    return said
