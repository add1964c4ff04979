"""告知 and 待人工处理: what applicants are told, and what a person must look at."""

import datetime
from collections.abc import Mapping

import structlog

from contracts import intake as said
from contracts import marriage
from contracts.envelope import Json
from services.intake.ports import Notices, NumberRefused, Reply
from services.intake.rules import legs as rules
from services.intake.rules.legs import Sending
from services.intake.store import cases, telling
from services.intake.store.cases import Case
from services.intake.store.telling import Item, Notice
from services.intake.usecases import case
from shared import clock
from shared.errors import Denied, OutOfStep
from shared.outbox import Work

log = structlog.get_logger()

RESULT = "closed"  # the event whose notice ends the case
TEMPLATES: Mapping[str, str] = {  # event -> what the applicant reads: the case, never the person or the matter
    "supplement_required": "材料不齐,尚未转办,请{until}联系收件窗口或登录查看需要补充的材料",
    "supplement_requested": "需要补正材料,请{until}联系收件窗口或登录查看补正清单",
    rules.SUPPLEMENT_LAPSED: "因逾期未补正已终止办理,可以重新申请",
    "not_taken_in": "未能收件,请联系收件窗口或登录查看原因",
    "withdrawn": "已按您的申请撤回",
    "withdrawal_refused": "未能撤回,继续办理,原因请到收件窗口或登录查看",
    "ended": "已终止办理,未作决定,原因请到收件窗口或登录查看",
    "not_accepted": "未予受理,原因和救济途径请联系收件窗口或登录查看",
    RESULT: "已办结,请到收件窗口或登录查看结果",
}
RETRY_AFTER = datetime.timedelta(minutes=1)
LATE_AFTER = datetime.timedelta(days=1)
AT_ONCE = 100  # notices tried in one round
LONGEST = 400  # characters of a work item
TOLD_OF_ITEMS = ("item_id", "kind", "text", "office", "opened_at")


def send(work: Work, kept: Case, event: str, until: datetime.date | None = None) -> None:
    """Tell the applicant once per event (`<template>` or `<template>/<leg>`); `until`: the last day, if there is one."""
    phone = next((party["phone"] for party in kept.personal["parties"] if party["phone"]), "")
    last_day = f"于 {until}(含)前" if until else ""
    words = TEMPLATES[event.partition("/")[0]].format(until=last_day)
    _send(work, kept.case_id, event, phone, f"{kept.facts['case_no']} {words}", kept.facts["accepting_office"]["code"])


def tell_refusal(work: Work) -> None:
    """未收件: the receipt was handed out, and then the case could not be taken in."""
    asked, phone = work.data(said.TellRefusalV1), work.personal(said.TellRefusalV1)["phone"]
    words = f"{asked['case_no']} {TEMPLATES['not_taken_in']}"
    _send(work, case.id_of(work), "not_taken_in", phone, words, asked["office"])


def _send(work: Work, case_id: str, event: str, phone: str, words: str, office: str) -> None:
    text = f"【通办】您的办件 {words}。"
    about = {"case_id": case_id, "event": event, "phone": phone, "text": text, "office": office}
    notice_id = telling.add_notice(work, about, Sending.WAITING if phone else Sending.IN_PERSON)
    if notice_id is None:
        return
    if phone:
        work.tell(said.SendNoticeV1, case_id, {"notice_id": notice_id})
    else:
        words = f"申请人未留电话,请当面或书面告知:{text}"
        open_work_item(work, case_id, rules.TELL_IN_PERSON, words, office, about=notice_id)


def attempt(house: Notices, notice: Notice) -> Reply:
    """Ask the message house to deliver; it remembers the id, so that asking twice reaches the person once."""
    try:
        house.send(notice.notice_id, notice.phone, notice.text)
    except NumberRefused:
        return Reply.REFUSED
    except OSError as error:
        log.warning("message_house_away", notice=notice.notice_id, error=type(error).__name__)
        return Reply.AWAY
    return Reply.SENT


def note_reply(work: Work, notice_id: str, reply: Reply) -> Notice | None:
    """Write down what the house said; the notice when it has left now."""
    notice = telling.get_notice(work, notice_id)
    if not notice.to_send:
        return None
    if reply is Reply.SENT:
        _note_sent(work, notice)
        return notice
    if reply is Reply.REFUSED:
        telling.change_notice(work, notice_id, state=str(Sending.IN_PERSON), phone="")
        _ask_person(work, notice, "短信不能送达申请人所留号码")
    else:
        telling.change_notice(work, notice_id, tried_at=clock.iso(work.now))
    return None


