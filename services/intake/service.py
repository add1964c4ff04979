"""Intake's doors: which message leads to which verb."""

import datetime
from functools import partial
from typing import Any

from contracts import certificate, exchange, intake, marriage, subsidy
from contracts.deciding import Decided, Dropped, StepDone
from contracts.envelope import Contract, Message, read_data
from services.intake.ports import Notices, Reply
from services.intake.store import telling
from services.intake.usecases import accepting, clocks, competent, hearing, materials, notices
from shared import calendar
from shared.bus import PARKED_TOO_LONG, Doors
from shared.outbox import Work, Works

EACH_MINUTE, OFTEN, DAILY = 60, 300, 86400  # seconds between two rounds of a timer
ACCEPTING = {
    intake.TakeInApplicationV1: accepting.take_in_application,
    intake.SupplementApplicationV1: accepting.supplement_application,
    intake.WithdrawApplicationV1: accepting.withdraw_application,
    intake.ForwardApplicationV1: accepting.forward_application,
    intake.TellApplicantV1: accepting.tell_applicant,
    intake.TellRefusalV1: notices.tell_refusal,
    intake.CloseWorkItemV1: notices.close_work_item,
    intake.ApplicationTakenOverV1: hearing.note_taken_over,
    intake.ApplicationProgressedV1: hearing.note_progress,
    intake.SupplementRequestedV1: hearing.note_supplement_request,
    intake.ApplicationDeclinedV1: hearing.note_declined,
    intake.ApplicationRedirectedV1: hearing.forward_again,
    intake.ApplicationClosedV1: hearing.note_closed,
    intake.FileRequestedV1: materials.send_again,
    marriage.RestorationBlockedV1: notices.note_restoration_blocked,
    exchange.MessageMisdirectedV1: hearing.note_misdirected,
}
COMPETENT = {
    intake.ApplicationForwardedV1: competent.take_over_application,
    intake.ApplicationSupplementedV1: competent.note_supplement,
    intake.ApplicationWithdrawnV1: competent.note_withdrawal,
    intake.ApplicantToldV1: competent.note_told,
    intake.FileChunkSentV1: materials.keep_chunk,
    subsidy.HukouMovedV1: competent.redirect_application,
    subsidy.SupplementNeededV1: competent.ask_supplement,
    subsidy.SupplementLapsedV1: competent.note_lapse,
    certificate.CertificateIssuedV1: competent.close_application,
}
STEPS: dict[type[StepDone], tuple[str, str]] = {  # what a deciding service says was done -> step, moment of clocks
    subsidy.ApplicationCheckedV1: ("check", "checked"),
    subsidy.ApplicationReviewedV1: ("review", "reviewed"),
    marriage.ApplicationExaminedV1: ("examine", "examined"),
}
DECISIONS: tuple[type[Decided], ...] = (subsidy.ApplicationDecidedV1, marriage.ApplicationDecidedV1)
DROPPED: tuple[type[Dropped], ...] = (subsidy.ApplicationDroppedV1, marriage.ApplicationDroppedV1)


def doors(house: Notices) -> Doors:
    """All ways into intake; `house` delivers notices to applicants."""
    entrance = Doors("intake", at_once=3)
    table: dict[type[Contract], Any] = ACCEPTING | COMPETENT
    for contract, verb in table.items():
        entrance.listen(contract)(verb)
    _hear_deciders(entrance)

    def deliver(works: Works, message: Message) -> Reply | None:
        notice_id = read_data(intake.SendNoticeV1, message.data, message.checked)["notice_id"]
        with works.begin() as work:
            notice = telling.get_notice(work, notice_id)
        return notices.attempt(house, notice) if notice.to_send else None

    @entrance.listen(intake.SendNoticeV1, ask=deliver)
    def note_attempt(work: Work) -> None:
        if work.answer:
            accepting.note_attempt(work, work.data(intake.SendNoticeV1)["notice_id"], work.answer)

    @entrance.every(EACH_MINUTE)
    def send_again(works: Works) -> None:
        _send_again(works, house)

    @entrance.every(OFTEN)
    def watch_parked(works: Works) -> None:
        with works.begin() as work:
            notices.watch_parked(work, datetime.timedelta(seconds=PARKED_TOO_LONG))

    _keep_time(entrance)
    return entrance


def _hear_deciders(entrance: Doors) -> None:
    """What every deciding service says alike, whichever it is."""
    for step, (verb, moment) in STEPS.items():
        entrance.listen(step)(partial(competent.note_step, contract=step, verb=verb, moment=moment))
    for decision in DECISIONS:
        entrance.listen(decision)(partial(competent.note_decision, contract=decision))
    for end in DROPPED:
        entrance.listen(end)(partial(competent.drop_application, contract=end))
    entrance.listen(marriage.WithdrawalRefusedV1)(competent.refuse_withdrawal)


def _send_again(works: Works, house: Notices) -> None:
    """One round of what has not left yet; when the house is away, the others wait for the next round."""
    with works.begin() as work:
        unsent = notices.list_unsent(work)
    for notice in unsent:
        reply = notices.attempt(house, notice)
        with works.begin() as work:
            accepting.note_attempt(work, notice.notice_id, reply)
        if reply is Reply.AWAY:
            return


def _keep_time(entrance: Doors) -> None:
    """What nobody asks for and the days bring about."""

    @entrance.every(DAILY)
    def recount_clocks(works: Works) -> None:
        clocks.recount_all(works, calendar.standard())

    @entrance.every(DAILY)
    def list_lapsed_supplements(works: Works) -> None:
        clocks.list_lapsed_supplements(works)

    @entrance.every(OFTEN)
    def chase_files(works: Works) -> None:
        materials.chase_files(works)
