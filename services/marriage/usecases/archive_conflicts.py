"""冲突清单: lines of old books that contradict another record; one person proposes what to do, another one confirms.

And what else people answer for: which years are complete, and after which number an office's numbers go on.
"""

import dataclasses
import datetime

from contracts.envelope import Json
from services.marriage.rules import archives as rules
from services.marriage.rules import numbers, records
from services.marriage.rules.archives import Choice, State
from services.marriage.rules.endings import Ground
from services.marriage.rules.numbers import CertificateNumber
from services.marriage.rules.records import ARCHIVES, Ending
from services.marriage.store import archives as store
from services.marriage.store.archives import Entry
from services.marriage.usecases import archive_lines, archiving, ending
from shared import audit
from shared.errors import NotFound, Refused
from shared.outbox import Work


def list_conflicts(work: Work) -> list[Json]:
    """What waits for two people, the oldest first; nobody's name or number."""
    return [_shown(entry) for entry in store.list_conflicts(work)]


def _shown(entry: Entry) -> Json:
    line, proposal, other = entry.line, entry.proposal or {}, entry.ask_office or {}
    plain = {"entry": entry.entry_id, "kind": line.kind, "office": line.office, "number": line.number}
    return plain | {
        "registered_on": line.registered_on.isoformat(),
        "why": archiving.WHY.get(entry.why, entry.why),
        "ask": other.get("name", ""),
        "proposed": proposal.get("choice", ""),
        "proposed_by": proposal.get("by", ""),
    }


def propose(work: Work, entry_id: str, choice: Choice, by: str, ended: Json | None = None) -> None:
    """提出; what was proposed before counts no more. `ended`: ground, on and document of a marriage that had ended.

    NotFound `archive_entry_unknown`; OutOfStep `no_conflict`; Refused `ending_missing`, `number_not_taken`, `number_taken`, and as
    rules.records says.
    """
    entry = _find(work, entry_id)
    rules.expect_conflict(entry.state)
    if choice is Choice.REPEATED:
        rules.expect_taken(entry.why)
    if choice is Choice.ENDED:
        rules.expect_not_taken(entry.why)
        _expect_ending(work, entry, ended)
    proposal = {"choice": str(choice), "by": by, "ended": ended}
    archiving.note_look(work, entry, by, f"propose_archive_{choice}")
    store.save_entry(work, dataclasses.replace(entry, proposal=proposal))


def confirm(work: Work, entry_id: str, by: str) -> Entry:
    """复核, and it is done. Denied `same_operator`; OutOfStep `no_conflict`, `nothing_proposed`."""
    entry = _find(work, entry_id)
    rules.expect_conflict(entry.state)
    proposal = entry.proposal or {"by": ""}
    rules.expect_second(proposal["by"], by)
    archiving.note_look(work, entry, by, f"confirm_archive_{proposal['choice']}")
    match Choice(proposal["choice"]):
        case Choice.AGAIN:
            return archiving.go_on(work, entry)
        case Choice.ENDED:
            return _end(work, _with_both(entry, by), proposal["ended"])
        case Choice.DISCARD:
            return _discard(work, entry, by)
        case Choice.REPEATED:
            return archiving.go_on(work, _as_repeated(work, _with_both(entry, by)))


def _discard(work: Work, entry: Entry, by: str) -> Entry:
    """作废: kept with both names; the number is free for a line that is right."""
    decided = dict(entry.proposal or {}) | {"confirmed_by": by}
    discarded = dataclasses.replace(entry, state=State.DISCARDED, proposal=decided)
    store.save_entry(work, discarded)
    return discarded


def _as_repeated(work: Work, entry: Entry) -> Entry:
    """重号: kept, since the locks are asked for first and the line goes on when they are there."""
    line = dataclasses.replace(entry.line, content=dict(entry.line.content) | {"repeated": True})
    repeated = dataclasses.replace(entry, line=line)
    store.save_content(work, repeated)
    return repeated


