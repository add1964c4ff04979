"""Subsidy's doors: which message leads to which verb, and when registries are asked."""

from contracts import intake, marriage, subsidy
from contracts.envelope import Message, read_data
from contracts.matters import matter_version
from services.subsidy import store
from services.subsidy.ports import Gathered, Registries, gather
from services.subsidy.rules.application import TRANSIT
from services.subsidy.store import Kept
from services.subsidy.usecases import beginning, case, deciding, households, supplementing
from shared.bus import Doors, one_by_one
from shared.crypto.personal import open_personal
from shared.outbox import Works

ASK_AGAIN_SECONDS = 60
ASK_AGAIN_BATCH = 50
LAPSE_SECONDS = 300
LAPSE_BATCH = 100

VERBS = {
    subsidy.CheckApplicationV1: deciding.check_application,
    subsidy.ReviewApplicationV1: deciding.review_application,
    subsidy.DecideApplicationV1: deciding.decide_application,
    subsidy.RequestSupplementV1: supplementing.request_supplement,
    subsidy.RedirectApplicationV1: deciding.redirect_application,
    intake.ApplicationWithdrawnV1: beginning.drop_application,
    marriage.MarriageRegisteredV1: households.note_registration,
    marriage.DivorceRegisteredV1: households.note_divorce,
    marriage.MarriageEndedV1: households.note_end,
    marriage.EndingWithdrawnV1: households.note_back,
    marriage.StatusCopiedV1: households.note_copy,
}


def doors(registries: Registries) -> Doors:
    """All ways into subsidy; `registries` answers what the law asks about a person."""
    entrance = Doors("subsidy")
    for contract, verb in VERBS.items():
        entrance.listen(contract)(verb)

    def ask(works: Works, message: Message) -> Gathered:
        told = read_data(intake.ApplicationAcceptedV1, message.data, message.checked)
        if told["decides"] != beginning.OURS:
            return Gathered()
        personal = open_personal(works.node, intake.ApplicationAcceptedV1, message)
        with works.begin() as work:  # on record before anybody is asked, whatever becomes of the message
            asked = beginning.begin_look(work, message.subject, told, personal)
        matter = matter_version(told["case"]["matter"], told["case"]["matter_version"])
        return gather(registries, case.subject_of(matter, personal)["id_number"], asked)

    def ask_of_known(works: Works, message: Message) -> Gathered:
        with works.begin() as work:
            asked = supplementing.begin_look(work, message.subject)
            kept = store.find_application(work, message.subject)
        return _gather(kept, registries, asked) if kept else Gathered()

    entrance.listen(intake.ApplicationAcceptedV1, ask=ask)(beginning.begin_application)
    entrance.listen(intake.ApplicationSupplementedV1, ask=ask_of_known)(supplementing.note_supplement)

    @entrance.every(ASK_AGAIN_SECONDS)
    def ask_registries_again(works: Works) -> None:
        with works.begin() as work:
            waiting = store.list_to_ask_again(work, ASK_AGAIN_BATCH)
        one_by_one(waiting, lambda case_id: ask_again(works, case_id, registries))

    entrance.every(LAPSE_SECONDS)(end_supplements)
    return entrance


def end_supplements(works: Works) -> None:
    """Go on with every case whose supplement did not come in time, nor in the days it may have been under way."""
    with works.begin() as work:
        lapsed = store.list_lapsed(work, work.today - TRANSIT, LAPSE_BATCH)
    one_by_one(lapsed, lambda case_id: _end_supplement(works, case_id))


def _end_supplement(works: Works, case_id: str) -> None:
    with works.begin() as work:
        supplementing.note_lapse(work, case_id)


def ask_again(works: Works, case_id: str, registries: Registries) -> None:
    """Ask for one case what is still unknown, promised or read off a paper; never while a transaction is open."""
    with works.begin() as work:
        kept = store.find_application(work, case_id)
        asked = case.owed(kept) if kept else set()
        if kept and asked and not kept.application.open:
            store.note_asked(work, kept.application)
    if kept is None or not asked:
        return
    gathered = _gather(kept, registries, asked)
    if gathered.unavailable == asked:
        return
    with works.begin() as work:  # apart: what was seen is on record, whatever becomes of it
        case.note_look(work, kept, asked, "registries_again")
    with works.begin() as work:
        kept = store.find_application(work, case_id)
        if kept is not None:
            beginning.note_answers(work, kept, gathered)


def _gather(kept: Kept, registries: Registries, asked: set[str]) -> Gathered:
    return gather(registries, case.subject_of(case.matter_of(kept), dict(kept.personal))["id_number"], asked)
