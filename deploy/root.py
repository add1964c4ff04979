"""The directory's root at work, offline and in a folder of its own: rows of nodes in and out, and its signature."""

import datetime
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.homes import DIRECTORY, make_root
from shared import clock, regions
from shared.crypto.keys import public_keys
from shared.directory import FOREIGN, sign_directory, stem
from shared.errors import NotFound, Refused
from shared.files import replace_file

DRAFT = "directory.draft.json"
EMPTY: dict[str, Any] = {"version": 0, "issued_at": "", "nodes": [], "authorities": []}
ROW = {"code": str, "name": str, "divisions": list, "keys": list, "guides": dict}
PREFIX = re.compile(rf"[0-9]{{2,6}}|{FOREIGN}")
FIRST_EPOCH = 1
KEY = ("kid", "purpose", "alg", "jwk", "not_before", "not_after")


def draft(folder: Path) -> dict[str, Any]:
    """The document that the next signature is for: what was changed since the last one, else that one's."""
    if (folder / DRAFT).exists():
        return dict(json.loads((folder / DRAFT).read_text("utf-8")))
    return _signed(folder)


def _signed(folder: Path) -> dict[str, Any]:
    """The document last signed; EMPTY before the first one."""
    if not (folder / DIRECTORY).exists():
        return EMPTY
    return dict(json.loads(json.loads((folder / DIRECTORY).read_text("utf-8"))["document"]))


def add_row(folder: Path, row: Mapping[str, Any]) -> None:
    """Put a node's row into the draft, in the place of its older one. Refused says what is wrong with it."""
    document = draft(folder)
    others = [node for node in document["nodes"] if node["code"] != row.get("code")]
    _expect_row(row)
    _expect_apart(row, others)
    _write(folder, document | {"nodes": sorted([*others, dict(row)], key=lambda node: str(node["code"]))})


def remove_row(folder: Path, code: str) -> None:
    """Take a node out of the draft. NotFound; Refused while it guards a prefix."""
    document = draft(folder)
    left = [node for node in document["nodes"] if node["code"] != code]
    if len(left) == len(document["nodes"]):
        raise NotFound("node_unknown", f"节点目录中没有 {code}")
    if guarded := [row["prefix"] for row in document["authorities"] if row["node"] == code]:
        words = (
            f"{code} 还是号段 {'、'.join(guarded)} 的主管登记处,请先移交,再用 tongban directory authority 改由他处主管"
        )
        raise Refused("node_guards", words)
    _write(folder, document | {"nodes": left})


def set_authority(folder: Path, prefix: str, code: str) -> dict[str, Any]:
    """Name in the draft the node that guards a prefix; the row. Its first epoch is 1, another node's the next one.

    Of a later epoch the row also says who guarded it before: from that node alone its ledger is believed.
    Epochs count from the directory last signed: what is put back before the signature has not happened. NotFound for
    a node without a row; Refused for what is no prefix, and for a part of one that is guarded already.
    """
    document, signed = draft(folder), _by_prefix(_signed(folder))
    _expect_prefix(prefix, signed)
    if code not in {node["code"] for node in document["nodes"]}:
        raise NotFound("node_unknown", f"节点目录中没有 {code},请先 tongban directory add")
    row = _guarded_by(code, prefix, signed.get(prefix))
    rows = sorted((_by_prefix(document) | {prefix: row}).values(), key=lambda row: str(row["prefix"]))
    _write(folder, document | {"authorities": rows})
    return row


def _by_prefix(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["prefix"]: dict(row) for row in document["authorities"]}


def _guarded_by(code: str, prefix: str, before: Mapping[str, Any] | None) -> dict[str, Any]:
    if before is None:
        return {"prefix": prefix, "node": code, "epoch": FIRST_EPOCH}
    if before["node"] == code:
        return dict(before)
    return {"prefix": prefix, "node": code, "epoch": before["epoch"] + 1, "before": before["node"]}


