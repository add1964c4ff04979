"""审查: the registrar has seen and heard both, one apart from the other."""

import dataclasses

from contracts import marriage as said
from contracts.envelope import Json
from services.marriage.rules import registration as rules
from services.marriage.rules.eligibility import HELD_ELSEWHERE, IN_PERSON
from services.marriage.rules.finding import Finding, Wait
from services.marriage.store.applications import Kept
from services.marriage.usecases import case, deciding
from shared.directory import Office
from shared.errors import Refused
from shared.outbox import Work


def examine_application(work: Work) -> None:
    """审查: go on to 登记, or refuse on what was heard."""
    asked, kept = work.data(said.ExamineApplicationV1), case.get(work)
    heard, office = work.personal(said.ExamineApplicationV1), case.expect_turn(work, kept, asked, "examine")
    _expect_both(heard)
    act = deciding.act_of(work, "examine", asked, heard)
    now = _with_heard(dataclasses.replace(kept, acts=(*kept.acts, act)), heard)
    if asked["approve"]:
        _pass(work, now, act, office)
    else:
        deciding.refuse(work, now, act)


def _expect_both(heard: Json) -> None:
    if {row["number"] for row in heard["heard"]} != {0, 1}:
        raise Refused("person_not_heard", "请分别记录双方各自的询问情况", basis=IN_PERSON, field="heard")
    if not all(row["present"] for row in heard["heard"]):
        words = "双方应当亲自到场;一方没有到场的不能审查,也不是不予登记的理由,请约双方同来"
        raise Refused("not_in_person", words, basis=IN_PERSON, field="heard")


def _with_heard(kept: Kept, heard: Json) -> Kept:
    known = dataclasses.replace(kept.known, heard=tuple(heard["heard"]), kinship=heard["kinship"])
    declared = {row["number"]: "free" for row in heard["heard"] if row["declared"]}
    return dataclasses.replace(kept, known=known.with_standings("declaration", declared))


def _pass(work: Work, kept: Kept, act: Json, office: Office) -> None:
    """What is said of the persons elsewhere may still be asked; what was heard here must be whole."""
    opinion = case.opinion_of(kept, work.today, ("declaration", "records"))
    faults: list[Finding | Wait] = [*opinion.grounds, *(w for w in opinion.waits if w.code != HELD_ELSEWHERE)]
    for fault in faults:
        raise Refused(fault.code, fault.text, basis=fault.basis)
    after = case.go_on(work, dataclasses.replace(kept, version=kept.version + 1), rules.examine(kept.registration))
    data = case.word(after) | {"approve": True, "at": act["at"], "next_task": case.task_of(work, after)}
    work.tell(said.ApplicationExaminedV1, after.case_id, data | {"office": deciding.office_ref(work, office)})
