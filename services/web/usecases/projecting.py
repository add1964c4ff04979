"""How the read model learns: every message twice, late or in the wrong order leads to the same rows."""

from collections.abc import Callable, Mapping

from contracts import certificate, claims, exchange, intake, marriage, subsidy
from contracts.envelope import Contract, Json, Message
from services.web import rules
from services.web.rules import Mark
from services.web.store import asking, found, items, reading, writing
from services.web.usecases import webhooks
from shared import clock
from shared.outbox import Work

Project = Callable[[Work, Message, Json], None]


def project(work: Work, contract: type[Contract]) -> None:
    """Take in the message that caused this work."""
    message, data = _cause(work), work.data(contract)
    work.lock(f"case/{message.subject}")
    if message.causation:
        asking.answer_command(work, message.causation, *_answer(contract, data))
    PROJECTIONS[contract](work, message, data)
    if contract in STANDING:
        _refresh(work, message.subject)
    else:
        writing.change_case(work, message.subject, updated_at=clock.iso(work.now))


def _cause(work: Work) -> Message:
    assert work.cause is not None  # noqa: S101 - every door brings a message
    return work.cause


def _answer(contract: type[Contract], data: Json) -> tuple[str, Json]:
    """What an event means to the command that caused it."""
    if contract in REFUSALS:
        return data["kind"], {name: data[name] for name in ("code", "message", "basis", "field")}
    return "done", {}


def _refresh(work: Work, case_id: str) -> None:
    """Draw the conclusions from all that was heard of a case; tell the webhooks of a new state."""
    found = reading.find_standing(work, case_id)
    if found is None:
        return
    clocks = [clock for leg in found.legs for clock in leg["clocks"]]
    running = [clock["due_on"] for clock in clocks if not clock["ended_on"] and not clock["paused_on"]]
    state = rules.case_state(found.marks)
    due_on = "" if state in rules.ENDED - {"decided"} else min(running, default="")
    writing.set_standing(work, case_id, state, due_on[:10])
    if state != found.case.state:
        webhooks.plan(work, found.webhooks, found.case, state)


def _at(leg: Json) -> tuple[int, int]:
    return leg["leg_no"], leg["version"]


def _spoken(message: Message, word: Json) -> tuple[int, int, str]:
    return *_at(word), message.time


def _mark(work: Work, case_id: str, name: str, leg: Json) -> None:
    writing.add_mark(work, case_id, Mark(name, leg["leg_no"], leg["version"]))


# --- from intake -----------------------------------------------------------------------------------------------------


def _refused(work: Work, message: Message, data: Json) -> None:
    """不能办: only the refusal of the take-in itself says something of the case."""
    if asking.kind_of(work, message.causation) == intake.TakeInApplicationV1.type:
        writing.add_mark(work, message.subject, Mark("refused", 0, 0))
        if asking.has_left(work, message.causation):
            _have_told(work, message.subject)


def _not_done(_work: Work, _message: Message, _data: Json) -> None:
    """不能办, says a deciding service: an answer to whoever asked, nothing of the case."""


def _have_told(work: Work, case_id: str) -> None:
    """未收件 after the receipt was handed out: nobody is there any more to hear it."""
    case, personal = reading.find_case(work, case_id), reading.find_personal(work, case_id)
    if case is not None and personal is not None:
        phone = next((party["phone"] for party in personal["parties"] if party["phone"]), "")
        work.tell(intake.TellRefusalV1, case_id, {"case_no": case.case_no, "office": case.office}, {"phone": phone})


def _taken_in(work: Work, message: Message, data: Json) -> None:
    """已收件."""
    writing.open_case(work, message.subject, data["case"], work.personal(intake.ApplicationTakenInV1))
    writing.place_case(work, message.subject, 1, data["division"], data["competent_node"])
    writing.change_case(work, message.subject, missing=data["missing"])
    _leg_and_steps(work, message.subject, data["leg"], data["steps"])
    _mark(work, message.subject, "missing" if data["missing"] else "taken_in", data["leg"])


