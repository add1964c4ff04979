"""期限: what the calendar did not know is counted again when it does; supplements are not awaited in silence for ever."""

import datetime

from services.intake.rules import legs as rules
from services.intake.rules.legs import Leg, State
from services.intake.store import cases as store
from services.intake.store import telling
from services.intake.store.cases import Case
from services.intake.usecases import case, notices
from shared import calendar
from shared.calendar import Calendar
from shared.outbox import Work, Works


def recount_all(works: Works, table: Calendar) -> None:
    """Count the provisional clocks of this node's own legs again, each leg in its own transaction."""
    with works.begin() as work:
        waiting = [(leg.case_id, leg.role) for leg in store.list_provisional(work)]
    for case_id, role in waiting:
        with works.begin() as work:
            _recount(work, case_id, role, table)


def _recount(work: Work, case_id: str, role: str, table: Calendar) -> None:
    """Keep and tell what is different now; nothing happens when nothing is."""
    before = store.get_leg(work, case_id, role)
    after = rules.recount_clocks(before, table)
    if after == before:
        return
    if role == "accepting":
        case.change_aloud(work, before, after)
    else:  # the accepting city hears of every version of this leg
        leg = case.change(work, before, after)
        office = case.competent_ref(work, store.get_case(work, case_id))
        case.progress(work, leg, case.note(work, leg, "recount", office))


def count_provisional(work: Work) -> int:
    """How many running clocks end on a day that the calendar does not know."""
    return sum(clock.to_recount for leg in store.list_provisional(work) for clock in leg.clocks)


def supplement_until(work: Work, kept: Case) -> datetime.date:
    """The last day for a supplement that is asked for today."""
    return calendar.standard().add_working_days(work.today, case.matter_of(kept).supplement_days).date


def list_lapsed_supplements(works: Works) -> None:
    """A work item, once, for the accepting office of every case whose applicant has not supplemented in time.

    Each leg in its own transaction: what comes meanwhile is not overlooked.
    """
    with works.begin() as work:
        lapsed = store.list_lapsed_supplements(work, work.today)
    for case_id in lapsed:
        with works.begin() as work:
            _ask_office(work, store.get_leg(work, case_id, "accepting"))


def _ask_office(work: Work, leg: Leg) -> None:
    day = str(leg.supplement_until)
    waits = leg.state is State.SUPPLEMENT_REQUIRED and rules.has_lapsed(leg, work.today)
    if not waits or telling.was_opened(work, leg.case_id, rules.SUPPLEMENT_LAPSED, day):
        return
    words = f"申请人在 {day} 前未补正,请联系申请人;不再补正的,由收件窗口按逾期未补正撤回"
    office = store.get_case(work, leg.case_id).facts["accepting_office"]["code"]
    notices.open_work_item(work, leg.case_id, rules.SUPPLEMENT_LAPSED, words, office, about=day)
