"""婚姻档案: how a marriage on record begins, ends, comes back, and is put right. Nothing in it is ever struck out.

valid ─► dissolved (divorce registered, or by a court), ended_by_death, void or revoked (from the beginning).
"""

import dataclasses
import datetime
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.marriage.rules import numbers
from services.marriage.rules.endings import LAWS, Ground, Standing
from shared.errors import OutOfStep, Refused

IN_PERSON = "民法典 第一千零四十九条"
DECLARATION = "民法典 第五十条、第五十一条"
ONLY_ONE = "民法典 第一千零四十二条、第一千零五十一条"
ARCHIVES = "婚姻登记档案管理办法(依据待核)"
REISSUE = "婚姻登记条例(国务院令第804号) 补领(条序待核)"
LATE_EFFECT = "法释〔2020〕22号 第六条(依据待核)"


class Origin(enum.StrEnum):
    """How a marriage came on record."""

    REGISTERED = "registered"
    LATE = "late"  # 补办: lived as a couple before, and registered afterwards
    BACK_ENTRY = "back_entry"  # 补录: from an old book


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a record's history: what was done, on which document, and the facts before a correction."""

    what: str
    on: datetime.date
    basis: str
    document: str
    before: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Record:
    """A marriage. `number` and `registered_on` never change; `certificates` are all that were given out, newest last."""

    number: str
    registered_on: datetime.date
    origin: Origin
    facts: Mapping[str, str] = field(repr=False)
    history: tuple[Entry, ...]
    certificates: tuple[str, ...] = ()
    standing: Standing = Standing.VALID
    ground: Ground | None = None
    ended_on: datetime.date | None = None
    conditions_met_on: datetime.date | None = None  # of a late registration, as the couple state it

    @property
    def version(self) -> int:
        """How often it was written to."""
        return len(self.history)


@dataclass(frozen=True, slots=True)
class Ending:
    """Why and when a marriage ended, and by which document: a judgment, a death certificate, a divorce certificate."""

    ground: Ground
    on: datetime.date
    document: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an old record was found: archive, call number, page; and who copied it."""

    archive: str
    call_number: str
    page: str
    entered_by: str


@dataclass(frozen=True, slots=True)
class Reappearance:
    """A death that was reported or declared, and was none. `remarried`: the spouse has, or None while unknown."""

    on: datetime.date
    document: str
    remarried: bool | None
    declined: bool = False  # the spouse stated in writing to a registration office not to want the marriage back


def registered(number: str, on: datetime.date, facts: Mapping[str, str]) -> Record:
    """结婚登记: valid from that day. Refused `wrong_kind` unless the number is one of a marriage."""
    _expect_kind(number, "J")
    return Record(number, on, Origin.REGISTERED, facts, (Entry("registered", on, IN_PERSON, number),), (number,))


def registered_late(
    number: str, on: datetime.date, facts: Mapping[str, str], conditions_met_on: datetime.date | None
) -> Record:
    """补办登记: the certificate has the day of registration; since when all conditions were met is kept beside it.

    Refused `conditions_met_later`, `wrong_kind`.
    """
    if conditions_met_on:
        expect_met(conditions_met_on, on)
    entry = Entry("registered_late", on, IN_PERSON, number)
    first = dataclasses.replace(registered(number, on, facts), origin=Origin.LATE, history=(entry,))
    return dataclasses.replace(first, conditions_met_on=conditions_met_on)


def expect_met(conditions_met_on: datetime.date, on: datetime.date) -> None:
    """Refused `conditions_met_later` when they were not met on the day of registration."""
    if conditions_met_on > on:
        words = "双方符合结婚条件的日期晚于登记日期,请核对;当天才符合的,办理结婚登记即可"
        raise Refused("conditions_met_later", words, basis=IN_PERSON, field="conditions_met_on")


def back_entered(
    number: str, registered_on: datetime.date, facts: Mapping[str, str], found: Provenance, on: datetime.date
) -> Record:
    """补录 of an old record, under the number its book has. Refused `provenance_missing`, `registered_in_future`."""
    if not all(text.strip() for text in (found.archive, found.call_number, found.page, found.entered_by)):
        words = "补录必须写明来源:档案馆(室)、档号、页码和录入人,请对照档案补齐"
        raise Refused("provenance_missing", words, basis=ARCHIVES, field="provenance")
    if registered_on > on:
        words = "原登记日期晚于今天,请对照档案原件核对"
        raise Refused("registered_in_future", words, basis=ARCHIVES, field="registered_on")
    number = numbers.archived(number)
    place = " ".join((found.archive, found.call_number, found.page, found.entered_by))
    return Record(
        number, registered_on, Origin.BACK_ENTRY, facts, (Entry("back_entered", on, ARCHIVES, place),), (number,)
    )


def effective_from(record: Record) -> datetime.date:
    """From which day the marriage has effect: the registration, or of a late one when all conditions were met.

    The latter is as the couple stated it, by LATE_EFFECT: a court may differ.
    """
    return record.conditions_met_on or record.registered_on


def end(record: Record, ending: Ending, noted_on: datetime.date) -> Record:
    """The marriage has ended. What is void or revoked from the beginning may be so after it had ended otherwise.

    Refused `document_missing`, `ended_before_it_began`, `ended_in_future`; OutOfStep `marriage_ended`.
    """
    law = LAWS[ending.ground]
    _expect_document(ending.document, law.basis)
    _expect_date(record, ending, noted_on)
    ended = record.standing is not Standing.VALID
    if ended and not (law.from_the_beginning and not LAWS[_ground(record)].from_the_beginning):
        raise OutOfStep("marriage_ended", f"该婚姻已经{LAWS[_ground(record)].name},不能再次终止", number=record.number)
    entry = Entry(f"ended:{ending.ground.value}", noted_on, law.basis, ending.document)
    return _written(record, entry, standing=law.standing, ground=ending.ground, ended_on=ending.on)


def still_ended_by(record: Record, version: int) -> bool:
    """Whether the ending that made the record's `version` (0: none did) is in force: nothing ended or restored it since."""
    if not version:
        return False
    later = (entry.what for entry in record.history[version:])
    return record.standing is Standing.ENDED_BY_DEATH and not any(
        what == "restored" or what.startswith("ended:") for what in later
    )


