"""What the sealed store lies in: rows of sealed bytes under keyed digests, in SQLite, for many processes.

A ``Shelf`` knows no names and no keys. Each call is one transaction, and is on the disk when it returns.

**Where a key lies.** SQLite moves cells about when it splits and joins pages, and leaves copies behind that
``secure_delete`` does not reach: one in ten thousand, by our count, is whole. What was erased could be read
there, if it held a key. So a wrapped key lies in a slot: a row of fixed size in a table that only grows at
its end, which SQLite writes over in place and never moves. An erased key is written over with zeros, its slot
is used again, and copies of what it sealed are worth nothing.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from masquerade.errors import BadInput, StoreProblem, Tampered

DIGEST_BYTES = 16
"""Length of every name here, each a keyed digest."""
PAGE = 500
"""Rows read or dropped at a time."""

_APPLICATION = 0x4D515331
"""SQLite's application id of a store: MQS1."""


class Row(NamedTuple):
    """A conversation: its end (seconds since 1970), its wrapped key, what that seals of it, its place."""

    tenant: bytes
    name: bytes
    until: int
    wrapped: bytes
    sealed: bytes
    at: bytes = b""

    def __repr__(self) -> str:
        return "Row(sealed)"


class Entry(NamedTuple):
    """One surrogate: the digest of all of it, that of its needle, and the surrogate sealed."""

    mark: bytes
    needle: bytes
    sealed: bytes


class Owner(NamedTuple):
    """A tenant: its digest, the id of the root that this is under, and its name, sealed."""

    tenant: bytes
    root: bytes
    sealed: bytes


class Erased(NamedTuple):
    """How many were destroyed."""

    conversations: int = 0
    entries: int = 0
    links: int = 0

    def plus(self, other: Erased) -> Erased:
        return Erased(*(a + b for a, b in zip(self, other, strict=True)))


class Shelf(Protocol):
    """A place for sealed rows, for any thread.

    All of it raises StoreProblem, if it cannot be read or written, and Tampered, if a row has no form.
    """

    def get(self, name: bytes) -> Row | None:
        """The conversation of that name."""

    def put(
        self,
        row: Row,
        was: bytes | None,
        entries: Sequence[Entry],
        links: Sequence[tuple[bytes, bytes]],
        owner: Owner,
    ) -> bool:
        """Writes all or nothing, if the conversation's ``sealed`` is still ``was`` (None: there is none).

        Entries that are there stay, links are written over: each is a digest, and a tag that proves it.
        """

    def marks(self, row: Row, marks: Sequence[bytes]) -> set[bytes]:
        """Which of these the conversation has."""

    def entries(self, row: Row) -> Iterator[Entry]:
        """All entries of a conversation, in no order."""

    def find(self, needles: Sequence[bytes], row: Row | None = None) -> list[tuple[Row, Entry]]:
        """Entries with these needles, each mark once, of the conversation that ends last; or of ``row``."""

    def linked(self, mark: bytes) -> tuple[Row, bytes] | None:
        """The conversation that a link leads to, and its tag."""

    def rows(self, tenant: bytes) -> Iterator[Row]:
        """All conversations of a tenant; they may be dropped on the way."""

    def ended(self, now: int) -> list[Row]:
        """Some conversations whose end has come; none, if there are no more."""

    def beyond(self, latest: int) -> list[Row]:
        """Some conversations that end after ``latest``."""

    def owners(self) -> list[Owner]:
        """All tenants."""

    def drop(self, rows: Sequence[Row]) -> Erased:
        """Destroys the keys of these conversations, and removes what belongs to them."""

    def tidy(self) -> None:
        """Removes tenants without conversations, and what an interrupted :meth:`drop` left."""

    def purge(self) -> None:
        """When it returns, nothing that was dropped is in the files any more."""

    def check(self) -> None:
        """Returns if the shelf can be read and written."""

    def close(self) -> None:
        """Lets go of it. Closing twice does nothing."""


_SCHEMA = """
CREATE TABLE slot (id INTEGER PRIMARY KEY, wrapped BLOB NOT NULL);
CREATE TABLE free (slot INTEGER PRIMARY KEY);
CREATE TABLE owner (tenant BLOB PRIMARY KEY, root BLOB NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE conversation (
    id INTEGER PRIMARY KEY AUTOINCREMENT, tenant BLOB NOT NULL, name BLOB NOT NULL UNIQUE,
    until INTEGER NOT NULL, slot INTEGER NOT NULL UNIQUE, sealed BLOB NOT NULL
);
CREATE INDEX conversation_of_tenant ON conversation (tenant);
CREATE INDEX conversation_by_end ON conversation (until);
CREATE TABLE entry (
    conversation INTEGER NOT NULL, mark BLOB NOT NULL, needle BLOB NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (conversation, mark)
) WITHOUT ROWID;
CREATE INDEX entry_by_needle ON entry (needle);
CREATE TABLE link (mark BLOB PRIMARY KEY, conversation INTEGER NOT NULL, tag BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX link_of_conversation ON link (conversation);
CREATE TABLE beat (n INTEGER NOT NULL);
INSERT INTO beat VALUES (0);
"""