def _expect_prefix(prefix: str, signed: Mapping[str, Any]) -> None:
    """A new ledger begins empty: what a wider prefix guards already must stay with it, or be handed over as a whole."""
    if not PREFIX.fullmatch(prefix):
        raise Refused("prefix_malformed", f"号段应为二至六位数字,或者 {FOREIGN}(没有区划的证件)")
    wider = [known for known in signed if prefix != known and prefix.startswith(known)]
    if wider and prefix not in signed:
        words = f"号段 {prefix} 已由 {wider[0]} 的主管登记处负责,单独划出会丢失已有的占用记录;只能整段移交 {wider[0]}"
        raise Refused("prefix_guarded", words)


def sign(folder: Path) -> int:
    """Sign the draft, or the same nodes anew, as the next version; that version. NotFound when there is neither.

    In the folder lie then directory.json, for the hub, and roots.json, for new cities. The root's keys are made at the
    first signature; NotFound where a directory lies without them.
    """
    if not ((folder / DRAFT).exists() or (folder / DIRECTORY).exists()):
        raise NotFound("nothing_to_sign", f"{folder} 中没有目录,请核对文件夹,或先 tongban directory add")
    root, document = make_root(folder), draft(folder)
    version = max(int(document["version"]), int(_signed(folder)["version"])) + 1  # a draft may outlive its signature
    signed = sign_directory(document | {"version": version, "issued_at": clock.iso(clock.now())}, root)
    roots = [row for row in public_keys(root) if row["purpose"] == "sign"]
    replace_file(folder / "roots.json", json.dumps(roots, ensure_ascii=False))
    replace_file(folder / DIRECTORY, signed)
    (folder / DRAFT).unlink(missing_ok=True)
    return version


def fingerprint(keys: list[Mapping[str, Any]]) -> str:
    """Eight groups of four hex digits over public key rows, to be read out over the telephone."""
    text = json.dumps(sorted(keys, key=lambda row: str(row["kid"])), sort_keys=True, ensure_ascii=False)
    digits = hashlib.sha256(text.encode()).hexdigest()[:32]
    return " ".join(digits[place : place + 4] for place in range(0, 32, 4))


def _write(folder: Path, document: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / DRAFT, json.dumps(document, ensure_ascii=False, indent=1))


def _expect_row(row: Mapping[str, Any]) -> None:
    if any(not isinstance(row.get(name), kind) for name, kind in ROW.items()):
        raise Refused("row_malformed", "不是节点行:请用 tongban directory row 生成")
    if not re.fullmatch(r"[0-9]{6}", row["code"]) or not row["name"] or not row["divisions"]:
        raise Refused("row_malformed", "节点代码应为六位数字,名称和区划不能为空")
    for division in row["divisions"]:
        regions.standard().resolve(str(division), clock.today())
    for key in row["keys"]:
        _expect_key(row["code"], key)
    if {key["purpose"] for key in row["keys"]} != {"sign", "seal"}:
        raise Refused("row_malformed", "应有签名和加密两种公钥")


def _expect_key(code: str, key: Mapping[str, Any]) -> None:
    if any(name not in key for name in KEY) or not str(key["kid"]).startswith(f"{code}#"):
        raise Refused("row_malformed", f"公钥不完整,或编号不以 {code}# 开头")
    if "d" in key["jwk"]:
        raise Refused("private_key_in_row", "文件里有私钥:不要再传它,请重新生成密钥")
    datetime.date.fromisoformat(key["not_before"])
    datetime.date.fromisoformat(key["not_after"])


def _expect_apart(row: Mapping[str, Any], others: list[Mapping[str, Any]]) -> None:
    taken = {stem(division): node for node in others for division in node["divisions"]}
    for division in row["divisions"]:
        if stem(division) in taken:
            raise Refused("division_taken", f"{division} 已由 {taken[stem(division)]['code']} 负责")
