"""What all verbs of intake share: reading a case, changing a leg, noting a step, hearing messages in order."""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from contracts import intake as said
from contracts.envelope import Json
from contracts.matters import Matter, matter_version
from services.intake.rules import legs as rules
from services.intake.rules.legs import Leg, State
from services.intake.store import cases as store
from services.intake.store.cases import Case
from services.intake.usecases import peer
from shared import clock
from shared.directory import Office
from shared.errors import OutOfStep, Refused
from shared.outbox import Work


def id_of(work: Work) -> str:
    """The case the causing message is about."""
    assert work.cause is not None  # noqa: S101 - every door brings a message
    return work.cause.subject


def sender(work: Work) -> str:
    """The city that says the causing message."""
    assert work.cause is not None  # noqa: S101 - every door brings a message
    return work.cause.source


def acted_at(work: Work) -> str:
    """When somebody acted or spoke; word of it may reach us later."""
    assert work.cause is not None  # noqa: S101 - every door brings a message
    return work.cause.time


def matter_of(kept: Case) -> Matter:
    """The version of the matter with which the case began."""
    return matter_version(kept.facts["matter"], kept.facts["matter_version"])


def change(work: Work, before: Leg, after: Leg) -> Leg:
    """Write the leg back; OutOfStep when somebody else was faster."""
    store.save_leg(work, after, before.version)
    return after


def change_aloud(work: Work, before: Leg, after: Leg) -> Leg:
    """As `change`, for what no other message tells this city's screens."""
    data = {"leg": store.snapshot(after), "peer_leg_no": after.peer_leg_no}
    work.tell(said.LegChangedV1, after.case_id, data)
    return change(work, before, after)


def step(leg: Leg, verb: str, office: Json, at: str, note: str = "") -> Json:
    """One line of the case's timeline, as contracts.case.Step."""
    return {"verb": verb, "office": office, "at": at, "leg_no": leg.leg_no, "note": note}


def office_ref(work: Work, office: Office) -> Json:
    """An office of ours as other cities need to know it, as contracts.case.OfficeRef."""
    return {"code": office.code, "name": office.name, "node": work.node.code, "phone": office.phone}


def note(work: Work, leg: Leg, verb: str, office: Json, *, actor: str = "system", why: str = "") -> Json:
    """Append what this office does now to the timeline."""
    done = step(leg, verb, office, clock.iso(work.now), why)
    store.add_steps(work, leg.case_id, [done], actor)
    return done


def note_told(work: Work, case_id: str, leg: Json, steps: list[Json]) -> None:
    """Keep what another city says of its leg; of our own second leg we know it already."""
    if leg["node"] != work.node.code:
        store.keep_peer_leg(work, case_id, leg)
        store.add_steps(work, case_id, steps)


def keep_answers(work: Work, kept: Case, answers: Json) -> Case:
    """The case with answers in the place of earlier ones."""
    if not answers:
        return kept
    personal = dict(kept.personal) | {"answers": kept.personal["answers"] | answers}
    store.change_case(work, kept.case_id, personal=personal)
    return dataclasses.replace(kept, personal=personal)


def competent_offices(work: Work, matter: Matter, division: str, accepting: Json) -> list[Office]:
    """The offices here where the matter's first step is done for that division; none unless every step can be.

    What the `accepting` office (contracts.case.OfficeRef) decides itself no other can, of whatever tier it is.
    """
    if matter.competence == "accepting":
        own = work.node.offices.by_code.get(accepting["code"]) if accepting["node"] == work.node.code else None
        return [own] if own and may_take_in(own, matter, work.today) else []
    steps = [_offices_for(work, matter, step, division) for step in matter.steps]
    return steps[0] if all(steps) else []


def may_take_in(office: Office, matter: Matter, on: datetime.date) -> bool:
    """Whether the office may take the matter in on that day; where it decides itself it needs every step's power."""
    return all(office.may(verb, matter.matter, on) for verb in matter.accepting_verbs)


def _offices_for(work: Work, matter: Matter, step: Mapping[str, Any], division: str) -> list[Office]:
    found = work.node.offices.competent(step["verb"], matter.matter, division, work.today)
    return [office for office in found if office.tier == step["tier"]]


