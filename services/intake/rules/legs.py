"""办理段: which state follows, what waits for a person, and until when each leg has time."""

import dataclasses
import datetime
import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.calendar import ONE_DAY, Calendar
from shared.errors import Denied, OutOfStep, Refused

MOST_REDIRECTS = 3


class State(enum.StrEnum):
    """Where a leg stands."""

    TAKEN_IN = "taken_in"
    SUPPLEMENT_REQUIRED = "supplement_required"
    FORWARDED = "forwarded"
    IN_PROGRESS = "in_progress"
    WITHDRAWING = "withdrawing"
    NEEDS_ATTENTION = "needs_attention"
    DECIDED = "decided"
    TOLD = "told"
    NOT_ACCEPTED = "not_accepted"
    WITHDRAWN = "withdrawn"
    ACCEPTED = "accepted"
    REDIRECTED = "redirected"
    DECLINED = "declined"
    CLOSED = "closed"


ENDED = frozenset({State.TOLD, State.NOT_ACCEPTED, State.WITHDRAWN, State.REDIRECTED, State.DECLINED, State.CLOSED})
BEFORE_HANDING_OVER = (State.TAKEN_IN, State.SUPPLEMENT_REQUIRED)
STILL_MISSING = (State.SUPPLEMENT_REQUIRED, State.WITHDRAWING, State.WITHDRAWN)  # what was asked for, perhaps
FIRST_LEG = 1
S = State
# verb -> (role, from these states, to this state)
MOVES: Mapping[tuple[str, str], tuple[frozenset[State], State]] = {
    ("accepting", "forward"): (
        frozenset({S.TAKEN_IN, S.SUPPLEMENT_REQUIRED, S.FORWARDED, S.IN_PROGRESS, S.NEEDS_ATTENTION}),
        S.FORWARDED,
    ),
    ("accepting", "note_taken_over"): (frozenset({S.FORWARDED}), S.IN_PROGRESS),
    ("accepting", "require_supplement"): (frozenset({*BEFORE_HANDING_OVER, S.IN_PROGRESS}), S.SUPPLEMENT_REQUIRED),
    ("accepting", "supplement"): (frozenset({S.SUPPLEMENT_REQUIRED}), S.IN_PROGRESS),
    ("accepting", "ask_withdrawal"): (
        frozenset({S.FORWARDED, S.IN_PROGRESS, S.SUPPLEMENT_REQUIRED}),
        S.WITHDRAWING,
    ),
    ("accepting", "withdraw"): (  # in progress: where the deciding office itself has it ended, as one of two withdraws
        frozenset({S.TAKEN_IN, S.IN_PROGRESS, S.SUPPLEMENT_REQUIRED, S.NEEDS_ATTENTION, S.WITHDRAWING}),
        S.WITHDRAWN,
    ),
    ("accepting", "refuse_withdrawal"): (frozenset({S.WITHDRAWING}), S.IN_PROGRESS),
    ("accepting", "decline"): (frozenset({S.FORWARDED, S.WITHDRAWING}), S.NOT_ACCEPTED),
    ("accepting", "need_attention"): (
        frozenset({S.FORWARDED, S.IN_PROGRESS, S.SUPPLEMENT_REQUIRED}),
        S.NEEDS_ATTENTION,
    ),
    ("accepting", "decide"): (frozenset({S.FORWARDED, S.IN_PROGRESS, S.SUPPLEMENT_REQUIRED, S.WITHDRAWING}), S.DECIDED),
    ("accepting", "tell"): (frozenset({S.DECIDED}), S.TOLD),
    ("competent", "progress"): (frozenset({S.ACCEPTED}), S.ACCEPTED),
    ("competent", "require_supplement"): (frozenset({S.ACCEPTED}), S.SUPPLEMENT_REQUIRED),
    ("competent", "supplement"): (frozenset({S.SUPPLEMENT_REQUIRED}), S.ACCEPTED),
    ("competent", "redirect"): (frozenset({S.ACCEPTED, S.SUPPLEMENT_REQUIRED}), S.REDIRECTED),
    ("competent", "withdraw"): (frozenset({S.ACCEPTED, S.SUPPLEMENT_REQUIRED}), S.WITHDRAWN),
    ("competent", "decide"): (frozenset({S.ACCEPTED}), S.DECIDED),
    ("competent", "close"): (frozenset({S.DECIDED}), S.CLOSED),
}