def _forwarded(work: Work, message: Message, data: Json) -> None:
    """转办."""
    writing.open_case(work, message.subject, data["case"], work.personal(intake.ApplicationForwardedV1))
    node = message.destination or work.node.code
    writing.place_case(work, message.subject, data["leg_no"], data["division"], node)
    if any(step["verb"] == "supplement" for step in data["steps"]):  # answered before the case left
        answers = work.personal(intake.ApplicationForwardedV1)["answers"]
        _keep_answers(work, message.subject, data["leg"], answers)
    _leg_and_steps(work, message.subject, data["leg"], data["steps"])
    writing.add_mark(work, message.subject, Mark("forwarded", data["leg_no"], 0))


def _accepted(work: Work, message: Message, data: Json) -> None:
    """受理."""
    writing.open_case(work, message.subject, data["case"], work.personal(intake.ApplicationAcceptedV1))
    writing.place_case(work, message.subject, data["leg"]["leg_no"], data["division"], work.node.code)
    _leg_and_steps(work, message.subject, data["leg"], data["steps"])
    _mark(work, message.subject, "accepted", data["leg"])


def _leg_and_steps(work: Work, case_id: str, leg: Json, steps: list[Json]) -> None:
    writing.keep_leg(work, case_id, leg)
    writing.add_steps(work, case_id, steps)


def _stepped(name: str) -> Project:
    """A leg moved by one step."""

    def take_in(work: Work, message: Message, data: Json) -> None:
        _leg_and_steps(work, message.subject, data["leg"], [data["step"]])
        _mark(work, message.subject, name, data["leg"])

    return take_in


def _leg_changed(work: Work, message: Message, data: Json) -> None:
    """段变化."""
    writing.keep_leg(work, message.subject, data["leg"])
    if data["leg"]["state"] == "needs_attention":
        mark = Mark("needs_attention", data["peer_leg_no"], data["leg"]["version"])
        writing.add_mark(work, message.subject, mark)
    elif data["leg"]["state"] == "in_progress":  # taken over, or its withdrawal was refused
        _mark(work, message.subject, "going_on", data["leg"])


def _supplement_requested(work: Work, message: Message, data: Json) -> None:
    """补正告知."""
    missing = work.personal(intake.SupplementRequestedV1)
    writing.keep_words(work, message.subject, "missing", _at(data["leg"]), missing)
    _stepped("supplement_requested")(work, message, data)
    writing.add_mark(work, message.subject, Mark("asked", data["leg"]["leg_no"], data["request"]))


def _supplemented(work: Work, message: Message, data: Json) -> None:
    """已补正."""
    writing.add_materials(work, message.subject, data["materials"])
    _keep_answers(work, message.subject, data["leg"], work.personal(intake.ApplicationSupplementedV1)["answers"])
    _leg_and_steps(work, message.subject, data["leg"], [data["step"]])
    writing.add_mark(work, message.subject, Mark("supplemented", data["leg_no"], data["request"]))


def _keep_answers(work: Work, case_id: str, leg: Json, answers: Json) -> None:
    """Answers come after the first ones, whichever is heard first."""
    if answers:
        writing.keep_words(work, case_id, f"answers.{leg['version']}", _at(leg), {"answers": answers})


def _withdrawn(work: Work, message: Message, data: Json) -> None:
    """撤回: at once where the case is still here, else asked for where it is by now."""
    _stepped("withdrawing" if data["leg_no"] else "withdrawn")(work, message, data)


def _declined(work: Work, message: Message, data: Json) -> None:
    """未能接办; where that refuses nobody the case is back here, and nothing is decided."""
    writing.keep_leg(work, message.subject, data["leg"])
    if any(reason["code"] in intake.REFUSES_NOBODY for reason in data["reasons"]):
        _mark(work, message.subject, "redirected", data["leg"])
        return
    writing.keep_words(work, message.subject, "result", _at(data["leg"]), {"reasons": data["reasons"]})
    result = {"result": "not_accepted", "ask_office": data["ask_office"]}
    writing.keep_result(work, message.subject, _at(data["leg"]), result)
    _mark(work, message.subject, "declined", data["leg"])


