"""What an operator asks at two in the morning: dead letters, quarantine, one case's whole story, and what is missing."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import column, select, table, text

from deploy.migrate import SHARED, version_table
from services.exchange.usecases.proofs import evidence, verify_log
from services.intake import store as intake_store
from services.main.real import every_queue
from services.main.wiring import EXCHANGE, SERVICES, open_node, open_works
from services.web.store import reading
from shared import calendar, clock, embedded, topology
from shared.directory import Node
from shared.errors import NotFound
from shared.outbox import Works
from shared.settings import Settings

LOW_DISK_BYTES = 1 << 30
SHORT_HORIZON_DAYS = 60


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead letters of one node, whichever bus carries its messages."""

    settings: Settings
    node: Node

    def every(self) -> Iterator[dict[str, Any]]:
        """All of them: service, message, type, case, attempts, reason."""
        for service in (*SERVICES, EXCHANGE):
            for row in self._of(service):
                yield {"service": service} | {name: row[name] for name in row if name != "data"}

    def _of(self, service: str) -> list[dict[str, Any]]:
        if self.settings.amqp_url:
            return topology.list_dead(self.settings.amqp_url, service, 1000)
        return embedded.dead_letters(open_works(self.settings, self.node, service))

    def show(self, service: str, message_id: str) -> dict[str, Any]:
        """One with its readable part; NotFound."""
        if self.settings.amqp_url:
            return topology.show_dead(self.settings.amqp_url, service, message_id)
        for row in self._of(service):
            if row["message"] == message_id:
                return row
        raise NotFound("dead_letter_unknown", "死信中没有这条消息")

    def redrive(self, service: str, message_id: str) -> int:
        """Let one, or all with an empty id, be tried afresh; how many."""
        if self.settings.amqp_url:
            return topology.redrive(self.settings.amqp_url, service, message_id)
        return embedded.redrive(open_works(self.settings, self.node, service), message_id)


def trace(settings: Settings, node: Node, case: str) -> Iterator[str]:
    """A case's story: legs and clocks, steps, every message that crossed and what the peers' logs prove of it."""
    case_id = _case_id(open_works(settings, node, "web", 0), case)
    with open_works(settings, node, "intake", 0).begin() as work:
        yield from _legs(intake_store.list_legs(work, case_id))
        yield from _steps(intake_store.list_steps(work, case_id))
    exchange = open_works(settings, node, EXCHANGE, 0)
    with exchange.begin() as work:
        crossed = evidence(work, case_id)
    for row in crossed:
        arrow = "→" if row.direction == "out" else "←"
        proof = f"签名 {row.signature}" + (f" 对方回执 {row.receipt[:16]}" if row.receipt else "")
        yield f"  {row.at} {arrow} {row.peer} 第{row.seq}号 {row.type} {row.state} {proof}"
    for peer in sorted({row.peer for row in crossed}):
        check = verify_log(exchange, peer)
        verdict = "; ".join(check.faults) or "两端哈希链一致"
        yield f"  与 {peer} 的交换日志:发 {check.sent} 收 {check.received} 缺 {check.missing} 已回执 {check.receipted},{verdict}"
    yield from _waiting(settings, node, case_id)


def _case_id(web: Works, case: str) -> str:
    with web.begin() as work:
        found = reading.list_cases(work, {"case_no": case}, "", 1)
    return found[0].case_id if found else case


def _legs(legs: list[Any]) -> Iterator[str]:
    if not legs:
        raise NotFound("case_unknown", "本节点没有这个办件")
    for leg in legs:
        yield f"第{leg.leg_no}段 {leg.role} {leg.node} {leg.state} 版本 {leg.version}"
        for item in leg.clocks:
            end = f"{item.ended_on} 完成" if item.ended_on else ("暂停中" if item.paused_on else "进行中")
            yield f"  时限 {item.name}: {item.started_on} 起 {item.days} 个工作日,{item.due_on} 前,{end}"


def _steps(steps: list[dict[str, Any]]) -> Iterator[str]:
    for step in steps:
        yield f"  {step['at']} {step['verb']} {step['office']['node']} {step['office']['name']} {step['note']}".rstrip()


def _waiting(settings: Settings, node: Node, case_id: str) -> Iterator[str]:
    dead = [row for row in DeadLetters(settings, node).every() if row["case"] == case_id]
    for row in dead:
        yield f"  死信 {row['service']} {row['type']} 尝试 {row['attempts']} 次: {row['reason']}"
    for service in SERVICES:
        with open_works(settings, node, service, 0).begin() as work:
            pattern = {"case": f"%{case_id}"}
            for waits in work.execute(text("SELECT awaits FROM parked WHERE awaits LIKE :case"), pattern).scalars():
                yield f"  搁置 {service}: 等待 {waits}"


Check = tuple[str, Callable[[], str]]


def examine(settings: Settings) -> Iterator[tuple[bool, str]]:
    """What `doctor` looks at, each as (well, words); a check that raises is a fault with the error's name."""
    for name, check in _checks(settings):
        try:
            fault = check()
        except Exception as error:  # whatever it is, the operator must see it and the next check must run
            fault = f"{type(error).__name__}"
        yield (not fault, f"{name}" if not fault else f"{name}: {fault}")


def _checks(settings: Settings) -> list[Check]:
    found: list[Check] = [
        ("节点目录、密钥、机构表可读", lambda: _home(settings)),
        ("工作日历够用", _calendar),
        ("磁盘空间", lambda: "不足 1 GB,请清理" if shutil.disk_usage(settings.home).free < LOW_DISK_BYTES else ""),
    ]
    for service in (*SERVICES, EXCHANGE):
        found.append((f"数据库 {service}", lambda service=service: _database(settings, service)))  # type: ignore[misc]
    if settings.amqp_url:
        found.append(("消息队列", lambda: _queues(settings)))
    found.append(("没有死信", lambda: _dead(settings)))
    return found


def _home(settings: Settings) -> str:
    node = open_node(settings)
    if (settings.home / "keys.json").stat().st_mode & 0o077:
        return "keys.json 可被他人读取,请 chmod 600"
    if not node.offices.by_code:
        return "机构表为空,请 tongban offices import"
    age = (clock.now() - node.directory.issued_at).days
    return f"节点目录已 {age} 天未更新,请检查与中心的连接" if age > 1 else ""


def _calendar() -> str:
    left = calendar.standard().days_of_horizon(clock.today())
    return f"只到 {left} 天以后,请更新 shared/data/calendar.csv" if left < SHORT_HORIZON_DAYS else ""


def _database(settings: Settings, service: str) -> str:
    with open_works(settings, open_node(settings), service, 0).begin() as work:
        for owner in (SHARED, service):
            if not work.execute(select(column("version_num")).select_from(table(version_table(owner)))).scalar():
                return "没有升级到最新结构,请 tongban setup"
    return ""


def _queues(settings: Settings) -> str:
    every = every_queue(open_node(settings))
    there = topology.depths(settings.amqp_url, every)
    missing = [name for doors in every for name in topology.queues(doors) if name not in there]
    return f"缺少队列 {', '.join(missing)},请启动 relay" if missing else ""


def _dead(settings: Settings) -> str:
    count = len(list(DeadLetters(settings, open_node(settings)).every()))
    return f"有 {count} 条,请 tongban dead-letters list" if count else ""