class Sending(enum.StrEnum):
    """Where a notice stands."""

    WAITING = "waiting"
    LATE = "late"  # the message house has been away for so long that a person was asked; still tried
    IN_PERSON = "in_person"  # no number, or one that the house refuses: a person must tell
    STOPPED = "stopped"  # the case went on without it
    SENT = "sent"


UNSENT = frozenset({Sending.WAITING, Sending.LATE})
TELL_IN_PERSON = "tell_in_person"
PARKED_TOO_LONG = "parked_too_long"
SUPPLEMENT_LAPSED = "supplement_lapsed"
REFUSE_WITHDRAWAL = "refuse_withdrawal"
RESTORATION_BLOCKED = "restoration_blocked"  # of a marriage, no case
FILE_DAMAGED, FILE_INCOMPLETE, FILE_LOST = "file_damaged", "file_incomplete", "file_lost"
# kinds of work items that hold no case up
BESIDE_THE_CASE = frozenset({PARKED_TOO_LONG, FILE_DAMAGED, FILE_INCOMPLETE, FILE_LOST, RESTORATION_BLOCKED})


@dataclass(frozen=True, slots=True)
class Clock:
    """One legal period of a leg, in working days; a pause stops it, a resumption moves its end.

    `due_on` always follows from the other dates and the calendar: see `recount`.
    """

    name: str
    started_on: datetime.date
    due_on: datetime.date
    days: int
    basis: str
    provisional: bool = False
    pauses: tuple[tuple[datetime.date, datetime.date], ...] = ()  # those that are over: stopped on, resumed on
    paused_on: datetime.date | None = None
    ended_on: datetime.date | None = None

    @property
    def running(self) -> bool:
        """Neither paused nor ended."""
        return self.paused_on is None and self.ended_on is None

    @property
    def to_recount(self) -> bool:
        """Running towards a last day that the calendar did not know when it was counted."""
        return self.provisional and self.running


@dataclass(frozen=True, slots=True)
class Leg:
    """One node's part of a case."""

    case_id: str
    leg_no: int
    role: str
    node: str
    state: State
    version: int
    clocks: tuple[Clock, ...] = ()
    redirects: int = 0
    peer_node: str = ""  # accepting: who holds the case now; competent: who took it in
    peer_leg_no: int = 1
    peer_version: int = 0  # the last word of the peer's leg that was heard
    decider_version: int = 1  # the last word of the deciding service heard; accepting: of those that ask for 补正
    supplement_until: datetime.date | None = None  # accepting: the last day for what the applicant was asked for

    @property
    def open(self) -> bool:
        """Whether anything can still happen to it."""
        return self.state not in ENDED

    @property
    def provisional(self) -> bool:
        """Whether some clock must be counted again when the calendar knows more."""
        return any(clock.to_recount for clock in self.clocks)


def move(leg: Leg, verb: str) -> Leg:
    """The leg after `verb`, its version one higher. OutOfStep where the state does not allow it."""
    allowed, to = MOVES[leg.role, verb]
    if leg.state not in allowed:
        raise OutOfStep("state_changed", f"办件当前状态为“{STATE_NAMES[leg.state]}”,不能执行此操作,请刷新后再办")
    until = leg.supplement_until if to in STILL_MISSING else None
    return dataclasses.replace(leg, state=to, version=leg.version + 1, supplement_until=until)


def ask_supplement(leg: Leg, until: datetime.date) -> Leg:
    """The accepting leg once the applicant was asked for what is missing, to be brought `until` then.

    OutOfStep as `move`.
    """
    return dataclasses.replace(move(leg, "require_supplement"), supplement_until=until)


