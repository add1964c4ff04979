"""Definitions of the hub between the cities, from the list of joined nodes; importable by RabbitMQ 3.10 and 4.x."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from deploy.broker import user_definition

VHOST = "xchg"
LANES = ("std", "urgent", "file")
OPERATOR = "operator"
UPLINK = "uplink"
TOPICS = ("x.in", "x.own", "x.up", "x.unroutable", "x.dead")
DIRECTORY_BYTES = 200_000_000
DELIVERY_LIMIT = 20
INBOX = {
    "delivery-limit": DELIVERY_LIMIT,
    "dead-letter-exchange": "x.dead",
    "dead-letter-strategy": "at-least-once",
    "overflow": "reject-publish",
    "max-length": 200_000,
}
KEPT = {"delivery-limit": 1_000_000, "overflow": "reject-publish", "max-length": 200_000}  # 4.x would drop at 20
UPWARD = {"overflow": "reject-publish", "max-length": 500_000}
NODE_LIMITS = {"max-connections": 4, "max-channels": 16}
OWN_SOURCE = r"^[0-9]{2}\.[0-9]{2}\.[0-9]{2}\.{username}\."  # PP.CC.DD.<src6>.<lane>.<type>: src6 is the user

Definition = dict[str, Any]


def definitions(
    nodes: Iterable[Mapping[str, Any]],
    *,
    vhost: str = VHOST,
    parent: bool = False,
    passwords: Mapping[str, str] | None = None,
) -> Definition:
    """The hub's definitions for `nodes` (rows with the six digits `code`).

    `passwords` by user name is for development; without it users have none and log in by certificate (EXTERNAL,
    CN = user name). `parent`: what is for another province waits in `out.up` for the user `uplink`, who carries it to
    the hub above and brings what comes down; else it is unroutable. ValueError for a code that is not six digits or
    stands twice.
    """
    codes = _checked([str(node["code"]) for node in nodes])
    uplink = [UPLINK] if parent else []
    rows = {
        "exchanges": [_exchange(name, "topic") for name in TOPICS] + [_exchange("x.dir", "fanout")],
        "queues": _queues(codes, parent),
        "bindings": _bindings(codes, parent),
        "policies": _policies(parent),
        "permissions": [_node_permission(code) for code in codes] + _other_permissions(parent),
        "topic_permissions": [_source_permission(code) for code in codes],
    }
    users = [_user(name, passwords, limits=NODE_LIMITS) for name in (*codes, *uplink)]
    return {
        "vhosts": [{"name": vhost}],
        "users": [*users, _user(OPERATOR, passwords, tags=["monitoring"])],
        **{kind: [{"vhost": vhost, **row} for row in made] for kind, made in rows.items()},
    }


def words(code: str) -> str:
    """A node's code as the first three words of a routing key: 460203 -> 46.02.03."""
    return f"{code[:2]}.{code[2:4]}.{code[4:]}"


def inbox(code: str, lane: str) -> str:
    """The queue in which a node finds what comes for it on one lane."""
    return f"inbox.{code}.{lane}"


def _checked(codes: list[str]) -> list[str]:
    for code in codes:
        if not re.fullmatch(r"[0-9]{6}", code) or codes.count(code) > 1:
            raise ValueError(f"node code {code!r} is not six digits, or stands twice")
    return sorted(codes)


def _user(name: str, passwords: Mapping[str, str] | None, **more: Any) -> Definition:
    if passwords is None:
        return {"name": name, "password_hash": "", "tags": [], **more}
    # a salt from the name, not a random one: the same input gives the same file
    return user_definition(name, passwords[name], hashlib.sha256(name.encode()).digest()[:4], **more)


def _exchange(name: str, kind: str) -> Definition:
    return {"name": name, "type": kind, "durable": True, "auto_delete": False, "internal": False, "arguments": {}}


def _queue(name: str, kind: str = "quorum", **arguments: Any) -> Definition:
    return {"name": name, "durable": True, "auto_delete": False, "arguments": {"x-queue-type": kind, **arguments}}


