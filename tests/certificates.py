"""Certificates for tests: an authority, and what it signs."""

import datetime
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared import clock

LOOPBACK = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
DAY = datetime.timedelta(days=1)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Authority:
    """Signs certificates; its own is `pem`."""

    name: str = "test authority"
    _private: ec.EllipticCurvePrivateKey = field(default_factory=_key)

    @property
    def pem(self) -> bytes:
        """Its own certificate."""
        return self._signed(self.name, self._private, x509.BasicConstraints(ca=True, path_length=0))

    def issue(self, name: str, certificate: Path, key: Path) -> None:
        """A certificate with that common name, good on 127.0.0.1, and its key."""
        private = _key()
        certificate.write_bytes(self._signed(name, private, LOOPBACK))
        text = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        key.write_bytes(private.private_bytes(*text))

    def _signed(self, name: str, private: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType) -> bytes:
        now = clock.now()
        made = x509.CertificateBuilder(_name(self.name), _name(name), private.public_key(), x509.random_serial_number())
        dated = made.not_valid_before(now - DAY).not_valid_after(now + DAY)
        critical = isinstance(extension, x509.BasicConstraints)
        signed = dated.add_extension(extension, critical).sign(self._private, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)