def competent_ref(work: Work, kept: Case) -> Json:
    """The office here that speaks for the case, as contracts.case.OfficeRef."""
    offices = competent_offices(work, matter_of(kept), kept.division, kept.facts["accepting_office"])
    return office_ref(work, offices[0]) if offices else nearby(work)


def nearby(work: Work) -> Json:
    """Who can be asked where no office is known."""
    return {"code": "", "name": "本地窗口", "node": work.node.code, "phone": ""}


def office_to_ask(work: Work, role: str, matter: Matter, index: str) -> Json:
    """Where the open case was taken in that keeps this person from opening another one."""
    held = store.find_open_case(work, role, matter.matter, index)
    return dict(held["accepting_office"]) if held else nearby(work)


def duplicate(ask: Json) -> Refused:
    """The refusal of a second open case, naming the office to ask and nothing about the person."""
    words = f"该申请人此事项已有在办的办件,请联系{ask['name']}查询进度"
    return Refused("duplicate_case", words, basis="一人一事", office=ask["name"], office_code=ask["code"])


def progress(work: Work, leg: Leg, done: Json) -> None:
    """Tell the accepting office of a step in our leg."""
    data = {"leg": store.snapshot(leg), "step": done}
    peer.tell(work, leg, said.ApplicationProgressedV1, data)


def heard(work: Work, told: Json) -> Leg | None:
    """Our accepting leg if `told` is the next word of the leg that holds the case; parks what is early.

    Raises OutOfStep for a word that was heard already, or of a leg that no longer holds the case.
    """
    leg = store.get_leg(work, id_of(work), "accepting")
    here, following = (told["leg_no"], told["version"]), (leg.peer_leg_no, leg.peer_version + 1)
    if (
        here < following or not leg.open or sender(work) != leg.peer_node
    ):  # nobody speaks for the city that holds the case
        raise peer.Late
    if here > following:
        work.park(_word(leg.case_id, told["leg_no"], told["version"] - 1))
        return None
    work.arrived(_word(leg.case_id, told["leg_no"], told["version"]))
    return dataclasses.replace(leg, peer_version=told["version"])


def _word(case_id: str, leg_no: int, version: int) -> str:
    return f"word/{leg_no}/{version}/{case_id}"


def decider_said(work: Work, version: int, *, while_supplementing: bool = False) -> Leg | None:
    """Our competent leg if this is the deciding service's next word; parks what is early.

    A supplement reaches the deciding service and us apart: what that service did with it waits until we have it, too.
    """
    leg = store.get_leg(work, id_of(work), "competent")
    if version <= leg.decider_version or not leg.open:
        raise OutOfStep("stale", "过时的消息")
    if version > leg.decider_version + 1:
        work.park(decider_word(leg, version - 1))
        return None
    if leg.state is State.SUPPLEMENT_REQUIRED and not while_supplementing:
        work.park(supplemented(leg))
        return None
    work.arrived(decider_word(leg, version))
    return dataclasses.replace(leg, decider_version=version)


def decider_word(leg: Leg, version: int) -> str:
    """What waits until we have heard that word of the deciding service."""
    return f"decider/{version}/{leg.case_id}"


def supplemented(leg: Leg) -> str:
    """What the deciding service's words wait for while the supplement is on its way to us."""
    return f"supplemented/{leg.leg_no}/{leg.case_id}"


def tell_closed(work: Work, leg: Leg, outcome: Json, reasons: Iterable[Mapping[str, Any]], done: Json) -> None:
    """办结: keep the outcome and give it to the accepting office."""
    data = outcome | {"leg": store.snapshot(leg), "steps": [done]}
    peer.tell(work, leg, said.ApplicationClosedV1, data, {"reasons": list(reasons)})
    store.set_outcome(work, leg.case_id, outcome, reasons)


def without_certificate(result: str, remedies: Iterable[str] = ()) -> Json:
    """The outcome of a case that has no certificate, or none yet."""
    return {"result": result, "remedies": list(remedies), "certificate_id": "", "certificate_name": ""}


def end(leg: Leg, work: Work, verb: str) -> Leg:
    """The leg after its last move, no clock running."""
    return rules.end_all_clocks(rules.move(leg, verb), work.today)
