"""The commands for what did not go on by itself: `dead-letters`, `quarantine`, `unroutable`."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from services.main.cli_hub import read_settings

if TYPE_CHECKING:
    from services.main.operate import DeadLetters, Unroutable
    from shared.outbox import Works


def service_works(service: str) -> "Works":
    """A service's transactions, for one command."""
    from services.main.wiring import open_node, open_works

    settings = read_settings()
    return open_works(settings, open_node(settings), service, pool=0)


def show(rows: Iterable[Mapping[str, Any]]) -> None:
    """Each row as a line of JSON."""
    for row in rows:
        click.echo(json.dumps(dict(row), ensure_ascii=False))


@click.group("dead-letters")
def dead_letters() -> None:
    """Messages that no attempt could handle."""


def _dead_letters() -> "DeadLetters":
    from services.main.operate import DeadLetters
    from services.main.wiring import open_node

    settings = read_settings()
    return DeadLetters(settings, open_node(settings))


@dead_letters.command("list")
def list_dead_letters() -> None:
    """Service, message, type, case, attempts and reason of each."""
    show(_dead_letters().every())


@dead_letters.command("show")
@click.argument("service")
@click.argument("message_id")
def show_dead_letter(service: str, message_id: str) -> None:
    """One with its readable part; its sealed part stays sealed."""
    click.echo(json.dumps(_dead_letters().show(service, message_id), ensure_ascii=False, indent=1))


@dead_letters.command("redrive")
@click.argument("service")
@click.argument("message_id", default="")
def redrive_dead_letters(service: str, message_id: str) -> None:
    """Let one dead letter of a service be tried afresh, or all of them."""
    click.echo(f"{_dead_letters().redrive(service, message_id)} 条已重新投递。")


@click.group()
def quarantine() -> None:
    """Messages from other cities that were not let in."""


@quarantine.command("list")
def list_quarantine() -> None:
    """What waits for a look."""
    from services.exchange.usecases.quarantine import list_quarantined

    for row in list_quarantined(service_works("exchange")):
        click.echo(json.dumps(dataclasses.asdict(row), ensure_ascii=False))


@quarantine.command("show")
@click.argument("row_id")
def show_quarantine(row_id: str) -> None:
    """One message and how it came."""
    from services.exchange.usecases.quarantine import show_quarantined

    row, headers, body = show_quarantined(service_works("exchange"), row_id)
    click.echo(json.dumps(dataclasses.asdict(row) | {"headers": headers}, ensure_ascii=False, indent=1))
    click.echo(body)


@quarantine.command("release")
@click.argument("row_id")
@click.option("--too-old", is_flag=True, help="Let it in although it is over 30 days old: you have asked its sender.")
def release_quarantine(row_id: str, too_old: bool) -> None:
    """Let one in after all, if it now passes every check; otherwise say which it fails, and nothing happens."""
    from services.exchange.usecases.receiving import release

    let_in = release(service_works("exchange"), row_id, vouched=too_old)
    click.echo("已放行。" if let_in else "无需放行,已从隔离区删除:这条报文已从别的途径收到,或者它的办件已经退回。")


@click.group()
def unroutable() -> None:
    """Messages no queue of this node wanted, or the hub could not hand to another city."""


@unroutable.command("list")
def list_unroutable() -> None:
    """Service, message and where it should have gone."""
    show(_unroutable().every())


@unroutable.command("redrive")
@click.argument("service")
def redrive_unroutable(service: str) -> None:
    """Send all of a service's once more; `exchange` for those to other cities."""
    click.echo(f"{_unroutable().redrive(service)} 条已重新发出。")


def _unroutable() -> "Unroutable":
    from services.main.operate import Unroutable
    from services.main.wiring import open_node

    settings = read_settings()
    return Unroutable(settings, open_node(settings))


COMMANDS: tuple[click.Command, ...] = (dead_letters, quarantine, unroutable)
