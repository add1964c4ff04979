"""离婚登记 and endings on the desk: acts with other papers, endings of two clerks, certificates that are revoked."""

import pytest
from sqlalchemy import select

from contracts import certificate, marriage
from services.web.rules import Principal
from services.web.store import reading, writing
from services.web.usecases import acting, taking_in
from shared.audit import audit_rows
from shared.crypto.personal import open_personal
from shared.errors import Refused
from tests.web.scene import NODE, OTHER_NUMBER, PERSON, SECRETS, TOWNSHIP, Scene, a_leg, office
from tests.web.test_usecases import an_act, asked

MR = "620102-mr"
REGISTRAR = Principal("t", "clerk", "registrar-1", office=MR)
SPOUSE = PERSON | {"role": "spouse", "name": "顾青禾", "id_number": OTHER_NUMBER}
BROUGHT = [
    {"code": code, "source": "applicant", "seen": "original"}
    for code in ("application", "agreement", "certificate", "photo")
]
HEARD = [{"number": number, "present": True, "willing": True, "capable": True} for number in (0, 1)]
PAPERS = {
    "heard": HEARD,
    "agreement": {"signed": True, "children": True, "property": True, "debts": True},
    "certificate": "shown",
    "registered_in_mainland": True,
}
NUMBER = "J460204-2025-000001"
ENDING = {
    "certificate_no": NUMBER,
    "persons": [{name: one[name] for name in ("name", "id_type", "id_number")} for one in (PERSON, SPOUSE)],
    "ground": "divorce_by_court",
    "on": "2025-10-09",
    "document": {"kind": "民事判决书", "issuer": "某人民法院", "number": "(2025)某民初1号", "on": "2025-10-09"},
}


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def opened(work, matter="divorce-registration", **changes):
    """A couple's case whose registrar is shown a task."""
    form = {"matter": matter, "parties": [PERSON, SPOUSE], "materials": BROUGHT, "answers": {"certificate_no": NUMBER}}
    case_id = taking_in.take_in(work, REGISTRAR, asked(**form | changes), "key-0001")
    writing.keep_leg(work, case_id, a_leg())
    task = {"verb": "examine", "tier": "county", "offices": [MR]}
    writing.keep_task(work, case_id, (2, 1, "2025-09-24T01:02:03.000004Z"), task)
    return case_id


@pytest.mark.parametrize(
    ("act", "contract", "data", "personal"),
    [
        ({"act": "examine", "approve": True}, marriage.ExamineDivorceV1, {"approve": True}, PAPERS | {"reasons": []}),
        ({"act": "register", "approve": True}, marriage.RegisterDivorceV1, {"approve": True}, PAPERS | {"reasons": []}),
        ({"act": "withdraw_divorce", "number": 0}, marriage.WithdrawDivorceV1, {}, {"number": 0}),
    ],
)
def test_an_act_in_a_divorce_is_one_command_with_the_papers_sealed(scene, act, contract, data, personal):
    with scene.works.begin() as work:
        case_id = opened(work)
        acting.act(work, REGISTRAR, case_id, an_act("", papers=PAPERS) | act, "key-0002")
    [_, command] = scene.told()
    assert (command.type, command.subject) == (contract.type, case_id)
    actor = {"id": "registrar-1", "kind": "clerk", "office": MR}
    assert command.data == {"expected_version": 1, "actor": actor} | data
    assert open_personal(scene.node, contract, command) == personal


def test_an_act_in_a_divorce_needs_its_papers_and_a_withdrawal_says_whose(scene):
    with scene.works.begin() as work:
        case_id = opened(work)
        for act in ({"act": "examine", "approve": True, "papers": None}, {"act": "withdraw_divorce", "number": None}):
            with pytest.raises(Refused, match="act_field_missing"):
                acting.act(work, REGISTRAR, case_id, an_act("") | act, "key-0002")


def test_a_marriage_is_not_withdrawn_like_a_divorce(scene):
    papers = [{"code": code, "source": "applicant", "seen": "original"} for code in ("declaration", "photo")]
    with scene.works.begin() as work:
        case_id = opened(work, "marriage-registration", materials=papers, answers={})
        with pytest.raises(Refused, match="act_not_of_matter"):
            acting.act(work, REGISTRAR, case_id, an_act("withdraw_divorce", number=1), "key-0002")


# --- endings ---------------------------------------------------------------------------------------------------------


