"""The bench of weddings: its couples may marry, and its yardstick hears what our services hear."""

import json
from collections import Counter, deque
from pathlib import Path

from sqlalchemy import func, select

from contracts import certificate, claims, intake, marriage
from contracts.envelope import every_contract, read_data, read_personal
from deploy.homes import AUTHORITIES
from services.main.city import Country
from services.main.wiring import SERVICES
from shared import clock, identity
from shared.outbox import inbox
from tests.bench import bare
from tests.bench import bare_wedding as steps
from tests.bench.bare_steps import Json
from tests.bench.cities import ACCEPTING, CODES, COMPETENT, THIRD
from tests.bench.weddings import OFFICES, Hall, Ways, personal

SAID = every_contract(intake, marriage, claims, certificate)


def city(code: str) -> bare.City:
    return bare.City("wedding", code, dict.fromkeys(steps.PLAY.routes[code], ""), "", "", "", "")


def heard_by_the_yardstick() -> Counter[tuple[str, str]]:
    """How many messages each of its services of each city hears in a wedding."""
    heard = Counter[tuple[str, str]]()
    waiting = deque((ACCEPTING, ACCEPTING, kind) for kind in (steps.TAKE_IN, steps.EXAMINE, steps.REGISTER))
    while waiting:
        source, node, kind = waiting.popleft()
        wire: Json = {"source": f"urn:tongban:node:{source}", "type": kind}
        for service in steps.PLAY.services:
            if step := steps.WEDDING.get((service, kind, False)):
                heard[node, service] += 1
                waiting += [(node, to or node, word) for word, to in bare.told_after(city(node), step, wire)]
    return heard


def heard_by_ours(folder: Path) -> Counter[tuple[str, str]]:
    """The same of our services, embedded."""
    country = Country(folder, CODES)
    try:
        at = Hall(country.cities[ACCEPTING].works["web"])
        [case_id] = at.apply()
        country.settle()
        for version, verb in enumerate(("examine", "register"), 1):
            at.act([(OFFICES[0], case_id, version, verb)])
            country.settle()
        heard = Counter[tuple[str, str]]()
        for node, service in ((node, service) for node in CODES for service in SERVICES):
            with country.cities[node].works[service].begin() as work:
                heard[node, service] = work.execute(select(func.count()).select_from(inbox)).scalar_one()
        return +heard
    finally:
        country.stop()


def test_the_yardstick_hears_as_many_messages_in_a_wedding_as_our_services_do(tmp_path: Path) -> None:
    assert heard_by_the_yardstick() == heard_by_ours(tmp_path)


def test_every_message_of_the_yardstick_could_be_read_by_our_services() -> None:
    for kind, wire in steps.PLAY.messages.items():
        assert read_data(SAID[kind], wire["data"]) is not None
        secret = steps.PLAY.secrets[kind]
        assert (secret is None) == (SAID[kind].Personal is None)
        if secret is not None:
            assert read_personal(SAID[kind], json.loads(secret))


def test_each_couple_is_new_and_its_claims_lie_in_two_other_cities() -> None:
    numbers = [party["id_number"] for couple in range(3000) for party in personal(couple)["parties"]]
    assert len(set(numbers)) == len(numbers)
    read = [identity.citizen_number(number, clock.today()) for number in numbers]
    assert {AUTHORITIES[one.division] for one in read[::2]} == {COMPETENT}
    assert {AUTHORITIES[one.division] for one in read[1::2]} == {THIRD}
    assert {one.sex for one in read[::2]} == {"male"}
    assert {one.sex for one in read[1::2]} == {"female"}


class Seen:
    """A database whose answers are known before."""

    def __init__(self, *answers: dict[str, str]) -> None:
        self.answers = list(answers)

    def execute(self, _statement: str) -> "Seen":
        return self

    def fetchall(self) -> list[tuple[str, str]]:
        return list(self.answers.pop(0).items())


def test_a_case_that_was_confirming_and_is_open_no_more_has_its_locks() -> None:
    ways = Ways(Seen({"a": "asked", "b": "asked"}, {"a": "held", "b": "confirming"}, {"a": "held"}))
    for _ in range(3):
        ways.look()
    assert len(ways.times("asked", "held")) == 1
    assert len(ways.times("confirming", "locked")) == 1
