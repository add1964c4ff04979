"""期限: what the calendar did not know yet is counted again when it does."""

from services.intake import rules
from services.intake.store import cases as store
from services.intake.usecases import case
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
