"""收件: number the case, keep it, hand out the receipt and ask intake to take it in, all in one commit."""

import datetime
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from contracts.envelope import Json
from contracts.intake import TakeInApplicationV1
from contracts.matters import Matter
from services.web import rules
from services.web.rules import Command, Principal
from services.web.store import asking, writing
from services.web.usecases import checking
from shared import clock
from shared.crypto.sealing import blind_index
from shared.directory import Office
from shared.errors import Refused
from shared.outbox import Work


def take_in(work: Work, who: Principal, asked: Json, key: str, patience: float = 0.0) -> str:
    """The id of the case that this request opened, now or when it was first made under the same key.

    `patience`: seconds for which the asker waits for intake's answer; whom a later refusal must be told otherwise.
    Refused, Denied or NotFound name what is wrong; nothing is kept of a request that fails, its key stays free.
    """
    body_index = index_of_body(work, "take_in", asked)
    known = find_repeated(work, who, key, body_index)
    if known is not None:
        return known.case_id
    matter = checking.matter_in_force(asked["matter"], work.today)
    office = checking.accepting_office(work, who, asked, matter)
    personal = _read_personal(work, who, asked, matter)
    checking.expect_division(asked["place_division"], work.today, "place_division")
    case_id = clock.new_id()
    facts = _facts(work, who, asked, matter, office)
    writing.add_case(work, case_id, facts, personal, who.owner)
    told = {"case": facts, "actor": actor(who), "place_division": asked["place_division"]}
    command_id = work.tell(TakeInApplicationV1, case_id, told, personal)
    about = {"command_id": command_id, "case_id": case_id, "kind": TakeInApplicationV1.type}
    awaited_until = clock.iso(work.now + datetime.timedelta(seconds=patience))
    keep(work, who, key, body_index, about | {"awaited_until": awaited_until})
    return case_id


def _read_personal(work: Work, who: Principal, asked: Json, matter: Matter) -> Json:
    parties = checking.read_parties(asked, matter, work.today)
    checking.expect_own(work, who, parties)
    checking.expect_answers(matter, asked["answers"], asked["materials"])
    return {"parties": parties, "answers": asked["answers"]}


def _facts(work: Work, who: Principal, asked: Json, matter: Matter, office: Office) -> Json:
    number = asking.next_number(work, f"{office.code}/{work.today:%Y%m%d}")
    return {
        "case_no": rules.case_no(office.code, work.today, number),
        "matter": matter.matter,
        "matter_version": matter.version,
        "channel": checking.expect_channel(who, asked["channel"], matter),
        "accepting_office": {
            "code": office.code,
            "name": office.name,
            "node": work.node.code,
            "phone": office.phone,
        },
        "applied_on": work.today.isoformat(),
        "taken_in_at": clock.iso(work.now),
        "materials": checking.read_materials(work, who, matter, asked["materials"]),
        "consents": asked["consents"],
    }


def actor(who: Principal) -> Json:
    """Who acts, as other services need to know it."""
    return {"id": who.actor, "kind": who.kind, "office": who.office}


def index_of_body(work: Work, what: str, asked: Mapping[str, Any]) -> str:
    """By which the same request is known again, and nothing else can be learned."""
    text = json.dumps([what, asked], ensure_ascii=False, sort_keys=True)
    return blind_index(work.node.keys, "request", hashlib.sha256(text.encode()).hexdigest())


def find_repeated(work: Work, who: Principal, key: str, body_index: str) -> Command | None:
    """The command first asked under this key; later ones wait for it. Refused `idempotency_key_reused`."""
    work.lock(f"command/{who.owner}/{key}")
    known = asking.find_command(work, who.owner, key)
    if known is not None and known.body_index != body_index:
        message = "此 Idempotency-Key 已用于另一请求,请为新请求换一个新的键"
        raise Refused("idempotency_key_reused", message, field="Idempotency-Key")
    return known


def keep(work: Work, who: Principal, key: str, body_index: str, told: Mapping[str, str]) -> None:
    """Remember the command that this request became."""
    asking.keep_command(work, {"owner": who.owner, "idempotency_key": key, "body_index": body_index, **told})