def test_an_ending_is_recorded_by_one_clerk_and_confirmed_by_another(scene):
    first, second = scene.token(actor="first", office=MR), scene.token(actor="second", office=MR)
    recorded = scene.ask("POST", "/marriages/endings", first, json=ENDING)
    assert recorded.status_code == 202, recorded.text
    ending_id = recorded.json["ending_id"]
    act = {"act": "confirm", "approve": True}
    confirmed = scene.ask("POST", f"/marriages/endings/{ending_id}/acts", second, json=act)
    assert confirmed.status_code == 202, confirmed.text
    one, two = scene.told()
    assert [(it.type, it.subject) for it in (one, two)] == [
        (marriage.RecordEndingV1.type, ending_id),
        (marriage.ConfirmEndingV1.type, ending_id),
    ]
    assert one.data["actor"]["id"] == "first"
    assert open_personal(scene.node, marriage.RecordEndingV1, one)["document"] == ENDING["document"]
    assert not any(secret in str(one.data) for secret in SECRETS)
    assert (two.data["actor"]["id"], two.data["approve"]) == ("second", True)


def test_the_same_ending_under_the_same_key_is_recorded_once(scene):
    token, key = scene.token(office=MR), {"Idempotency-Key": "ending-0001"}
    answers = [scene.ask("POST", "/marriages/endings", token, json=ENDING, headers=key) for _ in range(2)]
    assert answers[0].json == answers[1].json
    assert len(scene.told()) == 1


@pytest.mark.parametrize(
    ("who", "changes", "status"),
    [
        ({"office": TOWNSHIP}, {}, 403),
        ({"kind": "citizen"}, {}, 403),
        ({"office": MR}, {"ground": "quarrel"}, 422),
        ({"office": MR}, {"persons": ENDING["persons"][:1]}, 422),
        ({"office": MR}, {"registering_division": "999999"}, 422),
    ],
)
def test_only_who_registers_marriages_records_how_one_ended(scene, who, changes, status):
    answer = scene.ask("POST", "/marriages/endings", scene.token(**who), json=ENDING | changes)
    assert answer.status_code == status, answer.text
    assert scene.told() == []


def test_why_an_ending_was_refused_reads_only_the_office_that_recorded_it_for_a_purpose(scene):
    ending_id, reason = (
        "01999999-0000-7000-8000-00000000abcd",
        {"code": "marriage_unknown", "text": "没有", "basis": "x"},
    )
    for state in ("refused", "sent", "recorded"):  # heard in any order
        reasons = [reason] if state == "refused" else []
        scene.hear(marriage.EndingNotedV1, ending_id, {"state": state, "office": MR}, {"reasons": reasons})
    path, why = f"/marriages/endings/{ending_id}", {"X-Purpose": "handle_case"}
    mine, theirs = scene.token(office=MR), scene.token(actor="c-2", office=TOWNSHIP)
    assert scene.ask("GET", path, mine, headers=why).json == {
        "ending_id": ending_id,
        "state": "refused",
        "reasons": [reason],
    }
    assert scene.ask("GET", path, theirs, headers=why).status_code == 404
    assert scene.ask("GET", path, mine).status_code == 422
    with scene.works.begin() as work:
        looks = [row.act for row in work.execute(select(audit_rows)) if row.subject == ending_id]
    assert looks == ["view_ending"]


def test_how_a_recorded_ending_goes_on_is_a_notice_and_answers_the_clerk(scene):
    token, key = scene.token(office=MR), {"Idempotency-Key": "ending-0001"}
    ending_id = scene.ask("POST", "/marriages/endings", token, json=ENDING, headers=key).json["ending_id"]
    scene.hear(
        marriage.EndingNotedV1,
        ending_id,
        {"state": "recorded", "office": MR},
        {"reasons": []},
        causation=scene.told()[-1].id,
    )
    assert scene.ask("POST", "/marriages/endings", token, json=ENDING, headers=key).status_code == 201


# --- certificates ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_certificate_shows_its_newest_status_in_whichever_order_it_is_heard(scene, order):
    face = {"certificate_id": "1.2.156.3005.2.x", "certificate_type": "marriage-certificate", "name": "结婚证"}
    face |= {"version": 1, "issuer": office(MR, NODE), "issued_on": "2025-10-09"}
    said = [
        (certificate.CertificateIssuedV1, {"status": "valid", "status_at": ""}),
        (certificate.CertificateRevokedV1, {"status": "revoked", "status_at": "2025-10-11T01:00:00.000000Z"}),
        (certificate.CertificateReinstatedV1, {"status": "valid", "status_at": "2025-10-12T01:00:00.000000Z"}),
    ]
    with scene.works.begin() as work:
        case_id = opened(work)
    for number in order:
        contract, status = said[number]
        scene.hear(contract, case_id, {"certificate": face | status})
    with scene.works.begin() as work:
        kept = reading.find_certificate(work, case_id)
    assert (kept["status"], kept["status_at"]) == ("valid", "2025-10-12T01:00:00.000000Z")
