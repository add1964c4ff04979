"""The gateway on both hubs, and its crashes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contracts.envelope import decode
from contracts.exchange import LogAnchoredV1
from contracts.intake import ApplicationForwardedV1
from services.exchange import rules
from services.exchange.service.gateway import Gateway
from services.exchange.service.hub import Hub
from services.exchange.service.link import LOST
from services.exchange.service.pika_hub import PikaHub
from services.exchange.service.sqlite_hub import SqliteHub
from services.exchange.service.timers import doors
from services.exchange.store import tables
from services.exchange.usecases import proofs
from services.exchange.usecases.sending import redrive
from shared import clock
from shared.errors import Denied
from shared.outbox import Work, Works
from tests.exchange.cities import LANZHOU, SANYA, WEIHAI, City, forwarded, new_case, parcel_for, progressed, withdrawn
from tests.servers import Broker

FORWARDED = ApplicationForwardedV1.type


@dataclass
class Post:
    """A hub and the ways of three cities to it."""

    sanya: Hub
    lanzhou: Hub
    weihai: Hub
    operator: Hub


@pytest.fixture
def sqlite_post(tmp_path: Path) -> Iterator[Post]:
    hubs = [SqliteHub(tmp_path / "hub.db", code) for code in (SANYA, LANZHOU, WEIHAI)]
    yield Post(*hubs, hubs[0])
    for hub in hubs:
        hub.close()


@pytest.fixture
def pika_post(rabbitmq: Broker) -> Iterator[Post]:
    urls = rabbitmq.new_hub([SANYA, LANZHOU, WEIHAI])
    hubs = [PikaHub(urls[name], name) for name in (SANYA, LANZHOU, WEIHAI, "operator")]
    yield Post(*hubs)
    for hub in hubs:
        hub.close()


@pytest.fixture(params=["sqlite", "pika"])
def post(request: pytest.FixtureRequest) -> Post:
    """Either hub."""
    return request.getfixturevalue(f"{request.param}_post")


def fetched(hub: Hub, count: int) -> list[rules.Delivery]:
    """That many deliveries; fewer when they do not come within some seconds."""
    found: list[rules.Delivery] = []
    end = clock.monotonic() + 10
    while len(found) < count and clock.monotonic() < end:
        found += hub.fetch(count - len(found), 0.2)
    return found


def bodies(deliveries: Sequence[rules.Delivery]) -> list[str]:
    return [delivery.body.decode() for delivery in deliveries]


# ---- either hub -----------------------------------------------------------------------------------------------------


def test_a_hub_delivers_in_order_with_the_name_of_the_sender(post: Post) -> None:
    parcels = [parcel_for(LANZHOU, number) for number in range(30)]
    fates = post.sanya.publish(parcels)
    assert fates == {one.message_id: rules.Fate.CONFIRMED for one in parcels}
    got = fetched(post.lanzhou, 30)
    assert bodies(got) == [one.body for one in parcels]
    assert {(one.user, one.routing_key, one.jws) for one in got[:1]} == {(SANYA, parcels[0].routing_key, "jws 0")}
    assert post.weihai.fetch(10, 0.1) == []


def test_what_is_not_acknowledged_comes_again(post: Post) -> None:
    post.sanya.publish([parcel_for(LANZHOU, number) for number in range(4)])
    got = fetched(post.lanzhou, 4)
    post.lanzhou.ack(got[:1])
    assert post.lanzhou.fetch(10, 0.1) == []
    post.lanzhou.let_go()
    assert bodies(fetched(post.lanzhou, 3)) == ["body 1", "body 2", "body 3"]


def test_urgent_messages_come_first_and_pieces_of_files_last(post: Post) -> None:
    post.sanya.publish(
        [parcel_for(LANZHOU, number, lane=lane) for number, lane in enumerate(("file", "std", "urgent"))]
    )
    for _ in range(4):
        assert post.lanzhou.fetch(0, 0.2) == []  # time to arrive
    assert bodies(fetched(post.lanzhou, 3)) == ["body 2", "body 1", "body 0"]


def test_no_city_publishes_in_the_name_of_another(post: Post) -> None:
    with pytest.raises((Denied, *LOST)):
        post.sanya.publish([parcel_for(LANZHOU, 1, source=WEIHAI)])
    post.sanya.publish([parcel_for(LANZHOU, 2)])
    assert bodies(fetched(post.lanzhou, 1)) == ["body 2"]
    assert post.lanzhou.fetch(10, 0.1) == []


def test_a_city_that_comes_late_reads_the_newest_directory(post: Post) -> None:
    for version in range(3):
        post.operator.publish_directory(f"directory {version}")
    found: list[str] = []
    end = clock.monotonic() + 10
    while not found and clock.monotonic() < end:
        post.weihai.fetch(1, 0.2)
        found += post.weihai.directories()
    assert found[-1] == "directory 2"
    post.operator.publish_directory("directory 3")
    while found[-1] != "directory 3" and clock.monotonic() < end:
        post.weihai.fetch(1, 0.2)
        found += post.weihai.directories()
    assert found[-1] == "directory 3"
    assert post.weihai.directories() == []


def test_a_case_goes_there_and_an_answer_comes_back(post: Post, sanya: City, lanzhou: City) -> None:
    here, there = Gateway(sanya.works, post.sanya), Gateway(lanzhou.works, post.lanzhou)
    case = new_case()
    assert here.send_batch([forwarded(sanya, case), withdrawn(sanya, case)]) == [None, None]
    assert here.publish_pending() == 2
    taken_in = moved(there, 2)
    assert [decode(body).type for body in lanzhou.told()] == [FORWARDED, "intake.application_withdrawn.v1"]
    there.send_batch([progressed(lanzhou, case)])
    there.publish_pending()
    assert taken_in == moved(here, 1) + 1 == 2
    assert [decode(body).type for body in sanya.told()] == ["intake.application_progressed.v1"]
    assert sanya.codes() == lanzhou.codes() == []


def moved(gateway: Gateway, count: int) -> int:
    """So many deliveries taken in; fewer when they do not come within some seconds."""
    found, end = 0, clock.monotonic() + 10
    while found < count and clock.monotonic() < end:
        found += gateway.receive_pending(0.2)
    return found


# ---- crashes --------------------------------------------------------------------------------------------------------


@dataclass
class Flaky:
    """A hub that does what it is asked and then fails to say so, as often as told."""

    hub: Hub
    failing: set[str] = field(default_factory=set)

    def publish(self, parcels: Sequence[rules.Parcel]) -> Mapping[str, rules.Fate]:
        fates = self.hub.publish(parcels)
        if "publish" in self.failing:
            raise ConnectionError
        return fates

    def ack(self, deliveries: Sequence[rules.Delivery]) -> None:
        if "ack" in self.failing:
            raise ConnectionError
        self.hub.ack(deliveries)

    def fetch(self, at_most: int, seconds: float) -> list[rules.Delivery]:
        return self.hub.fetch(at_most, seconds)

    def let_go(self) -> None:
        self.hub.let_go()

    def directories(self) -> list[str]:
        return self.hub.directories()

    def publish_directory(self, signed: str) -> None:
        self.hub.publish_directory(signed)

    def close(self) -> None:
        self.hub.close()


def test_a_crash_behind_publishing_sends_twice_and_takes_in_once(sqlite_post: Post, sanya: City, lanzhou: City) -> None:
    flaky = Flaky(sqlite_post.sanya, {"publish"})
    here, there = Gateway(sanya.works, flaky), Gateway(lanzhou.works, sqlite_post.lanzhou)
    here.send_batch([forwarded(sanya, new_case()) for _ in range(5)])
    with pytest.raises(ConnectionError):
        here.publish_pending()
    flaky.failing.clear()
    assert here.publish_pending() == 5
    assert there.receive_pending() == 10
    assert len(lanzhou.told()) == 5
    assert lanzhou.rows(tables.gaps) == []


def test_a_crash_before_the_acknowledgement_takes_in_once(sqlite_post: Post, sanya: City, lanzhou: City) -> None:
    flaky = Flaky(sqlite_post.lanzhou, {"ack"})
    here, there = Gateway(sanya.works, sqlite_post.sanya), Gateway(lanzhou.works, flaky)
    here.send_batch([forwarded(sanya, new_case()) for _ in range(5)])
    here.publish_pending()
    with pytest.raises(ConnectionError):
        there.receive_pending()
    assert len(lanzhou.told()) == 5
    there.let_go()
    flaky.failing.clear()
    assert there.receive_pending() == 5
    assert lanzhou.told() == []
    assert there.receive_pending() == 0


class Moody(Works):
    """Works whose database can go away."""

    gone = False

    @contextmanager
    def begin(self, cause=None) -> Iterator[Work]:
        if self.gone:
            raise RuntimeError("the database is gone")
        with super().begin(cause) as work:
            yield work


def test_without_a_database_deliveries_stay_in_hand_and_bodies_are_nobodys_fault(
    sqlite_post: Post, sanya: City, lanzhou: City
) -> None:
    works = Moody(lanzhou.works.node, "exchange", lanzhou.works.engine)
    here, there = Gateway(sanya.works, sqlite_post.sanya), Gateway(works, sqlite_post.lanzhou)
    here.send_batch([forwarded(sanya, new_case())])
    here.publish_pending()
    answer = forwarded(lanzhou, new_case(), SANYA)
    works.gone = True
    for _ in range(3):
        with pytest.raises(RuntimeError):
            there.receive_pending()
        with pytest.raises(RuntimeError):
            there.send_batch([answer])
    works.gone = False
    assert there.receive_pending() == 1
    assert there.send_batch([answer]) == [None]
    assert lanzhou.codes() == []


@dataclass
class Full(Flaky):
    """A hub with full inboxes."""

    full: set[str] = field(default_factory=set)

    def publish(self, parcels: Sequence[rules.Parcel]) -> Mapping[str, rules.Fate]:
        fates = dict.fromkeys([one.message_id for one in parcels], rules.Fate.CONFIRMED)
        nacked = [one for one in parcels if rules.read_key(one.routing_key).destination in self.full]
        return fates | dict.fromkeys([one.message_id for one in nacked], rules.Fate.NACKED)


def test_a_full_inbox_is_left_alone_for_a_while_and_holds_up_no_other(sqlite_post: Post, sanya: City) -> None:
    full = Full(sqlite_post.sanya, full={LANZHOU})
    here = Gateway(sanya.works, full)
    here.send_batch([forwarded(sanya, new_case()), forwarded(sanya, new_case(), WEIHAI)])
    assert here.publish_pending() == 1
    assert {row.destination: row.state for row in sanya.rows(tables.sendings)} == {LANZHOU: "pending", WEIHAI: "sent"}
    full.full.clear()
    assert here.publish_pending() == 0, "it is paused"
    here._pauses = {LANZHOU: (1.0, 0.0)}
    assert here.publish_pending() == 1
    assert here._pauses == {}


def test_what_nobody_takes_raises_an_alarm_and_can_be_driven_again(tmp_path: Path, sanya: City) -> None:
    with closing(SqliteHub(tmp_path / "lonely.db", SANYA)) as hub:
        here = Gateway(sanya.works, hub)
        here.send_batch([forwarded(sanya, new_case())])
        here.publish_pending()
        assert [row.state for row in sanya.rows(tables.sendings)] == ["unroutable"]
        assert here.publish_pending() == 0
        with closing(SqliteHub(tmp_path / "lonely.db", LANZHOU)) as other:
            assert redrive(sanya.works, LANZHOU) == 1
            here.publish_pending()
            assert len(other.fetch(10, 0)) == 1


def test_a_new_process_finds_what_the_old_one_had_in_hand(tmp_path: Path) -> None:
    with (
        closing(SqliteHub(tmp_path / "hub.db", LANZHOU)) as lanzhou,
        closing(SqliteHub(tmp_path / "hub.db", SANYA)) as hub,
    ):
        hub.publish([parcel_for(LANZHOU, 1)])
        assert len(lanzhou.fetch(10, 0)) == 1
        assert lanzhou.fetch(10, 0) == []
        with closing(SqliteHub(tmp_path / "hub.db", LANZHOU)) as again:
            assert bodies(again.fetch(10, 0)) == ["body 1"]


def test_the_embedded_bus_moves_everything_with_one_tick(sqlite_post: Post, sanya: City, lanzhou: City) -> None:
    here, there = Gateway(sanya.works, sqlite_post.sanya), Gateway(lanzhou.works, sqlite_post.lanzhou)
    outcomes = [here.send_batch([forwarded(sanya, new_case()) for _ in range(70)]) for _ in range(2)]
    assert outcomes == [[None] * 70] * 2
    assert here.tick()
    assert there.tick()
    assert len(lanzhou.told()) == 140
    assert not there.tick()


def test_timers_anchor_the_logs_and_look_at_what_was_early(sqlite_post: Post, sanya: City, lanzhou: City) -> None:
    here, there = Gateway(sanya.works, sqlite_post.sanya), Gateway(lanzhou.works, sqlite_post.lanzhou)
    here.send_batch([forwarded(sanya, new_case())])
    here.tick()
    ways_in = doors()
    for timer in ways_in.timers:
        assert ways_in.run_timer(sanya.works, timer, "test")
    told = sanya.told()
    assert [decode(body).type for body in told] == [LogAnchoredV1.type]
    here.send_batch(told)
    here.tick()
    there.tick()
    assert len(lanzhou.rows(tables.anchors)) == len(proofs.LAYS_DOWN)
