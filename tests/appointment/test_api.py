"""Appointments as the API of 威海 gives them, through the real services without a server."""

import datetime
import itertools
import json

import pytest
import structlog
from sqlalchemy import select

from services.main.city import Country
from services.main.slots import open_seed
from services.web.api.app import create_app
from services.web.usecases.tokens import NewToken, create_token
from shared import clock
from shared.audit import audit_rows
from shared.crypto.keys import public_keys
from shared.crypto.sealing import seal_for
from tests.appointment.scene import OFFICE, OTHER_OFFICE, SUBSIDIES, a_person, next_saturday
from tests.builders import WEIHAI, stop_clock

HE, STRANGER = a_person(1, "19750312"), a_person(2, "19880704")
_keys = itertools.count(10_000_000)


class Desk:
    """Everybody who may ask 威海, and its services."""

    def __init__(self, folder):
        self.country = Country(folder, (WEIHAI,))
        self.city = self.country.cities[WEIHAI]
        app = create_app(self.city.works["web"], self.city.node)
        app.config["PATIENCE"] = 0.0
        self.http = app.test_client()
        self.clerk = self.token("clerk", "clerk-1", office=OFFICE)
        self.other_clerk = self.token("clerk", "clerk-2", office=OTHER_OFFICE)
        self.citizen = self.token("citizen", "he", id_number=HE["id_number"])
        self.stranger = self.token("citizen", "stranger", id_number=STRANGER["id_number"])

    def token(self, kind, actor, **more):
        with self.city.works["web"].begin() as work:
            return create_token(work, NewToken(kind, actor, "test", **more))

    def get(self, path, token="", **headers):
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        return self.http.get(f"/api/v1{path}", headers=headers | bearer)

    def post(self, path, token, body, settled=True, **headers):
        """Ask, let everything happen, and ask again under the same key: that gives the answer."""
        headers |= {"Authorization": f"Bearer {token}", "Idempotency-Key": str(next(_keys))}
        first = self.http.post(f"/api/v1{path}", json=body, headers=headers)
        if first.status_code != 202 or not settled:
            return first
        self.country.settle()
        return self.http.post(f"/api/v1{path}", json=body, headers=headers)

    def publish(self, **changes):
        day = next_saturday().isoformat()
        body = {"matters": [SUBSIDIES], "kind": "weekend", "from_on": day, "until_on": day, "weekdays": [6, 7]}
        body |= {"opens": "09:00", "closes": "11:00", "minutes": 60, "capacity": 1}
        return self.post(f"/offices/{OFFICE}/slots", self.clerk, body | changes)

    def slots(self, **query):
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        return self.get(f"/slots?{asked}").json["slots"]

    def book(self, token, slot, person=HE, **changes):
        body = {"slot_id": slot["slot_id"], "matter": SUBSIDIES, "person": person} | changes
        return self.post("/appointments", token, body)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    stop_clock(monkeypatch, "2025-10-09T01:00:00Z")
    made = Desk(tmp_path)
    yield made
    made.country.stop()
    structlog.reset_defaults()


def test_what_an_office_publishes_anybody_sees_with_its_free_places(desk):
    assert desk.publish().status_code == 201
    first, second = desk.slots(office=OFFICE, matter=SUBSIDIES)
    assert (first["on"], first["starts"], first["ends"], first["free"]) == ("2025-10-11", "09:00", "10:00", 1)
    assert (first["kind_name"], first["office_name"]) == ("天天办", "环翠区民政局")
    assert second["starts"] == "10:00"
    assert desk.slots(office=OTHER_OFFICE) == []
    assert desk.slots(matter="orphan-recognition") == []
    assert desk.slots(**{"from": "2025-10-12", "to": "2025-10-20"}) == []
    assert desk.get("/slots?from=2025-10-12&to=2025-10-11").json["code"] == "days_invalid"


def test_only_a_clerk_of_the_office_publishes_and_closes_its_slots(desk):
    body = {"slot_ids": [clock.new_id()]}
    for path in (f"/offices/{OTHER_OFFICE}/slots/close", f"/offices/{OFFICE}/slots/close"):
        answers = [desk.post(path, token, body) for token in (desk.citizen, desk.clerk, desk.other_clerk)]
        assert answers[0].json["code"] == "kind_not_allowed"
        assert sorted(answer.json["code"] for answer in answers[1:]) == ["slot_unknown", "slots_of_another_office"]
    assert desk.publish(matters=["marriage-registratio"]).json["code"] == "matter_unknown"
    assert desk.publish(kind="special").json["code"] == "schedule_invalid"


