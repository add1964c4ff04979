"""What an office and those who come may ask of appointment, by messages through its doors."""

import datetime
import random

import pytest

from contracts import appointment as said
from services.appointment.service import expire_missed
from shared import clock
from shared.bus import Outcome
from tests.appointment.scene import (
    CITIZEN,
    CLERK,
    MARRIAGE,
    OFFICE,
    OTHER_OFFICE,
    SUBSIDIES,
    a_person,
    a_schedule,
    next_saturday,
)

ELSEWHERE = {"id": "clerk-9", "kind": "clerk", "office": OTHER_OFFICE}


def code(message):
    return message.data.get("code")


def test_an_office_opens_weekend_slots_and_web_is_told_each_of_them(scene):
    body = scene.message(said.OpenSlotsV1, clock.new_id(), a_schedule(next_saturday(), opens="08:00", closes="12:00"))
    told = scene.do(body)
    assert told.type == said.SlotsOpenedV1.type
    slots = told.data["slots"]
    assert [slot["starts_at"][:16] for slot in slots] == [f"2025-10-11T0{hour}:00" for hour in range(4)]
    assert {(slot["free"], slot["capacity"], slot["kind"], slot["version"]) for slot in slots} == {(2, 2, "weekend", 1)}
    assert scene.doors.handle(scene.works, body) is Outcome.DUPLICATE


def test_slots_that_are_there_or_over_are_not_opened_again(scene, hand):
    schedule = a_schedule(next_saturday(), opens="08:00", closes="12:00")
    scene.publish(opens="10:00", closes="12:00")
    again = scene.do(scene.message(said.OpenSlotsV1, clock.new_id(), schedule))
    assert len(again.data["slots"]) == 2
    assert code(scene.do(scene.message(said.OpenSlotsV1, clock.new_id(), schedule))) == "slots_there"
    hand.set("2025-10-11T04:00:00Z")
    late = schedule | {"site": "景区颁证点", "kind": "special"}
    assert code(scene.do(scene.message(said.OpenSlotsV1, clock.new_id(), late))) == "slots_there"


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"actor": ELSEWHERE}, "slots_of_another_office"),
        (
            {"office": "371002-dpf", "actor": {"id": "c", "kind": "clerk", "office": "371002-dpf"}},
            "office_without_power",
        ),
        ({"opens": "12:00"}, "schedule_invalid"),
        ({"until_on": "2027-10-11", "minutes": 5}, "schedule_too_long"),
    ],
)
def test_a_schedule_an_office_may_not_publish_opens_nothing(scene, changes, refused):
    body = scene.message(said.OpenSlotsV1, clock.new_id(), a_schedule(next_saturday(), **changes))
    assert code(scene.do(body)) == refused
    assert scene.told(said.SlotsOpenedV1) == []


def test_a_booking_holds_a_place_and_says_its_number_and_until_when(scene):
    slot_id, person = scene.publish()[0], a_person(5)
    told = scene.book(slot_id, person)
    assert told.type == said.AppointmentBookedV1.type
    assert told.data["appointment"] == {
        "matter": MARRIAGE,
        "number": "0900-01",
        "arrive_until": "2025-10-11T02:15:00.000000Z",
        "state": "booked",
        "version": 1,
    }
    assert (told.data["slot"]["free"], told.data["slot"]["version"]) == (1, 2)
    assert scene.opened(told, said.AppointmentBookedV1)["person"] == person


def test_a_booking_claims_nothing_and_opens_no_case(scene):
    scene.book(scene.publish()[0])
    assert {message.type.partition(".")[0] for message in scene.messages()} == {"appointment"}


def test_the_same_message_twice_books_once(scene):
    slot_id = scene.publish()[0]
    body = scene.booking(slot_id, a_person())
    assert [scene.doors.handle(scene.works, body) for _ in range(3)] == ["done", "duplicate", "duplicate"]
    assert scene.slot(slot_id).free == 1


def test_whoever_finds_a_slot_full_is_told_the_nearest_free_ones_of_the_office(scene):
    before, full, after, far = scene.publish(opens="08:00", closes="12:00", capacity=1)
    scene.publish(office=OTHER_OFFICE, actor=ELSEWHERE, opens="09:00", closes="10:00")
    scene.publish(matters=[SUBSIDIES], opens="09:30", closes="10:30")
    scene.book(full)
    refused = scene.book(full)
    assert (refused.data["kind"], code(refused)) == ("OutOfStep", "slot_full")
    assert refused.data["details"] == {"nearest": f"{before} {after} {far}"}
    assert "10月11日(周六)08:00" in refused.data["message"]


