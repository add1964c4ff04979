"""Who sees what of a case: persons only for a purpose, by an office concerned, and on record."""

import datetime

import pytest
from sqlalchemy import select

from services.web.rules import Principal
from services.web.store import writing
from services.web.usecases import filing, viewing
from shared import audit, files
from shared.audit import audit_rows
from shared.errors import Denied, NotFound, Refused
from tests.web.scene import (
    COUNTY,
    DPF,
    OTHER_NUMBER,
    PERSON,
    SECRETS,
    TAKEN_IN,
    TOWNSHIP,
    Scene,
    facts,
    people,
    taken_in,
)

CASE = "01999999-0000-7000-8000-00000000abcd"
PURPOSE = "handle_case"
PDF = b"%PDF-1.7 x"


@pytest.fixture
def scene(tmp_path):
    scene = Scene(tmp_path)
    scene.hear(TAKEN_IN, CASE, taken_in(), people())
    return scene


def clerk(office, *roles):
    return Principal("t", "clerk", "clerk-1", office=office, roles=frozenset(roles))


def person(scene, kind="citizen", number=PERSON["id_number"]):
    return Principal("c", kind, "x", person_index=writing.person_index(scene.node.keys, "citizen", number))


def view(scene, who, purpose=""):
    with scene.works.begin() as work:
        return viewing.view_case(work, who, CASE, purpose)


def on_record(scene):
    with scene.works.begin() as work:
        assert audit.broken_rows(work) == []
        return work.execute(select(audit_rows)).mappings().all()


def secrets_in(found):
    return [secret for secret in SECRETS if secret in str(found)]


def test_without_a_purpose_no_person_is_seen_and_nothing_is_put_on_record(scene):
    found = view(scene, clerk(TOWNSHIP))
    assert found["personal"] is None
    assert secrets_in(found) == []
    assert on_record(scene) == []


def test_a_look_at_persons_is_on_record_in_the_same_transaction(scene):
    assert view(scene, clerk(TOWNSHIP), PURPOSE)["personal"]["parties"][0]["name"] == PERSON["name"]
    [row] = on_record(scene)
    assert (row["actor"], row["office"], row["purpose"]) == ("clerk-1", TOWNSHIP, PURPOSE)
    assert (row["act"], row["subject"], row["person_index"]) == ("view_case", CASE, person(scene).person_index)
    assert "id_number" in row["fields"]


def test_a_look_that_fails_shows_nothing(scene):
    class Stop(Exception):
        pass

    def fail():
        with scene.works.begin() as work:
            viewing.view_case(work, clerk(TOWNSHIP), CASE, PURPOSE)
            raise Stop

    with pytest.raises(Stop):
        fail()
    assert on_record(scene) == []


def test_a_purpose_nobody_knows_opens_nothing(scene):
    with pytest.raises(Refused, match="purpose_unknown"):
        view(scene, clerk(TOWNSHIP), "curiosity")


@pytest.mark.parametrize("office", [TOWNSHIP, COUNTY, DPF])
def test_offices_concerned_see_persons(scene, office):
    assert view(scene, clerk(office), PURPOSE)["personal"]["parties"]


@pytest.mark.parametrize("office", ["620103", "620103-dpf", "620102002", "620100", "620102001-old"])
def test_offices_that_are_not_concerned_see_the_case_but_no_persons(scene, office):
    if office == "620102002":  # another street of the same county: it takes in, but checks elsewhere
        with scene.works.begin() as work:
            writing.place_case(work, CASE, 2, TOWNSHIP, scene.node.code)
    assert view(scene, clerk(office))["case_id"] == CASE
    with pytest.raises(Denied, match="office_not_concerned"):
        view(scene, clerk(office), PURPOSE)
    assert on_record(scene) == []


def test_the_county_of_a_case_decided_elsewhere_is_not_concerned(scene):
    with scene.works.begin() as work:
        writing.place_case(work, CASE, 2, COUNTY, "460200")
    with pytest.raises(Denied, match="office_not_concerned"):
        view(scene, clerk(COUNTY), PURPOSE)


def test_a_supervisor_sees_persons_on_record(scene):
    assert view(scene, clerk("620100", "supervisor"), "supervise")["personal"]
    assert [row["purpose"] for row in on_record(scene)] == ["supervise"]


def test_citizens_see_themselves_masked(scene):
    [party] = view(scene, person(scene))["personal"]["parties"]
    assert (party["name"], party["id_number"], party["phone"]) == ("何*田", "990***********0178", "139****5678")
    assert secrets_in(view(scene, person(scene))) == []


def test_citizens_do_not_see_others(scene):
    with pytest.raises(NotFound, match="case_unknown"):
        view(scene, person(scene, number=OTHER_NUMBER))


def test_a_case_that_is_not_there_looks_like_one_that_may_not_be_seen(scene):
    with scene.works.begin() as work:
        refused = []
        for who, case_id in ((person(scene, number=OTHER_NUMBER), CASE), (person(scene), CASE[:-1] + "0")):
            with pytest.raises(NotFound) as error:
                viewing.view_case(work, who, case_id)
            refused.append((error.value.code, error.value.message))
    assert refused[0] == refused[1]


