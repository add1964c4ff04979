"""What an operator asks at two in the morning: what lies where it should not, and what is missing."""

import datetime
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import column, select, table

from deploy.migrate import SHARED, newest, version_table
from services.claims.rules.guard import Duty
from services.claims.store.ledger import list_guards
from services.claims.store.restating import list_conflicts
from services.exchange.store import questions
from services.exchange.usecases import sending
from services.exchange.usecases.quarantine import list_quarantined
from services.intake.usecases.clocks import count_provisional
from services.main.real import every_queue
from services.main.wiring import EXCHANGE, SERVICES, open_node, open_works
from services.main.words import MIGRATE, plain
from shared import calendar, clock, embedded, metrics, topology
from shared.crypto.keys import public_keys
from shared.directory import Node
from shared.errors import NotFound
from shared.outbox import unroutable
from shared.settings import Settings

LOW_DISK_BYTES = 1 << 30
SHORT_HORIZON_DAYS = 60
LATE_DAYS = 15  # of horizon: ten working days, a common legal period, need as much


def _known(service: str) -> None:
    if service not in (names := (*SERVICES, EXCHANGE)):
        raise NotFound("service_unknown", f"没有这个服务,应为 {'、'.join(names)} 之一")


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
        _known(service)
        if self.settings.amqp_url:
            return topology.show_dead(self.settings.amqp_url, service, message_id)
        for row in self._of(service):
            if row["message"] == message_id:
                return row
        raise NotFound("dead_letter_unknown", "死信中没有这条消息")

    def redrive(self, service: str, message_id: str) -> int:
        """Let one, or all with an empty id, be tried afresh; how many. NotFound."""
        _known(service)
        if self.settings.amqp_url:
            return topology.redrive(self.settings.amqp_url, service, message_id)
        return embedded.redrive(open_works(self.settings, self.node, service), message_id)


@dataclass(frozen=True, slots=True)
class Unroutable:
    """What no queue of this node wanted, and what the hub could not hand to another city."""

    settings: Settings
    node: Node

    def every(self) -> Iterator[dict[str, Any]]:
        """All of them: service, message, routing key, why and when; the exchange's name the city."""
        columns = (unroutable.c.message_id, unroutable.c.routing_key, unroutable.c.reason, unroutable.c.returned_at)
        for service in (*SERVICES, EXCHANGE):
            with open_works(self.settings, self.node, service, 0).begin() as work:
                for row in work.execute(select(*columns).order_by(unroutable.c.returned_at)).mappings():
                    yield {"service": service, **row}
        with open_works(self.settings, self.node, EXCHANGE, 0).begin() as work:
            yield from ({"service": EXCHANGE, **row} for row in questions.list_unroutable(work))

    def redrive(self, service: str) -> int:
        """Send all of that service's once more; how many. NotFound for another service."""
        _known(service)
        works = open_works(self.settings, self.node, service, 0)
        count = works.redrive_unroutable()
        if service == EXCHANGE:
            with works.begin() as work:
                cities = {row["destination"] for row in questions.list_unroutable(work)}
            count += sum(sending.redrive(works, city) for city in cities)
        return count


class Notice(str):
    """What an operator should know of and cannot, or need not yet, mend: no fault."""


WELL, WORTH_KNOWING, FAULTY = "好", "注意", "坏"
Check = tuple[str, Callable[[], str]]


def examine(settings: Settings) -> Iterator[tuple[str, str]]:
    """What `doctor` looks at, each as (好, 注意 or 坏; words); a check that raises is a fault with the error's name."""
    for name, check in _checks(settings):
        try:
            fault = check()
        except Exception as error:  # whatever it is, the operator must see it and the next check must run
            fault = plain(error) or type(error).__name__
        grade = WELL if not fault else WORTH_KNOWING if isinstance(fault, Notice) else FAULTY
        yield grade, f"{name}: {fault}" if fault else name


