"""`tongban slots open`: schedules of a file are published from today on, and those that come with a demo city."""

import datetime
from pathlib import Path
from typing import Any

import yaml

from contracts.appointment import OpenSlotsV1
from contracts.envelope import Json, Unreadable, written
from deploy.homes import SEED
from services.appointment.usecases.slots import publish
from shared import clock
from shared.errors import OutOfStep, Refused
from shared.outbox import Works


def seed_of(code: str) -> Path:
    """The schedules that come with a city; there need be none."""
    return SEED / "slots" / f"{code}.yaml"


def open_seed(works: Works) -> int:
    """Publish the schedules that come with this node's city; how many slots are new. Safe to run again."""
    path = seed_of(works.node.code)
    return open_file(works, path) if path.exists() else 0


def open_file(works: Works, path: Path) -> int:
    """Publish the schedules of a file, all or none; how many slots are new. Refused `schedule_invalid`."""
    made = 0
    with works.begin() as work:
        for entry in yaml.safe_load(path.read_text("utf-8")):
            try:
                made += publish(work, clock.new_id(), _asked(entry, work.today))
            except OutOfStep:  # published before
                continue
    return made


def _asked(entry: dict[str, Any], today: datetime.date) -> Json:
    """A schedule of a file as contracts.appointment.OpenSlotsV1."""
    until = today + datetime.timedelta(days=int(entry["days"]))
    days = {"from_on": today.isoformat(), "until_on": until.isoformat()}
    operator = {"id": "operator", "kind": "system", "office": entry["office"]}
    asked = {name: value for name, value in entry.items() if name != "days"} | days | {"actor": operator}
    try:
        plain, _ = written(OpenSlotsV1, asked, None)
    except Unreadable as error:
        raise Refused("schedule_invalid", f"{entry['office']} 的排班有误:{error}", basis="通办自定") from error
    return plain
