"""Files on their way here: their pieces, and which are awaited."""

from collections.abc import Sequence

from sqlalchemy import delete, func, select

from services.intake.store.tables import chunks
from shared.outbox import Work


def keep_chunk(work: Work, file_id: str, number: int, chunk: str) -> int:
    """Keep one piece of a file; how many there are now."""
    work.insert_once(chunks, {"file_id": file_id, "number": number, "chunk": chunk})
    return int(work.execute(select(func.count()).where(chunks.c.file_id == file_id)).scalar_one())


def take_chunks(work: Work, file_id: str) -> Sequence[str]:
    """All pieces of a file in order; they are gone from here afterwards."""
    pieces = work.execute(select(chunks.c.chunk).where(chunks.c.file_id == file_id).order_by(chunks.c.number))
    found = pieces.scalars().all()
    work.execute(delete(chunks).where(chunks.c.file_id == file_id))
    return found
