"""Documents of one person: on which one claims are made; and what two operators act upon."""

from typing import Any

from sqlalchemy import select

from services.claims.store.tables import IS_LIVE, aliases, claims
from shared import clock
from shared.outbox import Work


def find_canonical(work: Work, document_index: str) -> dict[str, Any] | None:
    """The subject on which claims are made instead of that document's."""
    of = aliases.c.document_index == document_index
    found: dict[str, Any] | None = work.execute(select(aliases.c.canonical).where(of)).scalar()
    return found


def add_alias(work: Work, document_index: str, prefix: str, subject: Any, canonical: Any) -> bool:
    """Link a document to another one; False when it is linked already."""
    row = {"document_index": document_index, "prefix": prefix, "subject": subject, "canonical": canonical}
    return work.insert_once(aliases, row | {"since": clock.iso(work.now)})


def find_whole(work: Work, claim_id: str) -> dict[str, Any] | None:
    """A claim with its subject, prefix and keys, as it was a moment ago."""
    shown = [claims.c[name] for name in ("claim_id", "prefix", "kind", "key_index", "twin_index", "subject", "holder")]
    row = work.execute(select(*shown).where(claims.c.claim_id == claim_id)).first()
    return dict(row._mapping) if row else None


def list_twins(work: Work, whole: dict[str, Any]) -> list[dict[str, Any]]:
    """The live claims of that kind of whoever has the same name, birth and sex, under another document."""
    same = (claims.c.twin_index == whole["twin_index"], claims.c.twin_index != "", claims.c.kind == whole["kind"])
    rows = select(claims.c.claim_id, claims.c.subject).where(*same, claims.c.key_index != whole["key_index"], IS_LIVE)
    return [dict(row._mapping) for row in work.execute(rows)]
