"""Under real parallel transactions: one case per person, one answer per version, and no word lost between two."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from contracts import intake
from contracts.envelope import Json, decode
from services.intake import service
from services.intake.ports import SimulatedNotices
from services.intake.store import cases as store
from services.intake.store import tables, telling
from services.intake.usecases import notices
from shared import clock
from shared.bus import Doors, Outcome
from shared.outbox import Works, outbox, parked
from tests.builders import ANSWERS, HE_SHOUTIAN, LANZHOU, SANYA, WEIHAI, City, Country, clerk, make_nodes
from tests.replay import a_message, at_once, handled_at_once, record, works_on_postgres
from tests.servers import Database

PARTIES: Json = {"parties": [HE_SHOUTIAN], "answers": ANSWERS}


@pytest.fixture
def works(tmp_path: Path, postgres: Database) -> Iterator[Works]:
    """兰州's intake on PostgreSQL."""
    made = works_on_postgres(postgres, make_nodes(tmp_path / "cities")[LANZHOU], "intake", tables.metadata)
    yield made
    made.engine.dispose()


@pytest.fixture
def doors(tmp_path: Path) -> Doors:
    return service.doors(SimulatedNotices(tmp_path / "notices.jsonl"))


def facts(number: int, office: str = "620102001", node: str = LANZHOU) -> Json:
    return {
        "case_no": f"{office}-20250924-{number:04d}",
        "matter": "disability-subsidies",
        "matter_version": 1,
        "channel": "counter",
        "accepting_office": {"code": office, "name": "某窗口", "node": node, "phone": ""},
        "applied_on": clock.today().isoformat(),
        "taken_in_at": clock.iso(clock.now()),
        "materials": [],
        "consents": ["notice_shown"],
    }


def taking_in(works: Works, number: int) -> str:
    data = {"case": facts(number), "actor": clerk("c", "620102001")}
    return a_message(works.node, intake.TakeInApplicationV1, clock.new_id(), data, PARTIES)


def handing_over(works: Works, number: int, node: str) -> str:
    leg = {"leg_no": 1, "role": "accepting", "node": node, "state": "forwarded", "version": 2, "clocks": []}
    data = {"case": facts(number, f"{node}001", node), "leg_no": 2, "division": "620102", "redirects": 0, "steps": []}
    return a_message(works.node, intake.ApplicationForwardedV1, clock.new_id(), data | {"leg": leg}, PARTIES)


OF_ITS_CITY = {"application_accepted": 1, "leg_changed": 1}  # of a case that stays where it is taken in


def said(works: Works) -> list[str]:
    """Which events wait in the outbox, but for the routine ones."""
    with works.begin() as work:
        kinds = [decode(body).type.split(".")[1] for body in work.execute(select(outbox.c.body)).scalars()]
    return sorted(kind for kind in kinds if kind not in ("application_taken_in", "application_forwarded"))


def count(works: Works, role: str) -> int:
    with works.begin() as work:
        mine = select(func.count()).where(tables.legs.c.role == role, tables.legs.c.ours)
        return int(work.execute(mine).scalar_one())


def test_one_person_taken_in_at_the_same_moment_at_several_counters_has_one_case(works: Works, doors: Doors) -> None:
    answers = handled_at_once(doors, works, [taking_in(works, number) for number in range(8)])
    assert sorted(map(str, answers)) == ["done"] + ["refused"] * 7
    assert count(works, "accepting") == 1
    assert Counter(said(works)) == {"act_refused": 7, **OF_ITS_CITY}
    with works.begin() as work:
        assert len(list(work.execute(select(tables.cases)))) == 1


def test_one_person_handed_over_at_the_same_moment_by_several_cities_is_taken_over_once(
    works: Works, doors: Doors
) -> None:
    bodies = [handing_over(works, number, node) for number, node in enumerate([SANYA, WEIHAI] * 4)]
    assert handled_at_once(doors, works, bodies) == [Outcome.DONE] * 8
    assert count(works, "competent") == 1
    assert said(works) == ["application_accepted"] + ["application_declined"] * 7 + ["application_taken_over"]


