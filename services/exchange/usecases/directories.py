"""The node directory on its way in: only newer ones, only from a trusted root, all of them kept."""

import structlog

from contracts.exchange import DirectoryUpdatedV1
from services.exchange.store import questions
from shared.directory import open_directory
from shared.errors import Denied
from shared.files import replace_file
from shared.outbox import Works

log = structlog.get_logger()


def take_directory(works: Works, text: str) -> bool:
    """Put a directory into force here; False for one that is in force already, older, or not from a trusted root."""
    node = works.node
    try:
        version = open_directory(text, node.root_key).version
    except (Denied, ValueError, KeyError, TypeError, AttributeError) as error:
        log.error("directory_refused", reason=type(error).__name__)
        return False
    current = node.directory.version
    if version < current:
        log.error("directory_older", version=version, current=current)
        return False
    path = node.home / "directory.json"
    with works.begin() as work:
        new = questions.add_directory(work, version, text)
        if version > current:
            questions.add_directory(work, current, path.read_text("utf-8"))
            replace_file(path, text)
        if new:
            work.tell(DirectoryUpdatedV1, node.code, {"version": version})
    log.info("directory_seen", version=version, new=new)
    return version > current
