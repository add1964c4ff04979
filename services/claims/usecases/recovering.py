"""恢复: a restored authority grants nothing before every holder of the directory has said again what it holds."""

import datetime
from typing import Any

import structlog

from contracts import claims as said
from contracts.envelope import Json
from services.claims.rules import guard as guards
from services.claims.rules import ledger as rules
from services.claims.rules import recovery
from services.claims.rules.guard import Duty, Guard
from services.claims.rules.ledger import Claim, State
from services.claims.store import aliases, ledger, moving, restating
from services.claims.store.ledger import Entry
from services.claims.store.restating import Asked
from services.claims.usecases import subjects
from services.claims.usecases.guarding import lock_prefix, source
from services.claims.usecases.handing import GRACE, forget_arriving, row_of
from shared import clock
from shared.errors import Denied, OutOfStep, Refused
from shared.outbox import Work

ASK_AGAIN = datetime.timedelta(hours=1)
log = structlog.get_logger()


def list_prefixes(work: Work) -> list[str]:
    """Every prefix this node guards, by its own record or the directory's."""
    ours = {guard.prefix for guard in ledger.list_guards(work)}
    named = {row["prefix"] for row in work.node.directory.authorities if row["node"] == work.node.code}
    return sorted(ours | named)


def recover(work: Work, prefix: str) -> None:
    """恢复: grant nothing of a prefix, and ask every node of the directory; again: ask all of them anew.

    Refused `directory_stale`: an old directory may not know everybody who holds a claim. OutOfStep for what is handed
    over, or about to be.
    """
    if work.node.directory.is_stale(work.now):
        raise Refused("directory_stale", "节点目录已超过一天未更新,请先让交换服务取得新目录,再恢复")
    lock_prefix(work, prefix)
    known = ledger.find_guard(work, prefix)
    guard = guards.begin_recovery(known, subjects.listed(work, prefix), work.node.code)
    forget_arriving(work, prefix, known)
    ledger.save_guard(work, guard)
    moving.forget_pieces(work, prefix)
    _ask(work, guard, restating.begin_round(work, prefix), set(work.node.directory.nodes))


def _ask(work: Work, guard: Guard, round_id: str, nodes: set[str]) -> None:
    restating.add_asked(work, guard.prefix, round_id, sorted(nodes))
    for node in sorted(nodes):
        data = {"prefix": guard.prefix, "round": round_id, "epoch": guard.epoch}
        work.tell(said.RestateClaimsV1, guard.prefix, data, to=node)


def hear_restated(work: Work) -> None:
    """One piece of what a holder has. OutOfStep for an earlier round; Denied for another's claim."""
    told = work.data(said.ClaimsRestatedV1)
    prefix, round_id = told["prefix"], told["round"]
    lock_prefix(work, prefix)
    guard, asked = ledger.find_guard(work, prefix), restating.list_asked(work, prefix).get(source(work))
    if guard is None or guard.duty is not Duty.RECOVERING or asked is None or asked.round != round_id:
        raise OutOfStep("stale", "过时的消息")
    for row in work.personal(said.ClaimsRestatedV1)["rows"]:
        row |= {"holder": source(work)}
        _hear_locked(work, prefix, round_id, row) if row["state"] == "locked" else _hear_ended(work, prefix, row)
    if _is_whole(work, prefix, told):
        restating.set_answered(work, prefix, source(work))
        finish(work, prefix)


def _is_whole(work: Work, prefix: str, told: Json) -> bool:
    """Whether this piece makes an answer whole; those to one question fit together, those to two perhaps not."""
    assert work.cause is not None  # noqa: S101 - every door brings a message
    batch = (prefix, work.cause.causation, source(work))
    return moving.keep_piece(work, batch, told["number"], told["count"]) and moving.is_whole(work, batch, told["count"])


def _hear_ended(work: Work, prefix: str, row: Json) -> None:
    _, entry = ledger.find_claim(work, row["claim_id"], prefix)
    live = entry.live if entry else None
    rules.release(live, row["claim_id"], row["holder"])
    if live is not None:
        ledger.end_claim(work, live, row["why"] or rules.ENDED)
    elif entry is None:
        names = ("claim_id", "holder", "case_id", "kind")
        ledger.bury_claim(work, {name: row[name] for name in names} | {"prefix": prefix}, row["why"] or rules.ENDED)