def still_awaits(leg: Leg, leg_no: int, request: int) -> bool:
    """Whether a competent leg goes on waiting when a supplement comes that answers `request` of that leg.

    So it does when a newer one is open: nothing else is heard of the deciding service meanwhile. 0: the newest.
    """
    older = bool(request) and (leg_no, request) < (leg.leg_no, leg.decider_version)
    return leg.state is State.SUPPLEMENT_REQUIRED and older


def has_lapsed(leg: Leg, on: datetime.date) -> bool:
    """逾期未补正: whether the last day for a supplement is over that has not come."""
    return leg.supplement_until is not None and leg.supplement_until < on


def withdrawn_by(leg: Leg, kind: str, on: datetime.date, *, lapsed: bool) -> Leg:
    """The leg that somebody of that kind of actor withdraws: the applicant's own wish, unless a supplement has `lapsed`.

    Denied `act_not_allowed` when an applicant says so; Refused `supplement_not_lapsed` while that is not true.
    """
    if not lapsed:
        return dataclasses.replace(leg, supplement_until=None)
    if kind != "clerk":
        raise Denied("act_not_allowed", "只有收件机构可以按逾期未补正撤回", field="supplement_lapsed")
    if not has_lapsed(leg, on):
        raise Refused("supplement_not_lapsed", "没有逾期的补正,不能按逾期未补正撤回", field="supplement_lapsed")
    return leg


STATE_NAMES: Mapping[State, str] = {
    S.TAKEN_IN: "已收件",
    S.SUPPLEMENT_REQUIRED: "待补正",
    S.FORWARDED: "已转办",
    S.IN_PROGRESS: "办理中",
    S.WITHDRAWING: "撤回处理中",
    S.NEEDS_ATTENTION: "待人工处理",
    S.DECIDED: "已审定",
    S.TOLD: "已告知",
    S.NOT_ACCEPTED: "不予受理",
    S.WITHDRAWN: "已撤回或终止",
    S.ACCEPTED: "已受理",
    S.REDIRECTED: "已退回转办",
    S.DECLINED: "未接办",
    S.CLOSED: "已办结",
}
STEP_NAMES: Mapping[str, str] = {  # of every verb that stands in a timeline
    "take_in": "收件",
    "forward": "转办",
    "take_over": "接办受理",
    "request_supplement": "要求补正",
    "supplement": "补正",
    "receive_supplement": "收到补正",
    "supplement_lapsed": "逾期未补正",
    "redirect": "退回转办",
    "decline": "未接办",
    "withdraw": "撤回",
    "end_withdrawn": "终止办结",
    "refuse_withdrawal": "撤回未成",
    "recount": "期限重算",
    "check": "初审",
    "review": "审核",
    "decide": "审定",
    "examine": "审查",
    "register": "登记",
    "close": "办结",
    "tell": "告知",
}


def is_held_here(leg: Leg) -> bool:
    """Whether the accepting office itself holds the case: not handed over yet, or handed back for good."""
    return leg.state is State.NEEDS_ATTENTION or (leg.state in BEFORE_HANDING_OVER and leg.peer_leg_no == FIRST_LEG)


def expect_version(leg: Leg, expected: int) -> None:
    """OutOfStep unless the actor saw the newest version of the leg."""
    if leg.version != expected:
        raise OutOfStep("version_changed", "此办件刚被他人更新,请刷新后再办", current=leg.version)


def expect_closable(kind: str, state: State | None) -> None:
    """Refused `case_still_waits` for a work item without which nobody would see that the case cannot go on."""
    if kind not in BESIDE_THE_CASE | {TELL_IN_PERSON} and state is State.NEEDS_ATTENTION:
        raise Refused("case_still_waits", "此办件仍待处理,请转办或撤回,办理后本事项自动关闭", field="act")
    if kind == TELL_IN_PERSON and state is State.DECIDED:
        raise Refused("case_still_waits", "此办件尚未告知申请人,请告知后登记“告知”,本事项随之关闭", field="act")


