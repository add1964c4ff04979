"""The main jobs, done over the API as clerks do them: a subsidy that crosses two cities, and a couple that marries."""

import datetime
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared import clock, identity

PATIENCE_SECONDS = 60.0
APPLICANT = {
    "role": "applicant",
    "name": "何守田",
    "id_type": "citizen",
    "id_number": "990102197503120178",  # the block 99 is no real division
    "phone": "13900000000",
    "hukou_division": "620102001",
}
ANSWERS: Mapping[str, Any] = {
    "special_support": "no",
    "injury_care": "no",
    "orphan_support": "no",
    "serving_sentence": "no",
    "public_pay": "none",
    "long_term_care": "yes",
    "allowances": [],
}
TAKEN_IN_AT = ("460200", "460204001")  # 三亚 天涯街道
DECIDED_IN = "620100"
STEPS = (("check", "620102001"), ("review", "620102-dpf"), ("decide", "620102"))  # 酒泉路街道, 城关区残联, 城关区民政
CLERKS = {  # token name -> node, office
    "window": TAKEN_IN_AT,
    "checker": (DECIDED_IN, "620102001"),
    "reviewer": (DECIDED_IN, "620102-dpf"),
    "decider": (DECIDED_IN, "620102"),
    "registrar": (TAKEN_IN_AT[0], "460204-mr"),
    "other_registrar": (DECIDED_IN, "620102-mr"),
}
HEARD = [{"number": place, "present": True, "declared": True, "willing": True, "apart": True} for place in (0, 1)]
GUARDED_IN = "990104"  # whose first digits these are, has the claim on them guarded in 兰州


class JourneyFailed(Exception):
    """A city did not answer as it should; the text says which and what."""


@dataclass(frozen=True, slots=True)
class Counter:
    """A clerk's desk: where its city's API is, and the clerk's token."""

    url: str
    token: str

    def ask(self, method: str, path: str, body: Any = None, key: str = "") -> dict[str, Any]:
        """One request to the API; JourneyFailed with the problem's own words when it is refused."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1{path}", content, headers, method=method)  # noqa: S310 - our own cities
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own cities' addresses
                return json.load(answer)  # type: ignore[no-any-return]
        except urllib.error.HTTPError as error:
            raise JourneyFailed(f"{method} {path}: {error.code} {error.read().decode('utf-8', 'replace')}") from error


def application(parties: list[Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """What the counter in 三亚 sends."""
    return {
        "matter": "disability-subsidies",
        "parties": parties or [APPLICANT],
        "answers": dict(ANSWERS),
        "consents": ["notice_shown", "checks"],
    }


def run(counters: Mapping[str, Counter], say: Callable[[str], None]) -> dict[str, Any]:
    """Do the whole case; the finished case as the accepting city shows it. Raises JourneyFailed."""
    taken = counters["window"].ask("POST", "/cases", application(), key=clock.new_id())
    case_id, receipt = taken["receipt"]["case_id"], taken["receipt"]
    say(f"  收件回执 {receipt['case_no']}")
    for verb, name in (("check", "checker"), ("review", "reviewer"), ("decide", "decider")):
        desk = counters[name]
        seen = until_task(desk, case_id, verb)
        act = {"act": verb, "approve": True, "expected_version": seen["versions"]["task"]}
        desk.ask("POST", f"/cases/{case_id}/acts", act, key=clock.new_id())
    return until_closed(counters["window"], case_id)


def couple(born_on: datetime.date) -> list[dict[str, Any]]:
    """Two who want to marry, both of that day of the last century: another day, other people."""
    people = (("applicant", "程望川", "620102", "011"), ("spouse", "陆听雨", "460204", "012"))
    return [
        {
            "role": role,
            "name": name,
            "id_type": "citizen",
            "id_number": identity.upgrade_15(f"{GUARDED_IN}{born_on:%y%m%d}{order}"),
            "phone": "13900000000",
            "hukou_division": hukou,
        }
        for role, name, hukou, order in people
    ]


def wedding(parties: list[dict[str, Any]]) -> dict[str, Any]:
    """What a registration office sends."""
    papers = [{"code": code, "source": "applicant", "seen": "original"} for code in ("declaration", "photo")]
    return {
        "matter": "marriage-registration",
        "parties": parties,
        "materials": papers,
        "consents": ["notice_shown"],
    }


def come(desk: Counter, parties: list[dict[str, Any]], say: Callable[[str], None]) -> str:
    """A couple at a registration office; the case."""
    receipt = desk.ask("POST", "/cases", wedding(parties), key=clock.new_id())["receipt"]
    say(f"  收件回执 {receipt['case_no']}")
    return str(receipt["case_id"])


def wed(desk: Counter, case_id: str) -> dict[str, Any]:
    """Hear both, and sign; the finished case. Raises JourneyFailed."""
    sign(desk, case_id)
    return until_closed(desk, case_id)


def sign(desk: Counter, case_id: str) -> None:
    """Hear both, and sign: they are registered once both are locked. Raises JourneyFailed."""
    acts: dict[str, dict[str, Any]] = {"examine": {"approve": True, "heard": HEARD, "kinship": "none"}}
    acts["register"] = {"approve": True}
    for verb, said in acts.items():
        seen = until_task(desk, case_id, verb)
        act = {"act": verb, "expected_version": seen["versions"]["task"], **said}
        desk.ask("POST", f"/cases/{case_id}/acts", act, key=clock.new_id())


def until_blocked(desk: Counter, case_id: str) -> dict[str, Any]:
    """A case that waits for something, once it is known what for. Raises JourneyFailed."""
    return _until(desk, case_id, lambda case: bool((case.get("task") or {}).get("missing_facts")))


def until_task(desk: Counter, case_id: str, verb: str) -> dict[str, Any]:
    """A case once that act is its next one, at that desk. Raises JourneyFailed."""
    return _until(desk, case_id, lambda case: (case.get("task") or {}).get("verb") == verb)


def until_closed(desk: Counter, case_id: str) -> dict[str, Any]:
    """A case once it has ended, at that desk. Raises JourneyFailed."""
    return _until(desk, case_id, lambda case: case["state"] == "closed")


def _until(desk: Counter, case_id: str, ready: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The case once it is `ready` at that desk."""
    end, case = clock.monotonic() + PATIENCE_SECONDS, {}
    while clock.monotonic() < end:
        try:
            case = desk.ask("GET", f"/cases/{case_id}")
            if ready(case):
                return case
        except JourneyFailed as error:
            if " 404 " not in str(error):
                raise
        time.sleep(0.05)
    raise JourneyFailed(
        f"{desk.url}: 办件 {case_id} 在 {PATIENCE_SECONDS:.0f} 秒内没有进展: {case.get('state', '未到')}"
    )
