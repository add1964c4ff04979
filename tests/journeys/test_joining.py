"""A city of which nobody has heard joins by commands alone, and the first case crosses to it."""

import json
import re
import string
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from deploy.homes import SEED
from deploy.migrate import upgrade
from services.exchange.service.sqlite_hub import SqliteHub
from services.intake.store import cases as store
from services.main.city import City, Country
from services.main.cli import cli
from services.main.journey import APPLICANT, TAKEN_IN_AT, Counter, application
from services.main.wiring import EXCHANGE, SERVICES
from services.web.usecases.tokens import NewToken, create_token
from shared.directory import Node
from shared.embedded import sqlite_engine
from shared.errors import Refused
from shared.identity import uscc

SANYA, LANZHOU, BAISHAN = "460200", "620100", "220600"
Tongban = Callable[..., str]


@pytest.fixture
def country(tmp_path: Path) -> Iterator[Country]:
    """Sanya and Lanzhou, and the root that signed their directory, in one folder."""
    made = Country(tmp_path / "country", (SANYA, LANZHOU))
    yield made
    made.stop()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / BAISHAN


@pytest.fixture
def tongban(home: Path) -> Tongban:
    """Runs a command as an operator of Baishan would, or of the root: that reads no variable. What it said."""

    def run(*words: str | Path, ends: int = 0) -> str:
        env = {"TONGBAN_NODE": BAISHAN, "TONGBAN_HOME": str(home)}
        answer = CliRunner().invoke(cli, [str(word) for word in words], env=env)
        assert answer.exit_code == ends, answer.output
        assert "Traceback" not in answer.output
        return answer.output

    return run


def offices_elsewhere(county: str, other: str) -> str:
    """A county's offices as another's, with right check characters in their credit codes."""
    table = (SEED / "offices" / f"{county}.csv").read_text("utf-8").replace(county, other)
    return re.sub(r"\b[0-9A-Z]{18}\b", lambda found: checked(found[0][:17]), table)


def checked(body: str) -> str:
    for last in string.digits + string.ascii_uppercase:
        with suppress(Refused):
            return uscc(body + last)
    raise AssertionError(f"no character fits {body}")


@pytest.fixture
def row(tongban: Tongban, home: Path, tmp_path: Path) -> Path:
    """What Baishan gives to the root."""
    tongban("keys", "new")
    offices = tmp_path / "offices.csv"
    offices.write_text(offices_elsewhere("421202", "220602"), "utf-8")
    tongban("offices", "import", offices)
    registries = (SEED / "registries.yaml").read_text("utf-8").replace("620102", "220602")
    (home / "registries.yaml").write_text(registries, "utf-8")
    tongban("directory", "row", "白山", BAISHAN, "--to", tmp_path / "row.json")
    return tmp_path / "row.json"


def signed(tongban: Tongban, country: Country, row: Path) -> Path:
    """The root's folder, after it has signed that row."""
    root = country.cities[SANYA].node.home.parent
    tongban("directory", "add", root, row)
    tongban("directory", "sign", root)
    return root


def published(country: Country, root: Path) -> None:
    with closing(SqliteHub(root / "hub.db", "operator")) as operator:
        operator.publish_directory((root / "directory.json").read_text("utf-8"))
    country.settle()


def started(country: Country, home: Path) -> City:
    """Baishan's processes, in the country's own."""
    for service in (*SERVICES, EXCHANGE):
        engine = sqlite_engine(home / f"{service}.db")
        upgrade(engine, service)
        engine.dispose()
    country.cities[BAISHAN] = City(Node(BAISHAN, home), home.parent / "country" / "hub.db")
    return country.cities[BAISHAN]


def take_in(country: Country, hukou: str) -> str:
    port = country.serve(SANYA, 0)
    with country.cities[SANYA].works["web"].begin() as work:
        token = create_token(work, NewToken("clerk", "window", "test", office=TAKEN_IN_AT[1]))
    desk = Counter(f"http://127.0.0.1:{port}", token)
    taken = desk.ask("POST", "/cases", application([APPLICANT | {"hukou_division": hukou}]), key="the-first-case")
    return str(taken["receipt"]["case_id"])


def leg(city: City, case_id: str, role: str) -> Any:
    with city.works["intake"].begin() as work:
        return store.get_leg(work, case_id, role)


