"""告知 and 待人工处理: what applicants are told, and what a person must look at."""

import datetime

from contracts import intake as said
from services.intake import rules
from services.intake.rules import Leg
from services.intake.store import cases as store
from services.intake.store.cases import Case
from services.intake.usecases import case
from shared.outbox import Work


def send(work: Work, kept: Case, event: str, words: str) -> None:
    """Tell the applicant once per event; the text names the case, never the person or the matter's details."""
    phone = next((party["phone"] for party in kept.personal["parties"] if party["phone"]), "")
    text = f"【通办】您的办件 {kept.facts['case_no']} {words}。"
    notice_id = store.add_notice(work, kept.case_id, event, phone, text)
    if notice_id is None:
        return
    if not phone:
        open_work_item(work, kept.case_id, "tell_in_person", f"申请人未留电话,请当面或书面告知:{text}")
    work.tell(said.SendNoticeV1, kept.case_id, {"notice_id": notice_id})


def need_attention(work: Work, before: Leg, after: Leg, kind: str, words: str) -> None:
    """No rule can go on alone: the leg waits for a person."""
    case.change_aloud(work, before, rules.move(after, "need_attention"))
    open_work_item(work, before.case_id, kind, words)


def open_work_item(work: Work, case_id: str, kind: str, words: str) -> None:
    """Something a person must look at; said once as long as it is open."""
    if store.open_work_item(work, case_id, kind, words):
        work.tell(said.WorkItemOpenedV1, case_id, {"kind": kind, "text": words})


def list_parked_too_long(work: Work, longer_than: datetime.timedelta) -> None:
    """A work item for every message whose predecessor never came."""
    for waiting in store.list_parked_too_long(work, work.now - longer_than):
        words = f"消息 {waiting.message_id} 等待前序消息过久({waiting.awaits}),请检查死信和对方节点"
        open_work_item(work, waiting.awaits.rsplit("/", 1)[-1], "parked_too_long", words)
