"""Made-up people, each with a number of the unreal block 99 and a place in a city's registries."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.homes import CITIES

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
HUKOU = {  # node -> a street whose county checks, reviews and decides
    "460200": "460204001",
    "321300": "321302001",
    "421202": "421202001",
    "620100": "620102001",
    "371000": "371002001",
}
WINDOWS = {  # node -> a street that takes in; it checks nobody of HUKOU, so that no office acts twice on a case
    "460200": "460203001",
    "321300": "321302002",
    "421202": "421202002",
    "620100": "620102002",
    "371000": "371082001",
}
SURNAMES = "赵钱孙李周吴郑王冯陈"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who applies; `home` is the node of their hukou."""

    number: str
    name: str
    home: str

    def party(self) -> dict[str, Any]:
        """As an application names them."""
        return {
            "role": "applicant",
            "name": self.name,
            "id_type": "citizen",
            "id_number": self.number,
            "phone": "13900000000",
            "hukou_division": HUKOU[self.home],
        }


def number(index: int) -> str:
    """The `index`-th made-up number, its check character right."""
    year, rest = 1950 + index % 50, index // 50
    body = f"9901{1 + rest % 5:02d}{year}0{1 + rest // 5 % 9}{10 + rest // 45 % 18}{rest // 810 % 999 + 1:03d}"
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, WEIGHTS, strict=True)) % 11]


def crowd(count: int, first: int = 0) -> list[Person]:
    """`count` different people, spread over the five cities."""
    names = [SURNAMES[i % 10] + "测" + SURNAMES[i // 10 % 10] for i in range(count)]
    return [Person(number(first + i), names[i], CITIES[i % len(CITIES)].code) for i in range(count)]


def write_registries(path: Path, people: Iterable[Person]) -> None:
    """The registries of all cities as one file: everybody has a grave physical disability and low income."""
    rows = [
        {
            "number": person.number,
            "name": person.name,
            "household": {"hukou": HUKOU[person.home][:6], "area": "urban"},
            "card": {"category": 4, "grade": 1},
            "low_income": {"status": "dibao"},
        }
        for person in people
    ]
    modes = {name: {"mode": "up"} for name in ("disability-card", "low-income", "population")}
    path.write_text(
        yaml.dump({"registries": modes, "as_of": datetime.date(2025, 10, 1), "persons": rows}, allow_unicode=True),
        "utf-8",
    )
