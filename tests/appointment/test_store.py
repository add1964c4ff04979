"""No slot is overbooked and nobody holds two places of a matter, however many ask at once: the database says so."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from contracts import appointment as said
from deploy.migrate import upgrade
from services.appointment import store
from shared import clock
from shared.bus import Outcome
from shared.outbox import outbox
from tests.appointment.scene import CITIZEN, Scene, a_person, many_people
from tests.servers import Database

PLACES, ASKED, THREADS = 50, 1000, 24


@pytest.fixture
def crowded(tmp_path, postgres: Database):
    """Appointment on PostgreSQL, with its own migrations and role."""
    url = postgres.new_node_database(["appointment"])["appointment"]
    engine = create_engine(url, pool_size=THREADS, max_overflow=0, hide_parameters=True)
    upgrade(engine, "appointment")
    yield Scene(tmp_path, engine=engine)
    engine.dispose()


def handle_all(scene: Scene, bodies: list[str], threads: int) -> Counter[str]:
    """What became of messages handled side by side."""
    with ThreadPoolExecutor(threads) as pool:
        return Counter(pool.map(lambda body: scene.doors.handle(scene.works, body), bodies))


def booked_numbers(scene: Scene) -> list[int]:
    with scene.works.begin() as work:
        return sorted(work.execute(select(store.appointments.c.number)).scalars())


def test_of_a_thousand_who_ask_at_once_exactly_fifty_get_one_of_fifty_places(crowded):
    slot_id = crowded.publish(capacity=PLACES)[0]
    bodies = [crowded.booking(slot_id, person) for person in many_people(ASKED)]
    outcomes = handle_all(crowded, bodies, THREADS)
    assert outcomes == {Outcome.DONE: PLACES, Outcome.STALE: ASKED - PLACES}
    assert booked_numbers(crowded) == list(range(1, PLACES + 1))
    assert crowded.slot(slot_id).free == 0
    refusals = crowded.told(said.ActRefusedV1)
    assert Counter(refusal["code"] for refusal in refusals) == {"slot_full": ASKED - PLACES}
    again = handle_all(crowded, bodies, THREADS)
    assert again == {Outcome.DUPLICATE: ASKED}
    assert booked_numbers(crowded) == list(range(1, PLACES + 1))


def test_on_files_too_no_more_are_booked_than_there_are_places(scene):
    slot_id = scene.publish(capacity=5)[0]
    outcomes = handle_all(scene, [scene.booking(slot_id, person) for person in many_people(60)], 6)
    assert outcomes == {Outcome.DONE: 5, Outcome.STALE: 55}
    assert booked_numbers(scene) == [1, 2, 3, 4, 5]


def test_one_person_who_asks_many_times_at_once_holds_one_place(crowded):
    slots = crowded.publish(opens="08:00", closes="16:00", capacity=9)
    person = a_person(7)
    bodies = [crowded.booking(slot_id, person) for slot_id in slots * 4]
    outcomes = handle_all(crowded, bodies, 16)
    assert outcomes == {Outcome.DONE: 1, Outcome.REFUSED: len(bodies) - 1}
    assert sum(crowded.slot(slot_id).free for slot_id in slots) == 9 * len(slots) - 1
    assert {refusal["code"] for refusal in crowded.told(said.ActRefusedV1)} == {"booked_already"}


def test_cancelling_and_booking_side_by_side_lose_and_invent_no_place(crowded):
    slot_id = crowded.publish(capacity=20)[0]
    first, second = many_people(20), many_people(60)[20:]
    ids = [clock.new_id() for _ in first]
    for person, appointment_id in zip(first, ids, strict=True):
        crowded.book(slot_id, person, appointment_id=appointment_id)
    cancels = [
        crowded.message(
            said.CancelAppointmentV1, appointment_id, {"actor": CITIZEN}, {"asked_for": crowded.index(person)}
        )
        for person, appointment_id in zip(first, ids, strict=True)
    ]
    books = [crowded.booking(slot_id, person) for person in second]
    outcomes = handle_all(crowded, [body for pair in zip(books, cancels * 2, strict=True) for body in pair], 16)
    states = Counter(crowded.states())
    assert states["cancelled"] == 20
    assert states["booked"] + crowded.slot(slot_id).free == 20
    assert outcomes[Outcome.DUPLICATE] == 20


def test_the_database_itself_refuses_an_overbooked_slot(scene):
    slot_id = scene.publish()[0]
    for free in (-1, 3):
        with pytest.raises(IntegrityError), scene.works.begin() as work:
            work.execute(update(store.slots).where(store.slots.c.slot_id == slot_id).values(free=free))


def test_the_database_itself_refuses_a_second_open_booking_of_a_person_and_matter(scene):
    slot_id = scene.publish()[0]
    appointment_id = scene.book(slot_id).subject
    with scene.works.begin() as work:
        kept = store.get_appointment(work, appointment_id)
    second = store.Kept(**{name: getattr(kept, name) for name in kept.__slots__} | {"number": 9, "appointment_id": "b"})
    with pytest.raises(DBAPIError), scene.works.begin() as work:
        store.add_appointment(work, second, CITIZEN, {})


def test_nothing_of_a_person_can_be_read_in_a_table_or_message(scene):
    person = a_person(3)
    scene.book(scene.publish()[0], person)
    with scene.works.engine.connect() as connection:
        tables = [store.appointments, store.slots, outbox]
        dump = str([connection.exec_driver_sql(f"SELECT * FROM {table.name}").all() for table in tables])
    assert scene.last().subject in dump
    assert not [secret for secret in (person["name"], person["id_number"], person["phone"]) if secret in dump]
