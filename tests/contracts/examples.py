"""The golden examples: one per message version, as it travels, its sealed part opened under `personal`."""

import importlib
import json
import pkgutil
from pathlib import Path

import contracts
from contracts.envelope import Contract, Json, every_contract

FOLDER = Path(contracts.__path__[0]) / "examples"
_modules = [importlib.import_module(f"contracts.{item.name}") for item in pkgutil.iter_modules(contracts.__path__)]
VERSIONS: dict[str, type[Contract]] = every_contract(*_modules)


def example(contract: type[Contract]) -> Json:
    """The golden example of a message version."""
    text = (FOLDER / f"{contract.type}.json").read_text("utf-8")
    wire: Json = json.loads(text)
    return wire
