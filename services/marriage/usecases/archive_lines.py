"""Reading a line of an old book: every fault of it in words for whoever copied it, never a number in them."""

import datetime
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from contracts.envelope import Json
from services.marriage.rules import numbers, records
from services.marriage.rules.archives import Fault
from services.marriage.rules.eligibility import names_one_person
from services.marriage.rules.endings import Ground
from services.marriage.rules.numbers import CertificateNumber
from services.marriage.rules.records import Ending, Provenance, Record
from services.marriage.store.archives import Line
from services.marriage.usecases import case
from shared import identity, regions
from shared.directory import Node, Office
from shared.errors import TongbanError

COLUMNS = (
    *("kind", "office", "certificate_no", "registered_on"),
    *("name_1", "id_type_1", "id_number_1", "name_2", "id_type_2", "id_number_2"),
    *("archive", "call_number", "scan"),
    *("state", "ended_on", "ended_by"),
)
KINDS = {"marriage": "J", "divorce": "L"}
VALID = "valid"
STATES = (VALID, *Ground)
TODAYS_FORM = re.compile(r"[A-Za-z]{1,2}\d")  # as numbers of today begin: old books number in words
LONGEST_NUMBER = 40
KEPT = "已按原文录入,不能据此防止此人重复登记,请"
NO_COUNTRY = f"护照号码前没有签发国的三位字母(如 USA-512345678),{KEPT}对照档案核实签发国"
Raw = Mapping[str, str]
Read = TypeVar("Read")


def read_line(node: Node, raw: Raw, by: str, today: datetime.date) -> tuple[Line | None, list[Fault]]:
    """A line, and what is wrong with it; no line where any of that rejects it."""
    faults: list[Fault] = []
    on = _day(raw, "registered_on", faults)
    persons = [_person(raw, place, faults, today) for place in (1, 2)]
    faults += [*_of_persons(persons), *_of_office(node, raw), *_of_kind(raw)]
    found = {"archive": raw["archive"], "call_number": raw["call_number"], "page": raw["scan"], "entered_by": by}
    content = {"persons": persons, "found": found, "ended": _ended(raw, faults)}
    line = Line(raw["kind"], raw["office"], raw["certificate_no"].strip(), on or today, content)
    if not any(fault.rejects for fault in faults):
        _tried(faults, "certificate_no", lambda: record_of(line, today))
        faults += _of_number(line, node.offices.get(line.office), today)
    return (None if any(fault.rejects for fault in faults) else line), faults


def record_of(line: Line, on: datetime.date) -> Record:
    """What a line says as the law of records sees it. Refused, as rules.records says."""
    found = Provenance(**line.content["found"])
    record = records.back_entered(line.number, line.registered_on, {}, found, on)
    ended = line.content["ended"]
    if not ended:
        return record
    day = datetime.date.fromisoformat(ended["on"])
    return records.end(record, Ending(Ground(ended["ground"]), day, ended["document"]), on)


def number_place(line: Line, office: Office, today: datetime.date) -> Json:
    """Division, year and serial of a number of today's form that is this registration's; else none but the office's division.

    None either where two people have found that another couple has the same number: it has one place only.
    """
    parts = number_of(line)
    if parts and _fits(parts, line, office, today) and not line.content.get("repeated"):
        return {"division": parts.division, "year": parts.year, "serial": parts.serial}
    return {"division": office.division[:6], "year": None, "serial": None}


def number_of(line: Line) -> CertificateNumber | None:
    """The parts of a number in today's form, whether or not they are right."""
    return numbers.parse(line.number) if numbers.is_valid(line.number) else None


def _fits(parts: CertificateNumber, line: Line, office: Office, today: datetime.date) -> bool:
    """Whether a number says what the line says: kind and year, and a division that is or has become the office's."""
    said = (parts.kind, parts.year) == (KINDS[line.kind], line.registered_on.year)
    return said and office.division[:6] in (parts.division, *_heirs(parts.division, today))


def _heirs(division: str, today: datetime.date) -> list[str]:
    """What a division of then is called today; numbers keep old codes for ever."""
    try:
        return [heir.code for heir in regions.standard().current(division, today)]
    except TongbanError:
        return []


def is_certain(person: Json, today: datetime.date) -> bool:
    """Whether the person's number is one: only then can anybody be kept from marrying twice by it."""
    try:
        number = identity.document_number(person["id_type"], person["id_number"], today)
    except TongbanError:
        return False
    return names_one_person(person["id_type"], number)


# --- field by field --------------------------------------------------------------------------------------------------


def _tried(faults: list[Fault], name: str, read: Callable[[], Read]) -> Read | None:
    try:
        return read()
    except TongbanError as error:
        faults.append(
            Fault({"on": "ended_on", "document": "ended_by"}.get(error.field, error.field or name), error.message)
        )
        return None


