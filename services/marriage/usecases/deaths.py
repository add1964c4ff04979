"""Following the register of deaths: each of its lines has its effect here once, in the commit that moves on past it."""

from collections.abc import Collection

import structlog

from contracts.envelope import Json
from services.marriage.ports import DEATHS, DeathEntry
from services.marriage.rules import records
from services.marriage.rules.endings import Standing
from services.marriage.rules.registration import OPEN
from services.marriage.store import applications
from services.marriage.store import deaths as store
from services.marriage.store import records as record_store
from services.marriage.store.deaths import Noted
from services.marriage.store.records import Held
from services.marriage.usecases import beginning, case, ending, restoring
from services.marriage.usecases.beginning import with_number
from shared import clock
from shared.errors import OutOfStep
from shared.outbox import Work

log = structlog.get_logger()
DIED = "死亡登记显示一方已死亡,结婚登记申请终止。登记有误的,请先向公安机关申请撤销该死亡登记,再重新申请"


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
    store.withdraw_noted(work, entry.withdraws)  # nobody died, though nothing could come back
    store.add_noted(work, Noted(entry.entry_id, why=why))
    log.warning("death_not_noted", entry=entry.entry_id, why=why)


def _go_on(work: Work, entry: DeathEntry, before: int) -> None:
    if not store.go_on(work, DEATHS, before, entry.position):
        raise OutOfStep("stale", "过时的消息")


def _note_death(work: Work, entry: DeathEntry) -> None:
    """An application ends, and so does the living marriage; what a death had ended stays so while this line stands.

    Applications first: one that is being registered just now is waited for, and found as a marriage then.
    """
    told: Json = {"person": dict(entry.person), "on": entry.on, "document": dict(entry.document)}
    person = case.person_index(work, with_number(work, told["person"]))
    _drop_applications(work, person, told)
    ended = ending.end_by_death(work, clock.new_id(), DEATHS, told)
    for held in record_store.list_of_person(work, person):
        if held.record.standing is not Standing.ENDED_BY_DEATH:
            continue
        if ended is None:
            ending.record_look(work, held.marriage_id, DEATHS, "note_death", [told["person"]])
        now = ended is not None and ended.marriage_id == held.marriage_id
        version = held.record.version if now else _ended_by_the_register(work, held)
        store.add_noted(work, Noted(entry.entry_id, held.marriage_id, version))


def _drop_applications(work: Work, person: str, told: Json) -> None:
    """Also one that a registrar has signed: the national registry may answer after the death."""
    for case_id, personal in applications.list_open(work):
        if person in {case.person_index(work, one) for one in case.persons_of(personal)}:
            kept = applications.find_application(work, case_id)
            if kept and kept.registration.state in OPEN:
                ending.record_look(work, case_id, DEATHS, "note_death", [told["person"]])
                beginning.drop(work, kept, DIED)


def _ended_by_the_register(work: Work, held: Held) -> int:
    """The version by which a line before this one has ended the marriage; 0 where a clerk has."""
    versions = {noted.version for noted in store.list_noted(work, held.marriage_id)}
    return max((one for one in versions if records.still_ended_by(held.record, one)), default=0)


def withdraw_death(work: Work, entry: DeathEntry) -> None:
    """误报撤销: with the last line by which one of them was dead a marriage comes back that the register has ended."""
    for noted in store.withdraw_noted(work, entry.withdraws):
        held = record_store.find_held(work, noted.marriage_id)
        if held is None or not records.still_ended_by(held.record, noted.version):
            continue
        if not store.is_anybody_dead(work, held.marriage_id) and not record_store.is_coming_back(
            work, held.marriage_id
        ):
            _bring_back(work, entry, held)


def _bring_back(work: Work, entry: DeathEntry, held: Held) -> None:
    request = clock.new_id()
    wish: Json = {"on": entry.on, "document": dict(entry.document), "declined": False}
    record = records.restore(held.record, restoring.reappearance(wish, remarried=False))
    ending.record_look(work, request, DEATHS, "withdraw_death", [dict(person) for person in held.persons])
    restoring.bring_back(work, request, held, wish, record)
