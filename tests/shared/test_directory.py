"""Who answers for which division, whose keys count on which day, and which office may do what."""

import copy
import datetime
import json
import os
from pathlib import Path
from typing import Any

import pytest

from contracts.envelope import Json
from deploy.homes import CITIES, SEED, directory_document, make_root
from shared import clock
from shared.calendar import RestDays
from shared.crypto.keys import NodeKeys, new_keys, node_keys, public_keys
from shared.directory import (
    OFFICE_COLUMNS,
    Directory,
    Node,
    Offices,
    open_directory,
    read_offices,
    sign_directory,
    stem,
)
from shared.errors import Denied, NotFound, Refused
from tests.builders import make_node, make_nodes

DAY = datetime.date(2025, 10, 9)
NOON = datetime.datetime(2025, 10, 9, 4, tzinfo=datetime.UTC)
HEADER = ",".join(OFFICE_COLUMNS)


def key(kid: str, purpose: str = "sign", first: str = "2025-01-01", end: str = "2026-01-01") -> Json:
    return {"kid": kid, "purpose": purpose, "alg": "EdDSA", "jwk": {}, "not_before": first, "not_after": end}


def directory(**divisions: list[str]) -> Directory:
    nodes = {code[1:]: {"name": f"n{code}", "divisions": listed, "keys": []} for code, listed in divisions.items()}
    return Directory(1, NOON, nodes)


def with_keys(*keys: Json) -> Directory:
    return Directory(1, NOON, {"620100": {"name": "兰州", "divisions": ["620100"], "keys": list(keys)}})


def refused(kind: type[Exception], code: str, act: Any, *given: Any) -> Any:
    with pytest.raises(kind) as caught:
        act(*given)
    assert getattr(caught.value, "code", "") == code
    return caught.value


@pytest.mark.parametrize(
    ("division", "leading"),
    [
        ("620000", "62"),
        ("620100", "6201"),
        ("460400", "4604"),
        ("620102", "620102"),
        ("620102001", "620102001"),
        ("620102001001", "620102001001"),
        ("110100", "1101"),
    ],
)
def test_a_division_shares_its_leading_digits_with_all_below(division: str, leading: str) -> None:
    assert stem(division) == leading


def test_the_longest_prefix_says_who_answers() -> None:
    joined = directory(n620000=["620000"], n620100=["620100"], n620102=["620102", "620103001"])
    assert joined.node_of("620102001001") == "620102"
    assert joined.node_of("620102") == "620102"
    assert joined.node_of("620103001002") == "620102"
    assert joined.node_of("620103002") == "620100"
    assert joined.node_of("620103") == "620100"
    assert joined.node_of("620100") == "620100"
    assert joined.node_of("620402") == "620000"
    assert joined.node_of("620000") == "620000"


@pytest.mark.parametrize("division", ["630102", "630000", "6", "", "421202"])
def test_a_division_nobody_answers_for_is_refused_with_advice(division: str) -> None:
    said = refused(Refused, "division_not_joined", directory(n620100=["620100"]).node_of, division)
    assert "当地窗口" in said.message


def test_a_county_that_is_a_node_answers_for_itself_only() -> None:
    joined = directory(n421202=["421202"])
    assert joined.node_of("421202001") == "421202"
    refused(Refused, "division_not_joined", joined.node_of, "421203")
    refused(Refused, "division_not_joined", joined.node_of, "421200")


def test_a_node_is_called_by_its_name_or_by_its_code() -> None:
    assert directory(n620100=["620100"]).name_of("620100") == "nn620100"
    assert directory().name_of("620100") == "620100"


@pytest.mark.parametrize(
    ("on", "valid"),
    [("2024-12-31", False), ("2025-01-01", True), ("2025-12-31", True), ("2026-01-01", False)],
)
def test_a_key_counts_from_its_first_day_to_the_day_before_its_end(on: str, valid: bool) -> None:
    joined, day = with_keys(key("a")), datetime.date.fromisoformat(on)
    if valid:
        assert joined.key("a", "sign", day)["node"] == "620100"
    else:
        refused(Denied, "signature_unknown_key", joined.key, "a", "sign", day)


def test_a_key_counts_for_its_purpose_only() -> None:
    joined = with_keys(key("a", "seal"))
    refused(Denied, "signature_unknown_key", joined.key, "a", "sign", DAY)
    refused(Denied, "signature_unknown_key", joined.key, "b", "seal", DAY)


def test_one_seals_with_the_newest_valid_key() -> None:
    old, new, next_year = key("a", "seal"), key("b", "seal", "2025-10-01"), key("c", "seal", "2025-12-01")
    joined = with_keys(old, key("d", "sign", "2025-10-05"), new, next_year)
    assert joined.sealing_key("620100", DAY)["kid"] == "b"
    assert joined.sealing_key("620100", datetime.date(2025, 9, 30))["kid"] == "a"
    refused(Denied, "no_sealing_key", joined.sealing_key, "620100", datetime.date(2026, 1, 1))
    refused(Denied, "no_sealing_key", joined.sealing_key, "371000", DAY)


