"""Files: uploaded before they become materials, opened for a purpose and on record."""

from services.web import rules
from services.web.rules import Principal
from services.web.store import asking, reading
from services.web.usecases import viewing
from shared import audit, files
from shared.directory import Node
from shared.errors import NotFound, OutOfStep
from shared.files import FileRef
from shared.outbox import Work


def note_upload(work: Work, who: Principal, ref: FileRef) -> None:
    """Remember whose file it is: only they may bring it as a material."""
    asking.add_file(work, ref.file_id, who.owner, who.person_index)


def note_look(work: Work, who: Principal, file_id: str, purpose: str) -> None:
    """Put the opening of a file on record: clerks open those of cases, for a purpose; all others what they brought.

    NotFound `file_unknown`, also of what is somebody else's; Refused without a purpose, Denied.
    """
    if who.kind == "clerk":
        _note_look_of_clerk(work, who, file_id, purpose)
        return
    owner, person_index = asking.find_uploader(work, file_id) or ("", "")
    if not rules.may_fetch(who, owner, person_index):
        raise _unknown()
    look = audit.Look(
        actor=who.actor,
        office="",
        purpose="act_for_citizen" if who.kind == "channel" else "own_file",
        act="open_file",
        subject=reading.case_of_file(work, file_id) or file_id,
        person_index=person_index,
        fields=("materials",),
    )
    audit.record(work, **look)


def _note_look_of_clerk(work: Work, who: Principal, file_id: str, purpose: str) -> None:
    rules.expect_purpose(purpose)
    case_id = reading.case_of_file(work, file_id)
    if case_id is None:
        raise _unknown()
    case = viewing.get_case(work, who, case_id)
    viewing.record_look(work, who, case, purpose, "open_file", ("materials",))


def get_ref(node: Node, file_id: str) -> FileRef:
    """What is known of a case's file. OutOfStep `file_arriving` while it is not whole here."""
    try:
        return files.get_ref(node, file_id)
    except NotFound as error:
        words = "这份材料还没有从收件地传全,请稍后再看;超过一小时的,系统会请收件地重新发送并列入待人工处理"
        raise OutOfStep("file_arriving", words, field="file_id") from error


def _unknown() -> NotFound:
    return NotFound("file_unknown", "没有这个文件,请核对文件编号")
