"""The private servers, for the tests of this folder."""

from tests.servers import postgres, rabbitmq

__all__ = ["postgres", "rabbitmq"]
