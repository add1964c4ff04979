"""The commands for claims (一人一事): what is reserved and locked, and what people must look at."""

import json
from collections.abc import Iterable
from typing import Any

import click

from services.main.cli_stuck import service_works


@click.group()
def claims() -> None:
    """What this city guards for all cities, and what it holds."""


@claims.command("list")
def list_claims() -> None:
    """How many, by kind and state: as an authority, and as a holder."""
    from services.claims.store.lists import count_claims

    with service_works("claims").begin() as work:
        _show(count_claims(work))


@claims.command("old-locks")
@click.option("--days", default=7, show_default=True)
def list_old_locks(days: int) -> None:
    """Claims locked longer than so many days for something that was never issued: ask the office, by telephone."""
    from services.claims.store.lists import list_old_locks as list_all

    with service_works("claims").begin() as work:
        _show(list_all(work, days))


@claims.command("doubts")
def list_doubts() -> None:
    """Claims on somebody who may have another one under another document, with that other one's office."""
    from services.claims.store.lists import list_doubts as list_all

    with service_works("claims").begin() as work:
        _show(list_all(work))


def _show(rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        click.echo(json.dumps(row, ensure_ascii=False))


COMMANDS: tuple[click.Command, ...] = (claims,)
