"""Certificate's doors."""

from contracts import certificate
from services.certificate import usecases
from shared.bus import Doors


def doors() -> Doors:
    """All ways into certificate."""
    entrance = Doors("certificate")
    entrance.listen(certificate.IssueCertificateV1)(usecases.issue_certificate)
    entrance.listen(certificate.RevokeCertificateV1)(usecases.revoke_certificate)
    entrance.listen(certificate.ReinstateCertificateV1)(usecases.reinstate_certificate)
    entrance.listen(certificate.SupersedeCertificateV1)(usecases.supersede_certificate)
    entrance.listen(certificate.ReplaceCertificateV1)(usecases.replace_certificate)
    return entrance
