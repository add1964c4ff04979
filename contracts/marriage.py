"""What marriage (婚姻登记) is asked and what it says: from 审查 to the certificate, and what others must know."""

from marshmallow import fields, validate

from contracts import deciding
from contracts.case import Actor, CaseFacts, OfficeRef, Reason, Reasons
from contracts.deciding import StepDone, Task, Word
from contracts.envelope import Contract, expect_day
from contracts.marriage_parts import (
    Back,
    Copied,
    Correction,
    Couple,
    Coverage,
    Death,
    DivorcePapers,
    Ended,
    Ending,
    EndingRefusal,
    Examination,
    Findings,
    Found,
    FoundRecords,
    Recorded,
    Registered,
    Reissued,
    Signing,
    Whose,
    Withdrawal,
    Withdrawing,
)


class ActRefusedV1(deciding.Refusal):
    """不能办: the answer to a command marriage cannot carry out."""

    type = "marriage.act_refused.v1"
    consumers = ("web",)


class Act(deciding.Act):
    """What somebody at a registration office does with an application."""

    consumers = ("marriage",)
    answers = ActRefusedV1


class ExamineApplicationV1(Act):
    """审查: both are here, free and willing, or not."""

    type = "marriage.examine_application.v1"
    Personal = Examination
    approve = fields.Boolean(required=True)


class RegisterMarriageV1(Act):
    """登记: the registrar signs, or refuses on one of the four grounds."""

    type = "marriage.register_marriage.v1"
    Personal = Signing
    approve = fields.Boolean(required=True)


class ReserveAgainV1(Act):
    """再次预留: what stood in the way may be gone."""

    type = "marriage.reserve_again.v1"


class TaskOpenedV1(Word):
    """待办: a task waits for an office."""

    type = "marriage.task_opened.v1"
    consumers = ("web",)
    Personal = Findings
    case = fields.Nested(CaseFacts, required=True)
    division = fields.String(required=True)
    task = fields.Nested(Task, required=True)
    missing_facts = fields.List(fields.String(), required=True)  # of contracts.marriage_waits.WAITS
    ask_office = fields.Nested(OfficeRef, load_default=None, allow_none=True)  # which holds a person: never who


class ApplicationExaminedV1(StepDone):
    """已审查; of a divorce: 已受理, with the days of the receipt in `note`."""

    type = "marriage.application_examined.v1"
    note = fields.String(load_default="", validate=validate.Length(max=400))


class ApplicationDecidedV1(deciding.Decided):
    """已登记, or 不予登记 with its ground."""

    type = "marriage.application_decided.v1"

    class Personal(Findings):
        """Why, in the words of the rules and of the registrar; the certificate's number."""

        statement = fields.String(required=True)
        reasons = fields.List(fields.Nested(Reason), required=True)
        certificate_no = fields.String(load_default="")


class ApplicationDroppedV1(deciding.Dropped):
    """已终止: withdrawn, deemed withdrawn, or nothing left to decide; `note` says which."""

    type = "marriage.application_dropped.v1"
    note = fields.String(load_default="", validate=validate.Length(max=400))


class WithdrawalRefusedV1(Word):
    """撤回未成: of a divorce, through intake: its last day was over, or both had signed. The application goes on.

    `version`: of the last word before it. It has none of its own: what a clerk was shown is still the newest.
    """

    type = "marriage.withdrawal_refused.v1"
    consumers = ("intake",)
    office = fields.Nested(OfficeRef, required=True)
    at = fields.String(required=True)
    note = fields.String(required=True, validate=validate.Length(max=400))  # why


class MarriageRegisteredV1(Contract):
    """已登记结婚: for whoever grants by household. The subject is the marriage: the case that registered it."""

    type = "marriage.marriage_registered.v1"
    consumers = ("subsidy",)
    Personal = Registered
    office = fields.Nested(OfficeRef, required=True)
    registered_on = fields.String(required=True, validate=expect_day)


