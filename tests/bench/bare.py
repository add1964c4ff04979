"""The yardstick: a case's crossing, or a wedding, with nothing but pika, psycopg and the house's seals.

The same messages, sizes, hops, queues, processes, commits, confirms, signatures and seals as our services make (see
bare_crossing.py and bare_wedding.py), and none of what keeps those services right: no contracts, no rules, no reading of
state, no retries, no reconnecting. `python -m tests.bench.bare consume|relay|exchange SETTINGS`.
"""

import hashlib
import json
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pika
import psycopg
from pika.adapters.select_connection import IOLoop
from psycopg import sql

from shared import clock
from shared.crypto.keys import NodeKeys, load_keys, public_keys
from shared.crypto.sealing import blind_index, open_sealed, seal, seal_for, unseal
from shared.crypto.signing import sign_detached, verify_detached
from tests.bench import bare_crossing, bare_wedding
from tests.bench.bare_steps import DIVISIONS, Json, Play, Step

PLAYS: Mapping[str, Play] = {"crossing": bare_crossing.PLAY, "wedding": bare_wedding.PLAY}
EXCHANGE = "exchange"
WORKERS = 10  # transactions at once per service, as in shared.bus

Database = psycopg.Connection[Any]
Got = tuple[Any, Any, bytes]  # method, properties, body

INBOX = "INSERT INTO {service}.inbox VALUES (%s, %s) ON CONFLICT DO NOTHING"
ROW = "INSERT INTO {service}.rows (case_id, kind, body, sealed, person_index) VALUES (%s, %s, %s, %s, %s)"
OUTBOX = "INSERT INTO {service}.outbox (message_id, routing_key, body, created_at) VALUES (%s, %s, %s, %s)"
OLDEST = "SELECT * FROM {service}.outbox ORDER BY position LIMIT 500 FOR UPDATE SKIP LOCKED"
GONE = "DELETE FROM {service}.outbox WHERE position = ANY(%s)"
PEER = "SELECT n, chain FROM exchange.peers WHERE node = %s AND direction = %s FOR UPDATE"
PEER_NOW = "UPDATE exchange.peers SET n = %s, chain = %s WHERE node = %s AND direction = %s"
LOG = "INSERT INTO exchange.log VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
SENDING = "INSERT INTO exchange.sendings VALUES (%s, %s, %s, %s, %s, %s, %s, 'pending', %s, '')"
ROLE = "INSERT INTO exchange.case_roles VALUES (%s, %s, %s, true)"
LEASE = "INSERT INTO exchange.leases VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
LEASE_ON = "UPDATE exchange.leases SET holder = %s, until = %s WHERE name = %s"
DUE = "SELECT * FROM exchange.sendings WHERE state = 'pending' AND destination = %s ORDER BY seq LIMIT 100"
SENT = "UPDATE exchange.sendings SET state = 'sent', body = '', sent_at = %s WHERE message_id = ANY(%s)"


@dataclass(frozen=True)
class City:
    """One city of a play."""

    play: str
    code: str
    peers: Mapping[str, str]  # node -> home
    database_url: str
    amqp_url: str
    hub_url: str
    home: str

    @cached_property
    def plan(self) -> Play:
        return PLAYS[self.play]

    def database(self) -> Database:
        return psycopg.connect(self.database_url, autocommit=True)  # `with database.transaction()` is one commit

    def keys(self) -> NodeKeys:
        return load_keys(Path(self.home) / "keys.json")

    def keys_of_peers(self, purpose: str) -> dict[str, Json]:
        """Of every peer its newest key."""
        found = {peer: public_keys(load_keys(Path(home) / "keys.json")) for peer, home in self.peers.items()}
        return {peer: next(row for row in reversed(rows) if row["purpose"] == purpose) for peer, rows in found.items()}


def of(service: str, statement: str) -> sql.Composed:
    return sql.SQL(statement).format(service=sql.Identifier(service))


def packed(wire: Json) -> str:
    return json.dumps(wire, ensure_ascii=False, separators=(",", ":"))


def now() -> str:
    return clock.iso(clock.now())


def context(wire: Json) -> str:
    return f"message/{wire['type']}/{wire['id']}"


