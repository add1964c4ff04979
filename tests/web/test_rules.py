"""Case numbers, standing, who sees what, safe addresses, back-off: pure rules."""

import datetime
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.web import rules
from services.web.rules import Mark, Principal
from shared.errors import Denied, Refused

DAY = datetime.date(2025, 9, 24)
OFFICES = st.sampled_from(["620102", "620102-dpf", "620102001", "460204001001"])


@pytest.mark.parametrize(
    ("text", "check"),
    [  # certificate identifiers published with their check characters
        ("11100000000013338W011.11430000006122244L.20230000403.001", "U"),
        ("11100000000013338W011.11430000006122244L.20230000403.002", "S"),
        ("11100000000013338W009.11330105002500287C.2025052201.002", "0"),
    ],
)
def test_the_check_character_is_that_of_iso_7064(text, check):
    assert rules.check_character(text) == check


def test_a_case_number_names_office_day_and_serial():
    assert rules.case_no("620102001", DAY, 7).startswith("620102001-20250924-0007-")
    assert rules.case_no("620102-dpf", DAY, 12345).startswith("620102-dpf-20250924-12345-")


@given(OFFICES, st.dates(datetime.date(2020, 1, 1)), st.integers(1, 9_999_999))
def test_every_allotted_case_number_is_one(office, day, serial):
    assert rules.is_case_no(rules.case_no(office, day, serial))


@given(OFFICES, st.integers(1, 99999), st.data())
def test_no_single_wrong_character_goes_unseen(office, serial, data):
    number = rules.case_no(office, DAY, serial)
    place = data.draw(st.sampled_from([n for n, character in enumerate(number) if character != "-"]))
    wrong = data.draw(st.sampled_from(rules.ALPHABET).filter(lambda c: c != number[place].upper()))
    assert not rules.is_case_no(number[:place] + wrong + number[place + 1 :])


@pytest.mark.parametrize(
    "text", ["", "-", "620102001-20250924-0001", "620102001-20250924-0001-X\n", "何-20250924-0001-X"]
)
def test_what_is_no_case_number_is_none(text):
    assert not rules.is_case_no(text)


STORY = [  # a case that is supplemented, redirected and told: each fact, and the state it leads to
    (None, "received"),
    (Mark("missing", 1, 2), "supplement_required"),
    (Mark("forwarded", 2, 0), "forwarded"),
    (Mark("taken_over", 2, 1), "taken_over"),
    (Mark("accepted", 2, 1), "accepted"),
    (Mark("progressed", 2, 2), "in_progress"),
    (Mark("supplement_requested", 2, 3), "supplement_required"),
    (Mark("asked", 2, 2), "supplement_required"),
    (Mark("supplemented", 2, 2), "in_progress"),
    (Mark("progressed", 2, 4), "in_progress"),
    (Mark("redirected", 2, 5), "redirected"),
    (Mark("forwarded", 3, 0), "forwarded"),
    (Mark("taken_over", 3, 1), "taken_over"),
    (Mark("accepted", 3, 1), "accepted"),
    (Mark("supplement_requested", 3, 2), "in_progress"),  # until it is told of which request, in the same breath
    (Mark("asked", 3, 2), "supplement_required"),
    (Mark("supplemented", 3, 2), "in_progress"),
    (Mark("progressed", 3, 3), "in_progress"),
    (Mark("supplement_requested", 3, 4), "in_progress"),
    (Mark("asked", 3, 4), "supplement_required"),
    (Mark("supplemented", 3, 4), "in_progress"),
    (Mark("progressed", 3, 5), "in_progress"),
    (Mark("decided", 3, 6), "decided"),
    (Mark("closed", 1, 11), "closed"),
]


@pytest.mark.parametrize("length", range(1, len(STORY) + 1))
def test_each_fact_leads_to_its_state(length):
    heard = [mark for mark, _ in STORY[:length] if mark]
    assert rules.case_state(heard) == STORY[length - 1][1]


@given(st.permutations([mark for mark, _ in STORY if mark]), st.integers(0, len(STORY)))
def test_neither_order_nor_repetition_changes_the_state(marks, again):
    assert rules.case_state([*marks, *marks[:again]]) == "closed"
    late = [mark for mark in marks if mark.name not in ("closed", "decided")]
    assert rules.case_state([*late, *late[:again]]) == "in_progress"


