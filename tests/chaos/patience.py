"""How long a run is waited for: until all has ended, until it becomes no less, or until the time is up."""

import math

SETTLE_SECONDS = 420.0  # without any change while messages are on their way: longer than any attempt is put off
ENDLESS_SECONDS = 600.0  # without fewer of either than ever before: what was lost may be asked for again for ever


class Patience:
    """Waits for what is left, from `now` on, for `longest` seconds at most."""

    def __init__(self, now: float, longest: float, stuck_seconds: float) -> None:
        self._stuck, self._time_up_at = stuck_seconds, now + longest
        self._left, self._changed = (-1, -1), now
        self._fewest: tuple[float, float] = (math.inf, math.inf)
        self._fewer = now
        self.time_up = False  # what is left still became less when the time was up: it is not lost for sure

    def is_out(self, unfinished: int, moving: int, now: float) -> bool:
        """Whether to wait no longer: `unfinished` things, `moving` messages are left at `now`, in seconds."""
        left = (unfinished, moving)
        if left != self._left:
            self._left, self._changed = left, now
        if unfinished < self._fewest[0] or moving < self._fewest[1]:
            self._fewest, self._fewer = (min(unfinished, self._fewest[0]), min(moving, self._fewest[1])), now
        if not any(left) or self._rests(now):
            return True
        self.time_up = now >= self._time_up_at
        return self.time_up

    def _rests(self, now: float) -> bool:
        unchanged = SETTLE_SECONDS if self._left[1] else self._stuck
        return now - self._changed >= unchanged or now - self._fewer >= ENDLESS_SECONDS
