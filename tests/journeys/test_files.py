"""A scan goes where its case goes: uploaded at one city's counter, opened byte for byte at the other's."""

import json
import os
import urllib.error
import urllib.request

from services.main.journey import Counter, application
from shared import clock
from tests.journeys.places import Embedded, Real
from tests.waiting import eventually

SCAN_BYTES = 3 << 20
SOMEBODY = {
    "role": "applicant",
    "name": "邓观澜",
    "id_type": "citizen",
    "id_number": "990102196908010597",
    "hukou_division": "620102001",
}


def _upload(desk: Counter, content: bytes) -> str:
    answer = _open(desk, "/files", content, {"Content-Type": "application/pdf"})
    return str(json.loads(answer)["file_id"])


def _download(desk: Counter, file_id: str) -> bytes | None:
    """The file; None while the desk does not know it, or not all of it."""
    try:
        return _open(desk, f"/files/{file_id}", None, {"X-Purpose": "handle_case"})
    except urllib.error.HTTPError as error:
        if error.code not in (404, 409):
            raise
        return None


def _open(desk: Counter, path: str, content: bytes | None, headers: dict[str, str]) -> bytes:
    request = urllib.request.Request(f"{desk.url}/api/v1{path}", content)
    for name, value in (headers | {"Authorization": f"Bearer {desk.token}"}).items():
        request.add_header(name, value)
    with urllib.request.urlopen(request, timeout=30) as answer:
        body: bytes = answer.read()
    return body


def test_a_scan_of_3_megabytes_uploaded_in_one_city_is_downloaded_in_the_other(place: Embedded | Real) -> None:
    window, checker = place.counters["window"], place.counters["checker"]
    content = b"%PDF-1.7\n" + os.urandom(SCAN_BYTES)
    file_id = _upload(window, content)
    paper = {"code": "low-income", "source": "applicant", "file_id": file_id}
    window.ask("POST", "/cases", application([SOMEBODY]) | {"materials": [paper]}, key=clock.new_id())

    eventually(lambda: _download(checker, file_id) == content, 60)
