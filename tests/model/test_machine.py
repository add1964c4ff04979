"""Long random lives of a larger country than can be explored: three cities, four persons, two authorities."""

from functools import cache

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.model.checker import Explorer
from tests.model.world import Application, Setting, World

APPLICATIONS = (
    Application("P1", "P", "AB", attempts=3),
    Application("P2", "P", "AC", attempts=2, after="P1"),
    Application("Q1", "Q", "CA", attempts=3),
    Application("Q2", "Q", "BD", attempts=2),
    Application("R1", "R", "BA", attempts=2),
    Application("R2", "R", "DC", attempts=2, after="R1"),
)
ENDINGS = tuple((each.name, "divorce") for each in APPLICATIONS)
GUARDS = (("X", "AB"), ("Y", "CD"))
QUIET = settings(
    max_examples=30, stateful_step_count=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@cache
def explorer_of(setting: Setting) -> Explorer:
    """One for all lives in a setting: what it has worked out once, it remembers."""
    return Explorer(World(setting))


class Country(RuleBasedStateMachine):
    """A walk through one world; the steps are those of the checker."""

    setting = Setting("", APPLICATIONS, GUARDS, endings=ENDINGS, drops=True, renews=2)

    def __init__(self) -> None:
        super().__init__()
        self.explorer = explorer_of(self.setting)
        self.state = self.explorer.first()
        self.way: list[str] = []

    def _go(self, which: int, *, delivered: bool) -> None:
        steps = [step for step in self.explorer.after(self.state) if (" to " in step[1]) is delivered]
        steps.sort(key=lambda step: step[1])  # the explorer remembers other lives, in whatever order they met things
        if steps:
            self.state, name = steps[which % len(steps)]
            self.way.append(name)

    @rule(which=st.integers(0, 999))
    def a_message_arrives(self, which: int) -> None:
        self._go(which, delivered=True)

    @rule(which=st.integers(0, 999))
    def another_message_arrives(self, which: int) -> None:
        self._go(which, delivered=True)

    @rule(which=st.integers(0, 999))
    def somebody_acts_or_a_clock_moves(self, which: int) -> None:
        self._go(which, delivered=False)

    @invariant()
    def every_promise_is_kept(self) -> None:
        broken, _ = self.explorer.verdict(self.state)
        assert not broken, self.way


class HandedOver(Country):
    """The first authority hands over meanwhile."""

    setting = Setting("", APPLICATIONS, GUARDS, endings=ENDINGS, successor="Z")


class Restored(Country):
    """The first authority loses its disk meanwhile."""

    setting = Setting("", APPLICATIONS, GUARDS, endings=ENDINGS, restores=True)


def test_long_lives_of_three_cities_keep_every_promise() -> None:
    run_state_machine_as_test(Country, settings=QUIET)


def test_long_lives_with_a_hand_over_keep_every_promise() -> None:
    run_state_machine_as_test(HandedOver, settings=QUIET)


def test_long_lives_with_a_restore_keep_every_promise() -> None:
    run_state_machine_as_test(Restored, settings=QUIET)
