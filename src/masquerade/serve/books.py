"""A ledger in a file: one SQLite database that many processes share, safe against crashes and against races.

Each spending is one transaction that locks the file before it reads, so two that race for the last of a
budget come one after the other, and the second is refused. It is on the disk before the call returns; a
process that is killed in between has spent, or has not, and never half. Accounts, budgets, events and notes
stand in it, and no data. Marks of data are kept as HMACs under a random key of the file's own: they match in
no other ledger, and tell who reads this one no more than whether a guess of a file's whole content is right.
It keeps honest users within their budget; who may write the file may also empty it, so keep it where those
who ask questions cannot write.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from masquerade import crypto
from masquerade.dp.accountant import Event, from_json, to_json
from masquerade.dp.ledger import Account, Budget, Entries, named
from masquerade.errors import BadInput, OutputProblem
from masquerade.serve.keyfile import home

_APPLICATION = 0x4D514C32
"""SQLite's application id of a ledger: MQL2."""
_FIRST = 0x4D514C31
"""That of one in which an account was a name and a unit, and knew no marks: MQL1."""
_WAIT_SECONDS = 60.0
"""For others who hold the file."""

_SCHEMA = """
CREATE TABLE account (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, unit TEXT NOT NULL,
    epsilon REAL NOT NULL, delta REAL NOT NULL, opened TEXT NOT NULL, UNIQUE (name, unit)
);
CREATE TABLE entry (
    id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES account,
    event TEXT NOT NULL, note TEXT NOT NULL, paid TEXT NOT NULL
);
CREATE INDEX entry_of_account ON entry (account);
"""
# An account of the same name in another unit held the same data: what it paid counts in the one that was
# opened first, and its budget is gone.
_UPGRADE = """
UPDATE entry SET account = (
    SELECT min(first.id) FROM account AS first JOIN account AS own USING (name) WHERE own.id = entry.account
);
DELETE FROM account WHERE id NOT IN (SELECT min(id) FROM account GROUP BY name);
CREATE UNIQUE INDEX account_of_name ON account (name);
CREATE TABLE secret (key BLOB NOT NULL);
CREATE TABLE mark (
    mark BLOB NOT NULL, account INTEGER NOT NULL REFERENCES account, PRIMARY KEY (mark, account)
) WITHOUT ROWID;
"""


class Paid(NamedTuple):
    """One entry: when it was paid, in UTC (ISO 8601), for what, and the note that was left."""

    paid: str
    account: str
    unit: str
    event: Event
    note: str


def default_path() -> Path:
    """The ledger's path when none is given: ``ledger.db`` by the key file."""
    return home() / "ledger.db"


class FileStore:
    """Accounts in the file at ``path``, which is made with mode 0600 when it is first used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Absolute: SQLite has its own meaning for ":memory:" and "file:...", and a process may change folder.
        self._file = path.absolute()

    @contextmanager
    def locked(self) -> Iterator[Entries]:
        """The file, for this process alone: see :class:`masquerade.dp.ledger.Store`.

        Raises:
            BadInput: this is no ledger, or others have held it for a minute.
            OutputProblem: it cannot be made or written.
        """
        with closing(self._connected()) as db, self._problems():
            db.execute("BEGIN IMMEDIATE")
            try:
                self._make_or_check(db)
                yield _FileEntries(db)
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def entries(self) -> list[Paid]:
        """All that was paid, oldest first."""
        with closing(self._connected()) as db, self._problems():
            if _application(db) not in (_FIRST, _APPLICATION):
                return []
            rows = db.execute(
                "SELECT paid, name, unit, event, note FROM entry JOIN account ON account.id = account "
                "ORDER BY entry.id"
            )
            return [Paid(paid, name, unit, from_json(event), note) for paid, name, unit, event, note in rows]

    def _connected(self) -> sqlite3.Connection:
        with self._problems():
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
            db = sqlite3.connect(self._file, timeout=_WAIT_SECONDS, isolation_level=None)
            try:
                # EXTRA: the folder is written through too, before a commit returns.
                db.execute("PRAGMA synchronous = EXTRA")
            except BaseException:
                db.close()
                raise
            return db

    def _make_or_check(self, db: sqlite3.Connection) -> None:
        found = _application(db)
        if found == _APPLICATION:
            return
        if found != _FIRST:
            if found or db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                raise self._no_ledger()
            _run(db, _SCHEMA)
        _run(db, _UPGRADE)
        db.execute(f"PRAGMA application_id = {_APPLICATION}")
        db.execute("INSERT INTO secret VALUES (?)", (crypto.random_bytes(crypto.KEY_BYTES),))
        entries = _FileEntries(db)
        for (name,) in db.execute("SELECT name FROM account").fetchall():
            entries.learn(name, [named(name)])

    def _no_ledger(self) -> BadInput:
        return BadInput("this is no ledger; name another file", source=str(self.path))

    @contextmanager
    def _problems(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as problem:
            code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_NOTADB:
                raise self._no_ledger() from None
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise BadInput("others have held the ledger for a minute", source=str(self.path)) from None
            raise OutputProblem(f"cannot write the ledger {self.path}", made=True) from None
        except UnicodeEncodeError:
            raise BadInput(
                "a name for the ledger has half of a character: give names in UTF-8", source=str(self.path)
            ) from None
        except OSError as problem:
            raise OutputProblem(
                f"cannot make the ledger {self.path}: {problem.strerror}; name another with --ledger",
                made=False,
            ) from None


class _FileEntries:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def account(self, name: str) -> Account | None:
        row = self._db.execute(
            "SELECT id, epsilon, delta, unit FROM account WHERE name = ?", (name,)
        ).fetchone()
        if row is None:
            return None
        paid = self._db.execute("SELECT event, count(*) FROM entry WHERE account = ? GROUP BY event", row[:1])
        events: Counter[Event] = Counter()
        for text, n in paid:
            events[from_json(text)] += n
        return Account(Budget(row[1], row[2]), events, row[3])

    def known(self, marks: Iterable[bytes]) -> list[str]:
        found: set[tuple[int, str]] = set()
        for mark in self._keyed(marks):
            found.update(
                self._db.execute(
                    "SELECT id, name FROM mark JOIN account ON account.id = account WHERE mark = ?", (mark,)
                )
            )
        return [name for _, name in sorted(found)]

    def open(self, name: str, unit: str, budget: Budget) -> None:
        self._db.execute(
            "INSERT INTO account (name, unit, epsilon, delta, opened) VALUES (?, ?, ?, ?, ?)",
            (name, unit, budget.epsilon, budget.delta, _now()),
        )

    def learn(self, name: str, marks: Iterable[bytes]) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO mark SELECT ?, id FROM account WHERE name = ?",
            [(mark, name) for mark in self._keyed(marks)],
        )

    def add(self, name: str, event: Event, note: str) -> None:
        self._db.execute(
            "INSERT INTO entry (account, event, note, paid) SELECT id, ?, ?, ? FROM account WHERE name = ?",
            (to_json(event), note, _now(), name),
        )

    def _keyed(self, marks: Iterable[bytes]) -> list[bytes]:
        prf = crypto.Prf(self._db.execute("SELECT key FROM secret").fetchone()[0])
        return [prf.digest(mark) for mark in marks]


def _application(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA application_id").fetchone()[0])


def _run(db: sqlite3.Connection, statements: str) -> None:
    """One by one: ``executescript`` would commit what came before."""
    for statement in statements.split(";"):
        db.execute(statement)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
