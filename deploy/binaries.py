"""The programs of RabbitMQ and PostgreSQL: those of the machine, else installed, without starting any daemon."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from deploy.children import SYSTEM_PATH, account, run

PACKAGES = {"rabbitmq": "rabbitmq-server", "postgres": "postgresql"}
OLDEST_POSTGRES = 15
PREFIX = Path(__file__).resolve().parents[1] / ".run" / "packages"
POLICY = Path("/usr/sbin/policy-rc.d")
QUIETLY = ("env", "DEBIAN_FRONTEND=noninteractive")
NOT_NEEDED = re.compile(r"libllvm|llvm")  # only for PostgreSQL's JIT, 100 MB, switched off


@dataclass(frozen=True, slots=True)
class Programs:
    """The folder of a server's programs, and the variables it takes to run them."""

    folder: Path
    env: dict[str, str]


def find_or_install(kind: str, prefix: Path = PREFIX) -> Programs:
    """The programs of `rabbitmq` or `postgres`. RuntimeError where they are missing and apt-get is, too.

    Missing ones are installed by apt-get when we are root, else Debian's packages are unpacked below `prefix`.
    """
    root = prefix.absolute() / kind
    found = find(kind, Path("/")) or find(kind, root)
    if found:
        return found
    if not shutil.which("apt-get"):
        raise RuntimeError(f"{kind} is missing: install RabbitMQ 3.10 or later and PostgreSQL 15 or later")
    click.echo(f"{kind} is missing: installing Debian's {PACKAGES[kind]} ...", err=True)
    if account().uid is None:
        unpack(PACKAGES[kind], root)
    else:
        install(PACKAGES[kind])
    found = find(kind, Path("/")) or find(kind, root)
    if not found:
        raise RuntimeError(f"{PACKAGES[kind]} was installed but holds no usable {kind}")
    return found


def find(kind: str, root: Path) -> Programs | None:
    """The programs of that kind below `root`, None when they are not there or too old."""
    folder = _rabbitmq(root) if kind == "rabbitmq" else _postgres(root)
    return Programs(folder, _environment(root)) if folder else None


def _rabbitmq(root: Path) -> Path | None:
    # Debian's /usr/sbin/rabbitmq-server is a wrapper for the system broker; the real script lies here
    debian = root / "usr/lib/rabbitmq/bin/rabbitmq-server"
    if debian.exists():
        return debian.parent
    elsewhere = shutil.which("rabbitmq-server") if root == Path("/") else None
    return Path(elsewhere).resolve().parent if elsewhere else None


def _postgres(root: Path) -> Path | None:
    programs = root.glob("usr/lib/postgresql/[0-9]*/bin/postgres")
    versions = {int(path.parts[-3].partition(".")[0]): path.parent for path in programs}
    if versions and max(versions) >= OLDEST_POSTGRES:
        return versions[max(versions)]
    elsewhere = shutil.which("postgres") if root == Path("/") else None
    if not elsewhere or int(re.findall(r"\d+", run([elsewhere, "--version"]))[0]) < OLDEST_POSTGRES:
        return None
    return Path(elsewhere).resolve().parent


def _environment(root: Path) -> dict[str, str]:
    if root == Path("/"):
        return {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"}
    libraries = [*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*")]
    return {
        "PATH": f"{root}/usr/lib/erlang/bin:{root}/usr/bin:{SYSTEM_PATH}",
        "LANG": "C.UTF-8",
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
    }


def install(package: str) -> None:
    """Install a package as root; whatever daemon its scripts want to start is refused."""
    with _daemons_refused():
        run(["apt-get", "-qq", "update"])
        run([*QUIETLY, "apt-get", "-qq", "-y", "install", "--no-install-recommends", package])


@contextmanager
def _daemons_refused() -> Iterator[None]:
    if POLICY.exists():
        yield  # the machine has its own rule, and we leave it alone
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def unpack(package: str, root: Path) -> None:
    """Unpack a package and what it needs below `root`, without any right on the machine."""
    draft = root.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    for folder in ("lists/partial", "cache/archives/partial", "debs"):
        (draft / folder).mkdir(parents=True)
    apt = ["apt-get", "-qq", "-o", f"Dir::State::lists={draft}/lists", "-o", f"Dir::Cache={draft}/cache"]
    apt += ["-o", "Debug::NoLocking=1"]
    run([*apt, "update"])
    plan = run([*apt, "--simulate", "install", "--no-install-recommends", package])
    names = [name for name in re.findall(r"^Inst (\S+)", plan, re.MULTILINE) if not NOT_NEEDED.match(name)]
    run([*apt, "download", *names], folder=draft / "debs")
    for deb in sorted((draft / "debs").glob("*.deb")):
        run(["dpkg-deb", "-x", deb, draft])
    for folder in ("lists", "cache", "debs"):
        shutil.rmtree(draft / folder)
    _move_erlang(draft, root)
    draft.rename(root)


def _move_erlang(draft: Path, root: Path) -> None:
    """Debian's Erlang scripts name their own folder and ignore ERL_ROOTDIR."""
    scripts = [*draft.glob("usr/lib/erlang/bin/*"), *draft.glob("usr/lib/erlang/erts-*/bin/erl")]
    for script in scripts:
        if script.is_file() and not script.is_symlink() and script.read_bytes().startswith(b"#!"):
            script.write_text(script.read_text().replace("/usr/lib/erlang", f"{root}/usr/lib/erlang"))
