"""What the read model keeps: the newest word, once, whatever comes first; and nothing readable of a person."""

import datetime
import threading

import pytest
from sqlalchemy import text

from deploy.migrate import differences, upgrade
from services.web.rules import Mark
from services.web.store import asking, reading, webhooks, writing
from services.web.store.tables import metadata
from shared import clock
from shared.audit import audit_metadata
from shared.embedded import sqlite_engine
from shared.errors import NotFound
from shared.outbox import message_metadata
from tests.web.scene import PERSON, SECRETS, Scene, a_leg, a_step, facts, people

CASE = "01999999-0000-7000-8000-000000000001"


@pytest.fixture
def works(tmp_path):
    return Scene(tmp_path).works


@pytest.fixture
def work(works):
    with works.begin() as work:
        yield work


def a_task(verb="check", *offices):
    return {"verb": verb, "tier": "township", "offices": list(offices) or ["620102001"]}


def test_the_migrated_tables_are_those_of_the_store(tmp_path):
    engine = sqlite_engine(tmp_path / "web.db")
    upgrade(engine, "web")
    shared_tables = set(message_metadata.tables) | set(audit_metadata.tables)
    with engine.connect() as connection:
        assert differences(connection, metadata, shared_tables) == []


def test_a_series_counts_up_from_one_for_each_name(work):
    assert [asking.next_number(work, "620102/20250924") for _ in range(3)] == [1, 2, 3]
    assert asking.next_number(work, "620102/20250925") == 1


def test_two_counters_never_get_the_same_number(works):
    taken = []

    def take():
        for _ in range(20):
            with works.begin() as work:
                taken.append(asking.next_number(work, "620102/20250924"))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 81))


def test_a_number_is_free_again_when_its_transaction_rolls_back(works):
    def fail():
        with works.begin() as work:
            asking.next_number(work, "620102/20250924")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with works.begin() as work:
        assert asking.next_number(work, "620102/20250924") == 1


def test_only_the_first_answer_to_a_command_holds(work):
    told = {"owner": "clerk:k", "idempotency_key": "key-1234", "body_index": "b", "command_id": "c1", "case_id": CASE}
    asking.keep_command(work, told | {"kind": "intake.take_in_application.v1"})
    asking.answer_command(work, "c1", "done", {})
    asking.answer_command(work, "c1", "Refused", {"code": "late"})
    asking.answer_command(work, "another city's", "done", {})
    found = asking.find_command(work, "clerk:k", "key-1234")
    assert (found.outcome, found.answer, found.case_id) == ("done", {}, CASE)
    assert asking.find_command(work, "clerk:other", "key-1234") is None


def test_it_is_known_since_when_commands_wait(work):
    assert asking.waiting_since(work) == (0, None)
    told = {"owner": "clerk:k", "idempotency_key": "key-1234", "body_index": "b", "command_id": "c1", "case_id": CASE}
    asking.keep_command(work, told | {"kind": "x"})
    assert asking.waiting_since(work) == (1, work.now)
    asking.answer_command(work, "c1", "done", {})
    assert asking.waiting_since(work) == (0, None)


def test_the_newest_snapshot_of_a_leg_is_kept(work):
    for version in (2, 3, 1, 3):
        writing.keep_leg(work, CASE, a_leg(2, version, f"state-{version}"))
    writing.keep_leg(work, CASE, a_leg(1, 1))
    assert [(leg["leg_no"], leg["state"]) for leg in reading.list_legs(work, CASE)] == [(1, "taken_in"), (2, "state-3")]


def test_a_step_heard_of_twice_stands_once_and_in_its_order(work):
    writing.add_steps(work, CASE, [a_step("take_in"), a_step("forward")])
    writing.add_steps(work, CASE, [a_step("take_in"), a_step("forward"), a_step("take_over", 2)])
    writing.add_steps(work, CASE, [a_step("announced", at="2025-09-01T00:00:00.000000Z")])
    verbs = [step["verb"] for step in reading.list_steps(work, CASE)]
    assert verbs == ["announced", "take_in", "forward", "take_over"]


