"""Endings without an application: a clerk records the document, another one confirms, the holder ends the marriage."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from contracts import marriage as said
from contracts.envelope import Json
from services.marriage.rules import numbers
from services.marriage.rules.endings import LAWS, Ground
from services.marriage.rules.records import ARCHIVES, DECLARATION
from services.marriage.store import requests as store
from services.marriage.store.requests import Kept
from services.marriage.usecases import case, desk
from services.marriage.usecases.beginning import with_number
from services.marriage.usecases.deciding import office_ref
from shared import audit, regions
from shared.directory import Office
from shared.errors import Denied, NotFound, OutOfStep, Refused
from shared.outbox import Work

ALONE = Ground.DEATH  # which a death certificate proves; all else two people compare


def holder_of(work: Work, certificate_no: str, registering_division: str = "") -> str:
    """The node that holds a marriage: by the division in the number, or the one named for it, as it is called today.

    Refused `holder_unclear`, `division_unknown`, `division_not_joined`, `certificate_number_malformed`.
    """
    division = registering_division or numbers.parse(certificate_no.strip()).division
    today = regions.standard().current(division, work.today)
    nodes = {work.node.directory.node_of(one.code) for one in today}
    if len(nodes) != 1:
        words = "不能确定婚姻登记档案现在由哪里保管,请填写原登记机关现在所在的县(市、区)后再办"
        raise Refused("holder_unclear", words, basis=ARCHIVES, field="registering_division")
    return nodes.pop()


def record_ending(work: Work) -> None:
    """登记: keep what the clerk has before them; a death certificate goes to the holder at once."""
    asked, wish = work.data(said.RecordEndingV1), work.personal(said.RecordEndingV1)
    office = desk.expect_power(work, asked["actor"], "不能登记婚姻终止")
    if wish["ground"] == Ground.DIVORCE_REGISTERED:
        words = "登记离婚须双方共同申请办理,不能直接登记终止;法院判决或调解离婚的,请选择法院离婚"
        raise Refused("ending_by_application", words, basis=LAWS[Ground.DIVORCE_REGISTERED].basis, field="ground")
    wish |= {"persons": [with_number(work, person) for person in wish["persons"]]}
    holder = holder_of(work, wish["certificate_no"], asked["registering_division"])
    kept = Kept(case.id_of(work), "recorded", holder, office.code, asked["actor"]["id"], "", wish)
    if not store.add_request(work, kept):
        raise OutOfStep("stale", "过时的消息")
    _note_look(work, kept, asked["actor"]["id"], "record_ending")
    if wish["ground"] == ALONE:
        _send(work, kept, office)
    else:
        _go_on(work, kept, "recorded")


def confirm_ending(work: Work) -> None:
    """复核, by another clerk of this node. Denied `same_clerk`; OutOfStep when it was confirmed or rejected already."""
    asked, kept = work.data(said.ConfirmEndingV1), store.find_request(work, case.id_of(work))
    office = desk.expect_power(work, asked["actor"], "不能登记婚姻终止")
    if kept is None:
        raise NotFound("ending_unknown", "没有这项终止登记,请核对编号")
    if kept.state != "recorded":
        raise OutOfStep("ending_confirmed", "这项终止登记已经复核过,请刷新后查看")
    if asked["actor"]["id"] == kept.recorded_by:
        words = "登记和复核应当由两名工作人员分别办理,请另一名工作人员对照文书复核"
        raise Denied("same_clerk", words, basis=_basis(kept.wish), field="actor")
    kept = kept.confirmed(asked["actor"]["id"])
    _note_look(work, kept, kept.confirmed_by, "confirm_ending")
    if asked["approve"]:
        _send(work, kept, office)
    else:
        _go_on(work, kept, "rejected")


def _basis(wish: Mapping[str, Any]) -> str:
    return LAWS[Ground(wish["ground"])].basis if wish["ground"] else DECLARATION


def _note_look(work: Work, kept: Kept, actor: str, act: str) -> None:
    for person in kept.wish["persons"]:
        audit.record(
            work,
            actor=actor,
            office=kept.office,
            purpose="end_of_marriage",
            act=act,
            subject=kept.request_id,
            person_index=case.person_index(work, person),
            fields=("marriage",),
        )


def _send(work: Work, kept: Kept, office: Office) -> None:
    _ask(work, kept, office)
    _go_on(work, kept, "sent")


def _ask(work: Work, kept: Kept, office: Office) -> None:
    wish = dict(kept.wish)
    ground, declined = wish.pop("ground"), wish.pop("declined")
    contract = said.EndMarriageV1 if ground else said.WithdrawEndingV1
    wish |= {"ground": ground} if ground else {"declined": declined}
    work.tell(contract, kept.request_id, {"office": office_ref(work, office)}, wish, to=kept.holder)


def _go_on(work: Work, kept: Kept, state: str, reasons: list[Json] | None = None) -> None:
    """The request as it stands now; whoever asked is told."""
    store.save_request(work, kept, state)
    data = {"state": state, "office": kept.office}
    work.tell(said.EndingNotedV1, kept.request_id, data, {"reasons": reasons or []})


# --- what the holder answers ---------------------------------------------------------------------------------------------


def note_ended(work: Work, kept: Kept) -> None:
    """已终止."""
    if kept.state == "sent":
        _go_on(work, kept, "ended")


def note_back(work: Work, kept: Kept) -> None:
    """已恢复, or kept ended by law."""
    if kept.state == "sent":
        restored = work.personal(said.EndingWithdrawnV1)["restored"]
        _go_on(work, kept, "restored" if restored else "ended")


def note_refused(work: Work, kept: Kept) -> None:
    """未能终止, or once: where to ask instead."""
    why = work.personal(said.EndingRefusedV1)
    if kept.state != "sent":
        return
    if why["holder"] and why["certificate_no"] != kept.wish["certificate_no"]:
        wish = dict(kept.wish) | {"certificate_no": why["certificate_no"]}
        now = dataclasses.replace(kept, holder=why["holder"], wish=wish)
        store.save_request(work, now, "sent")
        _ask(work, now, work.node.offices.get(now.office))
    else:
        reason = {"code": why["code"], "text": why["message"], "basis": why["basis"]}
        _go_on(work, kept, "refused", [reason])
