"""Couples who go to marry: some alone in their wish, some with one person who is wanted in two or three cities at once."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.homes import CITIES
from tests.chaos.people import HUKOU, SURNAMES, WEIGHTS

REGISTRIES = {  # node -> its registration offices
    "460200": ("460204-mr", "460203-mr"),
    "321300": ("321302-mr", "321311-mr"),
    "421202": ("421202-mr",),
    "620100": ("620102-mr", "620103-mr"),
    "371000": ("371002-mr", "371082-mr"),
}
GUARDS = {f"99010{place}": city.code for place, city in enumerate(CITIES, start=1)}  # digits first given -> authority
CODES = tuple(REGISTRIES)
TANGLED = 0.16  # of all beginnings; a tangle has two or three couples
TANGLES: Sequence[Sequence[tuple[int, int]]] = (  # which man and which woman each couple of a tangle is
    ((0, 0), (0, 1)),  # two women, one man
    ((0, 0), (1, 0)),
    ((0, 0), (0, 1), (0, 2)),
    ((0, 0), (1, 0), (2, 0)),
    ((0, 0), (1, 0), (1, 1)),  # a chain: both ends may marry, or the middle
    ((0, 0), (0, 0)),  # the same two, in two cities
)
WHIMS = ("taken_in", "examined", "signed")  # after which a couple changes its mind
WHIMSICAL = 0.1
FIRST_ORDER = 951  # of a birth's day: nobody else in the registries has such


@dataclass(frozen=True, slots=True)
class Spouse:
    """Who wants to marry."""

    number: str
    name: str
    home: str  # node of the hukou, which matters to nobody here

    def party(self, role: str) -> dict[str, Any]:
        """As an application names them."""
        papers = {"id_type": "citizen", "id_number": self.number, "phone": "13900000000"}
        return {"role": role, "name": self.name, "hukou_division": HUKOU[self.home], **papers}


@dataclass(frozen=True, slots=True)
class Couple:
    """Two who go to an office together. `tangle`: of which couples one may marry; 0: nobody stands in their way."""

    he: Spouse
    she: Spouse
    node: str
    office: str
    tangle: int
    whim: str  # of WHIMS; empty: they mean it
    at: float  # when, from 0 to 1

    @property
    def numbers(self) -> tuple[str, str]:
        """Both."""
        return self.he.number, self.she.number

    def application(self) -> dict[str, Any]:
        """What the office sends."""
        papers = [{"code": code, "source": "applicant", "seen": "original"} for code in ("declaration", "photo")]
        return {
            "matter": "marriage-registration",
            "parties": [self.he.party("applicant"), self.she.party("spouse")],
            "materials": papers,
            "consents": ["notice_shown"],
        }


def plan(count: int, dice: random.Random) -> list[Couple]:
    """At least `count` couples in the order of their coming; those of a tangle come at once, to different cities."""
    men, women, couples = _people(dice, 0), _people(dice, 1), list[Couple]()
    for number in itertools.count(1):
        if len(couples) >= count:
            break
        tangled = dice.random() < TANGLED
        shape = dice.choice(TANGLES) if tangled else ((0, 0),)
        people = list(itertools.islice(men, 3)), list(itertools.islice(women, 3))
        for (he, she), node in zip(shape, dice.sample(CODES, len(shape)), strict=True):
            goes = {"node": node, "office": dice.choice(REGISTRIES[node]), "whim": _whim(dice)}
            about = {"tangle": number if tangled else 0, "at": min(1.0, number / count * 1.25)}
            couples.append(Couple(people[0][he], people[1][she], **goes, **about))
    return couples


def strangers(first: int, dice: random.Random) -> Iterator[Couple]:
    """Couples of whom nobody has been seen: their numbers begin where a plan's have ended."""
    men, women = _people(dice, 0, first), _people(dice, 1, first)
    for he, she in zip(men, women, strict=False):
        yield Couple(he, she, CODES[0], REGISTRIES[CODES[0]][0], 0, "", 0.0)


def _whim(dice: random.Random) -> str:
    return dice.choice(WHIMS) if dice.random() < WHIMSICAL else ""


def _people(dice: random.Random, sex: int, first: int = 0) -> Iterator[Spouse]:
    """Men (0) or women (1) without end, no two with the same number, nor with the same name and birth."""
    for i in itertools.count(first):
        name = f"{SURNAMES[i % 10]}{SURNAMES[i // 10 % 10]}{SURNAMES[i // 100 % 10]}{SURNAMES[i // 1000 % 10]}"
        yield Spouse(_number(dice.choice(list(GUARDS)), i, sex), name, dice.choice(CODES))


def _number(prefix: str, i: int, sex: int) -> str:
    """The `i`-th made-up number with those first digits, its check character right."""
    order = FIRST_ORDER + i // 8100 * 2 + sex
    body = f"{prefix}{1950 + i % 50}0{1 + i // 50 % 9}{10 + i // 450 % 18}{order}"
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, WEIGHTS, strict=True)) % 11]
