"""What `verify` proves: that nobody has changed who looked at what, nor what crossed between cities."""

from collections.abc import Iterator

from services.exchange.store import questions
from services.exchange.usecases.proofs import LogCheck, verify_log
from services.main.operate import FAULTY, WELL
from services.main.wiring import EXCHANGE, SERVICES, open_node, open_works
from shared.audit import broken_rows
from shared.directory import Node
from shared.settings import Settings


def verify(settings: Settings) -> Iterator[tuple[str, str]]:
    """Each service's record of look-ups and each peer's log, recomputed, as (好 or 坏; words). Both may grow meanwhile."""
    node = open_node(settings)
    for service in (*SERVICES, EXCHANGE):
        with open_works(settings, node, service, 0).begin() as work:
            broken = broken_rows(work)
        places = "、".join(f"第{lane}链第{n}行" for lane, n in broken)
        yield _graded(f"查询留痕 {service}", f"{places}被改动或缺失" if broken else "")
    exchange = open_works(settings, node, EXCHANGE, 0)
    with exchange.begin() as work:
        peers = sorted(questions.list_peers(work))
    for peer in peers:
        check = verify_log(exchange, peer)
        yield FAULTY if check.faults else WELL, said_of(node, check)


def _graded(name: str, fault: str) -> tuple[str, str]:
    return (FAULTY, f"{name}: {fault}") if fault else (WELL, name)


def said_of(node: Node, check: LogCheck) -> str:
    """One line of a peer's log: how much crossed, and whether its chain is whole."""
    counts = f"发 {check.sent} 收 {check.received} 缺 {check.missing} 对方已回执 {check.receipted}"
    verdict = "; ".join(check.faults) or "哈希链完整"
    return f"与 {check.peer} {node.directory.name_of(check.peer)} 的交换日志: {counts},{verdict}"
