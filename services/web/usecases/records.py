"""查询婚姻登记记录: asked of marriage for a purpose, by clerks about anybody and by citizens about themselves."""

from contracts.envelope import Json
from contracts.marriage import LookUpRecordsV1
from contracts.record_purposes import OWN, record_purposes
from services.web.rules import Principal
from services.web.store import found as store
from services.web.store import writing
from services.web.usecases.taking_in import actor, find_repeated, index_of_body, keep
from services.web.usecases.tokens import known_number
from shared import clock
from shared.errors import Denied, Refused
from shared.outbox import Work

NOTE = "查询结果只包括 covers 所列机构和年份;“没有记录”不代表其他年份、其他地区没有登记。标为 complete: false 的年份尚未与档案核对完毕"


def search(work: Work, who: Principal, asked: Json, purpose: str, key: str) -> str:
    """Ask for the records of a person; the request's id. Refused `purpose_missing`; whether it is lawful, marriage says."""
    if not purpose:
        known = "、".join(record_purposes())
        words = f"查询婚姻登记记录须说明目的,请在 X-Purpose 中填写:{known}"
        raise Refused("purpose_missing", words, basis="个人信息保护法 第六条", field="X-Purpose")
    return _ask(work, who, asked | {"purpose": purpose}, key)


def search_own(work: Work, who: Principal, asked: Json, key: str) -> str:
    """Ask for one's own records. Denied `not_your_record` for those of anybody else."""
    number = known_number(asked["id_type"], asked["id_number"], work.today)
    if writing.person_index(work.node.keys, asked["id_type"], number) != who.person_index:
        raise Denied("not_your_record", "只能查询本人的婚姻登记记录,请核对证件号码", field="id_number")
    return _ask(work, who, asked | {"purpose": OWN, "department": "", "certificate": False}, key)


def _ask(work: Work, who: Principal, asked: Json, key: str) -> str:
    body_index = index_of_body(work, "look_up_records", asked)
    known = find_repeated(work, who, key, body_index)
    if known is not None:
        return known.case_id
    number = known_number(asked["id_type"], asked["id_number"], work.today)
    request_id = clock.new_id()
    data = {name: asked[name] for name in ("purpose", "department", "nationwide", "certificate")}
    person = {"id_type": asked["id_type"], "id_number": number}
    command_id = work.tell(LookUpRecordsV1, request_id, data | {"actor": actor(who)}, {"person": person})
    keep(work, who, key, body_index, {"command_id": command_id, "case_id": request_id, "kind": LookUpRecordsV1.type})
    return request_id


def answer_of(work: Work, request_id: str) -> Json:
    """What was found, where the answer is there."""
    found = store.find_found(work, request_id)
    return {"request_id": request_id, "note": NOTE, "found": found}
