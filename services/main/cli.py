"""The `tongban` command: everything an operator can ask for, each command importing what it runs."""

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from services.main import cli_archive, cli_hub, cli_pairs, cli_stuck
from services.main.cli_hub import read_settings as _read
from services.main.cli_stuck import service_works, show
from services.main.commands import Commands
from shared.settings import Settings, before_imports

RUN = Path(".run")


@click.group(cls=Commands)
def cli() -> None:
    """通办: take in anywhere, decide where the law says, lose nothing, do nothing twice."""


def _settings(process: str) -> Settings:
    """This process's settings and its logs."""
    from shared import logs

    settings = _read()
    logs.set_up(settings.log_level, node=settings.node, process=process)
    return settings


@cli.command()
@click.option("--once", is_flag=True, help="End after the timeline.")
@click.option("--folder", type=click.Path(path_type=Path), default=RUN / "demo", show_default=True)
def demo(once: bool, folder: Path) -> None:
    """Five cities in this process, no server; a case crosses two of them."""
    from services.main.demo import show
    from services.main.journey import JourneyFailed
    from shared import logs

    logs.set_up("WARNING")
    try:
        show(folder, once)
    except JourneyFailed as error:
        raise click.ClickException(str(error)) from error


@cli.command()
@click.argument("name")
def serve(name: str) -> None:
    """Serve one service's messages, or `all` of a small office in one process."""
    before_imports()
    from services.main.wiring import SERVICES, every_doors, open_node, open_works
    from shared import runner

    settings = _settings(name)
    node = open_node(settings)
    doors = every_doors(node)
    names = list(SERVICES) if name == "all" else [name]
    if not set(names) <= set(SERVICES):
        raise click.BadParameter(f"one of {', '.join(SERVICES)}, all")
    runner.serve([(doors[each], open_works(settings, node, each)) for each in names], settings, name)


@cli.command()
def relay() -> None:
    """Carry what all services of this node told to the broker."""
    from services.main.real import declare_when_up
    from services.main.wiring import open_node
    from shared import relay as carrier

    settings = _settings("relay")
    declare_when_up(settings, open_node(settings))
    carrier.run(settings)


@cli.command()
def exchange() -> None:
    """The gateway to the other cities."""
    import signal
    import threading

    from services.exchange.service import process
    from services.main.wiring import EXCHANGE, open_node, open_works

    settings = _settings("exchange")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: process.end(stop))
    process.run(open_works(settings, open_node(settings), EXCHANGE), settings, stop)


@cli.command()
@click.option("--threads", default=8, show_default=True)
def http(threads: int) -> None:
    """The JSON API, by gunicorn."""
    from services.main.http import serve_http

    serve_http(_settings("http"), threads)


@cli.command()
@click.option("--folder", type=click.Path(path_type=Path), default=RUN / "up", show_default=True)
@click.option("--servers", is_flag=True, help="Private servers and supervisor, also where Docker is.")
def up(folder: Path, servers: bool) -> None:
    """The cities on real servers: docker compose where there is an engine, else supervisor."""
    from services.main.real import docker_is_there
    from services.main.up import start_containers, start_country

    start_containers(folder) if docker_is_there() and not servers else start_country(folder)


@cli.command()
@click.option("--folder", type=click.Path(path_type=Path), default=RUN / "up", show_default=True)
def down(folder: Path) -> None:
    """End what `up` started; the data stay."""
    from services.main.up import stop_all

    stop_all(folder)


@cli.command()
@click.argument("codes", nargs=-1, required=True)
def setup(codes: tuple[str, ...]) -> None:
    """Make nodes ready: keys, directory, database roles, schemas, migrations. Safe to run again.

    Needs TONGBAN_HOME (the folder of all homes) and TONGBAN_ADMIN_DATABASE_URL, in which {node} stands for the code.
    """
    from deploy.homes import CITIES, make_homes
    from services.main.real import set_up_node
    from shared.settings import read_setup

    if strangers := sorted(set(codes) - {here.code for here in CITIES}):
        known = "、".join(f"{here.code} {here.name}" for here in CITIES)
        raise click.ClickException(
            f"setup 不认识 {'、'.join(strangers)},只认识随 tongban 附带的 {known};别的城市请按 docs/joining.md 用 tongban join"
        )
    folder, admin_url = read_setup()
    for code, home in make_homes(folder, codes).items():
        set_up_node(code, home, admin_url)
        click.echo(f"{code} 已就绪。")


