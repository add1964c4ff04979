"""结婚登记 on the desk: two persons at a counter, the acts of registrars, and what marriage says of a case."""

import pytest
from sqlalchemy import text

from contracts import intake, marriage
from services.web.rules import Principal
from services.web.store import reading, writing
from services.web.usecases import acting, taking_in, viewing
from shared.crypto.personal import open_personal
from shared.errors import Denied, OutOfStep, Refused
from tests.web.scene import NODE, OTHER_NUMBER, PERSON, SECRETS, TOWNSHIP, Scene, a_leg, facts, office
from tests.web.test_usecases import an_act, asked, citizen

MR, OTHER_MR = "620102-mr", "620103-mr"
REGISTRAR = Principal("t", "clerk", "registrar-1", office=MR)
SPOUSE = PERSON | {"role": "spouse", "name": "顾青禾", "id_number": OTHER_NUMBER}
PAPERS = [{"code": code, "source": "applicant", "seen": "original"} for code in ("declaration", "photo")]
CASE = "01999999-0000-7000-8000-00000000abcd"
HEARD = [{"number": number, "present": True, "declared": True, "willing": True, "apart": True} for number in (0, 1)]
REASON = {"code": "kinship", "text": "属于三代以内旁系血亲", "basis": "民法典 第一千零四十八条"}
FINDING = {"ground": "kinship", "eligible": None, "reasons": [REASON]}
NUMBER = "J620102-2025-000001"


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


@pytest.fixture
def work(scene):
    with scene.works.begin() as work:
        yield work


def couple(**changes):
    form = {"matter": "marriage-registration", "parties": [PERSON, SPOUSE], "materials": PAPERS, "answers": {}}
    return asked(**form | changes)


def act_of(act, **more):
    return an_act(act, heard=[], kinship="") | more


# --- taking in -------------------------------------------------------------------------------------------------------


def test_both_of_a_couple_find_their_case_and_nobody_else(work):
    case_id = taking_in.take_in(work, REGISTRAR, couple(), "key-0001")
    assert reading.find_case(work, case_id).facts["channel"] == "counter"
    for number in (PERSON["id_number"], OTHER_NUMBER):
        [row] = viewing.list_cases(work, citizen(work, number), {})["cases"]
        assert row["case_id"] == case_id
    assert viewing.list_cases(work, citizen(work, "990102196908010597"), {})["cases"] == []


def test_a_spouse_who_is_only_named_in_a_subsidy_does_not_find_it(work):
    clerk = Principal("t", "clerk", "k", office=TOWNSHIP)
    taking_in.take_in(work, clerk, asked(parties=[PERSON, SPOUSE]), "key-0001")
    assert viewing.list_cases(work, citizen(work, OTHER_NUMBER), {})["cases"] == []


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"parties": [PERSON]}, "party_missing", "另一方当事人"),
        ({"parties": [SPOUSE]}, "party_missing", "申请人"),
        ({"parties": [PERSON, SPOUSE, SPOUSE | {"id_number": "990102196908010597"}]}, "party_twice", "删去"),
        ({"parties": [PERSON, SPOUSE | {"id_number": PERSON["id_number"]}]}, "same_person", "分别填写"),
    ],
)
def test_a_couple_is_two_persons_with_two_documents(work, changes, code, words):
    with pytest.raises(Refused, match=code) as refused:
        taking_in.take_in(work, REGISTRAR, couple(**changes), "key-0001")
    assert refused.value.field == "parties"
    assert words in refused.value.message


def test_a_couple_cannot_apply_from_home(scene, work):
    with pytest.raises(Refused, match="channel_not_allowed") as refused:
        taking_in.take_in(work, citizen(work), couple(office=MR, materials=[]), "key-0001")
    assert "网上预约,到场办理" in refused.value.message


@pytest.mark.parametrize("code", [TOWNSHIP, "620102"])
def test_only_an_office_that_registers_takes_a_couple_in(work, code):
    with pytest.raises(Denied, match="office_without_power"):
        taking_in.take_in(work, Principal("t", "clerk", "k", office=code), couple(), "key-0001")


# --- acting ----------------------------------------------------------------------------------------------------------


def shown(work, version=1):
    """A couple's case whose registrar is shown a task."""
    case_id = taking_in.take_in(work, REGISTRAR, couple(), "key-0001")
    writing.keep_leg(work, case_id, a_leg())
    task = {"verb": "examine", "tier": "county", "offices": [MR]}
    writing.keep_task(work, case_id, (2, version, "2025-09-24T01:02:03.000004Z"), task)
    return case_id


