"""The sealed store: its tenant alone recalls what was remembered, whatever crashes; erased is erased."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis_rig import Redis

from masquerade.errors import BadInput, KeyProblem, MasqueradeError, StoreProblem, Tampered
from masquerade.keys import Key
from masquerade.mask.span import Fate
from masquerade.mask.surrogate import Surrogate
from masquerade.serve.shelf import Erased, FileShelf
from masquerade.serve.store import Store

KEY = Key.generate()
TTL = 1000


def entry(i: int) -> Surrogate:
    return Surrogate(f"[EMAIL_{i:010}]", f"{i:010}", f"canary{i}@example.com", "EMAIL", Fate.TOKEN)


def entries(*numbers: int) -> list[Surrogate]:
    return [entry(i) for i in numbers]


class Clock:
    now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


class Place:
    """Where a store lies: its files, and how they are opened, emptied and read."""

    def __init__(self, folder: Path, redis: Redis | None) -> None:
        self.folder, self.redis = folder, redis
        self.where = str(folder / "store.db") if redis is None else redis.url

    def open(self, key: Key = KEY, **options: Any) -> Store:
        return Store.open(self.where, key, **{"ttl": TTL, **options})

    def files(self) -> bytes:
        """Every byte on the disk."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return b"".join(path.read_bytes() for path in found)

    def empty(self) -> None:
        if self.redis is None:
            for path in self.folder.iterdir():
                path.unlink()
        else:
            with self.redis.raw() as raw:
                raw.flushall()

    def keys(self) -> list[bytes]:
        """The wrapped keys that lie there."""
        if self.redis is None:
            with closing(sqlite3.connect(self.where)) as db:
                return [wrapped for (wrapped,) in db.execute("SELECT wrapped FROM slot")]
        with self.redis.raw() as raw:
            return [raw.hget(name, "wrapped") for name in raw.scan_iter("{masquerade}:c:*")]


@contextmanager
def opened(place: Place, key: Key = KEY, **options: Any) -> Iterator[Store]:
    with closing(place.open(key, **options)) as store:
        yield store


