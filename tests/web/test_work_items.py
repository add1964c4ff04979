"""待人工处理 at the desk: who sees which item, page by page, and that acts on it are commands to intake."""

import itertools

import pytest

from contracts import exchange, intake
from contracts.api import answered
from contracts.intake import TakeInApplicationV1
from shared import clock
from shared.crypto.personal import open_personal
from tests.web.scene import (
    COUNTY,
    DPF,
    PERSON,
    SECRETS,
    TAKEN_IN,
    TOWNSHIP,
    Scene,
    a_form,
    a_leg,
    facts,
    people,
    taken_in,
)

CASE = "01999999-0000-7000-8000-00000000abcd"
DIRECTORY = exchange.DirectoryUpdatedV1
AT = "2025-09-24T01:02:03.000004Z"


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


_numbers = itertools.count(1)  # ids of one millisecond have no order among themselves


def opened(scene, kind="misdirected", office=TOWNSHIP, case_id=CASE, hear=True):
    """An item that intake has opened; what it told."""
    item = {
        "item_id": f"01999999-0000-7000-8000-{next(_numbers):012x}",
        "kind": kind,
        "text": "请核对节点目录",
        "office": office,
        "opened_at": AT,
    }
    if hear:
        scene.hear(intake.WorkItemOpenedV1, case_id, item)
    return item


def closing(item):
    return item | {"closed_at": "2025-09-25T01:02:03.000004Z", "closed_by": "system"}


def listed(scene, token, **query):
    answer = scene.ask("GET", "/work-items", token, query_string=query)
    assert answer.status_code == 200, answer.text
    assert answered.WorkItemPage().validate(answer.json) == {}
    return [item["item_id"] for item in answer.json["work_items"]], answer.json["next_cursor"]


def test_a_clerk_sees_the_open_items_of_the_own_office_and_of_any_or_the_whole_node_s(scene):
    mine, theirs, anybody = (opened(scene, office=office)["item_id"] for office in (TOWNSHIP, COUNTY, ""))
    token = scene.token()
    assert listed(scene, token) == ([mine, anybody], "")
    assert listed(scene, token, scope="node") == ([mine, theirs, anybody], "")


def test_items_are_filtered_by_kind_and_state(scene):
    first, second = opened(scene), opened(scene, "file_damaged")
    scene.hear(intake.WorkItemClosedV1, CASE, closing(first))
    token = scene.token()
    assert listed(scene, token) == ([second["item_id"]], "")
    assert listed(scene, token, kind="misdirected") == ([], "")
    assert listed(scene, token, state="closed") == ([first["item_id"]], "")
    assert scene.ask("GET", "/work-items?state=all", token).status_code == 422


def test_items_are_paged_the_oldest_first_and_none_sinks(scene):
    ids = [opened(scene)["item_id"] for _ in range(5)]
    token, cursor, seen = scene.token(), "", []
    for size in (2, 2, 1):
        page, cursor = listed(scene, token, limit=2, cursor=cursor)
        assert len(page) == size
        seen += page
    assert (seen, cursor) == (ids, "")


def test_an_item_whose_end_is_heard_first_is_closed(scene):
    item = opened(scene, hear=False)
    scene.hear(intake.WorkItemClosedV1, CASE, closing(item))
    scene.hear(intake.WorkItemOpenedV1, CASE, item)
    assert listed(scene, scene.token()) == ([], "")


@pytest.mark.parametrize("kind", ["citizen", "channel"])
def test_only_clerks_see_work_items(scene, kind):
    assert scene.ask("GET", "/work-items", scene.token(kind, "c-1")).status_code == 403


def test_closing_an_item_is_one_command_with_a_sealed_note(scene):
    item, token, key = opened(scene), scene.token(), {"Idempotency-Key": "close-0001"}
    path, body = f"/work-items/{item['item_id']}/acts", {"act": "close", "note": f"已联系{PERSON['name']}"}
    for _ in range(2):
        answer = scene.ask("POST", path, token, json=body, headers=key)
        assert (answer.status_code, answer.json["state"]) == (202, "open")
    [command] = scene.told()
    assert (command.type, command.subject) == (intake.CloseWorkItemV1.type, CASE)
    assert command.data == {
        "item_id": item["item_id"],
        "actor": {"id": "clerk-1", "kind": "clerk", "office": TOWNSHIP},
    }
    assert open_personal(scene.node, intake.CloseWorkItemV1, command) == {"reason": body["note"]}
    scene.hear(intake.WorkItemClosedV1, CASE, closing(item), causation=command.id)
    answer = scene.ask("POST", path, token, json=body, headers=key)
    assert (answer.status_code, answer.json["state"]) == (200, "closed")
    assert answered.WorkItem().validate(answer.json) == {}


def test_an_item_nobody_knows_is_not_found_and_a_note_is_needed(scene):
    token = scene.token()
    path = f"/work-items/{clock.new_id()}/acts"
    assert scene.ask("POST", path, token, json={"act": "close", "note": "x"}).json["code"] == "work_item_unknown"
    assert scene.ask("POST", path, token, json={"act": "close", "note": ""}).status_code == 422


