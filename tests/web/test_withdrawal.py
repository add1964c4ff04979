"""撤回 and 终止 as applicants see them: under way, in vain, or ended without a decision; always with why."""

import itertools

import pytest

from contracts import intake
from services.web.rules import Principal
from services.web.store import writing
from services.web.usecases import viewing
from tests.web.scene import PERSON, TAKEN_IN, Scene, a_leg, a_step, people, taken_in

CASE = "01999999-0000-7000-8000-00000000abcd"


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def at(second):
    return f"2025-09-24T01:02:{second:02}.000000Z"


def seen_by_applicant(scene):
    index = writing.person_index(scene.node.keys, PERSON["id_type"], PERSON["id_number"])
    with scene.works.begin() as work:
        return viewing.view_case(work, Principal("t", "citizen", "me", person_index=index), CASE)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_withdrawal_in_vain_is_under_way_no_more_and_the_applicant_reads_why(scene, order):
    scene.hear(TAKEN_IN, CASE, taken_in(), people())
    refused = a_step("refuse_withdrawal", 2, at(5)) | {"note": "冷静期已届满,不能再撤回"}
    heard = [
        (intake.ApplicationWithdrawnV1, {"leg": a_leg(1, 3, "withdrawing"), "step": a_step("withdraw"), "leg_no": 2}),
        (intake.ApplicationProgressedV1, {"leg": a_leg(2, 2, "accepted"), "step": refused}),
        (intake.LegChangedV1, {"leg": a_leg(1, 4, "in_progress"), "peer_leg_no": 2}),
    ]
    for number in order:
        scene.hear(heard[number][0], CASE, heard[number][1])
    view = seen_by_applicant(scene)
    assert (view["state"], view["versions"]["accepting"]) == ("in_progress", 4)
    assert view["timeline"][-1]["note"] == refused["note"]
    again = {"leg": a_leg(1, 5, "withdrawing"), "step": a_step("withdraw", at=at(6)), "leg_no": 2}
    scene.hear(intake.ApplicationWithdrawnV1, CASE, again)
    assert seen_by_applicant(scene)["state"] == "withdrawing"


def test_a_case_that_ended_without_a_decision_does_not_say_that_somebody_withdrew_it_and_says_why(scene):
    scene.hear(TAKEN_IN, CASE, taken_in(), people())
    done = a_step("end_withdrawn", 2, at(5)) | {"note": "双方没有在期限内共同申请发证,此申请视为撤回"}
    closed = {"leg": a_leg(2, 7, "withdrawn"), "steps": [done], "result": "withdrawn"}
    closed |= {"remedies": [], "certificate_id": "", "certificate_name": ""}
    scene.hear(intake.ApplicationClosedV1, CASE, closed, {"reasons": []})
    view = seen_by_applicant(scene)
    assert (view["state"], view["state_name"]) == ("withdrawn", "已撤回或终止")
    assert done["note"] in [step["note"] for step in view["timeline"]]
