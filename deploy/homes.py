"""Node homes for demonstrations, tests and first set-up: keys, offices, trusted root and a signed directory."""

import datetime
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.matters import Matter, every_matter, find_matter
from shared import clock
from shared.crypto.keys import NodeKeys, load_keys, new_keys, public_keys
from shared.directory import FOREIGN, Office, Offices, read_offices, sign_directory, stem
from shared.errors import NotFound
from shared.files import replace_file, write_new

SEED = Path(__file__).with_name("seed")
DIRECTORY = "directory.json"
ROOT_KEYS = "root-keys.json"
NOBODY = Offices([])
ROOT = "000000"  # the directory's root signs as a node of its own


@dataclass(frozen=True, slots=True)
class City:
    """One of the five cities that come with tongban."""

    code: str
    name: str
    province: str
    http_port: int
    divisions: tuple[str, ...]


CITIES = (
    City("460200", "三亚", "海南", 8460, ("460200",)),
    City("321300", "宿迁", "江苏", 8321, ("321300",)),
    City("421202", "咸安", "湖北", 8421, ("421202",)),
    City("620100", "兰州", "甘肃", 8620, ("620100",)),
    City("371000", "威海", "山东", 8371, ("371000",)),
)
AUTHORITIES = {  # who guards uniqueness for numbers first assigned there; the 99 block is not real
    "990101": "460200",
    "990102": "321300",
    "990103": "421202",
    "990104": "620100",
    "990105": "371000",
    **{stem(division): city.code for city in CITIES for division in city.divisions},  # also of certificates' numbers
    FOREIGN: "460200",
}


def city(code: str) -> City:
    """The city with that node code; KeyError for any other."""
    return {city.code: city for city in CITIES}[code]


def make_root(folder: Path) -> NodeKeys:
    """The keys of the directory's root, made before its first directory and kept.

    NotFound `no_root_keys` where a directory lies without them: no city would believe what new ones sign.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ROOT_KEYS
    if not path.exists() and (folder / DIRECTORY).exists():
        raise NotFound(
            "no_root_keys", f"{folder} 中有目录而没有根密钥 {ROOT_KEYS}:请从离线备份放回,或核对文件夹;未改动"
        )
    if not path.exists():
        write_new(path, new_keys(ROOT, issued_on=clock.today()))
    return load_keys(path)


def make_home(home: Path, code: str, root: NodeKeys) -> NodeKeys:
    """A node's home: keys made once; offices, registries and the trusted root laid in. The directory comes later."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "keys.json").exists():
        write_new(home / "keys.json", new_keys(code, issued_on=clock.today()))
    for name, seed in (("offices.csv", f"offices/{code}.csv"), ("registries.yaml", "registries.yaml")):
        if not (home / name).exists() and (SEED / seed).exists():
            shutil.copyfile(SEED / seed, home / name)
    roots = [row for row in public_keys(root) if row["purpose"] == "sign"]
    replace_file(home / "roots.json", json.dumps(roots, ensure_ascii=False))
    return load_keys(home / "keys.json")


def directory_document(
    nodes: Mapping[str, NodeKeys], version: int, offices: Mapping[str, Offices] | None = None
) -> dict[str, Any]:
    """The unsigned directory of these nodes; `offices` of each, from which its guides are made."""
    known = offices or {}
    return {
        "version": version,
        "issued_at": clock.iso(clock.now()),
        "nodes": [_own_row(code, keys, known.get(code, NOBODY)) for code, keys in nodes.items()],
        "authorities": [{"prefix": p, "node": n, "epoch": 1} for p, n in AUTHORITIES.items() if n in nodes],
    }


def _own_row(code: str, keys: NodeKeys, offices: Offices) -> dict[str, Any]:
    here = city(code)
    return node_row(keys, here.name, here.divisions, offices)


def node_row(keys: NodeKeys, name: str, divisions: Iterable[str], offices: Offices) -> dict[str, Any]:
    """A node's row in the directory: code, name, divisions, public keys, guides."""
    return {
        "code": keys.node,
        "name": name,
        "divisions": list(divisions),
        "keys": public_keys(keys),
        "guides": guides(offices, clock.today()),
    }


def guides(offices: Offices, on: datetime.date) -> dict[str, Any]:
    """What a node publishes of each matter it can decide somewhere on that day: every step has an office there.

    Matter to version, materials, forbidden_proofs, limits (clock to working days) and the deciding offices with their
    phones. Ways to apply are not in it: no matter says them, every joined city's counters take in.
    """
    names = sorted({matter.matter for matter in every_matter()})
    matters = [matter for name in names if (matter := find_matter(name, on))]
    return {
        matter.matter: _guide(matter, [_ref(office) for office in _offices(offices, matter, matter.steps[-1], on)])
        for matter in matters
        if all(_offices(offices, matter, step, on) for step in matter.steps)
    }


def _offices(offices: Offices, matter: Matter, step: Mapping[str, Any], on: datetime.date) -> list[Office]:
    """Who may do the step; what the accepting office decides itself it decides at any tier."""
    able = [office for office in offices.by_code.values() if office.may(step["verb"], matter.matter, on)]
    return [office for office in able if matter.competence == "accepting" or office.tier == step["tier"]]


def _guide(matter: Matter, ask: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "version": matter.version,
        "materials": [{name: spec[name] for name in ("code", "name", "sources", "basis")} for spec in matter.materials],
        "forbidden_proofs": [dict(proof) for proof in matter.forbidden_proofs],
        "limits": {spec["name"]: spec["promised"] or spec["statutory"] for spec in matter.clocks},
        "offices": ask,
    }


def _ref(office: Office) -> dict[str, str]:
    return {"code": office.code, "name": office.name, "phone": office.phone}


def make_homes(folder: Path, codes: Iterable[str]) -> dict[str, Path]:
    """Homes of several nodes that know each other, and hub's view of them; safe to call again."""
    root = make_root(folder)
    homes = {code: folder / code for code in codes}
    keys = {code: make_home(home, code, root) for code, home in homes.items()}
    offices = {code: load_offices(home) for code, home in homes.items()}
    signed = sign_directory(directory_document(keys, int(clock.now().timestamp()), offices), root)
    replace_file(folder / DIRECTORY, signed)  # the root's own, to which it adds
    for home in homes.values():
        replace_file(home / DIRECTORY, signed)
    return homes


def load_offices(home: Path) -> Offices:
    """The offices in a home; none without a table."""
    path = home / "offices.csv"
    return read_offices(path.read_text("utf-8-sig").splitlines()) if path.exists() else NOBODY