def test_a_case_that_waits_for_a_person_says_so_and_is_found_by_it(scene):
    scene.hear(TAKEN_IN, CASE, taken_in(), people())
    forwarded = {"case": facts(), "leg_no": 2, "division": COUNTY, "redirects": 0, "steps": [], "leg": a_leg(1, 2)}
    scene.hear(intake.ApplicationForwardedV1, CASE, forwarded, people())
    scene.hear(intake.LegChangedV1, CASE, {"leg": a_leg(1, 3, "needs_attention"), "peer_leg_no": 2})
    item = opened(scene)
    token = scene.token()
    found = scene.ask("GET", "/cases?state=needs_attention", token).json["cases"]
    assert [(case["case_id"], case["state_name"]) for case in found] == [(CASE, "待人工处理")]
    case = scene.ask("GET", f"/cases/{CASE}", token).json
    assert [it["item_id"] for it in case["work_items"]] == [item["item_id"]]
    citizen = scene.ask("GET", f"/cases/{CASE}", scene.token("citizen", "c-1")).json
    assert (citizen["state_name"], citizen["work_items"]) == ("待人工处理", [])


@pytest.mark.parametrize(
    ("office", "act", "status", "code"),
    [
        (TOWNSHIP, {"act": "forward", "to_division": "620103"}, 202, ""),
        (TOWNSHIP, {"act": "tell"}, 202, ""),
        (TOWNSHIP, {"act": "forward"}, 422, "act_field_missing"),
        (TOWNSHIP, {"act": "forward", "to_division": "469003"}, 422, "division_retired"),
        (DPF, {"act": "tell"}, 403, "office_without_power"),
    ],
)
def test_a_clerk_sends_on_and_tells_by_a_command_to_intake(scene, office, act, status, code):
    scene.hear(TAKEN_IN, CASE, taken_in(), people())
    answer = scene.ask("POST", f"/cases/{CASE}/acts", scene.token(office=office), json={"expected_version": 1} | act)
    assert (answer.status_code, answer.json.get("code", "")) == (status, code)
    kinds = {"forward": intake.ForwardApplicationV1, "tell": intake.TellApplicantV1}
    assert [told.type for told in scene.told()] == ([kinds[act["act"]].type] if status == 202 else [])


def test_notices_are_paged_and_hold_no_work_item(scene):
    for version in range(3):
        scene.hear(intake.WorkItemOpenedV1, CASE, opened(scene, hear=False))
        scene.hear(DIRECTORY, "", {"version": version})
    token, cursor, seen = scene.token(), "", []
    for size in (2, 1):
        page = scene.ask("GET", "/notices", token, query_string={"limit": 2, "cursor": cursor}).json
        cursor = page["next_cursor"]
        assert len(page["notices"]) == size
        seen += [notice["data"]["version"] for notice in page["notices"]]
    assert (seen, cursor) == ([2, 1, 0], "")  # and no work item among them


# --- a refusal that comes after the receipt --------------------------------------------------------------------------

REFUSAL = {"kind": "Refused", "code": "duplicate_case", "message": "已有在办的办件"}


def refused_take_in(scene, wait):
    scene.app.config["PATIENCE"] = wait
    case_id = scene.take_in(scene.token())["case_id"]
    [command] = [told for told in scene.told() if told.type == TakeInApplicationV1.type]
    for _ in range(2):
        scene.hear(intake.ActRefusedV1, case_id, REFUSAL, causation=command.id)
    return [told for told in scene.told() if told.type == intake.TellRefusalV1.type]


def test_a_refusal_after_the_receipt_is_handed_to_intake_to_tell(scene):
    asked, *_ = refused_take_in(scene, 0.0)
    assert asked.data["office"] == TOWNSHIP
    assert asked.data["case_no"].startswith(TOWNSHIP)
    assert open_personal(scene.node, intake.TellRefusalV1, asked) == {"phone": PERSON["phone"]}
    assert not [secret for secret in SECRETS if secret in str(asked.data)]


def test_whoever_still_waits_at_the_counter_hears_the_refusal_there(scene, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    assert refused_take_in(scene, 0.01) == []


# --- materials -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "material", "code"),
    [
        ("clerk", {}, "material_not_shown"),
        ("citizen", {}, "material_not_shown"),
        ("citizen", {"seen": "original"}, "seen_not_allowed"),
        ("clerk", {"source": "e-certificate", "seen": "original"}, "seen_not_allowed"),
    ],
)
def test_a_material_that_nobody_can_look_at_is_refused_by_name(scene, kind, material, code):
    item = {"code": "disability-card", "source": "applicant"} | material
    answer = scene.ask("POST", "/cases", scene.token(kind, "k-1"), json=a_form(materials=[item], office=TOWNSHIP))
    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert answer.json["field"].startswith("materials.0.")
    assert scene.told() == []


def test_an_original_seen_at_the_counter_is_recorded_with_who_and_when(scene):
    item = {"code": "disability-card", "source": "applicant", "seen": "original"}
    case_id = scene.take_in(scene.token(actor="clerk-7"), materials=[item])["case_id"]
    [kept] = scene.ask("GET", f"/cases/{case_id}", scene.token()).json["materials"]
    assert (kept["seen"], kept["seen_by"], bool(kept["provided_at"])) == ("original", "clerk-7", True)
    [command] = scene.told()
    assert command.data["case"]["materials"] == [kept]
