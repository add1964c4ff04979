"""The commands about claims that two operators answer for together: each names both and the reason, all on record."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from services.main.cli_claims import claims
from services.main.cli_stuck import service_works

if TYPE_CHECKING:
    from services.claims.usecases.deciding import Pair

Command = Callable[..., Any]


def _by_two(command: Command) -> Command:
    """Who decides, who agrees, and why."""
    for name, words in (
        ("--reason", "Why, in a few words: it is kept."),
        ("--confirmed-by", "The other operator, who has looked into it, too."),
        ("--by", "The operator who decides."),
    ):
        command = click.option(name, required=True, help=words)(command)
    return command


def _pair(by: str, confirmed_by: str, reason: str) -> "Pair":
    from services.claims.usecases.deciding import Pair

    return Pair(by.strip(), confirmed_by.strip(), reason.strip())


@claims.command("alias")
@_by_two
def alias(**two: str) -> None:
    """Link a person's second document, or a wrong number, to the one on which claims are made.

    Both are read from standard input, never from arguments: two lines, first the second document, then the canonical
    one, each `id_type number [name birth sex]`, such as `citizen <number> 某人 1975-03-12 male`.
    """
    from services.claims.usecases.deciding import link

    second, canonical = _subject(sys.stdin.readline()), _subject(sys.stdin.readline())
    works = service_works("claims")
    with works.begin() as work:
        live = link(work, second, canonical, _pair(**two))
    if live:
        raise click.ClickException(
            f"未关联:第一行的证件上还有占用 {'、'.join(live)},已列入 tongban claims conflicts,请先核实"
        )
    click.echo("已关联:以后以第一行的证件申请的,都按第二行的证件办理。")


@claims.command("unlink")
@click.option("--checked", is_flag=True, help="You have looked into all that this command tells you to without it.")
@_by_two
def unlink(checked: bool, **two: str) -> None:
    """Take back a wrong link of two documents, made by `alias` or `same`: they are two persons'. No claim changes.

    Both are read from standard input as by `alias`: first the document that was linked, then the one it leads to. First
    without --checked: it says what to look into, and which claims are known here.
    """
    from services.claims.usecases.deciding import unlink as part

    second, canonical = _subject(sys.stdin.readline()), _subject(sys.stdin.readline())
    works = service_works("claims")
    with works.begin() as work:
        part(work, second, canonical, _pair(**two), checked=checked)
    click.echo(
        "已取消关联:以后以第一行的证件申请的,按该证件本身办理;已有的占用都没有变。"
        "两人姓名、出生日期、性别都相同的,申请时仍须核对(tongban claims doubts)。"
    )


def _subject(line: str) -> dict[str, str]:
    """A subject from a line of words."""
    words = line.split()
    if len(words) not in (2, 5):
        raise click.ClickException("每行应为:证件类型 证件号码,或者 证件类型 证件号码 姓名 出生日期 性别(male、female)")
    names = ("id_type", "id_number", "name", "born_on", "sex")
    return dict.fromkeys(names, "") | dict(zip(names, words, strict=False))


@claims.command("clear")
@click.argument("claim_id")
@_by_two
def clear(claim_id: str, **two: str) -> None:
    """A doubted claim is on another person: it may be locked."""
    from services.claims.usecases.deciding import clear_doubt

    works = service_works("claims")
    with works.begin() as work:
        clear_doubt(work, claim_id, _pair(**two))
    click.echo("已核对为不同的人,可以办理;申请方会在一分钟内自动再问。")


@claims.command("same")
@click.argument("claim_id")
@click.option("--other", default="", help="The claim of the same person, where there are several.")
@_by_two
def same(claim_id: str, other: str, **two: str) -> None:
    """A doubted claim is on the same person: it ends, and its document is linked to the other claim's."""
    from services.claims.usecases.deciding import note_same

    works = service_works("claims")
    with works.begin() as work:
        note_same(work, claim_id, other, _pair(**two))
    click.echo("已核对为同一人并关联两个证件;这次申请已告知失效,重新申请时按原证件办理。")


@claims.command("release")
@click.argument("claim_id")
@click.option("--holder-gone", is_flag=True, help="You have made sure that its holder cannot release it any more.")
@_by_two
def release(claim_id: str, holder_gone: bool, **two: str) -> None:
    """Release a claim whose holder is gone; as long as its holder answers, it is the holder who releases it."""
    from services.claims.usecases.deciding import release as let_go

    if not holder_gone:
        raise click.ClickException(
            "占用由持有方释放;确认持有方已不存在、且所办的登记并不成立或已终止的,加 --holder-gone"
        )
    works = service_works("claims")
    with works.begin() as work:
        let_go(work, claim_id, _pair(**two))
    click.echo("已释放。")


@claims.command("settle")
@click.argument("claim_id")
@_by_two
def settle(claim_id: str, **two: str) -> None:
    """Take a conflict that you have looked into from the list; no claim changes by it."""
    from services.claims.usecases.deciding import settle as close

    works = service_works("claims")
    with works.begin() as work:
        close(work, claim_id, _pair(**two))
    click.echo("已从冲突清单中移出。")


COMMANDS: tuple[click.Command, ...] = (claims,)
