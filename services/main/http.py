"""The API's process: gunicorn with threads, its app made in the worker."""

import threading
from typing import Any

from gunicorn.app.base import BaseApplication

from services.main.wiring import open_node, open_works
from services.web.api.app import create_app
from shared import metrics
from shared.directory import Node
from shared.settings import Settings, webhook_hosts

GRACE_SECONDS = 8
BEAT_SECONDS = 2.0


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    def __init__(self, settings: Settings, node: Node, options: dict[str, Any]) -> None:
        self.settings, self.node, self.options = settings, node, options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        works = open_works(self.settings, self.node, "web", self.options["threads"] + 1)
        metrics.serve(self.settings.metrics_host, self.settings.metrics_port)
        threading.Thread(target=_beat, args=(self.settings,), daemon=True).start()
        return create_app(works, self.node, webhook_hosts())


def _beat(settings: Settings) -> None:
    while True:
        metrics.beat(settings.home, "http", ready=True)
        threading.Event().wait(BEAT_SECONDS)


def serve_http(settings: Settings, threads: int) -> None:
    """Answer the API until SIGTERM; requests in hand get GRACE_SECONDS.

    The node is opened here: gunicorn would start a worker that cannot open it again and again.
    """
    node = open_node(settings)
    options = {
        "bind": f"{settings.http_host}:{settings.http_port}",
        "worker_class": "gthread",
        "workers": 1,
        "threads": threads,
        "graceful_timeout": GRACE_SECONDS,
        "timeout": 60,
        "worker_tmp_dir": "/dev/shm",  # noqa: S108 - a heartbeat file, in memory
        "accesslog": None,  # addresses name cases
        "errorlog": "-",
    }
    _Server(settings, node, options).run()
