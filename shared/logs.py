"""JSON log lines with case, message and trace ids; what looks like a person's number or phone is masked."""

import logging
import re
import secrets
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import structlog

START = r"(?:(?<!\d)|(?<=%[0-9A-Fa-f]{2}))"  # not in the middle of a longer number; URLs put %22 and the like before it
TRACE = r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])"
KEPT = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}|" + TRACE  # whose digits may look like phones
NUMBER = START + r"[1-9]\d{5}(?:18|19|20)\d{2}[01]\d[0-3]\d{4}[0-9Xx](?:[1-7][1-4](?:[Bb]\d)?)?(?!\d)"
PHONE = START + r"(?:(?:\+|00)?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}(?!\d)"
SECRET = re.compile(f"(?P<kept>{KEPT})|(?P<number>{NUMBER})|(?P<phone>{PHONE})")
PARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")  # W3C Trace Context, version 00
SAMPLED = 1  # the only flag we know; others must not be passed on

_current: ContextVar[str] = ContextVar("traceparent", default="")


def trace_id(parent: str) -> str:
    """The 32 hex digits by which all that came of one request is found; "" when that is no traceparent."""
    found = PARENT.fullmatch(parent)
    return found[1] if found else ""


def traceparent(parent: str = "") -> str:
    """`parent` if it is one, else that of the block we are in (see `about`), else a new one."""
    return parent if trace_id(parent) else _current.get() or continued("")


def continued(parent: str) -> str:
    """A traceparent of our own in the trace of somebody else's, or in a new trace when `parent` is none."""
    found = PARENT.fullmatch(parent)
    trace, flags = (found[1], int(found[2], 16) & SAMPLED) if found else (secrets.token_hex(16), SAMPLED)
    return f"00-{trace}-{secrets.token_hex(8)}-{flags:02x}"


@contextmanager
def about(parent: str = "", **ids: str) -> Iterator[None]:
    """Log lines of the block name `ids` and the trace of `parent`, or of a new one; what is told goes on with it."""
    own = parent if trace_id(parent) else continued("")
    before = _current.set(own)
    try:
        with structlog.contextvars.bound_contextvars(trace=trace_id(own), **ids):
            yield
    finally:
        _current.reset(before)


def masked(text: str) -> str:
    """The text without citizen numbers, disability-card numbers and mobile numbers."""
    return SECRET.sub(lambda found: found["kept"] or f"[{found.lastgroup}]", text)


def _mask(value: Any) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if masked(str(value)) == str(value) else masked(str(value))
    if isinstance(value, dict):
        return {_mask(key): _mask(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_mask(inner) for inner in value]
    if isinstance(value, bytes):
        return f"[{len(value)} bytes]"
    return masked(value if isinstance(value, str) else repr(value))


def mask_event(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A structlog processor: the last but one, so that nothing is added behind it. `_record` is structlog's own."""
    return {key: value if key.startswith("_") else _mask(value) for key, value in event.items()}


def where(error: BaseException) -> list[str]:
    """The way to an error, without its text, which could hold personal data that no pattern knows."""
    steps = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    return [f"{code.co_filename}:{line} {code.co_name}" for code, line in steps[-12:]]


class Stderr(structlog.WriteLogger):
    """Nobody's work may fail because a line about it cannot be written: the disk is full, or nobody reads any more."""

    def msg(self, message: str) -> None:
        """Write a line, if that can be done."""
        with suppress(OSError, ValueError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


def set_up(level: str, **always: str) -> None:
    """Send structlog and the standard loggers to stderr as JSON; `always` stands on every line (node, process)."""
    shared_steps: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_event,
    ]
    to_text = structlog.processors.JSONRenderer(ensure_ascii=False)
    to_json = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared_steps,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, to_text],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(to_json)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # its warnings quote what the server says of values
    structlog.configure(
        processors=[*shared_steps, to_text],  # not by way of the standard loggers: that costs as much again
        logger_factory=lambda *_name: Stderr(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(**always)
