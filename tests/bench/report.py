"""The figures of a run, as a table on the screen and as docs/performance.md."""

import statistics
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.bench.sides import Lap, Race

Row = tuple[str, str, str, str]  # figure, value, spread, goal
HEAD: Row = ("figure", "value", "spread", "goal")
CPU_HEAD = ("process", "ours", "bare", "ours / bare")
SAME_PLACE = {"all": "consume"}  # the process of ours -> the one of the yardstick that does its work
INTRODUCTION = """\
# Performance

Written by `make bench` on {date}. Everything ran on one machine: both cities, their hub, RabbitMQ, PostgreSQL, the
counters and the clerks shared its {cores} cores, so these figures say what a small machine bears, not what a city with
machines of its own would reach. Ratios travel better than rates. Goals are lines to look at; no test fails on them.
Weddings, with claims in two other cities, have a page of their own: [performance-520.md](performance-520.md).
"""
INTRODUCTION_520 = """\
# Performance of weddings

Written by `make bench`, or `python -m tests.bench --only 520`, on {date}. Everything ran on one machine: three cities,
their hub, RabbitMQ, PostgreSQL and the registrars shared its {cores} cores, so these figures say what a small machine
bears. The nation's busiest day may see 14 weddings a second, spread over some hundreds of cities: no city alone needs
that. Ratios travel better than rates. Goals are lines to look at; no test fails on them.
"""
MEASURED = {
    "intake": """\
**Cases taken in.** {hands} counters, spread over the accepting city's offices, each send the next `POST /cases` when
the last one is answered: {seconds:.0f} s, after {warm_up:.0f} s that do not count. First they wait for intake's answer,
at most the API's patience of 2 s (201; 202 when it did not come in time), then they ask for the receipt only (`Prefer:
respond-async`, 202). Either way the case is safe in the database when it is answered. A case is a 两项补贴 application
of a person who never applied before, without files. Every case crosses to the other city; what was still moving at the
end is given as the time until nothing moved any more.""",
    "crossing": """\
**Crossing.** From the moment a `POST /cases` was due to the moment the accepting city's read model shows that the
competent city has taken the case over: web, intake, two gateways and the hub, intake, and all the way back. Seen by
asking the database every 10 ms. At a fixed rate, arrivals do not wait for earlier ones (a rate beyond what the machine
bears shows as a time that grows with the length of the run); in the closed loop {in_flight} counters each hand in their
next case when the last was taken over. Counters ask for receipts only.""",
    "journey": """\
**Whole journeys.** From `POST /cases` to 告知, with three clerks in the competent city (check, review, decide) who look
at their task list, and again 0.2 s after they found it empty. Their waiting is in the figure, and so is what their
looking costs the machine.""",
    "ratio": """\
**Ours against bare.** {cases} `take_in` commands laid at once into the accepting city's outbox, until the competent
city's answer to all of them stood in its read model. The yardstick (`tests/bench/bare.py`) sends the same messages of
the same sizes over the same queues with the same confirms, makes the same number of commits with as many written rows,
signs, seals and opens as often, in the same number of processes, with nothing but pika and psycopg. It reads no state,
checks no rule, decides nothing and survives no failure. Laps were interleaved, each with {warm_up} cases before it to
warm up; medians of {rounds}. Persons are made up, and only the accepting city's command, not the HTTP request, is in
this figure.""",
    "wedding": """\
**Weddings.** Both persons' numbers are guarded by two other cities. A `take_in_application` command for a couple is laid
into web's outbox of the registering city; intake takes the case in, and over; marriage reserves both persons; registrars
examine and register as soon as a task stands in the read model with nothing in the way (robots, who ask the database
every {robot:g} s and lay the commands into web's outbox); the national registry (simulated, up) is asked; both claims are
locked; the marriage is on record; the certificate is issued. Times run from the moment an application was due until the
read model shows the registration, and until it shows the certificate. At each rate {couples} couples came, whatever became
of earlier ones: a rate beyond what the machine bears shows as a time that grows with their number. In the closed loop
{in_flight} couples are under way at a time; processor time per wedding is all of that loop's, the warm-up's included.

**The claims' way** is from the commit in which marriage asks its city's claims to the one in which it hears the answer of
both other cities, seen in its own table every 50 ms, while weddings came at the nation's rate.""",
    "wedding_ratio": """\
**Ours against bare.** {couples} applications laid at once, until all certificates were issued, and until both other
cities had noted all. The yardstick (`tests/bench/bare_wedding.py`) plays the whole wedding in three cities: the same
messages of the same sizes over the same queues with the same confirms, as many commits, written rows, seals, signatures
and openings, in the same number of processes, with nothing but pika and psycopg; its registrars look as often. It reads
no state, checks no rule, decides nothing, waits for no second claim (it goes on with the last one's answer) and survives no
failure. Laps were interleaved, each with {warm_up} weddings before it to warm up; medians of {rounds}.""",
    "memory": """\
**Memory.** Proportional set size (`smaps_rollup`) of all processes of one city in the small profile, the only city
that ran, after {journeys} whole journeys inside it; PostgreSQL and RabbitMQ are not counted. Embedded: the one process
of `tongban demo`, five cities with their APIs, after its case.""",
}