def _note_sent(work: Work, notice: Notice) -> None:
    """The phone number is no longer needed here; nor is who was asked to tell in person."""
    sent_at = clock.iso(work.now)
    telling.change_notice(work, notice.notice_id, state=str(Sending.SENT), sent_at=sent_at, phone="")
    if notice.state is Sending.LATE:
        for item in telling.list_open_items(work, notice.case_id, rules.TELL_IN_PERSON):
            if item.about == notice.notice_id:
                _close(work, item)


def _ask_person(work: Work, notice: Notice, why: str) -> None:
    words = f"{why},请当面或书面告知:{notice.text}"
    open_work_item(work, notice.case_id, rules.TELL_IN_PERSON, words, notice.office, about=notice.notice_id)


def list_unsent(work: Work) -> list[Notice]:
    """What is to be tried again in one round. For what has waited a day a person is asked besides, once."""
    for notice in telling.take_late(work, work.now - LATE_AFTER):
        _ask_person(work, notice, "短信超过一天未能送达")
    return telling.list_unsent(work, work.now - RETRY_AFTER, AT_ONCE)


# --- work items ------------------------------------------------------------------------------------------------------


def open_work_item(work: Work, case_id: str, kind: str, words: str, office: str = "", *, about: str = "") -> None:
    """Something a person of `office` ("": any of this node) must look at; said once as long as it is open.

    `about`: the file, message, notice or day, where a case may have several of a kind. Words that another city has put
    into `words` may be of any length: they are cut.
    """
    item = Item(clock.new_id(), case_id, kind, about, office, words[:LONGEST], clock.iso(work.now), "")
    if telling.open_item(work, item):
        work.tell(said.WorkItemOpenedV1, case_id, _told_of(item))


def note_restoration_blocked(work: Work) -> None:
    """恢复受阻: for the office that has the record, or for any where the table of offices does not know it any more."""
    told = work.data(marriage.RestorationBlockedV1)
    office = told["office"] if told["office"] in work.node.offices.by_code else ""
    open_work_item(work, case.id_of(work), rules.RESTORATION_BLOCKED, told["text"], office, about=told["marriage"])


def settle(work: Work, case_id: str) -> None:
    """The case went on: no earlier notice need still be sent, and whoever had to look or to tell has done so."""
    telling.stop_notices(work, case_id)
    for item in telling.list_open_items(work, case_id):
        if item.kind not in rules.BESIDE_THE_CASE:
            _close(work, item)


def settle_file(work: Work, case_id: str, file_id: str) -> None:
    """The file is whole, or its case is over: nobody need ask for it any more."""
    for item in telling.list_open_items(work, case_id):
        if item.kind in (rules.FILE_DAMAGED, rules.FILE_INCOMPLETE) and item.about == file_id:
            _close(work, item)


def _close(work: Work, item: Item, actor: str = "system", note: str = "") -> bool:
    """Close it and say so; False, and nothing is said, when somebody else was faster."""
    if not telling.close_item(work, item.item_id, actor, note):
        return False
    data = _told_of(item) | {"closed_at": clock.iso(work.now), "closed_by": actor}
    work.tell(said.WorkItemClosedV1, item.case_id, data)
    return True


def _told_of(item: Item) -> Json:
    return {name: getattr(item, name) for name in TOLD_OF_ITEMS}


def close_work_item(work: Work) -> None:
    """销项 by a clerk of its office. Refused while the case itself waits for what the item asks."""
    asked, note = work.data(said.CloseWorkItemV1), work.personal(said.CloseWorkItemV1)["reason"]
    item = telling.get_item(work, asked["item_id"])
    if item.office not in ("", asked["actor"]["office"]):
        raise Denied("office_not_concerned", "这一事项由其他机构处理", field="act")
    leg = cases.find_leg(work, item.case_id, "accepting")  # locked before its work items, as every act does
    rules.expect_closable(item.kind, leg.state if leg else None)
    if not _close(work, item, asked["actor"]["id"], note):
        raise OutOfStep("work_item_closed", "这一事项已处理,请刷新后再办")


def watch_parked(work: Work, longer_than: datetime.timedelta) -> None:
    """A work item for every message whose predecessor never came, until it has come."""
    waited_for = set()
    for waiting in telling.list_parked_too_long(work, work.now - longer_than):
        words = f"消息 {waiting.message_id} 等待前序消息过久({waiting.awaits}),请检查死信和对方节点"
        waited_for.add(waiting.message_id)
        case_id = waiting.awaits.rsplit("/", 1)[-1]
        open_work_item(work, case_id, rules.PARKED_TOO_LONG, words, about=waiting.message_id)
    for item in telling.list_open_items(work, kind=rules.PARKED_TOO_LONG):
        if item.about not in waited_for:
            _close(work, item)
