"""The only four ways in which tongban says no; anything else is a bug and is treated as one."""


class TongbanError(Exception):
    """A named refusal: `code` is stable snake_case for machines, `message` plain Chinese for people."""

    def __init__(self, code: str, message: str = "", *, basis: str = "", field: str = "", **details: object) -> None:
        super().__init__(code)
        self.code = code
        self.message = message or code
        self.basis = basis
        self.field = field
        self.details = details

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Refused(TongbanError):
    """A business answer the law or the data demands: an event, or HTTP 422. `basis` is the clause (依据)."""


class NotFound(TongbanError):
    """What was asked for does not exist here: HTTP 404."""


class OutOfStep(TongbanError):
    """Somebody else was faster, or a message came late: HTTP 409, or an acknowledged stale message."""


class Denied(TongbanError):
    """This actor may not do this: HTTP 403."""