@cli.command()
def migrate() -> None:
    """Bring this node's schemas to the release that is installed; nothing else changes. Safe to run again."""
    from services.main.real import migrate_node, without_account

    home = _settings("migrate").home
    if lacking := without_account(home):
        raise click.ClickException(
            f"{home}/databases.json 中没有 {'、'.join(lacking)} 的账号:新装的节点先执行 tongban setup,要加入别的城市的节点见 docs/joining.md"
        )
    for service, seconds in migrate_node(home):
        click.echo(f"{service}: 已是本版本的结构({seconds:.1f} 秒)")


@cli.command()
@click.argument("process")
def health(process: str) -> None:
    """Exit 0 while that process of this node is well."""
    from services.main.health import well

    raise SystemExit(0 if well(_read(), process) else 1)


@cli.command()
def openapi() -> None:
    """Print the API's description, as committed in contracts/openapi.yaml."""
    import yaml

    from services.web.api.app import openapi_document

    click.echo(yaml.safe_dump(openapi_document(), allow_unicode=True, sort_keys=False), nl=False)


@cli.group()
def offices() -> None:
    """The offices of this node."""


@offices.command("import")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
def import_offices(file: Path) -> None:
    """Put a checked table of offices in force; nothing changes when any line is faulty."""
    from services.main.offices import checked
    from shared import clock
    from shared.files import replace_file

    text, found = checked(file.read_bytes(), clock.today())
    replace_file(_read().home / "offices.csv", text)
    click.echo(f"已导入 {len(found.by_code)} 个办理机构。")


@cli.group()
def slots() -> None:
    """Slots for appointments (预约)."""


@slots.command("open")
@click.argument("file", type=click.Path(exists=True, path_type=Path), required=False)
def open_slots(file: Path | None) -> None:
    """Publish the schedules of FILE (YAML) from today on; without it those that come with a demo city."""
    from services.main.slots import open_file, open_seed

    works = service_works("appointment")
    made = open_file(works, file) if file else open_seed(works)
    click.echo(f"已放号:新增 {made} 个时段。")


@cli.group()
def token() -> None:
    """Tokens for the API."""


@token.command("create")
@click.argument("kind", type=click.Choice(["clerk", "citizen", "channel"]))
@click.argument("actor")
@click.option("--office", default="", help="The clerk's office.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(["admin", "supervisor"]),
    help="admin: manages webhooks and tokens. supervisor: sees every case of the node, each look audited.",
)
@click.option("--days", default=90, show_default=True)
@click.option("--label", default="")
def create_token(kind: str, actor: str, office: str, roles: tuple[str, ...], days: int, label: str) -> None:
    """Make a token; it is shown this once. A citizen's number is read from standard input, never from arguments."""
    from services.web.usecases.tokens import NewToken
    from services.web.usecases.tokens import create_token as create

    number = sys.stdin.readline().strip() if kind == "citizen" else ""
    wanted = NewToken(kind, actor, label, office=office, roles=roles, days=days, id_number=number)
    works = service_works("web")
    with works.begin() as work:
        click.echo(create(work, wanted))


@token.command("list")
def list_tokens() -> None:
    """All tokens of this node, without the tokens themselves."""
    from services.web.usecases.tokens import list_tokens as list_all

    works = service_works("web")
    with works.begin() as work:
        show(list_all(work))


@token.command("revoke")
@click.argument("token_id")
def revoke_token(token_id: str) -> None:
    """End a token now."""
    from services.web.usecases.tokens import revoke_token as revoke

    works = service_works("web")
    with works.begin() as work:
        revoke(work, token_id)
    click.echo("已吊销。")


@cli.command()
@click.argument("case")
def trace(case: str) -> None:
    """One case (number or id): legs, clocks, steps, messages, and what the peers' logs prove."""
    from services.main.trace import trace as story
    from services.main.wiring import open_node

    settings = _read()
    for line in story(settings, open_node(settings), case):
        click.echo(line)


@cli.command()
def doctor() -> None:
    """Say in plain words what is missing; exit 1 when anything is. 注意 is worth knowing, and no fault."""
    from services.main.operate import examine

    _exit_with(examine(_read()))


@cli.command()
def verify() -> None:
    """Recompute the record of look-ups (查询留痕) and the logs with other cities (交换日志); exit 1 if one was changed."""
    from services.main.verify import verify

    _exit_with(verify(_read()))


def _exit_with(found: Iterable[tuple[str, str]]) -> None:
    """Say what was found, line by line; exit 1 if any is a fault."""
    from services.main.operate import FAULTY

    faults = 0
    for grade, words in found:
        click.echo(f"{grade} {words}")
        faults += grade == FAULTY
    raise SystemExit(1 if faults else 0)


for command in (*cli_hub.COMMANDS, *cli_stuck.COMMANDS, *cli_pairs.COMMANDS, *cli_archive.COMMANDS):
    cli.add_command(command)
