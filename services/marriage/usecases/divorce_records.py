"""The holder's side of 补领离婚证: divorces on record here, their certificates, and which of them stands in whose place."""

import dataclasses
import datetime
from collections.abc import Iterable, Iterator

from contracts import certificate as certificate_contracts
from contracts import marriage as said
from contracts.envelope import Json
from services.marriage.rules.records import ARCHIVES
from services.marriage.rules.reissue import DIVORCED
from services.marriage.store import archives, divorces
from services.marriage.store import divorce_certificates as store
from services.marriage.store.divorce_certificates import Later
from services.marriage.usecases import case, desk
from services.marriage.usecases.beginning import with_number
from shared import clock
from shared.errors import NotFound, OutOfStep
from shared.outbox import Work


@dataclasses.dataclass(frozen=True, slots=True)
class Divorced:
    """A divorce on record here; `certificate_type`: of the certificate that was given out with it, "" in an old book."""

    divorce_id: str
    number: str
    registered_on: datetime.date
    certificate_type: str = ""


def look_up(work: Work, couple: Json) -> Json:
    """What stands on record of a divorce of these two under that number, as contracts.marriage_parts.Found."""
    try:
        divorced = _find(work, couple)
    except NotFound:
        return {"found": False}
    plain = {"found": True, "certificate_no": divorced.number, "standing": DIVORCED, "words": "双方已登记离婚"}
    return plain | {"registered_on": divorced.registered_on.isoformat()}


def _find(work: Work, couple: Json) -> Divorced:
    """The divorce of these two under that number, the first or a later one. NotFound `divorce_unknown`."""
    persons = {case.person_index(work, with_number(work, person)) for person in couple["persons"]}
    wanted = couple["certificate_no"].strip()
    for divorced in _of_both(work, persons) if len(persons) == len(case.ROLES) else ():
        if wanted in (divorced.number, *(one.number for one in store.list_later(work, divorced.divorce_id))):
            return divorced
    words = "登记地没有双方与此证字号一致的离婚登记,请核对证字号、双方姓名和证件号码"
    raise NotFound("divorce_unknown", words, basis=ARCHIVES)


def _of_both(work: Work, persons: Iterable[str]) -> list[Divorced]:
    one, other = ({it.divorce_id: it for it in _of_person(work, person)} for person in persons)
    return [it for key, it in one.items() if key in other]


def _of_person(work: Work, person: str) -> Iterator[Divorced]:
    for kept in divorces.list_registered(work, person):
        if kept.certificate_no and kept.divorce.ended_on:
            output = desk.matter_of(kept).output
            yield Divorced(kept.case_id, kept.certificate_no, kept.divorce.ended_on, output["certificate_type"])
    for entry in archives.list_divorces(work, person):
        yield Divorced(entry.entry_id, entry.line.number, entry.line.registered_on)


def note_reissue(work: Work, told: Json) -> None:
    """记录补领: the one before it is replaced, wherever it was given out. OutOfStep `stale`; NotFound `divorce_unknown`."""
    divorced = _find(work, told)
    work.lock(f"divorce-certificates/{divorced.divorce_id}")
    later = store.list_later(work, divorced.divorce_id)
    if told["reissued_as"] in {one.number for one in later}:
        raise OutOfStep("stale", "过时的消息")
    on = datetime.date.fromisoformat(told["on"])
    newest = Later(len(later) + 1, told["reissued_as"], case.id_of(work), case.source(work), on)
    store.add_later(work, divorced.divorce_id, newest)
    _supersede(work, divorced, later)


def _supersede(work: Work, divorced: Divorced, later: list[Later]) -> None:
    if later:
        work.tell(said.NoteSupersededV1, later[-1].case_id, {}, to=later[-1].node)
    elif divorced.certificate_type:
        data = {"certificate_type": divorced.certificate_type, "at": clock.iso(work.now)}
        work.tell(certificate_contracts.SupersedeCertificateV1, divorced.divorce_id, data)