def test_one_case_handed_over_at_the_same_moment_in_several_messages_is_taken_over_once(
    works: Works, doors: Doors
) -> None:
    first = handing_over(works, 1, SANYA)
    message = decode(first)
    doubled = [
        a_message(works.node, intake.ApplicationForwardedV1, message.subject, message.data, PARTIES) for _ in range(7)
    ]
    answers = handled_at_once(doors, works, [first, *doubled])
    assert sorted(map(str, answers)) == ["done"] + ["stale"] * 7
    assert said(works) == ["application_accepted", "application_taken_over"]


def test_of_clerks_who_withdraw_at_the_same_moment_one_is_in_time(works: Works, doors: Doors) -> None:
    body = taking_in(works, 1)
    doors.handle(works, body)
    data = {"expected_version": 3, "actor": clerk("c", "620102001")}
    case_id = decode(body).subject
    wishes = [a_message(works.node, intake.WithdrawApplicationV1, case_id, data, {"reason": ""}) for _ in range(6)]
    assert sorted(map(str, handled_at_once(doors, works, wishes))) == ["done"] + ["stale"] * 5
    assert Counter(said(works)) == {"act_refused": 5, "application_withdrawn": 1, **OF_ITS_CITY}


@pytest.fixture
def story(tmp_path: Path) -> Iterator[tuple[str, dict[str, list[str]], dict[str, City]]]:
    """A whole case between two cities on files: its id, and what intake of each was told, in order."""
    country = Country(tmp_path / "story")
    heard = {code: record(country[code], "intake") for code in (SANYA, LANZHOU)}
    case_id = country.take_in(SANYA)
    country.settle()
    country.decide(LANZHOU, case_id, "620102")
    yield case_id, {code: recording.bodies for code, recording in heard.items()}, country.cities
    country.close()


@pytest.mark.parametrize("city", [SANYA, LANZHOU])
def test_words_that_arrive_at_the_same_moment_are_all_heard_in_their_order(
    city: str,
    story: tuple[str, dict[str, list[str]], dict[str, City]],
    postgres: Database,
    doors: Doors,
) -> None:
    case_id, bodies, cities = story
    told = [body for body in bodies[city] if decode(body).type not in LATER]
    works = works_on_postgres(postgres, cities[city].node, "intake", tables.metadata)
    assert doors.handle(works, told[0]) is Outcome.DONE
    answers = handled_at_once(doors, works, told[1:])
    assert len(told[1:]) == {SANYA: 5, LANZHOU: 4}[city]
    assert set(answers) == {Outcome.DONE}
    with works.begin() as work:
        role, state = {SANYA: ("accepting", "decided"), LANZHOU: ("competent", "closed")}[city]
        assert store.get_leg(work, case_id, role).state == state
        assert list(work.execute(select(parked))) == []
        mine = {(step["leg_no"], step["verb"]) for step in store.list_steps(work, case_id)}
    works.engine.dispose()
    expected = {(step["leg_no"], step["verb"]) for step in cities[city].story(case_id)["steps"]}
    assert mine == expected - {(1, "tell")}


LATER = {intake.SendNoticeV1.type, intake.ApplicantToldV1.type}  # what intake says to itself, and after the end


def test_a_clerk_who_closes_an_item_while_its_case_goes_on_is_too_late_and_nobody_is_stuck(
    works: Works, doors: Doors
) -> None:
    body = taking_in(works, 1)
    doors.handle(works, body)
    case_id = decode(body).subject
    with works.begin() as work:
        notices.open_work_item(work, case_id, "supplement_lapsed", "请联系申请人", "620102001")
        (item,) = telling.list_open_items(work, case_id)
    data = {"item_id": item.item_id, "actor": clerk("c", "620102001")}
    closing = a_message(works.node, intake.CloseWorkItemV1, case_id, data, {"reason": ""})

    def go_on() -> None:
        with works.begin() as work:
            store.get_leg(work, case_id, "accepting")
            held.set()
            time.sleep(0.5)  # the clerk has begun meanwhile
            notices.settle(work, case_id)

    def close() -> Outcome:
        held.wait(10)
        return doors.handle(works, closing)

    held = threading.Event()
    assert at_once([go_on, close]) == [None, Outcome.STALE]
    assert said(works).count("work_item_closed") == 1
