"""Whom or what a claim is about: the key it stands under, who guards that key, and where the directory says so."""

import datetime
from dataclasses import dataclass

from contracts.claim_kinds import ClaimKind, claim_kinds
from contracts.claims import MARRIAGE_NO
from contracts.envelope import Json
from services.claims.rules.guard import Authority
from shared import identity
from shared.crypto.sealing import blind_index
from shared.directory import authority_row
from shared.errors import Refused
from shared.outbox import Work

OLD_NUMBER = 15  # digits of a citizen's number from before 1999


@dataclass(frozen=True, slots=True)
class Key:
    """What there may be one live claim on, and what tells the same person under another document."""

    index: str
    twin: str  # empty where name, birth or sex is unknown


def kind_of(code: str) -> ClaimKind:
    """A kind of claim. Refused `kind_unknown`."""
    kinds = claim_kinds()
    if code not in kinds:
        raise Refused("kind_unknown", "本节点不认识这种占用,请联系通办运行机构", field="kind")
    return kinds[code]


def normalised(subject: Json) -> Json:
    """A subject with its number in its one right form, whoever wrote it how. Refused for an old number that cannot be one."""
    number = "".join(subject["id_number"].split()).upper()
    if subject["id_type"] == "citizen" and len(number) == OLD_NUMBER:
        number = identity.upgrade_15(number)
    return subject | {"id_number": number if subject["id_type"] == MARRIAGE_NO else _read(subject["id_type"], number)}


def _read(id_type: str, number: str) -> str:
    """As counters write it; what is none stays as it is, for a wrong number may be linked to the right one."""
    try:
        return identity.document_number(id_type, number, datetime.date.max)  # a birth to come is not judged here
    except Refused:
        return number


def expect_about(kind: ClaimKind, subject: Json) -> None:
    """Refused `subject_wrong` unless the kind is about such a subject."""
    about = "marriage" if subject["id_type"] == MARRIAGE_NO else "person"
    if kind.about != about:
        raise Refused("subject_wrong", f"{kind.name}不能以此类证件占用,请核对证件类型", field="subjects")


def key_of(work: Work, kind: str, subject: Json) -> Key:
    """The key of a normalised subject."""
    return Key(blind_index(work.node.keys, "claim", f"{kind}:{document_of(subject)}"), _twin_index(work, subject))


def _twin_index(work: Work, subject: Json) -> str:
    known = [subject["name"], subject["born_on"], subject["sex"]]
    return blind_index(work.node.keys, "twin", "|".join(known)) if all(known) else ""


def person_index(work: Work, subject: Json) -> str:
    """By this the house finds a person."""
    return blind_index(work.node.keys, "person", document_of(subject))


def document_of(subject: Json) -> str:
    """The document of a normalised subject: two of one person are two."""
    return f"{subject['id_type']}:{subject['id_number']}"


def authority(work: Work, subject: Json) -> Authority:
    """Who guards the key of a subject. Refused `authority_missing`."""
    row = authority_row(subject["id_type"], subject["id_number"], work.node.directory.authorities)
    return Authority(str(row["prefix"]), str(row["node"]), int(row["epoch"]))


def listed(work: Work, prefix: str) -> Authority | None:
    """What the directory says of a prefix."""
    rows = (row for row in work.node.directory.authorities if row["prefix"] == prefix)
    found = next(rows, None)
    return Authority(prefix, found["node"], int(found["epoch"]), str(found.get("before", ""))) if found else None