def told(
    city: City, keys: NodeKeys, kind: str, cause: Json, private: bytes | None, to: str = ""
) -> tuple[str, str, str, str]:
    """A message's row of an outbox: id, routing key, body, instant."""
    said = city.plan.messages[kind]
    wire = {"id": clock.new_id(), "source": f"urn:tongban:node:{keys.node}", "time": now(), **said}
    wire |= {"subject": cause["subject"], "correlationid": cause["id"], "causationid": cause["id"]}
    wire |= {"destnode": to} if to else {}
    wire |= {} if private is None else {"sealed": seal(keys, private, context(wire))}
    return wire["id"], f"{kind}.{to}" if to else kind, packed(wire), wire["time"]


def opened(keys: NodeKeys, wire: Json) -> bytes | None:
    return unseal(keys, wire["sealed"], context(wire)) if "sealed" in wire else None


def consume(service: str, city: City) -> None:
    """Delivery, commit, acknowledgement, for ever; one of many threads."""
    keys, database = city.keys(), city.database()
    channel = pika.BlockingConnection(pika.URLParameters(city.amqp_url)).channel()
    channel.basic_qos(prefetch_count=1)
    for method, _properties, body in channel.consume(service):
        handle(city, keys, database.cursor(), service, json.loads(body))
        channel.basic_ack(method.delivery_tag)


def handle(city: City, keys: NodeKeys, cursor: psycopg.Cursor[Any], service: str, wire: Json) -> None:
    """One message takes effect once, in one commit; a few have one before it."""
    step = city.plan.steps[service, wire["type"], "destnode" in wire]
    if step.before:
        with cursor.connection.transaction():
            for number in range(step.before):
                cursor.execute(
                    of(service, ROW), (wire["subject"], f"before/{number}", packed(city.plan.row), None, None)
                )
    with cursor.connection.transaction():
        if cursor.execute(of(service, INBOX), (wire["id"], now())).rowcount:
            take_effect(city, keys, cursor, service, (step, wire))


def take_effect(
    city: City, keys: NodeKeys, cursor: psycopg.Cursor[Any], service: str, heard: tuple[Step, Json]
) -> None:
    (step, wire), private = heard, None
    for _ in range(step.opens):
        private = opened(keys, wire)
    for row in rows_of(keys, step, wire, private, city.plan.row):
        cursor.execute(of(service, ROW), row)
    for kind, to in told_after(city, step, wire):
        secret = city.plan.secrets.get(kind, private)
        cursor.execute(of(service, OUTBOX), told(city, keys, kind, wire, secret, to))


def told_after(city: City, step: Step, wire: Json) -> Iterator[tuple[str, str]]:
    """Which words follow a message, and to whom."""
    if step.joins and source(wire) != list(city.peers)[-1]:
        return
    for kind in step.tells:
        yield from ((kind, to) for to in (city.peers if kind in city.plan.crosses else ("",)))


def source(wire: Json) -> str:
    return str(wire["source"]).rpartition(":")[2]


def rows_of(keys: NodeKeys, step: Step, wire: Json, private: bytes | None, body: Json) -> Iterator[tuple[Any, ...]]:
    """As many rows as our handler has statements that write; the seals spread over them."""
    person = json.loads(private) if private else {}
    sealed = [seal(keys, private or b"{}", "rows") for _ in range(step.seals)]
    indexes = [blind_index(keys, "person", f"{wire['subject']}{len(person)}") for _ in range(step.indexes)]
    for number in range(step.writes):
        seals, index = "".join(sealed[number :: step.writes]), next(iter(indexes[number : number + 1]), None)
        yield wire["subject"], f"{wire['type']}/{number}", packed(body), seals or None, index


