"""更正和复核: two clerks tell marriage what a record should say. Who may, and which record it is, marriage says."""

from contracts.envelope import Contract, Json
from contracts.marriage import ConfirmCorrectionV1, CorrectRecordV1
from services.web.rules import Principal
from services.web.usecases.taking_in import actor, find_repeated, index_of_body, keep
from shared import clock
from shared.outbox import Work


def record(work: Work, who: Principal, asked: Json, key: str) -> str:
    """Ask that a correction be recorded; its id, the same for a repetition."""
    body = asked | {"document": asked["document"] | {"on": asked["document"]["on"].isoformat()}}
    body_index = index_of_body(work, "correct_record", body)
    known = find_repeated(work, who, key, body_index)
    if known is not None:
        return known.case_id
    correction_id = clock.new_id()
    command_id = work.tell(CorrectRecordV1, correction_id, {"actor": actor(who)}, body)
    _keep(work, who, key, body_index, (command_id, correction_id, CorrectRecordV1))
    return correction_id


def confirm(work: Work, who: Principal, correction_id: str, asked: Json, key: str) -> None:
    """Ask that a recorded correction be confirmed or rejected."""
    body_index = index_of_body(work, f"correction/{correction_id}", asked)
    if find_repeated(work, who, key, body_index) is not None:
        return
    command_id = work.tell(ConfirmCorrectionV1, correction_id, {"actor": actor(who), "approve": asked["approve"]})
    _keep(work, who, key, body_index, (command_id, correction_id, ConfirmCorrectionV1))


def _keep(work: Work, who: Principal, key: str, body_index: str, told: tuple[str, str, type[Contract]]) -> None:
    command_id, about, contract = told
    keep(work, who, key, body_index, {"command_id": command_id, "case_id": about, "kind": contract.type})
