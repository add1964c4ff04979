"""告知: nobody counts as told who was not; what the message house cannot do a person does."""

import pytest
from sqlalchemy import select

from contracts import intake
from services.intake import service
from services.intake.ports import NumberRefused
from services.intake.store import tables, telling
from services.intake.usecases import notices
from tests.builders import HE_SHOUTIAN, LANZHOU, SANYA, Country, HandClock, stop_clock
from tests.intake.cases import ORPHAN as ORPHAN_PARTIES
from tests.intake.cases import SECRETS, calm, material, orphan, refusal, states, supplement, verbs

NO_PHONE = HE_SHOUTIAN | {"phone": ""}
WINDOW = "460204001"


class House:
    """A message house that is away, or refuses every number, until told otherwise."""

    def __init__(self, fails: type[Exception] | None = OSError) -> None:
        self.fails = fails
        self.asked: list[str] = []
        self.sent: list[str] = []

    def send(self, notice_id: str, phone: str, text: str) -> None:
        self.asked.append(notice_id)
        if self.fails:
            raise self.fails("no")
        self.sent.append(notice_id)


def with_house(country: Country, house: House, city: str = SANYA) -> House:
    country[city].bus.stations["intake"].doors = service.doors(house)
    return house


def decided(country: Country, person: dict[str, str] = HE_SHOUTIAN) -> str:
    case_id = country.take_in(SANYA, person)
    country.settle()
    country.decide(LANZHOU, case_id, "620102")
    return case_id


def try_again(country: Country, city: str = SANYA) -> None:
    doors = country[city].bus.stations["intake"].doors
    (timer,) = [timer for timer in doors.timers if timer.name == "intake.send_again"]  # type: ignore[union-attr]
    timer.act(country[city].works["intake"])
    country.settle()


def tell_clock_runs(country: Country, case_id: str) -> bool:
    (clock,) = [it for it in country[SANYA].leg(case_id).clocks if it.name == "tell"]
    return clock.running


def items(country: Country, city: str = SANYA) -> list[tuple[str, str, str]]:
    """Kind, office and who closed it ("" while it is open)."""
    return [(row.kind, row.office, row.closed_by) for row in country[city].rows("intake", tables.work_items)]


# --- who left no number ----------------------------------------------------------------------------------------------


def test_who_left_no_telephone_number_is_not_told_until_a_clerk_says_so(country: Country) -> None:
    case_id = decided(country, NO_PHONE)
    assert country[SANYA].notices() == []
    assert states(country, SANYA, case_id) == [(1, "decided"), (2, "closed")]
    assert tell_clock_runs(country, case_id)
    assert country[LANZHOU].told(intake.ApplicantToldV1) == []
    assert items(country) == [("tell_in_person", WINDOW, "")]
    (opened,) = country[SANYA].told(intake.WorkItemOpenedV1)
    assert not [secret for secret in (*SECRETS, "残疾", "补贴") if secret in str(opened.data)]
    try_again(country)
    assert states(country, SANYA, case_id) == [(1, "decided"), (2, "closed")]
    country.act(SANYA, intake.TellApplicantV1, case_id, WINDOW, actor="clerk-9")
    country.settle()
    assert states(country, SANYA, case_id) == [(1, "told"), (2, "closed")]
    assert not tell_clock_runs(country, case_id)
    assert items(country) == [("tell_in_person", WINDOW, "system")]
    assert [told.data["item_id"] for told in country[SANYA].told(intake.WorkItemClosedV1)] == [opened.data["item_id"]]
    assert country[SANYA].story(case_id) == country[LANZHOU].story(case_id)
    (row,) = [row for row in country[SANYA].rows("intake", tables.steps) if row.verb == "tell"]
    assert row.actor == "clerk-9"
    assert calm(country)


@pytest.mark.parametrize(
    ("office", "changes", "kind", "code"),
    [
        ("460204", {}, "Denied", "office_not_accepting"),
        (WINDOW, {"expected_version": 1}, "OutOfStep", "version_changed"),
    ],
)
def test_only_the_accepting_office_tells_and_only_what_it_has_seen(
    country: Country, office: str, changes: dict[str, int], kind: str, code: str
) -> None:
    case_id = decided(country, NO_PHONE)
    country.act(SANYA, intake.TellApplicantV1, case_id, office, **changes)
    country.settle()
    assert (refusal(country, SANYA)["kind"], refusal(country, SANYA)["code"]) == (kind, code)
    assert tell_clock_runs(country, case_id)


def test_nobody_is_told_of_a_result_that_is_not_there(country: Country) -> None:
    case_id = country.take_in(SANYA, NO_PHONE)
    country.settle()
    country.act(SANYA, intake.TellApplicantV1, case_id, WINDOW)
    country.settle()
    assert refusal(country, SANYA)["code"] == "state_changed"


