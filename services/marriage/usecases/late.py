"""补办: since when the couple say that all conditions were met, and whether that can be."""

import datetime
from collections.abc import Iterator

from services.marriage.rules import late as rules
from services.marriage.rules import records
from services.marriage.rules.endings import LAWS
from services.marriage.rules.late import MET_ON
from services.marriage.store import archives, divorces
from services.marriage.store import records as store
from services.marriage.store.applications import Kept
from services.marriage.usecases import case
from shared.errors import Refused
from shared.outbox import Work

MATTER = "marriage-late-registration"


def conditions_met_on(kept: Kept) -> datetime.date | None:
    """Since when the couple say that all conditions were met; None of other matters. Refused `date_malformed`."""
    said_on = kept.personal["answers"].get(MET_ON)
    if kept.case_facts["matter"] != MATTER:
        return None
    try:
        return datetime.date.fromisoformat(str(said_on))
    except ValueError as error:
        words = "双方符合结婚条件的日期应写成 2010-05-20 的形式,请撤回后按声明书重新填写"
        raise Refused("date_malformed", words, basis=records.LATE_EFFECT, field=MET_ON) from error


def expect_met(work: Work, kept: Kept) -> None:
    """Refused `date_malformed`, `conditions_met_later`, `conditions_met_under_age`, `conditions_met_while_married`."""
    met_on = conditions_met_on(kept)
    if met_on is None:
        return
    records.expect_met(met_on, work.today)
    rules.expect_of_age(case.couple_of(kept, work.today).parties, met_on)
    indexes = sorted(case.person_index(work, person) for person in case.persons_of(kept.personal))
    rules.expect_unmarried((day for one in indexes for day in _ends(work, one)), met_on)


def _ends(work: Work, person: str) -> Iterator[datetime.date]:
    """When earlier marriages of a person ended, as far as it is on record here; what never bound, ended never."""
    for held in store.list_of_persons(work, [person]):
        record = held.record
        if record.ended_on and record.ground and not LAWS[record.ground].from_the_beginning:
            yield record.ended_on
    for kept in divorces.list_registered(work, person):
        if kept.divorce.ended_on:
            yield kept.divorce.ended_on
    for entry in archives.list_divorces(work, person):
        yield entry.line.registered_on
