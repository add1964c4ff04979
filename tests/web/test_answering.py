"""Waiting for the answer to a command: no longer than anyone wants to, and with few looks in vain."""

import threading

import pytest

from contracts import intake
from services.web.rules import Principal
from services.web.store import asking, reading
from services.web.usecases import taking_in
from services.web.usecases.answering import Answers
from shared.errors import Denied, NotFound, OutOfStep, Refused
from tests.web.scene import TAKEN_IN, TOWNSHIP, Scene, a_form, people, taken_in

CLERK = Principal("t", "clerk", "clerk-1", office=TOWNSHIP)
KEY = "key-0001"
ABSENT = dict.fromkeys(("residence_division", "address", "basis", "expires_on"), "")


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


@pytest.fixture
def command(scene):
    """A case was handed in; its command."""
    form = {"office": "", "channel": "", "answers": {}, "place_division": ""} | a_form()
    form["parties"] = [ABSENT | party for party in form["parties"]]
    form["materials"] = [{"file_id": "", "seen": ""} | item for item in form["materials"]]
    with scene.works.begin() as work:
        taking_in.take_in(work, CLERK, form, KEY)
    [command] = scene.told()
    return command


@pytest.fixture
def soon(scene, command):
    """Its answer comes in a moment."""
    data = taken_in(case=command.data["case"])
    event = scene.event(TAKEN_IN, command.subject, data, people(), causation=command.id)
    answer = threading.Timer(0.1, scene.doors.handle, (scene.works, event))
    answer.start()
    yield
    answer.join()


def test_the_answer_ends_the_waiting(scene, soon):
    assert Answers(scene.works).wait(CLERK, KEY, patience=10).outcome == "done"


def test_patience_ends_without_an_answer(scene, command):
    answers = Answers(scene.works)
    answers.usual = 60.0
    assert answers.wait(CLERK, KEY, patience=0.05).outcome == ""


def test_nobody_looks_before_most_answers_have_come_of_late(scene, soon, monkeypatch):
    looks, find = [], asking.find_command
    monkeypatch.setattr(asking, "find_command", lambda *about: looks.append(about) or find(*about))
    answers = Answers(scene.works)
    answers.usual = 1.0
    assert answers.wait(CLERK, KEY, patience=10).outcome == "done"
    assert len(looks) == 2, "at once, and when it was there"
    assert answers.usual < 1.0, "next time earlier"


@pytest.mark.parametrize("error", [Refused, NotFound, OutOfStep, Denied])
def test_a_refusal_from_another_service_is_raised_here(scene, command, error):
    told = {"kind": error.__name__, "code": "duplicate_case", "message": "已有在办的办件", "basis": "一人一事"}
    told |= {"field": "parties", "details": {}}
    scene.hear(intake.ActRefusedV1, command.subject, told, causation=command.id)
    with pytest.raises(error) as refused:
        Answers(scene.works).wait(CLERK, KEY)
    assert (refused.value.code, refused.value.basis, refused.value.field) == ("duplicate_case", "一人一事", "parties")
    with scene.works.begin() as work:
        assert reading.find_case(work, command.subject).state == "not_taken_in"
