"""Marriage's doors: which message leads to which verb, and when the registries outside are asked."""

import datetime
from collections.abc import Callable, Mapping
from functools import partial

import structlog

from contracts import claims, intake, marriage
from contracts.envelope import Contract, Message, read_data
from services.marriage import ports
from services.marriage.ports import DeathEntry, DeathRegister, NationalMarriageRegistry, RegistryUnavailable
from services.marriage.rules.eligibility import Standing
from services.marriage.store import applications as store
from services.marriage.store import divorces, records, reports
from services.marriage.usecases import (
    cooling,
    correcting,
    deaths,
    dissolving,
    divorcing,
    ending,
    examining,
    hearing,
    holding,
    looking_up,
    recording,
    registering,
    reporting,
    restoring,
)
from shared import clock
from shared.bus import Doors, one_by_one
from shared.errors import OutOfStep, Refused
from shared.outbox import Work, Works

WAKE_SECONDS = 30
DAYS_SECONDS = 300
ASK_AGAIN_SECONDS = 60
BATCH = 50
IN_FLIGHT = datetime.timedelta(minutes=1)  # so long a report may still be under way
DEATHS_AT_ONCE = 500
log = structlog.get_logger()

VERBS: Mapping[type[Contract], Callable[[Work], None]] = {
    intake.ApplicationAcceptedV1: hearing.begin,
    intake.ApplicationWithdrawnV1: hearing.drop,
    marriage.ExamineApplicationV1: examining.examine_application,
    marriage.ReserveAgainV1: hearing.reserve_again,
    **{answer: partial(hearing.note_answer, contract=answer) for answer in hearing.ANSWERS},
    claims.ActRefusedV1: hearing.note_unasked,
    claims.ClaimsFoundV1: hearing.note_linked,
    marriage.ExamineDivorceV1: divorcing.examine_divorce,
    marriage.WithdrawDivorceV1: divorcing.withdraw_divorce,
    marriage.RegisterDivorceV1: dissolving.register_divorce,
    marriage.LookUpMarriageV1: ending.look_up_marriage,
    marriage.EndMarriageV1: ending.end_marriage,
    marriage.NoteDeathV1: ending.note_death,
    marriage.NoteReissueV1: ending.note_reissue,
    marriage.WithdrawEndingV1: restoring.withdraw_ending,
    marriage.RecordEndingV1: recording.record_ending,
    marriage.ConfirmEndingV1: recording.confirm_ending,
    marriage.CorrectRecordV1: correcting.correct_record,
    marriage.ConfirmCorrectionV1: correcting.confirm_correction,
    marriage.NoteSupersededV1: hearing.note_superseded,
    marriage.MarriageFoundV1: hearing.note_found,
    marriage.MarriageEndedV1: hearing.note_ended,
    marriage.EndingRefusedV1: hearing.note_refused,
    marriage.EndingWithdrawnV1: hearing.note_back,
}


def doors(registry: NationalMarriageRegistry, register: DeathRegister) -> Doors:
    """All ways into marriage; `registry` is the ministry's, `register` the one of deaths."""
    entrance = Doors("marriage")
    for contract, verb in VERBS.items():
        entrance.listen(contract)(verb)

    def ask(works: Works, message: Message) -> tuple[Standing | None, ...]:
        with works.begin() as work:  # on record before anybody is asked, whatever becomes of the message
            persons = registering.begin_look(
                work, message.subject, read_data(marriage.RegisterMarriageV1, message.data, message.checked)
            )
        return ports.look(registry, persons)

    entrance.listen(marriage.RegisterMarriageV1, ask=ask)(hearing.register)
    entrance.listen(marriage.ReportRecordV1, ask=lambda works, it: send(works, it.subject, registry))(
        reporting.note_report
    )
    entrance.listen(marriage.RestoreMarriageV1, ask=lambda works, it: ask_remarried(works, it, registry))(
        restoring.restore_marriage
    )
    entrance.listen(marriage.LookUpRecordsV1, ask=lambda works, it: ask_records(works, it, registry))(
        looking_up.look_up_records
    )
    _set_timers(entrance, registry)

    @entrance.every(ASK_AGAIN_SECONDS)
    def ask_deaths(works: Works) -> None:
        follow_deaths(works, register)

    return entrance


def ask_remarried(
    works: Works, message: Message, registry: NationalMarriageRegistry
) -> tuple[ports.MaritalStatus | None, ...]:
    """What the national registry says of both whose marriage is to come back; on record before it is asked."""
    with works.begin(message) as work:
        attempt = read_data(marriage.RestoreMarriageV1, message.data)["attempt"]
        persons = restoring.begin_look(work, message.subject, attempt)
    return tuple(ports.find_status(registry, person) for person in persons)


