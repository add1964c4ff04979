"""A person's own claims over HTTP: who may ask, what is shown of them, what is given up, and what happens meanwhile."""

import json

import pytest

from contracts.api import claims as shapes
from contracts.claims import ActRefusedV1, ClaimDroppedV1, ClaimsFoundV1, DropClaimsV1, LookUpClaimsV1
from services.web.store.tables import found_claims
from shared.crypto.personal import open_personal
from tests.web.scene import NODE, OTHER_NUMBER, PERSON, SECRETS, Scene
from tests.web.test_api import faults, naming

BODY = {"id_type": "citizen", "id_number": PERSON["id_number"]}
DROP = BODY | {"kind": "marriage"}
AT_COUNTER = {"X-Purpose": "own_at_counter", "Idempotency-Key": "claims-001"}
KEY = {"Idempotency-Key": "claims-002"}
ELSEWHERE = {"code": "460204-mr", "name": "天涯区民政局婚姻登记处", "node": "460200", "phone": "0000-54321"}
HELD = {"kind": "marriage", "state": "held", "office": ELSEWHERE, "since": "2025-10-09T01:30:00.000000Z"}
HELD |= {"until": "2025-10-09T03:30:00.000000Z", "issued": False}
LOCKED = HELD | {"state": "locked", "until": ""}
AUTHORITY = "321300"


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


@pytest.fixture
def clerk(scene):
    return scene.token(office="620102-mr")


@pytest.fixture
def citizen(scene):
    return scene.token("citizen", actor="user-1")


def search(scene, token, headers=AT_COUNTER, path="/claims/search", **changes):
    return scene.ask("POST", path, token, json=BODY | changes, headers=headers)


def drop(scene, token, headers=AT_COUNTER, path="/claims/drops", **changes):
    return scene.ask("POST", path, token, json=DROP | changes, headers=headers)


def found(scene, *claims, complete=True, command=None, **more):
    """The authority's answer to the newest question (or to `command`) comes in; what became of it."""
    asked = command or scene.told()[-1]
    data = {"authority": AUTHORITY, "complete": complete}
    more = {"correlation": asked.correlation, "source": AUTHORITY} | more
    return scene.hear(ClaimsFoundV1, asked.subject, data, {"claims": list(claims)}, **more)


def dropped(scene, **told):
    """The authority says what became of the newest wish to drop."""
    asked = scene.told()[-1]
    data = {"kind": "marriage", "found": False} | told
    return scene.hear(ClaimDroppedV1, asked.subject, data, correlation=asked.correlation, source=AUTHORITY)


# --- 查询占用 ----------------------------------------------------------------------------------------------------------


def test_a_look_up_is_one_command_whose_answer_a_repetition_brings(scene, clerk):
    first = search(scene, clerk)
    assert (first.status_code, first.json["found"]) == (202, None)
    (command,) = scene.told()
    assert (command.type, command.data["purpose"]) == (LookUpClaimsV1.type, "own_at_counter")
    assert open_personal(scene.node, LookUpClaimsV1, command)["subject"].items() >= BODY.items()
    assert not any(secret in str(command) for secret in SECRETS)
    found(scene, HELD)
    again = search(scene, clerk)
    assert (again.status_code, faults(shapes.ClaimsAnswer(), again.json)) == (200, [])
    (claim,) = again.json["found"]["claims"]
    assert (claim["state"], claim["state_name"], claim["may_be_dropped"]) == ("held", "已预留", True)
    assert (claim["kind_name"], claim["office"], claim["until"]) == ("结婚登记", ELSEWHERE, HELD["until"])
    assert len(scene.told()) == 1


@pytest.mark.parametrize(
    ("issued", "state", "words", "advice"),
    [(False, "registering", "正在登记", "请联系该机构"), (True, "registered", "已登记", "由人民法院判决离婚")],
)
def test_what_is_locked_says_whether_it_is_registered_and_where_to_turn(scene, clerk, issued, state, words, advice):
    search(scene, clerk)
    found(scene, LOCKED | {"issued": issued})
    (claim,) = search(scene, clerk).json["found"]["claims"]
    assert (claim["state"], claim["state_name"], claim["may_be_dropped"]) == (state, words, False)
    assert advice in claim["advice"]


