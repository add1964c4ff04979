"""Tokens, taking in and acting: what is asked once happens once, in one commit, and only for whom it may."""

import threading

import pytest
from sqlalchemy import func, select

from contracts import intake, subsidy
from services.web import rules
from services.web.rules import Principal
from services.web.store import reading, writing
from services.web.store.tables import cases, commands
from services.web.usecases import acting, filing, taking_in, tokens
from services.web.usecases.tokens import NewToken
from shared import files
from shared.crypto.personal import open_personal
from shared.errors import Denied, NotFound, OutOfStep, Refused
from shared.outbox import outbox
from tests.web.scene import DPF, OTHER_NUMBER, PERSON, TOWNSHIP, Scene, a_form, show_first_versions

CLERK = Principal("t", "clerk", "clerk-1", office=TOWNSHIP)
KEY = "key-0001"
PDF = b"%PDF-1.7 x"


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


@pytest.fixture
def work(scene):
    with scene.works.begin() as work:
        yield work


def asked(**changes):
    """A form as contracts.api.asked.NewCase hands it on."""
    party = dict.fromkeys(("residence_division", "address", "basis", "expires_on"), "")
    form = {"office": "", "channel": "", "answers": {}, "place_division": ""} | a_form(**changes)
    parties = [party | given for given in form["parties"]]
    materials = [{"file_id": "", "seen": ""} | given for given in form["materials"]]
    return form | {"parties": parties, "materials": materials}


def citizen(work, number=PERSON["id_number"]):
    return Principal("c", "citizen", "c-1", person_index=writing.person_index(work.node.keys, "citizen", number))


SHOWN = {"card_no": "99010219750312017841", "card_components": [], "low_income": ""}
SHOWN |= {"hukou_division": "", "area": ""}


def an_act(act, **more):
    empty = {"approve": None, "reasons": [], "missing": [], "materials": [], "to_division": "", "reason": ""}
    empty |= {"answers": {}, "shown": None, "supplement_lapsed": False}
    return empty | {"act": act, "expected_version": 1} | more


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_a_token_lets_in_whom_it_was_made_for(work):
    token = tokens.create_token(work, NewToken("clerk", "clerk-1", "窗口", office=TOWNSHIP, roles=("admin",)))
    who = tokens.find_principal(work, tokens.hash_of(token))
    assert (who.kind, who.actor, who.office, who.roles) == ("clerk", "clerk-1", TOWNSHIP, frozenset({"admin"}))
    assert tokens.find_principal(work, tokens.hash_of(token + "x")) is None


def test_tokens_are_long_and_never_alike(work):
    made = {tokens.create_token(work, NewToken("channel", "p", "")) for _ in range(20)}
    assert len(made) == 20
    assert all(len(token) >= 43 + len(tokens.PREFIX) for token in made)


def test_a_token_cannot_be_read_again(work):
    token = tokens.create_token(work, NewToken("channel", "p", "x"))
    [row] = tokens.list_tokens(work)
    assert token not in str(row)
    assert tokens.hash_of(token) not in str(row)


def test_a_revoked_token_lets_nobody_in(work):
    token = tokens.create_token(work, NewToken("channel", "p", ""))
    [row] = tokens.list_tokens(work)
    tokens.revoke_token(work, row["token_id"])
    assert tokens.find_principal(work, tokens.hash_of(token)) is None
    with pytest.raises(NotFound, match="token_unknown"):
        tokens.revoke_token(work, row["token_id"])


def test_a_token_of_a_citizen_is_bound_to_the_blind_index_of_one_number(work):
    token = tokens.create_token(work, NewToken("citizen", "c-1", "", id_number=" 990102197503120178 "))
    assert tokens.find_principal(work, tokens.hash_of(token)) == Principal(
        tokens.list_tokens(work)[0]["token_id"],
        "citizen",
        "c-1",
        person_index=citizen(work).person_index,
        expires_at=tokens.list_tokens(work)[0]["expires_at"],
    )


@pytest.mark.parametrize(
    "wanted",
    [
        NewToken("clerk", "k", ""),
        NewToken("citizen", "c", ""),
        NewToken("channel", "p", "", office=TOWNSHIP),
        NewToken("channel", "p", "", id_number=PERSON["id_number"]),
        NewToken("root", "r", ""),
        NewToken("channel", "", ""),
        NewToken("channel", "p", "", days=0),
    ],
)
def test_a_token_without_sense_is_refused(work, wanted):
    with pytest.raises(Refused, match="token_invalid"):
        tokens.create_token(work, wanted)


