"""A holder's attempts, each with its wishes: read whole, written back where they changed."""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Row, and_, bindparam, func, insert, or_, select, update

from services.claims.rules.attempt import AWAITED, Attempt, Standing, Step, unanswered
from services.claims.store.tables import attempts, wishes
from shared import clock
from shared.outbox import Work

FIRST_PAUSE, LONGEST_PAUSE = datetime.timedelta(minutes=1), datetime.timedelta(hours=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """One claim of an attempt, as far as its holder knows."""

    claim_id: str
    number: int
    prefix: str
    authority: str
    epoch: int
    standing: Standing = Standing.ASKED
    until: str = ""
    deferred: str = ""
    aliased: bool = False  # its subject is another document's than the one that was asked for


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """An attempt with its wishes, in their order."""

    attempt_id: str
    case_id: str
    asked_by: str
    kind: str
    office: Mapping[str, Any] | None
    step: Step
    wishes: tuple[Wish, ...]
    reference: str = ""
    why: str = ""
    tries: int = 0

    @property
    def attempt(self) -> Attempt:
        """What the rules see of it."""
        return Attempt(self.step, tuple((wish.claim_id, wish.standing) for wish in self.wishes))

    def wish(self, claim_id: str) -> Wish:
        """One of its wishes."""
        return next(wish for wish in self.wishes if wish.claim_id == claim_id)

    def changed(self, attempt: Attempt) -> "Kept":
        """The same attempt where the rules say it stands. What moved on is deferred no more."""
        moved = tuple(_moved(wish, attempt.standing(wish.claim_id)) for wish in self.wishes)
        return dataclasses.replace(self, step=attempt.step, wishes=moved)

    def with_wish(self, changed: Wish) -> "Kept":
        """The same attempt with one wish changed."""
        after = tuple(changed if wish.claim_id == changed.claim_id else wish for wish in self.wishes)
        return dataclasses.replace(self, wishes=after)


def _moved(wish: Wish, standing: Standing) -> Wish:
    return wish if wish.standing is standing else dataclasses.replace(wish, standing=standing, deferred="")


_ATTEMPT = ("case_id", "asked_by", "kind", "office", "reference", "why", "tries")
_WISH = ("claim_id", "number", "prefix", "authority", "epoch", "until", "deferred", "aliased")
_WHOLE = (
    select(*attempts.c, *[wishes.c[name] for name in (*_WISH, "standing")])
    .select_from(attempts.outerjoin(wishes, wishes.c.attempt == attempts.c.attempt))
    .order_by(wishes.c.number)
)
_BY_ID = _WHOLE.where(attempts.c.attempt == bindparam("attempt_id"))
_OF_CLAIM = select(wishes.c.attempt).where(wishes.c.claim_id == bindparam("of_claim")).correlate(None).scalar_subquery()
_BY_CLAIM = _WHOLE.where(attempts.c.attempt == _OF_CLAIM)
_OWED = or_(
    *(
        and_(attempts.c.step == str(step), wishes.c.standing.in_([str(one) for one in standings]))
        for step, (_, standings) in AWAITED.items()
    )
)
_OWING = (  # which attempt waits for which authority
    select(wishes.c.authority, attempts.c.attempt, attempts.c.case_id)
    .join(attempts, attempts.c.attempt == wishes.c.attempt)
    .where(attempts.c.waits, _OWED)
)
_ADD_WISHES = insert(wishes).inline()
_SAVE_ATTEMPT = update(attempts).where(attempts.c.attempt == bindparam("of"))
_SAVE_SUBJECT = update(wishes).where(wishes.c.claim_id == bindparam("of"))
_SAVE_WISH = update(wishes).where(wishes.c.claim_id == bindparam("of"))


def find_attempt(work: Work, attempt_id: str) -> Kept | None:
    """One attempt; call it with its case locked."""
    return _kept(work.execute(_BY_ID, {"attempt_id": attempt_id}).all())


def find_attempt_of(work: Work, claim_id: str) -> Kept | None:
    """The attempt a claim belongs to; call it with its case locked."""
    return _kept(work.execute(_BY_CLAIM, {"of_claim": claim_id}).all())


def _kept(rows: Iterable[Row[Any]]) -> Kept | None:
    found = list(rows)
    if not found:
        return None
    values = {name: getattr(found[0], name) for name in _ATTEMPT}
    mine = tuple(_wish(row) for row in found if row.claim_id)
    return Kept(attempt_id=found[0].attempt, step=Step(found[0].step), wishes=mine, **values)


def _wish(row: Row[Any]) -> Wish:
    return Wish(**{name: getattr(row, name) for name in _WISH}, standing=Standing(row.standing))


def add_attempt(work: Work, kept: Kept, subjects: Mapping[str, Any]) -> bool:
    """Keep a new attempt, with the subject of each claim; False when its id is known already."""
    row = {"attempt": kept.attempt_id, "step": str(kept.step), **_state(work, kept)}
    row |= {name: getattr(kept, name) for name in ("case_id", "asked_by", "kind", "office")}
    if not work.insert_once(attempts, row | {"asked_at": clock.iso(work.now)}):
        return False
    if kept.wishes:
        rows = [_columns(wish) | {"attempt": kept.attempt_id} for wish in kept.wishes]
        work.write(_ADD_WISHES, [row | {"subject": subjects[row["claim_id"]]} for row in rows])
    return True


def save_attempt(work: Work, before: Kept, after: Kept, *, spoken: bool = False) -> None:
    """Write back what changed of an attempt. `spoken`: words were just said to authorities, so wait anew."""
    if spoken or _plain(before) != _plain(after) or _waits(before) != _waits(after):
        work.write(_SAVE_ATTEMPT, {"of": after.attempt_id, **_state(work, after)})
    for was, wish in zip(before.wishes, after.wishes, strict=True):
        if was != wish:
            work.write(_SAVE_WISH, {"of": wish.claim_id, **_columns(wish)})


def _waits(kept: Kept) -> bool:
    return unanswered(kept.attempt) is not None


def _plain(kept: Kept) -> Kept:
    return dataclasses.replace(kept, wishes=())


def _state(work: Work, kept: Kept) -> dict[str, Any]:
    pause = min(FIRST_PAUSE * 2 ** min(kept.tries, 10), LONGEST_PAUSE)
    names = {name: getattr(kept, name) for name in ("reference", "why", "tries")}
    return names | {"step": str(kept.step), "waits": _waits(kept), "due_at": clock.iso(work.now + pause)}


def _columns(wish: Wish) -> dict[str, Any]:
    return dataclasses.asdict(wish) | {"standing": str(wish.standing)}


def subjects_of(work: Work, attempt_id: str) -> dict[str, Any]:
    """The subjects of an attempt, by claim."""
    found = select(wishes.c.claim_id, wishes.c.subject).where(wishes.c.attempt == attempt_id)
    return {row.claim_id: row.subject for row in work.execute(found)}


def save_subject(work: Work, claim_id: str, subject: Mapping[str, Any]) -> None:
    """Whom a claim is about from now on."""
    work.write(_SAVE_SUBJECT, {"of": claim_id, "subject": subject})


def list_unanswered(work: Work) -> dict[tuple[str, str], list[str]]:
    """Attempts, each with its case, whose words are to be said again, and to which authorities; in no order."""
    due = _OWING.where(attempts.c.due_at <= clock.iso(work.now)).order_by(func.random())
    found: dict[tuple[str, str], list[str]] = {}
    for row in work.execute(due):
        found.setdefault((row.attempt, row.case_id), []).append(row.authority)
    return found


def count_in_vain(work: Work) -> dict[str, int]:
    """How many words said again each authority has not answered."""
    again = _OWING.where(attempts.c.tries > 0).subquery()
    counted = select(again.c.authority, func.count().label("number")).group_by(again.c.authority)
    return {row.authority: row.number for row in work.execute(counted)}
