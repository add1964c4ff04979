"""What intake (受理) is asked and what it says: the case from 收件 to 告知."""

from marshmallow import Schema, fields, validate

from contracts.case import (
    Actor,
    Answers,
    CaseFacts,
    Leg,
    Material,
    Missing,
    OfficeRef,
    Parties,
    Reason,
    Reasons,
    Step,
    Why,
)
from contracts.deciding import Refusal
from contracts.envelope import Contract, expect_day

# reasons of a decline that refuses nobody: a clerk of the accepting office sends the case on
NO_OFFICE = "no_competent_office"  # the division is given anew
RELEASE_BEHIND = "release_behind"  # once the other city knows this version of the matter
REFUSES_NOBODY = frozenset({NO_OFFICE, RELEASE_BEHIND})
RESULTS = ("granted", "refused", "not_accepted", "withdrawn")
FILE_ID = validate.Length(max=36)


class ActRefusedV1(Refusal):
    """不能办: the answer to a command intake cannot carry out."""

    type = "intake.act_refused.v1"
    consumers = ("web",)


class TakeInApplicationV1(Contract):
    """收件: take a case in."""

    type = "intake.take_in_application.v1"
    consumers = ("intake",)
    answers = ActRefusedV1
    Personal = Parties
    case = fields.Nested(CaseFacts, required=True)
    actor = fields.Nested(Actor, required=True)
    place_division = fields.String(load_default="")  # where the event happened, for place-of-event matters


class SupplementApplicationV1(Contract):
    """补正: bring or answer what was missing."""

    type = "intake.supplement_application.v1"
    consumers = ("intake",)
    answers = ActRefusedV1
    Personal = Answers
    expected_version = fields.Integer(required=True)
    materials = fields.List(fields.Nested(Material), required=True)
    actor = fields.Nested(Actor, required=True)


class WithdrawApplicationV1(Contract):
    """撤回: the applicant takes the application back."""

    type = "intake.withdraw_application.v1"
    consumers = ("intake",)
    answers = ActRefusedV1
    Personal = Why
    expected_version = fields.Integer(required=True)
    actor = fields.Nested(Actor, required=True)
    supplement_lapsed = fields.Boolean(load_default=False)  # a clerk ends it: nothing was brought in time


class ForwardApplicationV1(Contract):
    """转办: a clerk says where a case belongs that no rule could send on."""

    type = "intake.forward_application.v1"
    consumers = ("intake",)
    answers = ActRefusedV1
    expected_version = fields.Integer(required=True)
    to_division = fields.String(required=True)
    actor = fields.Nested(Actor, required=True)


class TellApplicantV1(Contract):
    """告知: a clerk has told the applicant of the result, in person or in writing."""

    type = "intake.tell_applicant.v1"
    consumers = ("intake",)
    answers = ActRefusedV1
    expected_version = fields.Integer(required=True)
    actor = fields.Nested(Actor, required=True)


class TellRefusalV1(Contract):
    """告知未收件: the take-in was refused after the receipt had been handed out; the applicant must learn of it."""

    type = "intake.tell_refusal.v1"
    consumers = ("intake",)

    class Personal(Schema):
        """Where the applicant is reached."""

        phone = fields.String(required=True)  # "" when they left none

    case_no = fields.String(required=True)
    office = fields.String(required=True)


class CloseWorkItemV1(Contract):
    """销项: a clerk has seen to a work item."""

    type = "intake.close_work_item.v1"
    consumers = ("intake",)
    answers = ActRefusedV1
    Personal = Why
    item_id = fields.String(required=True)
    actor = fields.Nested(Actor, required=True)


class ApplicationTakenInV1(Contract):
    """已收件: intake has checked form and competence and keeps the case."""

    type = "intake.application_taken_in.v1"
    consumers = ("web",)
    Personal = Parties
    case = fields.Nested(CaseFacts, required=True)
    leg = fields.Nested(Leg, required=True)
    steps = fields.List(fields.Nested(Step), required=True)
    missing = fields.List(fields.String(), load_default=list)
    competent_node = fields.String(load_default="")
    division = fields.String(load_default="")


class ApplicationForwardedV1(Contract):
    """转办: the accepting office hands the case to the competent city (also when that is its own)."""

    type = "intake.application_forwarded.v1"
    consumers = ("intake", "web")
    crosses = "accepting"
    Personal = Parties
    case = fields.Nested(CaseFacts, required=True)
    leg_no = fields.Integer(required=True)  # the leg this opens at the receiver
    division = fields.String(required=True)
    redirects = fields.Integer(required=True)
    steps = fields.List(fields.Nested(Step), required=True)
    leg = fields.Nested(Leg, required=True)  # the sender's


class ApplicationTakenOverV1(Contract):
    """接办: the competent city holds the case now."""

    type = "intake.application_taken_over.v1"
    consumers = ("intake", "web")
    crosses = "competent"
    leg = fields.Nested(Leg, required=True)
    step = fields.Nested(Step, required=True)


class ApplicationDeclinedV1(Contract):
    """未能接办: a case of the same person and matter is open, or the case is not for us, or for a newer release of ours."""

    type = "intake.application_declined.v1"
    consumers = ("intake", "web")
    crosses = "competent"
    leg = fields.Nested(Leg, required=True)
    reasons = fields.List(fields.Nested(Reason), required=True)
    ask_office = fields.Nested(OfficeRef, required=True)


class ApplicationAcceptedV1(Contract):
    """受理: the deciding service of this city may begin."""

    type = "intake.application_accepted.v1"
    consumers = ("marriage", "subsidy", "web")
    Personal = Parties
    case = fields.Nested(CaseFacts, required=True)
    leg = fields.Nested(Leg, required=True)
    division = fields.String(required=True)
    decides = fields.String(required=True)  # the service that decides this matter
    steps = fields.List(fields.Nested(Step), required=True)