def test_a_citizen_books_in_their_own_name_sees_it_masked_and_cancels_it(desk):
    desk.publish()
    slot = desk.slots()[0]
    answer = desk.book(desk.citizen, slot)
    assert answer.status_code == 201, answer.text
    shown = answer.json["appointment"]
    assert (shown["state"], shown["number"], shown["slot"]["free"]) == ("booked", "0900-01", 0)
    assert shown["personal"]["person"]["id_number"] == "990***********" + HE["id_number"][-4:]
    assert HE["id_number"] not in answer.text
    assert [row["appointment_id"] for row in desk.get("/appointments", desk.citizen).json["appointments"]] == [
        shown["appointment_id"]
    ]
    path = f"/appointments/{shown['appointment_id']}"
    assert desk.get(path, desk.citizen).json == shown
    done = desk.post(f"{path}/acts", desk.citizen, {"act": "cancel"})
    assert (done.status_code, done.json["appointment"]["state"]) == (200, "cancelled")
    assert desk.slots()[0]["free"] == 1
    assert desk.post(f"{path}/acts", desk.citizen, {"act": "cancel"}).json["code"] == "appointment_changed"


def test_a_strangers_number_books_nothing_and_reveals_nothing(desk):
    desk.publish()
    slot = desk.slots()[0]
    booked = desk.book(desk.stranger, slot, STRANGER).json["appointment"]
    refused = desk.book(desk.citizen, slot, STRANGER)
    assert (refused.status_code, refused.json["code"]) == (403, "booking_of_another")
    other = desk.book(desk.citizen, desk.slots()[1], a_person(3))
    assert (other.status_code, other.json["code"], other.json["detail"]) == (
        403,
        refused.json["code"],
        refused.json["detail"],
    )
    path = f"/appointments/{booked['appointment_id']}"
    assert desk.get(path, desk.citizen).json["code"] == "appointment_unknown"
    assert desk.post(f"{path}/acts", desk.citizen, {"act": "cancel"}).json["code"] == "appointment_unknown"
    assert desk.get("/appointments", desk.citizen).json["appointments"] == []


def test_who_finds_the_slot_full_gets_the_nearest_free_ones(desk):
    desk.publish()
    first, second = desk.slots()
    desk.book(desk.stranger, first, STRANGER)
    refused = desk.book(desk.citizen, first)
    assert (refused.status_code, refused.json["code"]) == (409, "slot_full")
    assert [slot["slot_id"] for slot in refused.json["nearest"]] == [second["slot_id"]]
    [mine] = desk.get("/appointments", desk.citizen).json["appointments"]
    assert mine["state_name"] == "未约上"
    shown = desk.get(f"/appointments/{mine['appointment_id']}", desk.citizen).json
    assert shown["refusal"]["code"] == "slot_full"
    assert desk.book(desk.citizen, refused.json["nearest"][0]).status_code == 201
    assert desk.book(desk.citizen, first).json["code"] == "booked_already"


def test_the_same_key_books_once_and_is_not_good_for_another_slot(desk):
    desk.publish()
    first, second = desk.slots()
    body = {"slot_id": first["slot_id"], "matter": SUBSIDIES, "person": HE}
    headers = {"Authorization": f"Bearer {desk.citizen}", "Idempotency-Key": "portal-1234"}
    answers = [desk.http.post("/api/v1/appointments", json=body, headers=headers) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json["appointment"]["state"] for answer in answers} == {"asked"}
    assert len({answer.json["status_url"] for answer in answers}) == 1
    desk.country.settle()
    assert desk.http.post("/api/v1/appointments", json=body, headers=headers).status_code == 201
    other = desk.http.post("/api/v1/appointments", json=body | {"slot_id": second["slot_id"]}, headers=headers)
    assert other.json["code"] == "idempotency_key_reused"


