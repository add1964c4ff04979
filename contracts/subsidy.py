"""What subsidy (按标准发放) is asked and what it says: the tasks and the decision."""

from collections.abc import Mapping

from marshmallow import Schema, fields, validate

from contracts import deciding
from contracts.case import Actor, CaseFacts, Missing, OfficeRef, Reason, Reasons, Why
from contracts.deciding import StepDone, Task, Word
from contracts.envelope import Contract, Part

AREAS = ("urban", "rural")
LOW_INCOMES = ("dibao", "dibao_edge", "special_support")
ASK = "请一次性要求补正:由申请人提供材料、书面承诺或补充回答"
WAIT = "等待登记机构答复(每分钟自动再问);急办的,按申请人带来的证件记录,或请申请人书面承诺"
MISSING_FACTS: Mapping[str, tuple[str, str]] = {  # every code of `missing_facts` -> what is missing, what to do
    "hukou": ("户籍所在地", ASK),
    "died_on": ("生存状态", ASK),
    "born_on": ("出生日期", ASK),
    "card": ("残疾人证信息", ASK),
    "card_components": ("多重残疾所含的残疾类别", "请按残疾人证记录所含类别,或" + ASK[1:]),
    "low_income": ("低保或低收入身份", ASK),
    "area": ("户籍的城乡类别", ASK),
    "special_support": ("特困人员供养情况", ASK),
    "injury_care": ("工伤保险生活护理费领取情况", ASK),
    "orphan_support": ("孤儿基本生活保障情况", ASK),
    "serving_sentence": ("服刑情况", ASK),
    "public_pay": ("财政供养及单位证明情况", ASK),
    "allowances": ("其他福利性补贴领取情况", ASK),
    "long_term_care": ("长期照护需要", ASK),
    "allowance_rule": ("所领补贴与本补贴的衔接规定", "请报上级民政部门明确,由管理员补入当地标准"),
    "standard": ("适用的补贴标准", "请报上级民政部门明确,由管理员补入当地标准"),
    "disability-card": ("残疾人证登记的答复", WAIT),
    "low-income": ("社会救助对象登记的答复", WAIT),
    "population": ("人口登记的答复", WAIT),
}


class ActRefusedV1(deciding.Refusal):
    """不能办: the answer to a command subsidy cannot carry out."""

    type = "subsidy.act_refused.v1"
    consumers = ("web",)


class Shown(Part):
    """What papers show that the applicant brought because a registry did not answer; "" where a paper shows nothing."""

    card_no = fields.String(load_default="")
    card_components = fields.List(fields.Integer(), load_default=list)  # categories within a multiple disability
    low_income = fields.String(load_default="", validate=validate.OneOf(("", *LOW_INCOMES)))
    hukou_division = fields.String(load_default="")  # of the address on the identity card (居民身份证法 第三条)
    area = fields.String(load_default="", validate=validate.OneOf(("", *AREAS)))


class Opinion(Reasons):
    """The sealed part of an act: reasons, and what papers show."""

    shown = fields.Nested(Shown, load_default=None, allow_none=True)


class Act(deciding.Act):
    """A clerk's act on one task: the opinion, and the reasons where it is no."""

    consumers = ("subsidy",)
    answers = ActRefusedV1
    Personal = Opinion
    approve = fields.Boolean(required=True)


class CheckApplicationV1(Act):
    """初审."""

    type = "subsidy.check_application.v1"


class ReviewApplicationV1(Act):
    """审核."""

    type = "subsidy.review_application.v1"


class DecideApplicationV1(Act):
    """审定."""

    type = "subsidy.decide_application.v1"


class RequestSupplementV1(Contract):
    """要求补正: say once what is missing."""

    type = "subsidy.request_supplement.v1"
    consumers = ("subsidy",)
    answers = ActRefusedV1
    Personal = Missing
    expected_version = fields.Integer(required=True)
    actor = fields.Nested(Actor, required=True)


class Finding(Part):
    """What the rules say of one benefit on the facts at hand; amounts in 分 a month."""

    benefit = fields.String(required=True)
    eligible = fields.Boolean(required=True, allow_none=True)  # null: facts are missing
    monthly_amount = fields.Integer(required=True)
    reasons = fields.List(fields.Nested(Reason), required=True)