class ReportRecordV1(Contract):
    """上报: a record has changed, and the national marriage registry is to have it; marriage's word to itself, so that
    reporting is retried apart. The subject is the marriage.
    """

    type = "marriage.report_record.v1"
    consumers = ("marriage",)


class RestoreMarriageV1(Contract):
    """恢复: both are reserved for a marriage that is to come back; marriage's word to itself, so that the national registry
    is asked before the locks. The subject is the request.
    """

    type = "marriage.restore_marriage.v1"
    consumers = ("marriage",)
    attempt = fields.String(required=True)


class StatusCopiedV1(Contract):
    """抄告: a change of the marital status of persons whose hukou is the receiver's; only where a clause in force lets it."""

    type = "marriage.status_copied.v1"
    consumers = ("subsidy",)
    crosses = "anyone"  # it leads to a second look by a clerk, and to nothing else
    Personal = Copied
    change = fields.String(required=True)  # the case or request that made it
    basis = fields.String(required=True)


# --- 离婚登记 ----------------------------------------------------------------------------------------------------------


class ExamineDivorceV1(Act):
    """审查受理: both apply, or it is not accepted."""

    type = "marriage.examine_divorce.v1"
    Personal = DivorcePapers
    approve = fields.Boolean(required=True)


class RegisterDivorceV1(Act):
    """登记: both have come again, after the cooling-off period."""

    type = "marriage.register_divorce.v1"
    Personal = DivorcePapers
    approve = fields.Boolean(required=True)


class WithdrawDivorceV1(Act):
    """撤回, by one of the two alone."""

    type = "marriage.withdraw_divorce.v1"
    Personal = Withdrawing


class DivorceRegisteredV1(Contract):
    """已登记离婚: for whoever grants by household. The subject is the divorce's case."""

    type = "marriage.divorce_registered.v1"
    consumers = ("subsidy",)
    Personal = Registered
    office = fields.Nested(OfficeRef, required=True)
    registered_on = fields.String(required=True, validate=expect_day)


# --- between the node that holds a marriage and whoever asks; the subject is the request: a case, or one made for it -----


class Asked(Contract):
    """A question or wish to the holder, by an office of the node that sends it."""

    consumers = ("marriage",)
    crosses = "anyone"  # the holder looks whether the persons and the number are those of its record
    office = fields.Nested(OfficeRef, required=True)


class LookUpMarriageV1(Asked):
    """查核: is there such a marriage, whose end whoever asks hears of later on; or, by its own number, such a divorce."""

    type = "marriage.look_up_marriage.v1"
    Personal = Couple


class EndMarriageV1(Asked):
    """终止婚姻: only the holder does it. A registered divorce ends it on the holder's day, all else on the day it says."""

    type = "marriage.end_marriage.v1"
    Personal = Ending
    marriage = fields.String(load_default="")  # its id, where it was looked up before


class WithdrawEndingV1(Asked):
    """恢复婚姻: a death was reported or declared, and was none."""

    type = "marriage.withdraw_ending.v1"
    Personal = Withdrawal


class NoteReissueV1(Asked):
    """记录补领: a certificate was given out anew; the holder's record has its number, too."""

    type = "marriage.note_reissue.v1"
    Personal = Reissued
    marriage = fields.String(load_default="")  # its id, where it was looked up before


class NoteSupersededV1(Contract):
    """记录被取代: the divorce certificate that this case gave out was given out anew by another; from the holder alone."""

    type = "marriage.note_superseded.v1"
    consumers = ("marriage",)
    crosses = "anyone"  # the receiver looks whether its sender is the holder it had asked


class MarriageFoundV1(Contract):
    """查核结果."""

    type = "marriage.marriage_found.v1"
    consumers = ("marriage",)
    crosses = "anyone"
    Personal = Found


class EndingRefusedV1(Contract):
    """未能终止或恢复."""

    type = "marriage.ending_refused.v1"
    consumers = ("marriage",)
    crosses = "anyone"
    Personal = EndingRefusal


