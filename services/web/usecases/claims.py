"""查询占用, 放弃预留: a person's own claims, asked by themselves, or by a clerk before whom they stand."""

from contracts.claim_kinds import claim_kinds
from contracts.claims import DropClaimsV1, LookUpClaimsV1
from contracts.envelope import Contract, Json
from contracts.record_purposes import OWN, record_purposes
from services.web.rules import Principal
from services.web.store import found as store
from services.web.store import writing
from services.web.usecases.taking_in import actor, find_repeated, index_of_body, keep
from services.web.usecases.tokens import known_number
from shared import clock
from shared.errors import Denied, NotFound, OutOfStep, Refused, TongbanError
from shared.outbox import Work

LAW = "个人信息保护法 第四十五条"
FOUND = "只列以本人证件预留或登记的事项,不显示对方是谁;没有列出的,就是没有占用。离婚登记的进展请查本人办件"
INCOMPLETE = "主管登记处的账正在恢复,可能还有没有列出的占用,请稍后用新的 Idempotency-Key 再查"
FORGOTTEN = "查询结果只保留一天,请用新的 Idempotency-Key 重新查询"
WAITING = (
    "主管登记处还没有答复。请求已保存,连通后自动送达,不会丢失:请稍后用同一 Idempotency-Key 再问;"
    "超过一天没有答复的,请用新的键再问,并联系通办运行机构"
)
DROPPED = "预留已放弃,原办理机构会收到通知;本人可以在任何登记机关重新办理"
STATES = {"held": "已预留", "registering": "正在登记", "registered": "已登记"}
ADVICE = {
    "held": "可以在任何登记机关或本人账号放弃;不放弃的,到期自动结束",
    "registering": "正在该机构登记,不能在此放弃;不办了的,请联系该机构",
    "registered": "已经登记,不能放弃;要终止的,依法办理离婚登记,或由人民法院判决离婚、宣告无效或者撤销",
}


def search(work: Work, who: Principal, asked: Json, purpose: str, key: str) -> str:
    """Ask what is held on a person who stands before this clerk; the request's id.

    Refused `purpose_missing`, `purpose_unknown`; Denied `purpose_not_yours`.
    """
    _expect_purpose(work, who, purpose)
    return _look_up(work, who, asked, purpose, key)


def search_own(work: Work, who: Principal, asked: Json, key: str) -> str:
    """Ask what is held on oneself; the request's id. Denied `not_your_claims` for anybody else."""
    _expect_own(work, who, asked)
    return _look_up(work, who, asked, OWN, key)


def drop(work: Work, who: Principal, asked: Json, purpose: str, key: str) -> str:
    """Ask that what is held on a person who stands before this clerk be given up; the request's id. As `search`."""
    _expect_purpose(work, who, purpose)
    return _ask(work, who, DropClaimsV1, asked, {"kind": asked["kind"]}, key)


def drop_own(work: Work, who: Principal, asked: Json, key: str) -> str:
    """Ask that what is held on oneself be given up; the request's id. Denied `not_your_claims` for anybody else."""
    _expect_own(work, who, asked)
    return _ask(work, who, DropClaimsV1, asked, {"kind": asked["kind"]}, key)


def _expect_purpose(work: Work, who: Principal, purpose: str) -> None:
    known = {code: row for code, row in record_purposes().items() if row.claims and who.kind in row.asked_by}
    if not purpose:
        words = f"查询、放弃占用须说明目的,请在 X-Purpose 中填写:{'、'.join(known)}"
        raise Refused("purpose_missing", words, basis=LAW, field="X-Purpose")
    if purpose not in known:
        words = f"占用只对本人公开,X-Purpose 只能是:{'、'.join(known)}"
        raise Refused("purpose_unknown", words, basis=LAW, field="X-Purpose")
    office = work.node.offices.by_code.get(who.office)
    if office is None or office.organisation not in known[purpose].organisations:
        words = "只有婚姻登记机关可以为到场的本人查询、放弃占用,请本人到婚姻登记机关办理"
        raise Denied("purpose_not_yours", words, basis=LAW, field="X-Purpose")


def _expect_own(work: Work, who: Principal, asked: Json) -> None:
    number = known_number(asked["id_type"], asked["id_number"], work.today)
    if writing.person_index(work.node.keys, asked["id_type"], number) != who.person_index:
        raise Denied("not_your_claims", "只能查询、放弃本人的占用,请核对证件号码", basis=LAW, field="id_number")


def _look_up(work: Work, who: Principal, asked: Json, purpose: str, key: str) -> str:
    return _ask(work, who, LookUpClaimsV1, asked, {"purpose": purpose}, key)


def _ask(work: Work, who: Principal, contract: type[Contract], asked: Json, more: Json, key: str) -> str:
    body_index = index_of_body(work, contract.type, asked | more)
    known = find_repeated(work, who, key, body_index)
    if known is not None:
        return known.case_id
    number = known_number(asked["id_type"], asked["id_number"], work.today)
    request_id = clock.new_id()
    subject = {"id_type": asked["id_type"], "id_number": number}
    command_id = work.tell(contract, request_id, more | {"actor": actor(who)}, {"subject": subject})
    keep(work, who, key, body_index, {"command_id": command_id, "case_id": request_id, "kind": contract.type})
    return request_id


# --- what the authority answered -------------------------------------------------------------------------------------


def answer_of(work: Work, request_id: str, *, answered: bool) -> Json:
    """What is held, where the answer is there; else what to do."""
    found = store.find_claims(work, request_id)
    if found is None:
        return {"request_id": request_id, "note": FORGOTTEN if answered else WAITING, "found": None}
    shown = found | {"claims": [_shown(claim) for claim in found["claims"]]}
    return {"request_id": request_id, "note": FOUND if found["complete"] else INCOMPLETE, "found": shown}


def _shown(claim: Json) -> Json:
    held = claim["state"] == "held"
    state = "held" if held else "registered" if claim["issued"] else "registering"
    names = {"kind_name": _name(claim["kind"]), "state_name": STATES[state], "advice": ADVICE[state]}
    plain = {name: claim[name] for name in ("kind", "office", "since", "until")}
    return plain | names | {"state": state, "may_be_dropped": held}


def _name(kind: str) -> str:
    known = claim_kinds().get(kind)
    return known.name if known else kind


def drop_answer(request_id: str, *, answered: bool) -> Json:
    """That it is given up, or what to do while nobody has answered."""
    return {"request_id": request_id, "note": DROPPED if answered else WAITING, "dropped": answered}


def refusal_of(told: Json) -> TongbanError | None:
    """Why an authority has not given up a claim (contracts.claims.ClaimDroppedV1); None where it has."""
    if told["found"]:
        return None
    if told["deferred"]:
        words = "主管登记处的账正在移交或恢复,预留仍有效,到期自动结束;要放弃的,请稍后用新的 Idempotency-Key 再办"
        return OutOfStep("drop_deferred", words)
    if told["locked_by"] is None:
        return NotFound("claim_unknown", "没有可以放弃的预留,可能已经到期或放弃,不用再办")
    return Refused("claim_locked", _locked(told["kind"], told["locked_by"]), basis="民法典 第一千零四十九条")


def _locked(kind: str, office: Json) -> str:
    whom = office["name"] + (f"(电话 {office['phone']})" if office["phone"] else "")
    return (
        f"{_name(kind)}已由{whom}锁定,正在登记或者已经登记,不能放弃。正在登记的,请联系该机构;"
        "已经登记的,依法办理离婚登记,或由人民法院判决离婚、宣告无效或者撤销"
    )
