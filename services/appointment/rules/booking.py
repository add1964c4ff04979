"""预约的规矩: who may hold a place, until when, and what follows when nobody comes. The counter always serves."""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.appointment.rules.schedule import Slot
from shared.errors import Denied, OutOfStep, Refused

ONLINE = ("citizen", "channel")
ALWAYS_SERVED = "窗口随时可以办理,不用预约"
MOVES: Mapping[tuple[str, str], str] = {  # (state, verb) -> state
    ("booked", "cancel"): "cancelled",
    ("booked", "arrive"): "arrived",
    ("booked", "miss"): "no_show",
    ("no_show", "arrive"): "arrived",  # they came after all
}


@dataclass(frozen=True, slots=True)
class Limit:
    """A number of the house's policy, and by what it was set."""

    value: int
    basis: str


@dataclass(frozen=True, slots=True)
class Advice:
    """What is told at a booking and refuses nothing; with `ages` only to those below the age of their sex."""

    matter: str
    code: str
    text: str
    basis: str
    ages: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Policy:
    """The house's policy of bookings in force on some days."""

    valid_from: datetime.date
    valid_until: datetime.date  # not included
    book_ahead_days: Limit
    open_bookings: Limit  # of one person, all matters together; of one matter it is one, by the database
    cancel_minutes: Limit  # before the slot begins, online
    grace_minutes: Limit  # after the slot, for which the place is kept
    no_shows: Limit
    no_show_days: Limit  # within which so many no-shows count
    suspended_days: Limit
    advice: tuple[Advice, ...]


def moved(state: str, verb: str) -> str:
    """The state that follows. OutOfStep `appointment_changed` where nothing does."""
    if (state, verb) not in MOVES:
        raise OutOfStep("appointment_changed", "此预约已经取消、签到或过时,请刷新后查看")
    return MOVES[state, verb]


def expect_bookable(slot: Slot, matter: str, now: datetime.datetime, days_ahead: int, policy: Policy) -> None:
    """Refused or OutOfStep for a slot that is not for this matter, over, taken back, or too far away."""
    if matter not in slot.matters:
        raise Refused("slot_of_other_matters", "这个时段不办理此事项,请另选时段", field="slot_id")
    if slot.starts_at <= now:
        raise OutOfStep("slot_past", f"这个时段已经开始或已过,请另选时段;{ALWAYS_SERVED}", field="slot_id")
    if not slot.is_open:
        raise OutOfStep("slot_closed", f"这个时段已停止预约,请另选时段;{ALWAYS_SERVED}", field="slot_id")
    limit = policy.book_ahead_days
    if days_ahead > limit.value:
        words = f"只能预约 {limit.value} 天以内的时段,请另选时段或过些天再来预约"
        raise Refused("slot_too_far_ahead", words, basis=limit.basis, field="slot_id")


def expect_own(actor_kind: str, asked_for: str, person_index: str) -> None:
    """Citizens, and channels for them, act in their own name. Denied `booking_of_another`, which reveals nothing."""
    if actor_kind in ONLINE and asked_for != person_index:
        raise Denied("booking_of_another", "只能以本人名义预约,请核对证件号码", field="person")


def expect_office(actor_kind: str, office: str, of_slot: str) -> None:
    """Denied `appointment_elsewhere` to a clerk of another office than the booking's."""
    if actor_kind == "clerk" and office != of_slot:
        raise Denied("appointment_elsewhere", "这是其他机构的预约,请由该机构处理")


def expect_room(policy: Policy, open_matters: Iterable[str], matter: str) -> None:
    """Refused `booked_already` for a second open booking of a matter, `too_many_bookings` for too many of all."""
    held = list(open_matters)
    if matter in held:
        words = "您已有一个此事项的预约,请按时前往;要改时间,请先取消原预约再约"
        raise Refused("booked_already", words, basis="通办自定", field="matter")
    if len(held) >= policy.open_bookings.value:
        words = f"每人最多同时有 {policy.open_bookings.value} 个预约,请先办完或取消一个;{ALWAYS_SERVED}"
        raise Refused("too_many_bookings", words, basis=policy.open_bookings.basis)


def suspended_until(policy: Policy, missed_on: Iterable[datetime.date]) -> datetime.date | None:
    """The first day on which one who missed these bookings may book online again; None without a suspension."""
    days = sorted(missed_on)
    if len(days) < policy.no_shows.value:
        return None
    counted = days[-policy.no_shows.value :]
    if (counted[-1] - counted[0]).days >= policy.no_show_days.value:
        return None
    return counted[-1] + datetime.timedelta(days=policy.suspended_days.value)


def expect_not_suspended(
    policy: Policy, actor_kind: str, missed_on: Iterable[datetime.date], today: datetime.date
) -> None:
    """Refused `too_many_no_shows` to whom online booking is suspended; a clerk may book for anybody."""
    until = suspended_until(policy, missed_on)
    if actor_kind in ONLINE and until is not None and today < until:
        words = (
            f"{policy.no_show_days.value} 天内有 {policy.no_shows.value} 次预约未到,网上预约暂停到 "
            f"{until:%Y-%m-%d}(当日恢复);{ALWAYS_SERVED}"
        )
        raise Refused("too_many_no_shows", words, basis=policy.no_shows.basis, until=until.isoformat())


def expect_cancellable(policy: Policy, actor_kind: str, starts_at: datetime.datetime, now: datetime.datetime) -> None:
    """Refused `cancel_too_late` online too shortly before the slot, and for everybody from its beginning."""
    limit = policy.cancel_minutes
    minutes = limit.value if actor_kind in ONLINE else 0
    if now > starts_at - datetime.timedelta(minutes=minutes):
        words = f"开始前 {minutes} 分钟内不能网上取消,来不了请致电办理机构" if minutes else "时段已开始,不能再取消"
        raise Refused("cancel_too_late", words, basis=limit.basis)


def arrive_until(policy: Policy, slot: Slot) -> datetime.datetime:
    """How long a place is kept: late within the grace is still in time."""
    return slot.ends_at + datetime.timedelta(minutes=policy.grace_minutes.value)


def missed_from(policy: Policy, slot: Slot) -> datetime.datetime:
    """When nobody is waited for any more: the counter has closed, and the grace is over."""
    return slot.closes_at + datetime.timedelta(minutes=policy.grace_minutes.value)


def expect_that_day(day: datetime.date, today: datetime.date) -> None:
    """Refused `arrival_other_day` for an arrival on another day than the booking's."""
    if day != today:
        words = f"这是 {day:%Y-%m-%d} 的预约,今天不能签到;{ALWAYS_SERVED}"
        raise Refused("arrival_other_day", words, basis="通办自定")


def expect_missed(kept_until: datetime.datetime, now: datetime.datetime) -> None:
    """Refused `no_show_too_early` while the place is still kept."""
    if now <= kept_until:
        raise Refused("no_show_too_early", "还在为其保留号位,请过了保留时间再记未到", basis="通办自定")


def warnings(policy: Policy, matter: str, ages: Iterable[tuple[str, int]]) -> list[Advice]:
    """What to tell whoever books that matter; `ages`: sex and full years, on the day, of those who have a number."""
    people = list(ages)
    ours = (advice for advice in policy.advice if advice.matter == matter)
    return [advice for advice in ours if not advice.ages or _someone_is_below(advice.ages, people)]


def _someone_is_below(least: Mapping[str, int], people: list[tuple[str, int]]) -> bool:
    return any(age < least.get(sex, 0) for sex, age in people)
