"""The sealed store's rows in Redis, for gateways on several machines.

    owners            hash    tenant digest -> root id | sealed name
    t:TENANT          set     names of its conversations
    ends              sorted  name -> when it ends
    c:NAME            hash    tenant, until, wrapped key, sealed, at: a random place of its own
    e:AT              hash    mark -> needle | sealed entry
    k:AT              set     links that lead here
    n:NEEDLE          set     name | at | mark of entries with this needle
    l:LINK            string  name | at | tag
    gone              set     name | at of conversations without a key, whose entries are being removed

Each change is one MULTI under a WATCH of its conversation. A conversation is destroyed by removing
``c:NAME``, and the key with it; then what it sealed is cleared away in pieces, and ``gone`` remembers that.
All keys have one hash tag, so they lie in one slot of a cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from masquerade import crypto
from masquerade.errors import MissingPackage, StoreProblem, Tampered
from masquerade.serve.shelf import DIGEST_BYTES, PAGE, Entry, Erased, Owner, Row

_AT_BYTES = 8
_PLACE = DIGEST_BYTES + _AT_BYTES
_ROOT_BYTES = 4
_FIELDS = ("tenant", "until", "wrapped", "sealed", "at")
_TRIES = 100
_REWRITE_SECONDS = 120.0


class RedisShelf:
    """A shelf in the Redis at ``url`` (``redis://``, ``rediss://`` or ``unix://``).

    What was written counts once Redis has it on its disk (``appendonly yes``, ``appendfsync always``), and
    once ``replicas`` others have it too. ``wait`` is how long an answer may take, in seconds.

    Raises:
        MissingPackage: the package is not installed.
        StoreProblem: Redis does not answer, or would not keep what it is given.
    """

    def __init__(self, url: str, *, replicas: int = 0, wait: float = 10.0) -> None:
        try:
            import redis
        except ImportError:
            raise MissingPackage("a store in Redis", "redis") from None
        self._replicas, self._wait = replicas, wait
        self._problem, self._lost, self._conflict = redis.RedisError, redis.ConnectionError, redis.WatchError
        try:
            self._redis: Any = redis.Redis.from_url(
                url, socket_timeout=wait, socket_connect_timeout=min(wait, 5.0), health_check_interval=30
            )
        except ValueError:
            raise StoreProblem("this is no address of a Redis: give redis://HOST:PORT/NUMBER") from None
        self.check()

    def get(self, name: bytes) -> Row | None:
        with self._problems():
            return _row(name, self._redis.hmget(_key(b"c", name), _FIELDS))

    def put(
        self,
        row: Row,
        was: bytes | None,
        entries: Sequence[Entry],
        links: Sequence[tuple[bytes, bytes]],
        owner: Owner,
    ) -> bool:
        def write(pipe: Any) -> bool:
            found = _row(row.name, pipe.hmget(_key(b"c", row.name), _FIELDS))
            if (found and found.sealed) != was:
                return False
            at = crypto.random_bytes(_AT_BYTES) if found is None else found.at
            pipe.multi()
            fields = (row.tenant, row.until, row.wrapped, row.sealed, at)
            pipe.hset(_key(b"c", row.name), mapping=dict(zip(_FIELDS, fields, strict=True)))
            pipe.zadd(_key(b"ends"), {row.name: row.until})
            pipe.sadd(_key(b"t", row.tenant), row.name)
            pipe.hset(_key(b"owners"), owner.tenant, owner.root + owner.sealed)
            for mark, needle, sealed in entries:
                pipe.hset(_key(b"e", at), mark, needle + sealed)
                pipe.sadd(_key(b"n", needle), row.name + at + mark)
            for mark, tag in links:
                pipe.set(_key(b"l", mark), row.name + at + tag)
                pipe.sadd(_key(b"k", at), mark)
            return True

        with self._problems():
            written = self._changed(write, _key(b"c", row.name))
            self._copied()
        return written

    def marks(self, row: Row, marks: Sequence[bytes]) -> set[bytes]:
        if not marks:
            return set()
        with self._problems():
            found = self._redis.hmget(_key(b"e", row.at), list(marks))
        return {mark for mark, value in zip(marks, found, strict=True) if value is not None}

    def entries(self, row: Row) -> Iterator[Entry]:
        with self._problems():
            for mark, value in self._redis.hscan_iter(_key(b"e", row.at), count=PAGE):
                yield _entry(mark, value)

    def find(self, needles: Sequence[bytes], row: Row | None = None) -> list[tuple[Row, Entry]]:
        best: dict[tuple[bytes, bytes], tuple[Row, bytes]] = {}
        with self._problems():
            for some in _pages(self._places(needles)):
                pipe = self._redis.pipeline(transaction=False)
                for _, place in some:
                    pipe.hmget(_key(b"c", place[:DIGEST_BYTES]), _FIELDS)
                for (needle, place), fields in zip(some, pipe.execute(), strict=True):
                    found = _row(place[:DIGEST_BYTES], fields)
                    if found is None or found.at != place[DIGEST_BYTES:_PLACE]:
                        continue  # it is gone, and will be cleared away
                    if row is not None and (found.name, found.at) != (row.name, row.at):
                        continue
                    mark = place[_PLACE:]
                    other = best.get((needle, mark))
                    if other is None or other[0].until < found.until:
                        best[needle, mark] = found, mark
            pipe = self._redis.pipeline(transaction=False)
            for found, mark in best.values():
                pipe.hget(_key(b"e", found.at), mark)
            values = pipe.execute() if best else []
        pairs = zip(best.values(), values, strict=True)
        return [(found, _entry(mark, value)) for (found, mark), value in pairs if value is not None]

    def _places(self, needles: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Each needle with each place it has; most have one, so many are asked for in one go."""
        for some in _pages(iter(needles)):
            pipe = self._redis.pipeline(transaction=False)
            for needle in some:
                pipe.sscan(_key(b"n", needle), count=PAGE)
            for needle, (first, begun) in zip(some, pipe.execute(), strict=True):
                cursor, places = first, begun
                yield from ((needle, place) for place in places)
                while cursor:
                    cursor, places = self._redis.sscan(_key(b"n", needle), cursor, count=PAGE)
                    yield from ((needle, place) for place in places)

    def linked(self, mark: bytes) -> tuple[Row, bytes] | None:
        with self._problems():
            value = self._redis.get(_key(b"l", mark))
        if value is None:
            return None
        row = self.get(value[:DIGEST_BYTES])
        if row is None or row.at != value[DIGEST_BYTES:_PLACE]:
            return None
        return row, value[_PLACE:]

    def rows(self, tenant: bytes) -> Iterator[Row]:
        with self._problems():
            for some in _pages(self._redis.sscan_iter(_key(b"t", tenant), count=PAGE)):
                yield from self._rows(some)

    def ended(self, now: int) -> list[Row]:
        return self._between("-inf", now)

    def beyond(self, latest: int) -> list[Row]:
        return self._between(f"({latest}", "+inf")

    def _between(self, least: str, most: int | str) -> list[Row]:
        with self._problems():
            return self._rows(self._redis.zrangebyscore(_key(b"ends"), least, most, start=0, num=PAGE))

    def _rows(self, names: Sequence[bytes]) -> list[Row]:
        pipe = self._redis.pipeline(transaction=False)
        for name in names:
            pipe.hmget(_key(b"c", name), _FIELDS)
        found = pipe.execute() if names else []
        rows = (_row(name, fields) for name, fields in zip(names, found, strict=True))
        return [row for row in rows if row is not None]

    def owners(self) -> list[Owner]:
        with self._problems():
            found = self._redis.hgetall(_key(b"owners"))
        return [Owner(tenant, value[:_ROOT_BYTES], value[_ROOT_BYTES:]) for tenant, value in found.items()]

    def drop(self, rows: Sequence[Row]) -> Erased:
        total = Erased()
        with self._problems():
            for row in rows:
                if self._unlocked(row):
                    entries, links = self._cleared(row.name + row.at)
                    total = total.plus(Erased(1, entries, links))
            self._copied()
        return total

    def _unlocked(self, row: Row) -> bool:
        """Whether the conversation was there; now its key is not."""

        def write(pipe: Any) -> bool:
            if pipe.hget(_key(b"c", row.name), "at") != row.at:
                return False
            pipe.multi()
            pipe.delete(_key(b"c", row.name))
            pipe.zrem(_key(b"ends"), row.name)
            pipe.srem(_key(b"t", row.tenant), row.name)
            pipe.sadd(_key(b"gone"), row.name + row.at)
            return True

        return self._changed(write, _key(b"c", row.name))

    def _cleared(self, place: bytes) -> tuple[int, int]:
        """Removes entries and links of a conversation without a key."""
        at = place[DIGEST_BYTES:]
        entries, links = self._redis.hlen(_key(b"e", at)), self._redis.scard(_key(b"k", at))
        for some in _pages(self._redis.hscan_iter(_key(b"e", at), count=PAGE)):
            pipe = self._redis.pipeline(transaction=False)
            for mark, value in some:
                pipe.srem(_key(b"n", value[:DIGEST_BYTES]), place + mark)
            pipe.execute()
        for mark in self._redis.sscan_iter(_key(b"k", at), count=PAGE):
            self._unlinked(mark, place)
        pipe = self._redis.pipeline()
        pipe.delete(_key(b"e", at), _key(b"k", at))
        pipe.srem(_key(b"gone"), place)
        pipe.execute()
        return entries, links

    def _unlinked(self, mark: bytes, place: bytes) -> None:
        def write(pipe: Any) -> bool:
            value = pipe.get(_key(b"l", mark))
            if value is None or not value.startswith(place):
                return False  # it leads elsewhere by now
            pipe.multi()
            pipe.delete(_key(b"l", mark))
            return True

        self._changed(write, _key(b"l", mark))

    def tidy(self) -> None:
        with self._problems():
            for place in self._redis.sscan_iter(_key(b"gone"), count=PAGE):
                self._cleared(place)
            for tenant in self._redis.hkeys(_key(b"owners")):

                def write(pipe: Any, tenant: bytes = tenant) -> bool:
                    if pipe.exists(_key(b"t", tenant)):
                        return False
                    pipe.multi()
                    pipe.hdel(_key(b"owners"), tenant)
                    return True

                self._changed(write, _key(b"t", tenant))

    def purge(self) -> None:
        """Has Redis write its append-only file anew, without what is gone."""
        deadline = time.monotonic() + _REWRITE_SECONDS
        with self._problems():
            if not self._persistence()["aof_enabled"]:
                return
            begun = False
            while not begun:
                self._rewritten(deadline)  # one that began before may hold what was there then
                begun = self._rewriting()
            self._rewritten(deadline)
            if self._persistence()["aof_last_bgrewrite_status"] != "ok":
                raise StoreProblem("erased, but Redis could not write its append-only file anew: erase again")

    def _rewriting(self) -> bool:
        try:
            self._redis.bgrewriteaof()
        except self._problem as problem:
            if "in progress" in str(problem):  # somebody else was quicker
                return False
            raise
        return True

    def _rewritten(self, deadline: float) -> None:
        while True:
            found = self._persistence()
            if not found["aof_rewrite_in_progress"] and not found["aof_rewrite_scheduled"]:
                return
            if time.monotonic() > deadline:
                raise StoreProblem(
                    "erased, but Redis is still writing its append-only file anew: erase again"
                )
            time.sleep(0.02)

    def _persistence(self) -> dict[str, Any]:
        found: dict[str, Any] = self._redis.info("persistence")
        return found

    def check(self) -> None:
        with self._problems():
            policy = self._redis.info("memory").get("maxmemory_policy", "noeviction")
            if policy != "noeviction":
                raise StoreProblem("Redis may throw entries away: set maxmemory-policy noeviction")
            if not self._replicas and not (self._persistence()["aof_enabled"] and self._syncs()):
                raise StoreProblem(
                    "Redis would lose what it was given last: set appendonly yes and appendfsync always"
                )
            self._redis.incr(_key(b"beat"))
            self._copied()

    def _syncs(self) -> bool:
        try:
            return bool(self._redis.config_get("appendfsync").get("appendfsync", "always") == "always")
        except self._lost:
            raise
        except self._problem:
            return True  # it does not let us ask

    def close(self) -> None:
        self._redis.close()

    def __repr__(self) -> str:
        return "RedisShelf"  # an address may hold a password

    def _changed(self, write: Callable[[Any], bool], watched: bytes) -> bool:
        """Whether ``write`` changed something; it reads, and after ``multi`` says what to write."""
        for _ in range(_TRIES):
            with self._redis.pipeline() as pipe:
                try:
                    pipe.watch(watched)
                    if not write(pipe):
                        return False
                    pipe.execute()
                except self._conflict:
                    continue
                return True
        raise StoreProblem("too many write to one conversation at once: try again")

    def _copied(self) -> None:
        """Waits for the replicas: what this connection writes comes after all that was written before."""
        if not self._replicas:
            return
        pipe = self._redis.pipeline(transaction=False)
        pipe.incr(_key(b"beat"))
        pipe.execute_command("WAIT", self._replicas, int(self._wait * 500))  # sooner than the socket gives up
        _, have = pipe.execute()
        if have < self._replicas:
            raise StoreProblem(f"only {have} of {self._replicas} replicas of Redis have what was written")

    @contextmanager
    def _problems(self) -> Iterator[None]:
        try:
            yield
        except self._problem as problem:
            raise StoreProblem(f"the store in Redis {self._why(problem)}") from None

    def _why(self, problem: Exception) -> str:
        said = str(problem)
        if "OOM" in said or "maxmemory" in said:
            return "is full: give it memory, or let fewer days be kept; nothing that was kept is lost"
        if "MISCONF" in said:
            return "cannot write its disk; nothing that was kept is lost"
        if "Authentication" in type(problem).__name__:
            return "refuses the password"
        if isinstance(problem, self._lost) or "imeout" in type(problem).__name__:
            return "does not answer"
        return "refuses what is asked of it: look at its log, its password and its rights"


def _key(kind: bytes, name: bytes = b"") -> bytes:
    return b"{masquerade}:" + kind + (b":" + name if name else b"")


def _row(name: bytes, fields: Sequence[bytes | None]) -> Row | None:
    if all(each is None for each in fields):
        return None
    tenant, until, wrapped, sealed, at = (each or b"" for each in fields)
    if not until.isdigit() or len(until) > 18:
        raise Tampered("a row of the store has no form: it was changed")
    return Row(tenant, name, int(until), wrapped, sealed, at)


def _entry(mark: bytes, value: bytes) -> Entry:
    return Entry(mark, value[:DIGEST_BYTES], value[DIGEST_BYTES:])


def _pages(items: Iterator[Any]) -> Iterator[list[Any]]:
    while some := list(islice(items, PAGE)):
        yield some