class MarriageEndedV1(Contract):
    """婚姻已终止: to whoever asked for it or asked about it, and in the holder's city."""

    type = "marriage.marriage_ended.v1"
    consumers = ("marriage", "subsidy")
    crosses = "anyone"
    Personal = Ended
    marriage = fields.String(required=True)
    request = fields.String(required=True)  # which ended it; the subject is that of whoever hears it


class EndingWithdrawnV1(Contract):
    """婚姻已恢复, or kept ended by law."""

    type = "marriage.ending_withdrawn.v1"
    consumers = ("marriage", "subsidy")
    crosses = "anyone"
    Personal = Back
    marriage = fields.String(required=True)
    request = fields.String(required=True)


class RestorationBlockedV1(Contract):
    """恢复受阻: one of the two is claimed elsewhere; two people must look at it."""

    type = "marriage.restoration_blocked.v1"
    consumers = ("web", "intake")
    marriage = fields.String(required=True)
    office = fields.String(load_default="")  # which has the record
    text = fields.String(required=True)


# --- endings without an application: what clerks and registers of deaths say --------------------------------------------

NOTED = ("recorded", "sent", "ended", "restored", "refused", "rejected")


class RecordEndingV1(Contract):
    """登记终止: by a clerk who has the document; another clerk confirms it, but of a death certificate."""

    type = "marriage.record_ending.v1"
    consumers = ("marriage",)
    answers = ActRefusedV1
    Personal = Recorded
    actor = fields.Nested(Actor, required=True)
    registering_division = fields.String(load_default="")  # of the office that registered it; needed for old numbers


class ConfirmEndingV1(Contract):
    """复核: another clerk has compared the document, and lets it go to the holder, or not."""

    type = "marriage.confirm_ending.v1"
    consumers = ("marriage",)
    answers = ActRefusedV1
    actor = fields.Nested(Actor, required=True)
    approve = fields.Boolean(required=True)


class EndingNotedV1(Contract):
    """终止进展: how far a recorded ending is."""

    type = "marriage.ending_noted.v1"
    consumers = ("web",)
    Personal = Reasons
    state = fields.String(required=True, validate=validate.OneOf(NOTED))
    office = fields.String(required=True)


class NoteDeathV1(Contract):
    """死亡通报: a register of deaths says that somebody died; only marriages held here end by it."""

    type = "marriage.note_death.v1"
    consumers = ("marriage",)
    Personal = Death
    source = fields.String(required=True, validate=validate.Length(max=60))


# --- records looked up by departments, and by a person --------------------------------------------------------------------


class LookUpRecordsV1(Contract):
    """查询婚姻登记记录, for a purpose of contracts.record_purposes; `certificate`: of there being none."""

    type = "marriage.look_up_records.v1"
    consumers = ("marriage",)
    answers = ActRefusedV1
    Personal = Whose
    actor = fields.Nested(Actor, required=True)
    purpose = fields.String(required=True, validate=validate.Length(max=30))
    department = fields.String(load_default="", validate=validate.Length(max=40))  # for which it is asked
    nationwide = fields.Boolean(load_default=False)  # the national registry is asked, too
    certificate = fields.Boolean(load_default=False)


class RecordsFoundV1(Contract):
    """查询结果, and of which years and places it is one."""

    type = "marriage.records_found.v1"
    consumers = ("web",)
    Personal = FoundRecords
    covers = fields.List(fields.Nested(Coverage), required=True)


class CorrectRecordV1(Contract):
    """更正: by a clerk of the office that holds the record, who has the document; another clerk confirms it."""

    type = "marriage.correct_record.v1"
    consumers = ("marriage",)
    answers = ActRefusedV1
    Personal = Correction
    actor = fields.Nested(Actor, required=True)


class ConfirmCorrectionV1(ConfirmEndingV1):
    """复核更正."""

    type = "marriage.confirm_correction.v1"


class RecordCorrectedV1(Contract):
    """更正进展."""

    type = "marriage.record_corrected.v1"
    consumers = ("web",)
    state = fields.String(required=True, validate=validate.OneOf(("recorded", "asking", "corrected", "rejected")))
    text = fields.String(load_default="")  # what is to be done, where a confirmed one was not carried out
    office = fields.String(required=True)