@pytest.fixture(params=["file", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    redis = request.getfixturevalue("redis") if request.param == "redis" else None
    found = Place(tmp_path / "store" if redis is None else redis.folder, redis)
    found.folder.mkdir(exist_ok=True)
    found.empty()
    return found


@pytest.fixture
def file(tmp_path: Path) -> Place:
    (tmp_path / "store").mkdir()
    return Place(tmp_path / "store", None)


def same(found: list[Surrogate], wanted: list[Surrogate]) -> None:
    assert sorted(found) == sorted(set(wanted))


# -- what it promises, as a model of a few lines ---------------------------------------------------------

_NAMES = st.sampled_from(["one", "two", "三"])
_MANY = st.lists(st.integers(0, 9), max_size=4)
STEPS = st.one_of(
    st.tuples(st.just("remember"), _NAMES, _NAMES, _MANY, st.none() | _NAMES),
    st.tuples(st.just("recall"), _NAMES, _NAMES),
    st.tuples(st.just("recall_by"), _NAMES, _MANY, st.none() | _NAMES),
    st.tuples(st.just("link"), _NAMES, _NAMES, _NAMES),
    st.tuples(st.just("conversation_of"), _NAMES, _NAMES),
    st.tuples(st.just("erase"), st.none() | _NAMES, st.none() | _NAMES, st.none() | _NAMES),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("wait"), st.sampled_from([0, 400, 400, -400])),
    st.tuples(st.just("rotate")),
)


class Model:
    """What a store does, with nothing sealed and nothing kept."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.held: dict[tuple[str, str], dict[str, Any]] = {}
        self.links: dict[tuple[str, str], str] = {}

    def bury(self) -> int:
        dead = [name for name, held in self.held.items() if held["until"] <= self.clock.now]
        for name in dead:
            self.forget(name)
        return len(dead)

    def forget(self, name: tuple[str, str]) -> None:
        del self.held[name]
        self.links = {link: to for link, to in self.links.items() if (link[0], to) != name}

    def used(self, tenant: str, conversation: str, make: bool) -> dict[str, Any] | None:
        held = self.held.get((tenant, conversation))
        if held and held["until"] <= self.clock.now:
            self.bury()
            held = None
        if held is None and make:
            held = self.held[tenant, conversation] = {"entries": set(), "subjects": set()}
        if held is not None:
            held["until"] = self.clock.now + TTL
        return held

    def recall_by(self, tenant: str, wanted: list[Surrogate], conversation: str | None) -> set[Surrogate]:
        held = self.held
        if conversation is not None:
            last = held.get((tenant, conversation))
            if last and last["until"] <= self.clock.now:
                self.bury()
            held = {(tenant, conversation): last} if (tenant, conversation) in self.held and last else {}
        found = set()
        for one in wanted:
            ends = [h["until"] for (t, _), h in held.items() if t == tenant and one in h["entries"]]
            if ends and max(ends) > self.clock.now:
                found.add(one)
            elif ends:
                self.bury()
        return found

    def chosen(
        self, tenant: str | None, subject: str | None, conversation: str | None
    ) -> list[tuple[str, str]]:
        return [
            name
            for name, held in self.held.items()
            if tenant in (None, name[0])
            and conversation in (None, name[1])
            and (subject is None or subject in held["subjects"])
        ]


class TestLaws:
    """For any order of what can be asked, any tenant and conversation, any clock."""

    @given(steps=st.lists(STEPS, max_size=25))
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def test_it_does_what_the_model_does(self, place: Place, steps: list[Any]) -> None:
        place.empty()
        clock, key = Clock(), Key.generate()
        model, store = Model(clock), place.open(key, clock=clock)
        try:
            for name, *given_ in steps:
                if name == "rotate":
                    # A link and a conversation from before the rotation live on beside those from after.
                    store.close()
                    key = key.rotate() if len(key.retired) < 2 else key
                    store = place.open(key, clock=clock)
                elif name == "wait":
                    clock.now += given_[0]
                else:
                    self.step(store, model, name, given_)
        finally:
            store.close()

    def step(self, store: Store, model: Model, name: str, given_: list[Any]) -> None:
        if name == "remember":
            tenant, conversation, numbers, subject = given_
            store.remember(tenant, conversation, entries(*numbers), subject)
            held = model.used(tenant, conversation, make=True)
            assert held is not None
            held["entries"].update(entries(*numbers))
            held["subjects"].update({subject} - {None})
        elif name == "recall":
            held = model.used(*given_, make=False)
            same(store.recall(*given_), list(held["entries"]) if held else [])
        elif name == "recall_by":
            tenant, numbers, conversation = given_
            found = store.recall_by(tenant, [one.needle for one in entries(*numbers)], conversation)
            same(found, list(model.recall_by(tenant, entries(*numbers), conversation)))
        elif name == "link":
            tenant, link, conversation = given_
            store.link(tenant, link, conversation)
            model.used(tenant, conversation, make=True)
            model.links[tenant, link] = conversation
        elif name == "conversation_of":
            tenant, link = given_
            to = model.links.get((tenant, link))
            if to is not None and model.held[tenant, to]["until"] <= model.clock.now:
                model.bury()
            assert store.conversation_of(tenant, link) == model.links.get((tenant, link))
        elif name == "sweep":
            store.sweep()
            model.bury()
            for held in model.held.values():
                held["until"] = min(held["until"], model.clock.now + TTL)
        elif any(given_):
            tenant, subject, conversation = given_
            chosen = model.chosen(tenant, subject, conversation)
            counts = store.erase(tenant, subject=subject, conversation=conversation)
            assert counts.conversations >= len(chosen)
            for each in chosen:
                model.forget(each)

    @given(
        st.lists(st.tuples(st.text(), st.text(), st.text(), st.sampled_from(list(Fate))), max_size=10),
        st.text(),
        st.text(),
    )
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    def test_any_text_comes_back(
        self, place: Place, many: list[tuple[str, str, str, Fate]], conversation: str, link: str
    ) -> None:
        """Needles that stand for two originals too; halves of characters, as JSON spells them, in names."""
        place.empty()
        surrogates = [Surrogate(t, n, o, "PERSON", f) for t, n, o, f in many]
        conversation, link = conversation + "\ud800", link + "\udfff"
        with opened(place) as store:
            store.remember("acme", conversation, surrogates, subject="\ud800")
            store.link("acme", link, conversation)
            same(store.recall("acme", conversation), surrogates)
            same(store.recall_by("acme", {one.needle for one in surrogates}), surrogates)
            assert store.conversation_of("acme", link) == conversation
            assert store.recall("other", conversation) == []
            assert store.recall_by("other", {one.needle for one in surrogates}) == []
            assert store.conversation_of("other", link) is None


# -- keys ------------------------------------------------------------------------------------------------


class TestKeys:
    def test_it_outlives_its_process_and_a_rotation(self, place: Place) -> None:
        with opened(place) as store:
            store.remember("acme", "c", entries(1, 2), subject="ann")
            store.link("acme", "resp_1", "c")
        rotated = KEY.rotate()
        with opened(place, rotated) as store:
            same(store.recall("acme", "c"), entries(1, 2))
            store.remember("acme", "c", entries(2, 3))
            same(store.recall("acme", "c"), entries(1, 2, 3))
            same(store.recall_by("acme", [entry(1).needle, entry(3).needle]), entries(1, 3))
            assert store.conversation_of("acme", "resp_1") == "c"
            assert store.erase("acme", subject="ann") == Erased(1, 2, 1)
            same(store.recall("acme", "c"), entries(2, 3))
            store.erase(conversation="c")
            assert store.recall("acme", "c") == []

    def test_another_key_is_told_which_one_is_needed(self, place: Place) -> None:
        with opened(place) as store:
            store.remember("acme", "c", entries(1))
        with pytest.raises(KeyProblem, match=f"needs the key {KEY.id}"):
            place.open(Key.generate())

    def test_tenants_whose_root_is_gone_are_told(self, place: Place) -> None:
        old = Key.generate()
        with opened(place, old) as store:
            store.remember("acme", "c", entries(1), subject="ann")
        with opened(place, old.rotate()) as store:
            store.remember("acme", "d", entries(1), subject="ann")
            new = Key.parse(store._key.export().splitlines()[0])
        clock = Clock()
        clock.now = time.time()
        with opened(place, new, clock=clock) as store:
            with pytest.raises(KeyProblem, match=f"needs the key {old.id}"):
                store.erase(subject="ann")
            assert store.recall("acme", "d") == [], "what could be erased was not"
            clock.now += 2 * TTL
            store.sweep()
            store.erase(subject="ann")

    def test_nothing_shows(self, place: Place) -> None:
        with opened(place) as store:
            store.remember("canary tenant", "canary conversation", entries(*range(50)), "canary subject")
            store.link("canary tenant", "canary link", "canary conversation")
            assert "canary" not in repr(store) + repr(store._desks.values()) + repr(store._shelf)
            assert b"canary" not in place.files()
            assert entry(7).needle.encode() not in place.files()
        assert b"canary" not in place.files()

    def test_equal_values_of_two_tenants_have_nothing_in_common(self, file: Place) -> None:
        with opened(file) as store:
            for tenant in ("a", "b"):
                store.remember(tenant, "c", entries(1), subject="s")
        with closing(sqlite3.connect(file.where)) as db:
            for column in ("mark", "needle", "sealed"):
                one, two = db.execute(f"SELECT {column} FROM entry").fetchall()
                assert one != two

    def test_lengths_are_padded(self, file: Place) -> None:
        with opened(file) as store:
            store.remember(
                "a", "c", [Surrogate("[A]", "A", "x" * n, "PERSON", Fate.TOKEN) for n in range(1, 90)]
            )
        with closing(sqlite3.connect(file.where)) as db:
            sizes = {size for (size,) in db.execute("SELECT length(sealed) FROM entry")}
        assert len(sizes) <= 4
        assert {(size - 28) % 32 for size in sizes} == {0}


# -- time ------------------------------------------------------------------------------------------------


class TestTime:
    def test_use_keeps_alive_and_the_rest_ends(self, place: Place) -> None:
        clock = Clock()
        with opened(place, clock=clock) as store:
            store.remember("acme", "used", entries(1))
            store.remember("acme", "left", entries(2))
            for _ in range(3):
                clock.now += TTL * 0.6
                same(store.recall("acme", "used"), entries(1))
            assert store.recall_by("acme", [entry(2).needle]) == []
            store.remember("acme", "left", entries(3))
            same(store.recall("acme", "left"), entries(3))
            assert store.sweep() == 0
            clock.now += TTL
            assert store.sweep() == 2
            assert (store.recall("acme", "used"), store.recall("acme", "left")) == ([], [])

    @pytest.mark.parametrize("look", ["recall", "recall_by", "conversation_of", "sweep"])
    def test_a_clock_set_back_wakes_nothing(self, place: Place, look: str) -> None:
        clock = Clock()
        with opened(place, clock=clock) as store:
            for name in ("c", "d"):
                store.remember("acme", name, entries(1))
                store.link("acme", f"resp_{name}", name)
            clock.now += TTL
            asked: dict[str, Callable[[], object]] = {
                "recall": lambda: store.recall("acme", "c"),
                "recall_by": lambda: store.recall_by("acme", [entry(1).needle]),
                "conversation_of": lambda: store.conversation_of("acme", "resp_c"),
                "sweep": lambda: store.sweep() and None,
            }
            assert not asked[look]()
            clock.now -= 10 * TTL
            for name in ("c", "d"):
                assert store.recall("acme", name) == []
                assert store.conversation_of("acme", f"resp_{name}") is None
            assert store.recall_by("acme", [entry(1).needle]) == []
            store.remember("acme", "c", entries(2))
            same(store.recall("acme", "c"), entries(2))

    def test_a_clock_that_was_ahead_keeps_nothing_for_longer(self, place: Place) -> None:
        clock = Clock()
        with opened(place, clock=clock) as store:
            clock.now += 1000 * TTL
            store.remember("acme", "c", entries(1))
            store.remember("acme", "d", entries(1))
            clock.now -= 1000 * TTL
            assert store.sweep() == 0
            clock.now += TTL
            assert store.sweep() == 2

    def test_a_shorter_time_to_live_holds_for_what_is_there(self, place: Place) -> None:
        clock = Clock()
        with opened(place, clock=clock) as store:
            store.remember("acme", "c", entries(1))
        with opened(place, clock=clock, ttl=10) as store:
            store.sweep()
            clock.now += 10
            assert store.sweep() == 1

    def test_no_time_at_all_is_refused(self, file: Place) -> None:
        with pytest.raises(BadInput, match="a second at least"):
            file.open(ttl=0)


# -- erasure ---------------------------------------------------------------------------------------------


def pieces(secret: bytes) -> Iterator[bytes]:
    return (secret[i : i + 16] for i in range(0, len(secret) - 15, 4))


class TestErasure:
    @pytest.mark.parametrize(
        ("asked", "left"),
        [
            ({"tenant": "acme", "conversation": "c"}, {"d", "e"}),
            ({"tenant": "acme", "subject": "ann"}, {"e"}),
            ({"subject": "ann"}, {"e"}),
            ({"conversation": "c"}, {"d", "e"}),
            ({"tenant": "acme", "subject": "ann", "conversation": "d"}, {"c", "e"}),
            ({"tenant": "acme", "subject": "bob"}, {"c", "e"}),
            ({"tenant": "acme", "subject": "nobody"}, {"c", "d", "e"}),
            ({"tenant": "acme"}, set()),
        ],
    )
    def test_what_is_named_goes_and_nothing_else(
        self, place: Place, asked: dict[str, str], left: set[str]
    ) -> None:
        with opened(place) as store:
            store.remember("acme", "c", entries(1), subject="ann")
            store.remember("acme", "d", entries(2))
            store.remember("acme", "d", entries(2), subject="bob")
            store.remember("acme", "d", entries(3), subject="ann")
            store.remember("acme", "e", entries(4))
            store.link("acme", "resp", "c")
            store.remember("other", "x", entries(5), subject="eve")
            assert store.erase(**asked).conversations == 3 - len(left)
            for name, numbers in (("c", [1]), ("d", [2, 3]), ("e", [4])):
                same(store.recall("acme", name), entries(*numbers) if name in left else [])
            assert (store.conversation_of("acme", "resp") is not None) == ("c" in left)
            same(store.recall("other", "x"), entries(5))
            assert store.erase(**asked) == Erased()

    def test_everything_of_everybody_must_be_named(self, place: Place) -> None:
        with opened(place) as store, pytest.raises(BadInput, match="say what to erase"):
            store.erase()

    def test_no_byte_of_a_key_is_left_in_any_file(self, place: Place) -> None:
        """Of hundreds that were made and erased in any order, while others stay: not 16 bytes of one."""
        chance = random.Random(3)
        clock = Clock()
        with opened(place, clock=clock) as store:
            living: list[str] = []
            seen: set[bytes] = set()
            for i in range(60):
                for j in range(chance.randrange(1, 30)):
                    name = f"c{i}-{j}"
                    store.remember("acme", name, entries(*range(chance.randrange(6))), subject=f"s{i}")
                    living.append(name)
                clock.now += 100
                seen.update(place.keys())
                for _ in range(chance.randrange(min(20, len(living)))):
                    store._shelf.drop([self.row(store, living.pop(chance.randrange(len(living))))])
            store.erase("acme", subject="s59")
            kept = set(place.keys())
            gone = [key for key in seen - kept if any(key)]
            assert len(gone) > 100
            wait_for(lambda: not found_in(place.files(), gone))

    @staticmethod
    def row(store: Store, name: str) -> Any:
        return store._shelf.get(store._desks_of("acme")[0].digest("conversation", name))

    def test_a_copy_taken_after_tells_nothing(self, file: Place, tmp_path: Path) -> None:
        with opened(file) as store:
            store.remember("acme", "c", entries(*range(300)))
            store.remember("acme", "d", entries(1))
            before = tmp_path / "before"
            shutil.copytree(file.folder, before)
            sealed = self.sealed(before / "store.db")
            assert sealed
            store.erase("acme", conversation="c")
            after = tmp_path / "after"
            shutil.copytree(file.folder, after)
        with opened(Place(after, None)) as store:
            assert store.recall("acme", "c") == []
            same(store.recall("acme", "d"), entries(1))
        with opened(Place(before, None)) as store:  # what the page says of copies from before
            same(store.recall("acme", "c"), entries(*range(300)))

    @staticmethod
    def sealed(path: Path) -> list[bytes]:
        with closing(sqlite3.connect(path)) as db:
            return [sealed for (sealed,) in db.execute("SELECT sealed FROM entry")]

    def test_who_reads_at_the_same_time_makes_it_say_so(self, file: Place) -> None:
        with closing(Store(FileShelf(Path(file.where), wait=0.2), KEY)) as store:
            store.remember("acme", "c", entries(1))
            (key,) = file.keys()
            with closing(sqlite3.connect(file.where, isolation_level=None)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM entry").fetchone()
                with pytest.raises(StoreProblem, match="erase again"):
                    store.erase("acme")
                assert store.recall("acme", "c") == []
            assert store.erase("acme") == Erased()
            assert not found_in(file.files(), [key])

    def test_damaged_conversations_are_told_and_the_others_erased(self, file: Place) -> None:
        with opened(file) as store:
            store.remember("acme", "c", entries(1), subject="ann")
            store.remember("acme", "d", entries(2), subject="ann")
            with closing(sqlite3.connect(file.where)) as db, db:
                db.execute("UPDATE conversation SET sealed = x'00' WHERE id = 1")
            with pytest.raises(Tampered, match="1 conversations were erased, but 1 others cannot be read"):
                store.erase("acme", subject="ann")
            assert store.recall("acme", "d") == []
            assert store.erase("acme").conversations == 1

    def test_an_erasure_that_was_cut_off_is_finished(
        self, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In Redis the key goes first; what it sealed is cleared away later, and never meets a new key."""
        place = Place(redis.folder, redis)
        place.empty()
        with opened(place) as store:
            store.remember("acme", "c", entries(1, 2))
            store.link("acme", "resp", "c")
            shelf: Any = store._shelf
            with monkeypatch.context() as patch, pytest.raises(StoreProblem):
                patch.setattr(shelf, "_cleared", lambda place: shelf._redis.execute_command("NONSENSE"))
                store.erase("acme", conversation="c")
            assert (store.recall("acme", "c"), store.conversation_of("acme", "resp")) == ([], None)
            store.remember("acme", "c", entries(2, 3))
            same(store.recall("acme", "c"), entries(2, 3))
            store.sweep()
            same(store.recall("acme", "c"), entries(2, 3))
            same(store.recall_by("acme", [entry(i).needle for i in (1, 2, 3)]), entries(2, 3))
            store.erase("acme")
            with redis.raw() as raw:
                assert list(raw.scan_iter("*")) == [b"{masquerade}:beat"]


def found_in(data: bytes, secrets: list[bytes]) -> bool:
    return any(piece in data for secret in secrets for piece in pieces(secret))


def wait_for(true: Callable[[], bool]) -> None:
    """Redis removes its old files in the background."""
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# -- processes, threads, crashes -------------------------------------------------------------------------

WRITE = """
import sys
from masquerade.keys import Key
from masquerade.mask.span import Fate
from masquerade.mask.surrogate import Surrogate
from masquerade.serve.store import Store
where, key, first, count = sys.argv[1], Key.parse(sys.stdin.readline()), int(sys.argv[2]), int(sys.argv[3])
store = Store.open(where, key)
print("ready", flush=True)
sys.stdin.readline()
for i in range(first, first + count):
    entries = [Surrogate(f"[EMAIL_{n:010}]", f"{n:010}", f"canary{n}@example.com", "EMAIL", Fate.TOKEN)
               for n in (2 * i, 2 * i + 1)]
    store.remember("acme", f"c{i % 3}", entries)
    store.link("acme", f"resp_{i}", f"c{i % 3}")
    print(i, flush=True)
"""


def writer(place: Place, first: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITE, place.where, str(first), str(count)]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert started.stdin is not None
    assert started.stdout is not None
    started.stdin.write(KEY.export())
    started.stdin.flush()
    assert started.stdout.readline() == "ready\n"
    return started


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def assert_kept(store: Store, reported: list[int]) -> None:
    """What was reported is there, all of it; and nothing is there in half."""
    for c in range(3):
        found = {int(one.needle) for one in store.recall("acme", f"c{c}")}
        wanted = {n for i in reported if i % 3 == c for n in (2 * i, 2 * i + 1)}
        assert wanted <= found
        assert {n ^ 1 for n in found} == found
    assert all(store.conversation_of("acme", f"resp_{i}") == f"c{i % 3}" for i in reported)


class TestCrashes:
    def test_a_killed_writer_loses_nothing_that_it_reported(self, place: Place) -> None:
        chance = random.Random(11)
        reported: list[int] = []
        for moment in range(6):
            victim = writer(place, 10_000 * moment, 10_000)
            go(victim)
            assert victim.stdout is not None
            done = [victim.stdout.readline() for _ in range(chance.randrange(1, 12))]
            time.sleep(chance.random() * 0.004)
            os.kill(victim.pid, signal.SIGKILL)
            done += victim.communicate(timeout=60)[0].splitlines(keepends=True)
            reported += [int(line) for line in done if line.endswith("\n")]
            with opened(place) as store:
                assert_kept(store, reported)
                store.remember("acme", "c0", [])
        if place.redis is None:
            with closing(sqlite3.connect(place.where)) as db:
                assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    def test_a_killed_redis_loses_nothing_that_it_was_given(self, tmp_path: Path) -> None:
        server = Redis(tmp_path)
        try:
            place = Place(tmp_path, server)
            for moment in range(3):
                busy = writer(place, 10_000 * moment, 10_000)
                go(busy)
                assert busy.stdout is not None
                reported = [int(busy.stdout.readline()) for _ in range(3 + moment)]
                server.kill()
                reported += [int(line) for line in busy.communicate(timeout=120)[0].split()]
                assert busy.returncode != 0
                server.start()
                with opened(place) as store:
                    assert_kept(store, reported)
        finally:
            server.stop()

    def test_processes_write_at_once(self, place: Place) -> None:
        with opened(place) as store:
            racers = [writer(place, 100 * n, 20) for n in range(3)]
            for racer in racers:
                go(racer)
            for racer in racers:
                assert len(racer.communicate(timeout=120)[0].split()) == 20
            assert [racer.returncode for racer in racers] == [0, 0, 0]
            assert_kept(store, [100 * n + i for n in range(3) for i in range(20)])

    def test_processes_make_it_at_once(self, file: Place) -> None:
        racers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITE, file.where, str(10 * n), "3"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for n in range(3)
        ]  # fmt: skip
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write(KEY.export() + "go\n")
            racer.stdin.flush()
        for racer in racers:
            racer.communicate(timeout=120)
        assert [racer.returncode for racer in racers] == [0, 0, 0]
        with opened(file) as store:
            assert_kept(store, [10 * n + i for n in range(3) for i in range(3)])

    def test_threads_write_and_erase_at_once(self, place: Place) -> None:
        problems: list[BaseException] = []
        with opened(place) as store:

            def work(n: int) -> None:
                try:
                    for i in range(15):
                        store.remember("acme", "shared", entries(100 * n + i), subject=f"s{n}")
                        store.remember("acme", f"own{n}", entries(100 * n + i))
                        store.erase("acme", conversation=f"gone{n}")
                        store.remember("acme", f"gone{n}", entries(i))
                        same(store.recall("acme", f"gone{n}"), entries(i))
                        assert set(store.recall("acme", f"own{n}")) >= {entry(100 * n + i)}
                except BaseException as problem:
                    problems.append(problem)

            threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(timeout=120)
            assert problems == []
            same(store.recall("acme", "shared"), [entry(100 * n + i) for n in range(5) for i in range(15)])
            for n in range(5):
                assert store.erase("acme", subject=f"s{n}").conversations == (1 if n == 0 else 0)


