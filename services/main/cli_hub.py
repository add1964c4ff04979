"""The commands with which a city joins others, the root signs and the hub publishes: `keys`, `directory`, `join`."""

import json
from pathlib import Path
from typing import Any

import click

from shared.settings import Settings, read, read_admin_url

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
ALGORITHM = click.option("--algorithm", type=click.Choice(["ed25519", "sm2"]), default="ed25519", show_default=True)


def read_settings() -> Settings:
    """The settings; exits with plain words when a variable is missing."""
    try:
        return read()
    except KeyError as missing:
        raise click.ClickException(f"环境变量 {missing} 没有设置;各变量见 docs/operations.md") from missing


@click.group()
def keys() -> None:
    """The keys of this node."""


@keys.command("new")
@ALGORITHM
def new_keys(algorithm: str) -> None:
    """Make the first keys of this node; never over older ones."""
    from services.main.join import make_keys

    settings = read_settings()
    make_keys(settings.home, settings.node, "sm2" if algorithm == "sm2" else "ed25519")
    click.echo(f"已生成 {settings.home}/keys.json:请立即离线备份两份,丢失后所有密封内容都打不开。")


@keys.command("renew")
@ALGORITHM
def renew_keys(algorithm: str) -> None:
    """Make new keys beside those in force; `use` puts them into force once the directory lists them."""
    from services.main.join import renew_keys as renew
    from shared.directory import NEXT_KEYS

    settings = read_settings()
    renew(settings.home, "sm2" if algorithm == "sm2" else "ed25519")
    click.echo(f"已生成 {settings.home}/{NEXT_KEYS}:请备份,再用 tongban directory row 把新公钥交给根签发。")


@keys.command("use")
def use_keys() -> None:
    """Put the renewed keys into force; refused while the directory here does not list them."""
    from services.main.join import use_keys as use

    use(read_settings().home)
    click.echo("新密钥已启用:请立即一起重启本节点的所有进程。")


@click.group()
def directory() -> None:
    """The signed list of nodes, divisions and keys."""


@directory.command("row")
@click.argument("name")
@click.argument("divisions", nargs=-1, required=True)
@click.option("--without", "leaked", multiple=True, help="A key that leaked, by its number (kid).")
@click.option("--to", "path", type=click.Path(path_type=Path), required=True, help="The file to write.")
def write_row(name: str, divisions: tuple[str, ...], leaked: tuple[str, ...], path: Path) -> None:
    """Write what the root needs of this node: name, divisions, public keys, guides. Nothing in it is secret."""
    from deploy.root import fingerprint
    from services.main.join import row_of

    row = row_of(read_settings().home, name, divisions, leaked)
    path.write_text(json.dumps(row, ensure_ascii=False, indent=1), "utf-8")
    click.echo(f"已写入 {path}。公钥指纹:{fingerprint(row['keys'])}")


@directory.command("add")
@click.argument("folder", type=FOLDER)
@click.argument("row", type=FILE)
def add_row(folder: Path, row: Path) -> None:
    """At the root: put a node's ROW into the next directory, in the place of its older one. FOLDER is the root's."""
    from deploy.root import add_row as add
    from deploy.root import fingerprint

    found = _json(row)
    add(folder, found)
    click.echo(f"{found['code']} {found['name']}:区划 {'、'.join(found['divisions'])}")
    click.echo(f"公钥指纹:{fingerprint(found['keys'])}")
    click.echo("请当面或回拨电话核对指纹,一致后再 tongban directory sign。")


@directory.command("remove")
@click.argument("folder", type=FOLDER)
@click.argument("code")
def remove_row(folder: Path, code: str) -> None:
    """At the root: leave a node out of the next directory. Only when no case of it is open anywhere."""
    from deploy.root import remove_row as remove

    remove(folder, code)
    click.echo(f"{code} 将不在下一版目录中。")


