"""抄告户籍地: what may be told to the city of a person's hukou, on which days, and by which clause. Without one: nothing."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

CHANGES = ("marriage_registered", "divorce_registered", "marriage_ended", "marriage_restored")


@dataclass(frozen=True, slots=True)
class Copy:
    """A clause that lets these changes be copied, from the first to the last day (`valid_until` None: no last day)."""

    what: tuple[str, ...]
    valid_from: datetime.date
    valid_until: datetime.date | None
    basis: str

    def covers(self, what: str, day: datetime.date) -> bool:
        """Whether that change may be copied on that day."""
        return what in self.what and self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


def clause_for(what: str, day: datetime.date, copies: Iterable[Copy]) -> Copy | None:
    """The clause by which that change is copied on that day, if there is one."""
    return next((copy for copy in copies if copy.covers(what, day)), None)