# -- full, gone ------------------------------------------------------------------------------------------

FILL = """
import resource, sys
from masquerade.keys import Key
from masquerade.errors import StoreProblem
from masquerade.mask.span import Fate
from masquerade.mask.surrogate import Surrogate
from masquerade.serve.store import Store
store = Store.open(sys.argv[1], Key.parse(sys.stdin.readline()))
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
for i in range(10_000):
    entries = [Surrogate(f"[EMAIL_{n:010}]", f"{n:010}", f"canary{n}@example.com", "EMAIL", Fate.TOKEN)
               for n in range(20 * i, 20 * i + 20)]
    try:
        store.remember("acme", f"c{i}", entries)
    except StoreProblem as problem:
        print(i, problem)
        break
assert len(store.recall("acme", "c0")) == 20
"""


class TestFull:
    def test_a_full_disk_is_told_and_loses_nothing(self, file: Place) -> None:
        done = subprocess.run(
            [sys.executable, "-c", FILL, file.where],
            input=KEY.export(), capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        count, _, said = done.stdout.partition(" ")
        assert "disk full or broken" in said
        assert "canary" not in said
        assert int(count) > 5
        with opened(file) as store:
            for i in range(int(count)):
                same(store.recall("acme", f"c{i}"), entries(*range(20 * i, 20 * i + 20)))
            assert store.recall("acme", f"c{count}") == []
            store.remember("acme", f"c{count}", entries(1))

    def test_a_limit_is_told_and_erasing_makes_room(self, file: Place) -> None:
        with opened(file, most_bytes=400_000) as store:
            count = 0
            with pytest.raises(StoreProblem, match="is full"):
                while True:
                    store.remember("acme", f"c{count}", entries(*range(50)))
                    count += 1
            assert count > 10
            for i in range(count):
                same(store.recall("acme", f"c{i}"), entries(*range(50)))
            store.erase("acme", conversation="c0")
            store.remember("acme", "new", entries(*range(40)))
        assert Path(file.where).stat().st_size <= 400_000

    def test_a_full_redis_is_told_and_loses_nothing(self, redis: Redis) -> None:
        place = Place(redis.folder, redis)
        place.empty()
        with opened(place) as store, redis.raw() as raw:
            store.remember("acme", "c", entries(1))
            raw.config_set("maxmemory", 1)
            try:
                with pytest.raises(StoreProblem, match="is full"):
                    store.remember("acme", "c", entries(2))
                with pytest.raises(StoreProblem, match="is full"):
                    store.check()
                same(store.recall("acme", "c"), entries(1))
                assert store.erase("acme", conversation="none") == Erased()
            finally:
                raw.config_set("maxmemory", 0)
            store.remember("acme", "c", entries(2))
            same(store.recall("acme", "c"), entries(1, 2))

    def test_space_is_used_again(self, file: Place) -> None:
        clock = Clock()
        sizes = []
        with opened(file, clock=clock) as store:
            for i in range(12):
                for c in range(10):
                    store.remember("acme", f"{i}-{c}", entries(*range(40)))
                clock.now += TTL
                assert store.sweep() == 10
                store._shelf.purge()
                sizes.append(Path(file.where).stat().st_size)
            assert len(file.keys()) <= 20
        assert max(sizes) <= 1.3 * sizes[2]

    def test_looking_up_a_few_of_many_takes_little_memory(self, place: Place) -> None:
        with opened(place) as store:
            for start in range(0, 20_000, 2000):
                store.remember("acme", "batch", entries(*range(start, start + 2000)))
            tracemalloc.start()
            try:
                found = store.recall_by("acme", (entry(i).needle for i in range(0, 40_000, 2000)), "batch")
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            same(found, entries(*range(0, 20_000, 2000)))
            assert peak < 2_000_000


class TestGone:
    @pytest.mark.parametrize("end", ["", "-wal"])
    @pytest.mark.parametrize("replaced", [False, True])
    def test_a_file_that_is_removed_or_replaced(self, file: Place, end: str, replaced: bool) -> None:
        """SQLite would go on writing where nobody finds it."""
        with opened(file) as store:
            store.remember("acme", "c", entries(1))
            path = Path(file.where + end)
            aside = path.rename(path.with_name("aside"))
            if replaced:
                shutil.copy(aside, path)
            asked: list[Callable[[], object]] = [
                lambda: store.recall("acme", "c"),
                lambda: store.remember("acme", "c", entries(2)),
                lambda: store.erase("acme"),
                store.sweep,
                store.check,
            ]
            for ask in asked:
                with pytest.raises(StoreProblem, match="removed or replaced"):
                    ask()
            aside.rename(path)
            store.remember("acme", "c", entries(2))
            same(store.recall("acme", "c"), entries(1, 2))

    def test_a_redis_that_is_gone_and_comes_back(self, tmp_path: Path) -> None:
        server = Redis(tmp_path)
        try:
            with opened(Place(tmp_path, server)) as store:
                store.remember("acme", "c", entries(1))
                server.kill()
                asked: list[Callable[[], object]] = [
                    lambda: store.recall("acme", "c"),
                    lambda: store.remember("acme", "c", entries(2)),
                    store.check,
                ]
                for ask in asked:
                    with pytest.raises(StoreProblem, match="does not answer"):
                        ask()
                server.start()
                store.check()
                same(store.recall("acme", "c"), entries(1))
        finally:
            server.stop()

    @pytest.mark.parametrize(
        ("setting", "value", "said"),
        [
            ("appendfsync", "everysec", "would lose"),
            ("appendonly", "no", "would lose"),
            ("maxmemory-policy", "allkeys-lru", "may throw entries away"),
        ],
    )
    def test_a_redis_that_would_not_keep_things(
        self, redis: Redis, setting: str, value: str, said: str
    ) -> None:
        with redis.raw() as raw:
            (before,) = raw.config_get(setting).values()
            raw.config_set(setting, value)
            try:
                with pytest.raises(StoreProblem, match=said):
                    Store.open(redis.url, KEY)
            finally:
                raw.config_set(setting, before)

    def test_replicas_that_are_not_there(self, redis: Redis) -> None:
        from masquerade.serve.shelf_redis import RedisShelf

        with pytest.raises(StoreProblem, match="only 0 of 1 replicas"):
            RedisShelf(redis.url, replicas=1, wait=0.4)

    def test_a_replica_has_what_was_written(self, redis: Redis, tmp_path: Path) -> None:
        place = Place(redis.folder, redis)
        place.empty()
        other = Redis(tmp_path)
        try:
            with other.raw() as raw:
                raw.replicaof("127.0.0.1", redis.port)
                wait_for(lambda: raw.info("replication")["master_link_status"] == "up")
                with opened(place, replicas=1) as store:
                    store.remember("acme", "c", entries(1))
                raw.replicaof("NO", "ONE")
            redis_is_dead = Place(tmp_path, other)
            with opened(redis_is_dead) as store:
                same(store.recall("acme", "c"), entries(1))
        finally:
            other.stop()

    def test_no_redis_at_all(self) -> None:
        pytest.importorskip("redis")
        with pytest.raises(StoreProblem, match="does not answer"):
            Store.open("redis://:canary@127.0.0.1:1/0", KEY)
        with pytest.raises(StoreProblem, match="no address") as refused:
            Store.open("redis://canary:canary@127.0.0.1:port/0", KEY)
        assert "canary" not in str(refused.value)

    def test_a_closed_store_says_so(self, place: Place) -> None:
        store = place.open()
        store.close()
        store.close()
        if place.redis is None:
            with pytest.raises(StoreProblem, match="closed"):
                store.recall("acme", "c")


# -- files that others changed ---------------------------------------------------------------------------

TRUTH = {("acme", "c"): entries(1, 2), ("acme", "d"): entries(3), ("other", "c"): entries(4, 5)}


def fill(place: Place) -> None:
    with opened(place) as store:
        for (tenant, conversation), kept in TRUTH.items():
            store.remember(tenant, conversation, kept, subject=f"{tenant} {conversation}")
            store.link(tenant, f"resp {conversation}", conversation)


def told(place: Place) -> set[type[MasqueradeError]]:
    """Asks for everything: what comes is true, or refused with one of our errors, which are returned."""
    refused: set[type[MasqueradeError]] = set()

    @contextmanager
    def asking() -> Iterator[None]:
        try:
            yield
        except MasqueradeError as problem:
            assert "canary" not in str(problem)
            refused.add(type(problem))

    with asking(), opened(place) as store:
        for (tenant, conversation), kept in TRUTH.items():
            with asking():
                assert set(store.recall(tenant, conversation)) <= set(kept)
            with asking():
                own = {one for (who, _), some in TRUTH.items() if who == tenant for one in some}
                assert set(store.recall_by(tenant, [one.needle for one in kept])) <= own
            with asking():
                assert store.conversation_of(tenant, f"resp {conversation}") in (None, conversation)
        with asking():
            store.erase(subject="nobody")
    return refused


LOUD = {
    "conversation": {"tenant", "until", "slot", "sealed"},
    "slot": {"id", "wrapped"},
    "entry": {"conversation", "mark", "needle", "sealed"},
    "link": {"conversation", "tag"},
    "owner": {"tenant", "root", "sealed"},
}
QUIET = {
    "conversation": {"id", "name"},
    "link": {"mark"},
    "free": {"slot"},
    "beat": {"n"},
    "owner": set[str](),
}
"""What others can change so that something is missing, as if they had removed it."""


class TestTampering:
    def test_every_column_is_looked_at(self, file: Place) -> None:
        fill(file)
        with closing(sqlite3.connect(file.where)) as db:
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            for table in tables - {"sqlite_sequence"}:
                columns = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
                assert columns == LOUD.get(table, set()) | QUIET.get(table, set())

    @pytest.mark.parametrize("how", ["flip", "swap", "other"])
    @pytest.mark.parametrize(
        ("table", "column", "loud"),
        [(t, c, True) for t in LOUD for c in sorted(LOUD[t])]
        + [(t, c, False) for t in QUIET for c in sorted(QUIET[t])],
    )
    def test_a_changed_column_is_refused(
        self, file: Place, table: str, column: str, loud: bool, how: str
    ) -> None:
        fill(file)
        with closing(sqlite3.connect(file.where, isolation_level=None)) as db:
            rows = db.execute(f"SELECT DISTINCT {column} FROM {table} ORDER BY 1").fetchall()
            values = [value for (value,) in rows]
            if not values or (how == "swap" and len(values) < 2):
                return
            first, last = values[0], values[-1]
            if how == "flip":
                other = first + 1_000_000 if isinstance(first, int) else bytes([first[0] ^ 1]) + first[1:]
                db.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (other, first))
            elif how == "swap":
                aside = -5 if isinstance(first, int) else b"aside"
                for old, new in ((first, aside), (last, first), (aside, last)):
                    db.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (new, old))
            elif not isinstance(first, int):
                db.execute(f"UPDATE {table} SET {column} = 'text' WHERE {column} = ?", (first,))
            else:
                return
        refused = told(file)
        nowhere = column == "conversation" and how == "flip"  # as if it had been removed
        if loud and not nowhere:
            assert refused & {Tampered, KeyProblem}

    def test_what_is_moved_between_conversations_is_refused(self, file: Place) -> None:
        """A whole key with all that it seals, put in another's place."""
        fill(file)
        with closing(sqlite3.connect(file.where)) as db, db:
            names = [name for (name,) in db.execute("SELECT name FROM conversation ORDER BY id")]
            db.execute("DELETE FROM conversation WHERE id = 2")
            db.execute("UPDATE conversation SET name = ? WHERE id = 1", (names[1],))
        with opened(file) as store, pytest.raises(Tampered):
            store.recall("acme", "d")

    def test_any_changed_byte_is_refused_or_hides_something(self, file: Place) -> None:
        fill(file)
        path = Path(file.where)
        assert [found.name for found in path.parent.iterdir()] == ["store.db"]
        whole = path.read_bytes()
        places = [at for at in range(len(whole)) if whole[at] or not at % 64]
        noticed = 0
        for at in random.Random(5).sample(places, 250):
            changed = bytearray(whole)
            changed[at] ^= 1 << at % 8
            path.write_bytes(changed)
            noticed += bool(told(file))
            for left in path.parent.iterdir():
                left.unlink()
        assert noticed > 50

    def test_tables_that_are_not_ours_are_refused(self, file: Place) -> None:
        fill(file)
        with closing(sqlite3.connect(file.where)) as db:
            db.executescript("CREATE TRIGGER t AFTER INSERT ON entry BEGIN DELETE FROM entry; END;")
        with pytest.raises(Tampered, match="tables"):
            file.open()

    def test_a_changed_redis_is_refused_or_hides_something(self, redis: Redis) -> None:
        place = Place(redis.folder, redis)
        refused: set[type[MasqueradeError]] = set()
        for turn in range(100):
            place.empty()
            fill(place)
            with redis.raw() as raw:
                names = sorted(raw.scan_iter("*"), key=lambda name: (name.split(b":")[1], name))
                if turn >= 2 * len(names):
                    break
                self.change(raw, names[turn // 2], turn % 2)
            refused |= told(place)
        else:
            pytest.fail("there are more names than were tried")
        assert refused <= {Tampered, KeyProblem, StoreProblem}
        assert Tampered in refused

    @staticmethod
    def change(raw: Any, name: bytes, which: int) -> None:
        """One value of it: the first, or the last."""
        flip = lambda value: bytes([value[0] ^ 1]) + value[1:]  # noqa: E731
        kind = raw.type(name)
        if kind == b"string":
            value = raw.get(name)
            raw.set(name, flip(value) if which else value[:-1])
        elif kind == b"hash":
            for field, value in raw.hgetall(name).items():
                raw.hset(name, field, flip(value) if which else value[:-1])
        elif kind == b"set":
            member = raw.srandmember(name)
            raw.srem(name, member)
            raw.sadd(name, flip(member))
        elif kind == b"zset":
            raw.zincrby(name, 10**6 if which else -(10**12), raw.zrange(name, 0, 0)[0])

    @pytest.mark.parametrize("content", [b"no database at all, but a text of more than sixteen bytes", None])
    def test_other_files_are_no_stores(self, tmp_path: Path, content: bytes | None) -> None:
        path = tmp_path / "other.db"
        if content is None:
            with closing(sqlite3.connect(path)) as db, db:
                db.execute("CREATE TABLE something (else_ TEXT)")
        else:
            path.write_bytes(content)
        before = path.read_bytes()
        with pytest.raises(BadInput, match="no store"):
            Store.open(path, KEY)
        assert path.read_bytes() == before


def test_the_file_is_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "made" / "store.db"
    with closing(Store.open(path, KEY)) as store:
        store.remember("acme", "c", entries(1))
        assert {stat.S_IMODE(found.stat().st_mode) for found in path.parent.iterdir()} == {0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreProblem, match="cannot make"):
        Store.open(tmp_path / "file" / "store.db", KEY)
    with pytest.raises(StoreProblem):
        Store.open(tmp_path, KEY)