def test_whoever_finds_everything_full_is_told_that_the_counter_serves(scene):
    [full] = scene.publish(capacity=1)
    scene.book(full)
    refused = scene.book(full)
    assert refused.data["details"] == {"nearest": ""}
    assert "窗口随时可以办理" in refused.data["message"]


def test_what_cannot_be_booked_is_refused_by_its_own_code(scene, hand):
    slot_id = scene.publish()[0]
    assert code(scene.book(clock.new_id())) == "slot_unknown"
    assert code(scene.book(slot_id, matter="orphan-recognition")) == "slot_of_other_matters"
    assert code(scene.book(slot_id, a_person(1), asked_for=scene.index(a_person(2)))) == "booking_of_another"
    hand.set("2025-10-11T01:00:00Z")
    assert code(scene.book(slot_id)) == "slot_past"
    assert scene.slot(slot_id).free == 2


def test_a_person_holds_one_booking_of_a_matter_until_it_is_cancelled(scene):
    first, second = scene.publish(opens="08:00", closes="10:00")
    person = a_person(11)
    booked = scene.book(first, person)
    assert code(scene.book(second, person)) == "booked_already"
    assert scene.book(second, person, matter=SUBSIDIES).type == said.AppointmentBookedV1.type
    scene.act(said.CancelAppointmentV1, booked.subject, CITIZEN, scene.index(person))
    assert scene.book(second, person).type == said.AppointmentBookedV1.type


def test_cancelling_frees_exactly_one_place_however_often_it_is_said(scene):
    slot_id, person = scene.publish()[0], a_person(12)
    scene.book(slot_id)
    booked = scene.book(slot_id, person)
    cancelled = scene.act(said.CancelAppointmentV1, booked.subject, CITIZEN, scene.index(person))
    assert (cancelled.data["slot"]["free"], cancelled.data["appointment"]["state"]) == (1, "cancelled")
    assert code(scene.act(said.CancelAppointmentV1, booked.subject, CITIZEN, scene.index(person))) == (
        "appointment_changed"
    )
    assert scene.slot(slot_id).free == 1
    assert scene.book(slot_id).data["appointment"]["number"] == "0900-03"  # no number is given out twice


def test_nobody_but_its_owner_or_the_office_cancels_a_booking(scene):
    booked = scene.book(scene.publish()[0], a_person(13))
    stranger = scene.index(a_person(14))
    assert code(scene.act(said.CancelAppointmentV1, booked.subject, CITIZEN, stranger)) == "booking_of_another"
    assert code(scene.act(said.CancelAppointmentV1, booked.subject, ELSEWHERE)) == "appointment_elsewhere"
    assert code(scene.act(said.CancelAppointmentV1, clock.new_id(), CITIZEN, stranger)) == "appointment_unknown"
    assert scene.act(said.CancelAppointmentV1, booked.subject, CLERK).type == said.AppointmentCancelledV1.type


def test_a_closed_slot_takes_no_bookings_and_serves_those_it_has(scene, hand):
    slot_id = scene.publish()[0]
    booked = scene.book(slot_id)
    close = {"office": OFFICE, "slot_ids": [slot_id], "actor": CLERK}
    told = scene.do(scene.message(said.CloseSlotsV1, clock.new_id(), close))
    assert [slot["is_open"] for slot in told.data["slots"]] == [False]
    assert code(scene.book(slot_id)) == "slot_closed"
    assert code(scene.do(scene.message(said.CloseSlotsV1, clock.new_id(), close))) == "slots_closed"
    of_others = close | {"office": OTHER_OFFICE, "actor": ELSEWHERE}
    assert code(scene.do(scene.message(said.CloseSlotsV1, clock.new_id(), of_others))) == "slot_unknown"
    hand.set("2025-10-11T01:10:00Z")
    assert scene.act(said.NoteArrivalV1, booked.subject).type == said.ArrivalNotedV1.type


def test_who_comes_late_within_the_grace_is_in_time_and_later_is_still_served(scene, hand):
    slot_id = scene.publish()[0]
    first, second = scene.book(slot_id), scene.book(slot_id)
    assert code(scene.act(said.NoteArrivalV1, first.subject)) == "arrival_other_day"
    hand.set("2025-10-11T02:14:00Z")
    assert scene.act(said.NoteArrivalV1, first.subject).data["late"] is False
    hand.set("2025-10-11T02:16:00Z")
    told = scene.act(said.NoteArrivalV1, second.subject)
    assert (told.data["late"], told.data["appointment"]["state"]) == (True, "arrived")


