"""Private RabbitMQ and PostgreSQL for tests, for `make up` and for chaos; no system service is ever touched."""

import json
from pathlib import Path
from typing import Any

import click

from deploy import broker, database, state
from deploy.state import Server

FOLDER = Path(".run/servers")
KINDS = ("rabbitmq", "postgres")


class Servers:
    """The servers of one run folder, by name; every call reads their state files, so any process may make it.

    A server is a RabbitMQ when its name begins with `rabbitmq`, and a PostgreSQL when it begins with `postgres`.
    """

    def __init__(self, folder: Path = FOLDER, *, tied: bool = False) -> None:
        self.folder = folder.absolute()
        self.tied = tied  # they die with the thread that started them, even when that is killed

    def start_rabbitmq(self, name: str = "rabbitmq", port: int = 0) -> str:
        """Start a broker unless it runs; its administrator's AMQP URL (vhost `/`). Keeps its data and its port."""
        return broker.start(self.folder / name, port, tied=self.tied).url

    def start_postgres(self, name: str = "postgres", port: int = 0) -> str:
        """Start a database server unless it runs; its administrator's SQLAlchemy URL. Keeps its data and its port."""
        return database.start(self.folder / name, port, tied=self.tied).url

    def start(self, name: str) -> str:
        """Start the server of that name; its administrator's URL."""
        return self.start_rabbitmq(name) if name.startswith("rabbitmq") else self.start_postgres(name)

    def get(self, name: str) -> Server:
        """What is known of a server; KeyError when it was never started here."""
        server = state.load(self.folder / name)
        if server is None:
            raise KeyError(f"no server {name} in {self.folder}")
        return server

    def names(self) -> list[str]:
        """All servers ever started in this folder and not removed."""
        return sorted(path.parent.name for path in self.folder.glob(f"*/{state.STATE_FILE}"))

    def stop(self, name: str) -> None:
        """Shut a server down in order; its data stay."""
        server = self.get(name)
        if name.startswith("rabbitmq"):
            broker.stop(server)
        else:
            database.stop(server)

    def kill(self, name: str) -> None:
        """SIGKILL every process of a server; its data stay as a power cut would leave them.

        A quorum queue declared a split second before is unusable afterwards, confirmed messages and all (RabbitMQ 3.10
        writes down late where its log is): give new queues a second before you kill.
        """
        state.killed(self.get(name))

    def restart(self, name: str) -> str:
        """Stop and start a server; its URL, the same as before."""
        self.stop(name)
        return self.start(name)

    def remove(self) -> None:
        """Kill every server of this folder and delete their data."""
        for name in self.names():
            self.kill(name)
            state.remove(self.get(name))

    def status(self) -> dict[str, dict[str, Any]]:
        """Of each server: whether it runs, its process numbers, ports and URL."""
        return {name: _status(self.get(name)) for name in self.names()}


def _status(server: Server) -> dict[str, Any]:
    pids = [child.pid for child in server.children]
    return {"running": server.running, "pids": pids, "ports": dict(server.ports), "url": server.url}


@click.group()
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True)
@click.pass_context
def cli(context: click.Context, folder: Path) -> None:
    """Private RabbitMQ and PostgreSQL under a run folder."""
    context.obj = Servers(folder)


@cli.command()
@click.pass_obj
def start(servers: Servers) -> None:
    """Start both, or what of them does not run, and show them."""
    for name in KINDS:
        servers.start(name)
    click.echo(json.dumps(servers.status(), indent=2))


@cli.command()
@click.pass_obj
def stop(servers: Servers) -> None:
    """Stop all; their data stay."""
    for name in servers.names():
        servers.stop(name)


@cli.command()
@click.pass_obj
def remove(servers: Servers) -> None:
    """Kill all and delete their data."""
    servers.remove()


@cli.command()
@click.pass_obj
def status(servers: Servers) -> None:
    """Show them as JSON; exit 1 unless all of them run."""
    rows = servers.status()
    click.echo(json.dumps(rows, indent=2))
    raise SystemExit(0 if rows and all(row["running"] for row in rows.values()) else 1)


if __name__ == "__main__":
    cli()
