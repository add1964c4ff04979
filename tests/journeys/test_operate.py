"""What an operator asks at two in the morning, of a city that runs: with real parts, and with no server at all."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import delete, select, text, update

from contracts.intake import SendNoticeV1
from deploy.children import free_port
from services.exchange.store.tables import exchange_log
from services.main.cli import cli
from services.main.journey import run
from services.web.store.tables import cases
from shared import clock
from shared.outbox import parked, unroutable
from tests.journeys.places import Embedded, Real
from tests.waiting import eventually

SANYA, LANZHOU = "460200", "620100"
Asks = Callable[..., list[str]]


@pytest.fixture
def tongban(place: Embedded | Real) -> Asks:
    """Runs a command as an operator of a city would; its lines."""

    def ask(code: str, *words: str, ends: int | None = 0) -> list[str]:
        answer = CliRunner().invoke(cli, words, env=place.environ(code))
        assert ends is None or answer.exit_code == ends, answer.output
        return answer.output.splitlines()

    return ask


def rows(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def case(place: Embedded | Real) -> dict[str, Any]:
    """One finished journey."""
    return run(place.counters, lambda _line: None)


def test_a_trace_tells_legs_clocks_steps_and_what_the_peers_log_proves(tongban: Asks, case: dict[str, Any]) -> None:
    story = tongban(SANYA, "trace", case["case_no"])

    assert [line[:4] for line in story if line.startswith("第")] == ["第1段 ", "第2段 "]
    assert [word for line in story for word in re.findall("时限 (.+?):", line)] == ["转办", "告知结果", "审核认定"]
    assert {"收件", "转办", "接办受理", "初审", "审核", "审定", "办结", "告知"} <= set(" ".join(story).split())
    crossed = [line for line in story if "号 intake." in line]
    assert any("→ 620100" in line and "已发出 签名有效" in line for line in crossed)
    assert any("← 620100" in line and "已收到 签名有效" in line for line in crossed)
    assert any("与 620100 兰州 的交换日志" in line and line.endswith("哈希链完整") for line in story)


def test_verify_finds_whole_what_crossed_and_names_the_line_that_was_changed(
    place: Embedded | Real, tongban: Asks, case: dict[str, Any]
) -> None:
    whole = tongban(SANYA, "verify")
    assert all(line.startswith("好 ") for line in whole)
    assert any("与 620100 兰州 的交换日志" in line and line.endswith("哈希链完整") for line in whole)
    (line,) = _rewritten(place, "another")
    changed = tongban(SANYA, "verify", ends=1)
    _rewritten(place, line.subject)
    (fault,) = [line for line in changed if line.startswith("坏 ")]
    assert f"out {line.n}: the line was changed" in fault
    assert tongban(SANYA, "verify") == whole


def _rewritten(place: Embedded | Real, subject: str) -> Sequence[Any]:
    """The last line that crossed to 兰州, as it was before its subject became another."""
    mine = exchange_log.c.peer == LANZHOU, exchange_log.c.direction == "out"
    with place.works(SANYA, "exchange").begin() as work:
        last = work.execute(select(exchange_log).where(*mine).order_by(exchange_log.c.n.desc()).limit(1)).all()
        work.change(update(exchange_log).where(*mine, exchange_log.c.n == last[0].n).values(subject=subject))
    return last


def test_both_cities_tell_of_the_same_messages(tongban: Asks, case: dict[str, Any]) -> None:
    told = {}
    for code in (SANYA, LANZHOU):
        story = " ".join(tongban(code, "trace", case["case_id"]))
        told[code] = {way: set(re.findall(rf"{way} \d+ 第(\d+)号 (\S+)", story)) for way in "→←"}

    assert told[SANYA]["→"] == told[LANZHOU]["←"]
    assert told[LANZHOU]["→"] == told[SANYA]["←"]


def test_a_trace_of_a_case_with_a_receipt_only_says_where_it_waits(
    place: Embedded | Real, tongban: Asks, case: dict[str, Any]
) -> None:
    with place.works(SANYA, "web").begin() as work:
        row = work.execute(select(cases).where(cases.c.case_id == case["case_id"])).mappings().one()
        new = {"case_id": clock.new_id(), "case_no": "460204001-20250101-9999"}
        work.write(cases.insert(), [dict(row) | new])
    story = tongban(SANYA, "trace", new["case_no"])
    assert story[0].startswith("已出具收件回执,受理服务还没有处理")
    with place.works(SANYA, "web").begin() as work:
        work.write(delete(cases).where(cases.c.case_id == new["case_id"]))


def test_a_trace_of_no_case_says_so(tongban: Asks) -> None:
    assert tongban(SANYA, "trace", "nothing", ends=1) == ["Error: 没有这个办件,请核对办件编号"]


def test_a_dead_letter_is_listed_shown_traced_and_driven_again(
    place: Embedded | Real, tongban: Asks, case: dict[str, Any]
) -> None:
    with place.works(SANYA, "intake").begin() as work:
        message = work.tell(SendNoticeV1, case["case_id"], {"notice_id": clock.new_id()})  # there is no such notice

    def dead() -> list[dict[str, Any]]:
        return [row for row in rows(tongban(SANYA, "dead-letters", "list")) if row["message"] == message]

    eventually(dead)
    [row] = dead()
    assert (row["service"], row["case"]) == ("intake", case["case_id"])
    assert "notice" in "".join(tongban(SANYA, "dead-letters", "show", "intake", message))
    assert any("死信 intake intake.send_notice.v1" in line for line in tongban(SANYA, "trace", case["case_no"]))
    assert any(line.startswith("坏 没有死信: 有 1 条") for line in tongban(SANYA, "doctor", ends=1))
    assert tongban(SANYA, "dead-letters", "redrive", "intake", message) == ["1 条已重新投递。"]
    eventually(dead)  # it is no better the second time
    assert tongban(SANYA, "dead-letters", "redrive", "nobody", ends=1)[0].startswith("Error: 没有这个服务")


def test_what_no_queue_wanted_is_listed_and_sent_again(place: Embedded | Real, tongban: Asks) -> None:
    lost = {"message_id": clock.new_id(), "queue": "", "routing_key": "nobody", "body": "{}"}
    with place.works(SANYA, "web").begin() as work:
        work.write(unroutable.insert(), [lost | {"reason": "NO_ROUTE", "returned_at": clock.iso(work.now)}])

    def listed() -> list[dict[str, Any]]:
        return [row for row in rows(tongban(SANYA, "unroutable", "list")) if row["service"] == "web"]

    assert [row["message_id"] for row in listed()] == [lost["message_id"]]
    assert any(line.startswith("坏 没有无处投递的消息: 有 1 条") for line in tongban(SANYA, "doctor", ends=1))
    assert tongban(SANYA, "unroutable", "redrive", "web") == ["1 条已重新发出。"]
    eventually(lambda: [row["message_id"] for row in listed()] == [lost["message_id"]])  # and given back again
    with place.works(SANYA, "web").begin() as work:
        work.write(delete(unroutable))


def test_a_trace_tells_what_waits_for_another_message(
    place: Embedded | Real, tongban: Asks, case: dict[str, Any]
) -> None:
    early = {"message_id": clock.new_id(), "awaits": f"decided/{case['case_id']}", "body": "{}"}
    with place.works(SANYA, "intake").begin() as work:
        work.write(parked.insert(), [early | {"parked_at": clock.iso(work.now)}])

    assert f"  搁置,等待 intake {early['awaits']}" in tongban(SANYA, "trace", case["case_no"])

    with place.works(SANYA, "intake").begin() as work:
        work.write(delete(parked))


def test_the_doctor_finds_keys_that_others_may_read(place: Embedded | Real, tongban: Asks) -> None:
    keys = Path(place.environ(SANYA)["TONGBAN_HOME"]) / "keys.json"
    before = tongban(SANYA, "doctor", ends=None)  # late in the year the calendar's end is a fault, too
    assert any(line.startswith("好 节点目录、密钥、机构表可读") for line in before)
    keys.chmod(0o644)
    try:
        found = tongban(SANYA, "doctor", ends=1)
    finally:
        keys.chmod(0o600)

    assert "坏 节点目录、密钥、机构表可读: keys.json 可被他人读取,请 chmod 600" in found


def test_the_doctor_finds_a_schema_of_another_release(place: Embedded | Real, tongban: Asks) -> None:
    version = text("UPDATE alembic_version_intake SET version_num = :to")
    with place.works(SANYA, "intake").begin() as work:
        before = work.execute(text("SELECT version_num FROM alembic_version_intake")).scalar_one()
        work.write(version, [{"to": "0000_long_gone"}])
    found = tongban(SANYA, "doctor", ends=1)
    with place.works(SANYA, "intake").begin() as work:
        work.write(version, [{"to": before}])

    assert "坏 数据库 intake: 数据库结构不是本版本的,请 tongban migrate" in found
    assert "好 数据库 subsidy" in found


@pytest.mark.parametrize("words", [("doctor",), ("trace", "1"), ("dead-letters", "list"), ("token", "list")])
def test_without_settings_every_command_names_the_missing_variable(words: tuple[str, ...]) -> None:
    answer = CliRunner().invoke(cli, words, env={"TONGBAN_NODE": None})

    assert answer.exit_code == 1
    assert answer.output.startswith("Error: 环境变量 'TONGBAN_NODE' 没有设置")


def test_what_is_away_is_said_in_plain_words(place: Embedded | Real, tmp_path: Path) -> None:
    nowhere = {"TONGBAN_HOME": str(tmp_path / "none")}
    no_servers = {
        "TONGBAN_DATABASE_URL": f"postgresql+psycopg://a:b@127.0.0.1:{free_port()}/c",
        "TONGBAN_AMQP_URL": f"amqp://a:b@127.0.0.1:{free_port()}/c",
    }
    said = [
        CliRunner().invoke(cli, words, env=place.environ(SANYA) | other).output
        for words, other in (
            (("token", "list"), nowhere),
            (("token", "list"), no_servers),
            (("dead-letters", "list"), no_servers),
        )
    ]

    assert [words[:10] for words in said] == ["Error: 没有文", "Error: 数据库", "Error: 消息服"]


def test_tokens_are_made_listed_and_revoked(tongban: Asks) -> None:
    made = tongban(SANYA, "token", "create", "clerk", "night-shift", "--office", "460204001")
    assert len(made) == 1
    [row] = [row for row in rows(tongban(SANYA, "token", "list")) if row["actor"] == "night-shift"]
    assert made[0] not in json.dumps(row)
    assert tongban(SANYA, "token", "revoke", row["token_id"]) == ["已吊销。"]


def test_nothing_of_another_city_is_let_in_that_is_not_there(tongban: Asks) -> None:
    assert tongban(SANYA, "quarantine", "list") == []
    assert tongban(SANYA, "quarantine", "release", "nothing", ends=1) == ["Error: 隔离区中没有这条报文"]
