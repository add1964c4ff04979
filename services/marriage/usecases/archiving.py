"""补录: lines of old books come on record; a living marriage among them only once both persons are locked for it."""

import dataclasses
import datetime
import json
from collections.abc import Iterable

from contracts import claims as claims_contracts
from contracts.envelope import Json
from services.marriage.rules.archives import NUMBER_TAKEN, State
from services.marriage.rules.endings import Standing
from services.marriage.rules.records import ARCHIVES
from services.marriage.store import archives as store
from services.marriage.store import marriages
from services.marriage.store import records as held_store
from services.marriage.store.archives import Entry, Line
from services.marriage.usecases import archive_lines, case
from services.marriage.usecases.deciding import office_ref
from shared import audit, clock, identity
from shared.crypto.sealing import blind_index
from shared.errors import OutOfStep, Refused
from shared.outbox import Work

MARRIED_HERE, DIVORCED_LATER, STILL_VALID, CANNOT_ASK = "married_here", "divorced_later", "still_valid", "cannot_ask"
FARTHEST = 1000  # a serial that far beyond the last one known is a slip of the pen
WHY = {  # why two people must look -> in plain words
    MARRIED_HERE: "一方在本地另有有效的婚姻登记",
    DIVORCED_LATER: "双方在此之后另有离婚登记",
    STILL_VALID: "双方的结婚登记在本地仍为有效",
    NUMBER_TAKEN: "这个证字号在本地已是另一条登记记录的:号码抄错的作废后改正重新导入,确属重号的按重号录入(repeated)",
    CANNOT_ASK: "无法向主管登记处申请占用,请查看证件种类和号码",
    claims_contracts.HELD_ELSEWHERE: "一方正在别处办理结婚登记",
    claims_contracts.LOCKED_ELSEWHERE: "一方在别处另有有效的婚姻登记",
    claims_contracts.ENDED: "占用已失效,可以重新申请",
}


def enter_line(work: Work, line: Line, by: str) -> Entry | None:
    """The line on its way; None when it is there already.

    Refused `number_on_record` when it is registered here already, `entered_differently` when the same number is there
    with other content, `serial_far_ahead`.
    """
    entry = Entry(clock.new_id(), line, State.ASKED, by, _line_index(work, line))
    known = store.add_entry(work, entry)
    if known is not None:
        if known.line_index != entry.line_index:
            words = "同一机构的这个证字号已按不同内容录入;录入有误的,请办理更正,不要重复导入"
            raise Refused("entered_differently", words, basis=ARCHIVES, field="certificate_no")
        return None
    store.cover_year(work, line.office, line.registered_on.year, by)
    if line.kind == "marriage":
        _expect_new_number(work, entry)
    _count(work, line)
    note_look(work, entry, by, "enter_archive_line")
    return go_on(work, entry)


def _line_index(work: Work, line: Line) -> str:
    """By which the same line is known again, whoever enters it."""
    said = [line.kind, line.registered_on.isoformat(), line.content["persons"], line.content["ended"]]
    return blind_index(work.node.keys, "archive", json.dumps(said, ensure_ascii=False, sort_keys=True))


def _expect_new_number(work: Work, entry: Entry) -> None:
    """Of a registration that is here already. Another couple's with the same number is for two people to judge."""
    parts = archive_lines.number_of(entry.line)  # an old book's number can only come twice as a line: archives_one_line
    if not (parts and parts.kind == "J" and store.is_serial_taken(work, parts.division, parts.year, parts.serial)):
        return
    theirs = held_store.list_of_persons(work, set(_indexes(work, entry)))
    known = any(held.record.number == entry.line.number for held in theirs)
    if known or _place(work, entry.line)["serial"] is None:
        words = "这个证字号在本系统中已有登记记录,不用补录;确为另一段婚姻的,请对照档案核对证字号"
        raise Refused("number_on_record", words, basis=ARCHIVES, field="certificate_no")


def _count(work: Work, line: Line) -> None:
    """Numbers of this year that are yet to be given come after this one, from now on: also while it is not entered."""
    place = _place(work, line)
    kind, division, year = archive_lines.KINDS[line.kind], place["division"], place["year"]
    if year != work.today.year:
        return
    last = store.find_last(work, kind, division, year)
    if place["serial"] > last + FARTHEST:
        words = (
            f"序号比本机构今年已知的最后一个序号({last})大{FARTHEST}以上,多为录入错误,不能录入。请对照档案核对;"
            "确实无误的,请把今年的登记按证字号从小到大排列后重新导入"
        )
        raise Refused("serial_far_ahead", words, basis=ARCHIVES, field="certificate_no")
    store.count_from(work, kind, division, year, place["serial"])


def _place(work: Work, line: Line) -> Json:
    return archive_lines.number_place(line, work.node.offices.get(line.office), work.today)


def note_look(work: Work, entry: Entry, by: str, act: str) -> None:
    """Who did what to a line, of both persons, on record."""
    for person in sorted(set(_indexes(work, entry))):
        audit.record(
            work,
            actor=by,
            office=entry.line.office,
            purpose="back_entry",
            act=act,
            subject=entry.entry_id,
            person_index=person,
            fields=("marriage",),
        )


