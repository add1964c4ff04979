"""The one list of a node's processes, from which docker-compose.yml and supervisor's settings are made."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """One kind of process: `command` are the words after `tongban`, `role` is the database role it works as."""

    name: str
    command: tuple[str, ...]
    role: str
    stop_seconds: int = 15  # all end within 10 by themselves, even without a broker
    memory_mb: int = 384
    dials_hub: bool = False
    serves_http: bool = False


RELAY = Process("relay", ("relay",), "relay")
EXCHANGE = Process("exchange", ("exchange",), "exchange", dials_hub=True)
HTTP = Process("http", ("http",), "web", serves_http=True)

FULL = (
    Process("intake", ("serve", "intake"), "intake"),
    Process("subsidy", ("serve", "subsidy"), "subsidy"),
    Process("certificate", ("serve", "certificate"), "certificate", memory_mb=768),
    Process("claims", ("serve", "claims"), "claims"),
    Process("marriage", ("serve", "marriage"), "marriage"),
    Process("appointment", ("serve", "appointment"), "appointment"),
    Process("web", ("serve", "web"), "web"),
    RELAY,
    EXCHANGE,
    HTTP,
)
SMALL = (Process("all", ("serve", "all"), "all", memory_mb=768), RELAY, EXCHANGE, HTTP)


@dataclass(frozen=True, slots=True)
class Site:
    """What the processes of one node need to know; `database_urls` by role, `metrics_ports` by process."""

    node: str
    home: str
    database_urls: Mapping[str, str]
    amqp_url: str
    hub_url: str
    http_port: int
    metrics_ports: Mapping[str, int]


def environment(process: Process, site: Site) -> dict[str, str]:
    """The variables of one process of one node (see shared.settings), and no secret of another's."""
    values = {
        "TONGBAN_NODE": site.node,
        "TONGBAN_HOME": site.home,
        "TONGBAN_DATABASE_URL": site.database_urls[process.role],
        "TONGBAN_AMQP_URL": site.amqp_url,
        "TONGBAN_METRICS_PORT": str(site.metrics_ports[process.name]),
    }
    if process.dials_hub:
        values["TONGBAN_HUB_URL"] = site.hub_url
    if process.serves_http:
        values["TONGBAN_HTTP_PORT"] = str(site.http_port)
    return values


def health(process: Process) -> tuple[str, ...]:
    """The command that exits 0 while a process of this kind is well, in its own environment."""
    return ("tongban", "health", process.name)
