"""The hub of the embedded default: one SQLite file for all cities of one process."""

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from services.exchange.rules import LANES, Delivery, Fate, Parcel, read_key
from shared.errors import Denied

TABLES = """
    CREATE TABLE IF NOT EXISTS joined (node TEXT PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS inboxes (
        position INTEGER PRIMARY KEY AUTOINCREMENT, node TEXT NOT NULL, lane TEXT NOT NULL, routing_key TEXT NOT NULL,
        user TEXT NOT NULL, jws TEXT NOT NULL, body BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS inboxes_next ON inboxes (node, lane, position);
    CREATE TABLE IF NOT EXISTS directories (position INTEGER PRIMARY KEY AUTOINCREMENT, signed TEXT NOT NULL);
"""
NEXT = (
    "SELECT position, routing_key, user, jws, body FROM inboxes WHERE node = ? AND lane = ? ORDER BY position LIMIT ?"
)
PUT = "INSERT INTO inboxes (node, lane, routing_key, user, jws, body) VALUES (?, ?, ?, ?, ?, ?)"


class SqliteHub:
    """One city's way to the hub in `path`; every city opens its own and is joined by that.

    Confirmed means on disk. What was fetched and not acknowledged comes again after `let_go`, or in the next process.
    """

    def __init__(self, path: Path, user: str) -> None:
        self.user = user
        self._lock = threading.Lock()
        self._in_hand: set[int] = set()
        self._directory_seen = 0
        self._file = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        for setting in ("journal_mode=WAL", "synchronous=FULL"):
            self._file.execute(f"PRAGMA {setting}")
        self._file.executescript(TABLES)
        with self._transaction() as file:
            file.execute("INSERT OR IGNORE INTO joined VALUES (?)", (user,))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield self._file
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT")

    def publish(self, parcels: Sequence[Parcel]) -> Mapping[str, Fate]:
        """Denied `hub_key_of_another` when a key names another source, as the real hub does."""
        fates = {}
        with self._transaction() as file:
            joined = {row[0] for row in file.execute("SELECT node FROM joined")}
            for parcel in parcels:
                to = read_key(parcel.routing_key)
                if to.source != self.user:
                    raise Denied("hub_key_of_another", "路由键中的来源不是本节点")
                fates[parcel.message_id] = Fate.CONFIRMED if to.destination in joined else Fate.RETURNED
                if to.destination in joined:
                    row = (to.destination, to.lane, parcel.routing_key, self.user, parcel.jws, parcel.body.encode())
                    file.execute(PUT, row)
        return fates

    def fetch(self, at_most: int, seconds: float) -> list[Delivery]:
        """Does not wait: the embedded bus comes again."""
        found: list[Delivery] = []
        with self._lock:
            for lane in LANES:
                for row in self._file.execute(NEXT, (self.user, lane, at_most + len(self._in_hand))):
                    if row[0] not in self._in_hand and len(found) < at_most:
                        found.append(Delivery(row[4], row[1], row[3], row[2], row[0]))
            self._in_hand.update(delivery.tag for delivery in found)
        return found

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Delete them."""
        tags = [(delivery.tag,) for delivery in deliveries]
        with self._transaction() as file:
            file.executemany("DELETE FROM inboxes WHERE position = ?", tags)
        self._in_hand.difference_update(delivery.tag for delivery in deliveries)

    def let_go(self) -> None:
        """Fetch them again."""
        self._in_hand.clear()

    def directories(self) -> list[str]:
        """The newest directory, if there is a new one."""
        with self._lock:
            row = self._file.execute(
                "SELECT position, signed FROM directories ORDER BY position DESC LIMIT 1"
            ).fetchone()
        if row is None or row[0] == self._directory_seen:
            return []
        self._directory_seen = row[0]
        return [row[1]]

    def publish_directory(self, signed: str) -> None:
        """Keep it for all cities."""
        with self._transaction() as file:
            file.execute("INSERT INTO directories (signed) VALUES (?)", (signed,))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
