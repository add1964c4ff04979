"""The holder's side: marriages on record here are looked up and ended, and by nobody else (ADR 0018)."""

import dataclasses
import datetime
from collections.abc import Iterable

from contracts import certificate as certificate_contracts
from contracts import claims as claims_contracts
from contracts import marriage as said
from contracts.envelope import Contract, Json
from services.marriage.rules import records
from services.marriage.rules.endings import LAWS, Ground, Standing
from services.marriage.rules.records import Ending, Record
from services.marriage.store import applications
from services.marriage.store import records as store
from services.marriage.store.records import Held
from services.marriage.usecases import case, copying, desk, divorce_records, pointing, reporting
from services.marriage.usecases.beginning import with_number
from shared import audit, clock
from shared.errors import NotFound, OutOfStep, Refused, TongbanError
from shared.outbox import Work


def find(work: Work, couple: Json, marriage_id: str = "") -> Held:
    """The marriage of these two under that number, the first or a later one; locked. NotFound `marriage_unknown`.

    `marriage_id`: both were found by it before, and the numbers of either may have been corrected since.
    """
    persons = {case.person_index(work, with_number(work, person)) for person in couple["persons"]}
    found = store.list_of_persons(work, persons) if len(persons) == len(case.ROLES) else []
    if marriage_id and not found:
        looked_up = store.find_held(work, marriage_id)
        found = [looked_up] if looked_up else []
    for held in found:
        if couple["certificate_no"].strip() in (held.record.number, *held.record.certificates):
            return held
    words = "登记地没有双方与此证字号一致的婚姻登记,请对照结婚证核对证字号、双方姓名和证件号码"
    raise NotFound("marriage_unknown", words, basis=records.ARCHIVES)


# --- 查核 ------------------------------------------------------------------------------------------------------------


def look_up_marriage(work: Work) -> None:
    """查核: what stands on record of a marriage, or of a divorce by its own number; who asked about a living one hears of its end."""
    asked, couple = work.data(said.LookUpMarriageV1), work.personal(said.LookUpMarriageV1)
    record_look(work, case.id_of(work), asked["office"]["code"], "look_up_marriage", couple["persons"])
    try:
        held = find(work, couple)
    except NotFound:
        found = divorce_records.look_up(work, couple)
        found |= {} if found["found"] else pointing.find_pointer(work, couple)
    else:
        store.keep_watcher(work, held.marriage_id, case.id_of(work), case.source(work))
        found = _found(held.record) | {"marriage": held.marriage_id}
    work.tell(said.MarriageFoundV1, case.id_of(work), {}, found, to=case.source(work))


def _found(record: Record) -> Json:
    words = f"该婚姻已经{LAWS[record.ground].name}" if record.ground else ""
    plain = {"found": True, "certificate_no": record.number, "standing": str(record.standing), "words": words}
    return plain | {"registered_on": record.registered_on.isoformat()}


def record_look(work: Work, request: str, office: str, act: str, persons: Iterable[Json]) -> None:
    """Put on record who looked at the marriages of these persons, for which request and act."""
    for person in persons:
        audit.record(
            work,
            actor=case.source(work),
            office=office,
            purpose="end_of_marriage",
            act=act,
            subject=request,
            person_index=case.person_index(work, with_number(work, person)),
            fields=("marriage",),
        )


def note_reissue(work: Work) -> None:
    """记录补领, of a marriage or a divorce. OutOfStep when it is noted, or the marriage has ended: whoever gave it out hears of that by itself."""
    asked, told = work.data(said.NoteReissueV1), work.personal(said.NoteReissueV1)
    record_look(work, case.id_of(work), asked["office"]["code"], "note_reissue", told["persons"])
    if told["reissued_as"].startswith("BL"):
        divorce_records.note_reissue(work, told)
        return
    held = find(work, told, asked["marriage"])
    if told["reissued_as"] in held.record.certificates:
        raise OutOfStep("stale", "过时的消息")
    try:
        record = records.reissue(held.record, told["reissued_as"], datetime.date.fromisoformat(told["on"]))
    except Refused as error:
        raise OutOfStep(error.code, error.message) from error
    reporting.save_record(work, held, record, live=True)


# --- 终止 ------------------------------------------------------------------------------------------------------------


def end_marriage(work: Work) -> None:
    """终止, in this one transaction: the record, whose spouses they are, the claims, the certificate; or the refusal.

    The same request again is answered again, and nothing happens.
    """
    asked, wish, request = work.data(said.EndMarriageV1), work.personal(said.EndMarriageV1), case.id_of(work)
    work.lock(f"ending/{request}")
    done = store.find_held(work, store.find_ended(work, request))
    if done:
        tell_ended(work, done, [(request, case.source(work))], request)
        return
    record_look(work, request, asked["office"]["code"], "end_marriage", wish["persons"])
    held = None
    try:
        held = find(work, wish, asked["marriage"])
        record = records.end(held.record, _ending(work, wish), work.today)
    except TongbanError as error:
        refuse(work, error, wish, held.record.ended_on if held else None)
    else:
        end(work, held, record, request)


