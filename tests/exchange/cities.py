"""Cities that exchange messages in tests, and the few messages they exchange."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, delete, select

from contracts.envelope import Contract, Json, Message, decode, encode
from contracts.intake import (
    ApplicationClosedV1,
    ApplicationForwardedV1,
    ApplicationProgressedV1,
    ApplicationRedirectedV1,
    ApplicationWithdrawnV1,
    FileChunkSentV1,
)
from services.exchange import rules
from services.exchange.store import questions
from services.exchange.store.tables import metadata
from services.exchange.usecases.receiving import receive_batch
from services.exchange.usecases.sending import accept_batch, list_due, settle
from shared import clock
from shared.crypto.signing import sign_detached
from shared.directory import Node
from shared.outbox import Works, outbox
from tests.builders import make_nodes, make_works

SANYA, LANZHOU, WEIHAI = "460200", "620100", "371000"
OFFICE = {"code": "460203", "name": "吉阳区政务服务中心", "node": SANYA}
STEP = {"verb": "take_in", "office": OFFICE, "at": "2025-09-24T01:02:03.000000Z", "leg_no": 1}
LEG: Json = {"leg_no": 1, "role": "accepting", "node": SANYA, "state": "forwarded", "version": 2, "clocks": []}
NAME, NUMBER = "海山", "E00000001"
PARTIES = {"parties": [{"role": "applicant", "name": NAME, "id_type": "passport", "id_number": NUMBER}]}


@dataclass
class City:
    """One city's exchange: what its services say, what it lets in. Its database is made when first used."""

    code: str
    node: Node
    engine: Engine | None = None

    @cached_property
    def works(self) -> Works:
        """On a SQLite file unless another engine is given."""
        return make_works(self.node, "exchange", metadata, engine=self.engine)

    def says(self, contract: type[Contract], case: str, data: Json, personal: Json | None = None, *, to: str) -> str:
        """A local message addressed to another city, as it lies in the queue `exchange`."""
        with self.works.begin() as work:
            work.tell(contract, case, data, personal, to=to)
        return self.told()[-1]

    def told(self) -> list[str]:
        """Everything in the outbox, which is empty then."""
        with self.works.begin() as work:
            bodies = list(work.execute(select(outbox.c.body).order_by(outbox.c.position)).scalars())
            work.execute(delete(outbox))
        return bodies

    def sends(self, *bodies: str) -> list[rules.Parcel]:
        """What goes to the hub for these local messages; the hub takes all of it."""
        assert accept_batch(self.works, bodies) == [None] * len(bodies)
        parcels = list_due(self.works, "test", ())
        settle(self.works, {parcel.message_id: rules.Fate.CONFIRMED for parcel in parcels}, parcels)
        return parcels

    def gets(self, *parcels: rules.Parcel) -> list[Message]:
        """What the services of this city are told when the hub delivers these."""
        receive_batch(self.works, [delivery(parcel) for parcel in parcels])
        return [decode(body) for body in self.told()]

    def rows(self, table: Any) -> list[Any]:
        """All rows of a table."""
        with self.works.begin() as work:
            return list(work.execute(select(table)))

    def codes(self) -> list[str]:
        """Why messages lie in quarantine."""
        with self.works.begin() as work:
            return [row.code for row in questions.list_quarantined(work, ("waiting", "held"))]

    def signed(self, message: Message, **wire: str) -> rules.Delivery:
        """Any message, signed by this city and put on the hub under a fitting key; `wire` overrides what is around."""
        body = wire.pop("body", encode(message)).encode()
        address = rules.Address(message.destination, self.code, wire.pop("lane", "std"), message.type)
        jws = sign_detached(self.works.node.keys.signer, body)
        return replace(rules.Delivery(body, address.key, jws, self.code), **wire)


def delivery(parcel: rules.Parcel) -> rules.Delivery:
    return rules.Delivery(
        parcel.body.encode(), parcel.routing_key, parcel.jws, rules.read_key(parcel.routing_key).source
    )


def make_cities(folder: Path, engines: dict[str, Engine] | None = None) -> list[City]:
    """Sanya, Lanzhou and Weihai, which know each other."""
    nodes = make_nodes(folder, SANYA, LANZHOU, WEIHAI)
    return [City(code, node, (engines or {}).get(code)) for code, node in nodes.items()]


def forwarded(city: City, case: str, to: str = LANZHOU, division: str = "", leg_no: int = 2) -> str:
    case_facts = {
        "case_no": "4602-2025-000001",
        "matter": "disability-subsidies",
        "matter_version": 1,
        "channel": "counter",
        "accepting_office": OFFICE,
        "applied_on": "2025-09-24",
        "taken_in_at": "2025-09-24T01:02:03.000000Z",
        "materials": [],
        "consents": ["notice_shown"],
    }
    data = {"case": case_facts, "leg_no": leg_no, "division": division or to, "redirects": 0, "steps": [STEP]}
    data |= {"leg": LEG}
    return city.says(ApplicationForwardedV1, case, data, PARTIES, to=to)


def competent_leg(city: City, version: int, leg_no: int = 2) -> Json:
    return {
        "leg_no": leg_no,
        "role": "competent",
        "node": city.code,
        "state": "accepted",
        "version": version,
        "clocks": [],
    }


def progressed(city: City, case: str, to: str = SANYA, version: int = 2, leg_no: int = 2) -> str:
    return city.says(ApplicationProgressedV1, case, {"leg": competent_leg(city, version, leg_no), "step": STEP}, to=to)


def closed(city: City, case: str, version: int) -> str:
    outcome = {"result": "granted", "remedies": [], "certificate_id": "c", "certificate_name": "n"}
    data = outcome | {"leg": competent_leg(city, version), "steps": [STEP]}
    return city.says(ApplicationClosedV1, case, data, {"reasons": []}, to=SANYA)


def withdrawn(city: City, case: str, to: str = LANZHOU, leg_no: int = 2) -> str:
    return city.says(ApplicationWithdrawnV1, case, {"leg": LEG, "step": STEP, "leg_no": leg_no}, to=to)


def redirected(city: City, case: str, to: str = SANYA, version: int = 3, leg_no: int = 2) -> str:
    data = {"leg": competent_leg(city, version, leg_no), "step": STEP, "to_division": WEIHAI}
    return city.says(ApplicationRedirectedV1, case, data, to=to)


def chunk(city: City, case: str, to: str = LANZHOU, leg_no: int = 0) -> str:
    data = {"file_id": "f", "sha256": "0" * 64, "size": 3, "media_type": "image/png", "number": 1, "count": 1}
    data |= {"leg_no": leg_no}
    return city.says(FileChunkSentV1, case, data, {"chunk": "AAAA"}, to=to)


def new_case() -> str:
    return clock.new_id()


def types(messages: Sequence[Message]) -> list[str]:
    return [message.type for message in messages]


def handed_over(giver: City, taker: City) -> str:
    """A case that `giver` took in and `taker` decides."""
    case = new_case()
    assert types(taker.gets(*giver.sends(forwarded(giver, case, taker.code)))) == [ApplicationForwardedV1.type]
    return case


def at(seconds: float) -> str:
    """So many seconds from now."""
    return clock.iso(clock.now() + datetime.timedelta(seconds=seconds))


def parcel_for(to: str, number: int = 0, source: str = SANYA, lane: str = "std") -> rules.Parcel:
    """A parcel that no city would take, but any hub."""
    key = rules.Address(to, source, lane, ApplicationForwardedV1.type).key
    return rules.Parcel(new_case(), ApplicationForwardedV1.type, key, f"body {number}", f"jws {number}")