def test_a_token_for_nobody_is_refused(work):
    with pytest.raises(NotFound, match="office_unknown"):
        tokens.create_token(work, NewToken("clerk", "k", "", office="999999"))
    with pytest.raises(Refused, match="number_wrong_check"):
        tokens.create_token(work, NewToken("citizen", "c", "", id_number="990102197503120177"))


def test_other_documents_are_known_by_their_kind_and_number(work):
    indexes = {
        tokens.index_of(work.node.keys, kind, number, work.today)
        for kind, number in (("passport", "e1234567"), ("passport", " E123 4567 "), ("taiwan-permit", "E1234567"))
    }
    assert len(indexes) == 2
    for kind, number in (("passport", "何守田何守田"), ("passport", "1"), ("library-card", "E1234567")):
        with pytest.raises(Refused):
            tokens.index_of(work.node.keys, kind, number, work.today)


# --- taking in -------------------------------------------------------------------------------------------------------


def test_case_receipt_and_command_come_in_one_commit(scene):
    with scene.works.begin() as work:
        case_id = taking_in.take_in(work, CLERK, asked(), KEY)
    [message] = scene.told()
    assert (message.type, message.subject) == ("intake.take_in_application.v1", case_id)
    assert rules.is_case_no(message.data["case"]["case_no"])
    assert message.data["actor"] == {"id": "clerk-1", "kind": "clerk", "office": TOWNSHIP}
    assert PERSON["name"] not in str(message.data)
    opened = open_personal(scene.node, intake.TakeInApplicationV1, message)
    assert opened["parties"][0]["id_number"] == PERSON["id_number"]
    with scene.works.begin() as work:
        case = reading.find_case(work, case_id)
    assert (case.state, case.taken_in_by, case.case_no) == (
        "received",
        "clerk:clerk-1",
        message.data["case"]["case_no"],
    )


def test_nothing_remains_of_what_fails_in_the_middle(scene):
    class Stop(Exception):
        pass

    def fail():
        with scene.works.begin() as work:
            taking_in.take_in(work, CLERK, asked(), KEY)
            raise Stop

    with pytest.raises(Stop):
        fail()
    with scene.works.begin() as work:
        for table in (cases, commands, outbox):
            assert work.execute(select(func.count()).select_from(table)).scalar() == 0
        taking_in.take_in(work, CLERK, asked(), KEY)


def test_the_same_request_twice_opens_one_case(scene):
    opened = []
    for _ in range(2):
        with scene.works.begin() as work:
            opened.append(taking_in.take_in(work, CLERK, asked(), KEY))
    assert opened[0] == opened[1]
    assert len(scene.told()) == 1


def test_the_same_request_from_many_threads_opens_one_case(scene):
    opened = []

    def take():
        with scene.works.begin() as work:
            opened.append(taking_in.take_in(work, CLERK, asked(), KEY))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 8
    assert len(set(opened)) == 1
    assert len(scene.told()) == 1


def test_a_key_cannot_be_used_for_another_request(work):
    taking_in.take_in(work, CLERK, asked(), KEY)
    with pytest.raises(Refused, match="idempotency_key_reused"):
        taking_in.take_in(work, CLERK, asked(consents=["notice_shown"]), KEY)


def test_two_clerks_may_choose_the_same_key(work):
    other = Principal("u", "clerk", "clerk-2", office=TOWNSHIP)
    assert taking_in.take_in(work, CLERK, asked(), KEY) != taking_in.take_in(work, other, asked(), KEY)


