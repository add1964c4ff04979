"""更正: what a record of this node says wrongly is put right by two clerks; what stood there before stays in its history."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from contracts import certificate as certificate_contracts
from contracts import claims as claims_contracts
from contracts import marriage as said
from contracts.envelope import Json
from services.marriage.rules import records
from services.marriage.rules.endings import Standing
from services.marriage.rules.records import ARCHIVES
from services.marriage.store import applications
from services.marriage.store import corrections as store
from services.marriage.store import records as held_store
from services.marriage.store.corrections import Kept
from services.marriage.store.records import Held
from services.marriage.usecases import case, desk, ending, reporting
from services.marriage.usecases.beginning import with_number
from shared import audit, clock, identity
from shared.directory import authority_row
from shared.errors import Denied, NotFound, OutOfStep, Refused, TongbanError
from shared.outbox import Work

NUMBER_STAYS = (
    "有效婚姻的证件号码是全国防止重复登记的依据,每次只更正一人,并须先办理证件关联。请核对公安机关的证明并随档留存:"
    "确为同一人换号、错号的,请管理员联系新号码的主管登记处,由两人把新号码关联到原号码,然后重新提出更正;"
    "新号码上已有占用、不能关联的,由该登记处核实;原号码属于另一个人的,不要关联,请按冒名登记移交核查"
)
CHANGED = (
    "这份登记在提出本项更正之后又作过更正,本项更正没有办理。请查看现在的登记内容;仍有错误的,"
    "请按现在的姓名和证件号码重新提出更正"
)


def correct_record(work: Work) -> None:
    """登记更正: keep what the clerk has before them. Refused `nothing_to_correct`, `number_not_correctable`."""
    actor, wish = work.data(said.CorrectRecordV1)["actor"], work.personal(said.CorrectRecordV1)
    office = desk.expect_power(work, actor, "不能更正婚姻登记")
    wish |= {name: [with_number(work, person) for person in wish[name]] for name in ("persons", "corrected")}
    held = ending.find(work, wish)
    wish["stood"] = _named(held)
    _corrected(work, held, wish)
    kept = Kept(case.id_of(work), held.marriage_id, office.code, "recorded", actor["id"], "", wish)
    if not store.add_correction(work, kept):
        raise OutOfStep("stale", "过时的消息")
    _note_look(work, held, kept, actor["id"], "correct_record")
    _tell(work, kept)


def confirm_correction(work: Work) -> None:
    """复核, by another clerk, and it is done. Denied `same_clerk`; OutOfStep `correction_confirmed`, `record_changed`."""
    asked, kept = work.data(said.ConfirmCorrectionV1), store.find_correction(work, case.id_of(work))
    desk.expect_power(work, asked["actor"], "不能更正婚姻登记")
    if kept is None:
        raise NotFound("correction_unknown", "没有这项更正,请核对编号")
    if kept.state not in ("recorded", "asking"):
        raise OutOfStep("correction_confirmed", "这项更正已经复核过,请刷新后查看")
    if asked["actor"]["id"] == kept.recorded_by:
        words = "登记和复核应当由两名工作人员分别办理,请另一名工作人员对照文书复核"
        raise Denied("same_clerk", words, basis=ARCHIVES, field="actor")
    held = held_store.find_held(work, kept.marriage_id)
    assert held is not None  # noqa: S101 - records are never deleted
    kept = dataclasses.replace(kept, confirmed_by=asked["actor"]["id"])
    _note_look(work, held, kept, kept.confirmed_by, "confirm_correction")
    if not asked["approve"]:
        _keep(work, kept, "rejected")
    elif moved := _moved(held, kept.wish):
        _ask_link(work, kept, moved, asked["actor"])
    else:
        _put_right(work, held, kept)
        _keep(work, kept, "corrected")


def _keep(work: Work, kept: Kept, state: str, text: str = "") -> None:
    now = dataclasses.replace(kept, state=state)
    store.save_correction(work, now)
    _tell(work, now, text)


# --- the number of a marriage that stands --------------------------------------------------------------------------------


def _new_persons(held: Held, wish: Mapping[str, Any]) -> list[Json]:
    """Both as they should stand, in the order in which they stand in the record. OutOfStep `record_changed`."""
    if not _is_as_it_stood(held, wish):
        raise OutOfStep("record_changed", CHANGED)
    by_number = {_document(it): new for it, new in zip(wish["persons"], wish["corrected"], strict=True)}
    return [by_number[_document(person)] for person in held.persons]


def _is_as_it_stood(held: Held, wish: Mapping[str, Any]) -> bool:
    """Whether no other correction came between: this one says all of both persons, so it would undo that one."""
    now = _named(held)
    same = {_document(it) for it in wish["persons"]} == {_document(it) for it in now}
    return same and wish["stood"] == now


def _named(held: Held) -> list[Json]:
    return [desk.named(person) for person in held.persons]


def _moved(held: Held, wish: Mapping[str, Any]) -> tuple[Json, Json] | None:
    """Who is locked under a number that is to be corrected: as they should stand, and as they stand."""
    if held.record.standing is not Standing.VALID:
        return None
    both = zip(_new_persons(held, wish), held.persons, strict=True)
    return next(((new, dict(old)) for new, old in both if _document(new) != _document(old)), None)


def _ask_link(work: Work, kept: Kept, moved: tuple[Json, Json], actor: Json) -> None:
    """Is the new number linked to the locked one? Its authority says; until then the record stays as it is."""
    subject, same_as = (desk.named(person) for person in moved)
    asked = {"purpose": "correct_data", "actor": actor}
    work.tell(claims_contracts.LookUpClaimsV1, kept.request_id, asked, {"subject": subject, "same_as": same_as})
    _keep(work, kept, "asking")


def note_linked(work: Work, kept: Kept, *, linked: bool) -> None:
    """关联情况: whoever asks for a claim on the new number is led to the lock, so the record may say it; or people must link.

    OutOfStep `stale` when it was answered, or the marriage has ended; Denied `not_the_authority`.
    """
    held = held_store.find_held(work, kept.marriage_id)
    if kept.state != "asking" or held is None:
        raise OutOfStep("stale", "过时的消息")
    if not _is_as_it_stood(held, kept.wish):
        _keep(work, kept, "rejected", CHANGED)
        return
    moved = _moved(held, kept.wish)
    if moved is None:
        raise OutOfStep("stale", "过时的消息")
    if linked and case.source(work) != _guard_of(work, moved[0]):
        raise Denied("not_the_authority", f"{case.source(work)} 不是新号码的主管登记处")
    if not linked:
        _keep(work, kept, "rejected", NUMBER_STAYS)
        return
    _put_right(work, held, kept)
    _keep(work, kept, "corrected")


def _guard_of(work: Work, person: Json) -> str:
    row = authority_row(person["id_type"], person["id_number"], work.node.directory.authorities)
    return str(row["node"])


def _facts(persons: list[Json]) -> dict[str, str]:
    """What a correction may change, before and after."""
    return {f"{name}_{place}": person[name] for place, person in enumerate(persons, 1) for name in desk.PLAIN}


def _corrected(work: Work, held: Held, wish: Json) -> tuple[records.Record, list[Json]]:
    """The record and its persons as they should stand, in the order in which they stand in it."""
    new = _new_persons(held, wish)
    _expect_numbers(work, held, new)
    before = dataclasses.replace(held.record, facts=_facts([dict(person) for person in held.persons]))
    persons = [dict(person) | desk.named(it) for person, it in zip(held.persons, new, strict=True)]
    return records.correct(before, _facts(persons), work.today, ending.document_of(wish)), persons


def _expect_numbers(work: Work, held: Held, new: list[Json]) -> None:
    """A number is what both are locked under, in the whole country.

    Refused `number_not_correctable` where that lock cannot be looked up, or is just being taken again; `same_person`.
    """
    changed = [it for old, it in zip(held.persons, new, strict=True) if _document(old) != _document(it)]
    if not changed:
        return
    standing = held.record.standing is Standing.VALID
    if (standing and not _may_be_linked(work, held, changed)) or held_store.is_coming_back(work, held.marriage_id):
        raise Refused("number_not_correctable", NUMBER_STAYS, basis=ARCHIVES, field="corrected")
    for person in changed:
        if person["id_type"] == "citizen":
            identity.citizen_number(person["id_number"], work.today)
    if len({case.person_index(work, person) for person in new}) < len(new):
        raise Refused("same_person", "两个当事人是同一证件号码,请核对后重新填写", field="corrected")


def _may_be_linked(work: Work, held: Held, changed: list[Json]) -> bool:
    """One number at a time, of people who are locked under a number that can be told from others."""
    try:
        for person in held.persons:
            identity.citizen_number(person["id_number"], work.today)
    except TongbanError:
        return False
    return [person["id_type"] for person in changed] == ["citizen"]


def _document(person: Mapping[str, Any]) -> tuple[str, str]:
    """What a person is locked under."""
    return person["id_type"], person["id_number"]


def _put_right(work: Work, held: Held, kept: Kept) -> None:
    record, persons = _corrected(work, held, dict(kept.wish))
    valid = record.standing is Standing.VALID
    reporting.save_record(work, held, record, live=valid)
    store.save_persons(work, held.marriage_id, persons)
    before, after = ([case.person_index(work, it) for it in both] for both in (held.persons, persons))
    if before != after:
        store.save_spouses(work, held.marriage_id, dict(zip(before, after, strict=True)))
    application = applications.find_application(work, held.marriage_id)
    if valid and application is not None:
        output = desk.matter_of(application).output
        holders = [desk.named(person) for person in persons]
        face = {"certificate_no": record.number, "persons": [{"name": person["name"]} for person in holders]}
        face |= {"registered_on": record.registered_on.isoformat(), "corrected_on": work.today.isoformat()}
        data = {"certificate_type": output["certificate_type"], "at": clock.iso(work.now)}
        stated = {"holders": holders, "face": face}
        work.tell(certificate_contracts.ReplaceCertificateV1, held.marriage_id, data, stated)


def _note_look(work: Work, held: Held, kept: Kept, actor: str, act: str) -> None:
    for person in held.persons:
        audit.record(
            work,
            actor=actor,
            office=kept.office,
            purpose="correct_data",
            act=act,
            subject=kept.request_id,
            person_index=case.person_index(work, person),
            fields=("marriage",),
        )


def _tell(work: Work, kept: Kept, text: str = "") -> None:
    work.tell(said.RecordCorrectedV1, kept.request_id, {"state": kept.state, "office": kept.office, "text": text})
