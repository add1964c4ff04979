"""docker-compose.yml: it is what the process list says, and its containers may do no more than they must."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import compose
from deploy.homes import SEED
from deploy.processes import FULL

ROOT = compose.FILE.parent
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
LINTED = ("docker-compose.yml", ".compose-lint.yml", "deploy/Dockerfile")
PROGRAMS = Path(sys.executable).parent
STACK: dict[str, Any] = yaml.safe_load(compose.compose())
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
OURS = {name: row for name, row in SERVICES.items() if row["image"] == "tongban:dev"}


def test_the_committed_files_are_what_the_generator_writes() -> None:
    again = "run python -m deploy.compose"
    assert compose.FILE.read_text() == compose.compose(), again
    assert compose.HUB_FILE.read_text() == compose.hub_definitions(), again


def test_every_process_of_every_city_has_one_container() -> None:
    expected = {f"{process.name}-{code}": list(process.command) for code in compose.CODES for process in FULL}
    assert {name: row["command"] for name, row in OURS.items() if name != "setup"} == expected


def mounts(name: str) -> dict[str, str]:
    """The named volumes of a container, by the folder where each appears."""
    pairs = [volume.split(":")[:2] for volume in SERVICES[name].get("volumes", [])]
    return {folder: volume for volume, folder in pairs if not volume.startswith("./")}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_writes_only_into_its_volumes_and_has_no_rights(name: str) -> None:
    row = SERVICES[name]
    assert row["read_only"]
    assert row["cap_drop"] == ["ALL"]
    assert "cap_add" not in row
    assert row["security_opt"] == ["no-new-privileges:true"]
    assert set(row["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}


def test_no_container_runs_as_root() -> None:
    users = {name: row["user"] for name, row in SERVICES.items() if name not in OURS}
    assert set(users.values()) == {"postgres", "rabbitmq"}
    (image_user,) = [line for line in DOCKERFILE if line.startswith("USER ")]
    assert image_user == "USER 10001:10001"
    assert not any("user" in row for row in OURS.values())


@pytest.mark.parametrize("name", [name for name in OURS if name != "setup"])
def test_a_process_sees_the_home_of_its_own_city_and_nothing_else(name: str) -> None:
    variables = OURS[name]["environment"]
    assert mounts(name) == {variables["TONGBAN_HOME"]: f"home-{variables['TONGBAN_NODE']}"}


def test_only_the_setup_which_ends_sees_the_key_of_the_root() -> None:
    homes = {f"/var/lib/tongban/{code}": f"home-{code}" for code in compose.CODES}
    assert mounts("setup") == {"/var/lib/tongban": "root"} | homes
    assert SERVICES["setup"]["restart"] == "no"
    assert [name for name in SERVICES if "root" in mounts(name).values()] == ["setup"]


@pytest.mark.parametrize("volume", STACK["volumes"])
def test_no_two_cities_share_a_volume(volume: str) -> None:
    users = {name for name in SERVICES if volume in mounts(name).values()} - {"setup"}
    assert len({name.split("-")[-1] for name in users}) == (0 if volume == "root" else 1)


def test_the_image_has_a_folder_of_its_user_for_every_home() -> None:
    assert any("deploy/seed/offices/*.csv" in line for line in DOCKERFILE)
    assert all((SEED / "offices" / f"{code}.csv").exists() for code in compose.CODES)


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_listens_beyond_this_machine(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "setup"])
def test_every_container_that_stays_up_tells_how_it_is(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_cities_meet_only_at_the_hub() -> None:
    inside = {
        code: {name for name, row in SERVICES.items() if f"city-{code}" in row["networks"]} for code in compose.CODES
    }
    first, second = (inside[code] for code in compose.CODES)
    assert first & second == {"setup"}
    at_the_hub = {name for name, row in SERVICES.items() if "backbone" in row["networks"]}
    assert at_the_hub == {"hub", *(f"exchange-{code}" for code in compose.CODES)}
    open_networks = {name for name, row in STACK["networks"].items() if not row.get("internal")}
    assert open_networks == {f"front-{code}" for code in compose.CODES}
    assert {name for name, row in SERVICES.items() if open_networks & set(row["networks"])} == {
        f"http-{code}" for code in compose.CODES
    }


@pytest.mark.parametrize("code", compose.CODES)
def test_what_sits_at_the_hub_shows_its_figures_to_its_own_city_only(code: str) -> None:
    row = SERVICES[f"exchange-{code}"]
    host = row["environment"]["TONGBAN_METRICS_HOST"]
    assert {name for name, way in row["networks"].items() if host in way.get("aliases", ())} == {f"city-{code}"}
    shown_everywhere = [row for row in OURS.values() if "TONGBAN_METRICS_HOST" not in row.get("environment", {})]
    assert not any("backbone" in row["networks"] for row in shown_everywhere)


def test_each_service_logs_in_with_its_own_role_and_without_a_password_in_its_settings() -> None:
    logins = [row["environment"]["TONGBAN_DATABASE_URL"] for name, row in OURS.items() if name != "setup"]
    users = [url.split("//")[1].split("@")[0] for url in logins]
    assert not any(":" in user for user in users)
    assert len(set(users)) == len(compose.CODES) * len({process.role for process in FULL})


def test_the_hub_knows_the_users_that_the_cities_log_in_as() -> None:
    users = {user["name"] for user in json.loads(compose.hub_definitions())["users"]}
    assert users == {*compose.CODES, "operator"}


@pytest.mark.parametrize(
    "command",
    [
        ["compose-lint", "check", "--strict-config", "--fail-on", "low", "docker-compose.yml"],
        ["hadolint", "deploy/Dockerfile"],
    ],
)
def test_the_linters_find_nothing(command: list[str], tmp_path: Path) -> None:
    for name in LINTED:  # compose-lint also judges where the checkout lies, e.g. in the superuser's home
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    program = [PROGRAMS / command[0], *command[1:]]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_gets_exactly_what_the_dockerfile_copies() -> None:
    copied = {name for line in DOCKERFILE if line.startswith("COPY ") for name in line.split()[1:-1]}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == let_in