def test_a_new_city_joins_by_commands_and_the_first_case_crosses_to_it(
    country: Country, tongban: Tongban, row: Path, home: Path
) -> None:
    root = signed(tongban, country, row)
    tongban("join", root / "roots.json", root / "directory.json")
    baishan = started(country, home)
    published(country, root)
    assert country.cities[SANYA].node.directory.node_of("220602") == BAISHAN
    assert "220600 白山" in tongban("directory", "show")

    case_id = take_in(country, "220602")
    country.settle()
    assert leg(country.cities[SANYA], case_id, "accepting").state == "in_progress"
    assert leg(baishan, case_id, "competent").state == "accepted"


def test_both_ends_read_the_same_fingerprint_to_each_other(
    country: Country, tongban: Tongban, row: Path, tmp_path: Path
) -> None:
    said = tongban("directory", "row", "白山", BAISHAN, "--to", row)
    heard = tongban("directory", "add", tmp_path / "country", row)
    fingerprint = said.strip().rpartition("公钥指纹:")[2]
    assert len(fingerprint) == 39
    assert fingerprint in heard


def test_what_a_row_holds_is_public_and_its_guides_name_the_deciding_offices(row: Path, home: Path) -> None:
    written = json.loads(row.read_text("utf-8"))
    secrets = [
        key["jwk"]["d"] for kind in ("sign", "seal") for key in json.loads((home / "keys.json").read_text())[kind]
    ]
    assert not any(secret in row.read_text("utf-8") for secret in secrets)
    guide = written["guides"]["disability-subsidies"]
    assert [office["code"] for office in guide["offices"]] == ["220602"]
    assert guide["limits"] == {"forward": 3, "decide": 10, "tell": 3}


def test_a_row_that_takes_anothers_division_or_holds_a_private_key_is_refused(
    country: Country, tongban: Tongban, row: Path, home: Path
) -> None:
    root = home.parent / "country"
    good = json.loads(row.read_text("utf-8"))
    secret = json.loads((home / "keys.json").read_text("utf-8"))
    bad = {
        "620100": good | {"divisions": ["620100"]},
        "私钥": good | {"keys": [*secret["sign"], *secret["seal"]]},
        "两种公钥": good | {"keys": good["keys"][:1]},
        "220600#": good | {"keys": [key | {"kid": key["kid"].replace(BAISHAN, SANYA)} for key in good["keys"]]},
        "节点行": [],
    }
    for word, content in bad.items():
        row.write_text(json.dumps(content), "utf-8")
        assert word in tongban("directory", "add", root, row, ends=1)
    assert not (root / "directory.draft.json").exists()


def test_a_directory_that_is_forged_or_does_not_list_our_keys_is_not_laid_in(
    country: Country, tongban: Tongban, row: Path, home: Path, tmp_path: Path
) -> None:
    root = home.parent / "country"
    tongban("directory", "sign", root)
    assert "没有 220600 的密钥" in tongban("join", root / "roots.json", root / "directory.json", ends=1)
    tongban("directory", "add", tmp_path / "forger", row)
    tongban("directory", "sign", tmp_path / "forger")
    tongban("join", root / "roots.json", tmp_path / "forger" / "directory.json", ends=1)
    assert not (home / "directory.json").exists()
    assert not (home / "roots.json").exists()


def test_renewed_keys_come_into_force_only_when_the_directory_lists_them(
    country: Country, tongban: Tongban, row: Path, home: Path
) -> None:
    root = signed(tongban, country, row)
    tongban("join", root / "roots.json", root / "directory.json")
    old = (home / "keys.json").read_bytes()
    tongban("keys", "renew")
    assert (home / "keys.next.json").stat().st_mode & 0o077 == 0
    assert "keys use" in tongban("keys", "renew", ends=1)
    assert "没有 220600 的密钥" in tongban("keys", "use", ends=1)
    assert (home / "keys.json").read_bytes() == old

    leaked = json.loads(old)["sign"][0]["kid"]
    tongban("directory", "row", "白山", BAISHAN, "--without", leaked, "--to", row)
    signed(tongban, country, row)
    tongban("join", root / "roots.json", root / "directory.json")
    tongban("keys", "use")
    assert json.loads((home / "keys.json").read_bytes())["index"] == json.loads(old)["index"]
    assert f"sign {leaked} " not in tongban("directory", "show")
    tongban("directory", "remove", root, BAISHAN)
    tongban("directory", "sign", root)
    assert BAISHAN not in tongban("directory", "show", root / "directory.json")


