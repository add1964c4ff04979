"""No person's number or phone gets into a log line, wherever it stands."""

import datetime
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.logs import masked

NUMBER = "990102197503120178"
WITH_X = "99010419880704022X"
CARD = NUMBER + "41"
REISSUED = NUMBER + "41B2"
PHONE = "13800000000"
SECRETS = (NUMBER, WITH_X, WITH_X.lower(), CARD, REISSUED, REISSUED.lower(), PHONE)

numbers = st.builds(
    "99{:04d}{:%Y%m%d}{:03d}{}".format,
    st.integers(0, 9999),
    st.dates(datetime.date(1800, 1, 1), datetime.date(2099, 12, 31)),
    st.integers(0, 999),
    st.sampled_from("0123456789Xx"),
)
cards = st.builds("{}{}{}".format, st.integers(1, 7), st.integers(1, 4), st.sampled_from(["", "B1", "B9"]))
phones = st.builds("1{}{:09d}".format, st.integers(3, 9), st.integers(0, 10**9 - 1))
around = st.text(st.characters(exclude_categories=["Nd", "Cs"]), max_size=6)


@given(around, numbers, st.just("") | cards, around)
def test_a_number_is_masked_in_any_text(before: str, number: str, card: str, after: str) -> None:
    text = masked(f"{before}{number}{card}{after}")
    assert number not in text
    assert number[6:17] not in text


@given(around, st.sampled_from(["", "+86", "86", "0086", "+86 ", "+86-"]), phones, around)
def test_a_phone_is_masked_in_any_text(before: str, country: str, phone: str, after: str) -> None:
    assert phone not in masked(f"{before}{country}{phone}{after}")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "证件号{}已登记",
        "id{}x",
        "number={}&name=x",
        "/cases/{}/receipt",
        "({}),{}",
        "'{}'\n{}",
        "_{}_",
        "%22{}%22",
        "{}、{}",
    ],
)
def test_nothing_of_a_secret_is_left_wherever_it_stands(line: str, secret: str) -> None:
    text = masked(line.replace("{}", secret))
    assert secret not in text
    assert secret[:17] not in text


@pytest.mark.parametrize("phone", ["138-0000-0000", "138 0000 0000", "+86 138 0000 0000", "+8613800000000"])
def test_a_phone_is_masked_however_it_is_spelt(phone: str) -> None:
    assert masked(f"请拨{phone}。") == "请拨[phone]。"


@pytest.mark.parametrize(
    "text",
    [
        "0199c6f2-4c00-7a31-8f1e-138000000000",
        "0199c6f2-4c00-7a31-8f1e-213800000000",
        "460204001-20251009-0001-X",
        "1.2.156.3005.2.11100000XYN00009X5011.11620102XYN0012366.2025000001.001.4",
        "2025-10-09T01:30:00.000000Z",
        "intake.application_forwarded.v1.620100",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "a" * 31 + "13800000000" + "b" * 22,
        "0000-12345",
        "620102001001",
        "1758675600123456789",
    ],
)
def test_what_an_operator_needs_stays_readable(text: str) -> None:
    assert masked(text) == text


SCRIPT = """
import dataclasses, logging, json, sys, uuid, datetime
import structlog
from shared import logs
NUMBER, CARD, PHONE = sys.argv[1:]

@dataclasses.dataclass
class Party:
    number: str

logs.set_up("INFO", node="460200", process="test")
log = structlog.get_logger()
log.info(f"about {NUMBER}")
log.info("values", number=NUMBER, whole=int(NUMBER), card=CARD, phone=PHONE, call=int(PHONE))
log.info("inside", row={"a": [{"b": (NUMBER, {PHONE})}]}, keys={NUMBER: 1, int(PHONE): 2}, raw=NUMBER.encode())
log.info("objects", party=Party(NUMBER), error=ValueError(CARD), some={NUMBER, PHONE}, kind=Party)
structlog.contextvars.bind_contextvars(who=NUMBER)
log.warning("bound")
structlog.contextvars.unbind_contextvars("who")
try:
    raise ValueError(f"cannot insert ({NUMBER}, {PHONE})") from KeyError(CARD)
except ValueError:
    log.exception("failed")
    logging.getLogger("sqlalchemy").exception("failed for %s", NUMBER)
logging.getLogger("werkzeug").info("GET /cases?number=%s %r", NUMBER, {"phone": PHONE})
logging.getLogger("other").warning("%(number)s", {"number": CARD})
logging.getLogger("other").error(Party(NUMBER), stack_info=True)
log.info("plain", count=7, share=0.5, nothing=None, yes=True, day=datetime.date(2025, 10, 9), case="%s" % uuid.UUID(int=7))
log.debug("not asked for")
"""


@pytest.fixture(scope="module")
def lines() -> list[str]:
    command = [sys.executable, "-c", SCRIPT, NUMBER, CARD, PHONE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_no_line_of_a_process_shows_a_person(lines: list[str]) -> None:
    assert [line for line in lines if NUMBER in line or PHONE in line] == []


def test_every_line_is_json_and_says_where_it_comes_from(lines: list[str]) -> None:
    read = [json.loads(line) for line in lines]
    assert len(read) == 11
    for line in read:
        assert {"event", "level", "timestamp"} <= set(line)
        assert (line["node"], line["process"]) == ("460200", "test")


def test_a_traceback_is_kept_without_its_values(lines: list[str]) -> None:
    failed = [json.loads(line) for line in lines if "failed" in line]
    assert len(failed) == 2
    for line in failed:
        assert "ValueError: cannot insert ([number], [phone])" in line["exception"]
        assert "KeyError: '[number]'" in line["exception"]


def test_what_is_no_secret_keeps_its_kind(lines: list[str]) -> None:
    [plain] = [json.loads(line) for line in lines if '"plain"' in line]
    assert (plain["count"], plain["share"], plain["nothing"], plain["yes"]) == (7, 0.5, None, True)
    assert "2025, 10, 9" in plain["day"]
    assert plain["case"] == "00000000-0000-0000-0000-000000000007"


def test_lines_below_the_level_are_not_written(lines: list[str]) -> None:
    assert "not asked for" not in "".join(lines)


def test_a_line_that_cannot_be_written_stops_nobody() -> None:
    script = """
import sys, structlog
from shared import logs
logs.set_up("INFO", node="460200", process="test")
structlog.get_logger().error("lost")
sys.stderr = None
print("went on")
"""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=full, text=True, check=False
        )
    assert done.stdout == "went on\n"
