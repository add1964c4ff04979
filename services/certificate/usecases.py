"""What may be asked of certificate: issue."""

import datetime

from contracts import certificate as said
from contracts.envelope import Json
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


def _face(asked: Json, certificate_id: str) -> Json:
    names = ("certificate_type", "name", "issuer", "issued_on")
    return {"certificate_id": certificate_id, "version": 1, "status": "valid"} | {n: asked[n] for n in names}
