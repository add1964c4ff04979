"""离婚登记: an application, thirty days in which either may withdraw, thirty days in which both must come again.

applied ─ 受理 ─► accepted ─ 回执 ─► cooling ─► awaiting_certificate ─ 登记 ─► registered. The two arrows without a name
are made by the calendar alone: every act first looks what the day has made of the case.
"""

import dataclasses
import datetime
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.marriage.rules import papers
from services.marriage.rules.finding import Finding
from shared.calendar import ONE_DAY, Calendar, Deadline, RestDays
from shared.errors import Denied, OutOfStep, Refused

COOLING_OFF = "民法典 第一千零七十七条第一款"
WINDOW = "民法典 第一千零七十七条第二款"
PERIODS = "民法典 第二百零一条、第二百零三条"
SAME_OFFICE = "婚姻登记条例(国务院令第804号) 离婚登记(条序待核);民发〔2020〕116号 二"
DAYS = 30


class State(enum.StrEnum):
    """Where the case stands."""

    APPLIED = "applied"
    ACCEPTED = "accepted"
    COOLING = "cooling"
    AWAITING_CERTIFICATE = "awaiting_certificate"
    REGISTERED = "registered"
    WITHDRAWN = "withdrawn"
    DEEMED_WITHDRAWN = "deemed_withdrawn"
    NOT_ACCEPTED = "not_accepted"
    REFUSED = "refused"
    MARRIAGE_ENDED = "marriage_ended"  # by a death or a court, while the case was open


