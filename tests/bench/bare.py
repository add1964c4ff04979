"""The yardstick: a case's crossing with nothing but pika, psycopg and the house's seals.

The same messages, sizes, hops, queues, processes, commits, confirms, signatures and seals as our services make between
`take_in` and the competent city's answer, and none of what keeps those services right: no contracts, no rules, no
reading of state, no retries, no reconnecting. `python -m tests.bench.bare consume|relay|exchange SETTINGS`.
"""

import hashlib
import json
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
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

PARTS = {"460200": ("46.02.00", "accepting"), "620100": ("62.01.00", "competent")}
SERVICES = ("intake", "subsidy", "web")  # certificate hears nothing before a decision
EXCHANGE = "exchange"
WORKERS = 10  # transactions at once per service, as in shared.runner

TAKE_IN = "intake.take_in_application.v1"
TAKEN_IN = "intake.application_taken_in.v1"
FORWARDED = "intake.application_forwarded.v1"
TAKEN_OVER = "intake.application_taken_over.v1"
ACCEPTED = "intake.application_accepted.v1"
TASK_OPENED = "subsidy.task_opened.v1"
LEG_CHANGED = "intake.leg_changed.v1"
CROSSES = frozenset({FORWARDED, TAKEN_OVER})

Json = dict[str, Any]
Database = psycopg.Connection[Any]
Got = tuple[Any, Any, bytes]  # method, properties, body


@dataclass(frozen=True, slots=True)
class Step:
    """What our handler of a message does besides reading: statements that write, seals, blind indexes, words told."""

    writes: int
    seals: int = 0
    indexes: int = 0
    opens: int = 1  # how often the sealed part is opened, where there is one
    tells: tuple[str, ...] = ()


STEPS: Mapping[tuple[str, str, bool], Step] = {  # service, type, on its way out; counted in our database's log
    ("intake", TAKE_IN, False): Step(writes=5, seals=2, indexes=1, tells=(TAKEN_IN, FORWARDED)),
    ("web", TAKEN_IN, False): Step(writes=10, seals=1, indexes=1),
    ("web", FORWARDED, True): Step(writes=9, seals=1),
    ("web", FORWARDED, False): Step(writes=10, seals=1, indexes=1),
    ("intake", FORWARDED, False): Step(writes=7, seals=2, indexes=1, tells=(TAKEN_OVER, ACCEPTED)),
    ("web", TAKEN_OVER, True): Step(writes=5),
    ("subsidy", ACCEPTED, False): Step(writes=3, seals=3, indexes=1, opens=2, tells=(TASK_OPENED,)),
    ("web", ACCEPTED, False): Step(writes=10, seals=1),
    ("web", TASK_OPENED, False): Step(writes=6, seals=1),
    ("intake", TAKEN_OVER, False): Step(writes=4, tells=(LEG_CHANGED,)),
    ("web", TAKEN_OVER, False): Step(writes=5),
    ("web", LEG_CHANGED, False): Step(writes=3),
}
MESSAGES: Mapping[str, Json] = json.loads(Path(__file__).with_name("messages.json").read_text("utf-8"))  # like ours
LEG = MESSAGES[FORWARDED]["data"]["leg"]
FINDINGS = json.dumps({"findings": "-" * 506}).encode()

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


@dataclass(frozen=True, slots=True)
class City:
    """One end of the crossing."""

    code: str
    peer: str
    database_url: str
    amqp_url: str
    hub_url: str
    home: str
    peer_home: str

    def database(self) -> Database:
        return psycopg.connect(self.database_url, autocommit=True)  # `with database.transaction()` is one commit

    def keys(self) -> NodeKeys:
        return load_keys(Path(self.home) / "keys.json")

    def key_of_peer(self, purpose: str) -> Json:
        rows = public_keys(load_keys(Path(self.peer_home) / "keys.json"))
        return next(row for row in reversed(rows) if row["purpose"] == purpose)


def of(service: str, statement: str) -> sql.Composed:
    return sql.SQL(statement).format(service=sql.Identifier(service))


def packed(wire: Json) -> str:
    return json.dumps(wire, ensure_ascii=False, separators=(",", ":"))


def now() -> str:
    return clock.iso(clock.now())


def context(wire: Json) -> str:
    return f"message/{wire['type']}/{wire['id']}"


def told(keys: NodeKeys, kind: str, cause: Json, private: bytes | None, to: str = "") -> tuple[str, str, str, str]:
    """A message's row of an outbox: id, routing key, body, instant."""
    wire = {"id": clock.new_id(), "source": f"urn:tongban:node:{keys.node}", "time": now(), **MESSAGES[kind]}
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
    """One message takes effect once, in one commit."""
    step = STEPS[service, wire["type"], "destnode" in wire]
    with cursor.connection.transaction():
        if not cursor.execute(of(service, INBOX), (wire["id"], now())).rowcount:
            return
        for _ in range(step.opens):
            private = opened(keys, wire)
        for row in rows_of(keys, step, wire, private):
            cursor.execute(of(service, ROW), row)
        for kind in step.tells:
            secret = {TASK_OPENED: FINDINGS, TAKEN_OVER: None, LEG_CHANGED: None}.get(kind, private)
            cursor.execute(of(service, OUTBOX), told(keys, kind, wire, secret, city.peer if kind in CROSSES else ""))


