"""`make model`: prove the claims protocol, and prove that the proof can fail. Exit 1 if either does not succeed."""

import multiprocessing
import sys

import click

from shared import clock
from tests.model.checker import Report, check
from tests.model.settings import FREE, SAFE
from tests.model.variants import VARIANTS, Variant
from tests.model.world import PUT_OFF, Setting, World

CORES = 2
LINE = "{:<46} {:>9} {:>11} {:>5} {:>6}  {}"


def bounds(setting: Setting) -> str:
    """What was left out of a world to keep it small."""
    left_out = {
        "inside a city messages come at once": setting.prompt,
        "the registrar signs at the intake": setting.brisk,
        "only what was put off is said again": setting.once and setting.timer == PUT_OFF,
    }
    return "; ".join(words for words, applies in left_out.items() if applies) or "nothing is left out"


def prove(setting: Setting) -> Report:
    """The real rules in a setting."""
    return check(World(setting))


def refute(variant: Variant) -> Report:
    """Wrong rules in theirs."""
    return check(World(variant.setting, variant.rules), only=variant.breaks)


def _line(name: str, report: Report, result: str) -> str:
    figures = (f"{report.states:,}", f"{report.transitions:,}", report.depth, f"{report.seconds:.1f}")
    return LINE.format(name, *figures, result)


def _tell_proof(setting: Setting, report: Report) -> bool:
    """One line; True when it holds, and every application can come to its end in it."""
    everyone = report.registered == {each.name for each in setting.applications}
    result = report.fault or ("HOLDS" if everyone and report.finished else "proves nothing: not all is reached")
    click.echo(_line(setting.name, report, f"{result} ({bounds(setting)})"))
    _tell_trace(report)
    return result == "HOLDS"


def _tell_refutation(variant: Variant, report: Report) -> bool:
    found = report.fault == variant.breaks
    click.echo(_line(variant.name, report, f"found: {report.fault}" if found else "NOT FOUND"))
    _tell_trace(report)
    return found


def _tell_trace(report: Report) -> None:
    for number, step in enumerate(report.trace, start=1):
        click.echo(f"    {number:>2}  {step}")


def main() -> None:
    """All proofs on two cores, in the order of the list."""
    began, good = clock.monotonic(), []
    with multiprocessing.Pool(CORES, maxtasksperchild=1) as pool:
        refuted = pool.imap(refute, VARIANTS)
        free, safe = pool.imap(prove, FREE), pool.imap(prove, SAFE)
        click.echo(LINE.format("KNOWN-BAD RULES, each must be caught", "states", "transitions", "depth", "s", ""))
        good += [_tell_refutation(variant, report) for variant, report in zip(VARIANTS, refuted, strict=True)]
        click.echo("\nTHE REAL RULES: nobody is blocked for ever, where every message is handled once")
        good += [_tell_proof(setting, report) for setting, report in zip(FREE, free, strict=True)]
        click.echo("\nTHE REAL RULES: nobody is married twice, where messages come never, once or again and again")
        good += [_tell_proof(setting, report) for setting, report in zip(SAFE, safe, strict=True)]
    click.echo(f"\n{sum(good)} of {len(good)} as they must be, {clock.monotonic() - began:.0f} s")
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
