"""审查: the registrar has seen and heard both, one apart from the other."""

import dataclasses

from contracts import marriage as said
from contracts.envelope import Json
from services.marriage.rules import registration as rules
from services.marriage.rules.eligibility import HELD_ELSEWHERE
from services.marriage.rules.finding import Finding, Wait
from services.marriage.store.applications import Kept
from services.marriage.usecases import case, deciding, desk
from shared.directory import Office
from shared.errors import Refused
from shared.outbox import Work


def examine_application(work: Work) -> None:
    """审查: go on to 登记, or refuse on what was heard."""
    asked, kept = work.data(said.ExamineApplicationV1), case.get(work)
    heard, office = work.personal(said.ExamineApplicationV1), case.expect_turn(work, kept, asked, "examine")
    case.expect_both(heard["heard"])
    act = deciding.act_of(work, "examine", asked, heard)
    now = case.with_heard(dataclasses.replace(kept, acts=(*kept.acts, act)), heard["heard"])
    now = dataclasses.replace(now, known=dataclasses.replace(now.known, kinship=heard["kinship"]))
    if asked["approve"]:
        _pass(work, now, act, office)
    else:
        deciding.refuse(work, now, act)


def _pass(work: Work, kept: Kept, act: Json, office: Office) -> None:
    """What is said of the persons elsewhere may still be asked; what was heard here must be whole."""
    opinion = case.opinion_of(kept, work.today, ("declaration", "records"))
    faults: list[Finding | Wait] = [*opinion.grounds, *(w for w in opinion.waits if w.code != HELD_ELSEWHERE)]
    for fault in faults:
        raise Refused(fault.code, fault.text, basis=fault.basis)
    after = case.go_on(work, dataclasses.replace(kept, version=kept.version + 1), rules.examine(kept.registration))
    data = desk.word(after) | {
        "approve": True,
        "at": act["at"],
        "next_task": desk.task(work, after, case.next_verb(after)),
    }
    work.tell(said.ApplicationExaminedV1, after.case_id, data | {"office": deciding.office_ref(work, office)})