def test_a_directory_is_stale_when_it_is_older_than_a_day() -> None:
    joined = directory()
    assert not joined.is_stale(NOON + datetime.timedelta(hours=24))
    assert joined.is_stale(NOON + datetime.timedelta(hours=24, microseconds=1))


def root_of(keys: NodeKeys) -> Any:
    rows = {row["kid"]: row["jwk"] for row in public_keys(keys) if row["purpose"] == "sign"}

    def known(kid: str) -> Any:
        if kid not in rows:
            raise Denied("signature_unknown_key")
        return rows[kid]

    return known


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> NodeKeys:
    return make_root(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def signed(root: NodeKeys) -> str:
    lanzhou = node_keys(new_keys("620100", issued_on=DAY))
    return sign_directory(directory_document({"620100": lanzhou}, 7), root)


def test_a_directory_its_root_signed_is_opened(root: NodeKeys, signed: str) -> None:
    opened = open_directory(signed, root_of(root))
    assert opened.version == 7
    assert opened.node_of("620102") == "620100"
    assert opened.issued_at.utcoffset() == datetime.timedelta(0)
    rows = {row["prefix"]: (row["node"], row["epoch"]) for row in opened.authorities}
    assert rows == {"990104": ("620100", 1), "6201": ("620100", 1)}
    assert opened.sealing_key("620100", DAY)


@pytest.mark.parametrize(
    ("old", "new"), [("兰州", "威海"), ("620100", "371000"), ('"version": 7', '"version": 8'), ("}", "} ")]
)
def test_a_directory_changed_by_one_word_is_denied(root: NodeKeys, signed: str, old: str, new: str) -> None:
    file = json.loads(signed)
    changed = file["document"].replace(old, new, 1)
    assert changed != file["document"]
    refused(Denied, "signature_wrong", open_directory, json.dumps(file | {"document": changed}), root_of(root))


def test_a_directory_of_an_unknown_root_is_denied(root: NodeKeys) -> None:
    stranger = node_keys(new_keys("000000", issued_on=datetime.date(2020, 1, 1)))
    signed = sign_directory({"version": 9}, stranger)
    refused(Denied, "signature_unknown_key", open_directory, signed, root_of(root))


def test_a_root_of_the_same_name_with_another_key_is_denied(root: NodeKeys) -> None:
    kid = root.signer.kid
    document = new_keys("000000", issued_on=clock.today())
    assert document["sign"][-1]["kid"] == kid
    signed = sign_directory({"version": 9}, node_keys(document))
    refused(Denied, "signature_wrong", open_directory, signed, root_of(root))


def test_a_node_trusts_its_own_roots_only(tmp_path: Path) -> None:
    node = make_node(tmp_path / "a")
    assert node.directory.version > 0
    foreign = (make_node(tmp_path / "b").home / "directory.json").read_text("utf-8")
    (node.home / "directory.json").write_text(foreign, "utf-8")
    with pytest.raises(Denied):
        _ = node.directory


def test_a_replaced_directory_is_read_again(tmp_path: Path) -> None:
    nodes = make_nodes(tmp_path, "460200", "620100")
    node = nodes["460200"]
    first = node.directory
    assert node.directory is first
    later = sign_directory(directory_document({code: n.keys for code, n in nodes.items()}, 10**12), make_root(tmp_path))
    path = node.home / "directory.json"
    (node.home / "directory.new").write_text(later, "utf-8")
    os.utime(node.home / "directory.new", ns=(1, path.stat().st_mtime_ns + 1))
    (node.home / "directory.new").replace(path)
    assert node.directory.version == 10**12


def row(**changed: str) -> str:
    plain = {
        "code": "620102",
        "name": "城关区民政局",
        "tier": "county",
        "parent": "",
        "division": "620102",
        "organisation": "民政",
        "organisation_code": "",
        "powers": "take_in:* decide:orphan-recognition",
        "phone": "",
        "valid_from": "",
        "valid_until": "",
    }
    return ",".join((plain | changed)[name] for name in OFFICE_COLUMNS)


def offices(*rows: str) -> Offices:
    return read_offices([HEADER, *rows])


def test_an_office_may_do_what_it_has_the_power_for() -> None:
    office = offices(row()).get("620102")
    assert office.may("take_in", "anything", DAY)
    assert office.may("decide", "orphan-recognition", DAY)
    assert not office.may("decide", "disability-subsidies", DAY)
    assert not office.may("check", "orphan-recognition", DAY)


@pytest.mark.parametrize(
    ("column", "value", "rests"),
    [
        ("", "", RestDays.WEEKENDS_AND_HOLIDAYS),
        (",rest_days", "", RestDays.WEEKENDS_AND_HOLIDAYS),
        (",rest_days", ",", RestDays.WEEKENDS_AND_HOLIDAYS),
        (",rest_days", ", holidays ", RestDays.HOLIDAYS),
        (",rest_days", ",none", RestDays.NONE),
    ],
)
def test_an_office_rests_as_the_calendar_unless_the_table_says_otherwise(
    column: str, value: str, rests: RestDays
) -> None:
    assert read_offices([HEADER + column, row() + value]).get("620102").rest_days is rests


def test_a_way_to_rest_that_nobody_knows_is_a_faulty_line() -> None:
    with pytest.raises(Refused, match="sundays"):
        read_offices([HEADER + ",rest_days", row() + ",sundays"])


@pytest.mark.parametrize(
    ("on", "is_open"), [("2020-12-31", False), ("2021-01-01", True), ("2024-06-30", True), ("2024-07-01", False)]
)
def test_an_office_may_do_nothing_before_it_opens_and_after_it_closes(on: str, is_open: bool) -> None:
    office = offices(row(valid_from="2021-01-01", valid_until="2024-07-01")).get("620102")
    assert office.may("take_in", "x", datetime.date.fromisoformat(on)) is is_open


@pytest.mark.parametrize(
    ("of", "division", "covered"),
    [
        ("620102", "620102", True),
        ("620102", "620102001001", True),
        ("620102", "620103", False),
        ("620100", "620102001", True),
        ("620000", "620102001", True),
        ("620102001", "620102", True),  # only the county is known: every street of it may be the one
        ("620102001", "620102002", False),
        ("620102001", "620100", True),
        ("620102001", "460200", False),
    ],
)
def test_an_office_covers_what_lies_in_its_division(of: str, division: str, covered: bool) -> None:
    assert offices(row(division=of)).get("620102").covers(division) is covered


def test_competent_are_the_open_offices_with_the_power_there() -> None:
    known = offices(
        row(),
        row(code="620103", division="620103"),
        row(code="old", valid_until="2025-10-09"),
        row(code="other", powers="take_in:*"),
    )
    found = known.competent("decide", "orphan-recognition", "620102001", DAY)
    assert [office.code for office in found] == ["620102"]


def test_an_unknown_office_is_not_found_and_named() -> None:
    assert "999" in refused(NotFound, "office_unknown", offices(row()).get, "999").message


def test_all_faults_of_an_office_table_are_told_at_once_with_their_lines() -> None:
    said = refused(
        Refused,
        "offices_invalid",
        offices,
        row(),
        row(code="a", tier="moon"),
        "",
        row(code="b", division="62010"),
        row(code="c", division="兰州"),
        row(code=""),
        row(),
        row(code="d", valid_from="soon"),
        row(code="e", parent="nobody"),
        "too,short",
    ).message
    faults = [line.partition(":") for line in said.splitlines()[1:]]
    told = {line: why for line, _, why in faults}
    assert list(told) == ["第3行", "第5行", "第6行", "第7行", "第8行", "第9行", "第10行", "第11行"]
    assert "moon" in told["第3行"] or "tier" in told["第3行"]
    assert "620102" in told["第8行"]
    assert "nobody" in told["第10行"]


def test_a_table_without_a_fault_is_taken_as_a_whole() -> None:
    known = offices(row(), row(code="620102001", tier="township", parent="620102", division="620102001"))
    assert set(known.by_code) == {"620102", "620102001"}


@pytest.mark.parametrize("city", CITIES, ids=lambda city: city.code)
def test_the_offices_of_every_city_can_be_read(city: Any) -> None:
    known = read_offices((SEED / "offices" / f"{city.code}.csv").read_text("utf-8").splitlines())
    assert known.competent("take_in", "disability-subsidies", city.code, DAY)


def test_a_table_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    node = make_node(tmp_path)
    (node.home / "offices.csv").write_text("\r\n".join([HEADER, row(), ""]), "utf-8-sig")
    assert Node(node.code, node.home).offices.get("620102").name == "城关区民政局"


def test_an_office_table_replaced_by_a_faulty_one_is_refused(tmp_path: Path) -> None:
    node = make_node(tmp_path)
    assert node.offices.by_code
    path = node.home / "offices.csv"
    stamp = path.stat().st_mtime_ns
    path.write_text(f"{HEADER}\n{row(tier='moon')}\n", "utf-8")
    os.utime(path, ns=(1, stamp + 1))
    with pytest.raises(Refused, match="第2行"):
        _ = node.offices


def test_what_a_directory_says_is_not_changed_by_asking() -> None:
    joined = with_keys(key("a"))
    before = copy.deepcopy(joined.nodes)
    joined.key("a", "sign", DAY)
    assert joined.nodes == before
