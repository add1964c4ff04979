"""Who is joined, who answers for which division, whose keys are whose; and which office may do what here."""

import csv
import datetime
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from shared.calendar import RestDays
from shared.crypto.keys import NodeKeys, load_keys
from shared.crypto.signing import sign_detached, verify_detached
from shared.errors import Denied, NotFound, Refused

FOREIGN = "foreign"  # the row of the authority table for every document without a division in its number
NEXT_KEYS = "keys.next.json"  # in a node's home: renewed keys that wait for `tongban keys use`
STALE_AFTER = datetime.timedelta(hours=24)
TIERS = ("city", "county", "township", "village")  # 市 县 乡镇 村居


@dataclass(frozen=True, slots=True)
class Office:
    """An office of this node: what it may do, where, since when. `powers` are `verb:matter`, `verb:*` for all."""

    code: str  # 6, 9 or 12 digits, and a suffix where several stand at one place: 620102-dpf
    name: str
    tier: str
    parent: str
    division: str
    organisation: str
    organisation_code: str  # 统一社会信用代码, the issuer on certificates; may be empty
    powers: frozenset[str]
    phone: str = ""
    valid_from: datetime.date = datetime.date.min
    valid_until: datetime.date = datetime.date.max
    rest_days: RestDays = RestDays.WEEKENDS_AND_HOLIDAYS

    def may(self, verb: str, matter: str, on: datetime.date) -> bool:
        """Whether this office has the power to do `verb` in `matter` on that day."""
        open_then = self.valid_from <= on < self.valid_until
        return open_then and not self.powers.isdisjoint({f"{verb}:{matter}", f"{verb}:*"})

    def covers(self, division: str) -> bool:
        """Whether the division lies in this office's, or is only known to a wider one that holds this office."""
        here, there = stem(self.division), stem(division)
        return there.startswith(here) or here.startswith(there)


def stem(division: str) -> str:
    """The leading digits that every division below shares: 620100 -> 6201, 460400 -> 4604, 620102001 -> itself."""
    if len(division) != 6:
        return division
    return division[:2] if division.endswith("0000") else division.removesuffix("00")


OFFICE_COLUMNS = (
    "code",
    "name",
    "tier",
    "parent",
    "division",
    "organisation",
    "organisation_code",
    "powers",
    "phone",
    "valid_from",
    "valid_until",
)
OPTIONAL_COLUMNS = ("rest_days",)  # one of shared.calendar.RestDays; empty or left out: as the calendar has them


def _office(row: Mapping[str, str]) -> Office:
    if row["tier"] not in TIERS:
        raise ValueError(f"tier 层级 must be one of {', '.join(TIERS)}")
    if not row["division"].isdigit() or len(row["division"]) not in (6, 9, 12):
        raise ValueError("division 区划代码 must have 6, 9 or 12 digits")
    if not row["code"] or not row["name"]:
        raise ValueError("code 代码 and name 名称 must not be empty")
    return Office(
        **{name: row[name].strip() for name in OFFICE_COLUMNS[:7]},
        powers=frozenset(row["powers"].split()),
        phone=row["phone"].strip(),
        valid_from=datetime.date.fromisoformat(row["valid_from"] or "1949-10-01"),
        valid_until=datetime.date.fromisoformat(row["valid_until"] or "9999-12-31"),
        rest_days=RestDays((row.get("rest_days") or "").strip() or RestDays.WEEKENDS_AND_HOLIDAYS),
    )


class Offices:
    """The offices of this node, by code."""

    def __init__(self, offices: Iterable[Office]) -> None:
        self.by_code = {office.code: office for office in offices}

    def get(self, code: str) -> Office:
        """The office, or NotFound `office_unknown`."""
        if code not in self.by_code:
            raise NotFound("office_unknown", f"没有代码为 {code} 的办理机构,请核对机构代码")
        return self.by_code[code]

    def competent(self, verb: str, matter: str, division: str, on: datetime.date) -> list[Office]:
        """The offices here that may do `verb` in `matter` for that division on that day."""
        return [office for office in self.by_code.values() if office.may(verb, matter, on) and office.covers(division)]