def _closed(work: Work, message: Message, data: Json) -> None:
    """办结."""
    _leg_and_steps(work, message.subject, data["leg"], data["steps"])
    writing.keep_words(work, message.subject, "result", _at(data["leg"]), work.personal(intake.ApplicationClosedV1))
    names = ("result", "remedies", "certificate_id", "certificate_name")
    writing.keep_result(work, message.subject, _at(data["leg"]), {name: data[name] for name in names})
    _mark(work, message.subject, "withdrawn" if data["result"] == "withdrawn" else "decided", data["leg"])


# --- from subsidy, marriage, certificate, exchange -----------------------------------------------------------------------------


def _task_opened(contract: type[Contract]) -> Project:
    """待办."""

    def take_in(work: Work, message: Message, data: Json) -> None:
        more = {"findings": work.personal(contract)["findings"], "missing_facts": data["missing_facts"]}
        task = data["task"] | {"ask_office": data.get("ask_office")}
        writing.open_case(work, message.subject, data["case"], None)
        writing.keep_task(work, message.subject, _spoken(message, data), task, more)
        _note_if_nobodys(work, message, data["task"])

    return take_in


def _step_done(work: Work, message: Message, data: Json) -> None:
    """已初审, 已审核, 已审查."""
    writing.keep_task(work, message.subject, _spoken(message, data), data["next_task"] or {})
    _note_if_nobodys(work, message, data["next_task"])


def _note_if_nobodys(work: Work, message: Message, task: Json | None) -> None:
    """A task that no office of this city may do stands in nobody's list: whoever keeps the table of offices must know."""
    if task and not task["offices"]:
        _noticed(work, message, {"verb": task["verb"], "tier": task["tier"], "offices": []})


def _nothing_to_do(work: Work, message: Message, data: Json) -> None:
    """待补正, 逾期未补正, 已终止: nothing is to be done (until a task is opened again)."""
    writing.keep_task(work, message.subject, _spoken(message, data), {})


def _hukou_moved(work: Work, message: Message, data: Json) -> None:
    """户籍已迁."""
    _nothing_to_do(work, message, data)
    _noticed(work, message, data)


def _decided(contract: type[Contract]) -> Project:
    """已审定, 已登记."""

    def take_in(work: Work, message: Message, data: Json) -> None:
        writing.keep_words(work, message.subject, "decision", _at(data), work.personal(contract))
        writing.keep_decision(work, message.subject, data)
        _nothing_to_do(work, message, data)

    return take_in


def _promise_checked(work: Work, message: Message, data: Json) -> None:
    """承诺核查: everybody may read that there was one, and whoever looks into the case for a purpose what it said."""
    checked = work.personal(subsidy.PromiseCheckedV1) | {"source": data["source"]}
    writing.keep_words(work, message.subject, f"checked.{checked['fact']}", _at(data), checked)
    _noticed(work, message, data)


def _issued(work: Work, message: Message, data: Json) -> None:
    """已签发, 已注销, 已恢复, 已被取代."""
    writing.keep_certificate(work, message.subject, data["certificate"])


def _replaced(work: Work, message: Message, data: Json) -> None:
    """已换发."""
    for face in (data["replaced"], data["certificate"]):
        writing.keep_certificate(work, message.subject, face)


def _noticed(work: Work, message: Message, data: Json) -> None:
    """Something a person of this node should know of."""
    writing.add_notice(work, message.id, message.subject, message.type, data)


def _records_found(work: Work, message: Message, data: Json) -> None:
    """查询结果."""
    found.keep_found(work, message.subject, data["covers"], work.personal(marriage.RecordsFoundV1))


