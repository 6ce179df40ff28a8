"""The vault: what lies beside a masked file, so that it can be restored; sealed, and on disk, not in memory.

One SQLite file, closed by a footer:

    header   sealed: tenant, count of entries, kinds, notes
    entry    needle (public: it stands in the masked file)  ->  sealed (text, original, kind, fate)
    footer   magic (8) | key id (4) | salt (16) | SHA-256 of everything before it (32) | seal of these (28)

An entry is sealed under a key made from the tenant's key and the vault's random salt, and bound to its
needle, so no entry can be moved to another needle or another vault. The footer covers every byte, so a
changed, added or dropped entry is noticed when the vault is opened, before anything is restored, and before
SQLite reads a byte: what an attacker may write in a database, it would run. Entries are padded to 32 bytes:
lengths show a value's size only roughly. Memory does not grow with the file.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sqlite3
import struct
from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from masquerade import crypto
from masquerade.errors import BadInput, KeyProblem, Tampered
from masquerade.keys import Key
from masquerade.mask.span import Fate
from masquerade.mask.surrogate import Surrogate
from masquerade.serve.packing import encoded, packed, unpacked

_MAGIC = b"MQVAULT1"
_SALT_BYTES = 16
_FOOTER = struct.Struct(f"8s4s{_SALT_BYTES}s32s28s")
_HEAD_BYTES = 8 + 4 + _SALT_BYTES
_PIECE_BYTES = 1 << 20

_CACHED = 32_768
"""Surrogates kept in memory; a few hundred bytes each."""
_BATCH = 4096
"""New entries written at once."""

_SCHEMA = """
CREATE TABLE header (sealed BLOB NOT NULL);
CREATE TABLE entry (
    needle TEXT PRIMARY KEY, plausible INTEGER NOT NULL, sealed BLOB NOT NULL
) WITHOUT ROWID;
"""


class Vault:
    """Needles and their surrogates, on disk: a ``Book`` that outlives its process.

    Made by :meth:`create` and filled by masking, or opened read-only by :meth:`open`. A new vault counts
    only once :meth:`finish` has returned; leaving it before that leaves a file that no one can open.
    One thread at a time.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, key: Key, salt: bytes, tenant: str) -> None:
        self._db, self.path, self._salt = db, path, salt
        self._header_key = _header_key(key, salt)
        self._entry_key = crypto.derive(key.tenant(tenant).purpose("vault"), "masquerade vault entry", salt)
        self._cache: OrderedDict[str, Surrogate] = OrderedDict()
        self._new: dict[str, Surrogate] = {}
        self._kinds: set[str] = set()
        self.key_id = key.id
        self.tenant = tenant
        self.notes: dict[str, str] = {}
        """Short facts about the masked file that restoring it needs; sealed with the header."""
        self.count = 0
        """Entries, once the vault is finished or opened."""

    @classmethod
    def create(cls, path: Path, key: Key, tenant: str = "default", *, reserved: bool = False) -> Vault:
        """A new vault at ``path``, mode 0600. ``reserved``: an empty file is there already, the caller's own.

        Raises:
            OSError: the file exists, or cannot be made.
        """
        if not reserved:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        # Nobody else knows this file, so SQLite need not lock it.
        db = sqlite3.connect(f"{path.absolute().as_uri()}?nolock=1", uri=True, isolation_level=None)
        # Until `finish` the file is worth nothing, so there is nothing for a journal to protect.
        db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;"
            "PRAGMA cache_size = -32768; BEGIN;" + _SCHEMA
        )
        return cls(db, path, key, crypto.random_bytes(_SALT_BYTES), tenant)

    @classmethod
    def open(cls, path: Path, key: Key) -> Vault:
        """An existing vault, to read; its tenant and which of ``key``'s roots it needs stand in it.

        Raises:
            BadInput: there is no such file, or it is no vault.
            KeyProblem: ``key`` has no root with the id that the vault names.
            Tampered: a byte was changed, added or dropped, or the vault was never finished.
        """
        try:
            with path.open("rb") as file:
                footer = _read_footer(file, path)
        except OSError as problem:
            raise BadInput(f"cannot read the vault: {problem.strerror}", source=str(path)) from None
        _, key_id, salt, _, seal = _FOOTER.unpack(footer)
        root = key.find(key_id.hex())
        if root is None:
            held = ", ".join(each.id for each in (key, *key.retired))
            raise KeyProblem(
                f"{path} needs the key {key_id.hex()}, and this is {held}: see 'masquerade keys show'"
            )
        header_key = _header_key(root, salt)
        try:
            crypto.open_sealed(header_key, seal, footer[: -len(seal)])
            db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None
            )
            (sealed,) = db.execute("SELECT sealed FROM header").fetchone()
            header = json.loads(crypto.open_sealed(header_key, sealed, b"header"))
        except (Tampered, sqlite3.Error, TypeError):
            raise Tampered(f"{path}: this vault was changed after it was written") from None
        vault = cls(db, path, root, salt, header["tenant"])
        vault.count, vault.notes, vault._kinds = header["count"], header["notes"], set(header["kinds"])
        return vault

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of its entries."""
        return frozenset(self._kinds)

    def get(self, needle: str) -> Surrogate | None:
        """The surrogate that ``needle`` belongs to, or None.

        Raises:
            Tampered: its entry does not authenticate.
        """
        if (found := self._new.get(needle)) is not None:
            return found
        if (found := self._cache.get(needle)) is not None:
            self._cache.move_to_end(needle)
            return found
        with _disk_errors():  # reading may push unwritten pages out
            row = self._db.execute("SELECT sealed FROM entry WHERE needle = ?", (needle,)).fetchone()
        if row is None:
            return None
        text, original, kind, fate = unpacked(crypto.open_sealed(self._entry_key, row[0], encoded(needle)))
        found = Surrogate(text, needle, original, kind, Fate(fate))
        self._remember(found)
        return found

    def put(self, surrogate: Surrogate) -> None:
        """Records ``surrogate``; one that is there already stays."""
        if surrogate.needle in self._new or surrogate.needle in self._cache:
            return
        self._new[surrogate.needle] = surrogate
        if len(self._new) >= _BATCH:
            self._write()

    def plausible(self, most: int) -> dict[str, list[int]]:
        """How the needles of plausible values begin, which no form tells apart from other text, and how long
        those are that begin so.

        At most ``most`` beginnings (but one for each first symbol), as long as that allows: whole needles, if
        there are no more of them.
        """
        chosen = "FROM entry WHERE plausible"
        total, longest = self._db.execute(f"SELECT count(*), max(length(needle)) {chosen}").fetchone()
        size = longest or 0
        if total > most:
            size = 1
            begins = f"SELECT DISTINCT substr(needle, 1, ?) {chosen} LIMIT ?"
            while len(self._db.execute(begins, (size + 1, most + 1)).fetchall()) <= most:
                size += 1
        found: dict[str, list[int]] = {}
        pairs = f"SELECT DISTINCT substr(needle, 1, ?), length(needle) {chosen}"
        for head, length in self._db.execute(pairs, (size,)):
            found.setdefault(head, []).append(length)
        return found

    def finish(self) -> None:
        """Writes what is left, then the header and the footer; on return the bytes are on the disk.

        Raises:
            OSError: they could not be written.
        """
        self._write()
        with _disk_errors():
            (self.count,) = self._db.execute("SELECT count(*) FROM entry").fetchone()
        header = {
            "tenant": self.tenant,
            "count": self.count,
            "kinds": sorted(self._kinds),
            "notes": self.notes,
        }
        sealed = crypto.seal(self._header_key, json.dumps(header).encode(), b"header")
        with _disk_errors():
            self._db.execute("INSERT INTO header VALUES (?)", (sealed,))
            self._db.execute("COMMIT")
        self.close()
        with self.path.open("r+b") as file:
            body = iter(lambda: file.read(_PIECE_BYTES), b"")
            head = _MAGIC + bytes.fromhex(self.key_id) + self._salt
            bound = head + crypto.sha256_of(chain(body, (head,)))
            file.write(bound + crypto.seal(self._header_key, b"", bound))
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """Lets go of the file. Closing twice does nothing."""
        self._db.close()

    def __enter__(self) -> Vault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Vault(key {self.key_id}, {self.count} entries)"

    def _remember(self, surrogate: Surrogate) -> None:
        self._cache[surrogate.needle] = surrogate
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)

    def _write(self) -> None:
        rows = []
        for new in self._new.values():
            piece = packed(new.text, new.original, new.kind, new.fate)
            sealed = crypto.seal(self._entry_key, piece, encoded(new.needle))
            rows.append((new.needle, new.fate is Fate.PLAUSIBLE, sealed))
            self._kinds.add(new.kind)
            self._remember(new)
        rows.sort()
        self._new.clear()
        with _disk_errors():
            self._db.executemany("INSERT OR IGNORE INTO entry VALUES (?, ?, ?)", rows)


def _header_key(root: Key, salt: bytes) -> bytes:
    """The header holds the tenant's name, so its key comes from the root and not from the tenant."""
    return crypto.derive(root.tenant("").purpose("vault header"), "masquerade vault header", salt)


def _read_footer(file: BinaryIO, path: Path) -> bytes:
    """The footer, once its digest is that of the bytes before it."""
    if not file.read(16) == b"SQLite format 3\0":
        raise BadInput(
            "this is no vault: give the .vault file that was written with the masked one", source=str(path)
        )
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _FOOTER.size, 0))
    footer = file.read()
    file.seek(0)
    hashed = size - _FOOTER.size + _HEAD_BYTES
    digest = crypto.sha256_of(
        file.read(min(_PIECE_BYTES, hashed - at)) for at in range(0, hashed, _PIECE_BYTES)
    )
    if len(footer) != _FOOTER.size or not footer.startswith(_MAGIC) or _FOOTER.unpack(footer)[3] != digest:
        raise Tampered(f"{path}: this vault was changed, cut short, or never finished")
    return footer


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """SQLite's word for a full disk, in the system's."""
    try:
        yield
    except sqlite3.Error as problem:
        full = getattr(problem, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
        code = errno.ENOSPC if full else errno.EIO
        raise OSError(code, os.strerror(code)) from None
