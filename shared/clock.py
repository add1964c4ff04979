"""The only place that tells the time: instants are UTC, legal dates are those of Shanghai."""

import datetime
import secrets
import time
import uuid
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
LONGEST_LINGER = 0.1  # seconds


def now() -> datetime.datetime:
    """This instant, in UTC."""
    return datetime.datetime.now(datetime.UTC)  # noqa: TID251 - the one call


def legal_date(instant: datetime.datetime) -> datetime.date:
    """The calendar date on which the law sees an instant."""
    return instant.astimezone(SHANGHAI).date()


def today() -> datetime.date:
    """The legal date of this instant."""
    return legal_date(now())


def iso(instant: datetime.datetime) -> str:
    """Fixed-width UTC text, e.g. `2025-09-24T01:02:03.000004Z`: sorts as time does."""
    return instant.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def instant(text: str) -> datetime.datetime:
    """The instant written by `iso`, or any RFC 3339 text with an offset; ValueError otherwise."""
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return moment.astimezone(datetime.UTC)


def monotonic() -> float:
    """Seconds for measuring durations; never stored, never compared between machines."""
    return time.monotonic()


def new_id() -> str:
    """A uuid7: sorts roughly by time, promises nothing about order."""
    value = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF000 << 64) | 0x7000 << 64
    value = value & ~(0xC000 << 48) | 0x8000 << 48
    return str(uuid.UUID(int=value))


def linger(worked: float) -> float:
    """Seconds to wait for more before the next batch, when the last one took `worked` seconds.

    A batch costs little more than a message. Whoever rests five times as long as it works, within a bound, is quick
    while there is little to do, and carries the more at once the busier the machine.
    """
    return min(5 * worked, LONGEST_LINGER)