@dataclass
class Report:
    """What a run has found out so far."""

    date: str
    machine: Mapping[str, str]
    rows: list[Row] = field(default_factory=list)
    paragraphs: list[str] = field(default_factory=list)
    race: Race | None = None
    introduction: str = INTRODUCTION

    def add(self, figure: str, value: str, spread: str = "", goal: str = "") -> None:
        """One line of the table."""
        self.rows.append((figure, value, spread, goal))

    def explain(self, what: str, **values: object) -> None:
        """What was measured, in plain words; a key of MEASURED."""
        self.paragraphs.append(MEASURED[what].format(**values))

    def screen(self) -> list[str]:
        """The table for a terminal."""
        lines = [*_aligned([HEAD, *self.rows]), ""]
        return [*lines, *_aligned(self._cpu()), ""] if self.race else lines

    def document(self) -> str:
        """The whole of the document."""
        parts = [self.introduction.format(date=self.date, cores=self.machine["processor"].partition(" ")[0])]
        parts += ["## Figures", "\n".join(_markdown([HEAD, *self.rows]))]
        if self.race:
            parts += ["Processor time per case while the ratio was measured, all cities together, in ms:"]
            parts += ["\n".join(_markdown(self._cpu()))]
        parts += ["## What was measured", *self.paragraphs]
        parts += ["## Machine", "\n".join(f"- {name}: {value}" for name, value in self.machine.items())]
        return "\n\n".join(part.rstrip() for part in parts) + "\n"

    def _cpu(self) -> list[tuple[str, ...]]:
        assert self.race
        ours, bare = _cpu_of(self.race.ours, self.race.cases), _cpu_of(self.race.bare, self.race.cases)
        ours["together"], bare["together"] = sum(ours.values()), sum(bare.values())
        table: list[tuple[str, ...]] = [CPU_HEAD]
        for name, spent in ours.items():
            other = bare.get(SAME_PLACE.get(name, name))
            table.append(
                (name, f"{spent:.1f}", f"{other:.1f}" if other else "–", f"{spent / other:.1f}" if other else "–")
            )
        return table


def _cpu_of(laps: Sequence[Lap], cases: int) -> dict[str, float]:
    """Milliseconds a case, by process: medians of the laps."""
    return {kind: 1000 / cases * statistics.median(lap.cpu[kind] for lap in laps) for kind in laps[0].cpu}


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _aligned(table: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(_width(row[n]) for row in table) for n in range(len(table[0]))]
    return ["  ".join(cell + " " * (widths[n] - _width(cell)) for n, cell in enumerate(row)).rstrip() for row in table]


def _markdown(table: Sequence[tuple[str, ...]]) -> list[str]:
    rows = [f"| {' | '.join(row)} |" for row in table]
    return [rows[0], "|" + "---|" * len(table[0]), *rows[1:]]


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of figures in ascending order."""
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def duration(seconds: float) -> str:
    """Milliseconds below ten seconds."""
    return f"{1000 * seconds:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def percentiles(ordered: Sequence[float], shares: Sequence[float]) -> str:
    """Durations at these shares, for one cell."""
    return " / ".join(duration(percentile(ordered, share)) for share in shares)


def shares_and_range(ordered: Sequence[float], shares: Sequence[float], of: int) -> tuple[str, str]:
    """Two cells: durations at these shares, and the shortest and longest; `of`: how many there should have been."""
    if not ordered:
        return "none", f"{of} never came"
    lost = f", {of - len(ordered)} never came" if of > len(ordered) else ""
    return percentiles(ordered, shares), f"{duration(ordered[0])} to {duration(ordered[-1])} ({len(ordered)}){lost}"


def span(figures: Sequence[float], form: str = "{:.1f}") -> str:
    """The lowest and the highest."""
    return f"{form.format(min(figures))} to {form.format(max(figures))}"