def test_the_next_task_is_that_of_the_newest_version(work):
    writing.open_case(work, CASE, facts(), None)
    writing.keep_task(work, CASE, (2, 2, "b"), a_task("review", "620102-dpf"))
    writing.keep_task(work, CASE, (2, 1, "a"), a_task("check"), {"findings": [], "missing_facts": ["x"]})
    assert reading.find_task(work, CASE)["task"]["verb"] == "review"
    assert reading.list_tasks(work, "620102001", 10) == []
    [(case, task)] = reading.list_tasks(work, "620102-dpf", 10)
    assert (case.case_id, task["version"]) == (CASE, 2)


def test_an_opening_says_more_than_the_step_that_led_to_it(work):
    more = {"findings": [{"benefit": "living"}], "missing_facts": ["low_income"]}
    for order in ("step first", "opening first"):
        if order == "step first":
            writing.keep_task(work, order, (2, 2, "b"), a_task())
        writing.keep_task(work, order, (2, 2, "c"), a_task(), more)
        writing.keep_task(work, order, (2, 2, "b"), a_task())
        assert reading.find_task(work, order)["missing_facts"] == ["low_income"]
        assert reading.find_findings(work, order) == more["findings"]


def test_of_two_openings_at_one_version_the_later_knows_better(work):
    for case_id, order in (("in turn", "bc"), ("swapped", "cb")):
        for time in order:
            writing.keep_task(work, case_id, (2, 1, time), a_task(), {"findings": [], "missing_facts": [time]})
        assert reading.find_task(work, case_id)["missing_facts"] == ["c"]


def test_nobody_has_a_task_on_a_case_that_has_ended(work):
    writing.open_case(work, CASE, facts(), None)
    writing.keep_task(work, CASE, (2, 1, "a"), a_task())
    assert len(reading.list_tasks(work, "620102001", 10)) == 1
    writing.set_standing(work, CASE, "withdrawn", "")
    assert reading.list_tasks(work, "620102001", 10) == []


def test_the_most_urgent_task_comes_first(work):
    for case_id, due_on in (("none", ""), ("later", "2025-10-20"), ("soon", "2025-10-01")):
        writing.open_case(work, case_id, facts(), None)
        writing.keep_task(work, case_id, (2, 1, "a"), a_task())
        writing.set_standing(work, case_id, "accepted", due_on)
    assert [case.case_id for case, _ in reading.list_tasks(work, "620102001", 10)] == ["soon", "later", "none"]


@pytest.mark.parametrize("keep", [writing.keep_words, writing.keep_result])
def test_the_newest_words_and_results_hold(work, keep):
    for at in ((2, 1), (3, 1), (2, 9), (3, 2), (3, 1)):
        keep(*((work, CASE, "result", at) if keep is writing.keep_words else (work, CASE, at)), {"at": list(at)})
    found = reading.find_words(work, CASE).get("result") or reading.find_result(work, CASE)
    assert found == {"at": [3, 2]}


def test_the_place_of_the_newest_leg_holds(work):
    writing.open_case(work, CASE, facts(), None)
    for leg_no, division in ((1, "620102"), (3, "321302"), (2, "460204")):
        writing.place_case(work, CASE, leg_no, division, division[:4] + "00")
    case = reading.find_case(work, CASE)
    assert (case.division, case.competent_node) == ("321302", "321300")


def test_a_case_is_found_by_the_number_of_its_subjects_only(work):
    parties = [PERSON, PERSON | {"role": "agent", "id_number": "99010419880704022X"}]
    writing.open_case(work, CASE, facts(), {"parties": parties, "answers": {}})
    for party, found in ((parties[0], [CASE]), (parties[1], [])):
        index = writing.person_index(work.node.keys, party["id_type"], party["id_number"])
        assert [case.case_id for case in reading.list_cases(work, {"person_index": index}, "", 10)] == found


def test_persons_heard_of_later_are_added_to_a_case(work):
    writing.open_case(work, CASE, facts(), None)
    assert reading.people_of(work, CASE) == []
    writing.open_case(work, CASE, facts(), people())
    assert reading.find_personal(work, CASE) == people()
    assert len(reading.people_of(work, CASE)) == 1


