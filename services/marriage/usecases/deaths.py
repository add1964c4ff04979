"""Following the register of deaths: each of its lines has its effect here once, in the commit that moves on past it."""

from collections.abc import Collection

import structlog

from contracts.envelope import Json
from services.marriage.ports import DEATHS, DeathEntry
from services.marriage.rules import records
from services.marriage.store import deaths as store
from services.marriage.store import records as record_store
from services.marriage.store.deaths import Noted
from services.marriage.usecases import ending, restoring
from shared import clock
from shared.errors import OutOfStep
from shared.outbox import Work

log = structlog.get_logger()


def position(work: Work) -> int:
    """Up to where the register has been read."""
    return store.position_of(work, DEATHS)


def withdrawn_at_once(entries: Collection[DeathEntry]) -> frozenset[str]:
    """Lines that were withdrawn before we heard of them: nobody is widowed for a moment by them."""
    return frozenset(entry.withdraws for entry in entries if entry.withdraws)


def note_entry(work: Work, entry: DeathEntry, before: int, withdrawn: Collection[str]) -> None:
    """One line of the register, after those up to `before`. OutOfStep when it was noted already; Refused by the law."""
    _go_on(work, entry, before)
    if entry.entry_id in withdrawn:
        return
    if entry.withdraws:
        withdraw_death(work, entry)
    else:
        _note_death(work, entry)


def note_refused(work: Work, entry: DeathEntry, before: int, why: str) -> None:
    """A line that the law of records does not let happen: kept with its code for a person, and the register goes on."""
    _go_on(work, entry, before)
    store.add_noted(work, Noted(entry.entry_id, why=why))
    log.warning("death_not_noted", entry=entry.entry_id, why=why)


def _go_on(work: Work, entry: DeathEntry, before: int) -> None:
    if not store.go_on(work, DEATHS, before, entry.position):
        raise OutOfStep("stale", "过时的消息")


def _note_death(work: Work, entry: DeathEntry) -> None:
    told: Json = {"person": dict(entry.person), "on": entry.on, "document": dict(entry.document)}
    held = ending.end_by_death(work, clock.new_id(), DEATHS, told)
    if held is not None:
        store.add_noted(work, Noted(entry.entry_id, held.marriage_id, held.record.version))


def withdraw_death(work: Work, entry: DeathEntry) -> None:
    """误报撤销: the marriage that the withdrawn line ended is to come back, unless it came back or ended otherwise."""
    noted = store.find_noted(work, entry.withdraws)
    held = record_store.find_held(work, noted.marriage_id) if noted else None
    if noted is None or held is None or not records.still_ended_by(held.record, noted.version):
        return
    request = clock.new_id()
    wish: Json = {"on": entry.on, "document": dict(entry.document), "declined": False}
    record = records.restore(held.record, restoring.reappearance(wish, remarried=False))
    ending.record_look(work, request, DEATHS, "withdraw_death", [dict(person) for person in held.persons])
    restoring.bring_back(work, request, held, wish, record)