def restore(record: Record, back: Reappearance) -> Record:
    """A death is taken back. After a declaration of death the marriage is restored unless the spouse has remarried or
    does not want it (Civil Code 51); after a wrong report it had never ended.

    Refused `remarriage_unknown`, `remarried_after_wrong_report`; OutOfStep `not_ended_by_death`.
    """
    if record.standing is not Standing.ENDED_BY_DEATH:
        raise OutOfStep("not_ended_by_death", "该婚姻不是因死亡而终止的,不能按撤销死亡恢复")
    _expect_document(back.document, DECLARATION)
    if back.remarried is None:
        words = "尚未查明其配偶是否已再婚,请先向全国婚姻基础信息库核查"
        raise Refused("remarriage_unknown", words, basis=DECLARATION, field="remarried")
    declared = record.ground is Ground.DECLARED_DEAD
    if back.remarried and not declared:
        words = "死亡登记有误而其配偶已再婚,原婚姻并未终止。本机构不能处理,请当事人向人民法院请求确认后婚的效力"
        raise Refused("remarried_after_wrong_report", words, basis=ONLY_ONE)
    if declared and (back.remarried or back.declined):
        return _written(record, Entry("not_restored", back.on, DECLARATION, back.document))
    entry = Entry("restored", back.on, DECLARATION if declared else LAWS[Ground.DEATH].basis, back.document)
    return _written(record, entry, standing=Standing.VALID, ground=None, ended_on=None)


def stands_against(record: Record, other: Record) -> bool:
    """Whether another marriage of one of the two keeps this one from coming back: one that is valid; after a declaration of
    death also one that came later and has ended. One that is void from the beginning has never been.
    """
    if other.standing is Standing.VALID:
        return True
    never = other.ground is not None and LAWS[other.ground].from_the_beginning
    return not never and came_after(record, other.registered_on)


def came_after(record: Record, on: datetime.date | None) -> bool:
    """Whether a marriage of that day was entered into after the declaration of death that ended this one."""
    declared_on = record.ended_on if record.ground is Ground.DECLARED_DEAD else None
    return declared_on is not None and on is not None and on >= declared_on


def correct(record: Record, facts: Mapping[str, str], on: datetime.date, document: str) -> Record:
    """更正: the whole facts as they should be; those before stay in the history. Refused `nothing_to_correct`."""
    _expect_document(document, ARCHIVES)
    if facts == record.facts:
        words = "更正后的内容与现有记录相同,没有需要更正的,请核对"
        raise Refused("nothing_to_correct", words, basis=ARCHIVES)
    return _written(record, Entry("corrected", on, ARCHIVES, document, before=record.facts), facts=facts)


def reissue(record: Record, certificate: str, on: datetime.date) -> Record:
    """补领结婚证: a new certificate of the same registration, whose day and number stay. `certificate`: a BJ number.

    Refused `reissue_of_ended_marriage`, `wrong_kind`. Of a divorce see usecases.divorce_records: it is its own record.
    """
    _expect_kind(certificate, "BJ")
    if record.standing is not Standing.VALID:
        words = f"该婚姻已经{LAWS[_ground(record)].name},不能补领结婚证;需要证明的,请查询并复印婚姻登记档案"
        raise Refused("reissue_of_ended_marriage", words, basis=REISSUE)
    entry = Entry("reissued", on, REISSUE, certificate)
    return _written(record, entry, certificates=(*record.certificates, certificate))


def _written(record: Record, entry: Entry, **changes: object) -> Record:
    return dataclasses.replace(record, history=(*record.history, entry), **changes)  # type: ignore[arg-type]


def _ground(record: Record) -> Ground:
    assert record.ground is not None  # noqa: S101 - what has ended has a ground
    return record.ground


def _expect_kind(number: str, kind: numbers.Kind) -> None:
    if numbers.parse(number).kind != kind:
        words = f"此处应当使用{kind}开头的证字号,请核对办理的是登记还是补领、结婚还是离婚"
        raise Refused("wrong_kind", words, basis=numbers.NUMBERING, field="number")


def _expect_document(document: str, basis: str) -> None:
    if not document.strip():
        words = "没有写明所依据的文书(判决书、证明或证字号),请补填文号后再办"
        raise Refused("document_missing", words, basis=basis, field="document")


def _expect_date(record: Record, ending: Ending, noted_on: datetime.date) -> None:
    basis = LAWS[ending.ground].basis
    if ending.on < record.registered_on:
        words = "终止日期早于登记日期,请核对是否对应同一段婚姻;登记前一方已死亡的,可能是冒名登记,请移交核查"
        raise Refused("ended_before_it_began", words, basis=basis, field="on")
    if ending.on > noted_on:
        raise Refused("ended_in_future", "终止日期晚于今天,请核对文书的生效日期", basis=basis, field="on")