def _queues(codes: list[str], parent: bool) -> list[Definition]:
    names = [inbox(code, lane) for code in codes for lane in LANES]
    names += ["q.unroutable", "q.dead", *(["out.up"] if parent else [])]
    return [_queue(name) for name in names] + [
        _queue("s.directory", "stream", **{"x-max-length-bytes": DIRECTORY_BYTES})
    ]


def _binding(source: str, queue: str, key: str) -> Definition:
    return {
        "source": source,
        "destination": queue,
        "destination_type": "queue",
        "routing_key": key,
        "arguments": {},
    }


def _bindings(codes: list[str], parent: bool) -> list[Definition]:
    """One key per inbox; own provinces' unknown codes end here, so that no two hubs play ping-pong with them."""
    inboxes = [_binding("x.in", inbox(code, lane), f"{words(code)}.*.{lane}.#") for code in codes for lane in LANES]
    provinces = sorted({code[:2] for code in codes})
    return [
        *inboxes,
        *(_binding("x.own", "q.unroutable", f"{province}.#") for province in provinces),
        *([_binding("x.up", "out.up", "#")] if parent else []),
        _binding("x.unroutable", "q.unroutable", "#"),
        _binding("x.dead", "q.dead", "#"),
        _binding("x.dir", "s.directory", ""),
    ]


def _policy(name: str, pattern: str, kind: str, definition: Mapping[str, Any]) -> Definition:
    return {"name": name, "pattern": pattern, "apply-to": kind, "definition": dict(definition), "priority": 1}


def _policies(parent: bool) -> list[Definition]:
    """Alternate exchanges and limits by policy: these can be changed later, arguments cannot."""
    above = "x.up" if parent else "x.unroutable"
    return [
        _policy("ae.in", r"^x\.in$", "exchanges", {"alternate-exchange": "x.own"}),
        _policy("ae.own", r"^x\.own$", "exchanges", {"alternate-exchange": above}),
        _policy("inbox", r"^inbox\.", "queues", INBOX),
        _policy("kept", r"^q\.", "queues", KEPT),
        *([_policy("outup", r"^out\.up$", "queues", UPWARD)] if parent else []),
    ]


def _node_permission(code: str) -> Definition:
    """A node publishes to one exchange and reads its own queues. No `amq.default`: that would open every queue."""
    own = rf"^(inbox\.{code}\.({'|'.join(LANES)})|s\.directory)$"
    return {"user": code, "configure": "^$", "write": r"^x\.in$", "read": own}


def _source_permission(code: str) -> Definition:
    return {"user": code, "exchange": "x.in", "write": OWN_SOURCE, "read": "^$"}


def _other_permissions(parent: bool) -> list[Definition]:
    """The operator publishes the signed directory, looks into what nobody could take, and sends it again."""
    kept = r"^(q\.unroutable|q\.dead|s\.directory)$"
    operator = {"user": OPERATOR, "configure": "^$", "write": r"^x\.(dir|in)$", "read": kept}
    uplink = {"user": UPLINK, "configure": "^$", "write": r"^x\.in$", "read": r"^out\.up$"}
    return [operator, uplink] if parent else [operator]


@click.command()
@click.argument("nodes", type=click.Path(exists=True, path_type=Path))
@click.option("--parent", is_flag=True, help="There is a hub above this one.")
@click.option("--development", is_flag=True, help="Users have the password dev-<name>. Never on a real hub.")
def cli(nodes: Path, parent: bool, development: bool) -> None:
    """Write the hub's definitions for the nodes in NODES, a JSON list of objects with `code`, to standard output."""
    rows = json.loads(nodes.read_text())
    passwords = development_passwords(row["code"] for row in rows) if development else None
    click.echo(json.dumps(definitions(rows, parent=parent, passwords=passwords), indent=2))


def development_passwords(codes: Iterable[str]) -> dict[str, str]:
    """What the hub's users log in with on a developer's machine."""
    return {name: f"dev-{name}" for name in (*codes, OPERATOR, UPLINK)}


if __name__ == "__main__":
    cli()
