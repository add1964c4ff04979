"""离婚冷静期: the claim on the marriage, the receipt that begins the period, and what the calendar makes of it."""

import dataclasses

from contracts import claims as claims_contracts
from contracts import marriage as said
from contracts.claims import HELD_ELSEWHERE, LOCKED_ELSEWHERE
from contracts.envelope import Json
from services.marriage.rules import divorce as rules
from services.marriage.rules.divorce import OVER, State, Terms
from services.marriage.rules.registration import Hold
from services.marriage.store import divorces as store
from services.marriage.store.divorces import Kept
from services.marriage.usecases import desk, divorce_case, divorcing
from shared import calendar, clock
from shared.calendar import ONE_DAY
from shared.errors import OutOfStep
from shared.outbox import Work

# --- what claims answers -------------------------------------------------------------------------------------------------


def note_held(work: Work, kept: Kept, told: Json) -> None:
    """已预留; an application that was examined already asks for the lock at once."""
    _expect(kept, told["attempt"], Hold.ASKED)
    now = dataclasses.replace(kept, hold=Hold.HELD, waits_for=(), ask_office=None)
    if kept.divorce.state is State.ACCEPTED:
        work.tell(claims_contracts.ConfirmClaimsV1, kept.case_id, divorce_case.mine(now))
        now = dataclasses.replace(now, hold=Hold.CONFIRMING)
    divorce_case.open_task(work, now)


def note_lost(work: Work, kept: Kept, told: Json) -> None:
    """未能预留, or lost before it was locked: whoever waits learns which office to ask. What was examined tries again."""
    _expect(kept, told["attempt"], Hold.ASKED, Hold.HELD, Hold.CONFIRMING)
    why = {row["why"] for row in told["denials"]}
    waits = tuple(name for name in (LOCKED_ELSEWHERE, HELD_ELSEWHERE) if name in why)[:1] or ("claims_lost",)
    ask = next((row["by"] for row in told["denials"] if row["by"]), None)
    now = dataclasses.replace(kept, hold=Hold.NONE, waits_for=waits, ask_office=ask)
    if kept.divorce.state is State.ACCEPTED and kept.hold is not Hold.ASKED:
        now = divorce_case.reserve(work, now)
    divorce_case.open_task(work, now)


def note_deferred(work: Work, kept: Kept, told: Json) -> None:
    """暂缓: whoever waits is told why."""
    _expect(kept, told["attempt"], Hold.ASKED, Hold.CONFIRMING)
    if "authority_away" not in kept.waits_for:
        divorce_case.open_task(work, dataclasses.replace(kept, waits_for=("authority_away",), ask_office=None))


def note_unasked(work: Work, kept: Kept) -> None:
    """Claims cannot even ask: the attempt has not begun, a clerk tries again."""
    if kept.hold is not Hold.ASKED:
        raise OutOfStep("stale", "过时的消息")
    now = dataclasses.replace(kept, hold=Hold.NONE, waits_for=("authority_away",), ask_office=None)
    divorce_case.open_task(work, now)


def reserve_again(work: Work, kept: Kept) -> None:
    """再次预留, by a clerk who knows that what stood in the way may be gone; a marriage not found is looked up again."""
    asked = work.data(said.ReserveAgainV1)
    divorce_case.expect_turn(work, kept, asked, "examine")
    if kept.divorce.state is State.APPLIED and kept.hold is Hold.NONE and divorce_case.waits(kept):
        divorcing.look_up_again(work, kept)
        return
    if kept.hold is not Hold.NONE or kept.known.found is None or divorce_case.is_obstructed(kept):
        raise OutOfStep("hold_lives", "已预留、正在预留或婚姻登记地尚未答复,不用再次预留,请刷新后查看")
    divorce_case.open_task(work, divorce_case.reserve(work, kept))


def _expect(kept: Kept, attempt: str, *holds: Hold) -> None:
    if kept.divorce.state not in rules.OPEN or kept.attempt != attempt or kept.hold not in holds:
        raise OutOfStep("stale", "过时的消息")


# --- the days ------------------------------------------------------------------------------------------------------------


def note_locked(work: Work, kept: Kept, told: Json) -> None:
    """受理: only now there is a receipt to hand over, so cooling-off begins today, and both get its dates."""
    _expect(kept, told["attempt"], Hold.CONFIRMING)
    after = rules.hand_receipt(kept.divorce, work.today, calendar.standard())
    now = dataclasses.replace(kept, divorce=after, hold=Hold.LOCKED, version=kept.version + 1, waits_for=())
    store.save_divorce(work, now)
    issued = divorce_case.mine(now) | {"reference": kept.case_facts["case_no"]}
    work.tell(claims_contracts.NoteIssuedV1, kept.case_id, issued)
    data = desk.word(now) | {"approve": True, "at": clock.iso(work.now), "next_task": None}
    data |= {"office": dict(kept.case_facts["accepting_office"]), "note": _receipt(after.terms)}
    work.tell(said.ApplicationExaminedV1, kept.case_id, data)


def _receipt(terms: Terms | None) -> str:
    """What stands on the receipt (受理回执单)."""
    assert terms is not None  # noqa: S101 - who has a receipt has terms
    words = (
        f"已受理。离婚冷静期到{terms.cooling.date}届满,届满前任何一方都可以到本机构撤回;"
        f"届满后,双方须在{terms.opens_on}至{terms.window.date}共同到本机构申请发给离婚证,未申请的视为撤回"
    )
    unsure = "。日期涉及尚未公布的节假日安排,为暂定,以本机构通知为准"
    return words + unsure if terms.window.provisional else words


def wake(work: Work, case_id: str) -> None:
    """到日: cooling-off is over, or the days after it are; else it is looked at again tomorrow. OutOfStep when it went on."""
    kept = store.find_divorce(work, case_id)
    if kept is None or kept.ending or kept.divorce.state not in rules.OPEN:
        raise OutOfStep("stale", "过时的消息")
    after = rules.turned(rules.recounted(kept.divorce, calendar.standard()), work.today)
    if after == kept.divorce:
        store.wake_on(work, case_id, work.today + ONE_DAY)
    elif after.state is State.DEEMED_WITHDRAWN:
        divorce_case.drop(work, kept, after, OVER[after.state])
    elif after.state is State.AWAITING_CERTIFICATE:
        divorce_case.open_task(work, dataclasses.replace(kept, divorce=after))
    else:
        store.save_divorce(work, dataclasses.replace(kept, divorce=after))
