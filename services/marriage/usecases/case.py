"""What all verbs of marriage share: reading an application, what the rules say of it, whose turn it is, telling."""

import dataclasses
import datetime
from collections.abc import Collection, Mapping, Sequence
from typing import Any, get_args

from contracts import claims as claims_contracts
from contracts import marriage as said
from contracts.claim_kinds import claim_kinds
from contracts.envelope import Json
from services.marriage.rules import eligibility
from services.marriage.rules.editions import edition_on
from services.marriage.rules.eligibility import Answer, Couple, Kinship, Opinion, Party, Source, Standing
from services.marriage.rules.registration import OPEN, Hold, Move, State, Wish
from services.marriage.store import applications as store
from services.marriage.store import marriages
from services.marriage.store.applications import Kept
from services.marriage.usecases import desk
from shared import clock, identity
from shared.crypto.sealing import blind_index
from shared.directory import Office
from shared.errors import Denied, NotFound, OutOfStep, Refused
from shared.outbox import Work

US = "marriage"  # as whom we ask claims, and the kind of claim
ROLES = ("applicant", "spouse")  # who of the parties marry, in this order
EVERY_SOURCE: Collection[Source] = get_args(Source)
BEFORE_SIGNING: Collection[Source] = ("declaration", "records", "claims")


def id_of(work: Work) -> str:
    """The case the causing message is about."""
    assert work.cause is not None  # noqa: S101 - every door brings a message
    return work.cause.subject


def source(work: Work) -> str:
    """The node that sent the causing message; ours where an operator's command comes without one."""
    return work.cause.source if work.cause else work.node.code


def get(work: Work) -> Kept:
    """The application of that case. NotFound."""
    kept = store.find_application(work, id_of(work))
    if kept is None:
        raise unknown()
    return kept


def unknown() -> NotFound:
    """There is nothing here of what a message is about."""
    return NotFound("case_unknown", "没有这个办件,请核对办件编号")


def persons_of(personal: Mapping[str, Any]) -> list[Json]:
    """The two who marry, as contracts.case.Party, in the order of the application."""
    by_role = {party["role"]: party for party in personal["parties"]}
    return [by_role[role] for role in ROLES if role in by_role]


def person_index(work: Work, person: Mapping[str, Any]) -> str:
    """By this the house finds a person."""
    return blind_index(work.node.keys, "person", f"{person['id_type']}:{person['id_number']}")


def looked_up(work: Work, kept: Kept) -> Kept:
    """With what our own records say of both now."""
    indexes = [person_index(work, person) for person in persons_of(kept.personal)]
    married = marriages.list_married(work, indexes)
    told = {place: Standing.MARRIED if one in married else Standing.FREE for place, one in enumerate(indexes)}
    return dataclasses.replace(kept, known=kept.known.with_standings("records", told))


# --- what the rules say ----------------------------------------------------------------------------------------------


def couple_of(kept: Kept, on: datetime.date) -> Couple:
    """The two as the rules see them. Refused where the papers do not say sex and birth."""
    expect_two_named(kept)
    one, other = (_party(kept, place, person, on) for place, person in enumerate(persons_of(kept.personal)))
    return Couple(one, other)


def expect_two_named(kept: Kept) -> None:
    """Refused `party_missing` unless both who marry are named."""
    if len(persons_of(kept.personal)) != len(ROLES):
        raise Refused("party_missing", "缺少结婚登记的一方,请撤回后按双方证件重新提交", field="parties")


def _party(kept: Kept, place: int, person: Json, on: datetime.date) -> Party:
    number, sex, born_on = identified(person, on)
    heard = next((row for row in kept.known.heard if row["number"] == place), None)
    answer = Answer(heard["willing"], heard["apart"], heard["declared"]) if heard else None
    return Party(
        person=f"{person['id_type']}:{number}",
        sex="male" if sex == "male" else "female",
        born_on=born_on,
        category=eligibility.category_of(person["id_type"], number),
        answer=answer,
        kinship=Kinship(kept.known.kinship) if kept.known.kinship else None,
        standings=_standings(kept.known.standings[place]),
    )


def identified(person: Mapping[str, Any], on: datetime.date) -> tuple[str, str, datetime.date]:
    """Number, sex and birth: a citizen's number says all, of other documents the party does.

    Refused as shared.identity and `eligibility.expect_readable` do.
    """
    if person["id_type"] == "citizen":
        number = identity.citizen_number(person["id_number"], on)
        return number.number, number.sex, number.born_on
    other = identity.document_number(person["id_type"], person["id_number"], on)
    sex, born_on = str(person.get("sex", "")), str(person.get("born_on", ""))
    eligibility.expect_readable(person["id_type"], other, sex, born_on)
    return other, sex, datetime.date.fromisoformat(born_on)


def expect_both(heard: Sequence[Json]) -> None:
    """Refused `person_not_heard`, `not_in_person` unless both are here and were heard."""
    if {row["number"] for row in heard} != {0, 1}:
        raise Refused("person_not_heard", "请分别记录双方各自的询问情况", basis=eligibility.IN_PERSON, field="heard")
    if not all(row["present"] for row in heard):
        words = "双方应当亲自到场;一方没有到场的不能审查,也不是不予登记的理由,请约双方同来"
        raise Refused("not_in_person", words, basis=eligibility.IN_PERSON, field="heard")


