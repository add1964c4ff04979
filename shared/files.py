"""Files written whole or not at all; so is the sealed store of a node: PDF, JPEG and PNG under `<home>/files`."""

import hashlib
import json
import os
import secrets
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from shared import clock
from shared.crypto.sealing import seal_bytes, unseal_bytes
from shared.directory import Node
from shared.errors import NotFound, Refused

LARGEST = 10 << 20  # bytes
MAGIC = {"application/pdf": b"%PDF-", "image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}
OWNER_ONLY = 0o600
_LENGTH = 4  # bytes that say how long the sealed head is


def replace_file(path: Path, text: str, *, mode: int = 0o644) -> None:
    """The old file or the new one, whatever happens in between, loss of power included."""
    _replace(path, text.encode(), mode)


def write_new(path: Path, document: Mapping[str, Any]) -> None:
    """JSON in a new file that only its owner may read; FileExistsError rather than losing an older one's content."""
    with _draft(path, json.dumps(document, indent=1).encode(), OWNER_ONLY) as draft:
        path.hardlink_to(draft)  # unlike a rename, it never takes another's place
        _sync_folder(path.parent)


def _replace(path: Path, content: bytes, mode: int) -> None:
    with _draft(path, content, mode) as draft:
        draft.replace(path)
        _sync_folder(path.parent)


@contextmanager
def _draft(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    """The content, durable, beside the path and under a name that no other writer has; gone at the end."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class FileRef:
    """What may be said of a file without opening it."""

    file_id: str
    sha256: str
    size: int
    media_type: str


def put(node: Node, content: bytes | BinaryIO, media_type: str, file_id: str = "") -> FileRef:
    """Seal and keep a file; `file_id` only for one that another node named already (keeping it twice is harmless).

    Refused: file_empty, file_too_large, file_type_not_allowed, file_type_mismatch, file_exists (another content).
    """
    plain = content if isinstance(content, bytes) else content.read(LARGEST + 1)
    _expect_harmless(plain, media_type)
    ref = FileRef(file_id or clock.new_id(), hashlib.sha256(plain).hexdigest(), len(plain), media_type)
    path = _path(node, ref.file_id)
    if path.exists():
        if get_ref(node, ref.file_id) != ref:
            raise Refused("file_exists", "同一编号下已有另一份文件,未保存", field="file_id")
        return ref
    head = seal_bytes(node.keys, json.dumps(asdict(ref)).encode(), _context(ref.file_id, "head"))
    body = seal_bytes(node.keys, plain, _context(ref.file_id, "body"))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(path, len(head).to_bytes(_LENGTH, "big") + head + body, OWNER_ONLY)
    return ref


def get_ref(node: Node, file_id: str) -> FileRef:
    """What is known of a file. NotFound `file_unknown`; SealError when it was altered."""
    with _opened(node, file_id) as file:
        return _head(node, file_id, file)


def read(node: Node, file_id: str) -> bytes:
    """A file's bytes. NotFound `file_unknown`; SealError when it was altered or moved."""
    with _opened(node, file_id) as file:
        _head(node, file_id, file)
        return unseal_bytes(node.keys, file.read(), _context(file_id, "body"))


def _expect_harmless(plain: bytes, media_type: str) -> None:
    """Only the first bytes say what a file is: its name and its declared type can be anything."""
    if not plain:
        raise Refused("file_empty", "文件是空的,请重新选择文件", field="file")
    if len(plain) > LARGEST:
        raise Refused("file_too_large", f"文件超过 {LARGEST >> 20} MB,请压缩或分开上传", field="file")
    found = next((kind for kind, magic in MAGIC.items() if plain.startswith(magic)), None)
    if found is None:
        raise Refused("file_type_not_allowed", "只接受 PDF、JPEG 和 PNG 文件,请转换格式后再上传", field="file")
    if found != media_type:
        raise Refused("file_type_mismatch", "文件内容与所说的类型不符,请重新选择文件", field="file")


def _path(node: Node, file_id: str) -> Path:
    """Where a file lies; only a uuid in its usual spelling leads anywhere, so nothing leads out of the folder."""
    try:
        known = str(uuid.UUID(file_id)) == file_id
    except ValueError:
        known = False
    if not known:
        raise _unknown()
    return node.home / "files" / file_id[-2:] / f"{file_id}.sealed"


def _opened(node: Node, file_id: str) -> BinaryIO:
    try:
        return _path(node, file_id).open("rb")
    except FileNotFoundError as error:
        raise _unknown() from error


def _unknown() -> NotFound:
    return NotFound("file_unknown", "没有这个文件,请核对文件编号", field="file_id")


def _head(node: Node, file_id: str, file: BinaryIO) -> FileRef:
    length = int.from_bytes(file.read(_LENGTH), "big")
    opened = unseal_bytes(node.keys, file.read(length), _context(file_id, "head"))
    return FileRef(**json.loads(opened))


def _context(file_id: str, part: str) -> str:
    return f"files/{file_id}/{part}"