def rows_of(keys: NodeKeys, step: Step, wire: Json, private: bytes | None) -> Iterator[tuple[Any, ...]]:
    """As many rows as our handler has statements that write."""
    person = json.loads(private) if private else {}
    for number in range(step.writes):
        sealed = seal(keys, private or b"", "rows") if number < step.seals else None
        index = blind_index(keys, "person", person["parties"][0]["id_number"]) if number < step.indexes else None
        yield wire["subject"], f"{wire['type']}/{number}", packed(LEG), sealed, index


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
    due = {*SERVICES, EXCHANGE}
    database.execute("LISTEN outbox")
    while True:
        for service in sorted(due):
            if not carry(database, wire, service):
                due.discard(service)
        if not due:
            heard = {notice.payload for notice in database.notifies(timeout=1.0, stop_after=1)}
            due |= heard or {*SERVICES, EXCHANGE}


def carry(database: Database, wire: Wire, service: str) -> bool:
    """Lock a batch, publish it, await the confirms, delete it, commit; whether there may be more."""
    with database.transaction():
        rows = database.execute(of(service, OLDEST)).fetchall()
        if rows:
            wire.publish(("tongban.events", key, body, properties(name)) for _, name, key, body, _ in rows)
            database.execute(of(service, GONE), ([row[0] for row in rows],))
    return len(rows) == 500


class Log:
    """What one transaction adds to the chained log kept with the other city."""

    def __init__(self, database: Database, city: City, direction: str) -> None:
        self.cursor, self.whose = database.cursor(), (city.peer, direction)
        head: Any = self.cursor.execute(PEER, self.whose).fetchone()
        self.n, self.chain = head
        self.lines: list[tuple[Any, ...]] = []

    def add(self, wire: Json, body: str, jws: str) -> None:
        self.n += 1
        named = (*self.whose, self.n, wire["id"], wire["type"], wire["subject"])
        line = (*named, hashlib.sha256(body.encode()).hexdigest(), jws, now(), self.chain)
        self.chain = hashlib.sha256(packed({"line": line}).encode()).hexdigest()
        self.lines.append((*line, self.chain, body))

    def write(self) -> None:
        """The lines, who has a part in the cases that they open, and the head."""
        opening = [line[5] for line in self.lines if line[4] == FORWARDED]
        parts = [(case_id, code, role) for case_id in opening for code, (_, role) in PARTS.items()]
        self.cursor.executemany(LOG, self.lines)
        if parts:
            self.cursor.executemany(ROLE, parts)
        self.cursor.execute(PEER_NOW, (self.n, self.chain, *self.whose))


def take_local(awake: threading.Event, city: City) -> None:
    """Seal, number, sign and log what is for the other city."""
    keys, database, wire = city.keys(), city.database(), Wire(city.amqp_url)
    sealing = city.key_of_peer("seal")["jwk"]
    wire.consume(EXCHANGE, 200)
    while True:
        batch = wire.fetch()
        drafts = [addressed(keys, sealing, json.loads(body)) for _, _, body in batch]
        with database.transaction():
            log = Log(database, city, "out")
            for draft in drafts:
                body = packed(draft | {"seq": log.n + 1})
                log.add(draft, body, sign_detached(keys.signer, body.encode()))
            log.cursor.executemany(of(EXCHANGE, INBOX), [(draft["id"], now()) for draft in drafts])
            keyed = ((line, f"{PARTS[city.peer][0]}.{city.code}.std.{line[4]}") for line in log.lines)
            rows = [(city.peer, *line[2:5], key, line[11], line[7], line[8]) for line, key in keyed]
            log.cursor.executemany(SENDING, rows)
            log.write()
        wire.ack(batch)
        awake.set()


def addressed(keys: NodeKeys, sealing: Json, wire: Json) -> Json:
    """A local message, its personal part sealed for the other city."""
    private, label = opened(keys, wire), f"{wire['type']} {wire['id']}\n".encode()
    resealed = {} if private is None else {"sealed": seal_for(sealing, label + private)}
    return wire | {"division": wire["destnode"], "dirver": 1758675723} | resealed


def send_out(awake: threading.Event, city: City) -> None:
    """What is numbered, in order, to the hub, until it confirms."""
    database, wire = city.database(), Wire(city.hub_url)
    while True:
        with database.transaction():
            database.execute(LEASE, (city.peer, "bench", now()))
            database.execute(LEASE_ON, ("bench", now(), city.peer))
            rows = database.execute(DUE, (city.peer,)).fetchall()
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
    keys, database, wire, signing = city.keys(), city.database(), Wire(city.hub_url), city.key_of_peer("sign")
    for lane in ("urgent", "std", "file"):
        wire.consume(f"inbox.{city.code}.{lane}", 200)
    while True:
        batch = wire.fetch()
        arrived = [(admitted(keys, signing, its, body), body.decode(), its.headers["jws"]) for _, its, body in batch]
        with database.transaction():
            log = Log(database, city, "in")
            for message in arrived:
                log.add(*message)
            rows = [(message["id"], message["type"], packed(message), now()) for message, _, _ in arrived]
            log.cursor.executemany(of(EXCHANGE, OUTBOX), rows)
            log.write()
        wire.ack(batch)


def admitted(keys: NodeKeys, signing: Json, its: pika.BasicProperties, body: bytes) -> Json:
    """A message whose signature holds, sealed for our own city."""
    verify_detached(its.headers["jws"], body, lambda kid: signing["jwk"] if kid == signing["kid"] else None)
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
    acts: Mapping[str, list[Callable[[City], None]]] = {
        "consume": [partial(consume, service) for service in SERVICES for _ in range(WORKERS)],
        "relay": [relay],
        "exchange": [partial(take_local, told_to_send), partial(send_out, told_to_send), let_in],
    }
    settings = City(**json.loads(Path(sys.argv[2]).read_text("utf-8")))
    for act in acts[sys.argv[1]]:
        threading.Thread(target=act, args=(settings,)).start()