@pytest.mark.parametrize(
    ("act", "contract", "data", "personal"),
    [
        (
            act_of("examine", approve=True, heard=HEARD, kinship="none"),
            marriage.ExamineApplicationV1,
            {"approve": True},
            {"heard": HEARD, "kinship": "none", "reasons": []},
        ),
        (
            act_of("register", approve=False, reasons=[REASON]),
            marriage.RegisterMarriageV1,
            {"approve": False},
            {"heard": [], "reasons": [REASON]},
        ),
        (
            act_of("register", approve=False, heard=HEARD),
            marriage.RegisterMarriageV1,
            {"approve": False},
            {"heard": HEARD, "reasons": []},
        ),
        (act_of("reserve_again"), marriage.ReserveAgainV1, {}, None),
    ],
)
def test_an_act_of_a_registrar_is_one_command_to_marriage(scene, act, contract, data, personal):
    with scene.works.begin() as work:
        case_id = shown(work)
    for _ in range(2):
        with scene.works.begin() as work:
            acting.act(work, REGISTRAR, case_id, act, "key-0002")
    [_, command] = scene.told()
    assert (command.type, command.subject) == (contract.type, case_id)
    actor = {"id": "registrar-1", "kind": "clerk", "office": MR}
    assert command.data == {"expected_version": 1, "actor": actor} | data
    assert (open_personal(scene.node, contract, command) if personal else command.sealed) == personal


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (act_of("examine", heard=HEARD, kinship="none"), "act_field_missing"),
        (act_of("examine", approve=True, kinship="none"), "act_field_missing"),
        (act_of("examine", approve=True, heard=HEARD), "act_field_missing"),
        (act_of("register"), "act_field_missing"),
        (act_of("check", approve=True), "act_not_of_matter"),
        (act_of("decide", approve=True), "act_not_of_matter"),
        (act_of("request_supplement", missing=[REASON]), "act_not_of_matter"),
        (act_of("redirect", to_division="460204", reason="迁走"), "act_not_of_matter"),
    ],
)
def test_an_act_that_lacks_something_or_is_of_another_matter_asks_nobody(work, act, code):
    case_id = shown(work)
    with pytest.raises(Refused, match=code):
        acting.act(work, REGISTRAR, case_id, act, "key-0002")


@pytest.mark.parametrize("act", ["examine", "register", "reserve_again"])
def test_no_act_of_a_registrar_is_asked_for_in_a_subsidy(work, act):
    clerk = Principal("t", "clerk", "k", office=TOWNSHIP)
    case_id = taking_in.take_in(work, clerk, asked(), "key-0001")
    with pytest.raises(Refused, match="act_not_of_matter"):
        acting.act(work, clerk, case_id, act_of(act, approve=True, heard=HEARD, kinship="none"), "key-0002")


def test_an_act_of_a_registrar_waits_for_its_version_and_needs_the_power(work):
    case_id = shown(work)
    act = act_of("register", approve=True)
    with pytest.raises(OutOfStep, match="version_ahead"):
        acting.act(work, REGISTRAR, case_id, act | {"expected_version": 2}, "key-0002")
    with pytest.raises(Denied, match="office_without_power"):
        acting.act(work, Principal("t", "clerk", "k", office="620102"), case_id, act, "key-0003")
    with pytest.raises(Denied, match="act_not_allowed"):
        acting.act(work, citizen(work), case_id, act, "key-0004")


@pytest.mark.parametrize("heard", [HEARD[:1], [HEARD[0], HEARD[0]], [*HEARD, HEARD[1]], [HEARD[0] | {"number": 2}]])
def test_the_registrar_hears_each_of_the_two_once(scene, heard):
    token = scene.token("clerk", office=MR)
    case = scene.take_in(token, matter="marriage-registration", parties=[PERSON, SPOUSE], materials=PAPERS, answers={})
    asked_for = {"act": "examine", "expected_version": 1, "approve": True, "heard": heard, "kinship": "none"}
    answer = scene.ask("POST", f"/cases/{case['case_id']}/acts", token, json=asked_for)
    assert (answer.status_code, answer.json["code"]) == (422, "fields_invalid")
    assert answer.json["errors"][0]["field"].startswith("heard")


# --- what marriage says ----------------------------------------------------------------------------------------------


def hear_task(scene, version=1, verb="examine", **more):
    case = facts(matter="marriage-registration", accepting_office=office(MR))
    task = {"verb": verb, "tier": "county", "offices": [MR]}
    opened = {"leg_no": 2, "version": version, "case": case, "division": "620102", "task": task, "missing_facts": []}
    scene.hear(marriage.TaskOpenedV1, CASE, opened | more, {"findings": [FINDING]})


def hear_taken_in(scene):
    case = facts(matter="marriage-registration", accepting_office=office(MR))
    told = {"case": case, "leg": a_leg(), "steps": [], "missing": [], "competent_node": NODE, "division": "620102"}
    scene.hear(intake.ApplicationTakenInV1, CASE, told, {"parties": [PERSON, SPOUSE], "answers": {}})


def hear_decided(scene, result="granted", number=NUMBER):
    told = {"leg_no": 2, "version": 3, "result": result, "office": office(MR), "at": "2025-09-24T02:00:00.000000Z"}
    told |= {"remedies": [], "rules_version": "marriage/2025"}
    why = {"findings": [FINDING], "statement": "准予登记", "reasons": [], "certificate_no": number}
    scene.hear(marriage.ApplicationDecidedV1, CASE, told, why)