def _checks(settings: Settings) -> list[Check]:
    found: list[Check] = [
        ("节点目录、密钥、机构表可读", lambda: _home(settings)),
        ("工作日历够用", _calendar),
        ("时限都已确定", lambda: _provisional(settings)),
        ("磁盘空间", lambda: "不足 1 GB,请清理" if shutil.disk_usage(settings.home).free < LOW_DISK_BYTES else ""),
    ]
    for service in (*SERVICES, EXCHANGE):
        found.append((f"数据库 {service}", lambda service=service: _database(settings, service)))  # type: ignore[misc]
    if settings.amqp_url:
        found.append(("消息队列", lambda: _queues(settings)))
    found.append(("各进程正常", lambda: _processes(settings)))
    found.append(("占用账目正常", lambda: _claims(settings)))
    found.append(("没有死信", lambda: _dead(settings)))
    found.append(("没有无处投递的消息", lambda: _unroutable(settings)))
    found.append(("隔离区为空", lambda: _quarantine(settings)))
    return found


def _home(settings: Settings) -> str:
    node = open_node(settings)
    if (settings.home / "keys.json").stat().st_mode & 0o077:
        return "keys.json 可被他人读取,请 chmod 600"
    if not node.offices.by_code:
        return "机构表为空,请 tongban offices import"
    if (left := _days_of_keys(node)) < SHORT_HORIZON_DAYS:
        return f"密钥再过 {left} 天到期,请按 docs/operations.md 更换"
    age = (clock.now() - node.directory.issued_at).days
    return f"节点目录已 {age} 天未更新,请检查与中心的连接" if age > 1 else ""


def _days_of_keys(node: Node) -> int:
    """How long the keys that are in use now stay valid: the last of each purpose."""
    ends = {row["purpose"]: datetime.date.fromisoformat(row["not_after"]) for row in public_keys(node.keys)}
    return (min(ends.values()) - clock.today()).days


def _calendar() -> str:
    """The next year's table is announced late in autumn: until then nobody can mend a short horizon."""
    left = calendar.standard().days_of_horizon(clock.today())
    if left >= SHORT_HORIZON_DAYS:
        return ""
    words = f"只到 {left} 天以后,下一年的安排公布后请更新 shared/data/calendar.csv"
    return words if left < LATE_DAYS else Notice(words)


def _provisional(settings: Settings) -> str:
    with open_works(settings, open_node(settings), "intake", 0).begin() as work:
        count = count_provisional(work)
    return Notice(f"{count} 个办理中的时限超出工作日历,暂按周一至周五计算,日历更新后自动重算") if count else ""


def _database(settings: Settings, service: str) -> str:
    with open_works(settings, open_node(settings), service, 0).begin() as work:
        for owner in (SHARED, service):
            found = work.execute(select(column("version_num")).select_from(table(version_table(owner)))).scalar()
            if found != newest(owner):
                return MIGRATE
    return ""


def _queues(settings: Settings) -> str:
    every = every_queue(open_node(settings))
    there = topology.depths(settings.amqp_url, every)
    missing = [name for doors in every for name in topology.queues(doors) if name not in there]
    return f"缺少队列 {', '.join(missing)},请启动 relay" if missing else ""


def _processes(settings: Settings) -> str:
    """Of those that have ever said how they are."""
    names = sorted(path.stem for path in (settings.home / "health").glob("*.json"))
    late = [name for name in names if not metrics.healthy(settings.home, name)]
    return f"{'、'.join(late)} 没有运行或不正常,请看它的日志" if late else ""


def _claims(settings: Settings) -> str:
    """Conflicts are for people; what is frozen or recovering goes on by itself, unless somebody is away."""
    with open_works(settings, open_node(settings), "claims", 0).begin() as work:
        conflicts = list_conflicts(work)
        waiting = [guard.prefix for guard in list_guards(work, Duty.FROZEN, Duty.RECOVERING)]
    if conflicts:
        return f"有 {len(conflicts)} 个冲突待两人核实,请 tongban claims conflicts"
    return Notice(f"号段 {'、'.join(waiting)} 正在移交或恢复,请 tongban claims guards") if waiting else ""


def _dead(settings: Settings) -> str:
    count = len(list(DeadLetters(settings, open_node(settings)).every()))
    return f"有 {count} 条,请 tongban dead-letters list" if count else ""


def _unroutable(settings: Settings) -> str:
    count = len(list(Unroutable(settings, open_node(settings)).every()))
    return f"有 {count} 条,请 tongban unroutable list" if count else ""


def _quarantine(settings: Settings) -> str:
    count = len(list_quarantined(open_works(settings, open_node(settings), EXCHANGE, 0)))
    return f"有 {count} 条,请 tongban quarantine list" if count else ""
