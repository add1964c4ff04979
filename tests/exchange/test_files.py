"""Files between cities: who may ask for one again, and a scan that crosses by the real exchange although a piece is lost."""

import datetime
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from contracts import intake
from contracts.envelope import Json, decode
from contracts.matters import find_matter
from services.exchange.usecases.receiving import receive_batch
from services.exchange.usecases.sending import accept_batch
from services.intake.store import files as arriving
from services.intake.usecases import materials
from services.main import city
from shared import clock, files
from shared.bus import Rejected
from tests.builders import ANSWERS, HE_SHOUTIAN, clerk, stop_clock
from tests.exchange.cities import LANZHOU, SANYA, City, handed_over, new_case, redirected, types

SCAN = 3 << 20
WINDOW = "460204001"


def requested(asker: City, case: str, to: str = SANYA) -> str:
    return asker.says(intake.FileRequestedV1, case, {"file_id": clock.new_id()}, to=to)


def test_the_city_that_holds_a_case_may_ask_for_its_files(sanya: City, lanzhou: City) -> None:
    case = handed_over(sanya, lanzhou)
    assert types(sanya.gets(*lanzhou.sends(requested(lanzhou, case)))) == [intake.FileRequestedV1.type]


def test_the_city_that_took_a_case_in_may_not_ask_nor_one_that_gave_it_back(sanya: City, lanzhou: City) -> None:
    case = handed_over(sanya, lanzhou)
    assert refused(sanya, requested(sanya, case, LANZHOU))
    sanya.gets(*lanzhou.sends(redirected(lanzhou, case)))
    assert refused(lanzhou, requested(lanzhou, case))


def refused(asker: City, body: str) -> bool:
    (answer,) = accept_batch(asker.works, [body])
    return isinstance(answer, Rejected)


@pytest.mark.parametrize("of", ["another case", "no case"])
def test_a_city_without_a_part_in_the_case_is_not_let_in(sanya: City, lanzhou: City, weihai: City, of: str) -> None:
    held, mine = handed_over(sanya, lanzhou), handed_over(sanya, weihai)
    (parcel,) = weihai.sends(requested(weihai, mine))
    about = held if of == "another case" else new_case()
    forged = weihai.signed(replace(decode(parcel.body), subject=about))
    receive_batch(sanya.works, [forged])
    assert sanya.codes() == ["no_part" if of == "another case" else "case_unknown"]


class Country:
    """三亚 and 兰州 as the embedded default runs them; of what 三亚 sends, some may be lost."""

    def __init__(self, folder: Path) -> None:
        self.country = city.Country(folder, (SANYA, LANZHOU))
        self.lost: set[int] = set()  # numbers of pieces, each lost once
        station = self.country.cities[SANYA].bus.stations["exchange"]
        assert station.drain
        self._send, station.drain = station.drain, self._lossy

    def _lossy(self, bodies: Sequence[str]) -> Sequence[Exception | None]:
        return [None if self._loses(body) else self._send([body])[0] for body in bodies]

    def _loses(self, body: str) -> bool:
        message = decode(body)
        number = message.data.get("number", -1) if message.type == intake.FileChunkSentV1.type else -1
        found = number in self.lost
        self.lost.discard(number)
        return found

    def take_in(self, content: bytes) -> tuple[str, str]:
        """A window of 三亚 takes in a case with this scan; the case's and the file's id."""
        here, case_id = self.country.cities[SANYA], clock.new_id()
        ref = files.put(here.node, content, "application/pdf")
        with here.works["web"].begin() as work:
            data = {"case": _facts(ref), "actor": clerk("window", WINDOW), "place_division": ""}
            work.tell(intake.TakeInApplicationV1, case_id, data, {"parties": [HE_SHOUTIAN], "answers": ANSWERS})
        return case_id, ref.file_id


def _facts(ref: files.FileRef) -> Json:
    found = find_matter("disability-subsidies", clock.today())
    assert found
    paper = {name: getattr(ref, name) for name in ("file_id", "sha256", "size", "media_type")}
    return {
        "case_no": f"{WINDOW}-20251009-0001",
        "matter": found.matter,
        "matter_version": found.version,
        "channel": "counter",
        "accepting_office": {"code": WINDOW, "name": "天涯街道", "node": SANYA, "phone": ""},
        "applied_on": clock.today().isoformat(),
        "taken_in_at": clock.iso(clock.now()),
        "materials": [{"code": "low-income", "source": "applicant", "provided_at": clock.iso(clock.now()), **paper}],
        "consents": ["notice_shown"],
    }


def test_a_scan_of_3_megabytes_arrives_although_a_piece_of_it_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = stop_clock(monkeypatch, clock.iso(clock.now()))
    here = Country(tmp_path)
    content = b"%PDF-1.7\n" + os.urandom(SCAN)
    here.lost = {7}
    _, file_id = here.take_in(content)
    here.country.settle()
    lanzhou = here.country.cities[LANZHOU]
    with lanzhou.works["intake"].begin() as work:
        assert arriving.find_awaited(work, file_id)
    hand.at += datetime.timedelta(minutes=61)
    materials.chase_files(lanzhou.works["intake"])
    here.country.settle()
    assert files.read(lanzhou.node, file_id) == content
    with lanzhou.works["intake"].begin() as work:
        assert arriving.find_awaited(work, file_id) is None
    here.country.stop()
