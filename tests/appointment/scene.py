"""An office with slots, people who want one, and the doors of appointment, on files or on PostgreSQL."""

import datetime
import itertools
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from contracts import appointment as said
from contracts.envelope import Contract, Json, Message, decode
from services.appointment import store
from services.appointment.service import doors
from services.appointment.usecases import slots
from services.appointment.usecases.slots import publish
from shared import clock
from shared.crypto.personal import open_personal
from shared.crypto.sealing import blind_index
from shared.directory import Node
from shared.outbox import outbox
from tests.builders import make_node, make_works
from tests.replay import a_message

OFFICE, OTHER_OFFICE = "371002", "371082"
MARRIAGE, SUBSIDIES = "marriage-registration", "disability-subsidies"
CITIZEN: Json = {"id": "citizen-1", "kind": "citizen", "office": ""}
CLERK: Json = {"id": "clerk-1", "kind": "clerk", "office": OFFICE}
_numbers = itertools.count(100)  # below: people a test names itself


def citizen_number(born: str, order: int) -> str:
    """A number in the unreal block 990105 with its check digit; odd orders are men's."""
    body = f"990105{born}{order:03d}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11]


def a_person(order: int = 1, born: str = "19900101") -> Json:
    """Somebody who is to come."""
    number = citizen_number(born, order % 1000)
    return {"name": "林小满", "id_type": "citizen", "id_number": number, "phone": "13900000000"}


def many_people(number: int) -> list[Json]:
    """So many persons, each another one."""
    start = datetime.date(1990, 1, 1)
    days = (start + datetime.timedelta(days=n) for n in range(number))
    return [a_person(n % 1000, f"{day:%Y%m%d}") for n, day in enumerate(days)]


def a_schedule(on: datetime.date, **changes: Any) -> Json:
    """One slot of two places, an hour long, on a day; `changes` as contracts.appointment.OpenSlotsV1."""
    plain = {"office": OFFICE, "matters": [MARRIAGE, SUBSIDIES], "kind": "weekend", "site": "", "minutes": 60}
    plain |= {"from_on": on.isoformat(), "until_on": on.isoformat(), "weekdays": [6, 7], "capacity": 2}
    return plain | {"opens": "09:00", "closes": "10:00", "actor": CLERK} | changes


def next_saturday(after: datetime.date | None = None) -> datetime.date:
    """The Saturday after a day (today's without one)."""
    day = (after or clock.today()) + datetime.timedelta(days=1)
    return day + datetime.timedelta(days=(6 - day.isoweekday()) % 7)


class Scene:
    """A node of 威海 with appointment's tables and doors."""

    def __init__(self, folder: Path, engine: Engine | None = None, node: Node | None = None) -> None:
        self.node = node or make_node(folder, "371000")
        self.works = make_works(self.node, "appointment", store.metadata, engine=engine)
        self.doors = doors()

    def index(self, person: Json) -> str:
        """The blind index of a person."""
        return blind_index(self.node.keys, "person", f"{person['id_type']}:{person['id_number']}")

    def publish(self, on: datetime.date | None = None, **changes: Any) -> list[str]:
        """Slots are opened; their ids in the order of time."""
        with self.works.begin() as work:
            publish(work, clock.new_id(), a_schedule(on or next_saturday(), **changes))
        return [slot["slot_id"] for slot in self.told(said.SlotsOpenedV1)[-1]["slots"]]

    def message(self, contract: type[Contract], subject: str, data: Json, personal: Json | None = None) -> str:
        """A message of this city to appointment."""
        return a_message(self.node, contract, subject, data, personal)

    def booking(self, slot_id: str, person: Json, **changes: Any) -> str:
        """The command of a citizen in their own name; `changes`: appointment_id, matter, actor, other, asked_for."""
        personal = {"person": person, "other": changes.pop("other", None)}
        personal["asked_for"] = changes.pop("asked_for", self.index(person))
        subject = changes.pop("appointment_id", clock.new_id())
        data = {"slot_id": slot_id, "matter": MARRIAGE, "actor": CITIZEN} | changes
        return self.message(said.BookAppointmentV1, subject, data, personal)

    def do(self, body: str) -> Message:
        """Handle a message; the last word that was told."""
        self.doors.handle(self.works, body)
        return self.last()

    def book(self, slot_id: str, person: Json | None = None, **changes: Any) -> Message:
        """Somebody books; what was told about it."""
        return self.do(self.booking(slot_id, person or a_person(next(_numbers)), **changes))

    def act(self, contract: type[Contract], appointment_id: str, actor: Json = CLERK, asked_for: str = "") -> Message:
        """An act on a booking; what was told about it."""
        personal = {"asked_for": asked_for} if contract is said.CancelAppointmentV1 else None
        return self.do(self.message(contract, appointment_id, {"actor": actor}, personal))

    def messages(self) -> list[Message]:
        """All that was told, in order."""
        with self.works.begin() as work:
            return [decode(body) for body in work.execute(select(outbox.c.body).order_by(outbox.c.position)).scalars()]

    def last(self) -> Message:
        """What was told last."""
        return self.messages()[-1]

    def told(self, contract: type[Contract]) -> list[Json]:
        """The readable parts of all messages of one kind."""
        return [message.data for message in self.messages() if message.type == contract.type]

    def opened(self, message: Message, contract: type[Contract]) -> Json:
        """The sealed part of a message."""
        return open_personal(self.node, contract, message)

    def slot(self, slot_id: str) -> slots.Slot:
        """A slot as it is kept."""
        with self.works.begin() as work:
            return store.get_slot(work, slot_id)

    def states(self) -> list[str]:
        """The states of all bookings."""
        with self.works.begin() as work:
            return list(work.execute(select(store.appointments.c.state)).scalars())