def _ending_noted(work: Work, message: Message, data: Json) -> None:
    """终止进展; why one was refused only whoever recorded it may read."""
    why = work.personal(marriage.EndingNotedV1)
    writing.keep_words(work, message.subject, "ending", (0, marriage.NOTED.index(data["state"])), data | why)
    _noticed(work, message, data)


def _item_opened(work: Work, message: Message, data: Json) -> None:
    """待人工处理."""
    items.open_item(work, message.subject, data)


def _item_closed(work: Work, message: Message, data: Json) -> None:
    """已处理."""
    items.close_item(work, message.subject, data)


REFUSALS: tuple[type[Contract], ...] = (
    intake.ActRefusedV1,
    subsidy.ActRefusedV1,
    marriage.ActRefusedV1,
    claims.ActRefusedV1,
)
STANDING: Mapping[type[Contract], Project] = {  # intake alone says where a case stands
    intake.ActRefusedV1: _refused,
    intake.ApplicationTakenInV1: _taken_in,
    intake.ApplicationForwardedV1: _forwarded,
    intake.ApplicationTakenOverV1: _stepped("taken_over"),
    intake.ApplicationDeclinedV1: _declined,
    intake.ApplicationAcceptedV1: _accepted,
    intake.ApplicationProgressedV1: _stepped("progressed"),
    intake.SupplementRequestedV1: _supplement_requested,
    intake.ApplicationSupplementedV1: _supplemented,
    intake.ApplicationRedirectedV1: _stepped("redirected"),
    intake.ApplicationWithdrawnV1: _withdrawn,
    intake.ApplicationClosedV1: _closed,
    intake.ApplicantToldV1: _stepped("closed"),
    intake.LegChangedV1: _leg_changed,
}
BESIDE: Mapping[type[Contract], Project] = {  # what else is known of it
    intake.WorkItemOpenedV1: _item_opened,
    intake.WorkItemClosedV1: _item_closed,
    subsidy.ActRefusedV1: _not_done,
    subsidy.TaskOpenedV1: _task_opened(subsidy.TaskOpenedV1),
    subsidy.ApplicationCheckedV1: _step_done,
    subsidy.ApplicationReviewedV1: _step_done,
    subsidy.ApplicationDecidedV1: _decided(subsidy.ApplicationDecidedV1),
    subsidy.SupplementNeededV1: _nothing_to_do,
    subsidy.SupplementLapsedV1: _nothing_to_do,
    subsidy.HukouMovedV1: _hukou_moved,
    subsidy.ApplicationDroppedV1: _nothing_to_do,
    subsidy.PromiseCheckedV1: _promise_checked,
    subsidy.SupplementArrivedLateV1: _noticed,
    subsidy.HouseholdChangedV1: _noticed,
    marriage.ActRefusedV1: _not_done,
    marriage.TaskOpenedV1: _task_opened(marriage.TaskOpenedV1),
    marriage.ApplicationExaminedV1: _step_done,
    marriage.ApplicationDecidedV1: _decided(marriage.ApplicationDecidedV1),
    marriage.ApplicationDroppedV1: _nothing_to_do,
    marriage.EndingNotedV1: _ending_noted,
    marriage.RecordsFoundV1: _records_found,
    marriage.RestorationBlockedV1: _noticed,
    marriage.RecordCorrectedV1: _noticed,
    certificate.CertificateIssuedV1: _issued,
    certificate.CertificateRevokedV1: _issued,
    certificate.CertificateReinstatedV1: _issued,
    certificate.CertificateSupersededV1: _issued,
    certificate.CertificateReplacedV1: _replaced,
    claims.ActRefusedV1: _not_done,
    claims.LedgerTakenOverV1: _noticed,
    exchange.MessageMisdirectedV1: _noticed,
    exchange.MessageQuarantinedV1: _noticed,
    exchange.DirectoryUpdatedV1: _noticed,
}
PROJECTIONS: Mapping[type[Contract], Project] = {**STANDING, **BESIDE}
