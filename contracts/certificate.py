"""What certificate (电子证照) is asked and what it says."""

from marshmallow import Schema, fields, validate

from contracts.case import OfficeRef
from contracts.envelope import Contract, Part

STATUSES = ("valid", "revoked", "suspended", "replaced")


class Holder(Part):
    """持证主体; only ever inside a sealed part."""

    name = fields.String(required=True)
    id_type = fields.String(required=True)
    id_number = fields.String(required=True)


class Stated(Schema):
    """Whom and what a certificate states."""

    holders = fields.List(fields.Nested(Holder), required=True, validate=validate.Length(min=1))
    face = fields.Dict(keys=fields.String(), required=True)  # 照面业务信息


class IssueCertificateV1(Contract):
    """签发: register a result as a certificate; the same case and type are issued once."""

    type = "certificate.issue_certificate.v1"
    consumers = ("certificate",)

    Personal = Stated
    case_no = fields.String(required=True)
    certificate_type = fields.String(required=True)  # the code used in matters, e.g. eligibility-notice
    name = fields.String(required=True)  # 证照名称
    type_code = fields.String(required=True)  # 证照类型代码, 21 characters
    issuer = fields.Nested(OfficeRef, required=True)
    issuer_code = fields.String(required=True)  # 颁发机构的统一社会信用代码
    issued_on = fields.String(required=True)
    result = fields.String(required=True)


class OfCertificate(Contract):
    """Which certificate of the case, and since when its status is another: of two words the later one holds."""

    consumers = ("certificate",)
    certificate_type = fields.String(required=True)
    at = fields.String(required=True)


class RevokeCertificateV1(OfCertificate):
    """注销: what it states is no longer so."""

    type = "certificate.revoke_certificate.v1"


class ReinstateCertificateV1(OfCertificate):
    """恢复: it was revoked by mistake."""

    type = "certificate.reinstate_certificate.v1"


class ReplaceCertificateV1(OfCertificate):
    """换发: what it states was put right; the next version of it is issued, this one is replaced."""

    type = "certificate.replace_certificate.v1"
    Personal = Stated


class SupersedeCertificateV1(OfCertificate):
    """被取代: another case has given it out anew; this one is replaced."""

    type = "certificate.supersede_certificate.v1"


class CertificateFace(Part):
    """A certificate as anyone may know it."""

    certificate_id = fields.String(required=True)  # 证照标识
    certificate_type = fields.String(required=True)
    name = fields.String(required=True)
    version = fields.Integer(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    issuer = fields.Nested(OfficeRef, required=True)
    issued_on = fields.String(required=True)
    status_at = fields.String(load_default="")  # since when the status is that; empty: since it was issued


class CertificateIssuedV1(Contract):
    """已签发."""

    type = "certificate.certificate_issued.v1"
    consumers = ("intake", "web")
    certificate = fields.Nested(CertificateFace, required=True)


class CertificateRevokedV1(Contract):
    """已注销."""

    type = "certificate.certificate_revoked.v1"
    consumers = ("web",)
    certificate = fields.Nested(CertificateFace, required=True)


class CertificateSupersededV1(Contract):
    """已被取代 by a certificate of another case, perhaps in another city."""

    type = "certificate.certificate_superseded.v1"
    consumers = ("web",)
    certificate = fields.Nested(CertificateFace, required=True)


class CertificateReinstatedV1(Contract):
    """已恢复."""

    type = "certificate.certificate_reinstated.v1"
    consumers = ("web",)
    certificate = fields.Nested(CertificateFace, required=True)


class CertificateReplacedV1(Contract):
    """已换发: the new version, and the one whose place it takes."""

    type = "certificate.certificate_replaced.v1"
    consumers = ("web",)
    certificate = fields.Nested(CertificateFace, required=True)
    replaced = fields.Nested(CertificateFace, required=True)