class Wire:
    """pika, driven by hand: a channel that consumes, and on which many messages wait for their confirms together."""

    def __init__(self, url: str) -> None:
        self.loop = IOLoop()
        self.channel: Any = None
        self.sent = 0
        self.unconfirmed: set[int] = set()
        self.box: deque[Got] = deque()
        self.connection = pika.SelectConnection(
            pika.URLParameters(f"{url}?heartbeat=0"),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._opened),
            on_close_callback=give_up,
            custom_ioloop=self.loop,
        )
        while self.channel is None:
            self.turn(1.0)

    def turn(self, seconds: float) -> None:
        """Let happen what happens within so long, or until something of interest does."""
        timer = self.loop.call_later(seconds, self.loop.stop)
        self.loop.start()
        self.loop.remove_timeout(timer)

    def publish(self, parcels: Iterable[tuple[str, str, str, pika.BasicProperties]]) -> None:
        """Publish all (exchange, key, body, properties) and wait for all confirms."""
        for exchange, key, body, its in parcels:
            self.channel.basic_publish(exchange, key, body.encode(), its, mandatory=True)
            self.sent += 1
            self.unconfirmed.add(self.sent)
        while self.unconfirmed:
            self.turn(1.0)

    def consume(self, queue: str, prefetch: int) -> None:
        self.channel.basic_qos(prefetch_count=prefetch)
        self.channel.basic_consume(queue, self._arrived)

    def fetch(self) -> list[Got]:
        while not self.box:
            self.turn(1.0)
        return [self.box.popleft() for _ in range(min(len(self.box), 100))]

    def ack(self, batch: Iterable[Got]) -> None:
        for method, _, _ in batch:
            self.channel.basic_ack(method.delivery_tag)
        self.turn(0)

    def _opened(self, channel: Any) -> None:
        channel.add_on_return_callback(give_up)
        channel.confirm_delivery(self._answered, callback=lambda _frame: self._ready(channel))

    def _ready(self, channel: Any) -> None:
        self.channel = channel
        self.loop.stop()

    def _answered(self, frame: Any) -> None:
        tag = frame.method.delivery_tag
        if not isinstance(frame.method, pika.spec.Basic.Ack):
            give_up(frame)
        self.unconfirmed -= {one for one in self.unconfirmed if one <= tag} if frame.method.multiple else {tag}
        if not self.unconfirmed:
            self.loop.stop()

    def _arrived(self, _channel: Any, method: Any, its: Any, body: bytes) -> None:
        self.box.append((method, its, body))
        self.loop.stop()


def properties(message_id: str, **more: Any) -> pika.BasicProperties:
    return pika.BasicProperties("application/json", "utf-8", delivery_mode=2, message_id=message_id, **more)


def relay(city: City) -> None:
    """Every outbox to the broker, woken by notifications."""
    database, wire = city.database(), Wire(city.amqp_url)
    everybody = {*city.plan.services, EXCHANGE}
    due = set(everybody)
    database.execute("LISTEN outbox")
    while True:
        for service in sorted(due):
            if not carry(database, wire, service):
                due.discard(service)
        if not due:
            heard = {notice.payload for notice in database.notifies(timeout=1.0, stop_after=1)}
            due |= heard or everybody


def carry(database: Database, wire: Wire, service: str) -> bool:
    """Lock a batch, publish it, await the confirms, delete it, commit; whether there may be more."""
    with database.transaction():
        rows = database.execute(of(service, OLDEST)).fetchall()
        if rows:
            wire.publish(("tongban.events", key, body, properties(name)) for _, name, key, body, _ in rows)
            database.execute(of(service, GONE), ([row[0] for row in rows],))
    return len(rows) == 500


class Log:
    """What one transaction adds to the chained logs kept with the other cities."""

    def __init__(self, database: Database, city: City, direction: str, peers: Iterable[str]) -> None:
        self.cursor, self.plan, self.direction = database.cursor(), city.plan, direction
        self.heads = {peer: self._head(peer) for peer in sorted(set(peers))}
        self.lines: list[tuple[Any, ...]] = []

    def _head(self, peer: str) -> tuple[int, str]:
        head: Any = self.cursor.execute(PEER, (peer, self.direction)).fetchone()
        return head[0], head[1]

    def add(self, peer: str, wire: Json, body: str, jws: str) -> None:
        n, chain = self.heads[peer]
        named = (peer, self.direction, n + 1, wire["id"], wire["type"], wire["subject"])
        line = (*named, hashlib.sha256(body.encode()).hexdigest(), jws, now(), chain)
        self.heads[peer] = n + 1, hashlib.sha256(packed({"line": line}).encode()).hexdigest()
        self.lines.append((*line, self.heads[peer][1], body))

    def write(self) -> None:
        """The lines, who has a part in the cases that they open, and the heads."""
        opening = [line[5] for line in self.lines if line[4] == self.plan.opening]
        parts = [(case_id, code, role) for case_id in opening for code, role in self.plan.roles.items()]
        self.cursor.executemany(LOG, self.lines)
        if parts:
            self.cursor.executemany(ROLE, parts)
        self.cursor.executemany(PEER_NOW, [(*head, peer, self.direction) for peer, head in self.heads.items()])