def _ending(work: Work, wish: Json) -> Ending:
    """A registered divorce ends the marriage on our day: before, while we were away, nothing was registered (1080)."""
    ground = Ground(wish["ground"])
    on = work.today if ground is Ground.DIVORCE_REGISTERED else datetime.date.fromisoformat(wish["on"])
    return Ending(ground, on, document_of(wish))


def document_of(wish: Json) -> str:
    """The document of a wish as it is named in the record's history."""
    paper = wish["document"]
    return " ".join((paper["issuer"], paper["kind"], paper["number"], paper["on"]))


def refuse(work: Work, error: TongbanError, couple: Json, ended_on: datetime.date | None = None) -> None:
    """Tell whoever asked why nothing was ended or restored, or where to ask instead."""
    day = ended_on.isoformat() if ended_on else ""
    pointer = pointing.find_pointer(work, couple) if isinstance(error, NotFound) else {}
    why = {"code": error.code, "message": error.message, "basis": error.basis, "ended_on": day}
    work.tell(said.EndingRefusedV1, case.id_of(work), {}, why | pointer, to=case.source(work))


def end(work: Work, held: Held, record: Record, request: str) -> None:
    """The marriage has ended as `record` says; both are free again."""
    reporting.save_record(work, held, record, live=False)
    store.keep_ending(work, request, held.marriage_id, case.source(work))
    if held.attempt:
        mine = {"attempt": held.attempt, "asked_by": case.US, "why": "marriage_ended"}
        work.tell(claims_contracts.ReleaseClaimsV1, held.claims_case, mine)
    tell_certificate(work, held, certificate_contracts.RevokeCertificateV1)
    everybody = dict.fromkeys([(request, case.source(work)), *store.list_watchers(work, held.marriage_id)])
    if work.node.code not in {node for _, node in everybody}:
        everybody[held.marriage_id, work.node.code] = None  # this city hears of it, too
    tell_ended(work, dataclasses.replace(held, record=record), everybody, request)
    if record.ground is not Ground.DIVORCE_REGISTERED and record.ended_on:  # of a divorce its own city copies
        copying.copy_status(work, "marriage_ended", request, held.persons, record.ended_on)


def tell_certificate(work: Work, held: Held, contract: type[Contract]) -> None:
    """A new status of the certificate of a marriage that was registered here; old books have none."""
    kept = applications.find_application(work, held.marriage_id)
    if kept is not None:
        data = {"certificate_type": desk.matter_of(kept).output["certificate_type"], "at": clock.iso(work.now)}
        work.tell(contract, held.marriage_id, data)


def couple_of(held: Held) -> Json:
    """Both persons and the number, as contracts.marriage_parts.Couple."""
    persons = [desk.named(person) for person in held.persons]
    return {"certificate_no": held.record.number, "persons": persons}


def tell_ended(work: Work, held: Held, to: Iterable[tuple[str, str]], request: str) -> None:
    """Tell each of `to` (subject, node) that `request` has ended the marriage.

    Why it ended is told to whoever asked for it and in this city: of others the case may be long over.
    """
    record = held.record
    since = record.ended_on.isoformat() if record.ended_on else ""
    data, sealed = {"marriage": held.marriage_id, "request": request}, couple_of(held) | {"on": since}
    for subject, node in to:
        ground = str(record.ground or "") if subject == request or node == work.node.code else ""
        work.tell(said.MarriageEndedV1, subject, data, sealed | {"ground": ground}, to=node)


# --- 死亡通报 --------------------------------------------------------------------------------------------------------


def note_death(work: Work) -> None:
    """死亡通报: the living marriage of that person, if it is held here, ends. OutOfStep when there is none."""
    told = work.personal(said.NoteDeathV1)
    if end_by_death(work, case.id_of(work), work.data(said.NoteDeathV1)["source"], told) is None:
        raise OutOfStep("no_living_marriage", "本地没有此人的有效婚姻登记,不需要注销")


def end_by_death(work: Work, request: str, register: str, told: Json) -> Held | None:
    """The marriage that ends because `register` says that somebody died (contracts.marriage_parts.Death); or None.

    Refused as `records.end`.
    """
    index = case.person_index(work, with_number(work, told["person"]))
    living = [held for held in store.list_of_persons(work, [index]) if held.record.standing is Standing.VALID]
    if not living:
        return None
    record_look(work, request, register, "note_death", [told["person"]])
    ending = Ending(Ground.DEATH, datetime.date.fromisoformat(told["on"]), document_of(told))
    record = records.end(living[0].record, ending, work.today)
    end(work, living[0], record, request)
    return dataclasses.replace(living[0], record=record)
