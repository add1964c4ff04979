"""What the applicant declares, and how facts are kept: as they were known on the day, with their source."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

from services.subsidy.rules.eligibility import Allowance, Card, Fact, Facts, Source, merged

YES_NO = {"yes": True, "no": False}
DECLARABLE = ("special_support", "injury_care", "orphan_support", "serving_sentence", "long_term_care")
HELD_BY: Mapping[str, str] = {  # a fact that may rest on a promise or a paper -> the registry that holds it
    "card": "disability-card",
    "low_income": "low-income",
    "special_support": "low-income",
    "hukou": "population",
    "area": "population",
    "born_on": "population",
}
# a person it has no record of has none of these, whatever was promised or shown
HELD_BY_POPULATION = tuple(name for name, registry in HELD_BY.items() if registry == "population")


def declared(answers: Mapping[str, Any], promised: frozenset[str], division: str, on: datetime.date) -> Facts:
    """The facts an application states of itself. `promised`: codes of materials given as 告知承诺.

    An answer that cannot be read leaves its fact unknown, as one that was not given.
    """
    said: dict[str, Any] = {name: _said(answers, name, YES_NO, on) for name in DECLARABLE}
    said["public_pay"] = _said(answers, "public_pay", {v: v for v in ("none", "with_proof", "without_proof")}, on)
    said["allowances"] = _allowances(answers, on)
    said["died_on"] = Fact(None, "applicant", on)  # whoever applies lives; the population registry may know better
    if promised:
        said["hukou"] = Fact(division, "promise", on)
        said["area"] = _said(answers, "area", {v: v for v in ("urban", "rural")}, on, "promise")
    if "disability-card" in promised:
        said["card"] = _card(answers, on)
    if "low-income" in promised:  # the same registry tells of special support (特困)
        said["special_support"] = _said(answers, "special_support", YES_NO, on, "promise")
        said["low_income"] = _said(
            answers, "low_income", {v: v for v in ("dibao", "dibao_edge", "none")}, on, "promise"
        )
    return Facts(**said)


def _said(
    answers: Mapping[str, Any], name: str, values: Mapping[str, Any], on: datetime.date, source: Source = "applicant"
) -> Fact[Any] | None:
    answer = answers.get(name)
    return Fact(values[answer], source, on) if isinstance(answer, str) and answer in values else None


def _card(answers: Mapping[str, Any], on: datetime.date) -> Fact[Card | None] | None:
    try:
        return Fact(Card(int(answers["card_category"]), int(answers["card_grade"])), "promise", on)
    except (KeyError, ValueError, TypeError):
        return None


def _allowances(answers: Mapping[str, Any], on: datetime.date) -> Fact[tuple[Allowance, ...]] | None:
    try:
        drawn = tuple(Allowance(str(item["kind"]), int(item["monthly_fen"])) for item in answers["allowances"])
    except (KeyError, ValueError, TypeError):
        return None
    return Fact(drawn, "applicant", on) if all(item.monthly_fen >= 0 for item in drawn) else None


def answered(known: Facts, found: Facts, denied: frozenset[str]) -> Facts:
    """What is known once registries have answered; `denied`: the facts of which they hold no record.

    A registry that does not tell the components of a card leaves those that a paper showed.
    """
    now = merged(known, found)
    if _adds_components(now.card, known.card):
        now = dataclasses.replace(now, card=_with_components(now.card, known.card))
    if "hukou" not in denied:
        return now
    doubted = unchecked(now).intersection(HELD_BY_POPULATION)
    return dataclasses.replace(now, **dict.fromkeys(doubted))


def restated(known: Facts, said: Facts, unanswered: frozenset[str]) -> Facts:
    """What the applicant says now in the place of what they said before; registries and papers are not talked over.

    Nor is a promise believed again that the population registry, if not `unanswered`, has found to be false.
    """
    held: dict[str, Any] = {n: fact for n, fact in _known(known).items() if fact.source in ("registry", "document")}
    if "population" not in unanswered:
        held |= {name: getattr(known, name) for name in HELD_BY_POPULATION}
    return dataclasses.replace(merged(known, said), **held)


def documented(shown: Mapping[str, Any], card: Card | None, born_on: datetime.date | None, on: datetime.date) -> Facts:
    """The facts that brought papers show. `born_on`: by the citizen number, where an identity card was brought."""
    said: dict[str, Any] = {"card": card, "hukou": shown["hukou_division"] or None, "area": shown["area"] or None}
    if shown["hukou_division"]:
        said["born_on"] = born_on
    if status := shown["low_income"]:  # a 特困 person is in no 低保 family
        special = status == "special_support"
        said |= {"low_income": "none" if special else status, "special_support": special}
    return Facts(**{name: Fact(value, "document", on) for name, value in said.items() if value is not None})


def on_record(known: Facts, shown: Facts) -> str:
    """The first shown fact that a registry has told already; "" for none. It may leave the components of a card open."""
    told = {name for name, fact in _known(known).items() if fact.source == "registry"}
    if _adds_components(known.card, shown.card):
        told.discard("card")
    return next((name for name in _known(shown) if name in told), "")


def noted(known: Facts, shown: Facts) -> Facts:
    """What is known once papers were shown; to a card that its registry told they add nothing but its components."""
    now = merged(known, shown)
    if known.card and known.card.source == "registry" and _adds_components(known.card, shown.card):
        return dataclasses.replace(now, card=_with_components(known.card, shown.card))
    return now


def _adds_components(told: Fact[Card | None] | None, other: Fact[Card | None] | None) -> bool:
    """Whether `other` names the categories within the very card whose own `told` leaves open."""
    if not (told and told.value and other and other.value) or _gist(told.value) != _gist(other.value):
        return False
    return told.value.components is None and other.value.components is not None


def _with_components(told: Any, other: Any) -> Fact[Card | None]:
    card = dataclasses.replace(told.value, components=other.value.components)
    return dataclasses.replace(told, value=card)


def kept_word(name: str, promised: Facts, known: Facts) -> bool:
    """Whether the registry's answer bears out what was promised of the fact `name`."""
    word, answer = getattr(promised, name), getattr(known, name)
    if answer is None or answer.value is None:
        return False
    return bool(_gist(word.value) == _gist(answer.value))