def take_local(awake: threading.Event, city: City) -> None:
    """Seal, number, sign and log what is for other cities."""
    keys, database, wire = city.keys(), city.database(), Wire(city.amqp_url)
    sealing = city.keys_of_peers("seal")
    wire.consume(EXCHANGE, 200)
    while True:
        batch = wire.fetch()
        drafts = [addressed(keys, sealing, json.loads(body)) for _, _, body in batch]
        with database.transaction():
            log = Log(database, city, "out", (draft["destnode"] for draft in drafts))
            for draft in drafts:
                body = packed(draft | {"seq": log.heads[draft["destnode"]][0] + 1})
                log.add(draft["destnode"], draft, body, sign_detached(keys.signer, body.encode()))
            log.cursor.executemany(of(EXCHANGE, INBOX), [(draft["id"], now()) for draft in drafts])
            keyed = ((line, f"{DIVISIONS[line[0]]}.{city.code}.std.{line[4]}") for line in log.lines)
            rows = [(line[0], *line[2:5], key, line[11], line[7], line[8]) for line, key in keyed]
            log.cursor.executemany(SENDING, rows)
            log.write()
        wire.ack(batch)
        awake.set()


def addressed(keys: NodeKeys, sealing: Mapping[str, Json], wire: Json) -> Json:
    """A local message, its personal part sealed for the other city."""
    private, label = opened(keys, wire), f"{wire['type']} {wire['id']}\n".encode()
    resealed = {} if private is None else {"sealed": seal_for(sealing[wire["destnode"]]["jwk"], label + private)}
    return wire | {"division": wire["destnode"], "dirver": 1758675723} | resealed


def send_out(awake: threading.Event, city: City) -> None:
    """What is numbered, in order, to the hub, until it confirms."""
    database, wire = city.database(), Wire(city.hub_url)
    while True:
        rows = []
        with database.transaction():
            for peer in city.peers:
                database.execute(LEASE, (peer, "bench", now()))
                database.execute(LEASE_ON, ("bench", now(), peer))
                rows += database.execute(DUE, (peer,)).fetchall()
        if not rows:
            awake.wait(0.5)
            awake.clear()
            continue
        wire.publish(
            ("x.in", key, body, properties(name, type=kind, user_id=city.code, headers={"jws": jws}))
            for _, _, name, kind, key, body, jws, *_ in rows
        )
        with database.transaction():
            database.execute(SENT, (now(), [row[2] for row in rows]))


def let_in(city: City) -> None:
    """Check the signature, open and seal anew, log and tell what the hub brings."""
    keys, database, wire = city.keys(), city.database(), Wire(city.hub_url)
    signing = {row["kid"]: row["jwk"] for row in city.keys_of_peers("sign").values()}
    for lane in ("urgent", "std", "file"):
        wire.consume(f"inbox.{city.code}.{lane}", 200)
    while True:
        batch = wire.fetch()
        arrived = [(admitted(keys, signing, its, body), body.decode(), its.headers["jws"]) for _, its, body in batch]
        with database.transaction():
            log = Log(database, city, "in", (source(message) for message, *_ in arrived))
            for message, body, jws in arrived:
                log.add(source(message), message, body, jws)
            rows = [(message["id"], message["type"], packed(message), now()) for message, _, _ in arrived]
            log.cursor.executemany(of(EXCHANGE, OUTBOX), rows)
            log.write()
        wire.ack(batch)


def admitted(keys: NodeKeys, signing: Mapping[str, Json], its: pika.BasicProperties, body: bytes) -> Json:
    """A message whose signature holds, sealed for our own city."""
    verify_detached(its.headers["jws"], body, signing.get)
    wire: Json = json.loads(body)
    del wire["destnode"]
    if "sealed" in wire:
        label = f"{wire['type']} {wire['id']}\n".encode()
        wire["sealed"] = seal(keys, open_sealed(keys, wire["sealed"]).removeprefix(label), context(wire))
    return wire


def give_up(*reasons: object) -> None:
    """A bench may fail, but aloud."""
    sys.stderr.write(f"{reasons!r}\n")
    os._exit(1)


if __name__ == "__main__":
    threading.excepthook = give_up
    told_to_send = threading.Event()
    settings = City(**json.loads(Path(sys.argv[2]).read_text("utf-8")))
    acts: Mapping[str, list[Callable[[City], None]]] = {
        "consume": [partial(consume, service) for service in settings.plan.services for _ in range(WORKERS)],
        "relay": [relay],
        "exchange": [partial(take_local, told_to_send), partial(send_out, told_to_send), let_in],
    }
    for act in acts[sys.argv[1]]:
        threading.Thread(target=act, args=(settings,)).start()
