"""Certificate's tables and the few questions asked of them."""

from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Date,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    insert,
    select,
    update,
)

from shared.crypto.sealing import Sealed
from shared.outbox import Work

metadata = MetaData()

certificates = Table(
    "certificates",
    metadata,
    Column("certificate_id", String(100), primary_key=True),  # 证照标识
    Column("case_id", String(36), nullable=False),
    Column("case_no", String(60), nullable=False),
    Column("certificate_type", String(60), nullable=False),
    Column("name", String(120), nullable=False),
    Column("version", Integer, nullable=False),
    Column("status", String(12), nullable=False),
    Column("status_at", String(27), nullable=False),  # since when; "": since it was issued
    Column("issuer", JSON, nullable=False),  # contracts.case.OfficeRef
    Column("issuer_code", String(18), nullable=False),
    Column("issued_on", Date, nullable=False),
    Column("holders", Sealed("certificate.certificates.holders"), nullable=False),
    Column("face", Sealed("certificate.certificates.face"), nullable=False),
    UniqueConstraint("case_id", "certificate_type", "version"),  # one case, one certificate of a type
)
serials = Table(  # counted inside the issuing transaction: no gaps, no repeats
    "serials",
    metadata,
    Column("type_code", String(21), primary_key=True),
    Column("issuer_code", String(18), primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("last", Integer, nullable=False),
)


COUNT_ON = (
    update(serials)
    .where(*(serials.c[name] == bindparam(f"of_{name}") for name in ("type_code", "issuer_code", "year")))
    .values(last=serials.c.last + 1)
    .returning(serials.c.last)
)
FIND = (
    select(certificates)
    .where(certificates.c.case_id == bindparam("of_case"), certificates.c.certificate_type == bindparam("of_type"))
    .order_by(certificates.c.version.desc())
)
ADD = insert(certificates)


def next_serial(work: Work, type_code: str, issuer_code: str, year: int) -> int:
    """The next running number of that type, issuer and year; held until this transaction ends."""
    key = {"type_code": type_code, "issuer_code": issuer_code, "year": year}
    work.insert_once(serials, key | {"last": 0})
    return int(work.execute(COUNT_ON, {f"of_{name}": value for name, value in key.items()}).scalar_one())


def find_certificate(work: Work, case_id: str, certificate_type: str) -> Row[Any] | None:
    """The newest certificate of that type in a case."""
    return work.execute(FIND, {"of_case": case_id, "of_type": certificate_type}).first()


def add_certificate(work: Work, row: dict[str, Any]) -> None:
    """Register a certificate; the database refuses a second one of the same case, type and version."""
    work.write(ADD, row)


def set_status(work: Work, certificate_id: str, status: str, at: str) -> None:
    """The certificate's status from then on."""
    mine = update(certificates).where(certificates.c.certificate_id == certificate_id)
    work.write(mine.values(status=status, status_at=at))