def test_a_clerk_of_the_office_sees_the_day_and_persons_only_for_a_purpose_on_record(desk):
    desk.publish()
    booked = desk.book(desk.citizen, desk.slots()[0]).json["appointment"]
    day = desk.get("/appointments?on=2025-10-11", desk.clerk).json["appointments"]
    assert [row["number"] for row in day] == ["0900-01"]
    assert desk.get("/appointments", desk.clerk).json["appointments"] == []
    assert desk.get("/appointments?on=2025-10-11", desk.other_clerk).json["appointments"] == []
    path, purpose = f"/appointments/{booked['appointment_id']}", {"X-Purpose": "handle_case"}
    assert desk.get(path, desk.clerk).json["personal"] is None
    assert desk.get(path, desk.other_clerk, **purpose).json["code"] == "office_not_concerned"
    assert desk.get(path, desk.clerk, **purpose).json["personal"]["person"]["id_number"] == HE["id_number"]
    with desk.city.works["web"].begin() as work:
        rows = list(work.execute(select(audit_rows.c.act, audit_rows.c.subject)))
    assert [tuple(row) for row in rows] == [("view_appointment", booked["appointment_id"])]


def test_arrivals_and_no_shows_are_noted_by_the_office_alone(desk, monkeypatch):
    desk.publish(capacity=2, closes="10:00")
    slot = desk.slots()[0]
    first = desk.book(desk.citizen, slot).json["appointment"]["appointment_id"]
    second = desk.book(desk.clerk, slot, STRANGER).json["appointment"]["appointment_id"]
    for token, code in ((desk.citizen, "act_not_allowed"), (desk.other_clerk, "appointment_elsewhere")):
        assert desk.post(f"/appointments/{first}/acts", token, {"act": "arrive"}).json["code"] == code
    stop_clock(monkeypatch, "2025-10-11T02:20:00Z")
    came = desk.post(f"/appointments/{first}/acts", desk.clerk, {"act": "arrive"})
    missed = desk.post(f"/appointments/{second}/acts", desk.clerk, {"act": "no_show"})
    assert [answer.json["appointment"]["state_name"] for answer in (came, missed)] == ["已签到", "未到"]


def test_a_channel_books_for_the_citizen_it_names_and_sees_no_other(desk):
    desk.publish()
    first, second = desk.slots()
    channel = desk.token("channel", "portal")
    sealing = next(row for row in public_keys(desk.city.node.keys) if row["purpose"] == "seal")

    def named(person):
        text = json.dumps({"id_type": "citizen", "id_number": person["id_number"]})
        return {"X-Citizen": seal_for(sealing["jwk"], text.encode())}

    body = {"slot_id": first["slot_id"], "matter": SUBSIDIES, "person": HE}
    answer = desk.post("/appointments", channel, body, **named(HE))
    assert answer.status_code == 201, answer.text
    assert desk.post("/appointments", channel, body, **named(STRANGER)).json["code"] == "booking_of_another"
    path = f"/appointments/{answer.json['appointment']['appointment_id']}"
    assert desk.get(path, channel, **named(HE)).status_code == 200
    assert desk.get(path, channel, **named(STRANGER)).status_code == 404
    assert desk.get(path, desk.citizen).status_code == 200
    desk.book(desk.stranger, second, STRANGER)
    assert len(desk.get("/appointments", channel, **named(HE)).json["appointments"]) == 1
    assert desk.get("/appointments", channel, **named(STRANGER)).json["appointments"] == []


def test_the_seed_opens_weekdays_a_saturday_and_a_special_site_and_warns_who_marries_too_young(desk):
    works = desk.city.works["appointment"]
    made = open_seed(works)
    assert made > 100
    assert open_seed(works) == 0
    desk.country.settle()
    found = desk.slots(matter="marriage-registration", **{"from": "2025-10-10", "to": "2025-10-19"})
    assert {slot["kind"] for slot in found} == {"regular", "weekend", "special"}
    assert {"刘公岛景区颁证点(示例)"} == {slot["site"] for slot in found if slot["kind"] == "special"}
    saturday = [slot for slot in found if slot["on"] == "2025-10-11" and slot["kind"] == "special"]
    young = a_person(5, f"{datetime.date(2004, 1, 1):%Y%m%d}")
    token = desk.token("citizen", "young", id_number=young["id_number"])
    answer = desk.book(token, saturday[0], young, matter="marriage-registration")
    assert answer.status_code == 201
    codes = [warning["code"] for warning in answer.json["appointment"]["personal"]["warnings"]]
    assert codes == ["under_age", "both_in_person", "no_spouse"]
