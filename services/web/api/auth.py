"""Who asks: bearer tokens, the citizen a channel acts for, and the access rule that every route must have."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, current_app, g, request
from werkzeug.exceptions import Unauthorized

from services.web.rules import Principal
from services.web.usecases import tokens
from shared import clock
from shared.crypto.sealing import open_sealed
from shared.errors import Denied, Refused
from shared.outbox import Works

PUBLIC = "public"
REMEMBERED = 5.0  # seconds for which a token is not looked up again
MOST_REMEMBERED = 10_000
CITIZEN_HEADER = "X-Citizen"

View = TypeVar("View", bound=Callable[..., Any])
Seen = dict[str, tuple[float, Principal]]


@dataclass(frozen=True, slots=True)
class Access:
    """The access rule of a route."""

    kinds: frozenset[str]
    role: str = ""
    names_citizen: bool = True  # channels must say for whom they ask


def allowed(*kinds: str, role: str = "", names_citizen: bool = True) -> Callable[[View], View]:
    """Who may ask: kinds of tokens, or PUBLIC; `role`: clerks need it besides."""

    def marked(view: View) -> View:
        view.__dict__["access"] = Access(frozenset(kinds), role, names_citizen)
        return view

    return marked


def access_rules(app: Flask) -> dict[str, Access | None]:
    """The rule of every route, e.g. `POST /api/v1/cases`; None where it was forgotten."""
    return {
        f"{method} {rule.rule}": getattr(app.view_functions[rule.endpoint], "access", None)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    }


def works() -> Works:
    """The transactions of this process."""
    found: Works = current_app.extensions["tongban"]
    return found


def principal() -> Principal:
    """Whoever asks; only in routes that are not public."""
    who: Principal = g.principal
    return who


def guard() -> None:
    """Before every request: let nobody in whom the route's rule does not name; a route without a rule lets nobody in."""
    if request.endpoint is None:
        return
    access: Access | None = getattr(current_app.view_functions[request.endpoint], "access", None)
    if access is not None and PUBLIC in access.kinds:
        return
    who = _bearer()
    if access is None or who.kind not in access.kinds or (access.role and access.role not in who.roles):
        raise Denied("kind_not_allowed", "此令牌不能使用这一功能")
    g.principal = _acting_for(who, access)


def _bearer() -> Principal:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized
    seen: Seen = current_app.extensions["tongban.seen"]
    token_hash, now = tokens.hash_of(token.strip()), clock.monotonic()
    until, who = seen.get(token_hash, (0.0, None))
    if who is None or until < now:
        who = _look_up(token_hash)
        if len(seen) >= MOST_REMEMBERED:
            seen.clear()
        seen[token_hash] = (now + REMEMBERED, who)
    if who.expires_at <= clock.iso(clock.now()):
        raise Unauthorized
    return who


def _look_up(token_hash: str) -> Principal:
    with works().begin() as work:
        who = tokens.find_principal(work, token_hash)
    if who is None:
        raise Unauthorized
    return who


def _acting_for(who: Principal, access: Access) -> Principal:
    """A channel names its citizen sealed for this node, never in the clear: headers and URLs end up in logs."""
    if who.kind != "channel" or not access.names_citizen:
        return who
    sealed = request.headers.get(CITIZEN_HEADER, "")
    if not sealed:
        raise Denied("citizen_not_named", "请在 X-Citizen 中给出用本节点公钥加密的申请人证件", field=CITIZEN_HEADER)
    keys = works().node.keys
    try:
        named = json.loads(open_sealed(keys, sealed))
        id_type, id_number = str(named["id_type"]), str(named["id_number"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = "X-Citizen 解密后应为含 id_type 和 id_number 的 JSON"
        raise Refused("citizen_malformed", message, field=CITIZEN_HEADER) from error
    return dataclasses.replace(who, person_index=tokens.index_of(keys, id_type, id_number, clock.today()))