def test_a_number_that_the_house_refuses_for_good_is_as_none(country: Country) -> None:
    house = with_house(country, House(NumberRefused))
    case_id = decided(country)
    assert states(country, SANYA, case_id) == [(1, "decided"), (2, "closed")]
    assert items(country) == [("tell_in_person", WINDOW, "")]
    (kept,) = country[SANYA].rows("intake", tables.notices)
    assert (kept.state, kept.phone, kept.sent_at) == ("in_person", "", "")
    country.act(SANYA, intake.TellApplicantV1, case_id, WINDOW)
    country.settle()
    assert states(country, SANYA, case_id) == [(1, "told"), (2, "closed")]
    assert len(house.asked) == 1
    assert calm(country)


# --- a house that is away --------------------------------------------------------------------------------------------


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    """The clock, standing on a working day."""
    return stop_clock(monkeypatch, "2025-09-24T08:00:00+08:00")


def test_a_notice_is_tried_again_from_the_table_until_the_house_is_back(hand: HandClock, country: Country) -> None:
    house = with_house(country, House())
    case_id = decided(country)
    assert states(country, SANYA, case_id) == [(1, "decided"), (2, "closed")]
    assert tell_clock_runs(country, case_id)
    assert calm(country)  # no dead letter that nobody redrives
    try_again(country)
    assert len(house.asked) == 1  # not within the same minute
    hand.set("2025-09-24T10:00:00+08:00")
    try_again(country)
    assert len(house.asked) == 2
    house.fails = None
    hand.set("2025-09-24T10:02:00+08:00")
    try_again(country)
    (notice,) = country[SANYA].rows("intake", tables.notices)
    assert house.sent == [notice.notice_id]
    assert (notice.state, notice.phone) == ("sent", "")
    assert states(country, SANYA, case_id) == [(1, "told"), (2, "closed")]
    assert items(country) == []
    hand.set("2025-09-24T11:00:00+08:00")
    try_again(country)
    assert len(house.sent) == 1


def test_a_notice_unsent_for_a_day_becomes_a_work_item_once_and_is_tried_all_the_same(
    hand: HandClock, country: Country
) -> None:
    house = with_house(country, House())
    case_id = decided(country)
    for day in ("2025-09-25T08:01:00+08:00", "2025-09-26T08:01:00+08:00"):
        hand.set(day)
        try_again(country)
        assert items(country) == [("tell_in_person", WINDOW, "")]
    house.fails = None
    hand.set("2025-09-26T09:00:00+08:00")
    try_again(country)
    assert states(country, SANYA, case_id) == [(1, "told"), (2, "closed")]
    assert items(country) == [("tell_in_person", WINDOW, "system")]


def test_who_was_told_in_person_gets_no_late_message(hand: HandClock, country: Country) -> None:
    house = with_house(country, House())
    case_id = decided(country)
    country.act(SANYA, intake.TellApplicantV1, case_id, WINDOW)
    country.settle()
    house.fails = None
    hand.set("2025-09-26T09:00:00+08:00")
    try_again(country)
    assert house.sent == []
    assert states(country, SANYA, case_id) == [(1, "told"), (2, "closed")]


# --- what applicants are told ----------------------------------------------------------------------------------------


def test_every_template_says_what_to_do_and_nothing_of_the_person_or_matter() -> None:
    for words in notices.TEMPLATES.values():
        assert not [secret for secret in (*SECRETS, "残疾", "补贴", "孤儿", "低保") if secret in words]
        assert not words.endswith("。")


def test_an_incomplete_take_in_is_told_once(country: Country) -> None:
    case_id = orphan(country)
    country.settle()
    (notice,) = country[LANZHOU].notices()
    before, after = notices.TEMPLATES["supplement_required"].split("{until}")
    assert before in notice["text"]
    assert f"(含)前{after}" in notice["text"]
    supplement(country, LANZHOU, case_id, material("child-identity"))  # something is missing still
    assert len(country[LANZHOU].notices()) == 1


def test_a_supplement_settles_that_the_applicant_was_to_be_told_what_is_missing(country: Country) -> None:
    parties = [party | {"phone": ""} for party in ORPHAN_PARTIES]
    case_id = country.take_in(LANZHOU, *parties, matter="orphan-recognition", consents=["notice_shown", "guardian"])
    country.settle()
    assert items(country, LANZHOU) == [("tell_in_person", "620102002", "")]
    supplement(country, LANZHOU, case_id, material("parents-circumstances"))
    assert items(country, LANZHOU) == [("tell_in_person", "620102002", "system")]


def test_a_refusal_after_the_receipt_is_told_once(country: Country) -> None:
    case_id = country.take_in(SANYA, HE_SHOUTIAN | {"hukou_division": ""})
    country.settle()
    assert country[SANYA].notices() == []
    for _ in range(2):
        said = {"case_no": "460204001-20250924-0001-X", "office": WINDOW}
        country.say(SANYA, intake.TellRefusalV1, case_id, said, {"phone": HE_SHOUTIAN["phone"]})
        country.settle()
    (notice,) = country[SANYA].notices()
    assert "460204001-20250924-0001-X" in notice["text"]
    assert notices.TEMPLATES["not_taken_in"] in notice["text"]
    assert calm(country)


