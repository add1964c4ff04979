"""Documents of one person, on which one claims are made, or of two who look alike; and what two operators act upon."""

from typing import Any

from sqlalchemy import delete, or_, select

from services.claims.store.tables import IS_LIVE, aliases, claims, told_apart
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


def find_link(work: Work, document_index: str) -> dict[str, Any] | None:
    """The prefix under which the link of a document stands, and the subject it leads to."""
    link = select(aliases.c.prefix, aliases.c.canonical).where(aliases.c.document_index == document_index)
    row = work.execute(link).first()
    return dict(row._mapping) if row else None


def remove_alias(work: Work, document_index: str) -> None:
    """From now on claims on a document are made on itself."""
    work.write(delete(aliases).where(aliases.c.document_index == document_index))


def find_whole(work: Work, claim_id: str) -> dict[str, Any] | None:
    """A claim with its subject, prefix and keys, as it was a moment ago."""
    names = ("claim_id", "prefix", "kind", "key_index", "twin_index", "subject", "holder", "reserved_at")
    shown = [claims.c[name] for name in names]
    row = work.execute(select(*shown).where(claims.c.claim_id == claim_id)).first()
    return dict(row._mapping) if row else None


def list_twins(work: Work, whole: dict[str, Any]) -> list[dict[str, Any]]:
    """The live claims of that kind of whoever has the same name, birth and sex, under another document."""
    same = (claims.c.twin_index == whole["twin_index"], claims.c.twin_index != "", claims.c.kind == whole["kind"])
    shown = (claims.c.claim_id, claims.c.key_index, claims.c.subject, claims.c.reserved_at)
    rows = select(*shown).where(*same, claims.c.key_index != whole["key_index"], IS_LIVE)
    return [dict(row._mapping) for row in work.execute(rows)]


def tell_apart(work: Work, one: str, other: str) -> None:
    """Keep, for good, that two keys are two persons'."""
    pair = {"one": min(one, other), "other": max(one, other), "since": clock.iso(work.now)}
    work.add_new(told_apart, [pair])


def list_told_apart(work: Work, key_index: str) -> set[str]:
    """The keys of whoever looked like this one's person, and is another."""
    mine = or_(told_apart.c.one == key_index, told_apart.c.other == key_index)
    rows = work.execute(select(told_apart.c.one, told_apart.c.other).where(mine))
    return {key for row in rows for key in (row.one, row.other)} - {key_index}
