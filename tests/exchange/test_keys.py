"""A city renews its keys while others write to it: day by day, nothing sealed for it stays closed."""

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.homes import directory_document, make_root
from services.exchange.usecases.directories import take_directory
from services.main import join
from shared import clock
from shared.crypto.keys import NodeKeys, load_keys
from shared.directory import NEXT_KEYS, Node, sign_directory
from tests.builders import stop_clock
from tests.exchange.cities import City, forwarded, make_cities, new_case

Days = Callable[[int], None]


@pytest.fixture
def days_pass(monkeypatch: pytest.MonkeyPatch) -> Days:
    hand = stop_clock(monkeypatch, "2025-10-15T01:00:00.000000Z")

    def forward(days: int) -> None:
        hand.at += datetime.timedelta(days=days)

    return forward


def publish(folder: Path, cities: list[City], renewed: NodeKeys) -> None:
    """A directory in which `renewed` stands for its node, taken by every city."""
    keys = {city.code: city.node.keys for city in cities} | {renewed.node: renewed}
    document = directory_document(keys, cities[0].node.directory.version + 1)
    for city in cities:
        assert take_directory(city.works, sign_directory(document, make_root(folder)))
        city.told()


def arrives(giver: City, taker: City) -> bool:
    """Whether a case with sealed parties, sent now, is let in; what is not lies in quarantine."""
    return len(taker.gets(*giver.sends(forwarded(giver, new_case(), taker.code)))) == 1 and taker.codes() == []


def restarted(city: City) -> City:
    """The city's next process: same home, same database."""
    return City(city.code, Node(city.code, city.node.home), city.works.engine)


def test_nothing_is_quarantined_while_a_city_renews_its_keys(tmp_path: Path, days_pass: Days) -> None:
    cities = make_cities(tmp_path)
    sanya, lanzhou, _ = cities
    home = lanzhou.node.home
    days_pass(300)
    join.renew_keys(home, "ed25519")
    assert arrives(sanya, lanzhou)

    days_pass(1)
    publish(tmp_path, cities, load_keys(home / NEXT_KEYS))
    assert sanya.node.directory.sealing_key(lanzhou.code, clock.today())["kid"] not in lanzhou.node.keys.sealing
    assert arrives(sanya, lanzhou)  # peers seal for the new key, the owner has not put it into force

    days_pass(9)
    assert arrives(sanya, lanzhou)
    join.use_keys(home)
    assert arrives(sanya, lanzhou)  # the process that runs has begun with the old keys

    later = restarted(lanzhou)
    days_pass(1)
    assert arrives(sanya, later)
    assert arrives(later, sanya)
