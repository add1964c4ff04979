"""What must fit together: messages and doors, queues, routes, matters and offices, policies, tables and migrations."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData

import contracts
from contracts.envelope import Contract, every_contract
from contracts.matters import Matter, every_matter
from deploy.homes import CITIES, SEED, City
from deploy.migrate import SERVICES as MIGRATED
from deploy.migrate import SHARED, differences, history, upgrade
from services.exchange.service.timers import doors as exchange_doors
from services.main.wiring import EXCHANGE, every_doors, tables_of
from services.subsidy import standards
from services.web.api.app import create_app
from services.web.api.auth import access_rules
from shared import clock, topology
from shared.audit import audit_metadata
from shared.bus import Doors
from shared.directory import read_offices
from shared.embedded import sqlite_engine
from shared.outbox import message_metadata
from tests.builders import make_node, make_works

EXAMPLES = Path(contracts.__path__[0]) / "examples"
VERSION = re.compile(r"(?P<service>[a-z]+)\.(?P<words>[a-z]+(_[a-z]+)+)\.v(?P<number>[1-9]\d*)")
IRREGULAR = {"told", "sent", "taken", "done", "withdrawn", "held", "made", "paid", "given", "kept", "found", "lost"}
DOOR_LINES = 10


def modules() -> dict[str, Any]:
    """Every module that declares messages, by its name."""
    names = [item.name for item in pkgutil.iter_modules(contracts.__path__) if not item.ispkg]
    return {name: importlib.import_module(f"contracts.{name}") for name in names}


def every_version() -> dict[str, type[Contract]]:
    return every_contract(*modules().values())


def is_fact(words: str) -> bool:
    """`application_taken_in` tells what happened, `take_in_application` asks for it."""
    return any(word.endswith("ed") or word in IRREGULAR for word in words.split("_")[1:])


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Doors]:
    """The doors of every service of a node."""
    return every_doors(make_node(tmp_path_factory.mktemp("homes"))) | {EXCHANGE: exchange_doors()}


@pytest.mark.parametrize("contract", every_version().values(), ids=lambda contract: contract.type)
def test_a_message_version_is_named_like_its_class_and_module(contract: type[Contract]) -> None:
    match = VERSION.fullmatch(contract.type)
    assert match, f"{contract.type}: name it service.noun_pastparticiple.vN or service.verb_noun.vN"
    assert contract.__module__ == f"contracts.{match['service']}", "a message stands in the file of its service"
    camel = "".join(word.capitalize() for word in match["words"].split("_"))
    assert contract.__name__ == f"{camel}V{match['number']}", "the class is the type in CamelCase"


@pytest.mark.parametrize("contract", every_version().values(), ids=lambda contract: contract.type)
def test_a_command_has_its_owner_as_the_only_consumer(contract: type[Contract]) -> None:
    service, words, _ = contract.type.split(".")
    if not is_fact(words):
        assert contract.consumers == (service,), "only a fact may interest others: name it with a past participle"
    if contract.answers:
        assert not is_fact(words), "a fact is not answered: name the command service.verb_noun.vN"
        assert is_fact(contract.answers.type.split(".")[1]), "a refusal is a fact"


def test_no_two_classes_claim_the_same_message_version() -> None:
    declared = [
        item.type
        for module in modules().values()
        for item in vars(module).values()
        if inspect.isclass(item) and issubclass(item, Contract) and item.__module__ == module.__name__
        if hasattr(item, "type")
    ]
    assert sorted(declared) == sorted(every_version())


def test_every_message_version_has_a_golden_example_and_nothing_else_has() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.json")} == set(every_version()), (
        f"lay one example per version into {EXAMPLES.name}/<type>.json; it is never edited once released"
    )


def test_the_declared_consumers_are_the_services_that_listen(doors: dict[str, Doors]) -> None:
    declared = {kind: set(contract.consumers) for kind, contract in every_version().items()}
    listening = {kind: {name for name, entrance in doors.items() if kind in entrance.by_type} for kind in declared}
    apart = {kind: (declared[kind], listening[kind]) for kind in declared if declared[kind] != listening[kind]}
    assert not apart, "declared, listening: change `consumers` in contracts/ or add the door"


def test_every_door_leads_from_a_declared_message_version(doors: dict[str, Doors]) -> None:
    known = every_version()
    strangers = [kind for entrance in doors.values() for kind in entrance.by_type if kind not in known]
    assert not strangers, "declare the message in contracts/"
    changed = [
        k for entrance in doors.values() for k, door in entrance.by_type.items() if door.contract is not known[k]
    ]
    assert not changed


def test_every_queue_has_a_consumer_and_a_dead_letter_home(doors: dict[str, Doors]) -> None:
    for name, entrance in doors.items():
        queues = topology.queues(entrance)
        assert name == entrance.service
        assert name in queues, "a service consumes the queue of its own name"
        assert queues[name]["x-dead-letter-routing-key"] == topology.dead_queue(name)
        assert topology.dead_queue(name) in queues, "declare the home of its dead letters"
        waiting = set(queues) - {name, topology.dead_queue(name)}
        assert all(queues[queue]["x-dead-letter-routing-key"] == name for queue in waiting), "lead retries back"


def test_every_message_that_leaves_the_city_is_bound_to_the_gateway(doors: dict[str, Doors]) -> None:
    assert topology.binding_keys(doors[EXCHANGE])[-1] == topology.EVERYTHING_ADDRESSED


def door_functions(entrance: Doors) -> list[Callable[..., Any]]:
    asked = [function for door in entrance.by_type.values() for function in (door.act, door.ask)]
    return [function for function in [*asked, *(timer.act for timer in entrance.timers)] if function]


def test_a_door_decodes_opens_one_transaction_and_calls_one_use_case(doors: dict[str, Doors]) -> None:
    functions = {function for entrance in doors.values() for function in door_functions(entrance)}
    here = [f for f in functions if isinstance(f, FunctionType) and ".service" in f.__module__]
    assert here
    long = {f.__qualname__: len(inspect.getsourcelines(f)[0]) for f in here}
    too_long = {name: lines for name, lines in long.items() if lines > DOOR_LINES}
    assert not too_long, f"at most {DOOR_LINES} lines: what decides belongs into usecases"


def test_every_web_route_has_an_access_rule(tmp_path: Path) -> None:
    node = make_node(tmp_path)
    rules = access_rules(create_app(make_works(node, "web", tables_of("web")), node))
    assert len(rules) > 10
    forgotten = [route for route, rule in rules.items() if rule is None or not rule.kinds]
    assert not forgotten, "say with @allowed(...) who may ask"


@pytest.mark.parametrize("city", CITIES, ids=lambda city: city.code)
@pytest.mark.parametrize("matter", every_matter(), ids=lambda matter: f"{matter.matter}-{matter.version}")
def test_some_office_of_every_city_may_do_each_step_of_each_matter(matter: Matter, city: City) -> None:
    offices = read_offices((SEED / "offices" / f"{city.code}.csv").read_text("utf-8").splitlines()).by_code.values()
    needed = [(step["verb"], step["tier"]) for step in matter.steps]
    lacking = [
        (verb, tier)
        for verb, tier in needed
        if not any(o.tier == tier and o.may(verb, matter.matter, clock.today()) for o in offices)
    ]
    assert not lacking, f"give an office of that tier the power verb:{matter.matter} in deploy/seed/offices"
    assert any(office.may("take_in", matter.matter, clock.today()) for office in offices)


def test_every_policy_says_where_it_stands_and_from_when_it_is_in_force() -> None:
    found = standards.load()
    assert {path.stem for path in standards.POLICIES.glob("*.yaml")} == set(found)
    for division, versions in found.items():
        for standard in versions:
            assert standard.document_no, f"{division}: give the document's 文号"
            assert standard.source, f"{division}: say where the document was read"
            assert standard.valid_from < (standard.valid_until or standard.valid_from.max), (
                f"{division}: give its dates"
            )


@pytest.mark.parametrize("city", CITIES, ids=lambda city: city.code)
def test_every_city_has_a_standard_in_force_today(city: City) -> None:
    assert [standards.standard_for(division, clock.today()) for division in city.divisions]


@pytest.mark.parametrize("owner", [SHARED, *MIGRATED])
def test_migrations_are_one_line_in_the_order_of_their_names(owner: str) -> None:
    script = ScriptDirectory(str(history(owner)), version_locations=[str(history(owner))])
    revisions = [revision.revision for revision in reversed(list(script.walk_revisions("base", "heads")))]
    assert len(script.get_heads()) == 1, "a migration follows the newest one, never an older one"
    assert revisions == sorted(revisions)
    files = [path.name for path in sorted(history(owner).glob("[0-9]*.py"))]
    assert [name.partition("_")[0] for name in files] == revisions, "name the file <revision>_<what>.py"


@pytest.mark.parametrize("service", MIGRATED)
def test_migrated_tables_are_the_tables_in_code(service: str, tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / f"{service}.db")
    upgrade(engine, service)
    upgrade(engine, service)
    every: list[MetaData] = [message_metadata, audit_metadata, tables_of(service)]
    names = {table for metadata in every for table in metadata.tables}
    with engine.begin() as connection:
        for metadata in every:
            others = names - set(metadata.tables)
            assert differences(connection, metadata, others) == [], "write a migration, or take the change back"
    engine.dispose()


def test_every_service_is_migrated() -> None:
    folders = {path.parent.name for path in history(SHARED).parents[1].glob("services/*/migrations")}
    assert folders == set(MIGRATED), "name the service in deploy.migrate.SERVICES and give it a history"
