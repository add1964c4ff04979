"""What the contracts alone can check of an application, before anybody is asked: at once, and with the broker down."""

import datetime
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from contracts.envelope import Json
from contracts.matters import (
    FormFault,
    Matter,
    find_answer_fault,
    find_channel_fault,
    find_matter,
    find_party_fault,
    find_value_fault,
    promised,
)
from services.web import rules
from services.web.rules import Principal
from services.web.store import asking, writing
from services.web.usecases.tokens import known_number
from shared import clock, files, identity, regions
from shared.directory import Office
from shared.errors import Denied, Refused, TongbanError
from shared.outbox import Work

DIVISIONS = ("hukou_division", "residence_division")


@contextmanager
def at_field(path: str, name: str) -> Iterator[None]:
    """Say of every refusal in the block which field below `path` it is about: its own, or `name`."""
    try:
        yield
    except TongbanError as error:
        error.field = f"{path}.{error.field or name}".lstrip(".")
        raise


def matter_in_force(name: str, today: datetime.date) -> Matter:
    """The matter as it is today. Refused `matter_unknown`."""
    matter = find_matter(name, today)
    if matter is None:
        raise Refused("matter_unknown", "没有这个事项,或今天尚未生效,请在事项清单中选择", field="matter")
    return matter


def accepting_office(work: Work, who: Principal, asked: Json, matter: Matter) -> Office:
    """Where the case is taken in: a clerk's own office, or the one an applicant chose. Denied without the power."""
    code = who.office or asked["office"]
    if asked["office"] not in ("", code):
        raise Denied("office_not_yours", "只能以本机构的名义收件", field="office")
    if not code:
        raise Refused("office_missing", "请选择收件的办理机构", field="office")
    office = work.node.offices.by_code.get(code)
    if office is None:
        raise Refused("office_unknown", "没有这个办理机构,请核对机构代码", field="office")
    if not all(office.may(verb, matter.matter, work.today) for verb in matter.accepting_verbs):
        raise Denied("office_without_power", "该机构不能收此事项的件,请选择其他办理机构", field="office")
    return office


def expect_channel(who: Principal, channel: str, matter: Matter) -> str:
    """The channel that goes with the token. Refused `channel_not_allowed` for another one, or one not for the matter."""
    own = rules.CHANNELS[who.kind]
    if channel not in ("", own):
        raise Refused("channel_not_allowed", "收件渠道与令牌种类不符,可以不填", field="channel")
    _expect(find_channel_fault(matter, own))
    return own


def read_parties(asked: Json, matter: Matter, today: datetime.date) -> list[Json]:
    """The parties as registers write them. Refused naming the party and field at fault."""
    parties = [_read_party(party, number, today) for number, party in enumerate(asked["parties"])]
    _expect(find_party_fault(matter, parties))
    return parties


def _read_party(party: Json, number: int, today: datetime.date) -> Json:
    read = dict(party)
    path = f"parties.{number}"
    with at_field(path, "name"):
        read["name"] = identity.person_name(party["name"])
    with at_field(path, "id_number"):
        read["id_number"] = known_number(party["id_type"], party["id_number"], today)
    with at_field(path, "phone"):
        read["phone"] = identity.phone(party["phone"]) if party["phone"] else ""
    for name in DIVISIONS:
        expect_division(party[name], today, f"{path}.{name}")
    expect_date(party["expires_on"], f"{path}.expires_on")
    return read


def expect_division(code: str, today: datetime.date, name: str) -> None:
    """Refused unless the code is empty or a division of today."""
    if code:
        with at_field("", name):
            regions.standard().resolve(code, today)


def expect_date(text: str, name: str) -> None:
    """Refused `date_malformed` unless the text is empty or YYYY-MM-DD."""
    try:
        good = not text or datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        good = False
    if not good:
        raise Refused("date_malformed", "日期应写成 YYYY-MM-DD,例如 2025-09-24", field=name)


def expect_own(work: Work, who: Principal, parties: Iterable[Mapping[str, Any]]) -> None:
    """Citizens, and channels for them, apply in their own name. Denied `not_your_application`."""
    if who.kind == "clerk":
        return
    applicants = [party for party in parties if party["role"] == "applicant"]
    indexes = [writing.person_index(work.node.keys, party["id_type"], party["id_number"]) for party in applicants]
    if who.person_index not in indexes:
        raise Denied("not_your_application", "只能以本人名义申请,请核对申请人的证件号码", field="parties")


def expect_answers(matter: Matter, answers: Mapping[str, Any], materials: Iterable[Mapping[str, Any]]) -> None:
    """Refused for a question left out or not asked, and for a value the matter does not know."""
    _expect(find_answer_fault(matter, answers, promised(materials)))


def expect_values(matter: Matter, answers: Mapping[str, Any]) -> None:
    """As `expect_answers`, of a supplement, which may leave questions out."""
    _expect(find_value_fault(matter, answers))


def _expect(fault: FormFault | None) -> None:
    if fault:
        raise Refused(fault.code, fault.words, basis=fault.basis, field=fault.field)


def read_materials(work: Work, who: Principal, matter: Matter, brought: Iterable[Json]) -> list[Json]:
    """The materials, with what our own file store knows of their files. Refused naming the material at fault."""
    sources = {spec["code"]: spec["sources"] for spec in matter.materials}
    read = []
    for number, item in enumerate(brought):
        if item["source"] not in sources.get(item["code"], ()):
            message = "此事项不需要这项材料,或不接受这种提供方式,请删除后重新提交"
            basis = "个人信息保护法 第六条"
            raise Refused("material_not_asked", message, basis=basis, field=f"materials.{number}.code")
        with at_field(f"materials.{number}", "file_id"):
            about_file = _file_of(work, who, item["file_id"]) if item["file_id"] else {}
        _expect_shown(who, item, f"materials.{number}")
        none = {"sha256": "", "size": 0, "media_type": ""}
        seen = {"seen_by": who.actor if item["seen"] else "", "provided_at": clock.iso(work.now)}
        read.append(none | item | about_file | seen)
    return read


def _expect_shown(who: Principal, item: Json, path: str) -> None:
    """What an applicant brings is a file, or an original that a clerk has seen: else nobody can look at it."""
    if item["seen"] and (who.kind != "clerk" or item["source"] != "applicant"):
        raise Refused("seen_not_allowed", "只有窗口工作人员可以注明已核验申请人出示的原件", field=f"{path}.seen")
    if item["source"] == "applicant" and not (item["file_id"] or item["seen"]):
        message = "请上传此材料的文件"
        message += ",或注明已核验原件(seen: original)" if who.kind == "clerk" else ""
        raise Refused("material_not_shown", message, basis="行政许可法 第三十二条", field=f"{path}.file_id")


def _file_of(work: Work, who: Principal, file_id: str) -> Json:
    """A file that the same asker uploaded, for the same person."""
    if asking.find_uploader(work, file_id) != (who.owner, who.person_index):
        raise Refused("file_unknown", "没有这个文件,请先上传再引用")
    ref = files.get_ref(work.node, file_id)
    return {"sha256": ref.sha256, "size": ref.size, "media_type": ref.media_type}