SOME_IN_VAIN = [Mark("withdrawing", 1, 3), Mark("going_on", 1, 4)]


@pytest.mark.parametrize(
    ("marks", "state"),
    [
        ([Mark("refused", 0, 0)], "not_taken_in"),
        ([Mark("taken_in", 1, 1)], "taken_in"),
        ([Mark("taken_in", 1, 1), Mark("forwarded", 2, 0), Mark("declined", 2, 1)], "not_accepted"),
        ([Mark("withdrawn", 1, 2), Mark("missing", 1, 1)], "withdrawn"),
        ([Mark("forwarded", 2, 0), Mark("redirected", 2, 5), Mark("needs_attention", 2, 3)], "needs_attention"),
        ([Mark("forwarded", 2, 0), Mark("needs_attention", 2, 3)], "needs_attention"),
        ([Mark("forwarded", 2, 0), Mark("needs_attention", 2, 3), Mark("forwarded", 3, 0)], "forwarded"),
        ([Mark("forwarded", 2, 0), Mark("needs_attention", 2, 3), Mark("withdrawn", 1, 4)], "withdrawn"),
        ([Mark("forwarded", 2, 0), Mark("accepted", 2, 1), Mark("withdrawing", 1, 3)], "withdrawing"),
        ([Mark("accepted", 2, 1), Mark("withdrawing", 1, 3), Mark("withdrawn", 2, 2)], "withdrawn"),
        ([Mark("accepted", 2, 1), Mark("withdrawing", 1, 3), Mark("redirected", 2, 2)], "withdrawn"),
        ([Mark("accepted", 2, 1), Mark("withdrawing", 1, 3), Mark("decided", 2, 2)], "decided"),
        ([Mark("forwarded", 2, 0), Mark("withdrawing", 1, 3), Mark("declined", 2, 1)], "not_accepted"),
        ([Mark("taken_in", 1, 1), Mark("withdrawing", 1, 3)], "withdrawing"),
        ([Mark("accepted", 2, 1), Mark("going_on", 1, 2), Mark("withdrawing", 1, 3)], "withdrawing"),
        ([Mark("progressed", 2, 2), Mark("withdrawing", 1, 3), Mark("going_on", 1, 4)], "in_progress"),
        ([Mark("progressed", 2, 2), *SOME_IN_VAIN, Mark("withdrawing", 1, 5)], "withdrawing"),
        ([Mark("progressed", 2, 2), *SOME_IN_VAIN, Mark("decided", 2, 3)], "decided"),
    ],
)
def test_refused_withdrawn_and_declined_cases_say_so(marks, state):
    assert {rules.case_state(order) for order in itertools.permutations(marks)} == {state}


def test_every_state_has_a_name_in_chinese():
    reached = {state for _, state in STORY} | set(rules.ENDED) | {"withdrawing", "taken_in", "needs_attention"}
    assert reached <= set(rules.STATES)


CLERK = Principal("1", "clerk", "k", office="620102")
CITIZEN = Principal("2", "citizen", "c", person_index="aa")
CHANNEL = Principal("3", "channel", "p", person_index="aa")


def test_a_clerk_sees_every_case_of_the_node():
    assert rules.may_see(CLERK, "citizen:x", ["bb"])


def test_a_citizen_sees_cases_about_them_and_no_others():
    assert rules.may_see(CITIZEN, "clerk:k", ["bb", "aa"])
    assert not rules.may_see(CITIZEN, "citizen:c", ["bb"])


def test_a_channel_sees_what_it_took_in_for_the_citizen_it_names():
    assert rules.may_see(CHANNEL, "channel:p", ["aa"])
    assert not rules.may_see(CHANNEL, "channel:other", ["aa"])
    assert not rules.may_see(CHANNEL, "channel:p", ["bb"])


def test_who_names_nobody_sees_nothing():
    nobody = Principal("4", "channel", "p")
    assert not rules.may_see(nobody, "channel:p", [""])
    assert not rules.may_see(Principal("5", "citizen", "c"), "", [""])


def test_a_purpose_must_be_given_and_known():
    assert rules.expect_purpose("handle_case") == "handle_case"
    with pytest.raises(Refused, match="purpose_missing"):
        rules.expect_purpose("")
    with pytest.raises(Refused, match="purpose_unknown"):
        rules.expect_purpose("curiosity")