def test_a_no_show_is_noted_only_when_the_place_is_no_longer_kept(scene, hand):
    booked = scene.book(scene.publish()[0])
    hand.set("2025-10-11T02:14:00Z")
    assert code(scene.act(said.NoteNoShowV1, booked.subject)) == "no_show_too_early"
    assert code(scene.act(said.NoteNoShowV1, booked.subject, CITIZEN)) == "act_not_allowed"
    hand.set("2025-10-11T02:16:00Z")
    assert scene.act(said.NoteNoShowV1, booked.subject).data["appointment"]["state"] == "no_show"
    assert scene.act(said.NoteArrivalV1, booked.subject).data["appointment"]["state"] == "arrived"


def test_after_the_counter_has_closed_nobody_is_waited_for(scene, hand):
    slot_id, last = scene.publish(opens="08:00", closes="10:00")
    missed, came = scene.book(slot_id), scene.book(last)
    hand.set("2025-10-11T02:00:00Z")
    scene.act(said.NoteArrivalV1, came.subject)
    hand.set("2025-10-11T02:14:59Z")
    expire_missed(scene.works)
    assert scene.told(said.NoShowNotedV1) == []
    hand.set("2025-10-11T02:15:01Z")
    expire_missed(scene.works)
    expire_missed(scene.works)
    [told] = scene.told(said.NoShowNotedV1)
    assert (told["appointment"]["number"], told["actor"]["kind"]) == ("0800-01", "system")
    assert scene.last().subject == missed.subject


def test_after_three_no_shows_the_web_books_no_more_but_the_counter_does(scene, hand):
    person = a_person(21)
    for day in ("2025-10-11", "2025-10-18", "2025-10-25"):
        on = datetime.date.fromisoformat(day)
        slot_id = scene.publish(on)[0]
        assert scene.book(slot_id, person).type == said.AppointmentBookedV1.type
        hand.set(f"{day}T03:00:00Z")
        expire_missed(scene.works)
    slot_id = scene.publish(datetime.date(2025, 11, 15))[0]
    refused = scene.book(slot_id, person)
    assert code(refused) == "too_many_no_shows"
    assert refused.data["details"]["until"] == "2025-11-24"
    assert "窗口随时可以办理" in refused.data["message"]
    assert scene.book(slot_id).type == said.AppointmentBookedV1.type, "others are not concerned"
    at_counter = scene.book(slot_id, person, actor=CLERK, asked_for="")
    assert at_counter.type == said.AppointmentBookedV1.type


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_booked_and_cancelled_the_places_taken_and_free_are_the_capacity(scene, seed):
    chance = random.Random(seed)
    slots, held = scene.publish(opens="08:00", closes="10:00", capacity=3), {}
    for _ in range(30):
        if held and chance.random() < 0.4:
            appointment_id, person = held.popitem()
            scene.act(said.CancelAppointmentV1, appointment_id, CITIZEN, scene.index(person))
        person = a_person(chance.randrange(1, 12))
        told = scene.book(chance.choice(slots), person)
        if told.type == said.AppointmentBookedV1.type:
            held[told.subject] = person
        assert scene.states().count("booked") == len(held)
        assert sum(scene.slot(slot_id).free for slot_id in slots) + len(held) == 3 * len(slots)


def test_ages_are_a_warning_of_the_day_of_the_slot_and_refuse_nobody(scene):
    slot_id = scene.publish(capacity=9)[0]
    young_man, woman = a_person(1, "20031012"), a_person(2, "20050520")
    told = scene.book(slot_id, young_man, other=woman)
    warnings = scene.opened(told, said.AppointmentBookedV1)["warnings"]
    assert [warning["code"] for warning in warnings] == ["under_age", "both_in_person", "no_spouse"]
    assert warnings[0]["basis"] == "民法典 第一千零四十七条"
    of_age = scene.book(slot_id, a_person(3, "20031011"), other=woman)  # 22 on the very day
    codes = [warning["code"] for warning in scene.opened(of_age, said.AppointmentBookedV1)["warnings"]]
    assert codes == ["both_in_person", "no_spouse"]
    passport = {"name": "Ana Lima", "id_type": "passport", "id_number": "AB123456", "phone": ""}
    assert scene.book(slot_id, passport).type == said.AppointmentBookedV1.type