_ROW = (
    "SELECT c.tenant, c.name, c.until, slot.wrapped, c.sealed, c.id {more} "
    "FROM {source} LEFT JOIN slot ON slot.id = c.slot "
)
_FROM_CONVERSATION = _ROW.format(more="", source="conversation AS c")
_FROM_LINK = _ROW.format(more=", link.tag", source="link JOIN conversation AS c ON c.id = link.conversation")
_FROM_ENTRY = _ROW.format(
    more=", e.mark, e.needle, e.sealed, max(c.until)",
    source="entry AS e JOIN conversation AS c ON c.id = e.conversation",
)
_MARKS = "SELECT mark FROM entry WHERE conversation = ? AND mark IN ({})"


class FileShelf:
    """A shelf in the file at ``path``, which is made with mode 0600 when there is none.

    ``most_bytes`` limits the file; ``wait`` is how long others may hold it, in seconds. Opened in the process
    that uses it, never before a fork.

    Raises:
        BadInput: the file is no store.
        StoreProblem: it cannot be made or opened.
    """

    def __init__(self, path: Path, *, most_bytes: int | None = None, wait: float = 10.0) -> None:
        self.path, self._wait, self._most = path, wait, most_bytes
        self._file = path.absolute()
        # While one connection stays open, SQLite does not take the log's file away.
        self._anchor: sqlite3.Connection
        self._idle: list[sqlite3.Connection] = []
        self._turn = threading.Lock()  # waiting for a lock costs less than asking SQLite again and again
        self._closed = False
        self._files: tuple[tuple[int, int], ...] | None = None
        with self._problems():
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
        with self._problems():
            self._anchor = self._connected()
            try:
                self._make_or_check(self._anchor)
                self._files = self._seen()
            except BaseException:
                self._anchor.close()
                raise

    def get(self, name: bytes) -> Row | None:
        with self._db() as db:
            found = db.execute(_FROM_CONVERSATION + "WHERE c.name = ?", (name,)).fetchone()
        return found and _row(found)

    def put(
        self,
        row: Row,
        was: bytes | None,
        entries: Sequence[Entry],
        links: Sequence[tuple[bytes, bytes]],
        owner: Owner,
    ) -> bool:
        with self._writing() as db:
            found = db.execute("SELECT id, sealed FROM conversation WHERE name = ?", (row.name,)).fetchone()
            if (found and found[1]) != was:
                return False
            if found is None:
                place = self._insert(db, row)
                db.execute("INSERT OR IGNORE INTO owner VALUES (?, ?, ?)", owner)
            else:
                place = found[0]
                if row.sealed != was:
                    db.execute(
                        "UPDATE conversation SET until = ?, sealed = ? WHERE id = ?",
                        (row.until, row.sealed, place),
                    )
            db.executemany(
                "INSERT OR IGNORE INTO entry VALUES (?, ?, ?, ?)", [(place, *entry) for entry in entries]
            )
            db.executemany(
                "INSERT OR REPLACE INTO link VALUES (?, ?, ?)", [(mark, place, tag) for mark, tag in links]
            )
        return True

    def marks(self, row: Row, marks: Sequence[bytes]) -> set[bytes]:
        found: set[bytes] = set()
        with self._db() as db:
            for some in _pages(marks):
                rows = db.execute(_MARKS.format(_holes(some)), (_place(row), *some))
                found.update(mark for (mark,) in rows)
        return found

    def entries(self, row: Row) -> Iterator[Entry]:
        query = (
            "SELECT mark, needle, sealed FROM entry WHERE conversation = ? AND mark > ? ORDER BY mark LIMIT ?"
        )
        last = b""
        while True:
            with self._db() as db:
                found = db.execute(query, (_place(row), last, PAGE)).fetchall()
            yield from map(_entry, found)
            if len(found) < PAGE:
                return
            last = found[-1][0]

    def find(self, needles: Sequence[bytes], row: Row | None = None) -> list[tuple[Row, Entry]]:
        found: list[tuple[Row, Entry]] = []
        alone, which = ("", ()) if row is None else (" AND e.conversation = ?", (_place(row),))
        with self._db() as db:
            for some in _pages(needles):
                query = f"{_FROM_ENTRY} WHERE e.needle IN ({_holes(some)}){alone} GROUP BY e.needle, e.mark"
                rows = db.execute(query, (*some, *which)).fetchall()
                found += [(_row(each[:6]), _entry(each[6:9])) for each in rows]
        return found

    def linked(self, mark: bytes) -> tuple[Row, bytes] | None:
        with self._db() as db:
            found = db.execute(_FROM_LINK + "WHERE link.mark = ?", (mark,)).fetchone()
        if found is None:
            return None
        return _row(found[:6]), _blob(found[6])

    def rows(self, tenant: bytes) -> Iterator[Row]:
        query = _FROM_CONVERSATION + "WHERE c.tenant = ? AND c.id > ? ORDER BY c.id LIMIT ?"
        last = -1
        while True:
            with self._db() as db:
                found = db.execute(query, (tenant, last, PAGE)).fetchall()
            yield from map(_row, found)
            if len(found) < PAGE:
                return
            last = found[-1][5]

    def ended(self, now: int) -> list[Row]:
        return self._some("WHERE c.until <= ? LIMIT ?", now)

    def beyond(self, latest: int) -> list[Row]:
        return self._some("WHERE c.until > ? LIMIT ?", latest)

    def _some(self, which: str, bound: int) -> list[Row]:
        with self._db() as db:
            return [_row(each) for each in db.execute(_FROM_CONVERSATION + which, (bound, PAGE)).fetchall()]

    def owners(self) -> list[Owner]:
        with self._db() as db:
            found = db.execute("SELECT tenant, root, sealed FROM owner").fetchall()
        return [Owner(*map(_blob, each)) for each in found]

    def drop(self, rows: Sequence[Row]) -> Erased:
        total = Erased()
        with self._writing() as db:
            for row in rows:
                total = total.plus(self._drop(db, _place(row)))
        return total

    def tidy(self) -> None:
        with self._writing() as db:
            db.execute("DELETE FROM owner WHERE tenant NOT IN (SELECT tenant FROM conversation)")

    def purge(self) -> None:
        with self._turn, self._db() as db:
            (busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StoreProblem(
                f"erased, but others read {self.path}, so its log was not emptied: erase again"
            )

    def check(self) -> None:
        with self._writing() as db:
            db.execute("UPDATE beat SET n = n + 1")

    def close(self) -> None:
        self._closed = True
        self._anchor.close()
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def __repr__(self) -> str:
        return f"FileShelf({self.path})"

    # -- rows ------------------------------------------------------------------------------------------

    def _insert(self, db: sqlite3.Connection, row: Row) -> int:
        free = db.execute("SELECT slot FROM free LIMIT 1").fetchone()
        if free is None:
            slot = db.execute("INSERT INTO slot (wrapped) VALUES (?)", (row.wrapped,)).lastrowid
        else:
            slot = free[0]
            db.execute("DELETE FROM free WHERE slot = ?", (slot,))
            db.execute("UPDATE slot SET wrapped = ? WHERE id = ?", (row.wrapped, slot))
        placed = db.execute(
            "INSERT INTO conversation (tenant, name, until, slot, sealed) VALUES (?, ?, ?, ?, ?)",
            (row.tenant, row.name, row.until, slot, row.sealed),
        )
        return placed.lastrowid or 0

    def _drop(self, db: sqlite3.Connection, place: int) -> Erased:
        found = db.execute("SELECT slot FROM conversation WHERE id = ?", (place,)).fetchone()
        if found is None:
            return Erased()
        db.execute("UPDATE slot SET wrapped = zeroblob(length(wrapped)) WHERE id = ?", found)
        db.execute("INSERT OR IGNORE INTO free VALUES (?)", found)
        db.execute("DELETE FROM conversation WHERE id = ?", (place,))
        entries = db.execute("DELETE FROM entry WHERE conversation = ?", (place,)).rowcount
        links = db.execute("DELETE FROM link WHERE conversation = ?", (place,)).rowcount
        return Erased(1, entries, links)

    # -- the file --------------------------------------------------------------------------------------

    @contextmanager
    def _db(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else uses for so long."""
        with self._problems():
            self._same_files()
            db = self._idle.pop() if self._idle else self._connected()
            try:
                yield db
            except BaseException:
                db.close()  # rolls back
                raise
            self._idle.append(db)
            if self._closed:
                self.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._turn, self._db() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
            self._same_files()  # what was written to a file without a name is lost

    def _connected(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreProblem("the store is closed")
        db = sqlite3.connect(
            f"{self._file.as_uri()}?mode=rw",
            uri=True,
            timeout=self._wait,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            # The schema is the file's, and the file may be an attacker's: nothing of it is trusted.
            db.executescript(
                "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON;"
                "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA temp_store = MEMORY;"
            )
            if self._most is not None:
                size = db.execute("PRAGMA page_size").fetchone()[0]
                db.execute(f"PRAGMA max_page_count = {max(self._most // size, 1)}")
        except BaseException:
            db.close()
            raise
        return db

    def _make_or_check(self, db: sqlite3.Connection) -> None:
        if db.execute("PRAGMA application_id").fetchone()[0] == 0:
            if db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                raise self._no_store()
            self._log_ahead(db)
            db.execute("BEGIN IMMEDIATE")
            if db.execute("PRAGMA application_id").fetchone()[0] == 0:
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {_APPLICATION}")
            db.execute("COMMIT")
        if db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
            raise self._no_store()
        self._log_ahead(db)
        if _schema_of(db) != _own_schema():
            raise Tampered(f"{self.path}: the tables of this store are not those that were made")

    def _log_ahead(self, db: sqlite3.Connection) -> None:
        """Write-ahead logging; SQLite does not wait for this by itself when others open the file too."""
        deadline = time.monotonic() + self._wait
        while True:
            try:
                (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
                break
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        if mode != "wal":
            raise StoreProblem(
                f"{self.path} lies where SQLite cannot share it: put it on a disk of this machine"
            )
        db.execute("SELECT n FROM beat" if _has_tables(db) else "SELECT 1").fetchone()  # makes the log's file

    def _seen(self) -> tuple[tuple[int, int], ...]:
        """Which files these are: the database's, and its log's."""
        found = (Path(f"{self._file}{end}").stat() for end in ("", "-wal"))
        return tuple((each.st_dev, each.st_ino) for each in found)

    def _same_files(self) -> None:
        """SQLite goes on with a file that was removed under it, and so would we."""
        if self._files is None:
            return
        try:
            same = self._seen() == self._files
        except OSError:
            same = False
        if not same:
            raise StoreProblem(
                f"{self.path} was removed or replaced while in use: put it back, or start again"
            )

    def _no_store(self) -> BadInput:
        return BadInput("this is no store; name another file", source=str(self.path))

    @contextmanager
    def _problems(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as problem:
            code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_NOTADB and self._files is None:
                raise self._no_store() from None
            if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise Tampered(f"{self.path}: this store was changed or damaged") from None
            why = _WHY.get(code, "cannot be used")
            raise StoreProblem(f"the store {self.path} {why}") from None
        except UnicodeDecodeError:  # of SQLite's own message about what is damaged
            raise Tampered(f"{self.path}: this store was changed or damaged") from None
        except OSError as problem:
            raise StoreProblem(f"cannot make the store {self.path}: {problem.strerror}") from None


_WHY = {
    sqlite3.SQLITE_FULL: "is full: make room, or let fewer days be kept; nothing that was kept is lost",
    sqlite3.SQLITE_IOERR: "cannot be read or written: disk full or broken? Nothing that was kept is lost",
    sqlite3.SQLITE_BUSY: "is held by others: try again",
    sqlite3.SQLITE_LOCKED: "is held by others: try again",
    sqlite3.SQLITE_READONLY: "may not be written",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
}


def _schema_of(db: sqlite3.Connection) -> list[tuple[str, str]]:
    rows = db.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
    return [(name, sql) for name, sql in rows]


def _has_tables(db: sqlite3.Connection) -> bool:
    return bool(db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'beat'").fetchone()[0])


def _own_schema() -> list[tuple[str, str]]:
    db = sqlite3.connect(":memory:")
    db.executescript(_SCHEMA)
    try:
        return _schema_of(db)
    finally:
        db.close()


def _place(row: Row) -> int:
    return int.from_bytes(row.at, "big")


def _row(found: Sequence[object]) -> Row:
    tenant, name, until, wrapped, sealed, place = found
    if not isinstance(until, int) or not isinstance(place, int) or place < 0:
        raise Tampered("a row of the store has no form: it was changed")
    at = place.to_bytes(8, "big")
    return Row(_blob(tenant), _blob(name), until, _blob(wrapped), _blob(sealed), at)


def _entry(found: Sequence[object]) -> Entry:
    return Entry(*map(_blob, found))


def _blob(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise Tampered("a row of the store has no form: it was changed")
    return value


def _pages(items: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = iter(items)
    while some := list(islice(rest, PAGE)):
        yield some


def _holes(some: Sequence[object]) -> str:
    return ",".join("?" * len(some))
