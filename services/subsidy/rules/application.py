"""审定的规矩: which task comes next, who may do it, and when an application is over."""

import dataclasses
import datetime
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.subsidy.rules.eligibility import ALLOWANCE_RULE, NOT_VERIFIED, Outcome, Reason
from services.subsidy.rules.standard import BENEFITS
from shared.calendar import Calendar
from shared.errors import Denied, OutOfStep, Refused

MISSING = "missing_"  # how the rules begin the code of a fact that is not known
STANDARD = "standard"
RULES = frozenset({ALLOWANCE_RULE, STANDARD})  # ours to settle: no applicant can prove a rule
NOT_PROVEN = "not_proven_"
PROOF = "行政许可法 第三十一条、第三十八条;社会救助法 第四十三条、第四十五条"
EXAMINED = "国发〔2015〕52号 三"
SEPARATION = "国办发〔2020〕35号 收受分离"
TRANSIT = datetime.timedelta(days=5)  # ours: what was brought on the last day may be on its way over a long weekend
TELL_MISSING_WITHIN = 5  # working days: what is not told by then counts as complete (行政许可法 第三十二条)


class State(enum.StrEnum):
    """Where an application stands."""

    OPEN = "open"
    SUPPLEMENTING = "supplementing"
    DECIDED = "decided"
    REDIRECTED = "redirected"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Act:
    """One task done."""

    verb: str
    actor: str
    office: str
    approve: bool
    reasons: tuple[Mapping[str, Any], ...]
    at: str


@dataclass(frozen=True, slots=True)
class Application:
    """One application as the deciding county sees it; `version` counts what intake was told."""

    case_id: str
    leg_no: int
    matter: str
    matter_version: int
    division: str
    accepting_office: str
    accepting_node: str
    accepted_on: datetime.date
    applied_on: datetime.date
    state: State = State.OPEN
    version: int = 1
    acts: tuple[Act, ...] = ()
    supplement_told: bool = False
    supplement_due_on: datetime.date | None = None
    asked_for: tuple[str, ...] = ()  # the facts that the applicant was asked to prove

    @property
    def open(self) -> bool:
        """Whether it still waits for something."""
        return self.state in (State.OPEN, State.SUPPLEMENTING)