def test_a_refused_request_leaves_its_key_free(work):
    with pytest.raises(Refused):
        taking_in.take_in(work, CLERK, asked(matter="marriage-in-space"), KEY)
    taking_in.take_in(work, CLERK, asked(), KEY)


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"matter": "marriage-in-space"}, "matter_unknown", "matter"),
        ({"channel": "online"}, "channel_not_allowed", "channel"),
        ({"place_division": "999999"}, "division_unknown", "place_division"),
        ({"parties": [PERSON | {"role": "agent"}]}, "party_missing", "parties"),
        ({"parties": [PERSON, PERSON]}, "party_twice", "parties"),
        ({"parties": [PERSON | {"name": "何1"}]}, "name_malformed", "parties.0.name"),
        ({"parties": [PERSON | {"id_number": "990102197503120177"}]}, "number_wrong_check", "parties.0.id_number"),
        ({"parties": [PERSON | {"id_type": "club-card"}]}, "id_type_unknown", "parties.0.id_type"),
        ({"parties": [PERSON | {"phone": "1234"}]}, "phone_malformed", "parties.0.phone"),
        ({"parties": [PERSON | {"hukou_division": "469003"}]}, "division_retired", "parties.0.hukou_division"),
        ({"parties": [PERSON | {"expires_on": "2025-02-30"}]}, "date_malformed", "parties.0.expires_on"),
        ({"answers": {"favourite_colour": "blue"}}, "answer_not_asked", "answers"),
        ({"materials": [{"code": "hukou-proof", "source": "applicant"}]}, "material_not_asked", "materials.0.code"),
        ({"materials": [{"code": "identity", "source": "promise"}]}, "material_not_asked", "materials.0.code"),
        (
            {"materials": [{"code": "identity", "source": "applicant", "file_id": "0" * 36}]},
            "file_unknown",
            "materials.0.file_id",
        ),
    ],
)
def test_what_contracts_can_check_is_refused_at_once(scene, work, changes, code, field):
    with pytest.raises(Refused) as refused:
        taking_in.take_in(work, CLERK, asked(**changes), KEY)
    assert (refused.value.code, refused.value.field) == (code, field)


def test_a_required_question_must_be_answered(work):
    child = PERSON | {"role": "beneficiary", "id_number": "990102197503120178"}
    form = asked(matter="orphan-recognition", parties=[PERSON, child], materials=[], answers={})
    with pytest.raises(Refused, match="answer_missing") as refused:
        taking_in.take_in(work, CLERK, form, KEY)
    assert refused.value.field == "answers.circumstances"
    taking_in.take_in(work, CLERK, form | {"answers": {"circumstances": "失踪"}}, KEY)


def test_a_clerk_takes_in_for_the_own_office_only(work):
    with pytest.raises(Denied, match="office_not_yours"):
        taking_in.take_in(work, CLERK, asked(office="620102"), KEY)


@pytest.mark.parametrize("office", [DPF, "620102001-old"])
def test_an_office_without_the_power_takes_nothing_in(work, office):
    with pytest.raises(Denied, match="office_without_power"):
        taking_in.take_in(work, Principal("t", "clerk", "k", office=office), asked(), KEY)


def test_a_citizen_applies_in_the_own_name_at_an_office_of_choice(scene, work):
    who = citizen(work)
    with pytest.raises(Refused, match="office_missing"):
        taking_in.take_in(work, who, asked(), KEY)
    with pytest.raises(Denied, match="not_your_application"):
        taking_in.take_in(work, who, asked(office=TOWNSHIP, parties=[PERSON | {"id_number": OTHER_NUMBER}]), KEY)
    case_id = taking_in.take_in(work, who, asked(office=TOWNSHIP), KEY)
    assert reading.find_case(work, case_id).facts["channel"] == "online"


def test_a_material_carries_what_the_file_store_knows_of_it(scene, work):
    ref = files.put(scene.node, PDF, "application/pdf")
    material = {"code": "disability-card", "source": "applicant", "file_id": ref.file_id}
    filing.note_upload(work, Principal("u", "clerk", "clerk-2", office=TOWNSHIP), ref)
    with pytest.raises(Refused, match="file_unknown"):
        taking_in.take_in(work, CLERK, asked(materials=[material]), KEY)
    mine = files.put(scene.node, PDF, "application/pdf")
    filing.note_upload(work, CLERK, mine)
    case_id = taking_in.take_in(work, CLERK, asked(materials=[material | {"file_id": mine.file_id}]), KEY)
    [kept] = reading.list_materials(work, case_id)
    assert (kept["sha256"], kept["size"], kept["media_type"]) == (mine.sha256, len(PDF), "application/pdf")
    assert reading.case_of_file(work, mine.file_id) == case_id


# --- acting ----------------------------------------------------------------------------------------------------------

REASON = {"code": "no_card", "text": "没有残疾人证", "basis": "国发〔2015〕52号 三"}
PROMISE = {"code": "disability-card", "source": "promise", "file_id": "", "seen": ""}


