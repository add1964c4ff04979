"""登记终止和复核: two clerks tell marriage that a marriage has ended without an application."""

from contracts.envelope import Json
from contracts.marriage import ConfirmEndingV1, RecordEndingV1
from services.web import rules
from services.web.rules import Principal
from services.web.store import reading
from services.web.usecases import checking
from services.web.usecases.taking_in import actor, find_repeated, index_of_body, keep
from shared import audit, clock
from shared.errors import Denied, NotFound
from shared.outbox import Work

MATTER = "marriage-registration"
PERSONAL = ("certificate_no", "persons", "ground", "declined")


def record(work: Work, who: Principal, asked: Json, key: str) -> str:
    """Ask that an ending be recorded; its id, the same for a repetition. Denied without the power to register."""
    body = asked | {"on": asked["on"].isoformat(), "document": _dated(asked["document"])}
    body_index = index_of_body(work, "record_ending", body)
    known = find_repeated(work, who, key, body_index)
    if known is not None:
        return known.case_id
    _expect_power(work, who)
    division = asked["registering_division"]
    checking.expect_division(division, work.today, "registering_division")
    ending_id = clock.new_id()
    personal = {name: body[name] for name in (*PERSONAL, "on", "document")}
    data = {"actor": actor(who), "registering_division": division}
    command_id = work.tell(RecordEndingV1, ending_id, data, personal)
    keep(work, who, key, body_index, {"command_id": command_id, "case_id": ending_id, "kind": RecordEndingV1.type})
    return ending_id


def _dated(document: Json) -> Json:
    return document | {"on": document["on"].isoformat()}


def confirm(work: Work, who: Principal, ending_id: str, asked: Json, key: str) -> None:
    """Ask that a recorded ending be confirmed or rejected; whether this clerk may is for marriage to say."""
    body_index = index_of_body(work, f"ending/{ending_id}", asked)
    if find_repeated(work, who, key, body_index) is not None:
        return
    _expect_power(work, who)
    data = {"actor": actor(who), "approve": asked["approve"]}
    command_id = work.tell(ConfirmEndingV1, ending_id, data)
    keep(work, who, key, body_index, {"command_id": command_id, "case_id": ending_id, "kind": ConfirmEndingV1.type})


def view(work: Work, who: Principal, ending_id: str, purpose: str) -> Json:
    """How far an ending is that this office has recorded, on record. NotFound `ending_unknown` for any other."""
    known = reading.find_words(work, ending_id).get("ending")
    if known is None or known["office"] != who.office:
        raise NotFound("ending_unknown", "没有这项终止登记,请核对编号")
    audit.record(
        work,
        actor=who.actor,
        office=who.office,
        purpose=rules.expect_purpose(purpose),
        act="view_ending",
        subject=ending_id,
        person_index="",
        fields=("reasons",),
    )
    return {"ending_id": ending_id, "state": known["state"], "reasons": known["reasons"]}


def _expect_power(work: Work, who: Principal) -> None:
    office = work.node.offices.get(who.office)
    if not office.may("register", MATTER, work.today):
        raise Denied("office_without_power", f"{office.name}不是婚姻登记机关,不能登记婚姻终止", field="office")
