"""`make up` and `make down`: the cities on real servers, in containers or as processes of this machine."""

import shutil
from pathlib import Path

import click

from deploy import supervise
from deploy.children import run
from deploy.homes import CITIES
from deploy.processes import SMALL
from deploy.servers import Servers
from services.main.journey import CLERKS
from services.main.real import docker_is_there, make_country, ports_of, start, write_tokens
from shared import clock

CODES = tuple(city.code for city in CITIES)
COMPOSE = Path("docker-compose.yml")


def start_country(folder: Path) -> None:
    """Private RabbitMQ and PostgreSQL, five cities, every process under supervisor."""
    began = clock.monotonic()
    click.echo("没有 Docker 引擎:用本机进程启动(RabbitMQ、PostgreSQL 和各市的服务),第一次约需一分钟……")
    country = make_country(folder, Servers(folder / "servers"), CODES, ports_of(CODES))
    if not supervise.supervisors(folder.absolute()):
        start(country, SMALL)
    tokens = write_tokens(country, CLERKS)
    click.echo(
        f"{len(CODES) * len(SMALL)} 个进程已就绪,用时 {clock.monotonic() - began:.0f} 秒。日志在 {folder}/logs。"
    )
    for city in CITIES:
        click.echo(f"  {city.name} {city.code}: http://127.0.0.1:{city.http_port}/api/v1/health")
    click.echo(f"试办一件:先执行  . {tokens}  ,再照 README 的 curl 命令。结束:make down")


def start_containers() -> None:
    """docker compose: one container per service and city."""
    click.echo("用 docker compose 启动两个城市,第一次需构建镜像……")
    click.echo(run(["docker", "compose", "--file", COMPOSE, "up", "--build", "--detach", "--wait"]))
    click.echo("试办一件:照 README 用 docker compose exec 取得令牌,再执行 curl 命令。结束:make down")


def stop_all(folder: Path) -> None:
    """End what `start_country` or `start_containers` started; the data stay."""
    if supervise.supervisors(folder.absolute()):
        supervise.stop(folder)
    servers = Servers(folder / "servers")
    for name in servers.names():
        servers.stop(name)
    if shutil.which("docker") and docker_is_there():
        run(["docker", "compose", "--file", COMPOSE, "down"])
    click.echo("已结束,数据还在。")
