"""What the web decides alone: case numbers, who sees which case, where a case stands, when to try a webhook again."""

import datetime
import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from shared.errors import Denied, Refused

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CASE_NO = re.compile(r"[0-9A-Za-z-]{1,40}-\d{8}-\d{4,10}-[0-9A-Z]", re.ASCII)
KINDS = ("clerk", "citizen", "channel")
PURPOSES: Mapping[str, str] = {
    "handle_case": "办理本案",
    "answer_applicant": "答复申请人查询",
    "supervise": "监督检查",
    "complaint": "投诉与行政复议",
    "correct_data": "更正个人信息",
}
ACTS: Mapping[str, tuple[str, ...]] = {  # act -> the office's powers of which one is needed
    "check": ("check",),
    "review": ("review",),
    "decide": ("decide",),
    "request_supplement": ("check", "review", "decide"),
    "examine": ("examine",),
    "register": ("register",),
    "reserve_again": ("examine", "register"),
    "withdraw_divorce": ("examine", "register"),
    "redirect": ("check",),
    "supplement": ("take_in",),
    "withdraw": ("take_in",),
    "forward": ("take_in",),
    "tell": ("take_in",),
}
OWN_ACTS = frozenset({"supplement", "withdraw"})  # what applicants may do themselves
CHANNELS = {"clerk": "counter", "citizen": "online", "channel": "channel"}
INSIDE = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa")  # never names of public hosts
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # leads to any IPv4 address
BACK_OFF = (10, 60, 300, 1800, 7200, 21600, 43200, 86400)  # seconds before the 2nd, 3rd, ... attempt of a delivery


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever holds a token, as far as one request is concerned."""

    token_id: str
    kind: str  # of KINDS
    actor: str
    office: str = ""  # clerks only
    roles: frozenset[str] = frozenset()
    person_index: str = ""  # citizens: their own; channels: the person they act for in this request
    expires_at: str = ""

    @property
    def owner(self) -> str:
        """Whose commands, files and webhooks these are."""
        return f"{self.kind}:{self.actor}"


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody asked another service to do, and what became of it."""

    command_id: str
    case_id: str
    body_index: str
    outcome: str = ""  # "" until answered, "done", or the name of one of the four errors
    answer: Mapping[str, Any] = field(default_factory=dict)  # code, message, basis, field of a refusal, and details


@dataclass(frozen=True, slots=True)
class Case:
    """What may be said of a case without opening its personal part."""

    case_id: str
    case_no: str
    matter: str
    office: str  # which took it in
    node: str  # of that office
    facts: Mapping[str, Any]
    division: str
    competent_node: str
    taken_in_by: str
    missing: Sequence[str]  # codes of materials
    state: str
    due_on: str
    updated_at: str


def check_character(text: str) -> str:
    """The ISO 7064 MOD 37,36 check of the letters and digits in `text`."""
    value = 36
    for character in filter(str.isalnum, text.upper()):
        value = (value + ALPHABET.index(character)) % 36 or 36
        value = value * 2 % 37
    return ALPHABET[(37 - value) % 36]


def case_no(office: str, day: datetime.date, serial: int) -> str:
    """`<office>-<yyyymmdd>-<serial, at least 4 digits>-<check>`."""
    body = f"{office}-{day:%Y%m%d}-{serial:04d}"
    return f"{body}-{check_character(body)}"


def is_case_no(text: str) -> bool:
    """Whether a case number may be one: no single wrong character goes unseen."""
    return CASE_NO.fullmatch(text) is not None and check_character(text[:-2]) == text[-1]


# --- where a case stands -------------------------------------------------------------------------------------------

STATES: Mapping[str, str] = {
    "received": "已收件,待受理",
    "not_taken_in": "未收件",
    "taken_in": "已收件",
    "supplement_required": "待补正",
    "forwarded": "已转办",
    "taken_over": "已接办",
    "accepted": "已受理",
    "in_progress": "办理中",
    "redirected": "退回转办",
    "needs_attention": "待人工处理",
    "withdrawing": "撤回处理中",
    "withdrawn": "已撤回或终止",  # which of them, and why, says the timeline
    "not_accepted": "不予受理",
    "decided": "已办结,待告知",
    "closed": "已办结并告知",
}
ENDED = frozenset({"not_taken_in", "withdrawn", "not_accepted", "decided", "closed"})


@dataclass(frozen=True, slots=True)
class Mark:
    """A fact that was heard of a case: of which leg, at which version of that leg."""

    name: str
    leg_no: int
    version: int


_FINAL = ("closed", "withdrawn", "decided")  # the first that was heard holds
_STANDING: Mapping[str, tuple[int, str]] = {  # mark of the leg that holds the case -> its order among equals, state
    "forwarded": (0, "forwarded"),
    "taken_over": (1, "taken_over"),
    "accepted": (2, "accepted"),
    "progressed": (3, "in_progress"),
    "supplement_requested": (4, "supplement_required"),
    "redirected": (5, "redirected"),
    "declined": (6, "not_accepted"),
}
_STUCK = "needs_attention"  # of whatever leg had the case last: none holds it now
_BEFORE = ("missing", "taken_in", "refused")  # before the case was handed over
_BEFORE_STATES = {"missing": "supplement_required", "taken_in": "taken_in", "refused": "not_taken_in"}


