"""The sealed store: what the stand-ins of a conversation stand for, where the provider keeps its history.

A client that sends its whole history needs no store, for tokens are computed. One that sends an id of earlier
words (``previous_response_id``, a conversation, a file, a batch) gets back stand-ins that its request did not
hold: they are remembered here, before the request leaves, and recalled when the reply comes.

    root -> tenant's key  -wraps->  a conversation's random key  -seals->  its name, subjects, entries, links

All that can be seen without a key is digests under the tenant's key, ends and counts. Entries are bound to
tenant, conversation, needle and all of the surrogate; a conversation to its tenant and its end; a link to its
conversation. A row that was changed, moved or copied from elsewhere is refused; one that was removed is
missing, and then the reply keeps its stand-ins. Who erases destroys the random key, then what it sealed.

Under a retired root everything is still found and erased; new entries are sealed under the active one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from masquerade import crypto
from masquerade.errors import BadInput, KeyProblem, StoreProblem, Tampered
from masquerade.keys import Key
from masquerade.mask.span import Fate
from masquerade.mask.surrogate import Surrogate
from masquerade.serve.packing import encoded, packed, unpacked
from masquerade.serve.shelf import DIGEST_BYTES, PAGE, Entry, Erased, FileShelf, Owner, Row, Shelf

DAYS = 24 * 3600
TTL = 30 * DAYS
"""How long a conversation is kept after its last use, in seconds, if nothing else is said."""

_STEPS = 100
"""An end is moved when that is worth a hundredth of the time to live: not every look costs a write."""
_TRIES = 100
_T = TypeVar("_T")
_DESKS = 1024
"""Tenants whose keys are kept ready."""


class Store:
    """Surrogates by tenant and conversation; shared by threads, processes and, in Redis, machines.

    ``clock`` gives seconds since 1970. A conversation ends ``ttl`` seconds after its last use (or up to a
    hundredth of that sooner): what remembers, links or recalls it uses it; :meth:`recall_by` and
    :meth:`conversation_of` do not. Once a conversation was seen to have ended, by anyone, it is gone, and no
    clock that is set back makes it live again.

    Raises:
        KeyProblem: what lies on the shelf is under other roots.

    All methods raise StoreProblem if the shelf cannot be used, and Tampered if what lies there was changed.
    """

    def __init__(
        self, shelf: Shelf, key: Key, *, ttl: int = TTL, clock: Callable[[], float] = time.time
    ) -> None:
        if ttl < 1:
            raise BadInput(f"a conversation must be kept for a second at least, not {ttl}")
        self._shelf, self._key, self._ttl, self._clock = shelf, key, ttl, clock
        self._desks: dict[str, list[_Desk]] = {}
        self._prove_key()

    @classmethod
    def open(
        cls,
        where: str | Path,
        key: Key,
        *,
        ttl: int = TTL,
        clock: Callable[[], float] = time.time,
        most_bytes: int | None = None,
        replicas: int = 0,
    ) -> Store:
        """The store in the file ``where``, of at most ``most_bytes``; or at this address of a Redis (``redis://``,
        ``rediss://``, ``unix://``), of which ``replicas`` must have each write.

        Raises:
            BadInput: the file is no store.
            MissingPackage: the package for Redis is not installed.
            KeyProblem, StoreProblem, Tampered: as above.
        """
        shelf: Shelf
        if isinstance(where, str) and where.startswith(("redis://", "rediss://", "unix://")):
            from masquerade.serve.shelf_redis import RedisShelf

            shelf = RedisShelf(where, replicas=replicas)
        else:
            shelf = FileShelf(Path(where), most_bytes=most_bytes)
        try:
            return cls(shelf, key, ttl=ttl, clock=clock)
        except BaseException:
            shelf.close()
            raise

    def remember(
        self, tenant: str, conversation: str, surrogates: Iterable[Surrogate], subject: str | None = None
    ) -> None:
        """Keeps ``surrogates`` for a conversation: when this returns, all of them are on the disk.

        Whoever is named as ``subject`` can have the whole conversation erased. Twice is as once.
        """
        active, *retired = self._desks_of(tenant)
        for desk in retired:
            self._used(desk, conversation)
        self._write(active, conversation, surrogates=surrogates, subject=subject)

    def recall(self, tenant: str, conversation: str) -> list[Surrogate]:
        """Everything that was remembered for a living conversation, in no order.

        A needle may stand twice, with two originals, if it was remembered so: then it tells neither.
        """
        found: dict[Surrogate, None] = {}
        for desk in self._desks_of(tenant):
            if held := self._used(desk, conversation):
                found.update((held.surrogate(entry), None) for entry in self._shelf.entries(held.row))
        return list(found)

    def recall_by(
        self, tenant: str, needles: Iterable[str], conversation: str | None = None
    ) -> list[Surrogate]:
        """The surrogates with these needles in ``conversation``, or in any living one of the tenant.

        For replies so large that they are restored piece by piece. A needle may stand twice, as above.
        """
        found: dict[Surrogate, None] = {}
        now = self._now()
        desks = self._desks_of(tenant)
        for some in _pages(needles):
            for desk in desks:
                only = None if conversation is None else self._living(desk, conversation)
                if conversation is not None and only is None:
                    continue
                digests = [desk.needle(needle) for needle in some]
                for each, entry in self._shelf.find(digests, only and only.row):
                    if each.until <= now:
                        self._end(now)
                    else:
                        found[desk.held(each).surrogate(entry)] = None
        return list(found)

    def link(self, tenant: str, name: str, conversation: str) -> None:
        """From now on ``name``, an id that the provider gave, leads to ``conversation``; durable as above."""
        active, *retired = self._desks_of(tenant)
        for desk in retired:
            self._used(desk, conversation)
        self._write(active, conversation, link=name)

    def conversation_of(self, tenant: str, name: str) -> str | None:
        """The living conversation that ``name`` leads to, or None."""
        now = self._now()
        for desk in self._desks_of(tenant):
            mark = desk.digest("link", name)
            if (found := self._shelf.linked(mark)) is None:
                continue
            row, tag = found
            if row.until > now:
                return desk.held(row).linked(mark, tag)
            self._end(now)
        return None

    def erase(
        self, tenant: str | None = None, *, subject: str | None = None, conversation: str | None = None
    ) -> Erased:
        """Destroys what is named: all of a tenant; the conversations in which a subject was named; one
        conversation; of one tenant, or of all. What it says is gone is in no file of the store any more.

        Only copies made before can still be read, by who has the key. Counts are of rows: a conversation
        from before a rotation and after it is two.

        Raises:
            BadInput: nothing is named.
            KeyProblem: there are tenants under roots that are not here, who could not be looked at.
            Tampered: some conversations cannot be read, so whether the subject is in them is not known.
            The others are erased all the same.
        """
        if tenant is None and subject is None and conversation is None:
            raise BadInput("say what to erase: a tenant, a subject or a conversation")
        names, strange = ([tenant], None) if tenant is not None else self._tenants()
        total = Erased()
        damaged: list[Row] = []
        for desk in (desk for name in names for desk in self._desks_of(name)):
            for rows in _pages(self._chosen(desk, subject, conversation, damaged)):
                total = total.plus(self._shelf.drop(rows))
        self._shelf.tidy()
        self._shelf.purge()
        if damaged:
            raise Tampered(
                f"{total.conversations} conversations were erased, but {len(damaged)} others cannot be read, "
                "so whether the subject is in them is not known: erase the tenant"
            )
        if strange:
            raise strange
        return total

    def sweep(self) -> int:
        """Destroys the conversations that have ended, and says how many. Call it every few minutes.

        Ends that lie further away than a time to live, from when the clock was ahead, come nearer.
        """
        now = self._now()
        count = self._end(now)
        if late := self._shelf.beyond(now + self._ttl):
            desks = {desk.id: desk for name in self._tenants()[0] for desk in self._desks_of(name)}
            for row in late:
                if desk := desks.get(row.tenant):
                    self._touch(desk.held(row), now)
        self._shelf.tidy()
        return count

    def check(self) -> None:
        """Returns if the store can be read and written: by a small write."""
        self._shelf.check()

    def close(self) -> None:
        """Lets go of the store. Closing twice does nothing."""
        self._shelf.close()

    def __repr__(self) -> str:
        return f"Store({self._shelf!r})"

    # -- conversations ---------------------------------------------------------------------------------

    def _write(
        self,
        desk: _Desk,
        conversation: str,
        *,
        surrogates: Iterable[Surrogate] = (),
        subject: str | None = None,
        link: str | None = None,
    ) -> None:
        wanted = {desk.mark(surrogate): surrogate for surrogate in surrogates}
        for _ in range(_TRIES):
            now = self._now()
            old = self._living(desk, conversation)
            if old is None:
                new, there = desk.fresh(conversation, now + self._ttl), set[bytes]()
            else:
                new, there = old, self._shelf.marks(old.row, list(wanted))
            due = old is not None and self._due(old, now)
            unknown = subject is not None and desk.digest("subject", subject) not in new.subjects
            if due or unknown:
                new = new.again(now + self._ttl, subject)
            entries = [new.entry(mark, each) for mark, each in wanted.items() if mark not in there]
            links = [new.link(link)] if link is not None else []
            if old is not None and new is old and not entries and not links:
                return
            if self._shelf.put(new.row, old and old.row.sealed, entries, links, desk.owner):
                return
        raise StoreProblem("too many write to one conversation at once: try again")

    def _used(self, desk: _Desk, conversation: str) -> _Held | None:
        """A living conversation, whose end now lies a whole time to live away."""
        held = self._living(desk, conversation)
        now = self._now()
        if held is not None and self._due(held, now):
            self._touch(held, now)
        return held

    def _living(self, desk: _Desk, conversation: str) -> _Held | None:
        row = self._shelf.get(desk.digest("conversation", conversation))
        if row is None:
            return None
        now = self._now()
        if row.until > now:
            return desk.held(row)
        self._end(now)
        return None

    def _due(self, held: _Held, now: int) -> bool:
        return abs(now + self._ttl - held.row.until) > self._ttl // _STEPS

    def _touch(self, held: _Held, now: int) -> None:
        """If somebody else does it at the same time, or erases it, that is as well."""
        self._shelf.put(held.again(now + self._ttl).row, held.row.sealed, [], [], held.desk.owner)

    def _end(self, now: int) -> int:
        """Destroys all that has ended by ``now``, and says how many: what was seen dead stays dead."""
        total = 0
        while rows := self._shelf.ended(now):
            count = self._shelf.drop(rows).conversations
            total += count
            if not count:
                break  # others are at it
        return total

    def _chosen(
        self, desk: _Desk, subject: str | None, conversation: str | None, damaged: list[Row]
    ) -> Iterator[Row]:
        if conversation is None:
            rows = self._shelf.rows(desk.id)
        else:
            row = self._shelf.get(desk.digest("conversation", conversation))
            rows = iter([] if row is None else [row])
        if subject is None:
            yield from rows
            return
        sought = desk.digest("subject", subject)
        for row in rows:
            try:
                if sought in desk.held(row).subjects:
                    yield row
            except Tampered:
                damaged.append(row)

    def _now(self) -> int:
        return int(self._clock())

    # -- keys ------------------------------------------------------------------------------------------

    def _desks_of(self, tenant: str) -> list[_Desk]:
        """One for each root, the active one first."""
        if (found := self._desks.get(tenant)) is None:
            if len(self._desks) >= _DESKS:
                self._desks.clear()
            found = [_Desk(root, tenant) for root in (self._key, *self._key.retired)]
            self._desks[tenant] = found
        return found

    def _tenants(self) -> tuple[list[str], KeyProblem | None]:
        """Those whose roots are here; and what to say of the others."""
        names: dict[str, None] = {}
        strange = set()
        for owner in self._shelf.owners():
            root = self._key.find(owner.root.hex())
            if root is None:
                strange.add(owner.root.hex())
            else:
                names[_owner_name(root, owner)] = None
        return list(names), self._needs(strange) if strange else None

    def _prove_key(self) -> None:
        owners = {owner.root: owner for owner in self._shelf.owners()}
        roots = [(self._key.find(root.hex()), owner) for root, owner in owners.items()]
        known = [(root, owner) for root, owner in roots if root is not None]
        if owners and not known:
            raise self._needs({root.hex() for root in owners})
        for root, owner in known:
            _owner_name(root, owner)

    def _needs(self, roots: set[str]) -> KeyProblem:
        held = ", ".join(each.id for each in (self._key, *self._key.retired))
        return KeyProblem(
            f"the store needs the key {', '.join(sorted(roots))}, and this is {held}: "
            "see 'masquerade keys show'"
        )


class _Desk:
    """One tenant under one root: its digests, and what wraps its conversations' keys."""

    __slots__ = ("_prf", "_wrapping", "id", "owner")

    def __init__(self, root: Key, tenant: str) -> None:
        secret = root.tenant(tenant).purpose("store")
        self._prf = crypto.Prf(crypto.derive(secret, "masquerade store digests"))
        self._wrapping = crypto.derive(secret, "masquerade store wrapping")
        self.id = self.digest("tenant")
        root_id = bytes.fromhex(root.id)
        sealed = crypto.seal(_owner_key(root), packed(tenant), _bound("owner", self.id, root_id))
        self.owner = Owner(self.id, root_id, sealed)

    def digest(self, what: str, *texts: str) -> bytes:
        """What stands on the shelf for ``texts``: without the key it tells nothing but equality."""
        return self._prf.digest(_bound(what, *map(encoded, texts)))[:DIGEST_BYTES]

    def needle(self, needle: str) -> bytes:
        return self.digest("needle", needle)

    def mark(self, surrogate: Surrogate) -> bytes:
        return self.digest("mark", *surrogate)

    def fresh(self, conversation: str, until: int) -> _Held:
        """A conversation under a new random key."""
        name, key = self.digest("conversation", conversation), crypto.random_bytes(crypto.KEY_BYTES)
        wrapped = crypto.seal(self._wrapping_of(name), key, _bound("key", self.id, name))
        row = Row(self.id, name, until, wrapped, b"")
        return _Held(self, conversation, key, frozenset(), row)._sealed()

    def held(self, row: Row) -> _Held:
        """A conversation that lies on the shelf.

        Raises:
            Tampered: any of its columns was changed, or it is another tenant's.
        """
        key = crypto.open_sealed(self._wrapping_of(row.name), row.wrapped, _bound("key", self.id, row.name))
        bound = _bound("conversation", row.tenant, row.name, _end_of(row))
        conversation, *subjects = unpacked(crypto.open_sealed(key, row.sealed, bound))
        return _Held(self, conversation, key, frozenset(map(bytes.fromhex, subjects)), row)

    def _wrapping_of(self, name: bytes) -> bytes:
        return crypto.derive(self._wrapping, "masquerade store conversation", name)

    def __repr__(self) -> str:
        return "_Desk(secret)"


class _Held(NamedTuple):
    """A conversation whose key is at hand."""

    desk: _Desk
    conversation: str
    key: bytes
    subjects: frozenset[bytes]
    row: Row

    def again(self, until: int, subject: str | None = None) -> _Held:
        """The same with another end, and with one subject more."""
        more = set() if subject is None else {self.desk.digest("subject", subject)}
        return self._replace(row=self.row._replace(until=until), subjects=self.subjects | more)._sealed()

    def _sealed(self) -> _Held:
        piece = packed(self.conversation, *(subject.hex() for subject in sorted(self.subjects)))
        bound = _bound("conversation", self.row.tenant, self.row.name, _end_of(self.row))
        return self._replace(row=self.row._replace(sealed=crypto.seal(self.key, piece, bound)))

    def entry(self, mark: bytes, surrogate: Surrogate) -> Entry:
        needle = self.desk.needle(surrogate.needle)
        return Entry(mark, needle, crypto.seal(self.key, packed(*surrogate), self._place(mark, needle)))

    def surrogate(self, entry: Entry) -> Surrogate:
        """The inverse of :meth:`entry`."""
        piece = crypto.open_sealed(self.key, entry.sealed, self._place(entry.mark, entry.needle))
        text, needle, original, kind, fate = unpacked(piece)
        return Surrogate(text, needle, original, kind, Fate(fate))

    def _place(self, mark: bytes, needle: bytes) -> bytes:
        return _bound("entry", self.row.tenant, self.row.name, mark, needle)

    def link(self, name: str) -> tuple[bytes, bytes]:
        mark = self.desk.digest("link", name)
        return mark, crypto.seal(self.key, b"", _bound("link", self.row.tenant, self.row.name, mark))

    def linked(self, mark: bytes, tag: bytes) -> str:
        """The conversation, if this link leads to it."""
        crypto.open_sealed(self.key, tag, _bound("link", self.row.tenant, self.row.name, mark))
        return self.conversation

    def __repr__(self) -> str:
        return "_Held(secret)"


def _end_of(row: Row) -> bytes:
    return row.until.to_bytes(8, "big", signed=True)


def _owner_key(root: Key) -> bytes:
    """An owner's row holds the tenant's name, so its key comes from the root and not from the tenant."""
    return root.tenant("").purpose("store owners")


def _owner_name(root: Key, owner: Owner) -> str:
    bound = _bound("owner", owner.tenant, owner.root)
    (name,) = unpacked(crypto.open_sealed(_owner_key(root), owner.sealed, bound))
    return name


def _bound(what: str, *parts: bytes) -> bytes:
    """``what`` and ``parts`` with their lengths, so that no two lists give the same bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in (what.encode(), *parts))


def _pages(items: Iterable[_T]) -> Iterator[list[_T]]:
    rest = iter(items)
    while some := list(islice(rest, PAGE)):
        yield some
