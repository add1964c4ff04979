"""Which parts make a node: the services, their tables, their doors, and the world outside they ask."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from sqlalchemy import Engine, MetaData, NullPool, create_engine

from services.appointment import service as appointment
from services.certificate import service as certificate
from services.claims import service as claims
from services.intake import service as intake
from services.intake.ports import SimulatedNotices
from services.marriage import service as marriage
from services.marriage.ports import SimulatedDeathRegister, SimulatedMarriageRegistry
from services.subsidy import service as subsidy
from services.subsidy.ports import SimulatedRegistries
from services.web import service as web
from shared.bus import Doors
from shared.directory import Node
from shared.embedded import sqlite_engine
from shared.outbox import Works
from shared.settings import Settings, webhook_hosts

HANDLER_MILLISECONDS = 25_000  # a statement that takes longer has failed
POOL = 12  # as many connections as messages are handled at once, and two for timers that wait


@dataclass(frozen=True, slots=True)
class Service:
    """One service of a node; its doors are made with what it asks of the world outside."""

    name: str
    doors: Callable[[Node], Doors]


def _intake(node: Node) -> Doors:
    return intake.doors(SimulatedNotices(node.home / "notices.jsonl"))


def _subsidy(node: Node) -> Doors:
    return subsidy.doors(SimulatedRegistries(node.home / "registries.yaml"))


def _marriage(node: Node) -> Doors:
    world = node.home / "registries.yaml"
    return marriage.doors(SimulatedMarriageRegistry(world, node.home / "reports.jsonl"), SimulatedDeathRegister(world))


SERVICES = {
    service.name: service
    for service in (
        Service("intake", _intake),
        Service("subsidy", _subsidy),
        Service("certificate", lambda _node: certificate.doors()),
        Service("claims", lambda _node: claims.doors()),
        Service("marriage", _marriage),
        Service("appointment", lambda _node: appointment.doors()),
        Service("web", lambda _node: web.doors(webhook_hosts())),
    )
}
EXCHANGE = "exchange"  # has no doors: it takes whole batches


def every_doors(node: Node) -> dict[str, Doors]:
    """The doors of all services, by name: what the broker's queues are made from."""
    return {name: service.doors(node) for name, service in SERVICES.items()}


def open_node(settings: Settings) -> Node:
    """The node these settings speak of."""
    return Node(settings.node, settings.home)


def open_engine(database_url: str, service: str, pool: int = POOL) -> Engine:
    """An engine that sees one service's schema only and never shows parameters: they may be personal.

    `pool`: how many connections are kept; 0 keeps none, for whoever asks once in a while.
    """
    options = f"-csearch_path={service} -cstatement_timeout={HANDLER_MILLISECONDS}"
    kept: dict[str, Any] = {"pool_size": pool, "max_overflow": 0} if pool else {"poolclass": NullPool}
    return create_engine(database_url, hide_parameters=True, connect_args={"options": options}, **kept)


def open_works(settings: Settings, node: Node, service: str, pool: int = POOL) -> Works:
    """A service's transactions, on PostgreSQL or on the embedded default's file."""
    if settings.database_url:
        return Works(node, service, open_engine(settings.database_url, service, pool))
    return Works(node, service, sqlite_engine(settings.home / f"{service}.db"))


def tables_of(service: str) -> MetaData:
    """A service's tables as its store declares them."""
    store = import_module(f"services.{service}.store")
    tables = (
        store.metadata if hasattr(store, "metadata") else import_module(f"services.{service}.store.tables").metadata
    )
    assert isinstance(tables, MetaData)  # noqa: S101 - tells the type checker
    return tables
