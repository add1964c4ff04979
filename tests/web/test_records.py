"""Marriage records over HTTP: who may ask, where the number goes, what comes back and when."""

import datetime

import pytest

from contracts.marriage import ActRefusedV1, CorrectRecordV1, LookUpRecordsV1, RecordCorrectedV1, RecordsFoundV1
from services.web.store.found import KEPT
from services.web.store.tables import found_records
from shared import clock
from shared.crypto.personal import open_personal
from tests.web.scene import OTHER_NUMBER, PERSON, SECRETS, Scene

BODY = {"id_type": "citizen", "id_number": PERSON["id_number"]}
RECORD = {
    "kind": "marriage",
    "office": "某登记处",
    "registered_on": "2025-10-09",
    "certificate_no": "J620102-2025-000001",
}
RECORD |= {
    "standing": "valid",
    "effective_from": "2025-10-09",
    "words": "",
    "ended_on": "",
    "late": False,
    "back_entered": False,
}
COVERS = [{"office": "620102-mr", "name": "某登记处", "from_year": 2025, "from_on": "", "until_year": None}]
COVERS[0] |= {"complete": True}
NAMED = [(PERSON["name"], PERSON["id_number"]), ("顾青禾", OTHER_NUMBER)]
WHY = {"X-Purpose": "marriage_registration", "Idempotency-Key": "search-001"}


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


@pytest.fixture
def clerk(scene):
    return scene.token(office="620102-mr")


def search(scene, token, headers=WHY, path="/marriages/search", **changes):
    return scene.ask("POST", path, token, json=BODY | changes, headers=headers)


def answered(scene):
    """Marriage answers the command in the outbox."""
    (command,) = scene.told()
    found = {"records": [RECORD], "national": None, "statement": ""}
    scene.hear(RecordsFoundV1, command.subject, {"covers": COVERS}, found, causation=command.id)


def test_a_search_is_one_command_whose_answer_a_repetition_brings(scene, clerk):
    first = search(scene, clerk)
    assert (first.status_code, first.json["found"]) == (202, None)
    (command,) = scene.told()
    assert (command.type, command.data["purpose"]) == (LookUpRecordsV1.type, "marriage_registration")
    assert open_personal(scene.node, LookUpRecordsV1, command)["person"] == BODY
    assert not any(secret in str(command) for secret in SECRETS)
    answered(scene)
    again = search(scene, clerk)
    assert (again.status_code, again.json["found"]["records"]) == (200, [RECORD])
    assert again.json["found"]["covers"][0]["complete"] is True
    assert "没有记录" in again.json["note"]
    assert len(scene.told()) == 1


def test_somebody_else_s_key_finds_nothing_of_it(scene, clerk):
    search(scene, clerk)
    answered(scene)
    other = search(scene, scene.token(actor="clerk-2", office="620103-mr"))
    assert (other.status_code, other.json["found"]) == (202, None)


def test_a_refusal_of_marriage_is_the_answer(scene, clerk):
    search(scene, clerk, certificate=True)
    (command,) = scene.told()
    told = {"kind": "Refused", "code": "no_record_certificate_abolished", "message": "不再出具", "basis": "通知"}
    scene.hear(ActRefusedV1, command.subject, told | {"field": "", "details": {}}, causation=command.id)
    refused = search(scene, clerk, certificate=True)
    assert (refused.status_code, refused.json["code"]) == (422, "no_record_certificate_abolished")


def test_nobody_is_looked_up_without_a_purpose_or_with_a_wrong_number(scene, clerk):
    assert search(scene, clerk, headers={}).json["code"] == "purpose_missing"
    assert search(scene, clerk, id_number="990102197503120179").json["code"] == "number_wrong_check"
    assert search(scene, scene.token("citizen")).json["code"] == "kind_not_allowed"
    assert scene.told() == []


def test_a_citizen_looks_up_their_own_records_only(scene):
    token, key = scene.token("citizen"), {"Idempotency-Key": "search-002"}
    theirs = search(scene, token, {}, "/marriages/mine", id_number=OTHER_NUMBER)
    assert (theirs.status_code, theirs.json["code"]) == (403, "not_your_record")
    assert search(scene, token, key, "/marriages/mine").status_code == 202
    (command,) = scene.told()
    assert (command.data["purpose"], command.data["actor"]["kind"]) == ("own", "citizen")
    answered(scene)
    assert search(scene, token, key, "/marriages/mine").json["found"]["records"] == [RECORD]


def test_what_was_found_is_kept_for_a_day_sealed(scene, clerk):
    search(scene, clerk)
    answered(scene)
    with scene.works.begin() as work:
        (row,) = work.execute(found_records.select())
        text = work.connection.exec_driver_sql("SELECT found FROM found_records").scalar_one()
        assert row.found["records"] == [RECORD]
        assert RECORD["certificate_no"] not in text


def test_what_was_found_is_shown_for_a_day_only_and_forgotten_though_nobody_looks_again(scene, clerk):
    search(scene, clerk)
    answered(scene)
    assert search(scene, clerk).json["found"]
    with scene.works.begin() as work:
        work.execute(found_records.update().values(kept_at=clock.iso(work.now - KEPT - datetime.timedelta(seconds=1))))
    assert search(scene, clerk).json["found"] is None
    timer = next(timer for timer in scene.doors.timers if timer.name == "web.forget_found")
    assert scene.doors.run_timer(scene.works, timer, "replica-1")
    with scene.works.begin() as work:
        assert work.execute(found_records.select()).all() == []


# --- 更正 ------------------------------------------------------------------------------------------------------------


def test_a_correction_is_one_command_and_its_confirmation_another(scene, clerk):
    couple = [{"name": name, "id_type": "citizen", "id_number": number} for name, number in NAMED]
    right = [couple[0] | {"name": "何守天"}, couple[1]]
    paper = {"kind": "证明", "issuer": "某派出所", "number": "1", "on": "2025-10-08"}
    form = {"certificate_no": "J620102-2025-000001", "persons": couple, "corrected": right, "document": paper}
    answers = [
        scene.ask("POST", "/marriages/corrections", clerk, json=form, headers={"Idempotency-Key": "correct-01"})
        for _ in (1, 2)
    ]
    assert {answer.status_code for answer in answers} == {202}
    about = answers[0].json["correction_id"]
    (command,) = scene.told()
    assert (command.type, command.subject) == ("marriage.correct_record.v1", about)
    assert open_personal(scene.node, CorrectRecordV1, command) == form
    acted = scene.ask("POST", f"/marriages/corrections/{about}/acts", clerk, json={"act": "confirm", "approve": True})
    assert (acted.status_code, scene.told()[-1].data["approve"]) == (202, True)
    scene.hear(RecordCorrectedV1, about, {"state": "recorded", "office": "620102-mr"}, causation=command.id)
    again = scene.ask("POST", "/marriages/corrections", clerk, json=form, headers={"Idempotency-Key": "correct-01"})
    assert again.status_code == 201