def next_step(application: Application, steps: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The matter's step that waits to be done; None when all are."""
    done = len(application.acts)
    return steps[done] if application.open and done < len(steps) else None


def expect_version(application: Application, expected: int) -> None:
    """OutOfStep unless the clerk saw the newest version."""
    if application.version != expected:
        raise OutOfStep("version_changed", "此办件刚被他人更新,请刷新后再办", current=application.version)


def expect_open(application: Application) -> None:
    """OutOfStep when nothing can be done to it any more, or only the applicant can go on."""
    if application.state is State.SUPPLEMENTING:
        raise OutOfStep("awaiting_supplement", "正在等待申请人补正,补正到件后再办")
    if not application.open:
        raise OutOfStep("application_ended", "此办件已办结或终止,不能再办")


def expect_actor(
    application: Application, step: Mapping[str, Any] | None, verb: str, actor: str, office: Mapping[str, Any]
) -> None:
    """Denied for the wrong office or a person who has acted before; OutOfStep for the wrong step.

    `office`: code, node, tier, may (has the power), covers (the division). Three tasks, three persons: checked by
    the person, not by role or token. The accepting office takes papers in and may not decide (收受分离).
    """
    if step is None or step["verb"] != verb:
        raise OutOfStep("not_this_step", "此办件当前不在这一环节,请刷新后再办")
    if not office["may"] or office["tier"] != step["tier"] or not office["covers"]:
        raise Denied(
            "office_without_power",
            f"本机构无权办理“{step['name']}”,应由{step['organisation']}办理",
            basis=step["basis"],
        )
    accepting = (application.accepting_office, application.accepting_node)
    if verb == "decide" and accepting == (office["code"], office["node"]):
        raise Denied("accepting_office_may_not_decide", "收件窗口不得审定自己收取的申请", basis=SEPARATION)
    if any(act.actor == actor for act in application.acts):
        raise Denied("already_acted", "同一人不得办理同一办件的两个环节,请交由其他人员办理", basis="三级审核 职责分离")
    if any(act.office == office["code"] for act in application.acts):
        raise Denied("office_already_acted", "同一机构不得办理同一办件的两个环节", basis="三级审核 职责分离")


def done(application: Application, act: Act, last: bool) -> Application:
    """The application after a task."""
    state = State.DECIDED if last else State.OPEN
    return dataclasses.replace(application, state=state, version=application.version + 1, acts=(*application.acts, act))


def asked_supplement(
    application: Application, on: datetime.date, calendar: Calendar, days: int, missing: frozenset[str] = frozenset()
) -> Application:
    """补正 is told once, all at once, within five working days (行政许可法 第三十二条); Refused else.

    `days`: working days to bring it. `missing` facts are asked for together; while one of them was never asked for it
    may be later, and once more: the five days bind what papers lack, what a registry took away came to light since, and
    nobody is refused for what they were never asked to prove.
    """
    basis = "行政许可法 第三十二条"
    new = missing.difference(application.asked_for, RULES)
    if application.supplement_told and not new:
        raise Refused("supplement_told_once", "补正内容应当一次性告知,此办件已告知过,不得再次要求补正", basis=basis)
    late = calendar.working_days_between(application.accepted_on, on) > TELL_MISSING_WITHIN
    if late and not new:
        raise Refused("supplement_too_late", "超过五个工作日未一次性告知补正的,视为受理,请继续办理", basis=basis)
    return dataclasses.replace(
        application,
        state=State.SUPPLEMENTING,
        version=application.version + 1,
        supplement_told=True,
        supplement_due_on=calendar.add_working_days(on, days).date,
        asked_for=(*application.asked_for, *sorted(new)),
    )


def awaits_supplement(application: Application) -> bool:
    """Whether what the applicant brings still counts: after its time, too, as long as nothing is decided."""
    return application.open and application.supplement_told


def supplemented(application: Application, leg_no: int, request: int) -> Application:
    """The applicant brought what our word `request` of that leg asked for. OutOfStep when nobody waits for it.

    While a newer request is open, it goes on waiting: its time is the applicant's. 0: whichever is the newest.
    """
    if not awaits_supplement(application):
        raise OutOfStep("stale", "过时的消息")
    if request and (leg_no, request) < (application.leg_no, application.version):
        return application
    return dataclasses.replace(application, state=State.OPEN)


def lapsed(application: Application, on: datetime.date) -> Application:
    """The time for the supplement is over, and for its way here: go on with what is known.

    OutOfStep while it runs, or when the supplement came.
    """
    due_on = application.supplement_due_on
    if application.state is not State.SUPPLEMENTING or due_on is None or on <= due_on + TRANSIT:
        raise OutOfStep("stale", "过时的消息")
    return dataclasses.replace(application, state=State.OPEN, version=application.version + 1)


def ended(application: Application, state: State) -> Application:
    """Over without a decision: redirected or dropped. OutOfStep when it was decided first."""
    if not application.open:
        raise OutOfStep("application_ended", "此办件已办结或终止,不能再办")
    return dataclasses.replace(application, state=state, version=application.version + 1)


def decision(findings: Sequence[Mapping[str, Any]], acts: Sequence[Act]) -> tuple[str, tuple[Mapping[str, Any], ...]]:
    """granted or refused, with all reasons.

    A matter with rules is granted when at least one benefit is eligible, unless the decider says no with reasons;
    nobody can grant against the rules or on facts that are missing, refuse for facts nobody asked for (`settled`), nor
    decide for another county. A matter without rules is the clerk's.
    """
    approve = acts[-1].approve
    said = tuple(reason for act in acts for reason in act.reasons)
    ruled = tuple(reason for finding in findings for reason in finding["reasons"])
    _expect_decidable(findings, ruled)
    eligible = any(finding["eligible"] for finding in findings)
    if approve and not eligible:
        _expect_proven(ruled)
    if approve and findings and not eligible:
        basis = ruled[0]["basis"] if ruled else ""
        raise Refused("not_eligible", "按现有事实不符合条件,不能认定;如有异议请先核实事实", basis=basis)
    objected = any(act.reasons for act in acts if not act.approve)
    if not approve and not objected and (eligible or not findings):
        raise Refused(
            "reasons_missing", "不予认定必须书面说明理由和依据", basis="社会救助法 第四十五条", field="reasons"
        )
    return ("granted" if approve else "refused"), (*ruled, *said)


def unruled() -> tuple[Outcome, ...]:
    """What is found where no standard is in force: nothing can be said of any benefit before there is one."""
    reason = Reason(MISSING + STANDARD, f"适用的补贴标准{NOT_VERIFIED}", EXAMINED)
    return tuple(Outcome(benefit, False, 0, (reason,), (STANDARD,)) for benefit in BENEFITS)


def settled(findings: Sequence[Mapping[str, Any]], application: Application) -> list[Mapping[str, Any]]:
    """The findings once the supplement is over: a benefit whose facts are still not proven is not due.

    The applicant answers for the papers (行政许可法 第三十一条) and helps to find the facts (社会救助法 第四十三条); who was
    told what is missing, and did not prove it, is refused in writing. What was never asked for settles nothing.
    """
    asked = {MISSING + fact for fact in application.asked_for}
    return [_settled(finding, asked) for finding in findings]


def _settled(finding: Mapping[str, Any], asked: set[str]) -> Mapping[str, Any]:
    if finding["eligible"] is not None or not all(reason["code"] in asked for reason in finding["reasons"]):
        return finding
    return {**finding, "eligible": False, "reasons": [_not_proven(reason) for reason in finding["reasons"]]}


def _not_proven(reason: Mapping[str, Any]) -> Mapping[str, Any]:
    text = f"{_what(reason)}在一次性告知补正后仍未得到证明。"
    return {"code": NOT_PROVEN + reason["code"].removeprefix(MISSING), "text": text, "basis": PROOF}


def _what(reason: Mapping[str, Any]) -> str:
    return str(reason["text"]).removesuffix(NOT_VERIFIED)


def _expect_decidable(findings: Sequence[Mapping[str, Any]], ruled: Sequence[Mapping[str, Any]]) -> None:
    if any(finding["eligible"] is None for finding in findings):
        what = "、".join(dict.fromkeys(_what(reason) for reason in ruled if reason["code"].startswith(MISSING)))
        if any(reason["code"].removeprefix(MISSING) in RULES for reason in ruled):
            advice = "请报上级民政部门明确,由管理员补入当地标准后再办"
        else:
            advice = "请先一次性要求补正,或等待登记机构答复;补正到件或逾期后仍未证明的,可以书面不予认定"
        raise Refused("facts_missing", f"尚未核实:{what}。{advice}", basis=EXAMINED)
    if any(reason["code"] == "hukou_elsewhere" for reason in ruled):
        raise Refused("hukou_elsewhere", "户籍不在本地,本地不得审定,请退回转办", basis=EXAMINED)


def _expect_proven(ruled: Sequence[Mapping[str, Any]]) -> None:
    if any(reason["code"].startswith(NOT_PROVEN) for reason in ruled):
        words = "告知补正后仍有情况未得到证明,不能认定;可以书面不予认定,理由和依据已列明"
        raise Refused("facts_missing", words, basis=PROOF)


def expect_elsewhere(application: Application, to_division: str) -> None:
    """Refused when a case is to be redirected to the very county that has it."""
    if to_division[:6] == application.division[:6]:
        raise Refused("same_division", "户籍所在地仍是本县(市、区),不能退回转办,请核对", field="to_division")