@pytest.mark.parametrize(
    ("office", "act", "contract", "personal"),
    [
        (
            TOWNSHIP,
            an_act("check", approve=True, shown=SHOWN),
            subsidy.CheckApplicationV1,
            {"reasons": [], "shown": SHOWN},
        ),
        (
            DPF,
            an_act("review", approve=False, reasons=[REASON]),
            subsidy.ReviewApplicationV1,
            {"reasons": [REASON], "shown": None},
        ),
        ("620102", an_act("decide", approve=True), subsidy.DecideApplicationV1, {"reasons": [], "shown": None}),
        (TOWNSHIP, an_act("request_supplement", missing=[REASON]), subsidy.RequestSupplementV1, {"missing": [REASON]}),
        (
            TOWNSHIP,
            an_act("redirect", to_division="460204", reason="迁走"),
            subsidy.RedirectApplicationV1,
            {"reason": "迁走"},
        ),
        (TOWNSHIP, an_act("withdraw", reason="不办了"), intake.WithdrawApplicationV1, {"reason": "不办了"}),
        (TOWNSHIP, an_act("withdraw", supplement_lapsed=True), intake.WithdrawApplicationV1, {"reason": ""}),
        (TOWNSHIP, an_act("supplement", materials=[PROMISE]), intake.SupplementApplicationV1, {"answers": {}}),
        (
            TOWNSHIP,
            an_act("supplement", answers={"long_term_care": "yes"}),
            intake.SupplementApplicationV1,
            {"answers": {"long_term_care": "yes"}},
        ),
    ],
)
def test_an_act_is_one_command_to_the_service_that_owns_it(scene, office, act, contract, personal):
    who = Principal("t", "clerk", "k", office=office)
    with scene.works.begin() as work:
        case_id = taking_in.take_in(work, CLERK, asked(), KEY)
        show_first_versions(work, case_id)
    for _ in range(2):
        with scene.works.begin() as work:
            acting.act(work, who, case_id, act, "key-0002")
    [_, command] = scene.told()
    assert (command.type, command.subject) == (contract.type, case_id)
    assert command.data["expected_version"] == 1
    assert command.data.get("supplement_lapsed", False) == act["supplement_lapsed"]
    assert command.data["actor"] == {"id": "k", "kind": "clerk", "office": office}
    assert (open_personal(scene.node, contract, command) if personal else command.sealed) == personal


@pytest.mark.parametrize(
    ("office", "act", "error", "code"),
    [
        (TOWNSHIP, an_act("review", approve=True), Denied, "office_without_power"),
        (DPF, an_act("check", approve=True), Denied, "office_without_power"),
        (TOWNSHIP, an_act("check"), Refused, "act_field_missing"),
        (TOWNSHIP, an_act("request_supplement"), Refused, "act_field_missing"),
        (TOWNSHIP, an_act("supplement"), Refused, "act_field_missing"),
        (TOWNSHIP, an_act("redirect", to_division="469003", reason="迁走"), Refused, "division_retired"),
        (TOWNSHIP, an_act("supplement", materials=[PROMISE | {"code": "x"}]), Refused, "material_not_asked"),
    ],
)
def test_an_act_that_cannot_be_is_refused_before_anybody_is_asked(scene, work, office, act, error, code):
    case_id = taking_in.take_in(work, CLERK, asked(), KEY)
    with pytest.raises(error) as refused:
        acting.act(work, Principal("t", "clerk", "k", office=office), case_id, act, "key-0002")
    assert refused.value.code == code


@pytest.mark.parametrize("act", [an_act("check", approve=True), an_act("withdraw")])
def test_no_act_overtakes_what_makes_the_version_it_expects(scene, work, act):
    case_id = taking_in.take_in(work, CLERK, asked(), KEY)
    for number, expected in enumerate((1, 2)):
        with pytest.raises(OutOfStep, match="version_ahead"):
            acting.act(work, CLERK, case_id, act | {"expected_version": expected}, f"ahead-{number}")
        show_first_versions(work, case_id)
    acting.act(work, CLERK, case_id, act, "key-0003")


def test_an_applicant_withdraws_the_own_case_and_no_other(work):
    case_id = taking_in.take_in(work, CLERK, asked(), KEY)
    show_first_versions(work, case_id)
    with pytest.raises(NotFound, match="case_unknown"):
        acting.act(work, citizen(work, OTHER_NUMBER), case_id, an_act("withdraw"), "key-0002")
    with pytest.raises(Denied, match="act_not_allowed"):
        acting.act(work, citizen(work), case_id, an_act("decide", approve=True), "key-0002")
    acting.act(work, citizen(work), case_id, an_act("withdraw"), "key-0002")


def test_a_key_of_one_act_is_not_good_for_another_case(work):
    first, second = (taking_in.take_in(work, CLERK, asked(), key) for key in ("key-0001", "key-0002"))
    show_first_versions(work, first)
    acting.act(work, CLERK, first, an_act("withdraw"), "key-0003")
    with pytest.raises(Refused, match="idempotency_key_reused"):
        acting.act(work, CLERK, second, an_act("withdraw"), "key-0003")
