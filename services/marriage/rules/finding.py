"""What the rules say of a couple: findings that count, and waits that never do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition of the law: met (`eligible`) or a ground of refusal. `text` is for people, `basis` the clause."""

    code: str
    text: str
    basis: str
    eligible: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """暂不能办结: something is still to be asked or answered. Nobody is ever refused for it."""

    code: str
    text: str
    basis: str
