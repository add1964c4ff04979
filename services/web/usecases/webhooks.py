"""Telling other portals where a case stands: signed, person-free, as often as it takes, each word under one id."""

import http.client
import json
import socket
import ssl
from collections.abc import Callable, Collection, Iterable
from urllib.parse import urlsplit

from contracts.envelope import Json
from services.web import rules
from services.web.rules import Case, Principal
from services.web.store import webhooks as store
from shared import clock
from shared.crypto.signing import sign_detached
from shared.errors import Refused
from shared.outbox import Work, Works

SIGNATURE = "Tongban-Signature"
TIMEOUT = 5  # seconds of one attempt
BATCH, BUDGET = 50, 10.0  # deliveries and seconds of one round: others wait for the thread that sends
ADMIN = "admin"

Send = Callable[[str, bytes, dict[str, str]], int]


def post_once(allowed: Collection[str], url: str, body: bytes, headers: dict[str, str]) -> int:
    """POST and read the status; redirects are an answer, not an instruction, and no proxy is asked.

    `allowed`: hosts that may lead inside. Refused `webhook_url_unsafe` for all others that do, as of this moment.
    """
    rules.expect_safe_url(url, allowed)
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    connection = (http.client.HTTPSConnection if secure else http.client.HTTPConnection)(host, parts.port)
    try:
        connection.sock = _connected(host, connection.port, allowed, secure)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _connected(host: str, port: int, allowed: Collection[str], secure: bool) -> socket.socket:
    """A connection to the very address that was looked at: asked a second time, the name may lead elsewhere."""
    found = [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if host not in allowed:
        rules.expect_public(found)
    plain = _first_connected(found, port)
    try:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host) if secure else plain
    except BaseException:
        plain.close()
        raise


def _first_connected(addresses: Iterable[str], port: int) -> socket.socket:
    failed = OSError("the name leads nowhere")
    for address in dict.fromkeys(addresses):
        try:
            return socket.create_connection((address, port), TIMEOUT)
        except OSError as error:
            failed = error
    raise failed


def add_webhook(work: Work, who: Principal, asked: Json, allowed: Collection[str]) -> Json:
    """Tell a URL of every new state: of the whole node for administrators, of their own cases for channels.

    `allowed`: hosts that may lead inside. Refused `webhook_url_unsafe`.
    """
    rules.expect_safe_url(asked["url"], allowed)
    row = {"webhook_id": clock.new_id(), "owner": who.owner, "whole_node": who.kind == "clerk"}
    store.add_webhook(work, row | {"url": asked["url"], "label": asked["label"]})
    return {"webhook_id": row["webhook_id"], "created_at": clock.iso(work.now)} | asked


def list_webhooks(work: Work, who: Principal) -> list[Json]:
    """The webhooks of this principal."""
    return store.list_webhooks(work, who.owner)


def remove_webhook(work: Work, who: Principal, webhook_id: str) -> None:
    """Send nothing more. NotFound `webhook_unknown`."""
    store.remove_webhook(work, webhook_id, who.owner)


def plan(work: Work, wanted_by: Iterable[str], case: Case, state: str) -> None:
    """Write down which webhooks are to be told of a new state, in the transaction in which it became known."""
    for webhook_id in wanted_by:
        delivery_id = clock.new_id()
        body = {"delivery_id": delivery_id, "case_no": case.case_no, "state": state, "at": clock.iso(work.now)}
        store.add_delivery(work, delivery_id, webhook_id, json.dumps(body))


def send_due(works: Works, send: Send) -> int:
    """Try what is due, with no transaction open meanwhile; how many arrived.

    A delivery may arrive twice (after a crash between sending and noting it): receivers know it by its id.
    """
    with works.begin() as work:
        due = store.due_deliveries(work, BATCH)
    end, arrived = clock.monotonic() + BUDGET, 0
    for delivery in due:
        if clock.monotonic() >= end:
            break
        body = delivery.body.encode()
        good, answer = _attempt(send, delivery.url, body, sign_detached(works.node.keys.signer, body))
        again_in = rules.next_attempt(delivery.attempts + 1)
        state = "sent" if good else "failed" if again_in is None else "waiting"
        with works.begin() as work:
            store.note_delivery(work, delivery.delivery_id, state, answer, again_in or 0)
        arrived += good
    return arrived


def _attempt(send: Send, url: str, body: bytes, signature: str) -> tuple[bool, str]:
    """Whether it was taken, and the status or why there was none."""
    headers = {"Content-Type": "application/json", "User-Agent": "tongban", SIGNATURE: signature}
    try:
        status = send(url, body, headers)
    except Refused as refused:
        return False, refused.code
    except (OSError, http.client.HTTPException, ValueError) as error:
        return False, type(error).__name__
    return 200 <= status < 300, str(status)