class TaskOpenedV1(Word):
    """待办: a task waits for an office."""

    type = "subsidy.task_opened.v1"
    consumers = ("web",)

    class Personal(Schema):
        """What the rules say so far."""

        findings = fields.List(fields.Nested(Finding), required=True)

    case = fields.Nested(CaseFacts, required=True)
    division = fields.String(required=True)
    task = fields.Nested(Task, required=True)
    missing_facts = fields.List(fields.String(), required=True)  # of MISSING_FACTS


class ApplicationCheckedV1(StepDone):
    """已初审."""

    type = "subsidy.application_checked.v1"


class ApplicationReviewedV1(StepDone):
    """已审核."""

    type = "subsidy.application_reviewed.v1"


class ApplicationDecidedV1(deciding.Decided):
    """已审定: the decision, its reasons, the rules and standards it rests on."""

    type = "subsidy.application_decided.v1"

    class Personal(Schema):
        """Why, in the words of the rules and of those who decided."""

        statement = fields.String(required=True)
        findings = fields.List(fields.Nested(Finding), required=True)
        reasons = fields.List(fields.Nested(Reason), required=True)

    first_month = fields.String(load_default="")  # YYYY-MM, the month of application


class SupplementNeededV1(Word):
    """需补正: what the deciding office misses; intake tells the applicant."""

    type = "subsidy.supplement_needed.v1"
    consumers = ("intake", "web")
    office = fields.Nested(OfficeRef, required=True)
    at = fields.String(required=True)
    due_on = fields.String(load_default="")  # until when the office waits
    Personal = Missing


class SupplementLapsedV1(Word):
    """逾期未补正: nothing came in time; the deciding office goes on with what it has."""

    type = "subsidy.supplement_lapsed.v1"
    consumers = ("intake", "web")
    office = fields.Nested(OfficeRef, required=True)
    at = fields.String(required=True)


class SupplementArrivedLateV1(Word):
    """补正迟到: what was brought arrived when the case was decided; whoever decided looks whether it was in time."""

    type = "subsidy.supplement_arrived_late.v1"
    consumers = ("web",)
    office = fields.Nested(OfficeRef, required=True)  # which decided
    brought_at = fields.String(required=True)
    due_on = fields.String(required=True)  # the last day for it


class HouseholdChangedV1(Word):
    """家庭状况变化: somebody who was granted this married, divorced or lost their spouse; whoever decided looks again.

    It does not say what happened, nor to whom: the case names the person to those who may see it.
    """

    type = "subsidy.household_changed.v1"
    consumers = ("web",)
    office = fields.Nested(OfficeRef, required=True)  # which decided
    text = fields.String(required=True)


class RedirectApplicationV1(Contract):
    """退回转办: a clerk found that the hukou is in another county now."""

    type = "subsidy.redirect_application.v1"
    consumers = ("subsidy",)
    answers = ActRefusedV1
    Personal = Why
    expected_version = fields.Integer(required=True)
    actor = fields.Nested(Actor, required=True)
    to_division = fields.String(required=True)


class HukouMovedV1(Word):
    """户籍已迁: another county is competent; this application is over here."""

    type = "subsidy.hukou_moved.v1"
    consumers = ("intake", "web")
    office = fields.Nested(OfficeRef, required=True)
    at = fields.String(required=True)
    to_division = fields.String(required=True)


class ApplicationDroppedV1(deciding.Dropped):
    """已终止: the applicant's withdrawal came before the decision."""

    type = "subsidy.application_dropped.v1"


class PromiseCheckedV1(Word):
    """承诺、证件核查: a registry has said something of what was promised or a paper showed; what it said is sealed."""

    type = "subsidy.promise_checked.v1"
    consumers = ("web",)

    class Personal(Schema):
        """Which fact, and whether it was borne out: whether somebody is poor is nobody's to read."""

        fact = fields.String(required=True)  # of MISSING_FACTS
        kept = fields.Boolean(required=True)

    source = fields.String(load_default="promise", validate=validate.OneOf(("promise", "document")))
