"""材料: files follow their case to the competent city in sealed pieces."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from contracts import intake as said
from contracts.envelope import Json
from services.intake import rules
from services.intake.rules import Leg
from services.intake.store import files as arriving
from services.intake.usecases import case, notices
from shared import files
from shared.errors import NotFound, Refused
from shared.outbox import Work

CHUNK_BYTES = 192 * 1024  # base64 makes 256 KiB of it


def send_files(work: Work, leg: Leg, brought: Iterable[Mapping[str, Any]]) -> None:
    """Send the bytes of all uploaded materials to the node that holds the case; in our own city they are there."""
    if leg.peer_node == work.node.code:
        return
    for item in brought:
        if item["file_id"]:
            _send_file(work, leg, item)


def _send_file(work: Work, leg: Leg, item: Mapping[str, Any]) -> None:
    content = files.read(work.node, item["file_id"])
    pieces = [content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES)]
    about = {name: item[name] for name in ("file_id", "sha256", "size", "media_type")} | {"count": len(pieces)}
    for number, piece in enumerate(pieces):
        personal = {"chunk": base64.b64encode(piece).decode()}
        work.tell(said.FileChunkSentV1, leg.case_id, about | {"number": number}, personal, to=leg.peer_node)


def keep_chunk(work: Work) -> None:
    """材料分片: keep it; with the last one the file is whole, checked against its hash and stored sealed."""
    told, personal = work.data(said.FileChunkSentV1), work.personal(said.FileChunkSentV1)
    work.lock(told["file_id"])
    if arriving.keep_chunk(work, told["file_id"], told["number"], personal["chunk"]) < told["count"]:
        return
    try:
        _keep_file(work, told, arriving.take_chunks(work, told["file_id"]))
    except (ValueError, Refused, NotFound):  # no base64, or no file of ours: the case goes on, a person must look
        words = f"材料文件 {told['file_id']} 校验不符,请联系收件地重新发送"
        notices.open_work_item(work, case.id_of(work), rules.FILE_DAMAGED, words)


def _keep_file(work: Work, told: Json, chunks: Iterable[str]) -> None:
    content = b"".join(base64.b64decode(chunk, validate=True) for chunk in chunks)
    if hashlib.sha256(content).hexdigest() != told["sha256"]:
        raise ValueError("another file than was announced")
    files.put(work.node, content, told["media_type"], told["file_id"])
