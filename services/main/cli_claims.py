"""The commands for claims (一人一事): what is reserved and locked, and what people must look at."""

from typing import TYPE_CHECKING

import click

from services.main.cli_stuck import service_works, show

if TYPE_CHECKING:
    from shared.outbox import Works


LINKS_ARE_LOST = (
    "注意:备份之后办理的证件关联(alias、same)已丢失,没有别的节点知道。请在启动 claims 和 exchange 之前,"
    "按签字的单据用 tongban claims alias 逐一重新办理;漏办的,同一人可能以两个证件重复登记。"
    "备份之后取消的关联(unlink)又回来了,恢复完成后须再次取消。"
)


@click.group()
def claims() -> None:
    """What this city guards for all cities, and what it holds."""


@claims.command("list")
def list_claims() -> None:
    """How many, by kind and state: as an authority, and as a holder."""
    from services.claims.store.lists import count_claims

    with service_works("claims").begin() as work:
        show(count_claims(work))


@claims.command("old-locks")
@click.option("--days", default=7, show_default=True)
def list_old_locks(days: int) -> None:
    """Claims locked longer than so many days for something that was never issued: ask the office, by telephone."""
    from services.claims.store.lists import list_old_locks as list_all

    with service_works("claims").begin() as work:
        show(list_all(work, days))


@claims.command("doubts")
def list_doubts() -> None:
    """Claims on somebody who may have another one under another document, with that other one's office."""
    from services.claims.store.lists import list_doubts as list_all

    with service_works("claims").begin() as work:
        show(list_all(work))


@claims.command("guards")
def list_guards() -> None:
    """What this city guards: prefix, epoch, duty, successor, and how many live claims."""
    from services.claims.store.lists import list_guards as list_all

    with service_works("claims").begin() as work:
        show(list_all(work))


@claims.command("handover")
@click.argument("prefix")
@click.option("--to", "successor", required=True, help="The node that guards the prefix from now on.")
def hand_over(prefix: str, successor: str) -> None:
    """Freeze a prefix and send its ledger to another city; nothing is ruled on until it has arrived. Safe to run again."""
    from services.claims.usecases.handing import hand_over as freeze

    works = service_works("claims")
    with works.begin() as work:
        count = freeze(work, prefix, successor)
    click.echo(
        f"号段 {prefix} 已冻结,账目分 {count} 份发往 {successor};对方接管后 tongban claims guards 显示 handed_over,"
    )
    click.echo("那时请根目录管理员执行 tongban directory authority 并签发新目录。其间的申请会自动推迟,不会丢失。")


@claims.command("recover")
@click.option("--status", is_flag=True, help="Only say who has been asked, and who has answered.")
def recover(status: bool) -> None:
    """After a restore, before anything else runs: grant nothing until every city has said again what it holds.

    Safe to run again: every city is asked anew.
    """
    from services.claims.store.restating import list_restatements
    from services.claims.usecases import recovering

    works = service_works("claims")
    if status:
        with works.begin() as work:
            show(list_restatements(work))
        return
    with works.begin() as work:
        prefixes = recovering.list_prefixes(work)
    for prefix in prefixes:
        click.echo(f"{prefix}: {_recover(works, prefix)}")
    click.echo(LINKS_ARE_LOST)


def _recover(works: "Works", prefix: str) -> str:
    from services.claims.usecases import recovering
    from shared.errors import OutOfStep

    try:
        with works.begin() as work:
            recovering.recover(work, prefix)
    except OutOfStep as error:
        return error.message
    return "恢复中,已请所有节点重述;谁还没有答复见 tongban claims recover --status"


@claims.command("conflicts")
def list_conflicts() -> None:
    """What a recovery found that cannot be: ask both offices, by telephone, what they have registered."""
    from services.claims.store.restating import list_conflicts as list_all

    with service_works("claims").begin() as work:
        show(list_all(work))