def start_clocks(
    leg: Leg, moment: str, specs: Iterable[Mapping[str, Any]], on: datetime.date, calendar: Calendar
) -> Leg:
    """Start every clock of this leg's role that begins at `moment` and does not run yet."""
    begun = tuple(
        _clock(spec, on, calendar)
        for spec in specs
        if spec["role"] == leg.role and spec["starts"] == moment and not _is_under_way(leg, spec["name"])
    )
    return dataclasses.replace(leg, clocks=leg.clocks + begun)


def _is_under_way(leg: Leg, name: str) -> bool:
    return any(clock.name == name and clock.ended_on is None for clock in leg.clocks)


def _clock(spec: Mapping[str, Any], on: datetime.date, calendar: Calendar) -> Clock:
    days = spec["promised"] or spec["statutory"]
    return _counted(Clock(spec["name"], on, on, days, spec["basis"]), calendar)


def recount(clock: Clock, calendar: Calendar) -> Clock:
    """The clock with its last day counted afresh, pauses left out; one that is final, paused or over stays."""
    return _counted(clock, calendar) if clock.to_recount else clock


def recount_clocks(leg: Leg, calendar: Calendar) -> Leg:
    """The leg, its version one higher when the last day of any clock is another, or no longer provisional."""
    clocks = tuple(recount(clock, calendar) for clock in leg.clocks)
    return leg if clocks == leg.clocks else dataclasses.replace(leg, clocks=clocks, version=leg.version + 1)


def _counted(clock: Clock, calendar: Calendar) -> Clock:
    left, since = clock.days, clock.started_on
    due = calendar.add_working_days(since, left)
    provisional = due.provisional
    for stopped_on, resumed_on in clock.pauses:
        if due.date < stopped_on:  # late before the pause, late after it
            break
        left, since = calendar.working_days_between(stopped_on, due.date), resumed_on
        due = calendar.add_working_days(since, left) if left else calendar.add_working_days(since - ONE_DAY, 1)
        provisional |= due.provisional
    return dataclasses.replace(clock, due_on=due.date, provisional=provisional)


def end_clocks(leg: Leg, moment: str, specs: Iterable[Mapping[str, Any]], on: datetime.date) -> Leg:
    """End the running clocks of this leg that run until `moment`."""
    ending = {spec["name"] for spec in specs if spec["role"] == leg.role and spec["ends"] == moment}
    clocks = tuple(
        dataclasses.replace(c, ended_on=on) if c.name in ending and c.ended_on is None else c for c in leg.clocks
    )
    return dataclasses.replace(leg, clocks=clocks)


def end_all_clocks(leg: Leg, on: datetime.date) -> Leg:
    """Nothing runs on a leg that is over."""
    clocks = tuple(c if c.ended_on else dataclasses.replace(c, ended_on=on) for c in leg.clocks)
    return dataclasses.replace(leg, clocks=clocks)


def pause_clocks(leg: Leg, on: datetime.date) -> Leg:
    """Stop what runs while the applicant supplements (行政许可法 第三十二条: the time is not the office's)."""
    clocks = tuple(dataclasses.replace(c, paused_on=max(on, _runs_since(c))) if c.running else c for c in leg.clocks)
    return dataclasses.replace(leg, clocks=clocks)


def _runs_since(clock: Clock) -> datetime.date:
    return clock.pauses[-1][1] if clock.pauses else clock.started_on


def resume_clocks(leg: Leg, on: datetime.date, calendar: Calendar) -> Leg:
    """Go on with as many working days as were left when the pause began."""
    return dataclasses.replace(leg, clocks=tuple(_resumed(clock, on, calendar) for clock in leg.clocks))


def _resumed(clock: Clock, on: datetime.date, calendar: Calendar) -> Clock:
    if clock.paused_on is None or clock.ended_on is not None:
        return clock
    pauses = (*clock.pauses, (clock.paused_on, on))
    return _counted(dataclasses.replace(clock, paused_on=None, pauses=pauses), calendar)
