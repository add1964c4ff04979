"""What counts as brought, and which work item may be closed."""

import pytest

from services.intake.rules import form
from services.intake.rules import legs as rules
from services.intake.rules.legs import State
from shared.errors import Refused


def shown(**more: str) -> dict[str, str]:
    return {"code": "letter", "source": "applicant", "file_id": "", "seen": "", "seen_by": ""} | more


@pytest.mark.parametrize(
    ("item", "by_clerk"),
    [
        (shown(file_id="f"), False),
        (shown(seen="original", seen_by="clerk-1"), True),
        (shown(source="promise"), False),
        (shown(source="registry"), False),
    ],
)
def test_what_is_a_file_or_was_seen_at_the_counter_is_shown(item: dict[str, str], by_clerk: bool) -> None:
    form.expect_shown([item], by_clerk)


@pytest.mark.parametrize(
    ("item", "by_clerk"),
    [
        (shown(), False),
        (shown(), True),
        (shown(seen="original", seen_by="c-1"), False),
        (shown(seen="original"), True),
    ],
)
def test_what_nobody_can_look_at_is_not_brought(item: dict[str, str], by_clerk: bool) -> None:
    with pytest.raises(Refused) as refused:
        form.expect_shown([shown(file_id="f"), item], by_clerk)
    assert (refused.value.code, refused.value.field) == ("material_not_shown", "materials")


@pytest.mark.parametrize(
    ("kind", "state", "closable"),
    [
        ("tell_in_person", State.DECIDED, False),
        ("tell_in_person", State.SUPPLEMENT_REQUIRED, True),
        ("tell_in_person", None, True),
        ("misdirected", State.NEEDS_ATTENTION, False),
        ("misdirected", State.FORWARDED, True),
        ("file_damaged", State.NEEDS_ATTENTION, True),
    ],
)
def test_a_work_item_stays_open_while_its_case_waits_for_it(kind: str, state: State | None, closable: bool) -> None:
    if closable:
        rules.expect_closable(kind, state)
    else:
        with pytest.raises(Refused, match="case_still_waits"):
            rules.expect_closable(kind, state)
