"""结婚登记的各时期规则: which rules hold on which day, so that every decision can be repeated as of its day."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import Refused

DAY = datetime.date.fromisoformat


@dataclass(frozen=True, slots=True)
class Edition:
    """The rules of one span of days. `code` is kept with every decision; `unverified` names parts without a full text."""

    code: str
    valid_from: datetime.date
    valid_until: datetime.date | None  # the first day on which it no longer holds
    basis: str
    source: str
    man_from: int  # full years
    woman_from: int
    any_office: bool  # two mainland residents may go to any registration office of the country
    offices_basis: str
    unverified: tuple[str, ...] = ()

    def holds_on(self, day: datetime.date) -> bool:
        """Whether these rules are in force on that day."""
        return self.valid_from <= day and (self.valid_until is None or day < self.valid_until)


EDITIONS = (
    Edition(
        code="387-2021",
        valid_from=DAY("2021-01-01"),
        valid_until=DAY("2025-05-10"),
        basis="民法典;婚姻登记条例(国务院令第387号)",
        source="公开网页转载的条例旧文本",
        man_from=22,
        woman_from=20,
        any_office=False,
        offices_basis="婚姻登记条例(国务院令第387号) 第四条",
        unverified=("2024年12月第一次修订(2025年1月20日施行)的条文", "部分省份“跨省通办”试点"),
    ),
    Edition(
        code="804-2025",
        valid_from=DAY("2025-05-10"),
        valid_until=None,
        basis="民法典;婚姻登记条例(国务院令第804号)",
        source="公开网页转载的条例第一至四条;民政部负责人答问(法治日报2025年5月11日)",
        man_from=22,
        woman_from=20,
        any_office=True,
        offices_basis="婚姻登记条例(国务院令第804号) 第二条",
        unverified=("第五条以后的条序",),
    ),
)


@dataclass(frozen=True, slots=True)
class AgeRule:
    """From which age (full years) a man and a woman might marry, since that day."""

    valid_from: datetime.date
    man_from: int
    woman_from: int
    basis: str


AGES = (
    AgeRule(DAY("1950-05-01"), 20, 18, "婚姻法(1950年) 第四条(依据待核)"),
    AgeRule(DAY("1981-01-01"), 22, 20, "婚姻法(1980年) 第五条,2001年修正后第六条(依据待核)"),
    *(AgeRule(one.valid_from, one.man_from, one.woman_from, "民法典 第一千零四十七条") for one in EDITIONS),
)


def age_rule_on(day: datetime.date) -> AgeRule:
    """The age of the law of that day; of days before all of them, that of the first."""
    return next((rule for rule in reversed(AGES) if rule.valid_from <= day), AGES[0])


def edition_on(day: datetime.date, editions: Sequence[Edition] = EDITIONS) -> Edition:
    """The rules in force on that day. Refused `rules_unknown` for a day that no edition covers."""
    for edition in editions:
        if edition.holds_on(day):
            return edition
    words = f"没有{day}适用的结婚登记规则,不能按现行规则推定,请查阅当时的规定并作为档案补录办理"
    raise Refused("rules_unknown", words, basis=editions[0].basis)