def test_a_channel_sees_only_what_it_took_in_and_on_record(scene):
    channel = person(scene, "channel")
    with pytest.raises(NotFound):
        view(scene, channel)
    with scene.works.begin() as work:
        writing.change_case(work, CASE, taken_in_by=channel.owner)
    assert secrets_in(view(scene, channel)) == []
    assert [row["purpose"] for row in on_record(scene)] == ["act_for_citizen"]


def test_a_search_for_a_person_needs_a_purpose_and_is_on_record(scene):
    asked = {"case_no": "", "id_type": "citizen", "id_number": PERSON["id_number"].lower()}
    with scene.works.begin() as work, pytest.raises(Refused, match="purpose_missing"):
        viewing.search(work, clerk(TOWNSHIP), asked, "")
    with scene.works.begin() as work:
        found = viewing.search(work, clerk(TOWNSHIP), asked, PURPOSE)
    assert [case["case_id"] for case in found["cases"]] == [CASE]
    assert secrets_in(found) == []
    assert [(row["act"], row["person_index"]) for row in on_record(scene)] == [
        ("search_person", person(scene).person_index)
    ]


def test_a_search_that_finds_nobody_is_on_record_too(scene):
    asked = {"case_no": "", "id_type": "citizen", "id_number": OTHER_NUMBER}
    with scene.works.begin() as work:
        assert viewing.search(work, clerk(TOWNSHIP), asked, PURPOSE)["cases"] == []
    assert len(on_record(scene)) == 1


def test_only_clerks_search_for_persons(scene):
    asked = {"case_no": "", "id_type": "citizen", "id_number": OTHER_NUMBER}
    for kind in ("citizen", "channel"):
        with scene.works.begin() as work, pytest.raises(Denied, match="search_denied"):
            viewing.search(work, person(scene, kind), asked, PURPOSE)


def test_a_mistyped_case_number_is_told_from_an_unknown_one(scene):
    with scene.works.begin() as work:
        for number, code in (("620102001-20250924-0001-0", "case_no_wrong_check"), ("何", "case_no_wrong_check")):
            with pytest.raises(Refused, match=code):
                viewing.search(work, clerk(TOWNSHIP), {"case_no": number}, "")


def test_a_list_shows_each_what_is_theirs(scene):
    with scene.works.begin() as work:
        for who, count in ((clerk("620103"), 1), (person(scene), 1), (person(scene, number=OTHER_NUMBER), 0)):
            assert len(viewing.list_cases(work, who, {})["cases"]) == count
        assert viewing.list_cases(work, Principal("c", "channel", "x"), {})["cases"] == []
        assert viewing.list_cases(work, clerk(TOWNSHIP), {"state": "closed"})["cases"] == []
        assert len(viewing.list_cases(work, clerk(TOWNSHIP), {"state": "taken_in", "office": TOWNSHIP})["cases"]) == 1


def test_the_last_page_has_no_cursor(scene):
    for n in range(3):
        scene.hear(TAKEN_IN, CASE[:-1] + str(n), taken_in(case=facts()), people())
    with scene.works.begin() as work:
        first = viewing.list_cases(work, clerk(TOWNSHIP), {"limit": 2})
        second = viewing.list_cases(work, clerk(TOWNSHIP), {"limit": 2, "cursor": first["next_cursor"]})
    assert [len(page["cases"]) for page in (first, second)] == [2, 2]
    assert second["next_cursor"] == ""


@pytest.mark.parametrize(
    ("due_on", "left"),
    # Sunday 28 September is worked, 1 to 8 October are off
    [("2025-09-30", 5), ("2025-09-24", 0), ("2025-09-22", -2), ("2025-10-09", 6)],
)
def test_days_left_are_working_days(due_on, left):
    tolled = {"due_on": due_on, "ended_on": "", "paused_on": ""}
    shown = viewing.clock_view(tolled, "审核", datetime.date(2025, 9, 24))
    assert (shown["days_left"], shown["overdue"]) == (left, left < 0)


def test_a_file_is_opened_for_a_purpose_and_on_record(scene):
    who = clerk(TOWNSHIP)
    ref = files.put(scene.node, PDF, "application/pdf")
    material = {"code": "identity", "source": "applicant", "file_id": ref.file_id, "provided_at": "x"}
    with scene.works.begin() as work, pytest.raises(NotFound, match="file_unknown"):
        filing.note_look(work, who, ref.file_id, PURPOSE)
    with scene.works.begin() as work:
        writing.add_materials(work, CASE, [material])
    with scene.works.begin() as work, pytest.raises(Refused, match="purpose_missing"):
        filing.note_look(work, who, ref.file_id, "")
    with scene.works.begin() as work, pytest.raises(Denied, match="office_not_concerned"):
        filing.note_look(work, clerk("620103"), ref.file_id, PURPOSE)
    with scene.works.begin() as work:
        filing.note_look(work, who, ref.file_id, PURPOSE)
    assert [(row["act"], row["subject"]) for row in on_record(scene)] == [("open_file", CASE)]