@directory.command("authority")
@click.argument("folder", type=FOLDER)
@click.argument("prefix")
@click.option("--node", "code", required=True, help="Who guards it from the next version on.")
def set_authority(folder: Path, prefix: str, code: str) -> None:
    """At the root: who guards uniqueness (一人一事) for numbers that begin with PREFIX, or for `foreign` documents.

    Another node than before begins the next epoch, and rules only once the ledger was handed over to it.
    """
    from deploy.root import FIRST_EPOCH
    from deploy.root import set_authority as guard

    row = guard(folder, prefix, code)
    click.echo(f"号段 {prefix} 由 {code} 主管,第 {row['epoch']} 任;tongban directory sign 后生效。")
    if row["epoch"] > FIRST_EPOCH:
        click.echo("换了主管登记处的,原登记处移交占用记录之前,这一号段暂缓登记。")


@directory.command("sign")
@click.argument("folder", type=FOLDER)
def sign_directory(folder: Path) -> None:
    """At the root: sign the next version, also when nothing but its date is new."""
    from deploy.root import sign

    version = sign(folder)
    click.echo(f"第 {version} 版已签发:{folder}/directory.json 交枢纽发布,新接入的城市另需 {folder}/roots.json。")


@directory.command("publish")
@click.argument("file", type=FILE)
def publish_directory(file: Path) -> None:
    """At the hub: give a signed directory to all cities. TONGBAN_NODE is `operator`, roots.json lies in its home."""
    from services.exchange.service.link import LOST
    from services.exchange.service.pika_hub import PikaHub
    from services.main.join import checked_directory

    settings, signed = read_settings(), file.read_text("utf-8")
    version = checked_directory(settings.home, signed).version
    hub = PikaHub(settings.hub_url, settings.node, certificates=settings.home)
    try:
        hub.publish_directory(signed)
    except LOST as error:
        raise click.ClickException(f"枢纽没有收下目录({type(error).__name__}),请检查 TONGBAN_HUB_URL 和证书") from error
    finally:
        hub.close()
    click.echo(f"第 {version} 版已发布;各城市收到后,其 tongban_directory_version 变为 {version}。")


@directory.command("show")
@click.argument("file", type=FILE, required=False)
def show_directory(file: Path | None) -> None:
    """The directory in force here, or one in FILE: version, nodes, divisions, keys and how long they are valid, guards."""
    from services.main.join import checked_directory

    home = read_settings().home
    shown = checked_directory(home, (file or home / "directory.json").read_text("utf-8"))
    click.echo(f"第 {shown.version} 版,{shown.issued_at.isoformat()} 签发")
    for code, node in shown.nodes.items():
        click.echo(f"{code} {node['name']}:区划 {'、'.join(node['divisions'])};指南 {len(node['guides'])} 份")
        for key in node["keys"]:
            click.echo(f"  {key['purpose']} {key['kid']} {key['not_before']} 至 {key['not_after']}")
    for row in shown.authorities:
        click.echo(f"号段 {row['prefix']} 由 {row['node']} 主管,第 {row['epoch']} 任")


@click.command()
@click.argument("roots", type=FILE)
@click.argument("signed", type=FILE)
def join(roots: Path, signed: Path) -> None:
    """Make this node ready to join: lay in the trusted ROOTS and the SIGNED directory that lists it; databases.

    Refused, and nothing written, unless the directory is genuine and names this node's very keys. Databases are made
    where TONGBAN_ADMIN_DATABASE_URL is set. Safe to run again.
    """
    from services.main.join import join as lay
    from services.main.real import set_up_node

    settings = read_settings()
    laid = lay(settings.node, settings.home, roots.read_text("utf-8"), signed.read_text("utf-8"))
    click.echo(f"第 {laid.version} 版节点目录已放入 {settings.home}。")
    if admin_url := read_admin_url():
        set_up_node(settings.node, settings.home, admin_url)
        click.echo("数据库已就绪。")
    else:
        click.echo("没有设置 TONGBAN_ADMIN_DATABASE_URL,未建数据库。")


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise click.ClickException(f"{path} 不是 JSON 文件") from error
    return found if isinstance(found, dict) else {}


COMMANDS: tuple[click.Command, ...] = (keys, directory, join)
