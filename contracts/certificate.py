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


class IssueCertificateV1(Contract):
    """签发: register a result as a certificate; the same case and type are issued once."""

    type = "certificate.issue_certificate.v1"
    consumers = ("certificate",)

    class Personal(Schema):
        """Whom and what it states."""

        holders = fields.List(fields.Nested(Holder), required=True, validate=validate.Length(min=1))
        face = fields.Dict(keys=fields.String(), required=True)  # 照面业务信息

    case_no = fields.String(required=True)
    certificate_type = fields.String(required=True)  # the code used in matters, e.g. eligibility-notice
    name = fields.String(required=True)  # 证照名称
    type_code = fields.String(required=True)  # 证照类型代码, 21 characters
    issuer = fields.Nested(OfficeRef, required=True)
    issuer_code = fields.String(required=True)  # 颁发机构的统一社会信用代码
    issued_on = fields.String(required=True)
    result = fields.String(required=True)


class CertificateFace(Part):
    """A certificate as anyone may know it."""

    certificate_id = fields.String(required=True)  # 证照标识
    certificate_type = fields.String(required=True)
    name = fields.String(required=True)
    version = fields.Integer(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    issuer = fields.Nested(OfficeRef, required=True)
    issued_on = fields.String(required=True)


class CertificateIssuedV1(Contract):
    """已签发."""

    type = "certificate.certificate_issued.v1"
    consumers = ("intake", "web")
    certificate = fields.Nested(CertificateFace, required=True)