def case_state(marks: Iterable[Mark]) -> str:
    """The state that a set of marks means, in whatever order and however often they were heard."""
    heard = set(marks)
    names = {mark.name for mark in heard}
    final = next((name for name in _FINAL if name in names), None)
    if final:
        return final
    holding = [mark for mark in heard if mark.name in _STANDING]
    if not holding:
        before = next((_BEFORE_STATES[name] for name in _BEFORE if name in names), "received")
        return "withdrawing" if _is_withdrawing(heard) else before
    newest = max(holding, key=lambda mark: (mark.leg_no, mark.version, _STANDING[mark.name][0]))
    if any(mark.name == _STUCK and mark.leg_no >= newest.leg_no for mark in heard):
        return _STUCK
    state = _STANDING[newest.name][1]
    if _is_withdrawing(heard) and state != "not_accepted":
        return "withdrawn" if state == "redirected" else "withdrawing"  # back here, and nobody wants it to go on
    if state == "supplement_required" and _is_answered(heard):
        return "in_progress"
    return state


def _is_withdrawing(marks: set[Mark]) -> bool:
    """Whether a withdrawal was asked for and not refused since; the marks of both are of the accepting leg."""
    asked = _newest(marks, "withdrawing")
    return bool(asked) and asked > _newest(marks, "going_on")


def _is_answered(marks: set[Mark]) -> bool:
    """Whether the supplement for the newest request is under way; the marks of both name the request."""
    answered = _newest(marks, "supplemented")
    return bool(answered) and answered >= _newest(marks, "asked")


def _newest(marks: set[Mark], name: str) -> tuple[int, ...]:
    return max(((mark.leg_no, mark.version) for mark in marks if mark.name == name), default=())


# --- who may ---------------------------------------------------------------------------------------------------------


def may_see(who: Principal, taken_in_by: str, people: Iterable[str]) -> bool:
    """Clerks see their node's cases; citizens those about them; channels those they took in for the named citizen."""
    if who.kind == "clerk":
        return True
    about = bool(who.person_index) and who.person_index in set(people)
    return about and (who.kind == "citizen" or taken_in_by == who.owner)


def may_fetch(who: Principal, owner: str, person_index: str) -> bool:
    """Citizens what was uploaded for them; channels what they uploaded for the named citizen; see `may_see`."""
    mine = bool(who.person_index) and who.person_index == person_index
    return mine and (who.kind == "citizen" or owner == who.owner)


def expect_purpose(purpose: str) -> str:
    """A known purpose. Refused `purpose_missing` or `purpose_unknown`: nobody is looked up for no reason."""
    basis = "个人信息保护法 第六条"
    if not purpose:
        raise Refused("purpose_missing", "查看个人信息须说明目的,请在 X-Purpose 中填写", basis=basis, field="X-Purpose")
    if purpose not in PURPOSES:
        known = "、".join(PURPOSES)
        raise Refused("purpose_unknown", f"查看目的只能是:{known}", basis=basis, field="X-Purpose")
    return purpose


def expect_act_allowed(kind: str, act: str) -> None:
    """Denied `act_not_allowed` when an applicant tries what only an office may do."""
    if kind != "clerk" and act not in OWN_ACTS:
        raise Denied("act_not_allowed", "只有办理机构的工作人员可以执行此操作", field="act")


# --- webhooks --------------------------------------------------------------------------------------------------------


def expect_safe_url(url: str, allowed: Collection[str]) -> None:
    """https to a public host, or to one that the operator of this node allows. Refused `webhook_url_unsafe`.

    Plain http only to this very machine, and only when that is allowed. No credentials, no fragment.
    """
    try:
        parts = urlsplit(url)
        plain = url.isascii() and url.isprintable() and " " not in url
        good = plain and "@" not in parts.netloc and not parts.fragment and parts.port != 0
        host = parts.hostname or ""
    except ValueError:
        good, host = False, ""
    if host in allowed:
        good = good and parts.scheme in (("https", "http") if _is_loopback(host) else ("https",))
    else:
        good = good and parts.scheme == "https" and _looks_public(host)
    if not good:
        raise _unsafe_url()


def expect_public(addresses: Iterable[str]) -> None:
    """Refused `webhook_url_unsafe` unless a name leads to public addresses only: it may be somebody else's by now."""
    found = list(addresses)
    if not found or not all(_is_public(address) for address in found):
        raise _unsafe_url()


def _unsafe_url() -> Refused:
    message = "回调地址须为公网的 https 地址,不含用户名、口令和 #;内网地址须先由本节点的运行人员许可"
    return Refused("webhook_url_unsafe", message, field="url")


def _looks_public(host: str) -> bool:
    """A public address, or a name with a dot that is not written for an address (127.1, 0x7f.1) or this machine."""
    try:
        return _is_public(host)
    except ValueError:
        labels = host.rstrip(".").split(".")
        return len(labels) > 1 and labels[-1] not in INSIDE and labels[-1].isalpha()


def _is_public(address: str) -> bool:
    """Neither this machine nor its network, link or cloud (169.254.169.254, 100.100.100.200), however it is written."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found in NAT64:
            return False
        found = found.ipv4_mapped or found.sixtofour or found
    return found.is_global and not found.is_multicast


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def next_attempt(attempts: int) -> int | None:
    """Seconds until a delivery that failed `attempts` times is tried again; None: give it up."""
    return BACK_OFF[attempts - 1] if attempts <= len(BACK_OFF) else None
