"""Web's doors, and the whole way of a case through the real services, seen from the API of both cities."""

import logging

import pytest
import structlog
from sqlalchemy import select

from contracts import appointment, certificate, claims, exchange, intake, marriage, subsidy
from contracts.envelope import every_contract
from services.main.city import Country
from services.main.journey import application
from services.web.api.app import create_app
from services.web.service import SEND_EVERY_SECONDS, doors
from services.web.store.tables import webhook_deliveries
from services.web.usecases.tokens import NewToken, create_token
from services.web.usecases.webhooks import BUDGET, TIMEOUT
from shared.bus import Outcome
from tests.web.scene import TAKEN_IN, Scene, a_form, people, taken_in

ACCEPTING, COMPETENT = "460200", "620100"
CLERKS = {"window": "460204001", "checker": "620102001", "reviewer": "620102-dpf", "decider": "620102"}


def test_web_listens_to_every_event_that_names_it():
    modules = (intake, subsidy, marriage, certificate, claims, appointment, exchange)
    named = every_contract(*modules).values()
    assert set(doors().by_type) == {contract.type for contract in named if "web" in contract.consumers}


def test_a_door_leads_to_the_read_model(tmp_path):
    scene = Scene(tmp_path)
    assert scene.hear(TAKEN_IN, "01999999-0000-7000-8000-00000000abcd", taken_in(), people()) is Outcome.DONE


def test_the_timer_sends_what_is_due_and_holds_its_lease_for_a_whole_round(tmp_path):
    scene = Scene(tmp_path)
    admin = scene.token(actor="admin-1", roles=("admin",))
    scene.ask("POST", "/webhooks", admin, json={"url": "http://127.0.0.1:9/"})
    scene.hear(TAKEN_IN, "01999999-0000-7000-8000-00000000abcd", taken_in(), people())
    [_, timer, _] = scene.doors.timers
    assert scene.doors.run_timer(scene.works, timer, "replica-1")
    assert not scene.doors.run_timer(scene.works, timer, "replica-2")
    with scene.works.begin() as work:
        assert work.execute(select(webhook_deliveries.c.attempts)).scalars().all() == [1]
    assert timer.seconds == SEND_EVERY_SECONDS >= BUDGET + TIMEOUT


class Desks:
    """The clerks of two cities whose services are all there, without a server."""

    def __init__(self, folder):
        self.country = Country(folder, (ACCEPTING, COMPETENT))
        self.http = {}
        for name, office in CLERKS.items():
            city = self.country.cities[ACCEPTING if name == "window" else COMPETENT]
            with city.works["web"].begin() as work:
                token = create_token(work, NewToken("clerk", name, name, office=office))
            app = create_app(city.works["web"], city.node)
            app.config["PATIENCE"] = 0.0
            self.http[name] = (app.test_client(), {"Authorization": f"Bearer {token}"})

    def ask(self, name, method, path, key="", **more):
        http, headers = self.http[name]
        extra = {"Idempotency-Key": key, "X-Purpose": "handle_case"} if key else {"X-Purpose": "handle_case"}
        answer = http.open(f"/api/v1{path}", method=method, headers=headers | extra, **more)
        self.country.settle()
        return answer


@pytest.fixture
def desks(tmp_path):
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield Desks(tmp_path)
    structlog.reset_defaults()


def test_a_case_is_taken_in_here_decided_there_and_told_here(desks):
    first = desks.ask("window", "POST", "/cases", "journey-1", json=application())
    again = desks.ask("window", "POST", "/cases", "journey-1", json=application())
    assert (first.status_code, again.status_code) == (202, 201)
    case_id = first.json["receipt"]["case_id"]
    for name, verb in (("checker", "check"), ("reviewer", "review"), ("decider", "decide")):
        [task] = desks.ask(name, "GET", "/tasks").json["tasks"]
        assert (task["case_id"], task["verb"]) == (case_id, verb)
        act = {"act": verb, "approve": True, "expected_version": task["version"]}
        desks.ask(name, "POST", f"/cases/{case_id}/acts", f"journey-{verb}", json=act)
        done = desks.ask(name, "POST", f"/cases/{case_id}/acts", f"journey-{verb}", json=act)
        assert done.status_code == 200, done.text
        late = desks.ask(name, "POST", f"/cases/{case_id}/acts", f"late-{verb}-1", json=act)
        refused = desks.ask(name, "POST", f"/cases/{case_id}/acts", f"late-{verb}-1", json=act)
        assert (late.status_code, refused.status_code) == (202, 409)
    here, there = (desks.ask(name, "GET", f"/cases/{case_id}").json for name in ("window", "decider"))
    assert (here["state"], there["state"]) == ("closed", "closed")
    assert here["result"] == there["result"]
    assert here["personal"]["parties"] == there["personal"]["parties"]
    assert {step["verb"] for step in here["timeline"]} >= {"take_in", "forward", "take_over", "check", "decide", "tell"}
    assert {step["verb"] for step in here["timeline"]} == {step["verb"] for step in there["timeline"]}


def test_a_second_application_for_the_same_person_is_refused_in_intakes_words(desks):
    for key in ("first-app", "second-app"):
        desks.ask("window", "POST", "/cases", key, json=a_form())
    answer = desks.ask("window", "POST", "/cases", "second-app", json=a_form())
    assert (answer.status_code, answer.json["code"]) == (422, "duplicate_case")
    assert desks.ask("window", "POST", "/cases", "first-app", json=a_form()).status_code == 201