def ask_records(works: Works, message: Message, registry: NationalMarriageRegistry) -> ports.MaritalStatus | None:
    """What the national registry says of the person, where that is wanted and lawful; on record before it is asked."""
    with works.begin(message) as work:
        person = looking_up.begin_look(work)
    return ports.find_status(registry, person) if person else None


def _set_timers(entrance: Doors, registry: NationalMarriageRegistry) -> None:
    entrance.every(WAKE_SECONDS)(wake_applications)
    entrance.every(ASK_AGAIN_SECONDS)(renew_leases)
    entrance.every(DAYS_SECONDS)(turn_days)
    entrance.every(ASK_AGAIN_SECONDS)(restore_again)

    @entrance.every(ASK_AGAIN_SECONDS)
    def ask_registry_again(works: Works) -> None:
        with works.begin() as work:
            waiting = store.list_uncleared(work, BATCH)
        one_by_one(waiting, lambda case_id: ask_again(works, case_id, registry))

    @entrance.every(ASK_AGAIN_SECONDS)
    def report_again(works: Works) -> None:
        with works.begin() as work:
            unsent = reports.list_unsent(work, work.now - IN_FLIGHT, BATCH)
        one_by_one(unsent, lambda marriage_id: report(works, marriage_id, registry))


def wake_applications(works: Works) -> None:
    """Go on with every application whose time has come: see usecases.holding.wake."""
    with works.begin() as work:
        due = store.list_due(work, clock.iso(work.now), BATCH)
    one_by_one(due, lambda case_id: _in_one(works, lambda work: holding.wake(work, case_id)))


def turn_days(works: Works) -> None:
    """Go on with every divorce of which the day has made something: see usecases.cooling.wake."""
    with works.begin() as work:
        due = divorces.list_due(work, work.today, BATCH)
    one_by_one(due, lambda case_id: _in_one(works, lambda work: cooling.wake(work, case_id)))


def restore_again(works: Works) -> None:
    """Try again to bring back every marriage that waits for it: see usecases.restoring.reserve_again."""
    with works.begin() as work:
        waiting = records.list_waiting(work, BATCH)
    one_by_one(waiting, lambda request: _in_one(works, lambda work: restoring.reserve_again(work, request)))


def renew_leases(works: Works) -> None:
    """Renew, once, every reservation that is about to run out while its couple waits."""
    with works.begin() as work:
        due = store.list_running_out(work, clock.iso(work.now + holding.RENEW_BEFORE), BATCH)
    one_by_one(due, lambda case_id: _in_one(works, lambda work: holding.renew(work, case_id)))


def _in_one(works: Works, act: Callable[[Work], None]) -> None:
    with works.begin() as work:
        act(work)


def follow_deaths(works: Works, register: DeathRegister) -> None:
    """Note the next lines of the register of deaths, one after the other; what fails is tried again at the next round."""
    with works.begin() as work:
        before = deaths.position(work)
    entries = ports.find_deaths(register, before, DEATHS_AT_ONCE)
    withdrawn = deaths.withdrawn_at_once(entries)
    for entry in entries:
        try:
            _note_entry(works, entry, before, withdrawn)
        except OutOfStep:  # another process is at it
            return
        before = entry.position


def _note_entry(works: Works, entry: DeathEntry, before: int, withdrawn: frozenset[str]) -> None:
    try:
        _in_one(works, lambda work: deaths.note_entry(work, entry, before, withdrawn))
    except Refused as error:
        why = error.code
        _in_one(works, lambda work: deaths.note_refused(work, entry, before, why))


def ask_again(works: Works, case_id: str, registry: NationalMarriageRegistry) -> None:
    """Ask the registry once more for a case whose registrar has signed; never while a transaction is open."""
    with works.begin() as work:
        attempt, persons = registering.begin_look_again(work, case_id)
    answers = ports.look(registry, persons)
    if any(answers):
        with works.begin() as work:
            registering.note_answers(work, case_id, attempt, answers)


def report(works: Works, marriage_id: str, registry: NationalMarriageRegistry) -> None:
    """Report, one after the other, what of a record has not certainly arrived, as long as the registry takes it."""
    while version := send(works, marriage_id, registry):
        with works.begin() as work:
            reporting.note_sent(work, marriage_id, version)


def send(works: Works, marriage_id: str, registry: NationalMarriageRegistry) -> int | None:
    """Report the first change of a record that has not certainly arrived; its version if the registry has it now.

    What may have arrived is looked for first, never sent blindly again; what comes after it waits until it is there.
    """
    with works.begin() as work:
        due = reporting.begin_report(work, marriage_id)
    if due is None:
        return None
    try:
        arrived = due.asked_before and registry.find_report(due.key)
    except RegistryUnavailable as error:
        log.warning("registry_unavailable", registry=ports.NAME, why=str(error))
        return None
    taken = arrived or registry.report(due.key, due.change, due.record) == ports.ACCEPTED
    return due.version if taken else None
