"""查询婚姻登记记录: what this node has on record of a person, and of which years and places. Every look is on record."""

import dataclasses
import datetime
from collections.abc import Iterable, Iterator

from contracts import marriage as said
from contracts.envelope import Json
from contracts.record_purposes import record_purposes
from services.marriage.ports import MaritalStatus
from services.marriage.rules import lookups
from services.marriage.rules.endings import LAWS
from services.marriage.rules.lookups import Purpose, Question
from services.marriage.rules.records import Origin, effective_from
from services.marriage.rules.reissue import DIVORCED
from services.marriage.store import archives, divorces, records
from services.marriage.store.archives import Covered
from services.marriage.store.records import Held
from services.marriage.usecases import case
from services.marriage.usecases.beginning import with_number
from shared import audit, clock
from shared.errors import TongbanError
from shared.outbox import Work

FIELDS = ("marriages", "divorces")


def begin_look(work: Work) -> Json | None:
    """Whom to ask the national registry about, on record before it is asked; None where nobody may be asked about."""
    asked, person = work.data(said.LookUpRecordsV1), _whose(work)
    if not asked["nationwide"]:
        return None
    try:
        _expect_purpose(work, asked)
    except TongbanError:
        return None
    _record(work, asked, person, "ask_registries", ("national-marriage",))
    return person


def look_up_records(work: Work) -> None:
    """查询. Refused and Denied as rules.lookups says: for no lawful purpose nothing is found, nor certified in error."""
    asked, person = work.data(said.LookUpRecordsV1), _whose(work)
    purpose = _expect_purpose(work, asked)
    _record(work, asked, person, "look_up_records", FIELDS)
    found = list(_found(work, case.person_index(work, person)))
    covers = _covers(work)
    national, statement = _national(work, asked), ""
    if asked["certificate"] and not found:
        if national:
            lookups.expect_no_record(national["married"])
        statement = _statement(purpose, covers, work.today)
    told = {"records": found, "national": national, "statement": statement}
    work.tell(said.RecordsFoundV1, case.id_of(work), {"covers": covers}, told)


def _whose(work: Work) -> Json:
    return with_number(work, work.personal(said.LookUpRecordsV1)["person"])


def _expect_purpose(work: Work, asked: Json) -> Purpose:
    actor, known = asked["actor"], record_purposes()
    office = work.node.offices.by_code.get(actor["office"])
    question = Question(actor["kind"], office.organisation if office else "", asked["department"], asked["certificate"])
    found = known.get(asked["purpose"])
    plain = {item.name: getattr(found, item.name) for item in dataclasses.fields(Purpose)} if found else None
    return lookups.expect_purpose(Purpose(**plain) if plain else None, question, known)


def _record(work: Work, asked: Json, person: Json, act: str, fields: tuple[str, ...]) -> None:
    named = f"({asked['department']})" if asked["department"] else ""
    audit.record(
        work,
        actor=asked["actor"]["id"],
        office=asked["actor"]["office"],
        purpose=asked["purpose"] + named,
        act=act,
        subject=case.id_of(work),
        person_index=case.person_index(work, person),
        fields=fields,
    )


# --- what is on record -----------------------------------------------------------------------------------------------


def _found(work: Work, person: str) -> Iterator[Json]:
    """All of it, as contracts.marriage_parts.FoundRecord, the oldest first."""
    every = [_marriage(work, held) for held in records.list_of_persons(work, [person])]
    every += [
        _divorce(work, kept.office, kept.certificate_no, kept.divorce.ended_on) for kept in _divorces(work, person)
    ]
    every += [
        _divorce(work, it.line.office, it.line.number, it.line.registered_on) | {"back_entered": True}
        for it in archives.list_divorces(work, person)
    ]
    yield from sorted(every, key=lambda row: (row["registered_on"], row["kind"]))


def _divorces(work: Work, person: str) -> Iterable[divorces.Kept]:
    return (kept for kept in divorces.list_registered(work, person) if kept.certificate_no)


def _marriage(work: Work, held: Held) -> Json:
    record = held.record
    return {
        "kind": "marriage",
        "office": _name(work, held.office),
        "registered_on": record.registered_on.isoformat(),
        "effective_from": effective_from(record).isoformat(),
        "certificate_no": record.number,
        "standing": str(record.standing),
        "words": LAWS[record.ground].name if record.ground else "",
        "ended_on": record.ended_on.isoformat() if record.ended_on else "",
        "late": record.origin is Origin.LATE,
        "back_entered": record.origin is Origin.BACK_ENTRY,
    }


def _divorce(work: Work, office: str, number: str, on: datetime.date | None) -> Json:
    plain = {"kind": "divorce", "office": _name(work, office), "certificate_no": number, "standing": DIVORCED}
    return plain | {"registered_on": on.isoformat() if on else ""}


def _name(work: Work, code: str) -> str:
    office = work.node.offices.by_code.get(code)
    return office.name if office else code


def _national(work: Work, asked: Json) -> Json | None:
    if not asked["nationwide"]:
        return None
    status = work.answer
    if not isinstance(status, MaritalStatus):
        return {"married": None, "as_of": clock.iso(work.now)}
    plain = {"married": status.married, "office": status.office, "number": status.number}
    return plain | {"as_of": clock.iso(work.now)}


# --- of which years and places ---------------------------------------------------------------------------------------


def _covers(work: Work) -> list[Json]:
    """What old books cover, and since when each office has registered by this system: that is complete."""
    spans = [_span(work, span) for span in archives.list_coverage(work)]
    own = archives.list_own_beginnings(work, _registering(work)).items()
    return spans + [
        _span(work, Covered(office, first.year, first.year, complete=True))
        | {"from_on": first.isoformat(), "until_year": None}
        for office, first in sorted(own)
    ]


def _registering(work: Work) -> list[str]:
    """Offices that register anything, open or closed since."""
    every = work.node.offices.by_code.values()
    return [office.code for office in every if any(power.startswith("register:") for power in office.powers)]


def _span(work: Work, span: Covered) -> Json:
    return dataclasses.asdict(span) | {"name": _name(work, span.office)}


def _statement(purpose: Purpose, covers: list[Json], on: datetime.date) -> str:
    """What may be certified: of these years and places, for this use, and no more."""
    spans = "、".join(_words(span) for span in covers if span["complete"])
    if not spans:
        return ""
    return (
        f"经查询{spans}的婚姻登记档案,截至{on.isoformat()},未发现当事人的婚姻登记记录。"
        f"其他年份和地区不在查询范围内。仅用于{purpose.name}。"
    )


def _words(span: Json) -> str:
    first = span.get("from_on") or f"{span['from_year']}年"
    return f"{span['name']}{first}至" + (f"{span['until_year']}年" if span["until_year"] else "今")