def test_while_the_authority_is_away_everybody_hears_what_to_do_and_its_answer_comes_later(scene, clerk):
    for _ in range(2):
        waiting = search(scene, clerk)
        assert (waiting.status_code, "不会丢失" in waiting.json["note"]) == (202, True)
    assert len(scene.told()) == 1
    found(scene)
    assert search(scene, clerk).json["found"] == {"authority": AUTHORITY, "complete": True, "claims": []}


def test_an_answer_out_of_a_ledger_that_is_being_restored_says_so(scene, clerk):
    search(scene, clerk)
    found(scene, complete=False)
    assert "正在恢复" in search(scene, clerk).json["note"]


def test_a_citizen_looks_up_their_own_claims_only(scene, citizen):
    theirs = search(scene, citizen, {}, "/claims/mine", id_number=OTHER_NUMBER)
    assert (theirs.status_code, theirs.json["code"]) == (403, "not_your_claims")
    assert search(scene, citizen, {}).json["code"] == "kind_not_allowed"
    assert scene.told() == []
    assert search(scene, citizen, KEY, "/claims/mine").status_code == 202
    (command,) = scene.told()
    assert (command.data["purpose"], command.data["actor"]["kind"]) == ("own", "citizen")
    found(scene, HELD)
    assert len(search(scene, citizen, KEY, "/claims/mine").json["found"]["claims"]) == 1


def test_a_portal_looks_up_the_claims_of_the_citizen_it_names(scene):
    portal = scene.token("channel", actor="portal-1")
    assert search(scene, portal, KEY | naming(scene), "/claims/mine").status_code == 202
    theirs = search(scene, portal, naming(scene, OTHER_NUMBER), "/claims/mine")
    assert theirs.json["code"] == "not_your_claims"


@pytest.mark.parametrize("ask", [search, drop])
def test_a_clerk_needs_a_purpose_and_a_registration_office(scene, clerk, ask):
    assert ask(scene, clerk, {}).json["code"] == "purpose_missing"
    assert ask(scene, clerk, {"X-Purpose": "social_assistance"}).json["code"] == "purpose_unknown"
    assert ask(scene, clerk, {"X-Purpose": "own"}).json["code"] == "purpose_unknown"
    assert ask(scene, scene.token(), {"X-Purpose": "own_at_counter"}).json["code"] == "purpose_not_yours"
    assert ask(scene, clerk, id_number="990102197503120179").json["code"] == "number_wrong_check"
    assert scene.told() == []


def test_another_person_s_token_finds_nothing_under_that_key(scene, clerk, citizen):
    search(scene, clerk)
    found(scene, HELD)
    other = search(scene, scene.token(actor="clerk-2", office="620103-mr"))
    assert (other.status_code, other.json["found"]) == (202, None)
    mine = search(scene, citizen, AT_COUNTER, "/claims/mine")
    assert (mine.status_code, mine.json["found"]) == (202, None)


def test_only_the_answer_to_a_question_of_ours_is_kept_and_only_the_first(scene, clerk):
    search(scene, clerk)
    (command,) = scene.told()
    assert found(scene, HELD, correlation="0199c6f2-4c00-7a31-8f1e-2b6d90c4e571") == "stale"
    drop(scene, clerk, KEY | {"X-Purpose": "own_at_counter"})
    assert found(scene, HELD) == "stale"  # no answer to a wish to drop
    assert search(scene, clerk).json["found"] is None
    found(scene, HELD, command=command)
    found(scene, command=command)
    assert len(search(scene, clerk).json["found"]["claims"]) == 1


def test_what_another_city_has_asked_of_this_authority_is_not_kept_here(scene, clerk):
    search(scene, clerk)
    found(scene, HELD, source=NODE, destination="460200")
    assert search(scene, clerk).json["found"] is None
    with scene.works.begin() as work:
        assert work.execute(found_claims.select()).all() == []


