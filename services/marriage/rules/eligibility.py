"""结婚登记的审查: the four grounds of refusal, what is still to be asked, and which office may register whom.

Only age, will, spouse and kinship refuse a man and a woman. What nobody has answered yet, and a reservation elsewhere,
is a wait: 暂不能办结.
"""

import datetime
import enum
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from services.marriage.rules.editions import Edition
from services.marriage.rules.finding import Finding, Wait
from shared.calendar import full_years
from shared.errors import Denied, Refused

Sex = Literal["male", "female"]
Source = Literal["declaration", "records", "claims", "national_registry"]
Power = Literal["register", "register_foreign"]

PAIR = "民法典 第一千零四十一条、第一千零四十六条"
WILL = "民法典 第一千零四十六条"
AGE = "民法典 第一千零四十七条"
SPOUSE = "民法典 第一千零四十二条、第一千零五十一条"
KIN = "民法典 第一千零四十八条"
IN_PERSON = "民法典 第一千零四十九条"
NATIONAL_DATABASE = "婚姻登记条例(国务院令第804号) 第四条"

UNDER_AGE, UNWILLING, HAS_SPOUSE, KINSHIP = "under_age", "unwilling", "has_spouse", "kinship"
GROUNDS = frozenset({UNDER_AGE, UNWILLING, HAS_SPOUSE, KINSHIP})
HELD_ELSEWHERE = "held_elsewhere"
SOURCES: dict[Source, tuple[str, str]] = {  # who is asked whether there is a spouse: name, why
    "declaration": ("本人的无配偶声明", IN_PERSON),
    "records": ("本地婚姻登记档案", SPOUSE),
    "claims": ("各地在办登记的核查", SPOUSE),
    "national_registry": ("全国婚姻基础信息库", NATIONAL_DATABASE),
}
PERMIT_DIVISIONS = {"81": "hk_macau", "82": "hk_macau", "83": "taiwan"}  # 港澳台居民居住证 numbers begin so


class Standing(enum.StrEnum):
    """What one source says of a person."""

    FREE = "free"
    HELD = "held"  # another office has reserved the person; nothing is registered
    MARRIED = "married"


class Kinship(enum.StrEnum):
    """What the couple declare to be to each other, by blood."""

    NONE = "none"
    LINEAL = "lineal"
    COLLATERAL = "collateral"  # within three generations


class Category(enum.StrEnum):
    """What kind of resident a document shows."""

    MAINLAND = "mainland"
    HK_MACAU = "hk_macau"
    TAIWAN = "taiwan"
    ABROAD = "abroad"  # 外国人, 华侨


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said when asked for their will. `apart`: without the other; `recorded`: signed or on record."""

    willing: bool
    apart: bool
    recorded: bool


@dataclass(frozen=True, slots=True)
class Party:
    """One of the two. `person` tells persons apart and is never shown; what is None or left out is not known yet."""

    person: str = field(repr=False)
    sex: Sex
    born_on: datetime.date = field(repr=False)
    answer: Answer | None = None
    kinship: Kinship | None = None
    standings: Mapping[Source, Standing] = field(default_factory=dict)
    category: Category = Category.MAINLAND


@dataclass(frozen=True, slots=True)
class Couple:
    """The two who want to marry, in any order."""

    one: Party
    other: Party

    @property
    def parties(self) -> tuple[Party, Party]:
        """Both."""
        return self.one, self.other


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the rules of `edition` say. Kept whole, it shows what was asked and what was found."""

    edition: str
    findings: tuple[Finding, ...]
    waits: tuple[Wait, ...]

    @property
    def grounds(self) -> tuple[Finding, ...]:
        """The grounds of refusal, all of them."""
        return tuple(finding for finding in self.findings if not finding.eligible)


@dataclass(frozen=True, slots=True)
class Office:
    """What an office has the power for on that day; `holds_hukou`: it covers the hukou of a mainland party."""

    may_register: bool
    may_register_foreign: bool
    holds_hukou: bool
    for_foreigners: tuple[str, ...] = ()  # the offices of this city that may, by name


def assess(
    couple: Couple, edition: Edition, on: datetime.date, sources: Collection[Source] = tuple(SOURCES)
) -> Opinion:
    """What the rules say on the day `on`; `sources`: who must have answered by now. Refused as `expect_couple`."""
    expect_couple(couple)
    said: list[Finding | Wait] = []
    for party in couple.parties:
        said += [_age(party, edition, on), _will(party), *_spouse(party, sources)]
    said.append(_kinship(couple))
    findings = tuple(item for item in said if isinstance(item, Finding))
    return Opinion(edition.code, findings, tuple(item for item in said if isinstance(item, Wait)))


def expect_couple(couple: Couple) -> None:
    """Refused `same_person` or `same_sex`: a marriage is one of a man and a woman."""
    one, other = couple.parties
    if one.person == other.person:
        raise Refused("same_person", "双方填写的是同一个人,请核对另一方的证件", basis=PAIR, field="parties")
    if one.sex == other.sex:
        words = "结婚登记的双方应当是一男一女,请核对双方的证件和性别"
        raise Refused("same_sex", words, basis=PAIR, field="parties")


def standing_of_claim(why: str, issued: bool) -> Standing | None:
    """What a denied claim says of a person: only what has been registered is a spouse, else it is a reservation.

    None where our own claim has ended: that says nothing, ask again.
    """
    match why, issued:
        case "locked_elsewhere", True:
            return Standing.MARRIED
        case (("locked_elsewhere" | "held_elsewhere"), _):
            return Standing.HELD
        case _:
            return None


