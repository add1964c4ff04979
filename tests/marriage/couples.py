"""A man and a woman who may marry, and may divorce: to be changed in one point at a time."""

import dataclasses
import datetime
from typing import Any

from services.marriage.rules.editions import edition_on
from services.marriage.rules.eligibility import (
    SOURCES,
    Answer,
    Couple,
    Kinship,
    Opinion,
    Party,
    Standing,
    assess,
)
from services.marriage.rules.papers import Agreement, CertificateShown, Papers, Side

DAY = datetime.date.fromisoformat
TODAY = DAY("2025-05-20")
BOTH: frozenset[Side] = frozenset({"man", "woman"})
YES = Answer(willing=True, apart=True, recorded=True)
FREE = dict.fromkeys(SOURCES, Standing.FREE)
HE = Party("citizen:990101200305200116", "male", DAY("2003-05-20"), YES, Kinship.NONE, FREE)
SHE = Party("citizen:990101200505200129", "female", DAY("2005-05-20"), YES, Kinship.NONE, FREE)
AGREED = Agreement(signed=True, children=True, property=True, debts=True)


def couple(he: dict[str, Any] | None = None, she: dict[str, Any] | None = None) -> Couple:
    return Couple(dataclasses.replace(HE, **(he or {})), dataclasses.replace(SHE, **(she or {})))


def asked(pair: Couple, on: datetime.date = TODAY) -> Opinion:
    return assess(pair, edition_on(on), on)


def codes(opinion: Opinion) -> set[str]:
    return {finding.code for finding in opinion.findings} | {wait.code for wait in opinion.waits}


def grounds(opinion: Opinion) -> list[str]:
    return [finding.code for finding in opinion.grounds]


def verdict(opinion: Opinion) -> str:
    """`not_yet` is no refusal: 暂不能办结."""
    if opinion.grounds:
        return "refused"
    return "not_yet" if opinion.waits else "eligible"


def shown(**more: Any) -> Papers:
    willing: dict[Side, bool] = {"man": True, "woman": True}
    return dataclasses.replace(Papers(BOTH, willing, BOTH, AGREED, CertificateShown.SHOWN), **more)
