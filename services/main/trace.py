"""One case's whole story, for whoever must find out where it stands and what proves it."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.sql import Select

from contracts.matters import matter_version
from services.exchange.usecases.proofs import Exhibit, evidence, verify_log
from services.intake.rules import legs as rules
from services.intake.store import cases as store
from services.main.operate import DeadLetters
from services.main.real import every_queue
from services.main.verify import said_of
from services.main.wiring import EXCHANGE, SERVICES, open_works
from services.web.store import reading
from shared import clock, embedded, topology
from shared.directory import Node
from shared.errors import NotFound
from shared.outbox import Works, outbox, parked, unroutable
from shared.settings import Settings

ROLES = {"accepting": "受理地", "competent": "办理地"}
MOST = 1000  # deliveries of a queue that are looked at
SENT = {"pending": "待发出", "sent": "已发出", "unroutable": "无处投递", "": "已收到"}
SIGNATURE = {"valid": "签名有效", "not_kept": "正文未留存"}


def trace(settings: Settings, node: Node, case: str) -> Iterator[str]:
    """Legs and clocks, steps, every message that crossed and what the peers' logs prove of it, and what still waits.

    `case` is a number or an id. NotFound `case_unknown`.
    """
    case_id, received = _find(open_works(settings, node, "web", 0), case)
    with open_works(settings, node, "intake", 0).begin() as work:
        if legs := store.list_legs(work, case_id):
            yield from _legs(node, legs, _titles(store.get_case(work, case_id)))
            yield from _steps(node, store.list_steps(work, case_id))
        elif received:
            yield "已出具收件回执,受理服务还没有处理,下面是它停在哪里"
        else:
            raise NotFound("case_unknown", "没有这个办件,请核对办件编号")
    yield from _crossed(node, open_works(settings, node, EXCHANGE, 0), case_id)
    yield from _waiting(settings, node, case_id)


def _find(web: Works, case: str) -> tuple[str, bool]:
    """The case's id, and whether this city's screens know it."""
    with web.begin() as work:
        found = next(iter(reading.list_cases(work, {"case_no": case}, "", 1)), None) or reading.find_case(work, case)
    return (found.case_id, True) if found else (case, False)


def _titles(case: store.Case) -> dict[str, str]:
    matter = matter_version(case.facts["matter"], case.facts["matter_version"])
    return {spec["name"]: spec["title"] for spec in matter.clocks}


def _legs(node: Node, legs: list[rules.Leg], titles: dict[str, str]) -> Iterator[str]:
    for leg in legs:
        place = f"{leg.node} {node.directory.name_of(leg.node)}"
        yield f"第{leg.leg_no}段 {ROLES[leg.role]} {place} {rules.STATE_NAMES[leg.state]} 版本 {leg.version}"
        for item in leg.clocks:
            end = f"{item.ended_on} 完成" if item.ended_on else ("暂停中" if item.paused_on else "进行中")
            title = titles.get(item.name, item.name)
            yield f"  时限 {title}: {item.started_on} 起 {item.days} 个工作日,{item.due_on} 前,{end}"


def _steps(node: Node, steps: list[dict[str, Any]]) -> Iterator[str]:
    for step in steps:
        office = step["office"]
        place = f"{node.directory.name_of(office['node'])} {office['name']}"
        yield f"  {_local(step['at'])} {rules.STEP_NAMES[step['verb']]} {place} {step['note']}".rstrip()


def _local(at: str) -> str:
    return f"{clock.instant(at).astimezone(clock.SHANGHAI):%Y-%m-%d %H:%M:%S}"


def _crossed(node: Node, exchange: Works, case_id: str) -> Iterator[str]:
    with exchange.begin() as work:
        crossed = evidence(work, case_id)
    yield from (_exhibit(node, row) for row in crossed)
    for peer in sorted({row.peer for row in crossed}):
        yield f"  {said_of(node, verify_log(exchange, peer))}"


def _exhibit(node: Node, row: Exhibit) -> str:
    arrow = "→" if row.direction == "out" else "←"
    proof = f"对方回执 {row.receipt}" if row.receipt else ("对方尚未回执" if row.direction == "out" else "")
    words = (SENT[row.state], SIGNATURE.get(row.signature, f"签名有误: {row.signature}"), proof)
    return f"  {_local(row.at)} {arrow} {row.peer} 第{row.seq}号 {row.type} {' '.join(filter(None, words))}"


def _waiting(settings: Settings, node: Node, case_id: str) -> Iterator[str]:
    for row in DeadLetters(settings, node).every():
        if row["case"] == case_id:
            yield f"  死信 {row['service']} {row['type']} 已试 {row['attempts']} 次: {row['reason']}"
    again = list(_retried(settings, node))
    if len(again) >= MOST:
        yield f"  重试队列很长,每个只看了前 {MOST} 条"
    for row in again:
        if row["case"] == case_id:
            yield f"  重试中 {row['service']} {row['type']} 已试 {row['attempts']} 次"
    for service in (*SERVICES, EXCHANGE):
        with open_works(settings, node, service, 0).begin() as work:
            for kind, question in _lying(case_id).items():
                yield from (f"  {kind} {service} {what}" for what in work.execute(question).scalars())


def _retried(settings: Settings, node: Node) -> Iterator[dict[str, Any]]:
    """What waits for its next attempt, with its service."""
    for doors in every_queue(node):
        if settings.amqp_url:
            rows = topology.list_retried(settings.amqp_url, doors, MOST)
        else:
            rows = embedded.retried(open_works(settings, node, doors.service, 0))
        yield from ({"service": doors.service, **row} for row in rows)


def _lying(case_id: str) -> dict[str, Select[tuple[str]]]:
    """What of the case lies in a service's own tables: not yet at the broker, too early, wanted by no queue."""
    return {
        "待投递": select(outbox.c.routing_key).where(outbox.c.body.contains(case_id)),
        "搁置,等待": select(parked.c.awaits).where(parked.c.awaits.contains(case_id)),
        "无处投递": select(unroutable.c.routing_key).where(unroutable.c.body.contains(case_id)),
    }