@pytest.mark.parametrize("kind", ["citizen", "channel"])
def test_applicants_may_only_supplement_and_withdraw(kind):
    for act in rules.ACTS:
        if act in ("supplement", "withdraw"):
            rules.expect_act_allowed(kind, act)
        else:
            with pytest.raises(Denied, match="act_not_allowed"):
                rules.expect_act_allowed(kind, act)


@pytest.mark.parametrize(
    "url",
    [
        "https://portal.example.cn/hook?a=1",
        "https://PORTAL.example.cn.:8443/hook",
        "https://93.184.216.34/hook",
        "https://[2606:2800:220:1::1]/hook",
    ],
)
def test_https_to_a_public_host_is_safe(url):
    rules.expect_safe_url(url, ())


@pytest.mark.parametrize(
    "url",
    [
        "http://portal.example.cn/hook",
        "http://127.0.0.1.example.cn/",
        "http://localhost.example.cn/",
        "http://10.0.0.1/",
        "https://user:secret@portal.example.cn/",
        "https://portal.example.cn/#x",
        "https:///hook",
        "https://portal.example.cn:99999/",
        "https://portal.example.cn/\r\nX: y",
        "https://portal.例子.cn/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "//portal.example.cn/",
        "",
    ],
)
def test_every_other_address_is_refused(url):
    with pytest.raises(Refused, match="webhook_url_unsafe"):
        rules.expect_safe_url(url, ())


INSIDE = [
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0.0.0.0",
    "169.254.169.254",
    "100.100.100.200",
    "224.0.0.1",
    "[::1]",
    "[::]",
    "[fd00::1]",
    "[fe80::1]",
    "[::ffff:10.1.2.3]",
    "[2002:0a01:0203::1]",
    "[64:ff9b::10.1.2.3]",
    "localhost",
    "localhost.",
    "portal.localhost",
    "registry",
    "metadata.google.internal",
    "printer.local",
]


@pytest.mark.parametrize("host", INSIDE)
def test_hosts_inside_are_refused_unless_the_operator_allows_them(host):
    with pytest.raises(Refused, match="webhook_url_unsafe"):
        rules.expect_safe_url(f"https://{host}:8443/hook", ("other", "portal.example.cn"))
    rules.expect_safe_url(f"https://{host}:8443/hook", (host.strip("[]"),))


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_plain_http_leads_to_this_very_machine_only_and_only_when_allowed(host):
    rules.expect_safe_url(f"http://{host}:9000/", (host.strip("[]"),))
    with pytest.raises(Refused, match="webhook_url_unsafe"):
        rules.expect_safe_url(f"http://{host}:9000/", ())
    with pytest.raises(Refused, match="webhook_url_unsafe"):
        rules.expect_safe_url("http://10.1.2.3/", ("10.1.2.3",))


def test_a_name_is_public_when_all_its_addresses_are():
    rules.expect_public(["93.184.216.34", "2606:2800:220:1::1"])
    for addresses in ([], ["93.184.216.34", "10.1.2.3"], ["fe80::1%eth0"], ["169.254.169.254"]):
        with pytest.raises(Refused, match="webhook_url_unsafe"):
            rules.expect_public(addresses)


@pytest.mark.parametrize(
    ("kind", "actor", "person", "may"),
    [
        ("citizen", "c-1", "he", True),
        ("citizen", "c-2", "he", True),
        ("citizen", "c-1", "she", False),
        ("citizen", "c-1", "", False),
        ("channel", "portal", "he", True),
        ("channel", "portal", "she", False),
        ("channel", "other", "he", False),
        ("channel", "portal", "", False),
        ("clerk", "c-1", "", False),
    ],
)
def test_files_are_for_whom_they_were_brought(kind, actor, person, may):
    who = Principal("t", kind, actor, person_index=person)
    assert rules.may_fetch(who, "channel:portal", "he") is may
    assert not rules.may_fetch(who, who.owner, "")


def test_attempts_are_further_and_further_apart_and_end():
    pauses = [rules.next_attempt(number) for number in range(1, len(rules.BACK_OFF) + 2)]
    assert pauses[-1] is None
    assert pauses[:-1] == sorted(pauses[:-1])
    assert pauses[0] == 10