def _age(party: Party, edition: Edition, on: datetime.date) -> Finding:
    least = edition.man_from if party.sex == "male" else edition.woman_from
    if full_years(party.born_on, on) >= least:
        return Finding("of_age", f"{_name(party)}已满{least}周岁。", AGE, eligible=True)
    text = f"{_name(party)}未满{least}周岁。满{least}周岁的生日当天起可以来办理。"
    return Finding(UNDER_AGE, text, AGE, eligible=False)


def _will(party: Party) -> Finding | Wait:
    answer, name = party.answer, _name(party)
    if answer is None:
        return Wait("will_not_asked", f"还没有单独询问{name}是否自愿结婚,请先询问并记录。", WILL)
    if not answer.willing:
        text = f"{name}表示不愿意结婚,不能登记。双方完全自愿时可以重新申请;受到强迫的可以向公安机关求助。"
        return Finding(UNWILLING, text, WILL, eligible=False)
    if not answer.apart:
        return Wait("will_not_asked_apart", f"询问{name}时另一方在场,请单独再问一次。", WILL)
    if not answer.recorded:
        return Wait("will_not_recorded", f"{name}自愿结婚的声明还没有签字记录,请当面签字。", WILL)
    return Finding("willing", f"单独询问时,{name}表示自愿结婚,已记录。", WILL, eligible=True)


def _spouse(party: Party, sources: Collection[Source]) -> Iterator[Finding | Wait]:
    """One finding at most; a source that does not know of a spouse does not outweigh one that does."""
    name, known = _name(party), set(party.standings.values())
    if Standing.MARRIED in known:
        text = f"{name}已有配偶。离婚、丧偶或登记有误的,请携带离婚证、法院文书或死亡证明来核实更正后再申请。"
        yield Finding(HAS_SPOUSE, text, SPOUSE, eligible=False)
        return
    waits = [*_unanswered(party, sources)]
    if Standing.HELD in known:
        text = f"{name}另有一件登记正在别处办理,暂不能办结。该件办结、放弃或到期后可以继续,本人可在任一窗口放弃。"
        waits.append(Wait(HELD_ELSEWHERE, text, SPOUSE))
    yield from waits
    if not waits:
        yield Finding("no_spouse", f"各处核查,{name}没有配偶。", SPOUSE, eligible=True)


def _unanswered(party: Party, sources: Collection[Source]) -> Iterator[Wait]:
    for source, (what, basis) in SOURCES.items():
        if source in sources and source not in party.standings:
            yield Wait(f"{source}_unanswered", f"{_name(party)}:{what}尚无结果,请补齐或稍候。", basis)


def _kinship(couple: Couple) -> Finding | Wait:
    declared = {party.kinship for party in couple.parties}
    if declared & {Kinship.LINEAL, Kinship.COLLATERAL}:
        text = "双方是直系血亲或者三代以内旁系血亲,法律禁止结婚。声明填写有误的,请核实后重新声明。"
        return Finding(KINSHIP, text, KIN, eligible=False)
    if None in declared:
        return Wait("kinship_not_declared", "双方还没有都声明彼此没有禁止结婚的亲属关系,请当面签字声明。", KIN)
    return Finding("no_kinship", "双方声明没有直系血亲和三代以内旁系血亲关系。", KIN, eligible=True)


def _name(party: Party) -> str:
    return "男方" if party.sex == "male" else "女方"


def category_of(id_type: str, number: str) -> Category:
    """What kind of resident a document shows; residence permits of Hong Kong, Macau and Taiwan by their first digits."""
    match id_type:
        case "citizen":
            return Category(PERMIT_DIVISIONS.get(number[:2], "mainland"))
        case "hk-macau-permit":
            return Category.HK_MACAU
        case "taiwan-permit":
            return Category.TAIWAN
        case _:
            return Category.ABROAD


def names_one_person(id_type: str, number: str) -> bool:
    """Whether nobody else has that number: of passports only with the country, for countries give out the same ones."""
    return id_type != "passport" or "-" in number


def expect_readable(id_type: str, number: str, sex: str, born_on: str) -> None:
    """Refused unless a document whose number says nothing comes with what the rules must know.

    `passport_without_country`: countries give out the same numbers. `document_says_too_little`: sex and birth.
    """
    if not names_one_person(id_type, number):
        words = "护照号码前应写明签发国的三位字母(印在护照上,如 USA-512345678),请撤回后重新提交"
        raise Refused("passport_without_country", words, basis=PAIR, field="parties")
    if not (sex and born_on):
        words = "请按护照、通行证或永久居留身份证填写本人的性别和出生日期,请撤回后重新提交"
        raise Refused("document_says_too_little", words, basis=PAIR, field="parties")


def power_needed(one: Category, other: Category) -> Power:
    """The verb an office must have the power for: another one when either is no mainland resident."""
    return "register" if one is other is Category.MAINLAND else "register_foreign"


def expect_office(needed: Power, edition: Edition, office: Office) -> None:
    """Denied `office_without_power`, or `office_of_neither` while one party's hukou had to lie there."""
    foreign = needed == "register_foreign"
    if not (office.may_register_foreign if foreign else office.may_register):
        where = "省级民政部门或者其确定的机关" if foreign else "婚姻登记机关"
        near = f"(本市:{'、'.join(office.for_foreigners)})" if foreign and office.for_foreigners else ""
        words = f"本机构无权为双方办理婚姻登记,请到{where}{near}办理"
        raise Denied("office_without_power", words, basis=edition.offices_basis)
    if not edition.any_office and not office.holds_hukou:
        words = "当时的规定要求到一方常住户口所在地的婚姻登记机关办理,请到该地办理"
        raise Denied("office_of_neither", words, basis=edition.offices_basis)