def test_who_cannot_be_reached_after_a_refusal_is_a_work_item_that_may_be_closed(country: Country) -> None:
    case_id = country.take_in(SANYA, NO_PHONE | {"hukou_division": ""})
    country.settle()
    country.say(SANYA, intake.TellRefusalV1, case_id, {"case_no": "x", "office": WINDOW}, {"phone": ""})
    country.settle()
    (opened,) = country[SANYA].told(intake.WorkItemOpenedV1)
    close(country, case_id, opened.data["item_id"])
    assert items(country) == [("tell_in_person", WINDOW, "clerk-9")]


# --- closing by hand -------------------------------------------------------------------------------------------------


def close(country: Country, case_id: str, item_id: str, office: str = WINDOW) -> None:
    actor = {"id": "clerk-9", "kind": "clerk", "office": office}
    note = {"reason": f"已电话告知{HE_SHOUTIAN['name']}"}
    country.say(SANYA, intake.CloseWorkItemV1, case_id, {"item_id": item_id, "actor": actor}, note)
    country.settle()


def test_an_item_cannot_be_closed_while_its_case_still_waits_for_it(country: Country) -> None:
    case_id = decided(country, NO_PHONE)
    (opened,) = country[SANYA].told(intake.WorkItemOpenedV1)
    close(country, case_id, opened.data["item_id"])
    assert refusal(country, SANYA)["code"] == "case_still_waits"
    assert items(country) == [("tell_in_person", WINDOW, "")]


def test_an_item_is_closed_once_by_its_own_office_with_a_sealed_note(country: Country) -> None:
    with country[SANYA].works["intake"].begin() as work:
        notices.open_work_item(work, "a-case", "file_damaged", "材料文件校验不符", WINDOW)
    country.settle()
    (opened,) = country[SANYA].told(intake.WorkItemOpenedV1)
    close(country, "a-case", opened.data["item_id"], "460204")
    close(country, "a-case", opened.data["item_id"])
    close(country, "a-case", opened.data["item_id"])
    close(country, "a-case", "no-such-item")
    answers = [told.data["code"] for told in country[SANYA].told(intake.ActRefusedV1)]
    assert answers == ["office_not_concerned", "work_item_closed", "work_item_unknown"]
    (closed,) = country[SANYA].told(intake.WorkItemClosedV1)
    assert closed.data["closed_by"] == "clerk-9"
    assert HE_SHOUTIAN["name"] in country[SANYA].rows("intake", tables.work_items)[0].note
    assert HE_SHOUTIAN["name"].encode() not in (country[SANYA].node.home / "intake.db").read_bytes()


def test_the_record_says_who_did_what_to_a_told_case(country: Country) -> None:
    case_id = decided(country)
    assert verbs(country, SANYA, case_id)[-1] == "tell"
    (row,) = [row for row in country[SANYA].rows("intake", tables.steps) if row.verb == "tell"]
    assert row.actor == "system"


@pytest.mark.parametrize("fails", [NumberRefused, OSError])
def test_a_refusal_that_no_message_can_tell_is_the_office_of_the_receipts(
    hand: HandClock, country: Country, fails: type[Exception]
) -> None:
    with_house(country, House(fails))
    case_id = country.take_in(SANYA, HE_SHOUTIAN | {"hukou_division": ""})
    country.settle()
    said = {"case_no": "x", "office": WINDOW}
    country.say(SANYA, intake.TellRefusalV1, case_id, said, {"phone": HE_SHOUTIAN["phone"]})
    country.settle()
    hand.set("2025-09-26T08:00:00+08:00")
    try_again(country)
    assert items(country) == [("tell_in_person", WINDOW, "")]


def test_a_work_item_is_said_once_as_long_as_it_is_open_whatever_its_words(country: Country) -> None:
    with country[SANYA].works["intake"].begin() as work:
        for about, words in (("one", "甲"), ("one", "乙"), ("two", "甲 one")):
            notices.open_work_item(work, "a-case", "file_incomplete", words, about=about)
        notices.settle_file(work, "a-case", "one")
        notices.open_work_item(work, "a-case", "file_incomplete", "甲", about="one")
    country.settle()
    rows = [(row.about, bool(row.closed_at)) for row in country[SANYA].rows("intake", tables.work_items)]
    assert sorted(rows) == [("one", False), ("one", True), ("two", False)]
    assert len(country[SANYA].told(intake.WorkItemOpenedV1)) == 3


def test_who_was_faster_closes_an_item_and_it_is_said_once(country: Country) -> None:
    with country[SANYA].works["intake"].begin() as work:
        notices.open_work_item(work, "a-case", "file_incomplete", "甲", about="one")
        (item,) = telling.list_open_items(work, "a-case")
        assert telling.close_item(work, item.item_id, "clerk-9", "")
        assert not telling.close_item(work, item.item_id, "system", "")
        (row,) = work.execute(select(tables.work_items))
        assert row.closed_by == "clerk-9"
