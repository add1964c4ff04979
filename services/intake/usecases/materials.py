"""材料: files follow their case to the competent city in sealed pieces."""

import base64
import datetime
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from contracts import intake as said
from contracts.envelope import Json
from services.intake.rules import legs as rules
from services.intake.rules.legs import Leg
from services.intake.store import cases as store
from services.intake.store import files as arriving
from services.intake.store.files import Awaited
from services.intake.usecases import case, notices
from shared import clock, files
from shared.errors import NotFound, OutOfStep, Refused
from shared.outbox import Work, Works

SILENCE = datetime.timedelta(hours=1)  # after which a file that is not whole is asked for again, and said aloud
CHUNK_BYTES = 192 * 1024  # base64 makes 256 KiB of it


def send_files(work: Work, leg: Leg, brought: Iterable[Mapping[str, Any]]) -> None:
    """Send the bytes of all uploaded materials to the node that holds the case; in our own city they are there.

    A file that is lost here keeps back neither the others nor the case: a person must look.
    """
    if leg.peer_node == work.node.code:
        return
    for item in brought:
        if item["file_id"]:
            _send_or_say_lost(work, leg, item)


def _send_or_say_lost(work: Work, leg: Leg, item: Mapping[str, Any]) -> None:
    try:
        _send_file(work, leg, item)
    except NotFound:
        words = f"材料文件 {item['file_id']} 本地已没有,不能转给接办地,请联系申请人重新提供"
        notices.open_work_item(work, leg.case_id, rules.FILE_LOST, words, about=item["file_id"])


def expect_uploaded(work: Work, brought: Iterable[Mapping[str, Any]]) -> None:
    """NotFound `file_unknown` unless every file that is brought now is here."""
    for item in brought:
        if item["file_id"]:
            files.get_ref(work.node, item["file_id"])


def _send_file(work: Work, leg: Leg, item: Mapping[str, Any]) -> None:
    content = files.read(work.node, item["file_id"])
    pieces = [content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES)]
    about = {name: item[name] for name in ("file_id", "sha256", "size", "media_type")}
    about |= {"count": len(pieces), "leg_no": leg.peer_leg_no}
    for number, piece in enumerate(pieces):
        personal = {"chunk": base64.b64encode(piece).decode()}
        work.tell(said.FileChunkSentV1, leg.case_id, about | {"number": number}, personal, to=leg.peer_node)


def send_again(work: Work) -> None:
    """重发材料: the city that holds the case misses a file of it; nobody else may ask. OutOfStep for anybody else."""
    asked = work.data(said.FileRequestedV1)
    leg = store.get_leg(work, case.id_of(work), "accepting")
    known = {item["file_id"]: item for item in store.list_materials(work, leg.case_id)}
    if not leg.open or leg.peer_node != case.sender(work) or asked["file_id"] not in known:
        raise OutOfStep("stale", "过时的消息")
    send_files(work, leg, [known[asked["file_id"]]])


def expect_files(work: Work, leg: Leg, brought: Iterable[Mapping[str, Any]]) -> None:
    """The files of these materials are to come from the city that took the case in, unless they are here already."""
    if leg.peer_node != work.node.code:
        names = [item["file_id"] for item in brought if item["file_id"]]
        arriving.await_files(work, leg.case_id, [name for name in names if _digest(work, name) is None])


def keep_chunk(work: Work) -> None:
    """材料分片: keep it; with the last one the file is whole, checked against its hash and stored sealed."""
    told, personal = work.data(said.FileChunkSentV1), work.personal(said.FileChunkSentV1)
    case_id, file_id = case.id_of(work), told["file_id"]
    work.lock(file_id, awaited=True)
    if _digest(work, file_id) == told["sha256"]:  # sent again, and whole by now
        arriving.forget(work, file_id)
        notices.settle_file(work, case_id, file_id)
    elif arriving.keep_chunk(work, case_id, file_id, told["number"], personal["chunk"]) >= told["count"]:
        _assemble(work, case_id, told)


def _digest(work: Work, file_id: str) -> str | None:
    try:
        return files.get_ref(work.node, file_id).sha256
    except NotFound:
        return None


def _assemble(work: Work, case_id: str, told: Json) -> None:
    try:
        _keep_file(work, told, arriving.take_chunks(work, told["file_id"]))
    except (ValueError, Refused, NotFound):  # no base64, or no file of ours: the case goes on, a person must look
        words = f"材料文件 {told['file_id']} 校验不符,未保存,系统会请收件地重新发送;仍收不到的,请联系收件地"
        notices.open_work_item(work, case_id, rules.FILE_DAMAGED, words, about=told["file_id"])
        awaited = arriving.find_awaited(work, told["file_id"])
        a_while_ago = clock.iso(work.now - SILENCE)
        if awaited and awaited.asked_at < a_while_ago:  # else in an hour: it may be damaged there, too
            _ask_again(work, awaited)
    else:
        arriving.forget(work, told["file_id"])
        notices.settle_file(work, case_id, told["file_id"])


def _ask_again(work: Work, awaited: Awaited) -> bool:
    """Ask the accepting city for a file, if this city still holds the case; whether it does."""
    leg = store.find_leg(work, awaited.case_id, "competent")
    if leg is None or not leg.open or leg.peer_node == work.node.code:
        return False
    arriving.note_asked(work, awaited.file_id)
    work.tell(said.FileRequestedV1, leg.case_id, {"file_id": awaited.file_id}, to=leg.peer_node)
    return True


def chase_files(works: Works) -> None:
    """A work item for every file of which nothing came for an hour, and the accepting city is asked again.

    What no open case waits for any more is thrown away.
    """
    with works.begin() as work:
        silent = arriving.list_overdue(work, work.now - SILENCE)
    for file_id in silent:
        with works.begin() as work:
            _chase(work, file_id)


def _chase(work: Work, file_id: str) -> None:
    work.lock(file_id)
    awaited = arriving.find_awaited(work, file_id)
    if awaited is None:
        return
    if _digest(work, file_id) is not None or not _ask_again(work, awaited):
        arriving.forget(work, file_id)
        notices.settle_file(work, awaited.case_id, file_id)
        return
    words = f"材料文件 {file_id} 超过一小时没有传全,已请收件地重新发送;仍收不到的,请联系收件地"
    notices.open_work_item(work, awaited.case_id, rules.FILE_INCOMPLETE, words, about=file_id)


def _keep_file(work: Work, told: Json, chunks: Iterable[str]) -> None:
    content = b"".join(base64.b64decode(chunk, validate=True) for chunk in chunks)
    if hashlib.sha256(content).hexdigest() != told["sha256"]:
        raise ValueError("another file than was announced")
    files.put(work.node, content, told["media_type"], told["file_id"])