def _find(work: Work, entry_id: str) -> Entry:
    entry = store.find_entry(work, entry_id)
    if entry is None:
        raise NotFound("archive_entry_unknown", "没有这一条补录,请核对编号")
    return entry


def _with_both(entry: Entry, by: str) -> Entry:
    """Both people stand in the record's history."""
    content = dict(entry.line.content)
    proposer = (entry.proposal or {})["by"]
    content["found"] = content["found"] | {"entered_by": f"{content['found']['entered_by']}({proposer}、{by} 复核)"}
    return dataclasses.replace(entry, line=dataclasses.replace(entry.line, content=content))


def _expect_ending(work: Work, entry: Entry, ended: Json | None) -> None:
    if entry.line.kind == "divorce":
        return
    if not ended or not _is_ending(ended):
        words = "按已终止的婚姻录入,须写明终止事由、日期和文书(--ground、--on、--document)"
        raise Refused("ending_missing", words, basis=ARCHIVES, field="ground")
    archive_lines.record_of(_as_ended(entry, ended).line, work.today)


def _is_ending(ended: Json) -> bool:
    try:
        return bool(Ground(ended["ground"]) and datetime.date.fromisoformat(ended["on"]) and ended["document"])
    except ValueError:
        return False


def _as_ended(entry: Entry, ended: Json | None) -> Entry:
    line = dataclasses.replace(entry.line, content=dict(entry.line.content) | {"ended": ended})
    return dataclasses.replace(entry, line=line)


def _end(work: Work, entry: Entry, ended: Json | None) -> Entry:
    """A marriage that had ended comes on record as history; a divorce ends the marriage that stood as valid here."""
    if entry.line.kind == "marriage":
        return archiving.go_on(work, _as_ended(entry, ended))
    held = archiving.still_valid(work, entry)
    if held is not None:
        document = f"离婚证 {entry.line.number} {entry.line.registered_on.isoformat()}"
        divorced = Ending(Ground.DIVORCE_REGISTERED, entry.line.registered_on, document)
        ending.end(work, held, records.end(held.record, divorced, work.today), entry.entry_id)
    return archiving.go_on(work, entry)


def declare_years(work: Work, years: store.Covered, by: str) -> None:
    """Somebody has compared these years of an office with its books. NotFound `office_unknown`; Refused `years_wrong`."""
    work.node.offices.get(years.office)
    if not 1900 <= years.from_year <= years.until_year <= work.today.year:
        raise Refused("years_wrong", "年份应从早到晚填写,不能晚于今年", basis=ARCHIVES, field="years")
    store.declare_years(work, years, by)


def continue_serials(work: Work, last: CertificateNumber, office: str, by: str, confirmed_by: str) -> list[int]:
    """续编: numbers of that kind, division and year that are still to be given come after `last`, never before.

    The serials up to it that this system has given out already: the system before may have given out the same. Refused
    `two_persons`, `years_wrong`.
    """
    rules.expect_two(by, confirmed_by)
    if last.year != work.today.year:
        raise Refused("years_wrong", "只能续编今年的字号:往年的字号不会再编", basis=ARCHIVES, field="year")
    store.count_from(work, last.kind, last.division, last.year, last.serial)
    for actor in (by, confirmed_by):
        _note_serials(work, last, office, actor)
    return [given for given in store.list_given(work, last) if given <= last.serial]


def _note_serials(work: Work, last: CertificateNumber, office: str, actor: str) -> None:
    audit.record(
        work,
        actor=actor,
        office=office,
        purpose="back_entry",
        act="continue_serials",
        subject=str(last),
        person_index="",
        fields=("serials",),
    )


def next_number(work: Work, last: CertificateNumber) -> str:
    """The next number of that kind, division and year. Refused `serial_exhausted`."""
    given = store.find_last(work, last.kind, last.division, last.year)
    return numbers.make(last.kind, last.division, last.year, given + 1)