OPEN = frozenset({State.APPLIED, State.ACCEPTED, State.COOLING, State.AWAITING_CERTIFICATE})
OVER: Mapping[State, str] = {
    State.REGISTERED: "此离婚登记已经办结,不能再办",
    State.WITHDRAWN: "此离婚登记申请已撤回;仍要离婚的,请双方重新申请",
    State.DEEMED_WITHDRAWN: "双方没有在期限内共同申请发证,此申请视为撤回;仍要离婚的,请双方重新申请",
    State.NOT_ACCEPTED: "此离婚登记申请未被受理;补齐后请双方重新申请",
    State.REFUSED: "此离婚登记申请已不予登记;仍要离婚的,可以重新申请或者向人民法院起诉",
    State.MARRIAGE_ENDED: "双方的婚姻关系已因死亡或法院裁判终止,不需要再办理离婚登记",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """The last days of the cooling-off period and of the days after it in which both must come."""

    cooling: Deadline
    window: Deadline

    @property
    def opens_on(self) -> datetime.date:
        """The first day on which both may come for the certificate."""
        return self.cooling.date + ONE_DAY


@dataclass(frozen=True, slots=True)
class Divorce:
    """A case, as far as its moves depend on it. Only its own office withdraws and registers it.

    `rest_days`: of the office on the day of application; what the receipt says is not moved by a later change.
    `signed_on`: when both had come again, in time; whatever is put right afterwards, they are not late any more.
    """

    office: str
    applied_on: datetime.date
    rest_days: RestDays = RestDays.WEEKENDS_AND_HOLIDAYS
    state: State = State.APPLIED
    receipt_on: datetime.date | None = None
    terms: Terms | None = None
    withdrawn_by: papers.Side | None = None
    signed_on: datetime.date | None = None
    ended_on: datetime.date | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """The case afterwards, and the grounds where it was not accepted or not registered."""

    after: Divorce
    grounds: tuple[Finding, ...] = field(default=())


def terms(received_on: datetime.date, calendar: Calendar, rest_days: RestDays) -> Terms:
    """Both periods of thirty days: the first day is not counted, an end on a rest day moves on (Civil Code 201, 203)."""
    cooling = _end(received_on, calendar, rest_days)
    return Terms(cooling, _end(cooling.date, calendar, rest_days))


def is_public_holiday(day: datetime.date, calendar: Calendar) -> bool:
    """Whether the day is a free one in a row with a day off by the yearly notice: weekends within holidays are, too."""
    if calendar.is_working_day(day):
        return False
    return any(run in calendar.rest for step in (ONE_DAY, -ONE_DAY) for run in _free_days(day, calendar, step))


def accept(now: Divorce, shown: papers.Papers) -> Ruling:
    """受理 or 不予受理, with all grounds at once. Refused as `papers.expect_asked`; OutOfStep unless it waits for it."""
    _expect_state(now, State.APPLIED)
    grounds = papers.shortcomings(shown)
    if grounds:
        return Ruling(dataclasses.replace(now, state=State.NOT_ACCEPTED), grounds)
    return Ruling(dataclasses.replace(now, state=State.ACCEPTED))


def hand_receipt(now: Divorce, on: datetime.date, calendar: Calendar) -> Divorce:
    """受理回执单 is handed over: cooling-off begins; not before, so that no day of it is lost to either."""
    _expect_state(now, State.ACCEPTED)
    periods = terms(on, calendar, now.rest_days)
    return dataclasses.replace(now, state=State.COOLING, receipt_on=on, terms=periods)


def advanced(now: Divorce, on: datetime.date) -> Divorce:
    """What the day `on` has made of the case. Nothing is concluded from a provisional date, nor once both have signed."""
    return _lapsed(_opened(now, on), on)


def turned(now: Divorce, today: datetime.date) -> Divorce:
    """What the calendar makes of the case by itself: it lapses a day later, as word of who came in time may be on its way."""
    return _lapsed(_opened(now, today), today - ONE_DAY)


def _opened(now: Divorce, on: datetime.date) -> Divorce:
    if now.state is State.COOLING and _is_past(_terms(now).cooling, on):
        return dataclasses.replace(now, state=State.AWAITING_CERTIFICATE)
    return now


def _lapsed(now: Divorce, on: datetime.date) -> Divorce:
    if now.state is State.AWAITING_CERTIFICATE and not now.signed_on and _is_past(_terms(now).window, on):
        ended_on = _terms(now).window.date + ONE_DAY
        return dataclasses.replace(now, state=State.DEEMED_WITHDRAWN, ended_on=ended_on)
    return now


def recounted(now: Divorce, calendar: Calendar) -> Divorce:
    """The same case with its provisional dates counted again, once the calendar reaches further."""
    if now.state not in OPEN or now.terms is None or now.receipt_on is None or not now.terms.window.provisional:
        return now
    return dataclasses.replace(now, terms=terms(now.receipt_on, calendar, now.rest_days))


def withdraw(now: Divorce, by: papers.Side | None, office: str, on: datetime.date) -> Divorce:
    """撤回, by one alone, until the end of the last day of cooling-off. Refused `cooling_off_over` after it.

    Who has signed, and is not divorced because the holder refuses, may still change their mind: both must will it.
    `by`: None where it is not known which of the two, as through a portal.
    """
    _expect_office(now, office)
    now = _open(advanced(now, on))
    if now.state is State.AWAITING_CERTIFICATE and not now.signed_on and _is_past(_terms(now).cooling, on):
        periods = _terms(now)
        words = (
            f"冷静期已于{periods.cooling.date}届满,不能再撤回。不愿意离婚的,不要来申请发证:"
            f"双方到{periods.window.date}(含当日)仍没有共同申请的,视为撤回"
        )
        raise Refused("cooling_off_over", words, basis=COOLING_OFF)
    if now.state is State.COOLING:
        _expect_certain(_terms(now).cooling, on)
    return dataclasses.replace(now, state=State.WITHDRAWN, withdrawn_by=by, ended_on=on)


def register(now: Divorce, shown: papers.Papers, office: str, on: datetime.date) -> Ruling:
    """登记 or 不予登记. Refused, and nothing has happened, before cooling-off is over and while a paper is missing."""
    _expect_office(now, office)
    now = _open(advanced(now, on))
    if now.state is not State.AWAITING_CERTIFICATE:
        raise _too_early(now, on)
    if not now.signed_on:
        _expect_certain(_terms(now).window, on)
    papers.expect_complete(shown)
    grounds = papers.shortcomings(shown)
    state = State.REFUSED if grounds else State.REGISTERED
    return Ruling(dataclasses.replace(now, state=state, ended_on=on), grounds)


def sign(now: Divorce, on: datetime.date) -> Divorce:
    """双方签字, as `register` allows; signed anew, the first day counts."""
    return dataclasses.replace(now, state=State.AWAITING_CERTIFICATE, signed_on=now.signed_on or on)


def complete(now: Divorce, on: datetime.date) -> Divorce:
    """已登记 on the day on which the marriage's holder ended it: both had signed in time, so no calendar is asked."""
    return dataclasses.replace(_open(now), state=State.REGISTERED, ended_on=on)


def note_marriage_ended(now: Divorce, on: datetime.date, *, signed: bool = False) -> Divorce:
    """A death or a court ended the marriage on that day: there is nothing left to divorce. OutOfStep when it was over.

    Where both have `signed`, in time, no calendar is asked.
    """
    now = _open(now if signed else advanced(now, on))
    return dataclasses.replace(now, state=State.MARRIAGE_ENDED, ended_on=on)


def _end(start: datetime.date, calendar: Calendar, rest_days: RestDays) -> Deadline:
    strict = calendar.period_end(start, DAYS)
    day = start + ONE_DAY * DAYS
    if rest_days is RestDays.WEEKENDS_AND_HOLIDAYS:
        return strict
    while rest_days is RestDays.HOLIDAYS and is_public_holiday(day, calendar):
        day += ONE_DAY
    return Deadline(day, strict.provisional)


def _free_days(day: datetime.date, calendar: Calendar, step: datetime.timedelta) -> list[datetime.date]:
    days = []
    while not calendar.is_working_day(day):
        days.append(day)
        day += step
    return days


def _is_past(deadline: Deadline, on: datetime.date) -> bool:
    return on > deadline.date and not deadline.provisional


def _open(now: Divorce) -> Divorce:
    if now.state not in OPEN:
        raise OutOfStep("divorce_ended", OVER[now.state], state=now.state.value)
    return now


def _expect_state(now: Divorce, state: State) -> None:
    if _open(now).state is not state:
        raise OutOfStep("not_this_step", "此办件当前不在这一环节,请刷新后再办")


def _expect_office(now: Divorce, office: str) -> None:
    if office != now.office:
        words = "离婚登记的撤回和发证,应当到受理申请的婚姻登记机关办理,请按受理回执单上的机构前往"
        raise Denied("not_the_accepting_office", words, basis=SAME_OFFICE)


def _expect_certain(deadline: Deadline, on: datetime.date) -> None:
    """Refused `calendar_too_short`: the last day we know is past, and a holiday nobody told us of may move it."""
    if on > deadline.date:
        words = "期限届满日涉及尚未录入的节假日安排,不能确定。请管理员先更新工作日历,期限重算后再办"
        raise Refused("calendar_too_short", words, basis=PERIODS)


def _too_early(now: Divorce, on: datetime.date) -> Refused:
    if now.terms is None:
        words = "还没有受理并发给受理回执单,冷静期尚未开始,不能发证"
        return Refused("cooling_off_not_begun", words, basis=COOLING_OFF)
    _expect_certain(now.terms.cooling, on)
    ends, first, last = now.terms.cooling.date, now.terms.opens_on, now.terms.window.date
    words = f"冷静期到{ends}届满,请双方在{first}至{last}之间共同来申请发证"
    return Refused("cooling_off_runs", words, basis=WINDOW)


def _terms(now: Divorce) -> Terms:
    assert now.terms is not None  # noqa: S101 - whoever is cooling has a receipt, and terms with it
    return now.terms
