"""补办的效力: since when a late registration may have effect: of age by the law of then, and married to nobody else."""

import datetime
from collections.abc import Iterable

from services.marriage.rules.editions import age_rule_on
from services.marriage.rules.eligibility import SPOUSE, Party
from shared.errors import Refused

MET_ON = "conditions_met_on"  # the field in which a couple state it


def expect_of_age(parties: Iterable[Party], met_on: datetime.date) -> None:
    """Refused `conditions_met_under_age` unless both had reached the age of the law of that day."""
    rule = age_rule_on(met_on)
    for party in parties:
        least = rule.man_from if party.sex == "male" else rule.woman_from
        of_age_on = _birthday(party.born_on, least)
        if met_on < of_age_on:
            who = "男方" if party.sex == "male" else "女方"
            words = (
                f"{who}在{met_on}未满当时的法定婚龄{least}周岁(满{least}周岁是{of_age_on}),婚姻效力不能从那时起算。"
                "请撤回后,按双方都符合结婚条件的日期重新填写"
            )
            raise Refused("conditions_met_under_age", words, basis=rule.basis, field=MET_ON)


def expect_unmarried(ended: Iterable[datetime.date], met_on: datetime.date) -> None:
    """Refused `conditions_met_while_married` when another marriage of either ended only later."""
    last = max(ended, default=met_on)
    if met_on < last:
        words = (
            f"一方的前一段婚姻到{last}才终止,在此之前不符合结婚条件,婚姻效力不能从{met_on}起算。"
            "请撤回后,填写此后双方都符合结婚条件的日期;记录有误的,请先办理更正"
        )
        raise Refused("conditions_met_while_married", words, basis=SPOUSE, field=MET_ON)


def _birthday(born_on: datetime.date, years: int) -> datetime.date:
    """The first day with that many full years (as calendar.full_years): of 29 February 1 March in a common year."""
    try:
        return born_on.replace(year=born_on.year + years)
    except ValueError:
        return datetime.date(born_on.year + years, 3, 1)
