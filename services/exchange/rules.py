"""What holds between cities: keys that route, parts that give a say, numbers that show gaps, chains that prove."""

import datetime
import enum
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from shared.errors import Denied

LANES = ("urgent", "std", "file")  # in the order in which they are served
BODY_AT_MOST = 1 << 20  # bytes of one message between cities
PAST = datetime.timedelta(days=30)  # longer than any tolerated outage of a hub
FUTURE = datetime.timedelta(minutes=5)
SEQ_AT_MOST = 1 << 53
GENESIS = "0" * 64

_KEY = re.compile(r"(\d\d)\.(\d\d)\.(\d\d)\.(\d{6})\.(urgent|std|file)\.([a-z0-9_]+\.[a-z0-9_]+\.v\d+)", re.ASCII)

Range = tuple[int, int]  # first and last, both included
Word = tuple[int, int]  # leg_no and version of the leg of which something is said: each is said once


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes to the hub."""

    message_id: str
    type: str
    routing_key: str
    body: str
    jws: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came from the hub: `user` is the connection that published it (empty: not told), `tag` is for the ack."""

    body: bytes
    routing_key: str
    jws: str
    user: str = ""
    tag: int = 0


class Fate(enum.StrEnum):
    """What the hub did with a parcel."""

    CONFIRMED = "confirmed"
    RETURNED = "returned"  # nobody is joined there
    NACKED = "nacked"  # the inbox is full


@dataclass(frozen=True, slots=True)
class Address:
    """A routing key, read."""

    destination: str
    source: str
    lane: str
    type: str

    @property
    def key(self) -> str:
        """`PP.CC.DD.<src6>.<lane>.<type>`."""
        to = self.destination
        return f"{to[:2]}.{to[2:4]}.{to[4:]}.{self.source}.{self.lane}.{self.type}"


def read_key(key: str) -> Address:
    """The address in a routing key. Denied `key_malformed`."""
    parts = _KEY.fullmatch(key)
    if parts is None:
        raise Denied("key_malformed", "路由键格式不对")
    province, city, county, source, lane, kind = parts.groups()
    return Address(province + city + county, source, lane, kind)


def check_time(at: datetime.datetime, came_at: datetime.datetime, now: datetime.datetime, *, vouched: bool) -> None:
    """Denied `time_too_old` or `time_in_future` outside the replay window.

    Old is what was old when it came, unless a person vouches for it; ahead is what is ahead of us even now.
    """
    if at < came_at - PAST and not vouched:
        raise Denied("time_too_old", "报文时间早于可接收的期限,须由运行人员核实后放行")
    if at > now + FUTURE:
        raise Denied("time_in_future", "报文时间晚于本节点时间,请核对双方时钟")


@dataclass(frozen=True, slots=True)
class Part:
    """A node's part in a case: it took the case in (accepting), or decides it (competent)."""

    node: str
    role: str
    active: bool = True
    last: Word = (0, 0)  # competent: the leg it was handed; its version is that of the hand-back, 0 before it


Parts = tuple[Part, ...]


def may_say(parts: Parts, node: str, role: str, word: Word) -> None:
    """Denied `case_unknown`, `no_part` or `wrong_role` unless the node has that role in the case now.

    A competent node speaks of the leg it was handed, and of no other: else it could say what another city will say.
    """
    if not parts:
        raise Denied("case_unknown", "本节点没有这件办件的城际往来")
    has_part(parts, node)
    mine = [part for part in parts if (part.node, part.role, part.active) == (node, role, True)]
    if not mine or (role == "competent" and word[0] not in (0, mine[0].last[0])):
        raise Denied("wrong_role", "对方在这件办件中的角色不能发送这种报文")


def may_finish(parts: Parts, node: str, role: str, word: Word) -> bool:
    """Whether the node gave the case back after this word: then it said it while the case was its own."""
    ended = [part.last for part in parts if (part.node, part.role, part.active) == (node, role, False)]
    return any(leg_no == word[0] and 0 < word[1] < version for leg_no, version in ended)


def has_part(parts: Parts, node: str) -> None:
    """Denied `no_part` unless the node has or had a part in the case."""
    if all(part.node != node for part in parts):
        raise Denied("no_part", "该城市不是这件办件的收件地或承办地")


def may_open(parts: Parts, node: str) -> None:
    """Denied `wrong_role` when another node took the case in."""
    if any(part.role == "accepting" and part.node != node for part in parts):
        raise Denied("wrong_role", "这件办件由另一城市收件")


def handed_over(parts: Parts, accepting: str, competent: str, leg_no: int) -> Parts:
    """The parts once `accepting` has handed the case to `competent` as that leg; nobody else may decide it then."""
    earlier = {part.node: replace(part, active=False) for part in parts if part.role == "competent"}
    now = earlier | {competent: Part(competent, "competent", last=(leg_no, 0))}
    return (Part(accepting, "accepting"), *now.values())


def handed_back(parts: Parts, node: str, word: Word) -> Parts:
    """The parts once the competent `node` has given the case back with this word."""
    gone = (node, "competent")
    return tuple(replace(it, active=False, last=word) if (it.node, it.role) == gone else it for it in parts)


@dataclass(frozen=True, slots=True)
class Seen:
    """The numbers that came from a peer: the highest, and what is missing below it."""

    high: int = 0
    missing: tuple[Range, ...] = ()


def take_number(seen: Seen, seq: int) -> Seen:
    """What is seen once `seq` has come. Denied `seq_taken` when another message had that number."""
    if seq > seen.high:
        gap = ((seen.high + 1, seq - 1),) if seq > seen.high + 1 else ()
        return Seen(seq, seen.missing + gap)
    for place, (first, last) in enumerate(seen.missing):
        if first <= seq <= last:
            rest = tuple((a, b) for a, b in ((first, seq - 1), (seq + 1, last)) if a <= b)
            return Seen(seen.high, seen.missing[:place] + rest + seen.missing[place + 1 :])
    raise Denied("seq_taken", "这个序号已用于另一条报文")


def ranges(numbers: Iterable[int]) -> list[Range]:
    """The fewest ranges that hold exactly these numbers."""
    found: list[Range] = []
    for number in sorted(set(numbers)):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the log that a node keeps with one peer, in one direction (out, in)."""

    direction: str
    peer: str
    n: int
    seq: int
    message_id: str
    type: str
    subject: str
    body_sha256: str
    jws: str
    at: str


def link(prev: str, entry: Entry) -> str:
    """The hash that ties a line to all lines before it: SHA-256 of the JSON list of `prev` and the line's fields."""
    fields = [prev, *(getattr(entry, name) for name in Entry.__slots__)]
    return sha256(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode())


def receipt(rows: Iterable[tuple[int, str]]) -> str:
    """One hash over (seq, hash of the body) of many messages, whatever their order."""
    lines = "".join(f"{seq} {body_sha256}\n" for seq, body_sha256 in sorted(rows))
    return sha256(lines.encode())


def sha256(raw: bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(raw).hexdigest()


def longer(pause: float) -> float:
    """The next pause after a failure, in seconds: 1, 2, 4 ... 60."""
    return min(60.0, max(1.0, pause * 2))
