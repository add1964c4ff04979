"""What anybody may know: matters, guides, divisions, offices, our public keys, and how we are."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.envelope import Json
from contracts.matters import Matter, every_matter, find_matter
from services.web.store import asking, reading
from shared import clock, regions
from shared.crypto.keys import public_keys
from shared.directory import Node, Office
from shared.errors import NotFound, Refused
from shared.outbox import Work
from shared.regions import Division

BEHIND = 30.0  # seconds without an answer to a command after which the read model is behind


def list_matters(today: datetime.date) -> Json:
    """The matters in force on a day."""
    return {"matters": [matter_view(m) for m in every_matter() if m.valid_from <= today < m.valid_until]}


def get_matter(name: str, today: datetime.date) -> Json:
    """One matter as it is on a day. NotFound `matter_unknown`."""
    return matter_view(_matter(name, today))


def _matter(name: str, today: datetime.date) -> Matter:
    matter = find_matter(name, today)
    if matter is None:
        raise NotFound("matter_unknown", "没有这个事项,或今天尚未生效,请在事项清单中选择")
    return matter


def matter_view(matter: Matter) -> Json:
    """A matter as contracts.api.reference.MatterView."""
    return {
        "matter": matter.matter,
        "name": matter.name,
        "version": matter.version,
        "reach": matter.reach,
        "competence": matter.competence,
        "channels": list(matter.channels),
        "parties": list(matter.parties),
        "materials": _only(matter.materials, "code", "name", "sources", "basis"),
        "forbidden_proofs": _only(matter.forbidden_proofs, "name", "basis"),
        "questions": _only(matter.questions, "code", "label", "required", "values", "rows", "promise_of"),
        "steps": _only(matter.steps, "verb", "name", "organisation", "basis"),
        "clocks": _only(matter.clocks, "name", "title", "statutory", "promised", "basis"),
        "supplement_days": matter.supplement_days,
        "supplement_basis": matter.supplement_basis,
        "output_name": matter.output["name"],
        "remedies": list(matter.remedies),
        "legal_basis": list(matter.legal_basis),
        "registry_checks": matter.registry_checks["basis"] if matter.registry_checks else "",
        "fee": matter.fee,
    }


def _only(items: Sequence[Mapping[str, Any]], *names: str) -> list[Json]:
    return [{name: item[name] for name in names} for item in items]


def expect_division_code(code: str) -> str:
    """NotFound `division_unknown` for what cannot be a division, without repeating it."""
    if not (code.isascii() and code.isdigit() and len(code) in (6, 9, 12)):
        raise NotFound("division_unknown", "没有这个区划代码,请从列表中选择所在地")
    return code


def get_guide(node: Node, division: str, name: str, today: datetime.date) -> Json:
    """The matter's own guide, over it what the node that decides there has published. NotFound or Refused."""
    matter = _matter(name, today)
    regions.standard().resolve(expect_division_code(division), today)
    code = find_node(node, division)
    published = node.directory.nodes[code].get("guides", {}).get(name) if code else None
    return {
        "division": division,
        "matter": name,
        "node": code,
        "node_name": node.directory.name_of(code),
        "source": "directory" if published else "matter",
        "guide": matter_view(matter) | (published or {}),
    }


def find_node(node: Node, division: str) -> str:
    """The node that answers for a division; "" where nobody has joined."""
    try:
        return node.directory.node_of(division)
    except Refused:
        return ""


def list_divisions(parent: str, as_of: datetime.date) -> Json:
    """What lay right below a division on a day; the provinces without one. Refused for an unknown parent."""
    if parent:
        regions.standard().parent(parent)
    return {"divisions": [_division(found) for found in regions.standard().children(parent, as_of)]}


def get_division(node: Node, code: str, as_of: datetime.date) -> Json:
    """A division on a day. Refused for codes that are unknown, retired (naming the successors) or not yet in force."""
    found = regions.standard().resolve(expect_division_code(code), as_of)
    names = {"full_name": regions.standard().name_path(code, as_of), "node": find_node(node, code)}
    return _division(found) | names


def _division(found: Division) -> Json:
    return {"code": found.code, "name": found.name, "level": found.level, "parent": found.parent_code}


def list_offices(node: Node, today: datetime.date) -> Json:
    """The offices of this node that are open on a day."""
    offices = node.offices.by_code.values()
    return {"offices": [_office(o) for o in offices if o.valid_from <= today < o.valid_until]}


def get_office(node: Node, code: str) -> Json:
    """An office of this node. NotFound `office_unknown`."""
    office = node.offices.by_code.get(code)
    if office is None:
        raise NotFound("office_unknown", "没有这个办理机构,请核对机构代码")
    return _office(office)


def _office(office: Office) -> Json:
    names = ("code", "name", "tier", "parent", "division", "organisation", "phone")
    return {name: getattr(office, name) for name in names} | {"powers": sorted(office.powers)}


def list_keys(node: Node) -> Json:
    """Our public keys: to seal X-Citizen for us, and to verify what we signed."""
    return {"keys": public_keys(node.keys)}


def health(work: Work) -> Json:
    """Whether we answer, and how far the read model is behind."""
    waiting, oldest = asking.waiting_since(work)
    seconds = (work.now - oldest).total_seconds() if oldest else 0.0
    directory = work.node.directory
    heard = {"last_heard_at": reading.last_heard_at(work), "waiting": waiting}
    return {
        "status": "behind" if seconds > BEHIND else "ok",
        "node": work.node.code,
        "read_model": heard | {"oldest_waiting_seconds": round(seconds, 1)},
        "directory_version": directory.version,
        "directory_stale": directory.is_stale(clock.now()),
    }