def test_who_is_named_by_a_later_event_gets_no_view_of_a_case_whose_people_are_known(work):
    writing.open_case(work, CASE, facts(), people())
    known = reading.people_of(work, CASE)
    other = {"parties": [PERSON | {"id_number": "99010419880704022X"}], "answers": {}}
    writing.open_case(work, CASE, facts(), other)
    assert reading.people_of(work, CASE) == known
    assert reading.find_personal(work, CASE) == people()


def test_pages_do_not_overlap_and_leave_nothing_out(work):
    ids = [f"01999999-0000-7000-8000-0000000000{n:02}" for n in range(7)]
    for case_id in ids:
        writing.open_case(work, case_id, facts(), None)
    seen, cursor = [], ""
    while page := reading.list_cases(work, {"office": "620102001"}, cursor, 3):
        seen += [case.case_id for case in page]
        cursor = seen[-1]
    assert seen == ids[::-1]


def test_nothing_of_a_person_can_be_read_in_the_database(works):
    with works.begin() as work:
        writing.open_case(work, CASE, facts(), people())
        writing.keep_words(work, CASE, "result", (2, 1), {"reasons": ["何守田 没有残疾人证"]})
        writing.keep_task(work, CASE, (2, 1, "a"), a_task(), {"findings": ["何守田"], "missing_facts": []})
    with works.engine.connect() as connection:
        tables = [row[0] for row in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))]
        dump = str([connection.execute(text(f'SELECT * FROM "{name}"')).all() for name in tables])
    assert "620102001" in dump
    assert not [secret for secret in SECRETS if secret in dump]


def test_marks_are_a_set(work):
    for _ in range(2):
        writing.add_mark(work, CASE, Mark("accepted", 2, 1))
    writing.open_case(work, CASE, facts(), None)
    found = reading.find_standing(work, CASE)
    assert found
    assert found.marks == [Mark("accepted", 2, 1)]


def told_of(work, taken_in_by):
    case_id = clock.new_id()
    writing.add_case(work, case_id, facts(), {"parties": []}, taken_in_by)
    return sorted(reading.find_standing(work, case_id).webhooks)


def test_a_removed_webhook_gets_nothing_more(work):
    hook = {"webhook_id": "h1", "owner": "channel:p", "whole_node": False, "url": "https://a.cn/", "label": ""}
    webhooks.add_webhook(work, hook)
    webhooks.add_delivery(work, "d1", "h1", "{}")
    assert [delivery.delivery_id for delivery in webhooks.due_deliveries(work, 10)] == ["d1"]
    with pytest.raises(NotFound, match="webhook_unknown"):
        webhooks.remove_webhook(work, "h1", "channel:other")
    webhooks.remove_webhook(work, "h1", "channel:p")
    assert webhooks.due_deliveries(work, 10) == []
    assert told_of(work, "channel:p") == []


def test_a_channel_hears_of_its_own_cases_and_the_node_of_all(work):
    for webhook_id, owner, whole in (("own", "channel:p", False), ("all", "clerk:a", True)):
        row = {"webhook_id": webhook_id, "owner": owner, "whole_node": whole, "url": "https://a.cn/", "label": ""}
        webhooks.add_webhook(work, row)
    assert told_of(work, "channel:p") == ["all", "own"]
    assert told_of(work, "clerk:k") == told_of(work, "") == ["all"]


def test_a_delivery_is_not_due_before_its_time(works):
    with works.begin() as work:
        row = {"webhook_id": "h1", "owner": "channel:p", "whole_node": False, "url": "https://a.cn/", "label": ""}
        webhooks.add_webhook(work, row)
        webhooks.add_delivery(work, "d1", "h1", "{}")
        webhooks.note_delivery(work, "d1", "waiting", "503", again_in=60)
        assert webhooks.due_deliveries(work, 10) == []
        work.now += datetime.timedelta(seconds=61)
        [due] = webhooks.due_deliveries(work, 10)
    assert due.attempts == 1
    assert clock.now() < work.now
