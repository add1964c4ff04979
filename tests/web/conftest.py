"""The private database server, for what only several connections at once can show."""

from tests.servers import postgres

__all__ = ["postgres"]
