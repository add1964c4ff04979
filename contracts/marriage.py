"""What marriage (婚姻登记) is asked and what it says: from 审查 to the certificate, and what others must know."""

from collections.abc import Mapping

from marshmallow import Schema, fields, validate

from contracts import deciding
from contracts.case import CaseFacts, OfficeRef, Parties, Reason, Reasons
from contracts.deciding import StepDone, Task, Word
from contracts.envelope import Contract, Part, expect_day

KINSHIP = ("none", "lineal", "collateral")  # declared: 直系血亲, 三代以内的旁系血亲
WAITS: Mapping[str, tuple[str, str]] = {  # what an open application waits for -> what it is, what to do
    "claims_asked": ("预留双方登记资格", "系统正在向主管登记处预留,通常几秒钟,请稍等"),
    "held_elsewhere": (
        "一方正在其他机构办理",
        "暂不能办结:请当事人到该机构办完或放弃,系统会自动再试,也可以点“再次预留”",
    ),
    "locked_elsewhere": ("一方正在其他机构登记", "暂不能办结:该机构登记尚未完成,请稍后再试或与该机构核实"),
    "authority_away": ("主管登记处暂未答复", "系统会自动再问,无需重新提交;可以先请当事人等候或改日再来"),
    "claims_lost": ("预留已失效", "预留到期或当事人已放弃:登记员已签字的由系统重新预留,未签字的请点“再次预留”"),
    "national_registry": ("全国婚姻登记库的答复", "系统每分钟自动再问;没有答复前不能发证"),
    "to_register": ("锁定双方登记资格", "系统正在完成登记,通常几秒钟,请稍等"),
}


class ActRefusedV1(deciding.Refusal):
    """不能办: the answer to a command marriage cannot carry out."""

    type = "marriage.act_refused.v1"
    consumers = ("web",)


class Heard(Part):
    """What the registrar saw and heard of one of the two, asked apart from the other; `number`: its place, 0 or 1."""

    number = fields.Integer(required=True, validate=validate.OneOf((0, 1)))
    present = fields.Boolean(required=True)  # in person, with their own document (民法典 第一千零四十九条)
    declared = fields.Boolean(required=True)  # signed the own declaration before the registrar
    willing = fields.Boolean(required=True)  # fully (民法典 第一千零四十六条)


class Examination(Reasons):
    """The sealed part of 审查."""

    heard = fields.List(fields.Nested(Heard), required=True, validate=validate.Length(equal=2))
    kinship = fields.String(required=True, validate=validate.OneOf(KINSHIP))


class ExamineApplicationV1(deciding.Act):
    """审查: both are here, free and willing, or not."""

    type = "marriage.examine_application.v1"
    consumers = ("marriage",)
    answers = ActRefusedV1
    Personal = Examination
    approve = fields.Boolean(required=True)


class RegisterMarriageV1(deciding.Act):
    """登记: the registrar signs, or refuses on one of the four grounds."""

    type = "marriage.register_marriage.v1"
    consumers = ("marriage",)
    answers = ActRefusedV1
    Personal = Reasons
    approve = fields.Boolean(required=True)


class ReserveAgainV1(deciding.Act):
    """再次预留: what stood in the way may be gone."""

    type = "marriage.reserve_again.v1"
    consumers = ("marriage",)
    answers = ActRefusedV1


class Finding(Part):
    """What the rules say of one ground; `eligible` null: not known yet."""

    ground = fields.String(required=True)
    eligible = fields.Boolean(required=True, allow_none=True)
    reasons = fields.List(fields.Nested(Reason), required=True)


class Findings(Schema):
    """What the rules say so far; sealed, for it is about persons."""

    findings = fields.List(fields.Nested(Finding), required=True)


class TaskOpenedV1(Word):
    """待办: a task waits for an office."""

    type = "marriage.task_opened.v1"
    consumers = ("web",)
    Personal = Findings
    case = fields.Nested(CaseFacts, required=True)
    division = fields.String(required=True)
    task = fields.Nested(Task, required=True)
    missing_facts = fields.List(fields.String(), required=True)  # of WAITS
    ask_office = fields.Nested(OfficeRef, load_default=None, allow_none=True)  # which holds a person: never who


class ApplicationExaminedV1(StepDone):
    """已审查."""

    type = "marriage.application_examined.v1"


class ApplicationDecidedV1(deciding.Decided):
    """已登记, or 不予登记 with its ground."""

    type = "marriage.application_decided.v1"

    class Personal(Findings):
        """Why, in the words of the rules and of the registrar; the certificate's number."""

        statement = fields.String(required=True)
        reasons = fields.List(fields.Nested(Reason), required=True)
        certificate_no = fields.String(load_default="")


class ApplicationDroppedV1(deciding.Dropped):
    """已终止."""

    type = "marriage.application_dropped.v1"


class Registered(Parties):
    """The sealed part of a registration: both persons, and the number on their certificates."""

    certificate_no = fields.String(required=True)


class MarriageRegisteredV1(Contract):
    """已登记结婚: for whoever grants by household. The subject is the marriage: the case that registered it."""

    type = "marriage.marriage_registered.v1"
    consumers = ()
    Personal = Registered
    office = fields.Nested(OfficeRef, required=True)
    registered_on = fields.String(required=True, validate=expect_day)


class ReportRegistrationV1(Contract):
    """上报: to the national marriage registry; marriage's word to itself, so that reporting is retried apart."""

    type = "marriage.report_registration.v1"
    consumers = ("marriage",)
