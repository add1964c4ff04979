"""The one reader of the environment: every process starts from one frozen Settings."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from select import POLLIN, POLLOUT
from typing import Any

READ, WRITE, READ_OR_WRITE = 1, 2, 3  # psycopg.waiting.Wait


@dataclass(frozen=True, slots=True)
class Settings:
    """What one process of one node needs to know; all from TONGBAN_* variables (see docs/operations.md)."""

    node: str  # six digits, e.g. "620100"
    home: Path  # the node's folder: keys.json, directory.json, offices.csv, files/
    database_url: str  # postgresql+psycopg://... or "" for the embedded default
    amqp_url: str  # the node's own broker and vhost; "" for the embedded default
    hub_url: str  # the hub's broker, vhost xchg; "" for the embedded default
    http_host: str  # where the API is served: 127.0.0.1; in a container 0.0.0.0
    http_port: int
    metrics_host: str  # where the figures are served: as the API, unless others reach the process there, too
    metrics_port: int  # 0: no metrics listener of its own
    log_level: str


def read(environ: dict[str, str] | None = None) -> Settings:
    """Settings from `environ` (default: the process environment). KeyError names the missing variable."""
    env = dict(os.environ) if environ is None else environ  # noqa: TID251 - the one reader
    http_host = env.get("TONGBAN_HTTP_HOST", "127.0.0.1")
    return Settings(
        node=env["TONGBAN_NODE"],
        home=Path(env["TONGBAN_HOME"]),
        database_url=env.get("TONGBAN_DATABASE_URL", ""),
        amqp_url=env.get("TONGBAN_AMQP_URL", ""),
        hub_url=env.get("TONGBAN_HUB_URL", ""),
        http_host=http_host,
        http_port=int(env.get("TONGBAN_HTTP_PORT", "8000")),
        metrics_host=env.get("TONGBAN_METRICS_HOST", http_host),
        metrics_port=int(env.get("TONGBAN_METRICS_PORT", "0")),
        log_level=env.get("TONGBAN_LOG_LEVEL", "INFO"),
    )


def before_imports() -> None:
    """Make waiting cooperative: the very first call of a process that serves doors, before it imports anything else.

    nameko's workers are greenlets of one thread: eventlet must replace sockets and locks before others hold the old
    ones, and psycopg must leave waiting to eventlet's hub (`shared.runner` checks that both worked).
    """
    import eventlet  # noqa: PLC0415 - nobody else may pay for it

    eventlet.monkey_patch()
    from psycopg import waiting  # noqa: PLC0415 - not before the patch

    waiting.wait = _hub_wait()


def _hub_wait() -> Callable[..., Any]:
    """psycopg's `waiting.wait`, for greenlets: half the price of psycopg's own selector under eventlet."""
    from psycopg import OperationalError, waiting  # noqa: PLC0415 - not before the patch

    ready = _hub_ready()

    def wait(gen: Any, fileno: int, interval: float = 0.0, timeout: float | None = None) -> Any:
        if timeout is not None:
            return waiting.wait_selector(gen, fileno, interval, timeout)
        try:
            wanted = next(gen)
            while True:
                wanted = gen.send(ready(fileno, wanted))
        except StopIteration as end:
            return end.value
        except OSError as error:
            raise OperationalError("the connection's socket is closed") from error

    return wait


def _hub_ready() -> Callable[[int, int], int]:
    """Lets others run until a socket can be read (1) or written (2); asked for either (3), says which it is."""
    from eventlet import hubs, patcher  # noqa: PLC0415 - nobody else may pay for it
    from eventlet.green import select  # noqa: PLC0415 - nobody else may pay for it

    poll = patcher.original("select").poll

    def ready(fileno: int, wanted: int) -> int:
        if wanted != READ_OR_WRITE:
            hubs.trampoline(fileno, read=wanted == READ, write=wanted == WRITE)
            return wanted
        look = poll()
        look.register(fileno, POLLIN | POLLOUT)
        for _, found in look.poll(0):  # while writing, mostly at once
            return READ * bool(found & ~POLLOUT) | WRITE * bool(found & POLLOUT)
        readable, writable, _ = select.select([fileno], [fileno], [])
        return READ * bool(readable) | WRITE * bool(writable)

    return ready


def read_admin_url() -> str:
    """For `tongban join`: the database administrator's URL, "" without one."""
    return os.environ.get("TONGBAN_ADMIN_DATABASE_URL", "")  # noqa: TID251 - the one reader


def read_setup() -> tuple[Path, str]:
    """For `tongban setup`: the folder of the nodes' homes, and the database administrator's URL."""
    return Path(os.environ["TONGBAN_HOME"]), os.environ["TONGBAN_ADMIN_DATABASE_URL"]  # noqa: TID251 - the one reader


def webhook_hosts(environ: dict[str, str] | None = None) -> frozenset[str]:
    """Hosts inside the operator's own network to which webhooks may be sent: names or addresses, by commas."""
    env = dict(os.environ) if environ is None else environ  # noqa: TID251 - the one reader
    hosts = env.get("TONGBAN_WEBHOOK_HOSTS", "").lower().split(",")
    return frozenset(host.strip() for host in hosts) - {""}
