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
TOPICS = ("x.in", "x.dead")
UPWARD_TOPICS = ("x.own", "x.up")
IN_ORDER = {"x-single-active-consumer": True}  # of a city's exchange processes one reads a lane, the others stand by
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
# An exchange process holds two connections with a channel each; after a cut the hub counts the old ones until their
# heartbeats are missed. So four processes of a city can all lose theirs at once, and two of them come back at once.
NODE_LIMITS = {"max-connections": 12, "max-channels": 16}
OWN_SOURCE = r"^[0-9]{2}\.[0-9]{2}\.[0-9]{2}\.{username}\."  # PP.CC.DD.<src6>.<lane>.<type>: src6 is the user

PLUGINS = ("rabbitmq_auth_mechanism_ssl",)
CONFIGURATION = """\
# The hub's rabbitmq.conf, made by `python -m deploy.hub --configuration`. Cities log in by certificate and by nothing
# else: the certificate's common name (CN) is the node's code, and the broker's name of the user. enabled_plugins must
# say [rabbitmq_auth_mechanism_ssl].
listeners.tcp = none
listeners.ssl.default = {listener}
ssl_options.cacertfile = {folder}/ca.pem
ssl_options.certfile = {folder}/hub.pem
ssl_options.keyfile = {folder}/hub-key.pem
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
auth_mechanisms.1 = EXTERNAL
ssl_cert_login_from = common_name
"""

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
    CN = user name). What no inbox takes goes back to its sender, who keeps it. `parent`: what is for another province
    waits in `out.up` for the user `uplink`, who carries it to the hub above and brings what comes down; what is for an
    unknown node of an own province cannot go back then and waits in `q.unroutable` for the operator. ValueError for a
    code that is not six digits or stands twice.
    """
    codes = _checked([str(node["code"]) for node in nodes])
    uplink, topics = ([UPLINK], TOPICS + UPWARD_TOPICS) if parent else ([], TOPICS)
    rows = {
        "exchanges": [_exchange(name, "topic") for name in topics] + [_exchange("x.dir", "fanout")],
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


def configuration(folder: Path, listener: str = "5671") -> str:
    """The hub's rabbitmq.conf; `folder` holds ca.pem (of whoever signs the cities' certificates), hub.pem, hub-key.pem.

    `listener`: a port, or an address and a port.
    """
    return CONFIGURATION.format(folder=folder, listener=listener)


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


def _queue(name: str, arguments: Mapping[str, Any], kind: str = "quorum") -> Definition:
    return {"name": name, "durable": True, "auto_delete": False, "arguments": {"x-queue-type": kind, **arguments}}


def _queues(codes: list[str], parent: bool) -> list[Definition]:
    inboxes = [_queue(inbox(code, lane), IN_ORDER) for code in codes for lane in LANES]
    kept = [_queue(name, {}) for name in ["q.dead", *(["q.unroutable", "out.up"] if parent else [])]]
    return [*inboxes, *kept, _queue("s.directory", {"x-max-length-bytes": DIRECTORY_BYTES}, "stream")]


def _binding(source: str, queue: str, key: str) -> Definition:
    return {
        "source": source,
        "destination": queue,
        "destination_type": "queue",
        "routing_key": key,
        "arguments": {},
    }


def _bindings(codes: list[str], parent: bool) -> list[Definition]:
    """One key per inbox: what none takes is returned. A hub above gets all else but own provinces' unknown codes.

    Those end here, so that no two hubs play ping-pong with them.
    """
    inboxes = [_binding("x.in", inbox(code, lane), f"{words(code)}.*.{lane}.#") for code in codes for lane in LANES]
    provinces = sorted({code[:2] for code in codes})
    own = [_binding("x.own", "q.unroutable", f"{province}.#") for province in provinces]
    above = [*own, _binding("x.up", "out.up", "#")] if parent else []
    return [*inboxes, *above, _binding("x.dead", "q.dead", "#"), _binding("x.dir", "s.directory", "")]


def _policy(name: str, pattern: str, kind: str, definition: Mapping[str, Any]) -> Definition:
    return {"name": name, "pattern": pattern, "apply-to": kind, "definition": dict(definition), "priority": 1}


def _policies(parent: bool) -> list[Definition]:
    """Alternate exchanges and limits by policy: these can be changed later, arguments cannot.

    An alternate exchange routes everything, and `mandatory` returns nothing then: only with a hub above is there one.
    """
    above = [
        _policy("ae.in", r"^x\.in$", "exchanges", {"alternate-exchange": "x.own"}),
        _policy("ae.own", r"^x\.own$", "exchanges", {"alternate-exchange": "x.up"}),
        _policy("outup", r"^out\.up$", "queues", UPWARD),
    ]
    own = [_policy("inbox", r"^inbox\.", "queues", INBOX), _policy("kept", r"^q\.", "queues", KEPT)]
    return own + above if parent else own


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
@click.argument("nodes", type=click.Path(exists=True, path_type=Path), required=False)
@click.option("--parent", is_flag=True, help="There is a hub above this one.")
@click.option("--development", is_flag=True, help="Users have the password dev-<name>. Never on a real hub.")
@click.option("--configuration", "folder", type=click.Path(path_type=Path), help="Write rabbitmq.conf instead.")
def cli(nodes: Path | None, parent: bool, development: bool, folder: Path | None) -> None:
    """Write the hub's definitions for the nodes in NODES, a JSON list of objects with `code`, to standard output.

    With --configuration FOLDER: its rabbitmq.conf, for a hub whose certificates lie in FOLDER.
    """
    if folder:
        click.echo(configuration(folder), nl=False)
        return
    if nodes is None:
        raise click.UsageError("NODES or --configuration FOLDER")
    rows = json.loads(nodes.read_text())
    passwords = development_passwords(row["code"] for row in rows) if development else None
    click.echo(json.dumps(definitions(rows, parent=parent, passwords=passwords), indent=2))


def development_passwords(codes: Iterable[str]) -> dict[str, str]:
    """What the hub's users log in with on a developer's machine."""
    return {name: f"dev-{name}" for name in (*codes, OPERATOR, UPLINK)}


if __name__ == "__main__":
    cli()
