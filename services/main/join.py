"""How a city makes its keys, renews them, says who it is, and joins."""

import json
from collections.abc import Container, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from deploy.homes import DIRECTORY, load_offices, node_row
from shared import clock
from shared.crypto.keys import NodeKeys, load_keys, new_keys, renewed_keys
from shared.crypto.signing import Algorithm
from shared.directory import NEXT_KEYS, Directory, expect_own, open_directory, root_key
from shared.errors import Denied, NotFound, OutOfStep, Refused
from shared.files import replace_file, write_new

KEYS = "keys.json"


def make_keys(home: Path, code: str, algorithm: Algorithm) -> None:
    """The first keys of a node. OutOfStep rather than losing older ones, Refused for what is no code."""
    if (home / KEYS).exists():
        raise OutOfStep("keys_exist", f"{home / KEYS} 已经存在,不会覆盖;更换密钥请用 tongban keys renew")
    try:
        document = new_keys(code, algorithm=algorithm, issued_on=clock.today())
    except ValueError as error:
        raise Refused("node_malformed", f"节点代码应为六位数字,不是 {code!r}") from error
    home.mkdir(parents=True, exist_ok=True)
    write_new(home / KEYS, document)


def renew_keys(home: Path, algorithm: Algorithm) -> None:
    """New keys beside those in force. OutOfStep while earlier new ones wait."""
    if (home / NEXT_KEYS).exists():
        raise OutOfStep(
            "keys_wait", f"{home / NEXT_KEYS} 还没有启用:先 tongban keys use;新公钥从未交给根时,可删除后重做"
        )
    write_new(home / NEXT_KEYS, renewed_keys(_document(home), algorithm=algorithm, issued_on=clock.today()))


def use_keys(home: Path) -> None:
    """Put the new keys into force. NotFound when there are none, OutOfStep while the directory here lacks them."""
    if not (home / NEXT_KEYS).exists():
        raise NotFound("no_new_keys", "没有待启用的密钥,请先 tongban keys renew")
    _expect_listed(checked_directory(home, (home / DIRECTORY).read_text("utf-8")), load_keys(home / NEXT_KEYS))
    (home / NEXT_KEYS).replace(home / KEYS)


def row_of(home: Path, name: str, divisions: Iterable[str], leaked: Container[str] = ()) -> dict[str, Any]:
    """This node's row for the directory, without leaked keys; with the keys that wait, when some do.

    NotFound without keys, Refused without offices.
    """
    keys = _coming(home)
    offices = load_offices(home)
    if not offices.by_code:
        raise Refused("no_offices", "机构表为空,请先 tongban offices import")
    row = node_row(keys, name, divisions, offices)
    return row | {"keys": [key for key in row["keys"] if key["kid"] not in leaked]}


def join(code: str, home: Path, roots: str, signed: str) -> Directory:
    """Lay the trusted roots and a directory that lists this node into its home; that directory.

    Nothing is written unless one of the roots signed it, it names our very keys (those that wait, when some do), and it
    is not older than ours. Safe to run again, also when it was interrupted while the root changed.
    """
    directory = _opened(roots, signed)
    keys = _coming(home)
    expect_own(keys, code)
    _expect_listed(directory, keys)
    if _version_here(home, roots) > directory.version:
        raise OutOfStep("directory_older", "本节点已有更新的节点目录,未改动")
    replace_file(home / "roots.json", roots)
    replace_file(home / DIRECTORY, signed)
    return directory


def _version_here(home: Path, roots: str) -> int:
    """The version of the directory in this home, which the roots here or the coming ones signed; else 0.

    Of a root change that was interrupted, the new roots are here and the directory is still the old one's.
    """
    for path in (home / "roots.json", None):
        with suppress(FileNotFoundError, ValueError, Denied, Refused):
            trusted = path.read_text("utf-8") if path else roots
            return _opened(trusted, (home / DIRECTORY).read_text("utf-8")).version
    return 0


def checked_directory(home: Path, signed: str) -> Directory:
    """A directory signed by one of the roots that this home trusts. Denied when it is not."""
    return _opened((home / "roots.json").read_text("utf-8"), signed)


def _opened(roots: str, signed: str) -> Directory:
    try:
        return open_directory(signed, lambda kid: root_key(roots, kid))
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("directory_malformed", "不是节点目录或受信任的根的文件") from error


def _coming(home: Path) -> NodeKeys:
    """The keys that wait to be used, else those in force. NotFound."""
    path = home / NEXT_KEYS if (home / NEXT_KEYS).exists() else home / KEYS
    if not path.exists():
        raise NotFound("no_keys", "没有密钥,请先 tongban keys new")
    return load_keys(path)


def _document(home: Path) -> dict[str, Any]:
    if not (home / KEYS).exists():
        raise NotFound("no_keys", "没有密钥,请先 tongban keys new")
    return dict(json.loads((home / KEYS).read_text("utf-8")))


def _expect_listed(directory: Directory, keys: NodeKeys) -> None:
    """The keys that would be used; older ones may have left the directory."""
    current = {row["purpose"]: row for row in keys.public}.values()
    listed = {row["kid"]: row["jwk"] for row in directory.nodes.get(keys.node, {}).get("keys", ())}
    if missing := [row["kid"] for row in current if listed.get(row["kid"]) != row["jwk"]]:
        words = (
            f"第 {directory.version} 版节点目录中没有 {keys.node} 的密钥 {'、'.join(missing)},请先由根签发并等目录到达"
        )
        raise OutOfStep("keys_not_listed", words)