def _gist(value: Any) -> Any:
    """What a promise is held to: the county of a division, a card's category and grade."""
    match value:
        case Card():
            return value.category, value.grade
        case str() if value.isdigit():
            return value[:6]
        case _:
            return value


def to_json(facts: Facts) -> dict[str, Any]:
    """Facts as JSON values, unknown ones left out."""
    return {
        name: {"value": _plain(fact.value), "source": fact.source, "as_of": fact.as_of.isoformat()}
        for name, fact in _known(facts).items()
    }


def _plain(value: Any) -> Any:
    match value:
        case Card():
            components = sorted(value.components) if value.components is not None else None
            return {"category": value.category, "grade": value.grade, "components": components}
        case datetime.date():
            return value.isoformat()
        case tuple():
            return [{"kind": item.kind, "monthly_fen": item.monthly_fen} for item in value]
        case _:
            return value


def from_json(kept: Mapping[str, Any]) -> Facts:
    """The facts that `to_json` wrote."""
    known = {
        name: Fact(_value(name, row["value"]), row["source"], datetime.date.fromisoformat(row["as_of"]))
        for name, row in kept.items()
    }
    return Facts(**known)


def _value(name: str, plain: Any) -> Any:
    if plain is None:
        return None
    match name:
        case "card":
            components = plain["components"]
            return Card(plain["category"], plain["grade"], None if components is None else frozenset(components))
        case "born_on" | "died_on":
            return datetime.date.fromisoformat(plain)
        case "allowances":
            return tuple(Allowance(item["kind"], item["monthly_fen"]) for item in plain)
        case _:
            return plain


def unchecked(facts: Facts) -> frozenset[str]:
    """Names of facts that rest on a promise or a paper and must be checked later."""
    return frozenset(name for name, fact in _known(facts).items() if fact.source in ("promise", "document"))


def _known(facts: Facts) -> dict[str, Fact[Any]]:
    known = {name: getattr(facts, name) for name in Facts.__dataclass_fields__}
    return {name: fact for name, fact in known.items() if fact is not None}
