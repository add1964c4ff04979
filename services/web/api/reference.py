"""What anybody may ask: matters, guides, divisions, offices, keys, health, figures, and this very document."""

import datetime
from typing import Any

from flask import Response, current_app

from contracts.api import asked
from contracts.api import reference as shapes
from services.web.api.auth import PUBLIC, allowed, works
from services.web.api.routes import blueprint, route
from services.web.usecases import reference
from shared import clock, metrics

public = blueprint("reference", "事项、区划、机构与运行状况")


def _day(query: dict[str, Any]) -> datetime.date:
    return query["as_of"] or clock.today()


@route(public, "GET /matters", gives={200: shapes.MatterList})
@allowed(PUBLIC)
def list_matters() -> dict[str, Any]:
    """The matters in force today."""
    return reference.list_matters(clock.today())


@route(public, "GET /matters/<matter>", gives={200: shapes.MatterView})
@allowed(PUBLIC)
def get_matter(matter: str) -> dict[str, Any]:
    """One matter: materials, steps, limits, remedies."""
    return reference.get_matter(matter, clock.today())


@route(public, "GET /guides/<division>/<matter>", gives={200: shapes.Guide})
@allowed(PUBLIC)
def get_guide(division: str, matter: str) -> dict[str, Any]:
    """The guide of the node that decides there, or the matter's own."""
    return reference.get_guide(works().node, division, matter, clock.today())


@route(public, "GET /divisions", query=asked.DivisionFilter, gives={200: shapes.DivisionList})
@allowed(PUBLIC)
def list_divisions(query: dict[str, Any]) -> dict[str, Any]:
    """The divisions right below `parent`; the provinces without one."""
    return reference.list_divisions(query["parent"], _day(query))


@route(public, "GET /divisions/<code>", query=asked.DayFilter, gives={200: shapes.DivisionDetail})
@allowed(PUBLIC)
def get_division(query: dict[str, Any], code: str) -> dict[str, Any]:
    """A division; a retired one answers 422 and names its successors."""
    return reference.get_division(works().node, code, _day(query))


@route(public, "GET /offices", gives={200: shapes.OfficeList})
@allowed(PUBLIC)
def list_offices() -> dict[str, Any]:
    """The offices of this node that are open today."""
    return reference.list_offices(works().node, clock.today())


@route(public, "GET /offices/<code>", gives={200: shapes.OfficeView})
@allowed(PUBLIC)
def get_office(code: str) -> dict[str, Any]:
    """An office of this node."""
    return reference.get_office(works().node, code)


@route(public, "GET /keys", gives={200: shapes.KeyList})
@allowed(PUBLIC)
def list_keys() -> dict[str, Any]:
    """This node's public keys."""
    return reference.list_keys(works().node)


@route(public, "GET /health", gives={200: shapes.Health})
@allowed(PUBLIC)
def get_health() -> dict[str, Any]:
    """Whether this process answers, and how fresh its answers are."""
    with works().begin() as work:
        return reference.health(work)


@route(public, "GET /metrics", gives={200: None})
@allowed(PUBLIC)
def get_metrics() -> Response:
    """Figures for Prometheus of the process that answers: on servers the http process's memory, time and files only.

    Services, relay and exchange give theirs each at its own TONGBAN_METRICS_PORT; the embedded default has all here.
    """
    return Response(metrics.exposition(), mimetype="text/plain; version=0.0.4")


@route(public, "GET /openapi.json", gives={200: None})
@allowed(PUBLIC)
def get_openapi() -> dict[str, Any]:
    """This document."""
    document: dict[str, Any] = current_app.extensions["tongban.openapi"]
    return document
