"""Webhooks, tokens and notices over HTTP."""

from typing import Any

from flask import current_app

from contracts.api import answered, asked
from services.web.api.auth import allowed, principal, works
from services.web.api.routes import blueprint, route
from services.web.usecases import tokens, viewing, webhooks
from services.web.usecases.webhooks import ADMIN
from shared.errors import Denied

administration = blueprint("administration", "回调、令牌与提醒")


def _expect_hook_owner() -> None:
    who = principal()
    if who.kind == "clerk" and ADMIN not in who.roles:
        raise Denied("role_missing", "只有管理员可以设置回调")


@route(administration, "POST /webhooks", takes=asked.NewWebhook, gives={201: answered.Webhook})
@allowed("channel", "clerk", names_citizen=False)
def add_webhook(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Have every new state sent to a URL as signed JSON (Tongban-Signature: detached JWS, see /keys).

    The URL must be https on a public host; inside addresses only where the node's operator allows the host.
    """
    _expect_hook_owner()
    with works().begin() as work:
        return webhooks.add_webhook(work, principal(), body, current_app.config["WEBHOOK_HOSTS"]), 201


@route(administration, "GET /webhooks", gives={200: answered.WebhookList})
@allowed("channel", "clerk", names_citizen=False)
def list_webhooks() -> dict[str, Any]:
    """One's own webhooks."""
    _expect_hook_owner()
    with works().begin() as work:
        return {"webhooks": webhooks.list_webhooks(work, principal())}


@route(administration, "DELETE /webhooks/<uuid:webhook_id>", gives={204: None})
@allowed("channel", "clerk", names_citizen=False)
def remove_webhook(webhook_id: object) -> tuple[str, int]:
    """Send nothing more there."""
    _expect_hook_owner()
    with works().begin() as work:
        webhooks.remove_webhook(work, principal(), str(webhook_id))
    return "", 204


@route(administration, "GET /tokens", gives={200: answered.TokenList})
@allowed("clerk", role=ADMIN)
def list_tokens() -> dict[str, Any]:
    """Every token of this node, without what would let anyone use it."""
    with works().begin() as work:
        return {"tokens": tokens.list_tokens(work)}


@route(administration, "DELETE /tokens/<uuid:token_id>", gives={204: None})
@allowed("clerk", role=ADMIN)
def revoke_token(token_id: object) -> tuple[str, int]:
    """End a token; within five seconds no process lets it in."""
    with works().begin() as work:
        tokens.revoke_token(work, str(token_id))
    return "", 204


@route(administration, "GET /notices", query=asked.NoticeFilter, gives={200: answered.NoticeList})
@allowed("clerk")
def list_notices(query: dict[str, Any]) -> dict[str, Any]:
    """What the people of this node should know of: quarantined and misdirected messages, moved hukou, promises."""
    with works().begin() as work:
        return viewing.list_notices(work, query)
