"""移交: a whole ledger goes to the next authority of its prefix, in pieces; in between nobody rules on it."""

import datetime
from typing import Any

from contracts import claims as said
from contracts.envelope import Json
from services.claims.rules import guard as rules
from services.claims.rules.guard import Authority, Guard
from services.claims.store import ledger, moving
from services.claims.usecases import subjects
from services.claims.usecases.guarding import lock_prefix, source, with_guard
from shared import clock
from shared.errors import NotFound, OutOfStep, Refused
from shared.outbox import Work

GRACE = datetime.timedelta(minutes=10)  # what a reservation has at least when somebody rules again


def hand_over(work: Work, prefix: str, successor: str) -> int:
    """移交: freeze a prefix and send its whole ledger to its successor; how many pieces. Again: the same once more.

    NotFound for a prefix we do not guard, a node that is not joined; Refused; OutOfStep.
    """
    lock_prefix(work, prefix)
    listed = subjects.listed(work, prefix)
    guard, _ = with_guard(work, prefix, listed, lambda: (ledger.find_guard(work, prefix), None))
    if guard is None:
        raise NotFound("prefix_not_ours", f"本节点不主管号段 {prefix}")
    _expect_other(work, successor)
    rules.expect_successor(guard, listed, work.node.code, successor)
    frozen = rules.freeze(guard, successor)
    ledger.save_guard(work, frozen)
    count = moving.count_pages(work, prefix)
    for number, page in enumerate(moving.list_pages(work, prefix), start=1):
        data = {"prefix": prefix, "epoch": frozen.epoch + 1, "number": number, "count": count}
        work.tell(said.HandOverLedgerV1, prefix, data, page, to=successor)
    return count


def _expect_other(work: Work, successor: str) -> None:
    if successor not in work.node.directory.nodes:
        raise NotFound("node_unknown", f"节点目录中没有 {successor}")
    if successor == work.node.code:
        raise Refused("successor_is_us", "不能移交给本节点")


def hear_piece(work: Work) -> None:
    """One piece of a ledger, put in its place at once; with the last of them the whole is ours, and we rule on it.

    Before that nothing looks at it: without a guard of that epoch nobody rules. So no piece is more work than another,
    however long the ledger. Denied `not_the_predecessor`, `ledger_is_ours`; OutOfStep for what is here already.
    """
    told = work.data(said.HandOverLedgerV1)
    prefix, epoch = told["prefix"], told["epoch"]
    lock_prefix(work, prefix)
    known, listed = ledger.find_guard(work, prefix), subjects.listed(work, prefix)
    if known is not None and known.epoch >= epoch:
        _say_once(work, told)
        return
    rules.expect_predecessor(listed, source(work), work.node.code, epoch)
    taken, batch = rules.take_over(known, prefix, epoch), (prefix, str(epoch), source(work))
    _put_in_place(work, batch, told)
    if moving.is_whole(work, batch, told["count"]):
        _take_over(work, taken)
        tell_taken_over(work, prefix, epoch, source(work))


def _put_in_place(work: Work, batch: tuple[str, str, str], told: Json) -> None:
    """The rows of a piece. The first of a batch takes the place of whatever there was of that prefix."""
    prefix, epoch, node = batch
    if not moving.has_pieces(work, prefix, node, epoch):
        moving.forget_arriving(work, prefix)
    if not moving.keep_piece(work, batch, told["number"], told["count"]):
        raise OutOfStep("stale", "过时的消息")
    piece = work.personal(said.HandOverLedgerV1)
    moving.add_rows(work, [row_of(work, prefix, row) for row in piece["rows"]])
    moving.add_aliases(work, [_alias(work, prefix, row) for row in piece["aliases"]])


def forget_arriving(work: Work, prefix: str, known: Guard | None, node: str = "") -> None:
    """Let go of a ledger that has not arrived whole (from that node): it comes anew. What is our own stays."""
    if not rules.has_ledger(known) and moving.has_pieces(work, prefix, node):
        moving.forget_arriving(work, prefix)


def _say_once(work: Work, told: Json) -> None:
    """The predecessor sends it all again: it may not have heard that it is here. OutOfStep but for the last piece."""
    if told["number"] < told["count"]:
        raise OutOfStep("ledger_taken_over_already", f"{told['prefix']} 的账已经接管")
    tell_taken_over(work, told["prefix"], told["epoch"], source(work))


def tell_taken_over(work: Work, prefix: str, epoch: int, to: str) -> None:
    """Say who guards a prefix now."""
    work.tell(said.LedgerTakenOverV1, prefix, {"prefix": prefix, "epoch": epoch}, to=to)


def _take_over(work: Work, taken: Guard) -> None:
    """Every piece is in its place: from now on we rule."""
    moving.forget_pieces(work, taken.prefix)
    moving.extend_leases(work, taken.prefix, clock.iso(work.now + GRACE))
    ledger.save_guard(work, taken)


def row_of(work: Work, prefix: str, row: Json) -> dict[str, Any]:
    """A row of our ledger from another's: found by our own keys."""
    times = {"held": "reserved_at", "locked": "locked_at", "ended": "ended_at"}
    names = ("claim_id", "kind", "state", "holder", "case_id", "office", "until", "renewals", "reference", "issued")
    made = {name: row[name] for name in (*names, "doubted", "why", "subject")} | {"prefix": prefix}
    made |= {times[row["state"]]: row["at"]}
    if row["subject"] is None:
        return made
    key = subjects.key_of(work, row["kind"], row["subject"])
    return made | {"key_index": key.index, "twin_index": key.twin}


def _alias(work: Work, prefix: str, row: Json) -> dict[str, Any]:
    index = subjects.person_index(work, row["subject"])
    return {"document_index": index, "prefix": prefix} | {name: row[name] for name in ("subject", "canonical", "since")}


def note_taken_over(work: Work) -> None:
    """已接管: from now on whoever asks here is sent on, and our copy is gone. Denied `not_the_successor`; NotFound."""
    told = work.data(said.LedgerTakenOverV1)
    prefix = told["prefix"]
    lock_prefix(work, prefix)
    guard = ledger.find_guard(work, prefix)
    if guard is None:
        raise NotFound("prefix_not_ours", f"本节点不主管号段 {prefix}")
    handed = rules.taken_over(guard, subjects.listed(work, prefix), source(work), told["epoch"])
    ledger.save_guard(work, handed)
    _send_on(work, Authority(prefix, handed.successor, told["epoch"]))
    moving.forget_ledger(work, prefix)


def _send_on(work: Work, to: Authority) -> None:
    """Holders of reservations learn who rules now: its word that a lease has run out is to be believed."""
    for claim_id, holder, case_id in moving.list_held(work, to.prefix):
        data = {"claim_id": claim_id, "epoch": to.epoch, "prefix": to.prefix, "authority": to.node}
        work.tell(said.ClaimRedirectedV1, case_id, data, to=holder)