def _hear_locked(work: Work, prefix: str, round_id: str, row: Json) -> None:
    """A locked claim: added, or raised to locked, in the place of whatever the copy has on its key."""
    made = row_of(work, prefix, row)
    _, found = ledger.find_on_key(work, prefix, made["key_index"], "", row["claim_id"])
    entry = next((it for it in found if it.claim_id == row["claim_id"]), None)
    on_key = next((it for it in found if it.live and it.key_index == made["key_index"]), None)
    _expect_holder(entry, row["holder"])
    restated = Claim(row["claim_id"], row["holder"], State.LOCKED, work.now, row["renewals"], row["issued"])
    ended, heard = entry is not None and entry.live is None, on_key is not None and on_key.restated == round_id
    ruling = recovery.hear_locked(on_key.live if on_key else None, restated, ended=ended, heard=heard)
    if why := recovery.doubt_of(ruling, entry.why if entry and ended else ""):
        _list(work, [made], why, on_key.claim_id if on_key else "")
    elif ruling.live == restated:
        if on_key and on_key.live and ruling.ended:
            ledger.end_claim(work, on_key.live, recovery.REPLACED)
        _lock(work, entry, restated, made, round_id)
        _doubt_link(work, made)


def _doubt_link(work: Work, made: dict[str, Any]) -> None:
    """A link that was removed after the copy, or is wrong: whoever asks is not led past this lock, and people look."""
    if aliases.find_canonical(work, subjects.person_index(work, made["subject"])):
        _list(work, [made], recovery.LINKED_LIVE)


def _expect_holder(entry: Entry | None, holder: str) -> None:
    if entry is not None and entry.holder != holder:
        raise Denied("claim_of_another", "这个占用不是该节点的")


def _lock(work: Work, entry: Entry | None, restated: Claim, made: dict[str, Any], round_id: str) -> None:
    since = made["locked_at"]
    if entry is None:
        ledger.add_claim(work, restated, made)
    elif entry.live and entry.live.state is State.LOCKED:
        since = entry.since
    ledger.save_claim(work, restated, locked_at=since, restated=round_id, reference=made["reference"])


def _list(work: Work, rows: list[dict[str, Any]], why: str, other: str = "") -> None:
    """Two people look; loudly, for a person may be registered twice."""
    names = ("claim_id", "prefix", "kind", "holder", "office")
    restating.add_conflicts(work, [{name: row[name] for name in names} for row in rows], why, other)
    for row in rows:
        log.error("claim_conflict", claim=row["claim_id"], holder=row["holder"], why=why)


def finish(work: Work, prefix: str) -> None:
    """恢复完成, once every node of a directory that is not old has answered; newcomers are asked, the silent again.

    A peer whose directory was old could not believe us; nobody would ask it but an operator.
    """
    lock_prefix(work, prefix)
    guard, listed = ledger.find_guard(work, prefix), subjects.listed(work, prefix)
    asked = restating.list_asked(work, prefix)
    if guard is None or guard.duty is not Duty.RECOVERING or work.node.directory.is_stale(work.now) or not asked:
        return
    nodes, round_id = set(work.node.directory.nodes), next(iter(asked.values())).round
    if silent := {node for node in nodes if _is_to_be_asked(work, asked.get(node))}:
        _ask(work, guard, round_id, silent)
    elif all(asked[node].answered for node in nodes) and guards.is_named(guard, listed, work.node.code):
        assert listed is not None  # noqa: S101 - it names us
        _list(work, restating.list_not_restated(work, prefix, round_id), recovery.NOT_RESTATED)
        moving.forget_pieces(work, prefix)
        restating.end_round(work, prefix)
        moving.extend_leases(work, prefix, clock.iso(work.now + GRACE))
        ledger.save_guard(work, guards.recovered(guard, listed, work.node.code))
        log.info("claims_recovered", prefix=prefix, epoch=guard.epoch)


def _is_to_be_asked(work: Work, asked: Asked | None) -> bool:
    return asked is None or (not asked.answered and clock.instant(asked.at) + ASK_AGAIN <= work.now)
