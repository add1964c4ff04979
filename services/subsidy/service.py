"""Subsidy's doors: which message leads to which verb, and when registries are asked."""

from contracts import intake, subsidy
from contracts.envelope import Message, read_data
from contracts.matters import matter_version
from services.subsidy import store, usecases
from services.subsidy.ports import Gathered, Registries, gather
from shared.bus import Doors
from shared.crypto.personal import open_personal
from shared.outbox import Works

ASK_AGAIN_SECONDS = 60
ASK_AGAIN_BATCH = 50

VERBS = {
    subsidy.CheckApplicationV1: usecases.check_application,
    subsidy.ReviewApplicationV1: usecases.review_application,
    subsidy.DecideApplicationV1: usecases.decide_application,
    subsidy.RequestSupplementV1: usecases.request_supplement,
    subsidy.RedirectApplicationV1: usecases.redirect_application,
    intake.ApplicationSupplementedV1: usecases.note_supplement,
    intake.ApplicationWithdrawnV1: usecases.drop_application,
}


def doors(registries: Registries) -> Doors:
    """All ways into subsidy; `registries` answers what the law asks about a person."""
    entrance = Doors("subsidy")
    for contract, verb in VERBS.items():
        entrance.listen(contract)(verb)

    def ask(works: Works, message: Message) -> Gathered:
        facts = read_data(intake.ApplicationAcceptedV1, message.data)["case"]
        personal = open_personal(works.node, intake.ApplicationAcceptedV1, message)
        matter = matter_version(facts["matter"], facts["matter_version"])
        number = usecases.subject_of(matter, personal)["id_number"]
        return gather(registries, number, usecases.registries_of(matter))

    entrance.listen(intake.ApplicationAcceptedV1, ask=ask)(usecases.begin_application)

    @entrance.every(ASK_AGAIN_SECONDS)
    def ask_registries_again(works: Works) -> None:
        with works.begin() as work:
            waiting = store.list_to_ask_again(work, ASK_AGAIN_BATCH)
        for case_id in waiting:
            ask_again(works, case_id, registries)

    return entrance


def ask_again(works: Works, case_id: str, registries: Registries) -> None:
    """Ask for one case what is still unknown or only promised; never while a transaction is open."""
    with works.begin() as work:
        kept = store.find_application(work, case_id)
    if kept is None:
        return
    matter = matter_version(kept.application.matter, kept.application.matter_version)
    number = usecases.subject_of(matter, dict(kept.personal))["id_number"]
    gathered = gather(registries, number, usecases.registries_of(matter))
    if gathered.unavailable == usecases.registries_of(matter):
        return
    with works.begin() as work:
        kept = store.find_application(work, case_id)
        if kept is not None:
            usecases.note_answers(work, kept, gathered)
