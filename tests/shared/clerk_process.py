"""The clerk and the archive as a process: `python -m tests.shared.clerk_process '{"home": ..., "urls": {...}, ...}'`."""

import json
import sys

import eventlet

from shared.settings import before_imports

ASKED = json.loads(sys.argv[1])
eventlet.monkey_patch() if ASKED.get("forgets_psycopg") else before_imports()

from pathlib import Path  # noqa: E402

from sqlalchemy import create_engine  # noqa: E402

from shared import logs, runner, settings  # noqa: E402
from shared.bus import AT_ONCE  # noqa: E402
from shared.directory import Node  # noqa: E402
from shared.outbox import Works  # noqa: E402
from tests.shared.clerk import town_doors  # noqa: E402


def main() -> None:
    logs.set_up("INFO", node="460200", process=ASKED["process"])
    for name, value in ASKED.get("limits", {}).items():
        setattr(runner, name, value)
    environ = {
        "TONGBAN_NODE": "460200",
        "TONGBAN_HOME": ASKED["home"],
        "TONGBAN_AMQP_URL": ASKED["amqp_url"],
        "TONGBAN_METRICS_PORT": str(ASKED.get("metrics_port", 0)),
    }
    node = Node("460200", Path(ASKED["home"]))
    doors = town_doors(tuple(ASKED.get("delays", (1,))), ASKED.get("tick_seconds", 0))
    services = []
    for name in ASKED.get("services", ("clerk", "archive")):
        pool = AT_ONCE + 2  # a timer that waits must cost no worker its connection
        engine = create_engine(ASKED["urls"][name], pool_size=pool, max_overflow=0, hide_parameters=True)
        services.append((doors[name], Works(node, name, engine)))
    runner.serve(services, settings.read(environ), ASKED["process"])


main()
