"""What a node publishes of the matters it decides."""

import datetime
from dataclasses import replace
from pathlib import Path

from contracts.matters import find_matter
from deploy.homes import SEED, guides
from services.web.usecases.reference import get_guide
from shared import clock
from shared.directory import Offices, read_offices
from tests.builders import make_nodes

MATTER = "disability-subsidies"
DAY = datetime.date(2026, 3, 2)


def offices(code: str) -> Offices:
    return read_offices((SEED / "offices" / f"{code}.csv").read_text("utf-8-sig").splitlines())


def test_every_city_publishes_a_guide_of_what_it_decides_with_whom_to_ask(tmp_path: Path) -> None:
    nodes = make_nodes(tmp_path)
    directory = nodes["460200"].directory
    assert all(MATTER in row["guides"] for row in directory.nodes.values())
    shown = get_guide(nodes["460200"], "620102", MATTER, clock.today())
    assert shown["source"] == "directory"
    assert {"code": "620102", "name": "城关区民政局", "phone": "0000-12345"} in shown["guide"]["offices"]
    assert shown["guide"]["remedies"], "what the city does not say itself stays the matter's own"


def test_a_guide_says_what_the_matter_says() -> None:
    matter, guide = find_matter(MATTER, DAY), guides(offices("620100"), DAY)[MATTER]
    assert matter is not None
    assert guide["version"] == matter.version
    assert [material["code"] for material in guide["materials"]] == [spec["code"] for spec in matter.materials]
    assert [proof["name"] for proof in guide["forbidden_proofs"]] == [spec["name"] for spec in matter.forbidden_proofs]
    assert guide["limits"] == {"forward": 3, "decide": 10, "tell": 3}


def test_a_matter_with_a_step_that_no_office_here_may_do_has_no_guide() -> None:
    able = offices("620100").by_code.values()
    assert MATTER not in guides(Offices(office for office in able if not office.may("review", MATTER, DAY)), DAY)
    ended = [replace(office, valid_until=DAY) if office.may("decide", MATTER, DAY) else office for office in able]
    assert MATTER not in guides(Offices(ended), DAY)