def test_keys_are_never_made_over_older_ones(tongban: Tongban, home: Path) -> None:
    tongban("keys", "new")
    kept = (home / "keys.json").read_bytes()
    assert "已经存在" in tongban("keys", "new", ends=1)
    assert (home / "keys.json").read_bytes() == kept


def test_a_folder_that_is_not_the_roots_is_signed_by_nobody(tongban: Tongban, tmp_path: Path) -> None:
    assert "请核对文件夹" in tongban("directory", "sign", tmp_path / "typo", ends=1)
    assert not (tmp_path / "typo").exists()


def test_a_root_without_its_keys_signs_nothing_and_makes_no_new_ones(
    country: Country, tongban: Tongban, row: Path
) -> None:
    root = country.cities[SANYA].node.home.parent
    tongban("directory", "add", root, row)
    before = {path.name: path.read_bytes() for path in root.glob("*.json") if path.name != "root-keys.json"}
    (root / "root-keys.json").unlink()
    assert "离线备份" in tongban("directory", "sign", root, ends=1)
    assert {path.name: path.read_bytes() for path in root.glob("*.json")} == before


def test_a_draft_that_outlived_its_signature_is_not_signed_as_the_same_version(
    country: Country, tongban: Tongban, row: Path
) -> None:
    root = country.cities[SANYA].node.home.parent
    tongban("directory", "add", root, row)
    left_behind = (root / "directory.draft.json").read_bytes()
    [first, second] = [version_signed(tongban, root, left_behind) for _ in range(2)]
    assert second == first + 1


def version_signed(tongban: Tongban, root: Path, draft: bytes) -> int:
    (root / "directory.draft.json").write_bytes(draft)
    tongban("directory", "sign", root)
    return int(json.loads(json.loads((root / "directory.json").read_text("utf-8"))["document"])["version"])


def process(home: Path, name: str) -> str:
    """What `tongban <name>` says before it ends with 1."""
    env = {"TONGBAN_NODE": BAISHAN, "TONGBAN_HOME": str(home), "PYTHONUTF8": "1"}
    command = [str(Path(sys.executable).with_name("tongban")), name]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    return done.stderr


def test_the_home_of_another_city_is_refused_before_anything_is_made(
    country: Country, tongban: Tongban, row: Path, home: Path
) -> None:
    root = signed(tongban, country, row)
    (home / "keys.json").write_bytes((root / SANYA / "keys.json").read_bytes())
    assert f"{SANYA} 的密钥" in tongban("join", root / "roots.json", root / "directory.json", ends=1)
    for name in ("relay", "http"):  # as processes: what they set up for themselves would stay with us
        assert f"{SANYA} 的密钥" in process(home, name)
    assert not (home / "directory.json").exists()


@pytest.mark.parametrize("here", ["", "half a directo"])
def test_joining_that_was_interrupted_while_the_root_changed_is_finished_by_running_it_again(
    country: Country, tongban: Tongban, row: Path, home: Path, tmp_path: Path, here: str
) -> None:
    root = signed(tongban, country, row)
    tongban("join", root / "roots.json", root / "directory.json")
    other = tmp_path / "another-root"
    tongban("directory", "add", other, row)
    tongban("directory", "sign", other)
    (home / "roots.json").write_bytes((other / "roots.json").read_bytes())  # and then the power went
    if here:
        (home / "directory.json").write_text(here, "utf-8")
    tongban("join", other / "roots.json", other / "directory.json")
    assert Node(BAISHAN, home).directory.version == 1


def test_another_root_does_not_lay_in_an_older_directory(
    country: Country, tongban: Tongban, row: Path, home: Path, tmp_path: Path
) -> None:
    root = signed(tongban, country, row)
    tongban("join", root / "roots.json", root / "directory.json")
    version = Node(BAISHAN, home).directory.version
    tongban("directory", "add", tmp_path / "another-root", row)
    tongban("directory", "sign", tmp_path / "another-root")
    other = tmp_path / "another-root"
    assert "更新的节点目录" in tongban("join", other / "roots.json", other / "directory.json", ends=1)
    assert Node(BAISHAN, home).directory.version == version
