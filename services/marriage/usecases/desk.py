"""What an application of every kind has at its desk: whose turn it is, its matter, its decision and its certificate."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from contracts import certificate as certificate_contracts
from contracts import marriage as said
from contracts.envelope import Json
from contracts.matters import Matter, matter_version
from shared import clock
from shared.directory import Office
from shared.errors import Denied, OutOfStep
from shared.outbox import Work

MATTER = "marriage-registration"
PLAIN = ("name", "id_type", "id_number")


def named(person: Mapping[str, Any]) -> Json:
    """Somebody as certificates and the parts of other messages name them."""
    return {name: person[name] for name in PLAIN}


class Applied(Protocol):
    """An application of a couple, or for a copy of their certificate."""

    @property
    def case_id(self) -> str: ...
    @property
    def leg_no(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def office(self) -> str: ...
    @property
    def case_facts(self) -> Mapping[str, Any]: ...


def word(kept: Applied) -> Json:
    """Of which application, and which of its words: the beginning of a contracts.deciding.Word."""
    return {"leg_no": kept.leg_no, "version": kept.version}


def matter_of(kept: Applied) -> Matter:
    """The version of the matter with which the case began."""
    return matter_version(kept.case_facts["matter"], kept.case_facts["matter_version"])


def expect_newest(kept: Applied, asked: Json) -> None:
    """OutOfStep unless the clerk saw the newest version."""
    if asked["expected_version"] != kept.version:
        raise OutOfStep("version_changed", "此办件刚被他人更新,请刷新后再办")


def expect_power(work: Work, actor: Json, cannot: str) -> Office:
    """The actor's office, which registers marriages; `cannot`: what another one cannot do. Denied, NotFound."""
    office = work.node.offices.get(actor["office"])
    if not office.may("register", MATTER, work.today):
        words = f"{office.name}不是婚姻登记机关,{cannot},请移交婚姻登记机关"
        raise Denied("office_without_power", words, field="actor")
    return office


def expect_office(work: Work, kept: Applied, asked: Json, verb: str, elsewhere: Denied) -> Office:
    """The actor's office, which took the case in and may do `verb`; `elsewhere` for any other. Denied, NotFound."""
    office = work.node.offices.get(asked["actor"]["office"])
    if office.code != kept.office:
        raise elsewhere
    if not office.may(verb, kept.case_facts["matter"], work.today):
        raise Denied("office_without_power", f"{office.name}无权办理此事项的这一环节", field="actor")
    return office


def task(work: Work, kept: Applied, verb: str) -> Json:
    """The next task as contracts.deciding.Task: for the office that took the case in, as long as it has the power."""
    step, office = matter_of(kept).step(verb), work.node.offices.by_code.get(kept.office)
    able = office is not None and office.may(verb, kept.case_facts["matter"], work.today)
    return {"verb": verb, "tier": step["tier"] if step else "county", "offices": [kept.office] if able else []}


def tell_decision(work: Work, kept: Applied, decided: Json, rules: str, findings: Sequence[Json] = ()) -> None:
    """The decision, with the edition of the `rules` by which it can be repeated."""
    data = word(kept) | {
        "result": decided["result"],
        "office": dict(kept.case_facts["accepting_office"]),
        "at": clock.iso(work.now),
        "remedies": list(matter_of(kept).remedies) if decided["result"] == "refused" else [],
        "rules_version": rules,
    }
    words = {name: value for name, value in decided.items() if name != "result"}
    work.tell(said.ApplicationDecidedV1, kept.case_id, data, words | {"findings": list(findings)})


def wish_certificate(
    work: Work, kept: Applied, issuer: str, persons: Sequence[Json], face: Json, on: datetime.date
) -> None:
    """The certificate that comes of it, for both."""
    output = matter_of(kept).output
    data = {name: output[name] for name in ("certificate_type", "name", "type_code")} | {
        "result": "granted",
        "issuer_code": issuer,
        "case_no": kept.case_facts["case_no"],
        "issuer": dict(kept.case_facts["accepting_office"]),
        "issued_on": on.isoformat(),
    }
    holders = [named(person) for person in persons]
    work.tell(certificate_contracts.IssueCertificateV1, kept.case_id, data, {"holders": holders, "face": face})