def with_heard(kept: Kept, heard: Sequence[Json]) -> Kept:
    """With what both have said now; it counts instead of what they said before, which stays in the acts."""
    declared = {row["number"]: "free" for row in heard if row["declared"]}
    known = dataclasses.replace(kept.known, heard=tuple(heard)).with_standings("declaration", declared)
    return dataclasses.replace(kept, known=known)


def _standings(kept: Mapping[str, str]) -> dict[Source, Standing]:
    return {source: Standing(kept[source]) for source in EVERY_SOURCE if source in kept}


def opinion_of(kept: Kept, on: datetime.date, sources: Collection[Source] = EVERY_SOURCE) -> Opinion:
    """What the rules say on that day of what is known; `sources` must have answered. Refused where they cannot begin."""
    fault = kept.known.fault
    if fault and not fault.get("passing"):
        code = fault["code"]
        raise Refused(code, fault["text"], basis=fault["basis"])
    return eligibility.assess(couple_of(kept, on), edition_on(on), on, sources)


def findings_of(kept: Kept, on: datetime.date) -> list[Json]:
    """All that the rules say, as contracts.marriage.Finding; also why they cannot begin."""
    fault = [_finding(kept.known.fault, None)] if kept.known.fault else []
    try:
        opinion = opinion_of(kept, on)
    except Refused:
        return fault
    found = [_finding(dataclasses.asdict(finding), finding.eligible) for finding in opinion.findings]
    return [*found, *(_finding(dataclasses.asdict(wait), None) for wait in opinion.waits), *fault]


def _finding(said_of: Mapping[str, Any], eligible: bool | None) -> Json:
    reason = {name: said_of[name] for name in ("code", "text", "basis")}
    return {"ground": reason["code"], "eligible": eligible, "reasons": [reason]}


# --- whose turn it is ------------------------------------------------------------------------------------------------


def expect_turn(work: Work, kept: Kept, asked: Json, verb: str = "") -> Office:
    """The actor's office, which may do the next step (`verb`, if it must be that one). Denied, NotFound or OutOfStep."""
    expect_open(kept)
    desk.expect_newest(kept, asked)
    task = next_verb(kept)
    if verb and verb != task:
        raise OutOfStep("not_this_step", "此办件当前不在这一环节,请刷新后再办")
    elsewhere = Denied("office_not_accepting", "结婚登记由收件的婚姻登记机关办理,请到收件机构办理", field="actor")
    return desk.expect_office(work, kept, asked, task, elsewhere)


def expect_open(kept: Kept) -> None:
    """OutOfStep when the application is over."""
    if kept.registration.state not in OPEN:
        raise OutOfStep("application_ended", "此办件已办结或终止,不能再办")


def next_verb(kept: Kept) -> str:
    """What the registrar does next: also refusing comes with it."""
    return "examine" if kept.registration.state is State.ACCEPTED else "register"


# --- going on --------------------------------------------------------------------------------------------------------


def go_on(work: Work, kept: Kept, move: Move, decision: Json | None = None) -> Kept:
    """Keep the application as `move` leaves it, and tell claims what goes with it; the application now."""
    now = dataclasses.replace(kept, registration=move.after)
    store.save_application(work, now, decision)
    tell_claims(work, now, move)
    return now


def tell_claims(work: Work, kept: Kept, move: Move) -> None:
    """The wish that goes with a move, if any."""
    mine = {"attempt": move.after.attempt, "asked_by": US}
    match move.wish:
        case Wish.RESERVE:
            data = mine | {"kind": US, "office": dict(kept.case_facts["accepting_office"])}
            work.tell(claims_contracts.ReserveClaimsV1, kept.case_id, data, {"subjects": _subjects(work, kept)})
        case Wish.CONFIRM:
            work.tell(claims_contracts.ConfirmClaimsV1, kept.case_id, mine)
        case Wish.RELEASE:
            work.tell(claims_contracts.ReleaseClaimsV1, kept.case_id, mine | {"why": str(kept.registration.state)})


def _subjects(work: Work, kept: Kept) -> list[Json]:
    persons = zip(persons_of(kept.personal), couple_of(kept, work.today).parties, strict=True)
    plain = ("id_type", "id_number", "name")
    return [
        {name: person[name] for name in plain} | {"born_on": party.born_on.isoformat(), "sex": party.sex}
        for person, party in persons
    ]


def open_task(work: Work, kept: Kept) -> None:
    """Say what is to be done next, what stands in the way, and which office to ask about it."""
    data = desk.word(kept) | {
        "case": dict(kept.case_facts),
        "division": kept.division,
        "task": desk.task(work, kept, next_verb(kept)),
        "missing_facts": missing(kept),
        "ask_office": kept.ask_office,
    }
    work.tell(said.TaskOpenedV1, kept.case_id, data, {"findings": findings_of(kept, work.today)})


def missing(kept: Kept) -> list[str]:
    """What an open application waits for, of contracts.marriage_waits.WAITS."""
    now, waits = kept.registration, list(kept.waits_for)
    if now.hold is Hold.ASKED and not waits:
        waits.append("claims_asked")
    if now.hold is Hold.CONFIRMING:
        waits.append("to_register")
    elif now.state is State.REGISTERING and not now.cleared:
        waits.append("national_registry")
    return waits


def lease_end(work: Work) -> str:
    """Until when a new reservation may last, and persons are reserved again without being asked."""
    return clock.iso(work.now + datetime.timedelta(minutes=claim_kinds()[US].lease_minutes))