class ApplicationProgressedV1(Contract):
    """办理进展: a step was done in the competent city."""

    type = "intake.application_progressed.v1"
    consumers = ("intake", "web")
    crosses = "competent"
    leg = fields.Nested(Leg, required=True)
    step = fields.Nested(Step, required=True)


class SupplementRequestedV1(Contract):
    """补正告知: all that is missing, told once (行政许可法 第三十二条)."""

    type = "intake.supplement_requested.v1"
    consumers = ("intake", "web")
    crosses = "competent"
    Personal = Missing
    leg = fields.Nested(Leg, required=True)
    step = fields.Nested(Step, required=True)
    due_on = fields.String(load_default="", validate=expect_day)  # until when the office waits
    request = fields.Integer(load_default=0)  # the deciding service's word that asks; 0: an earlier release told it


class ApplicationSupplementedV1(Contract):
    """已补正: the missing materials and answers are here, for the newest request the accepting office knew of."""

    type = "intake.application_supplemented.v1"
    consumers = ("intake", "web", "subsidy")
    crosses = "accepting"
    Personal = Answers
    leg = fields.Nested(Leg, required=True)
    step = fields.Nested(Step, required=True)
    materials = fields.List(fields.Nested(Material), required=True)
    leg_no = fields.Integer(load_default=0)  # the leg that asked
    request = fields.Integer(load_default=0)  # the request it answers, as that leg told it; 0: whichever is the newest


class ApplicationRedirectedV1(Contract):
    """退回转办: the competent city hands the case back, naming where the hukou is now."""

    type = "intake.application_redirected.v1"
    consumers = ("intake", "web")
    crosses = "competent"
    leg = fields.Nested(Leg, required=True)
    step = fields.Nested(Step, required=True)
    to_division = fields.String(required=True)


class ApplicationWithdrawnV1(Contract):
    """撤回: the applicant wants the case ended; the leg that holds it answers by closing."""

    type = "intake.application_withdrawn.v1"
    consumers = ("intake", "marriage", "subsidy", "web")
    crosses = "accepting"
    leg = fields.Nested(Leg, required=True)
    step = fields.Nested(Step, required=True)
    leg_no = fields.Integer(required=True)  # the leg asked to end; 0: it never left the accepting office
    at = fields.String(load_default="")  # when somebody acted, however late it is heard; "": an older release


class ApplicationClosedV1(Contract):
    """办结: the result of the competent city, with the certificate that says so."""

    type = "intake.application_closed.v1"
    consumers = ("intake", "web")
    crosses = "competent"
    Personal = Reasons
    leg = fields.Nested(Leg, required=True)
    steps = fields.List(fields.Nested(Step), required=True)
    result = fields.String(required=True, validate=validate.OneOf(RESULTS))
    remedies = fields.List(fields.String(), required=True)
    certificate_id = fields.String(required=True)  # 证照标识
    certificate_name = fields.String(required=True)


class SendNoticeV1(Contract):
    """告知: tell the applicant; intake's word to itself, so that sending is retried apart from deciding."""

    type = "intake.send_notice.v1"
    consumers = ("intake",)
    notice_id = fields.String(required=True)


class ApplicantToldV1(Contract):
    """已告知: the accepting office has told the applicant; the case is over at both ends."""

    type = "intake.applicant_told.v1"
    consumers = ("intake", "web")
    crosses = "accepting"
    leg = fields.Nested(Leg, required=True)
    step = fields.Nested(Step, required=True)


class FileChunkSentV1(Contract):
    """材料分片: at most 256 KiB of a material, sealed for the competent city."""

    type = "intake.file_chunk_sent.v1"
    consumers = ("intake",)
    crosses = "accepting"
    lane = "file"

    class Personal(Schema):
        """The bytes."""

        chunk = fields.String(required=True)  # base64

    file_id = fields.String(required=True, validate=FILE_ID)
    sha256 = fields.String(required=True)
    size = fields.Integer(required=True)
    media_type = fields.String(required=True)
    number = fields.Integer(required=True)
    count = fields.Integer(required=True)
    leg_no = fields.Integer(load_default=0)  # the leg it is for; 0: a release sent it that did not say so


class FileRequestedV1(Contract):
    """材料请重发: the competent city misses a file of the case, or pieces of it, and asks for all of it again."""

    type = "intake.file_requested.v1"
    consumers = ("intake",)
    crosses = "competent"
    file_id = fields.String(required=True, validate=FILE_ID)


class LegChangedV1(Contract):
    """段变化: our accepting leg moved because of what was heard; screens must offer its newest version."""

    type = "intake.leg_changed.v1"
    consumers = ("web",)
    leg = fields.Nested(Leg, required=True)
    peer_leg_no = fields.Integer(load_default=0)  # the leg to which the case was handed over last


class WorkItemOpenedV1(Contract):
    """待人工处理: no rule can go on alone; a person must look."""

    type = "intake.work_item_opened.v1"
    consumers = ("web",)
    kind = fields.String(required=True)
    text = fields.String(required=True)
    item_id = fields.String(load_default="")
    office = fields.String(load_default="")  # whose it is; "": any of this node
    opened_at = fields.String(load_default="")


class WorkItemClosedV1(Contract):
    """已处理: a clerk has seen to it, or the case went on."""

    type = "intake.work_item_closed.v1"
    consumers = ("web",)
    item_id = fields.String(required=True)
    kind = fields.String(required=True)
    text = fields.String(required=True)
    office = fields.String(required=True)
    opened_at = fields.String(required=True)
    closed_at = fields.String(required=True)
    closed_by = fields.String(required=True)  # "system": the case went on
