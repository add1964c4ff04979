"""Every reachable state of a world, breadth first, and what is wrong with it.

A state is one number per place (its contents, numbered as they are met) and one set of messages (a bit each). What a
place may do next depends on its own contents and on the messages addressed to it alone; so it is worked out once for
each such pair and remembered. That, and nothing cleverer, makes it quick: no state is left out.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from shared import clock
from shared.errors import TongbanError
from tests.model import city, registry
from tests.model.invariants import BLOCKED, broken_in, is_settled
from tests.model.world import Commit, EarlyError, Message, World

State = tuple[int, ...]  # the places' contents, and at the end the messages that may be delivered
Step = tuple[int, int, int, str]  # contents afterwards, messages said, messages consumed, what happened


@dataclass
class Report:
    """What was explored, and the shortest way to what is wrong; `fault` is empty where nothing is."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    seconds: float = 0.0
    fault: str = ""
    blocked: int = 0  # states from which nobody is helped any more
    trace: list[str] = field(default_factory=list)
    registered: frozenset[str] = frozenset()  # the applications that are registered in some state: it is no empty proof
    finished: bool = True


class Explorer:
    """One world and the numbers given to its contents and messages."""

    def __init__(self, world: World) -> None:
        setting = world.setting
        self.world = world
        self.cities, self.registries = setting.cities(), setting.registries()
        self.places = (*self.cities, *self.registries)
        self.number = {place: index for index, place in enumerate(self.places)}
        self.contents: list[list[Any]] = [[] for _ in self.places]
        self.known: list[dict[Any, int]] = [{} for _ in self.places]
        self.views: list[list[Any]] = [[] for _ in self.places]  # what the invariants look at, per contents
        self.messages: list[Message] = []
        self.bits: dict[Message, int] = {}
        self.masks = [0] * len(self.places)  # which messages are addressed to a place
        self.steps: list[dict[tuple[int, int], tuple[Step, ...]]] = [{} for _ in self.places]
        self.alive: dict[tuple[int, int, int], int] = {}
        self.verdicts: dict[tuple[Any, ...], tuple[tuple[str, ...], bool]] = {}

    def first(self) -> State:
        """Nobody has come yet; every application is on its way to its office."""
        net = 0
        for each in self.world.setting.applications:
            net |= self._bit(Message("application_accepted", each.office, each.office, each.name))
        cities = (self._numbered(self.number[node], city.empty_city(self.world, node)) for node in self.cities)
        books = (self._numbered(self.number[node], registry.empty_book(self.world, node)) for node in self.registries)
        return (*cities, *books, net)

    def _numbered(self, place: int, contents: Any) -> int:
        if contents not in self.known[place]:
            self.known[place][contents] = len(self.contents[place])
            self.contents[place].append(contents)
            view = self._view(place, contents)
            self.views[place].append(view)
        return self.known[place][contents]

    def _view(self, place: int, contents: Any) -> Any:
        if place < len(self.cities):
            return city.projection(self.world, contents)
        return registry.projection(contents)

    def _bit(self, message: Message) -> int:
        if message not in self.bits:
            self.bits[message] = 1 << len(self.messages)
            self.messages.append(message)
            self.masks[self.number[message.to]] |= self.bits[message]
        return self.bits[message]

    def after(self, state: State) -> Iterator[tuple[State, str]]:
        """Every state one step away, and the step's name. Steps that change nothing are left out."""
        net = state[-1]
        for place, steps in enumerate(self.steps):
            contents, mail = state[place], net & self.masks[place]
            found = steps.get((contents, mail))
            if found is None:
                found = steps[contents, mail] = tuple(self._steps(place, contents, mail))
            for after, said, consumed, name in found:
                left = net & ~consumed
                if said & ~left:
                    left |= self._useful(state, place, after, said & ~left)
                if after != contents:
                    own = left & self.masks[place]
                    left ^= own ^ self._alive(place, after, own)
                if left != net or after != contents:
                    yield (*state[:place], after, *state[place + 1 : -1], left), name

    def _useful(self, state: State, place: int, after: int, said: int) -> int:
        for other, number in enumerate(state[: len(self.cities)]):
            mail = said & self.masks[other]
            if mail:
                alive = self._alive(other, after if other == place else number, mail)
                said = said & ~mail | alive
        return said

    def _alive(self, place: int, number: int, mail: int) -> int:
        """The messages of a city's mail that may still have an effect there."""
        alive = self.alive.get((place, number, mail))
        if alive is None:
            contents, alive = self.contents[place][number], 0
            for message in self._mail(mail):
                if isinstance(contents, registry.Book) or not city.is_useless(contents, message):
                    alive |= self.bits[message]
            self.alive[place, number, mail] = alive
        return alive

    def _mail(self, mail: int) -> Iterator[Message]:
        while mail:
            bit = mail & -mail
            mail ^= bit
            yield self.messages[bit.bit_length() - 1]

    def _steps(self, place: int, number: int, mail: int) -> Iterator[Step]:
        contents = self.contents[place][number]
        for name, commit in self._happenings(contents):
            for done in self._promptly(commit):
                yield self._step(place, done, 0, name)
        for message in self._mail(mail):
            consumed = self.bits[message] if self.world.setting.once else 0
            for commit in [done for heard in self._heard(contents, message) for done in self._promptly(heard)]:
                gone = 0 if commit.crash else consumed  # without its second commit it is not acknowledged
                yield self._step(place, commit, gone, f"{message}{' (crash after the first commit)' * commit.crash}")

    def _happenings(self, contents: Any) -> Iterator[tuple[str, Commit]]:
        if isinstance(contents, registry.Book):
            yield from registry.acts(self.world, contents)
        else:
            yield from city.office_acts(self.world, contents)
            yield from city.holder_acts(self.world, contents)

    def _heard(self, contents: Any, message: Message) -> list[Commit]:
        """All outcomes; what is stale or refused leaves nothing behind, what is early stays where it is."""
        hear = registry.hear if isinstance(contents, registry.Book) else None
        try:
            return list(hear(self.world, contents, message) if hear else city.hear(self.world, contents, message))
        except EarlyError:
            return []
        except TongbanError:
            return [Commit(contents)]

    def _step(self, place: int, commit: Commit, consumed: int, name: str) -> Step:
        said = 0
        for message in commit.says:
            said |= self._bit(message)
        return self._numbered(place, commit.after), said, consumed, name

    def _promptly(self, commit: Commit) -> Iterator[Commit]:
        """Where messages inside a city come at once, they are handled in the same step."""
        local = next((message for message in commit.says if message.source == message.to), None)
        if local is None or not self.world.setting.prompt:
            yield commit
            return
        rest = tuple(message for message in commit.says if message is not local)
        heard = self._heard(commit.after, local)
        assert heard, f"inside a city nothing comes early when all comes at once: {local}"
        for done in heard:
            yield from self._promptly(Commit(done.after, rest + done.says, commit.crash))

    def verdict(self, state: State) -> tuple[tuple[str, ...], bool]:
        """The promises a state breaks, and whether everybody in it is either married or free."""
        views = tuple(view[number] for view, number in zip(self.views, state, strict=False))
        known = self.verdicts.get(views)
        if known is None:
            setting, cities, books = self.world.setting, views[: len(self.cities)], views[len(self.cities) :]
            known = tuple(broken_in(setting, cities, books)), is_settled(setting, cities, books)
            self.verdicts[views] = known
        return known