def _day(raw: Raw, name: str, faults: list[Fault]) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(raw[name])
    except ValueError:
        faults.append(Fault(name, "日期应写成 2026-01-31 的形式,请对照档案填写"))
        return None


def _person(raw: Raw, place: int, faults: list[Fault], today: datetime.date) -> Json:
    id_type, name = raw[f"id_type_{place}"] or "citizen", f"id_number_{place}"
    given = "".join(raw[name].split()).upper()
    faults += _of_document(id_type, given, place)
    number = _number(id_type, given, name, faults, today) if given else given
    plain = {"role": case.ROLES[place - 1], "id_type": id_type, "id_number": number, "phone": ""}
    plain |= {"hukou_division": "", "residence_division": "", "address": "", "basis": "", "expires_on": ""}
    named = _tried(faults, f"name_{place}", lambda: identity.person_name(raw[f"name_{place}"]))
    original = {} if number == given else {"number_in_archive": given}
    return plain | {"name": named or ""} | original


def _of_document(id_type: str, given: str, place: int) -> Iterator[Fault]:
    """A kind of document that no counter takes would lock nobody whom a counter meets."""
    if id_type not in identity.DOCUMENTS:
        words = (
            f"证件种类应为 {'、'.join(identity.DOCUMENTS)} 之一(身份证填 citizen 或留空);其他证件请先核实本人的身份号码"
        )
        yield Fault(f"id_type_{place}", words)
    if not 1 <= len(given) <= LONGEST_NUMBER:
        words = "证件号码没有填写或过长。没有号码的档案不能检索也不能防止重复登记,请先核实补齐号码"
        yield Fault(f"id_number_{place}", words)


def _number(id_type: str, given: str, name: str, faults: list[Fault], today: datetime.date) -> str:
    """The number of today, as every counter writes it; a wrong one as the book has it."""
    try:
        old = id_type == "citizen" and len(given) == 15
        number = identity.document_number(id_type, identity.upgrade_15(given) if old else given, today)
    except TongbanError:
        words = f"档案中的{'身份号码' if id_type == 'citizen' else '证件号码'}有误,{KEPT}核实后办理更正"
        faults.append(Fault(name, words, rejects=False))
        return given
    if not names_one_person(id_type, number):
        faults.append(Fault(name, NO_COUNTRY, rejects=False))
    return number


def _of_persons(persons: list[Json]) -> Iterator[Fault]:
    one, other = ((person["id_type"], person["id_number"]) for person in persons)
    if one == other:
        yield Fault("id_number_2", "双方的证件号码相同,请对照档案核对")


def _of_office(node: Node, raw: Raw) -> Iterator[Fault]:
    if raw["office"] not in node.offices.by_code:
        yield Fault("office", "机构表中没有这个机构代码:已撤并的登记机关也要先列入机构表(填停用日期),再导入")


def _of_kind(raw: Raw) -> Iterator[Fault]:
    if raw["kind"] not in KINDS:
        yield Fault("kind", f"种类应为 {'、'.join(KINDS)} 之一")
    elif raw["kind"] == "divorce" and raw["state"] != VALID:
        yield Fault("state", f"离婚登记的 state 应为 {VALID},ended_on 和 ended_by 留空")


def _ended(raw: Raw, faults: list[Fault]) -> Json | None:
    if raw["state"] not in STATES:
        faults.append(Fault("state", f"婚姻状态应为 {'、'.join(STATES)} 之一"))
        return None
    if raw["state"] == VALID:
        surplus = [name for name in ("ended_on", "ended_by") if raw[name]]
        faults += [Fault(name, "婚姻仍有效的,此栏应留空;已经终止的,请填写 state") for name in surplus]
        return None
    on = _day(raw, "ended_on", faults)
    return {"ground": raw["state"], "on": on.isoformat() if on else "", "document": raw["ended_by"]}


def _of_number(line: Line, office: Office, today: datetime.date) -> Iterator[Fault]:
    """What looks like a number of today's and is none of this registration.

    Of years gone by it is entered as it stands; one of this year or later the office may yet give to others.
    """
    parts = number_of(line)
    if not TODAYS_FORM.match(line.number) or (parts and _fits(parts, line, office, today)):
        return
    if parts and parts.year >= today.year:
        words = "证字号的年份、种类或区划与登记日期、登记机关不符,且是今年或以后的字号,不能录入。请对照档案改正后再导入"
        yield Fault("certificate_no", words)
        return
    words = "证字号的格式、种类、年份或区划与登记不符,已按原文录入,请对照档案核实"
    yield Fault("certificate_no", words, rejects=False)