def view(scene, who=REGISTRAR, purpose="handle_case"):
    with scene.works.begin() as work:
        return viewing.view_case(work, who, CASE, purpose)


def waiting(scene):
    """What the only task in the office's list waits for."""
    with scene.works.begin() as work:
        [row] = viewing.list_tasks(work, REGISTRAR)["tasks"]
    return [fact["code"] for fact in row["missing_facts"]]


def test_a_task_says_what_it_waits_for_and_whom_to_ask(scene):
    hear_taken_in(scene)
    elsewhere = {"code": "460204-mr", "name": "天涯区民政局婚姻登记处", "node": "460200", "phone": "0000-12345"}
    hear_task(scene, missing_facts=["held_elsewhere"], ask_office=elsewhere)
    task = view(scene)["task"]
    assert (task["verb"], task["verb_name"], task["version"]) == ("examine", "审查", 1)
    assert task["ask_office"] == elsewhere
    [waits] = task["missing_facts"]
    assert (waits["code"], waits["name"]) == ("held_elsewhere", "一方正在其他机构办理")
    assert "再次预留" in waits["advice"]
    assert waiting(scene) == ["held_elsewhere"]
    hear_task(scene)  # the other office is done with it
    task = view(scene)["task"]
    assert (task["missing_facts"], task["ask_office"]) == ([], None)
    assert waiting(scene) == []
    with scene.works.begin() as work:
        [row] = viewing.list_tasks(work, REGISTRAR)["tasks"]
    assert (row["case_id"], row["verb"]) == (CASE, "examine")


def test_what_was_examined_leads_to_the_next_task(scene):
    hear_taken_in(scene)
    hear_task(scene)
    task = {"verb": "register", "tier": "county", "offices": [MR]}
    done = {"leg_no": 2, "version": 2, "approve": True, "office": office(MR), "at": "2025-09-24T01:30:00.000000Z"}
    scene.hear(marriage.ApplicationExaminedV1, CASE, done | {"next_task": task})
    found = view(scene)
    assert (found["task"]["verb_name"], found["versions"]["task"]) == ("登记", 2)
    assert found["personal"]["findings"] == [FINDING]


def test_a_certificate_s_number_is_kept_sealed_and_shown_to_the_couple_and_its_office(scene):
    hear_taken_in(scene)
    hear_task(scene)
    hear_decided(scene)
    found = view(scene)
    assert (found["task"], found["decision"]["result"]) == (None, "granted")
    assert (found["personal"]["certificate_no"], found["personal"]["statement"]) == (NUMBER, "准予登记")
    with scene.works.begin() as work:
        spouse = citizen(work, OTHER_NUMBER)
    assert view(scene, spouse, "")["personal"]["certificate_no"] == NUMBER
    stranger = view(scene, Principal("t", "clerk", "k", office=TOWNSHIP), "")
    assert NUMBER not in str(stranger)
    with scene.works.engine.connect() as connection:
        kept = str(connection.execute(text("SELECT * FROM words")).all())
        kept += str(connection.execute(text("SELECT * FROM decisions")).all())
    assert not [secret for secret in (NUMBER, *SECRETS) if secret in kept]


def test_a_case_that_is_dropped_has_no_task(scene):
    hear_taken_in(scene)
    hear_task(scene)
    scene.hear(marriage.ApplicationDroppedV1, CASE, {"leg_no": 2, "version": 2, "at": "2025-09-24T02:00:00.000000Z"})
    assert view(scene)["task"] is None


def test_a_refusal_of_marriage_answers_the_command(scene):
    token = scene.token("clerk", office=MR)
    case = scene.take_in(token, matter="marriage-registration", parties=[PERSON, SPOUSE], materials=PAPERS, answers={})
    with scene.works.begin() as work:
        writing.keep_leg(work, case["case_id"], a_leg())
        task = {"verb": "register", "tier": "county", "offices": [MR]}
        writing.keep_task(work, case["case_id"], (2, 1, "2025-09-24T01:02:03.000004Z"), task)
    key, act = {"Idempotency-Key": "register-1"}, {"act": "register", "expected_version": 1, "approve": True}
    scene.ask("POST", f"/cases/{case['case_id']}/acts", token, json=act, headers=key)
    told = {
        "kind": "Refused",
        "code": "reasons_missing",
        "message": "请写明理由",
        "basis": "民法典",
        "field": "reasons",
    }
    scene.hear(marriage.ActRefusedV1, case["case_id"], told | {"details": {}}, causation=scene.told()[-1].id)
    answer = scene.ask("POST", f"/cases/{case['case_id']}/acts", token, json=act, headers=key)
    assert (answer.status_code, answer.json["code"]) == (422, "reasons_missing")


@pytest.mark.parametrize("code", [OTHER_MR, "620102", TOWNSHIP])
def test_no_other_office_sees_the_persons_of_a_registration(scene, code):
    hear_taken_in(scene)
    hear_task(scene)
    with pytest.raises(Denied, match="office_not_concerned"):
        view(scene, Principal("t", "clerk", "k", office=code))