def go_on(work: Work, entry: Entry) -> Entry:
    """Enter the line, ask for the claims it needs, or leave it to two people."""
    why, persons = _contradiction(work, entry), _indexes(work, entry)
    living = entry.line.kind == "marriage" and not entry.line.content["ended"]
    if why:
        return _to_people(work, entry, why)
    if living and (subjects := _subjects(work, entry)):
        return _reserve(work, entry, subjects)
    if entry.line.kind == "marriage":
        _put_on_record(work, entry)
    else:
        store.add_persons(work, entry.entry_id, persons, live=False)
    return keep(work, dataclasses.replace(entry, state=State.ENTERED))


def keep(work: Work, entry: Entry) -> Entry:
    """The line as it is now, nothing proposed."""
    kept = dataclasses.replace(entry, proposal=None)
    store.save_entry(work, kept)
    return kept


def _indexes(work: Work, entry: Entry) -> list[str]:
    return [case.person_index(work, person) for person in entry.line.content["persons"]]


def _contradiction(work: Work, entry: Entry) -> str:
    """What here speaks against the line; "" for nothing."""
    line, persons = entry.line, _indexes(work, entry)
    if line.kind == "divorce":
        return STILL_VALID if still_valid(work, entry) else ""
    if _is_number_taken(work, line):
        return NUMBER_TAKEN
    if line.content["ended"]:
        return ""
    if _is_divorced_later(work, line, persons):
        return DIVORCED_LATER
    return MARRIED_HERE if marriages.list_married(work, persons) else ""


def _is_number_taken(work: Work, line: Line) -> bool:
    """Whether another record has the number; no two lines with one number pass here at a time."""
    place = _place(work, line)
    if place["serial"] is None:
        return False
    work.lock("number/{division}/{year}/{serial}".format_map(place))
    return store.is_serial_taken(work, **place)


def still_valid(work: Work, entry: Entry) -> held_store.Held | None:
    """The marriage of these two that is valid here although this line says that they are divorced."""
    before = entry.line.registered_on
    every = held_store.list_of_persons(work, set(_indexes(work, entry)))
    valid = (held for held in every if held.record.standing is Standing.VALID and held.record.registered_on <= before)
    return next(valid, None)


def _is_divorced_later(work: Work, line: Line, persons: Iterable[str]) -> bool:
    found = [
        {entry.entry_id for entry in store.list_divorces(work, one) if entry.line.registered_on >= line.registered_on}
        for one in persons
    ]
    return bool(set.intersection(*found))


def _to_people(work: Work, entry: Entry, why: str, ask: Json | None = None) -> Entry:
    return keep(work, dataclasses.replace(entry, state=State.CONFLICT, why=why, ask_office=ask, attempt=""))


def _put_on_record(work: Work, entry: Entry) -> None:
    record = archive_lines.record_of(entry.line, work.today)
    store.add_old_marriage(work, entry, record, _place(work, entry.line))
    store.add_persons(work, entry.entry_id, _indexes(work, entry), live=record.standing is Standing.VALID)


# --- claims ----------------------------------------------------------------------------------------------------------


def _subjects(work: Work, entry: Entry) -> list[Json]:
    """Both, but for whose number in the book is none."""
    certain = [person for person in entry.line.content["persons"] if archive_lines.is_certain(person, work.today)]
    return [_subject(person, work.today) for person in certain]


def _subject(person: Json, today: datetime.date) -> Json:
    plain = {name: person[name] for name in ("id_type", "id_number", "name")}
    if person["id_type"] != "citizen":
        return plain
    number = identity.citizen_number(person["id_number"], today)
    return plain | {"born_on": number.born_on.isoformat(), "sex": number.sex}


def _reserve(work: Work, entry: Entry, subjects: list[Json]) -> Entry:
    asked = dataclasses.replace(entry, state=State.ASKED, attempt=clock.new_id(), why="", ask_office=None)
    office = office_ref(work, work.node.offices.get(entry.line.office))
    data = _mine(asked) | {"kind": case.US, "office": office}
    work.tell(claims_contracts.ReserveClaimsV1, entry.entry_id, data, {"subjects": subjects})
    return keep(work, asked)


def _mine(entry: Entry) -> Json:
    return {"attempt": entry.attempt, "asked_by": case.US}


def _expect_asked(entry: Entry, attempt: str) -> None:
    if entry.state is not State.ASKED or entry.attempt != attempt:
        raise OutOfStep("stale", "过时的消息")


def note_held(work: Work, entry: Entry, told: Json) -> None:
    """已预留: now the locks."""
    _expect_asked(entry, told["attempt"])
    work.tell(claims_contracts.ConfirmClaimsV1, entry.entry_id, _mine(entry))


def note_locked(work: Work, entry: Entry, told: Json) -> None:
    """已锁定: on record, in this very transaction, unless something here speaks against it by now."""
    _expect_asked(entry, told["attempt"])
    if why := _contradiction(work, entry):
        work.tell(claims_contracts.ReleaseClaimsV1, entry.entry_id, _mine(entry) | {"why": why})
        _to_people(work, entry, why)
        return
    _put_on_record(work, entry)
    keep(work, dataclasses.replace(entry, state=State.ENTERED))
    work.tell(claims_contracts.NoteIssuedV1, entry.entry_id, _mine(entry) | {"reference": entry.line.number})


def note_lost(work: Work, entry: Entry, told: Json) -> None:
    """未能预留: another office has one of the two; two people must look."""
    _expect_asked(entry, told["attempt"])
    unasked: Json = {"why": CANNOT_ASK, "by": None}
    first = next(iter(told["denials"]), unasked)
    _to_people(work, entry, first["why"], first["by"])
