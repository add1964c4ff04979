"""Intake's doors: which message leads to which verb."""

import datetime
from typing import Any

from contracts import certificate, exchange, intake, subsidy
from contracts.envelope import Contract, Message, read_data
from services.intake import store
from services.intake.ports import Notices
from services.intake.usecases import accepting, competent, materials, notices
from shared.bus import PARKED_TOO_LONG, Doors
from shared.outbox import Work, Works

ACCEPTING = {
    intake.TakeInApplicationV1: accepting.take_in_application,
    intake.SupplementApplicationV1: accepting.supplement_application,
    intake.WithdrawApplicationV1: accepting.withdraw_application,
    intake.ApplicationTakenOverV1: accepting.note_taken_over,
    intake.ApplicationProgressedV1: accepting.note_progress,
    intake.SupplementRequestedV1: accepting.note_supplement_request,
    intake.ApplicationDeclinedV1: accepting.note_declined,
    intake.ApplicationRedirectedV1: accepting.forward_again,
    intake.ApplicationClosedV1: accepting.note_closed,
    exchange.MessageMisdirectedV1: accepting.note_misdirected,
}
COMPETENT = {
    intake.ApplicationForwardedV1: competent.take_over_application,
    intake.ApplicationSupplementedV1: competent.note_supplement,
    intake.ApplicationWithdrawnV1: competent.note_withdrawal,
    intake.ApplicantToldV1: competent.note_told,
    intake.FileChunkSentV1: materials.keep_chunk,
    subsidy.HukouMovedV1: competent.redirect_application,
    subsidy.ApplicationDroppedV1: competent.drop_application,
    subsidy.ApplicationCheckedV1: competent.note_checked,
    subsidy.ApplicationReviewedV1: competent.note_reviewed,
    subsidy.SupplementNeededV1: competent.ask_supplement,
    subsidy.SupplementLapsedV1: competent.note_lapse,
    subsidy.ApplicationDecidedV1: competent.note_decision,
    certificate.CertificateIssuedV1: competent.close_application,
}


def doors(house: Notices) -> Doors:
    """All ways into intake; `house` delivers notices to applicants."""
    entrance = Doors("intake")
    table: dict[type[Contract], Any] = ACCEPTING | COMPETENT
    for contract, verb in table.items():
        entrance.listen(contract)(verb)

    def deliver(works: Works, message: Message) -> None:
        notice_id = read_data(intake.SendNoticeV1, message.data)["notice_id"]
        with works.begin() as work:
            notice = store.get_notice(work, notice_id)
        if notice.phone and not notice.sent_at:
            house.send(notice_id, notice.phone, notice.text)

    @entrance.listen(intake.SendNoticeV1, ask=deliver)
    def note_sent(work: Work) -> None:
        accepting.note_sent(work)

    @entrance.every(300)
    def list_parked_too_long(works: Works) -> None:
        with works.begin() as work:
            notices.list_parked_too_long(work, datetime.timedelta(seconds=PARKED_TOO_LONG))

    return entrance
