"""Files on their way here: their pieces, and which are awaited."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, select, update

from services.intake.store.tables import awaited_files, chunks
from shared import clock
from shared.outbox import Work

THIS_FILE = awaited_files.c.file_id == bindparam("of_file")
MOVED = update(awaited_files).where(THIS_FILE)


@dataclass(frozen=True, slots=True)
class Awaited:
    """A file of a case that is not whole yet."""

    file_id: str
    case_id: str
    moved_at: str
    asked_at: str


def await_files(work: Work, case_id: str, file_ids: Iterable[str]) -> None:
    """From now on these are to come."""
    begun = {"case_id": case_id, "moved_at": clock.iso(work.now), "asked_at": ""}
    work.add_new(awaited_files, [{"file_id": file_id} | begun for file_id in file_ids])


def keep_chunk(work: Work, case_id: str, file_id: str, number: int, chunk: str) -> int:
    """Keep one piece of a file; how many there are now."""
    await_files(work, case_id, [file_id])
    work.write(MOVED, {"of_file": file_id, "moved_at": clock.iso(work.now)})
    work.insert_once(chunks, {"file_id": file_id, "number": number, "chunk": chunk})
    return int(work.execute(select(func.count()).where(chunks.c.file_id == file_id)).scalar_one())


def take_chunks(work: Work, file_id: str) -> Sequence[str]:
    """All pieces of a file in order; they are gone from here afterwards."""
    pieces = work.execute(select(chunks.c.chunk).where(chunks.c.file_id == file_id).order_by(chunks.c.number))
    found = pieces.scalars().all()
    work.write(delete(chunks).where(chunks.c.file_id == file_id))
    return found


def forget(work: Work, file_id: str) -> None:
    """Nothing more of it is awaited, and no piece is kept."""
    work.write(delete(awaited_files).where(awaited_files.c.file_id == file_id))
    work.write(delete(chunks).where(chunks.c.file_id == file_id))


def note_asked(work: Work, file_id: str) -> None:
    """The accepting city is asked for it now."""
    work.write(MOVED, {"of_file": file_id, "asked_at": clock.iso(work.now)})


def find_awaited(work: Work, file_id: str) -> Awaited | None:
    """What is awaited of a file, locked until the transaction ends; None when it is whole or was never announced."""
    row = work.execute(select(awaited_files).where(awaited_files.c.file_id == file_id).with_for_update()).first()
    return Awaited(**row._mapping) if row else None


def list_overdue(work: Work, before: datetime.datetime) -> Sequence[str]:
    """Files of which no piece came since that instant, and for which nobody was asked since."""
    limit = clock.iso(before)
    silent = select(awaited_files.c.file_id).where(awaited_files.c.moved_at < limit, awaited_files.c.asked_at < limit)
    return work.execute(silent.order_by(awaited_files.c.moved_at)).scalars().all()
