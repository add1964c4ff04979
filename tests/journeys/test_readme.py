"""The README's own calls, line by line as they stand there, do a case from the window to the certificate."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.places import Embedded, Real
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
CURL = """\
#!/usr/bin/env python3
import sys, urllib.error, urllib.request
words, headers, body, url = iter(sys.argv[1:]), {}, None, ""
for word in words:
    if word == "-H":
        name, _, value = next(words).partition(": ")
        headers[name] = value
    elif word == "-d":
        text = next(words)
        body = open(text[1:], "rb").read() if text.startswith("@") else text.encode()
    elif not word.startswith("-"):
        url = word
try:
    answer = urllib.request.urlopen(urllib.request.Request(url, body, headers))
except urllib.error.HTTPError as error:
    answer = error
sys.stdout.buffer.write(answer.read())
"""  # what the README asks of curl, where there is none


def lines_of_the_readme() -> list[str]:
    """The commands between `make up` and the look at the finished case, comments off, the scratch file in $HOME."""
    [block] = re.findall(r"```sh\nmake up.*?```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    lines = [line.split("  #")[0].strip().replace("/tmp/", "$HOME/") for line in block.splitlines()[3:-1]]
    return [line.replace('open("$HOME/', 'open("\'"$HOME"\'/') for line in lines if line]


@pytest.fixture
def shell(place: Embedded | Real, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a line after all lines that only define something; what it printed."""
    if not shutil.which("curl"):
        (tmp_path / "curl").write_text(CURL)
        (tmp_path / "curl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, counter in place.counters.items():
        monkeypatch.setenv(name, counter.token)
    for code, who in (("460200", "window"), ("620100", "checker")):
        monkeypatch.setenv(f"CITY_{code}", f"{place.counters[who].url}/api/v1")
    said: list[str] = []

    def run(line: str) -> str:
        script = "\n".join([*said, line])
        answer = subprocess.run(["bash", "-euc", script], cwd=ROOT, capture_output=True, text=True, check=True)
        if re.match(r"\w+(\(\)|=)", line):
            said.append(line)
        return answer.stdout

    return run


def test_a_case_is_done_by_the_calls_in_the_readme(shell: Any) -> None:
    last = ""

    def done(line: str) -> bool:
        nonlocal last
        last = shell(line)
        return not last or "code" not in json.loads(last)

    *lines, look = lines_of_the_readme()
    assert [line.split()[0] for line in lines] == ["new()", "call()", "call", "CASE=$(python3", "act()", *["act"] * 3]
    for line in lines:
        eventually(lambda line=line: done(line))  # the README says: where it is not there yet, once more
    eventually(lambda: done(look) and json.loads(last)["state_name"] == "已办结并告知")
    assert json.loads(last)["result"]["certificate_id"]