def check(world: World, *, only: str = "", most: int = 10_000_000) -> Report:
    """Explore all states (at most `most`), and where messages are handled once, look for persons blocked for ever.

    `only`: the one promise of interest, of which the shortest breach is wanted.
    """
    began = clock.monotonic()
    search = _Search(Explorer(world), only)
    report = search.run(most)
    if not report.fault and report.finished and world.setting.once:
        search.find_blocked(report)
    report.seconds = clock.monotonic() - began
    return report


class _Search:
    """Breadth first, with the edges kept so that the graph can be walked backwards."""

    def __init__(self, explorer: Explorer, only: str) -> None:
        self.explorer = explorer
        self.only = only
        self.index: dict[State, int] = {}
        self.states: list[State] = []
        self.parents = array("q")
        self.edges, self.ends = array("q"), array("q")  # targets of all steps; where those of a state end
        self.settled = bytearray()
        self.fault, self.faulty = "", -1

    def run(self, most: int) -> Report:
        """All states, or those up to the first fault, or as many as are wanted at most."""
        report = Report()
        self._add(self.explorer.first(), -1)
        level, here = 1, 0
        while here < len(self.states) <= most and not self.fault:
            if here == level:
                report.depth, level = report.depth + 1, len(self.states)
            for state, _ in self.explorer.after(self.states[here]):
                self.edges.append(self._add(state, here))
            self.ends.append(len(self.edges))
            here += 1
        report.finished = here == len(self.states)
        report.states, report.transitions = len(self.states), len(self.edges)
        report.fault, report.trace = self.fault, self.way_to(self.faulty) if self.fault else []
        report.registered = self._registered()
        return report

    def _add(self, state: State, parent: int) -> int:
        known = self.index.get(state)
        if known is not None:
            return known
        number = self.index[state] = len(self.states)
        self.states.append(state)
        self.parents.append(parent)
        broken, settled = self.explorer.verdict(state)
        self.settled.append(settled)
        if broken and not self.fault and self.only in ("", *broken):
            self.fault, self.faulty = self.only or broken[0], number
        return number

    def _registered(self) -> frozenset[str]:
        explorer = self.explorer
        return frozenset(
            case.name
            for place in range(len(explorer.cities))
            for contents in explorer.contents[place]
            for case in contents.cases
            if case.records
        )

    def find_blocked(self, report: Report) -> None:
        """Backwards from the states in which everybody is married or free: what is not reached is stuck for ever."""
        sources: list[array[int]] = [array("q") for _ in self.states]
        begin = 0
        for source, end in enumerate(self.ends):
            for target in self.edges[begin:end]:
                sources[target].append(source)
            begin = end
        reached, waiting = bytearray(self.settled), [number for number, yes in enumerate(self.settled) if yes]
        while waiting:
            for source in sources[waiting.pop()]:
                if not reached[source]:
                    reached[source] = 1
                    waiting.append(source)
        stuck = reached.find(0)
        if stuck >= 0:
            report.fault, report.blocked = BLOCKED, reached.count(0)
            report.trace = self.way_to(stuck)

    def way_to(self, number: int) -> list[str]:
        """The names of the steps by which a state was first reached."""
        steps: list[str] = []
        while (parent := self.parents[number]) >= 0:
            state = self.states[number]
            steps.append(next(name for after, name in self.explorer.after(self.states[parent]) if after == state))
            number = parent
        return steps[::-1]
