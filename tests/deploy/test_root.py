"""The root's table of authorities: who guards which prefix, and in which epoch."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from contracts.matters import every_matter
from deploy import root
from deploy.homes import AUTHORITIES, CITIES, make_homes
from services.main.cli import cli
from shared.directory import FOREIGN, Node, authority_row
from shared.errors import NotFound, Refused
from tests.builders import FIVE, LANZHOU, SANYA, WEIHAI

DONGBEI = "22"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The root's own, with the five cities in its first directory."""
    make_homes(tmp_path, FIVE)
    return tmp_path


def table(folder: Path) -> dict[str, tuple[str, int]]:
    """What is signed, as every city reads it."""
    home = folder / SANYA
    (home / "directory.json").write_text((folder / "directory.json").read_text("utf-8"), "utf-8")
    return {row["prefix"]: (row["node"], row["epoch"]) for row in Node(SANYA, home).directory.authorities}


def document(folder: Path) -> Any:
    return json.loads(json.loads((folder / "directory.json").read_text("utf-8"))["document"])


def test_every_city_guards_the_prefixes_of_its_own_divisions_and_one_the_foreign_documents(folder: Path) -> None:
    signed = table(folder)
    assert {prefix: node for prefix, (node, _) in signed.items()} == AUTHORITIES
    assert {epoch for _, epoch in signed.values()} == {1}
    rows = document(folder)["authorities"]
    for city in CITIES:
        for office in Node(city.code, folder / city.code).offices.by_code.values():
            if any(power.startswith("register:") for power in office.powers):
                number = f"J{office.division}-2025-000001"
                assert authority_row("marriage", number, rows)["node"] == city.code
    assert authority_row("passport", "E1234567", rows)["node"] == AUTHORITIES[FOREIGN]


def test_a_citizen_whose_prefix_nobody_guards_is_not_guarded_by_whoever_guards_foreign_documents(folder: Path) -> None:
    with pytest.raises(Refused, match="authority_missing"):
        authority_row("citizen", "220602189001010000", document(folder)["authorities"])


def test_a_new_prefix_begins_in_its_first_epoch(folder: Path) -> None:
    assert root.set_authority(folder, DONGBEI, WEIHAI) == {"prefix": DONGBEI, "node": WEIHAI, "epoch": 1}
    assert DONGBEI not in table(folder)  # not before it is signed
    root.sign(folder)
    assert table(folder)[DONGBEI] == (WEIHAI, 1)


@pytest.mark.parametrize("prefix", ["990104", "6201", FOREIGN])
def test_a_prefix_that_moves_begins_its_next_epoch_with_every_move_that_is_signed(folder: Path, prefix: str) -> None:
    before = table(folder)
    home = before[prefix][0]
    elsewhere = WEIHAI
    for epoch, node in enumerate((elsewhere, home, elsewhere), start=2):
        root.set_authority(folder, prefix, node)
        root.sign(folder)
        assert table(folder) == before | {prefix: (node, epoch)}


def test_a_prefix_that_moves_says_from_whom_its_ledger_is_to_be_believed(folder: Path) -> None:
    moved = {"prefix": "990104", "node": WEIHAI, "epoch": 2, "before": LANZHOU}
    assert root.set_authority(folder, "990104", WEIHAI) == moved
    root.sign(folder)
    assert root.set_authority(folder, "990104", WEIHAI) == moved


def test_a_move_that_is_taken_back_or_changed_before_the_signature_has_not_happened(folder: Path) -> None:
    before = table(folder)
    for node in (WEIHAI, SANYA, WEIHAI, LANZHOU):
        root.set_authority(folder, "6201", node)
    root.sign(folder)
    assert table(folder) == before
    for node in (SANYA, WEIHAI, WEIHAI):
        root.set_authority(folder, "6201", node)
    root.sign(folder)
    assert table(folder)["6201"] == (WEIHAI, 2)


def test_a_prefix_is_guarded_by_nobody_who_is_not_in_the_directory(folder: Path) -> None:
    for prefix in (DONGBEI, "6201"):
        with pytest.raises(NotFound, match="node_unknown"):
            root.set_authority(folder, prefix, "220600")
    assert not (folder / root.DRAFT).exists()


@pytest.mark.parametrize("prefix", ["620102", "62010"])
def test_a_part_of_a_guarded_prefix_stays_with_it(folder: Path, prefix: str) -> None:
    with pytest.raises(Refused, match="prefix_guarded"):
        root.set_authority(folder, prefix, LANZHOU)
    assert not (folder / root.DRAFT).exists()


@pytest.mark.parametrize("prefix", ["9901041", "6", "", "兰州", "62-1", "foreign2"])
def test_what_is_no_prefix_is_guarded_by_nobody(folder: Path, prefix: str) -> None:
    with pytest.raises(Refused, match="prefix_malformed"):
        root.set_authority(folder, prefix, LANZHOU)


def test_a_wider_prefix_takes_nothing_from_a_narrower_one(folder: Path) -> None:
    root.set_authority(folder, "62", WEIHAI)
    root.sign(folder)
    rows = document(folder)["authorities"]
    assert authority_row("citizen", "620102189001010000", rows)["node"] == LANZHOU
    assert authority_row("citizen", "620200189001010000", rows)["node"] == WEIHAI


def test_a_node_leaves_the_directory_only_when_it_guards_nothing(folder: Path) -> None:
    with pytest.raises(Refused, match="node_guards") as refused:
        root.remove_row(folder, LANZHOU)
    assert "990104、6201" in refused.value.message
    for prefix in ("990104", "6201"):
        root.set_authority(folder, prefix, WEIHAI)
    root.remove_row(folder, LANZHOU)
    root.sign(folder)
    assert LANZHOU not in {node["code"] for node in document(folder)["nodes"]}


def test_the_command_says_which_term_begins_and_the_directory_shows_who_guards(folder: Path) -> None:
    env = {"TONGBAN_NODE": SANYA, "TONGBAN_HOME": str(folder / SANYA)}

    def tongban(*words: str, ends: int = 0) -> str:
        answer = CliRunner().invoke(cli, ["directory", *words], env=env)
        assert answer.exit_code == ends, answer.output
        return answer.output

    said = tongban("authority", str(folder), "6201", "--node", WEIHAI)
    assert "第 2 任" in said
    assert "移交" in said
    assert "移交" not in tongban("authority", str(folder), DONGBEI, "--node", SANYA)
    tongban("sign", str(folder))
    shown = tongban("show", str(folder / "directory.json"))
    assert f"号段 6201 由 {WEIHAI} 主管,第 2 任" in shown
    assert f"号段 {FOREIGN} 由 {SANYA} 主管,第 1 任" in shown
    assert "220600" in tongban("authority", str(folder), DONGBEI, "--node", "220600", ends=1)


def test_every_city_publishes_a_guide_of_every_matter(folder: Path) -> None:
    names = {matter.matter for matter in every_matter()}
    assert all(set(node["guides"]) == names for node in document(folder)["nodes"])
