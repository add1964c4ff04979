"""Whether one process of this node is well. Asked of every process every few seconds: imports next to nothing."""

import urllib.request

from shared.metrics import healthy
from shared.settings import Settings


def well(settings: Settings, process: str) -> bool:
    """What the process last said of itself; the API is asked."""
    return _answers(settings.http_port) if process == "http" else healthy(settings.home, process)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/health", timeout=3) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
