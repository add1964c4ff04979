"""What may be asked of certificate: issue, revoke, reinstate, supersede, replace."""

import datetime
from typing import Any

from contracts import certificate as said
from contracts.envelope import Contract, Json
from services.certificate import rules, store
from shared.errors import OutOfStep
from shared.outbox import Work


def issue_certificate(work: Work) -> None:
    """签发: register the result with a 证照标识 of its own; a second wish for the same case changes nothing."""
    asked, personal = work.data(said.IssueCertificateV1), work.personal(said.IssueCertificateV1)
    case_id = work.cause.subject if work.cause else ""
    work.lock(case_id)
    if store.find_certificate(work, case_id, asked["certificate_type"]):
        raise OutOfStep("issued_already", "此办件的证照已签发")
    issued_on = datetime.date.fromisoformat(asked["issued_on"])
    number = store.next_serial(work, asked["type_code"], asked["issuer_code"], issued_on.year)
    serial = rules.serial(issued_on.year, number)
    face = _face(asked, rules.identifier(asked["type_code"], asked["issuer_code"], serial, 1))
    row = face | {"case_id": case_id, "case_no": asked["case_no"], "issuer_code": asked["issuer_code"]}
    store.add_certificate(work, row | {"issued_on": issued_on, **personal})
    work.tell(said.CertificateIssuedV1, case_id, {"certificate": face})
    work.arrived(_awaited(case_id, asked["certificate_type"]))


def revoke_certificate(work: Work) -> None:
    """注销; the row stays. OutOfStep when a later word was heard."""
    _change_status(work, said.RevokeCertificateV1, "revoked", said.CertificateRevokedV1)


def reinstate_certificate(work: Work) -> None:
    """恢复. OutOfStep when a later word was heard."""
    _change_status(work, said.ReinstateCertificateV1, "valid", said.CertificateReinstatedV1)


def supersede_certificate(work: Work) -> None:
    """被取代 by a certificate of another case; the row stays. OutOfStep when a later word was heard."""
    _change_status(work, said.SupersedeCertificateV1, "replaced", said.CertificateSupersededV1)


def replace_certificate(work: Work) -> None:
    """换发: the next version with the same serial; the old one stays as replaced. OutOfStep when a later word was heard."""
    row, wish = _of_word(work, said.ReplaceCertificateV1)
    if row is None:
        return
    personal = work.personal(said.ReplaceCertificateV1)
    version, (type_code, issuer, serial) = row.version + 1, row.certificate_id.split(".")[-5:-2]
    certificate_id = rules.identifier(type_code, issuer, serial, version)
    store.set_status(work, row.certificate_id, "replaced", wish["at"])
    again = ("case_id", "case_no", "certificate_type", "name", "issuer", "issuer_code")
    new = {name: getattr(row, name) for name in again} | {"certificate_id": certificate_id, "version": version}
    new |= {"status": "valid", "status_at": wish["at"], "issued_on": work.today}
    store.add_certificate(work, new | personal)
    faces = {
        "certificate": _shown(new),
        "replaced": _shown(row._asdict() | {"status": "replaced"} | {"status_at": wish["at"]}),
    }
    work.tell(said.CertificateReplacedV1, row.case_id, faces)


def _change_status(work: Work, asked: type[said.OfCertificate], status: str, told: type[Contract]) -> None:
    """Set the status; a word that overtook the certificate itself waits for it."""
    row, wish = _of_word(work, asked)
    if row is None:
        return
    store.set_status(work, row.certificate_id, status, wish["at"])
    face = _shown(row._asdict() | {"status": status, "status_at": wish["at"]})
    work.tell(told, row.case_id, {"certificate": face})


def _of_word(work: Work, asked: type[said.OfCertificate]) -> tuple[Any, Json]:
    """The certificate that a word is about, None while the word waits for it. OutOfStep when a later one was heard."""
    wish, case_id = work.data(asked), work.cause.subject if work.cause else ""
    work.lock(case_id)
    row = store.find_certificate(work, case_id, wish["certificate_type"])
    if row is None:
        work.park(_awaited(case_id, wish["certificate_type"]))
    elif wish["at"] <= row.status_at:
        raise OutOfStep("stale", "过时的消息")
    return row, wish


def _shown(row: Json) -> Json:
    names = ("certificate_id", "certificate_type", "name", "version", "issuer", "status", "status_at")
    return {name: row[name] for name in names} | {"issued_on": row["issued_on"].isoformat()}


def _awaited(case_id: str, certificate_type: str) -> str:
    return f"issued/{certificate_type}/{case_id}"


def _face(asked: Json, certificate_id: str) -> Json:
    names = ("certificate_type", "name", "issuer", "issued_on")
    return {"certificate_id": certificate_id, "version": 1, "status": "valid", "status_at": ""} | {
        n: asked[n] for n in names
    }