def read_offices(lines: Iterable[str]) -> Offices:
    """Offices from CSV with the header OFFICE_COLUMNS, and OPTIONAL_COLUMNS if it likes. Refused `offices_invalid` lists every faulty line at once."""
    offices: dict[str, Office] = {}
    lines_of: dict[str, int] = {}
    faults: list[tuple[int, str]] = []
    table = csv.DictReader(lines)
    for row in table:
        try:
            office = _office(row)
            if office.code in offices:
                raise ValueError(f"code {office.code} stands twice")
            offices[office.code], lines_of[office.code] = office, table.line_num
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            faults.append((table.line_num, str(error)))
    orphans = [office for office in offices.values() if office.parent and office.parent not in offices]
    faults += [(lines_of[office.code], f"parent 上级 {office.parent} 不在表中") for office in orphans]
    if faults:
        told = "\n".join(f"第{number}行: {why}" for number, why in sorted(faults))
        raise Refused("offices_invalid", f"办理机构表有误,未导入:\n{told}")
    return Offices(offices.values())


@dataclass(frozen=True)
class Directory:
    """The signed list of joined nodes at one version."""

    version: int
    issued_at: datetime.datetime
    nodes: Mapping[str, Mapping[str, Any]] = field(repr=False)
    authorities: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    @cached_property
    def _by_stem(self) -> dict[str, str]:
        return {stem(division): code for code, node in self.nodes.items() for division in node["divisions"]}

    def node_of(self, division: str) -> str:
        """The node that answers for a division (longest prefix wins). Refused `division_not_joined`."""
        for length in range(len(division), 1, -1):
            if division[:length] in self._by_stem:
                return self._by_stem[division[:length]]
        raise Refused("division_not_joined", f"{division} 所在地尚未接入通办,请告知申请人到当地窗口办理")

    def name_of(self, node: str) -> str:
        """The node's plain name, or its code when it is not joined."""
        return str(self.nodes[node]["name"]) if node in self.nodes else node

    @cached_property
    def _keys(self) -> dict[str, Mapping[str, Any]]:
        return {key["kid"]: {**key, "node": code} for code, node in self.nodes.items() for key in node["keys"]}

    def key(self, kid: str, purpose: str, on: datetime.date) -> Mapping[str, Any]:
        """The public key row `kid`, valid for `purpose` on that day. Denied `signature_unknown_key` otherwise."""
        row = self._keys.get(kid)
        if row is None or row["purpose"] != purpose or not row["not_before"] <= on.isoformat() < row["not_after"]:
            raise Denied("signature_unknown_key", "对方密钥不在节点目录中或已失效,请更新节点目录")
        return row

    def sealing_key(self, node: str, on: datetime.date) -> Mapping[str, Any]:
        """The newest valid key to seal for a node. Denied `no_sealing_key`."""
        rows = [key for key in self.nodes.get(node, {}).get("keys", ()) if key["purpose"] == "seal"]
        rows = [key for key in rows if key["not_before"] <= on.isoformat() < key["not_after"]]
        if not rows:
            raise Denied("no_sealing_key", f"节点目录中没有 {node} 的有效加密公钥")
        return max(rows, key=lambda key: str(key["not_before"]))

    def is_stale(self, now: datetime.datetime) -> bool:
        """Older than a day: still good for sending and receiving, not for confirming claims."""
        return now - self.issued_at > STALE_AFTER


