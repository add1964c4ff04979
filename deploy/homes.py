"""Node homes for demonstrations, tests and first set-up: keys, offices, trusted root and a signed directory."""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared import clock
from shared.crypto.keys import NodeKeys, load_keys, new_keys, public_keys, write_keys
from shared.directory import sign_directory

SEED = Path(__file__).with_name("seed")
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
}


def city(code: str) -> City:
    """The city with that node code; KeyError for any other."""
    return {city.code: city for city in CITIES}[code]


def make_root(folder: Path) -> NodeKeys:
    """The keys of the directory's root, made on first use and kept."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "root-keys.json"
    if not path.exists():
        write_keys(path, new_keys(ROOT, issued_on=clock.today()))
    return load_keys(path)


def make_home(home: Path, code: str, root: NodeKeys) -> NodeKeys:
    """A node's home: keys made once; offices, registries and the trusted root laid in. The directory comes later."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "keys.json").exists():
        write_keys(home / "keys.json", new_keys(code, issued_on=clock.today()))
    for name, seed in (("offices.csv", f"offices/{code}.csv"), ("registries.yaml", "registries.yaml")):
        if not (home / name).exists() and (SEED / seed).exists():
            shutil.copyfile(SEED / seed, home / name)
    roots = [row for row in public_keys(root) if row["purpose"] == "sign"]
    _replace(home / "roots.json", json.dumps(roots, ensure_ascii=False))
    return load_keys(home / "keys.json")


def directory_document(nodes: Mapping[str, NodeKeys], version: int) -> dict[str, Any]:
    """The unsigned directory of these nodes."""
    return {
        "version": version,
        "issued_at": clock.iso(clock.now()),
        "nodes": [_node_row(code, keys) for code, keys in nodes.items()],
        "authorities": [{"prefix": p, "node": n, "epoch": 1} for p, n in AUTHORITIES.items() if n in nodes],
    }


def _node_row(code: str, keys: NodeKeys) -> dict[str, Any]:
    here = city(code)
    return {
        "code": code,
        "name": here.name,
        "divisions": list(here.divisions),
        "keys": public_keys(keys),
        "guides": {},
    }


def make_homes(folder: Path, codes: Iterable[str]) -> dict[str, Path]:
    """Homes of several nodes that know each other, and hub's view of them; safe to call again."""
    root = make_root(folder)
    homes = {code: folder / code for code in codes}
    keys = {code: make_home(home, code, root) for code, home in homes.items()}
    signed = sign_directory(directory_document(keys, version=int(clock.now().timestamp())), root)
    for home in homes.values():
        _replace(home / "directory.json", signed)
    return homes


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text, "utf-8")
    new.replace(path)
