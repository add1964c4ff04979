"""Schema migrations: every service has a linear history of its own beside the one that all share."""

from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData

HERE = Path(__file__).parent.parent
SHARED = "shared"
SERVICES = ("intake", "subsidy", "certificate", "claims", "marriage", "appointment", "web", "exchange")


def history(owner: str) -> Path:
    """The folder of `shared`'s migrations or of one service's."""
    return HERE / "shared" / "migrations" if owner == SHARED else HERE / "services" / owner / "migrations"


def upgrade(engine: Engine, service: str) -> None:
    """Bring one service's schema (or SQLite file) to the newest version; safe to call again."""
    with engine.begin() as connection:
        for owner in (SHARED, service):
            _upgrade(connection, owner)


def _script(owner: str) -> ScriptDirectory:
    return ScriptDirectory(str(history(owner)), version_locations=[str(history(owner))])


def newest(owner: str) -> str | None:
    """The version to which `upgrade` brings a history."""
    return _script(owner).get_current_head()


def _upgrade(connection: Connection, owner: str) -> None:
    script = _script(owner)

    def to_head(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs("head", revision)

    with EnvironmentContext(Config(), script, fn=to_head) as environment:
        environment.configure(connection=connection, version_table=version_table(owner), transactional_ddl=True)
        environment.run_migrations()


def version_table(owner: str) -> str:
    """Where a history remembers how far it has come."""
    return f"alembic_version_{owner}"


def differences(connection: Connection, metadata: MetaData, ignore: set[str]) -> list[Any]:
    """What the migrated schema lacks of the tables in code, or has beyond them; tables named in `ignore` left out."""

    def ours(item: Any, name: str | None, kind: str, _reflected: bool, _to: Any) -> bool:
        return not (kind == "table" and (name in ignore or str(name).startswith("alembic_version")))

    context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": False})
    return list(compare_metadata(context, metadata))
