"""On PostgreSQL, where transactions really run side by side: no number twice, no case twice, no word lost."""

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from sqlalchemy import func, select, text

from deploy.migrate import upgrade
from services.main.wiring import open_engine
from services.web.store import reading
from services.web.store.tables import cases, commands, series
from tests.servers import Database
from tests.web.scene import PERSON, SECRETS, TOWNSHIP, Scene, a_form
from tests.web.test_projecting import CASE, seen, the_story

THREADS = 8


@pytest.fixture
def scene(tmp_path, postgres: Database):
    engine = open_engine(postgres.new_node_database(["web"])["web"], "web", THREADS + 2)
    upgrade(engine, "web")
    yield Scene(tmp_path, engine=engine)
    engine.dispose()


def at_once(job: Callable[[int], object]) -> list[object]:
    """What a job gives in as many threads as a process has."""
    ready, given = threading.Barrier(THREADS), []

    def run(number: int) -> None:
        ready.wait()
        given.append(job(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return given


def test_one_key_in_many_threads_opens_one_case(scene):
    token, key = scene.token(), {"Idempotency-Key": "counter-7-1"}
    app = scene.app

    def take_in(_number):
        path, headers = "/api/v1/cases", {"Authorization": f"Bearer {token}"} | key
        return app.test_client().post(path, json=a_form(), headers=headers)

    answers = at_once(take_in)
    assert Counter(answer.status_code for answer in answers) == {202: THREADS}
    assert len({answer.json["receipt"]["case_id"] for answer in answers}) == 1
    with scene.works.begin() as work:
        assert work.execute(select(func.count()).select_from(commands)).scalar() == 1
        assert work.execute(select(series.c.last)).scalars().all() == [1]


def test_many_counters_get_numbers_without_gap_or_repetition(scene):
    token = scene.token()

    def take_in(number):
        client, numbers = scene.app.test_client(), []
        for turn in range(4):
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"counter-{number}-{turn}"}
            numbers.append(client.post("/api/v1/cases", json=a_form(), headers=headers).json["receipt"]["case_no"])
        return numbers

    numbers = [number for given in at_once(take_in) for number in given]
    serials = sorted(int(number.split("-")[2]) for number in numbers)
    assert serials == list(range(1, 4 * THREADS + 1))
    assert {number.split("-")[0] for number in numbers} == {TOWNSHIP}


def test_many_handlers_at_once_make_the_case_that_one_would(scene, tmp_path_factory):
    story = the_story(scene)

    def handle(number):
        for event in story[number::THREADS]:
            scene.doors.handle(scene.works, event)

    at_once(handle)
    at_once(handle)
    alone = Scene(tmp_path_factory.mktemp("alone"))
    for event in the_story(alone):
        alone.doors.handle(alone.works, event)
    assert seen(scene) == seen(alone)


def test_nothing_of_a_person_can_be_read_in_the_schema(scene):
    scene.take_in(scene.token())
    for event in the_story(scene):
        scene.doors.handle(scene.works, event)
    with scene.works.engine.connect() as connection:
        names = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'web'")).scalars().all()
        dump = str([connection.execute(text(f"SELECT * FROM {name}")).all() for name in names])
    assert CASE in dump
    assert not [secret for secret in (*SECRETS, "没有残疾人证") if secret in dump]


def test_a_case_is_found_by_its_person(scene):
    token = scene.token()
    case_id = scene.take_in(token)["case_id"]
    asked = {"id_type": "citizen", "id_number": PERSON["id_number"]}
    found = scene.ask("POST", "/cases/search", token, json=asked, headers={"X-Purpose": "handle_case"})
    assert [case["case_id"] for case in found.json["cases"]] == [case_id]
    with scene.works.begin() as work:
        assert work.execute(select(func.count()).select_from(cases)).scalar() == 1
        assert reading.last_heard_at(work) == ""
