"""期限: what the calendar did not know is counted again when it does; supplements are not awaited in silence for ever."""

import datetime

from services.intake.rules import legs as rules
from services.intake.rules.legs import Leg
from services.intake.store import cases as store
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


def supplement_until(leg: Leg, kept: Case) -> datetime.date | None:
    """The last day for the supplement that this leg awaits; None without one."""
    return rules.supplement_until(leg, case.matter_of(kept).supplement_days, calendar.standard())


def if_unsupplemented(work: Work, leg: Leg, kept: Case) -> str:
    """What the timeline says of an end that comes because nobody supplemented in time; "" when that is not so."""
    until = supplement_until(leg, kept)
    return f"{until} 前未补正" if until is not None and until < work.today else ""


def list_unsupplemented(works: Works) -> None:
    """A work item for the accepting office of every case whose applicant has not supplemented in time."""
    with works.begin() as work:
        for leg in store.list_waiting_for_supplement(work):
            kept = store.get_case(work, leg.case_id)
            if why := if_unsupplemented(work, leg, kept):
                words = f"申请人在 {why},请联系申请人;不再补正的,由收件窗口按逾期未补正撤回"
                notices.open_work_item(
                    work, leg.case_id, rules.SUPPLEMENT_LAPSED, words, kept.facts["accepting_office"]["code"]
                )
