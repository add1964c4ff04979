"""家庭状况变化: who was granted something by household has married or is married no more; a person looks again."""

from collections.abc import Iterable

from contracts import marriage as heard
from contracts import subsidy as said
from contracts.envelope import Json
from services.subsidy import store
from services.subsidy.store import Kept
from services.subsidy.usecases import case
from shared.outbox import Work

TEXT = "家庭状况发生变化,请复核是否仍符合条件和标准"


def note_registration(work: Work) -> None:
    """已登记结婚, in this city."""
    _note(work, case.id_of(work), work.personal(heard.MarriageRegisteredV1)["parties"])


def note_divorce(work: Work) -> None:
    """已登记离婚, in this city; the end of the marriage is the same change."""
    _note(work, case.id_of(work), work.personal(heard.DivorceRegisteredV1)["parties"])


def note_end(work: Work) -> None:
    """婚姻已终止, as this city holds it or asked about it."""
    _note(work, work.data(heard.MarriageEndedV1)["request"], work.personal(heard.MarriageEndedV1)["persons"])


def note_copy(work: Work) -> None:
    """抄告, by another city; the same change may have been heard of otherwise."""
    _note(work, work.data(heard.StatusCopiedV1)["change"], work.personal(heard.StatusCopiedV1)["persons"])


def note_back(work: Work) -> None:
    """婚姻已恢复; one that stays ended changes nothing."""
    told = work.personal(heard.EndingWithdrawnV1)
    if told["restored"]:
        _note(work, work.data(heard.EndingWithdrawnV1)["request"], told["persons"])


def _note(work: Work, change_id: str, persons: Iterable[Json]) -> None:
    """Tell of every granted application that rests on a household: once for each change, which may be heard of twice."""
    indexes = {case.person_index(work, person) for person in persons}
    for kept in store.list_granted(work, indexes):
        if case.matter_of(kept).eligibility and store.keep_change(work, change_id, kept.application.case_id):
            _tell(work, kept)


def _tell(work: Work, kept: Kept) -> None:
    data = case.word(kept.application) | {"office": case.decider_ref(work, kept), "text": TEXT}
    work.tell(said.HouseholdChangedV1, kept.application.case_id, data)