def test_claims_that_were_found_are_kept_for_a_day_sealed(scene, clerk):
    search(scene, clerk)
    found(scene, HELD)
    with scene.works.begin() as work:
        text = work.connection.exec_driver_sql("SELECT found FROM found_claims").scalar_one()
        assert ELSEWHERE["code"] not in text
        assert AUTHORITY not in text
        work.execute(found_claims.update().values(kept_at="2020-01-01T00:00:00.000000Z"))
    search(scene, clerk, AT_COUNTER | KEY)
    found(scene)
    command = scene.told()[-1]
    next(timer for timer in scene.doors.timers if timer.name == "web.forget_found").act(scene.works)
    with scene.works.begin() as work:
        assert [row.request_id for row in work.execute(found_claims.select())] == [command.subject]
    late = search(scene, clerk)
    assert (late.status_code, late.json["found"], "只保留一天" in late.json["note"]) == (200, None, True)


def test_a_refusal_of_claims_is_the_answer(scene, clerk):
    search(scene, clerk)
    (command,) = scene.told()
    told = {"kind": "Refused", "code": "authority_missing", "message": "没有主管登记处", "basis": "节点目录"}
    scene.hear(ActRefusedV1, command.subject, told | {"field": "", "details": {}}, causation=command.id)
    refused = search(scene, clerk)
    assert (refused.status_code, refused.json["code"]) == (422, "authority_missing")


# --- 放弃预留 ----------------------------------------------------------------------------------------------------------


def test_what_is_held_is_given_up_once_however_often_it_is_asked(scene, clerk):
    first = drop(scene, clerk)
    assert (first.status_code, first.json["dropped"], "不会丢失" in first.json["note"]) == (202, False, True)
    (command,) = scene.told()
    assert (command.type, command.data["kind"]) == (DropClaimsV1.type, "marriage")
    assert not any(secret in str(command) for secret in SECRETS)
    dropped(scene, found=True)
    for _ in range(2):
        again = drop(scene, clerk)
        assert (again.status_code, again.json["dropped"], faults(shapes.DropAnswer(), again.json)) == (200, True, [])
    assert len(scene.told()) == 1
    assert drop(scene, clerk, kind="divorce").json["code"] == "idempotency_key_reused"


def test_what_is_locked_is_refused_naming_the_office_and_the_ways_of_the_law(scene, clerk):
    drop(scene, clerk)
    dropped(scene, locked_by=ELSEWHERE)
    refused = drop(scene, clerk)
    assert (refused.status_code, refused.json["code"]) == (422, "claim_locked")
    assert ELSEWHERE["name"] in refused.json["detail"]
    assert ELSEWHERE["phone"] in refused.json["detail"]
    assert "人民法院" in refused.json["detail"]
    assert refused.json["detail_en"]


def test_what_is_over_is_not_there_and_what_the_ledger_cannot_say_is_asked_again(scene, clerk):
    drop(scene, clerk)
    dropped(scene)
    assert drop(scene, clerk).json["code"] == "claim_unknown"
    later = AT_COUNTER | KEY
    drop(scene, clerk, later)
    dropped(scene, deferred="recovering")
    put_off = drop(scene, clerk, later)
    assert (put_off.status_code, put_off.json["code"]) == (409, "drop_deferred")


def test_a_citizen_gives_up_their_own_and_nobody_else_s(scene, citizen):
    theirs = drop(scene, citizen, {}, "/claims/mine/drops", id_number=OTHER_NUMBER)
    assert (theirs.status_code, theirs.json["code"]) == (403, "not_your_claims")
    assert scene.told() == []
    drop(scene, citizen, KEY, "/claims/mine/drops")
    dropped(scene, found=True)
    assert drop(scene, citizen, KEY, "/claims/mine/drops").json["dropped"] is True
    other = scene.token("citizen", actor="user-2", id_number=OTHER_NUMBER)
    assert drop(scene, other, KEY, "/claims/mine/drops").json["code"] == "not_your_claims"


def test_the_answer_names_nobody(scene, clerk):
    search(scene, clerk)
    found(scene, LOCKED)
    told = json.dumps(search(scene, clerk).json, ensure_ascii=False)
    assert not any(secret in told for secret in SECRETS)