def authority_row(id_type: str, id_number: str, table: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Who guards uniqueness for a document, by a directory's table: `prefix`, `node`, `epoch`.

    By the six digits first given, the longest prefix first; a marriage's are those of its first certificate's number, with
    which its subject begins. What has none is guarded by FOREIGN, and only that: a row that is added later begins empty.
    Where no row fits, Refused `authority_missing`: nobody may be registered before somebody guards it. It says nothing
    about competence or hukou.
    """
    rows = {str(row["prefix"]): row for row in table}
    for prefix in _prefixes(id_type, id_number):
        if prefix in rows:
            return rows[prefix]
    words = "节点目录中没有负责这类证件号码的主管登记处,暂不能办结,请联系通办运行机构补全"
    raise Refused("authority_missing", words, basis="节点目录")


def _prefixes(id_type: str, id_number: str) -> list[str]:
    if id_type == "citizen":
        digits = id_number[:6]
    elif id_type == "marriage":
        digits = id_number.lstrip("JB")[:6]
    else:
        digits = ""
    return [digits[:length] for length in range(len(digits), 1, -1)] if digits.isdigit() else [FOREIGN]


def sign_directory(document: Mapping[str, Any], root: NodeKeys) -> str:
    """A directory file: the document's exact text and the root's detached signature over it."""
    text = json.dumps(document, ensure_ascii=False, sort_keys=True)
    return json.dumps({"jws": sign_detached(root.signer, text.encode()), "document": text}, ensure_ascii=False)


def open_directory(signed: str, root_key: Callable[[str], Mapping[str, Any]]) -> Directory:
    """A directory whose signature one of our trusted roots made. Raises Denied when it did not."""
    file = json.loads(signed)
    verify_detached(file["jws"], file["document"].encode(), root_key)
    document = json.loads(file["document"])
    return Directory(
        version=document["version"],
        issued_at=datetime.datetime.fromisoformat(document["issued_at"]),
        nodes={node["code"]: node for node in document["nodes"]},
        authorities=tuple(document.get("authorities", ())),
    )


def root_key(roots: str, kid: str) -> Mapping[str, Any]:
    """The public key `kid` of a file of trusted roots. Denied `signature_unknown_key` for any other."""
    for key in json.loads(roots):
        if key["kid"] == kid:
            return dict(key["jwk"])
    raise Denied("signature_unknown_key", "目录不是由受信任的根签发")


def expect_own(keys: NodeKeys, code: str) -> None:
    """The keys are that node's. Refused `keys_of_another_node`: a mistyped TONGBAN_NODE would work for another city."""
    if keys.node != code:
        words = f"TONGBAN_NODE 是 {code},TONGBAN_HOME 中却是 {keys.node} 的密钥:请核对这两个环境变量,未做任何改动"
        raise Refused("keys_of_another_node", words)


class Node:
    """This installation: its code, keys, offices and the newest directory it has seen, read from its home folder.

    Refused where the home is another node's.
    """

    def __init__(self, code: str, home: Path) -> None:
        self.code = code
        self.home = home
        self.keys = load_keys(home / "keys.json")
        expect_own(self.keys, code)
        self._seen: dict[str, tuple[int, Any]] = {}

    @property
    def opening_keys(self) -> NodeKeys:
        """The keys that open what others sealed for this node: the newest in its home, also those not in force yet.

        Others seal for a new key from the day the directory lists it, and nobody knows when `tongban keys use` and the
        restart of every process will follow.
        """
        try:
            return self._fresh(NEXT_KEYS, load_keys)  # type: ignore[no-any-return]
        except FileNotFoundError:  # none wait, or they became keys.json just now
            return self._fresh("keys.json", load_keys)  # type: ignore[no-any-return]

    def _fresh(self, name: str, read: Callable[[Path], Any]) -> Any:
        """What `read` makes of a file, read again when the file was replaced."""
        path = self.home / name
        stamp = path.stat().st_mtime_ns
        if name not in self._seen or self._seen[name][0] != stamp:
            self._seen[name] = (stamp, read(path))
        return self._seen[name][1]

    @property
    def directory(self) -> Directory:
        """The newest directory; replaced on disk by the exchange."""
        return self._fresh("directory.json", self._open)  # type: ignore[no-any-return]

    @property
    def offices(self) -> Offices:
        """The offices of this node; replaced by `tongban offices import`."""
        return self._fresh("offices.csv", lambda path: read_offices(path.read_text("utf-8-sig").splitlines()))  # type: ignore[no-any-return]

    def root_key(self, kid: str) -> Mapping[str, Any]:
        """The public key of a trusted root. Denied `signature_unknown_key` for any other."""
        return root_key((self.home / "roots.json").read_text("utf-8"), kid)

    def _open(self, path: Path) -> Directory:
        return open_directory(path.read_text("utf-8"), self.root_key)
