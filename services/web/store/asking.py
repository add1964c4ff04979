"""What web keeps of those who ask: tokens, commands with their answers, case numbers, uploaded files."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from contracts.envelope import Json
from services.web.rules import Command, Principal
from services.web.store.tables import commands, files, series, tokens
from shared import clock
from shared.errors import NotFound
from shared.outbox import Work

FIND_COMMAND = select(*(commands.c[field.name] for field in dataclasses.fields(Command))).where(
    commands.c.owner == bindparam("mine"), commands.c.idempotency_key == bindparam("key")
)  # made once: it is asked again and again while an answer is awaited
ANSWER_COMMAND = update(commands).where(commands.c.command_id == bindparam("of"), commands.c.answered_at == "")


def add_token(work: Work, row: Mapping[str, Any]) -> None:
    """Keep a token (its hash, never the token)."""
    work.execute(insert(tokens), dict(row))


def find_principal(work: Work, token_hash: str) -> Principal | None:
    """Whoever holds the token with that hash, unless it is revoked or expired."""
    good = (tokens.c.revoked_at == "") & (tokens.c.expires_at > clock.iso(work.now))
    row = work.execute(select(tokens).where(tokens.c.token_hash == token_hash, good)).first()
    if row is None:
        return None
    names = ("token_id", "kind", "actor", "office", "person_index", "expires_at")
    return Principal(**{name: getattr(row, name) for name in names}, roles=frozenset(row.roles.split()))


def list_tokens(work: Work) -> list[Json]:
    """Every token without what would let anyone use it, newest first."""
    names = ("token_id", "label", "kind", "actor", "office", "created_at", "expires_at", "revoked_at")
    rows = work.execute(select(tokens).order_by(tokens.c.token_id.desc()))
    return [{name: getattr(row, name) for name in names} | {"roles": row.roles.split()} for row in rows]


def revoke_token(work: Work, token_id: str) -> None:
    """End a token now. NotFound when there is none (any more)."""
    mine = update(tokens).where(tokens.c.token_id == token_id, tokens.c.revoked_at == "")
    if not work.change(mine.values(revoked_at=clock.iso(work.now))):
        raise NotFound("token_unknown", "没有这个令牌,或已停用")


COUNT_ON = (
    update(series).where(series.c.name == bindparam("of_name")).values(last=series.c.last + 1).returning(series.c.last)
)


def next_number(work: Work, name: str) -> int:
    """The next number of a series; two transactions never get the same, and none is lost unless one rolls back."""
    number = work.execute(COUNT_ON, {"of_name": name}).scalar()
    if number is None:
        work.insert_once(series, {"name": name, "last": 0})
        number = work.execute(COUNT_ON, {"of_name": name}).scalar_one()
    return int(number)


def keep_command(work: Work, row: Mapping[str, Any]) -> None:
    """Remember a command that was told, under its owner's idempotency key."""
    now = clock.iso(work.now)
    waiting = {"outcome": "", "answer": {}, "answered_at": "", "created_at": now, "awaited_until": now}
    work.execute(insert(commands), waiting | dict(row))


def find_command(work: Work, owner: str, key: str) -> Command | None:
    """What its owner asked under that idempotency key, and the answer once there is one."""
    row = work.execute(FIND_COMMAND, {"mine": owner, "key": key}).first()
    return Command(**row._mapping) if row else None


def kind_of(work: Work, command_id: str) -> str:
    """The message type of a command of ours; "" for any other."""
    return work.execute(select(commands.c.kind).where(commands.c.command_id == command_id)).scalar() or ""


def has_asked(work: Work, command_id: str, kind: str, case_id: str) -> bool:
    """Whether that command is ours, of that type and about that case or request."""
    ours = (commands.c.command_id == command_id, commands.c.kind == kind, commands.c.case_id == case_id)
    return work.execute(select(commands.c.command_id).where(*ours)).first() is not None


def has_left(work: Work, command_id: str) -> bool:
    """Whether whoever asked for a command of ours has stopped waiting for its answer by now."""
    until: str | None = work.execute(
        select(commands.c.awaited_until).where(commands.c.command_id == command_id)
    ).scalar()
    return until is not None and until <= clock.iso(work.now)


def find_refusal(work: Work, case_id: str, kind: str) -> Json | None:
    """Why a command of that type on the case was refused: code, message, basis, field."""
    refused = (commands.c.kind == kind) & commands.c.outcome.not_in(("", "done"))
    found: Json | None = work.execute(select(commands.c.answer).where(commands.c.case_id == case_id, refused)).scalar()
    return found


def answer_command(work: Work, command_id: str, outcome: str, answer: Mapping[str, Any]) -> None:
    """Keep the first answer to a command of ours; nothing happens for any other command."""
    answered_at = clock.iso(work.now)
    work.write(
        ANSWER_COMMAND, {"of": command_id, "outcome": outcome, "answer": dict(answer), "answered_at": answered_at}
    )


def waiting_since(work: Work) -> tuple[int, datetime.datetime | None]:
    """How many commands wait for their answer, and since when the oldest does."""
    figures = func.count().label("number"), func.min(commands.c.created_at).label("oldest")
    found = work.execute(select(*figures).where(commands.c.answered_at == "")).one()
    return found.number, clock.instant(found.oldest) if found.oldest else None


def add_file(work: Work, file_id: str, owner: str, person_index: str) -> None:
    """Remember who uploaded a file, and for whom."""
    row = {"file_id": file_id, "owner": owner, "person_index": person_index, "created_at": clock.iso(work.now)}
    work.execute(insert(files), row)


def find_uploader(work: Work, file_id: str) -> tuple[str, str] | None:
    """Who uploaded a file, and for whom: owner and person_index."""
    row = work.execute(select(files).where(files.c.file_id == file_id)).first()
    return (row.owner, row.person_index) if row else None
