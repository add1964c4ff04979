"""`make up` and `make down`: the cities on real servers, in containers or as processes of this machine."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from deploy import compose, supervise
from deploy.children import run
from deploy.homes import CITIES, city
from deploy.processes import SMALL
from deploy.servers import Servers
from services.main.journey import CLERKS
from services.main.real import demo_token, docker_is_there, make_country, ports_of, start, write_tokens
from shared import clock

CODES = tuple(city.code for city in CITIES)
DOCKER_COMPOSE = ("docker", "compose", "--file", compose.FILE)
DOWNLOAD_SECONDS = 3600  # of base images, through a slow line


def start_country(folder: Path) -> None:
    """Private RabbitMQ and PostgreSQL, five cities, every process under supervisor."""
    began = clock.monotonic()
    click.echo("没有 Docker 引擎:用本机进程启动(RabbitMQ、PostgreSQL 和各市的服务),第一次约需一分钟……")
    country = make_country(folder, Servers(folder / "servers"), CODES, ports_of(CODES))
    if not supervise.supervisors(folder.absolute()):
        start(country, SMALL)
    tokens = {clerk: demo_token(country.works(code, "web"), office) for clerk, (code, office) in CLERKS.items()}
    click.echo(
        f"{len(CODES) * len(SMALL)} 个进程已就绪,用时 {clock.monotonic() - began:.0f} 秒。日志在 {folder}/logs。"
    )
    _tell_how(folder, CODES, tokens)


def start_containers(folder: Path) -> None:
    """docker compose: one container per service and city."""
    began = clock.monotonic()
    click.echo("用 docker compose 启动两个城市,第一次需下载和构建镜像,要几分钟……")
    run([*DOCKER_COMPOSE, "up", "--build", "--detach", "--wait"], seconds=DOWNLOAD_SECONDS)
    tokens = {clerk: _token_from_container(*desk) for clerk, desk in CLERKS.items()}
    click.echo(f"容器已就绪,用时 {clock.monotonic() - began:.0f} 秒。状态:docker compose ps;日志:docker compose logs")
    folder.mkdir(parents=True, exist_ok=True)
    _tell_how(folder, compose.CODES, tokens)


def _token_from_container(code: str, office: str) -> str:
    create = ["tongban", "token", "create", "clerk", f"demo-{office}", "--office", office, "--label", "演示"]
    return run([*DOCKER_COMPOSE, "exec", "--no-TTY", f"http-{code}", *create]).split()[-1]  # compose may warn first


def _tell_how(folder: Path, codes: Iterable[str], tokens: Mapping[str, str]) -> None:
    """Addresses, and how to do a case by hand."""
    ports = ports_of(codes)
    for code, port in ports.items():
        click.echo(f"  {city(code).name} {code}: http://127.0.0.1:{port}/api/v1/health")
    path = write_tokens(folder, ports, tokens)
    click.echo(f"试办一件:先执行  . {path}  ,再照 README 的 curl 命令。结束:make down")


def stop_all(folder: Path) -> None:
    """End what `start_country` or `start_containers` started; the data stay."""
    if supervise.supervisors(folder.absolute()):
        supervise.stop(folder)
    servers = Servers(folder / "servers")
    for name in servers.names():
        servers.stop(name)
    if shutil.which("docker") and docker_is_there():
        run([*DOCKER_COMPOSE, "down"])
    click.echo("已结束,数据还在。")
