"""What was found before is found again: the same, bounded, from many threads, and without a text."""

from __future__ import annotations

import gc
import pickle
import re
import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.crypto import KeyedHash
from masquerade.keys import Key
from masquerade.mask.detections import Detections, Drawer
from masquerade.mask.policy import Pattern, Policy
from masquerade.mask.span import Fate, Span
from masquerade.mask.text import Masker

KEY = Key(bytes(range(32)))
RULES = Policy.parse('version = 1\n[finder]\nuse = "rules"\n')
TEXTS = [
    "Ada Lovelace wrote from ada@example.org, 13812345678.",
    "李小明住在上海，电话13812345678。",
    "nothing to see",
    "",
    "half a character: \ud800, 192.0.2.44",
]

spans = st.lists(
    st.builds(
        Span,
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**32 - 1),
        st.sampled_from(["PERSON", "EMAIL", "STAFF_ID", "员工"]),
        st.floats(0, 1),
    ),
    max_size=9,
)


class Counting:
    """A finder that counts what it reads."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def __call__(self, text: str) -> list[Span]:
        self.seen[text] += 1
        return [Span(*m.span(), "STAFF_ID", 0.75) for m in re.finditer(r"E-[0-9]+", text)]


# -- the same as without -------------------------------------------------------------------------------


@given(st.text(max_size=20), spans)
def test_what_is_put_in_comes_out(text: str, found: list[Span]) -> None:
    drawer = Detections().drawer()
    name = drawer.name(text)
    assert drawer.get(name) is None
    drawer.put(name, found)
    again = drawer.get(name)
    assert again == found
    assert again is not drawer.get(name), "each is the caller's own"
    assert all(type(span) is Span for span in again or [])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(st.sampled_from(TEXTS), st.text(max_size=60)), max_size=6))
def test_a_hit_is_what_a_miss_is(texts: list[str]) -> None:
    plain, kept = Masker(KEY), Masker(KEY, cache=Detections())
    want = plain.mask_all(texts)
    for _ in range(3):
        masked = kept.mask_all(texts)
        assert (masked.texts, masked.all_spans, masked.counts) == (want.texts, want.all_spans, want.counts)
        assert tuple(masked.surrogates) == tuple(want.surrogates) and masked.links == want.links


@pytest.mark.parametrize("policy", [RULES, Policy()])
def test_a_text_is_looked_at_once(policy: Policy) -> None:
    finder = Counting()
    kept = Masker(KEY, policy, finders=[finder], cache=Detections())
    texts = ["E-17 is here", "and E-18"]
    first = kept.mask_all(texts)
    once = finder.seen.copy()
    assert kept.mask_all(texts).texts == first.texts
    kept.mask_all(["E-19", *texts])
    assert {text: finder.seen[text] for text in texts} == {text: once[text] for text in texts}
    assert finder.seen["E-19"] >= 1


def test_a_caller_may_change_what_it_got() -> None:
    kept = Masker(KEY, cache=Detections())
    first = kept.mask(TEXTS[0])
    before = list(first.spans)
    first.spans.clear()
    assert kept.mask(TEXTS[0]).spans == before


def test_short_texts_that_rules_read_quickly_are_not_kept() -> None:
    cache = Detections()
    kept = Masker(KEY, RULES, cache=cache)
    kept.mask("mail ada@example.org")
    assert len(cache) == 0 or kept._lookout.worth_keeping == 1  # without the native part all are worth it
    kept.mask("mail ada@example.org " * 40)
    assert len(cache) >= 1


def test_what_was_not_given_whole_is_not_kept() -> None:
    cache = Detections()
    kept = Masker(KEY, cache=cache)
    kept.find(TEXTS[0])
    kept.mask_all([TEXTS[0]], places=[[Span(0, 12, "PERSON", 1.0)]])
    assert len(cache) == 0
    assert len(kept.mask(TEXTS[0]).spans) == 3


def test_blocked_is_blocked_again() -> None:
    from masquerade.errors import Blocked

    kept = Masker(KEY, Policy(fates={"EMAIL": Fate.BLOCK}), cache=Detections())
    for _ in range(2):
        with pytest.raises(Blocked) as caught:
            kept.mask(TEXTS[0])
        assert caught.value.counts == {"EMAIL": 1}


def test_a_finder_that_fails_leaves_nothing() -> None:
    cache = Detections()

    def broken(text: str) -> list[Span]:
        raise RuntimeError("no")

    kept = Masker(KEY, finders=[broken], cache=cache)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            kept.mask("x")
    assert len(cache) == 0


@pytest.mark.parametrize("odd", [Span(-1, 4, "A", 1.0), Span(0, 2**32, "A", 1.0), Span(0, 1, "A", "x")])  # type: ignore[arg-type]
def test_what_does_not_fit_is_not_kept(odd: Span) -> None:
    drawer = Detections().drawer()
    drawer.put(b"n", [odd])
    assert drawer.get(b"n") is None


def test_kinds_without_end_are_not_kept() -> None:
    cache = Detections()
    drawer = cache.drawer()
    for i in range(5000):
        drawer.put(drawer.name(str(i)), [Span(0, 1, f"KIND_{i}", 1.0)])
    assert len(cache) == 4096
    assert drawer.get(drawer.name("7")) == [Span(0, 1, "KIND_7", 1.0)]
    assert drawer.get(drawer.name("4999")) is None


# -- whose it is ---------------------------------------------------------------------------------------


def test_nothing_is_shared_between_tenants_and_policies() -> None:
    cache = Detections()
    finders = [Counting() for _ in range(4)]
    own = Policy(patterns=(Pattern("BADGE", "B-[0-9]+", 0.9, ()),))
    maskers = [
        Masker(KEY, finders=[finders[0]], cache=cache),
        Masker(KEY, tenant="other", finders=[finders[1]], cache=cache),
        Masker(KEY, own, finders=[finders[2]], cache=cache),
        Masker(KEY, finders=[finders[3]], cache=cache),
    ]
    for masker in maskers:
        masker.mask("E-17 and B-12345")
    assert all(finder.seen["E-17 and B-12345"] == 1 for finder in finders)
    assert [len(masker.mask("E-17 and B-12345").spans) for masker in maskers] == [1, 1, 2, 1]
    assert len(cache) == 4


def test_no_two_drawers_and_no_two_texts_have_one_name() -> None:
    cache = Detections()
    one, two = cache.drawer(), cache.drawer()
    texts = [*TEXTS, "\ud83d\ude00", "\U0001f600", "a", "a\0", "A"]
    names = [drawer.name(text) for drawer in (one, two) for text in texts]
    assert len(set(names)) == 2 * len(texts)
    assert all(len(name) == 24 for name in names)
    assert one.name("a") == one.name("a")


def test_a_keyed_hash_is_blake2b() -> None:
    """RFC 7693's function, by another call of the library; keys of the wrong length are refused."""
    import hashlib

    key = bytes(range(32))
    assert KeyedHash(key).digest(b"abc") == hashlib.blake2b(b"abc", key=key, digest_size=24).digest()
    with pytest.raises(ValueError, match="32 bytes"):
        KeyedHash(b"short")


# -- bounds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1, 12, 400])
def test_it_takes_no_more_memory_than_it_says(number: int) -> None:
    cache = Detections(2 << 20)
    drawer = cache.drawer()
    found = [Span(9 * k, 9 * k + 5, "EMAIL", 0.5) for k in range(number)]
    drawer.put(drawer.name("to know the kind"), found)
    gc.collect()
    tracemalloc.start()
    try:
        for i in range(20_000 if number < 100 else 2_000):
            drawer.put(drawer.name(f"text {i}"), found)
            assert cache.bytes <= cache.limit_bytes
            assert tracemalloc.get_traced_memory()[0] <= cache.limit_bytes
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= cache.limit_bytes + 100 * number, "while one is packed"
    assert cache.bytes > cache.limit_bytes * 0.9
    assert cache.bytes == sum(320 + len(packed) for packed in cache._entries.values())


def test_what_was_not_asked_for_longest_goes_first() -> None:
    cache = Detections(10 * 320)
    drawer = cache.drawer()
    names = [drawer.name(str(i)) for i in range(11)]
    for name in names[:10]:
        drawer.put(name, [])
    drawer.get(names[0])
    drawer.put(names[10], [])
    assert len(cache) == 10
    assert drawer.get(names[0]) == [] and drawer.get(names[1]) is None
    drawer.put(names[0], [Span(0, 1, "A", 1.0)])
    assert drawer.get(names[0]) == [], "what is there stays"


def test_what_is_larger_than_all_is_not_kept() -> None:
    cache = Detections(1000)
    drawer = cache.drawer()
    drawer.put(b"small", [])
    drawer.put(b"large", [Span(0, 1, "A", 1.0)] * 100)
    assert drawer.get(b"large") is None and drawer.get(b"small") == []
    with pytest.raises(ValueError, match="positive"):
        Detections(0)


def test_many_threads() -> None:
    cache = Detections(60 * 400)
    maskers = [Masker(KEY, tenant=str(i), cache=cache) for i in range(3)]
    texts = [f"Ada Lovelace, user{i}@example.org, E-{i}" for i in range(40)]
    want = [[masker.mask(text).text for text in texts] for masker in maskers]

    def work(turn: int) -> bool:
        i, masker = turn % 3, maskers[turn % 3]
        at = turn * 7 % 40
        return [masker.mask(text).text for text in texts[at:]] == want[i][at:]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(48)))
    assert 0 < cache.bytes <= cache.limit_bytes
    assert cache.bytes == sum(320 + len(packed) for packed in cache._entries.values())


# -- no text -------------------------------------------------------------------------------------------

CANARY = "canary.bird@example.org"


def everything(thing: Any, seen: set[int]) -> list[bytes]:
    """All strings and bytes that hang on ``thing``, however deep."""
    if id(thing) in seen or isinstance(thing, type | type(gc)):
        return []
    seen.add(id(thing))
    if isinstance(thing, str | bytes):
        return [thing.encode("utf-8", "surrogatepass") if isinstance(thing, str) else thing]
    found = [pickle.dumps(thing)] if isinstance(thing, int | float) else []
    for other in gc.get_referents(thing):
        found += everything(other, seen)
    return found


def test_no_text_is_in_it() -> None:
    cache = Detections()
    masker = Masker(KEY, cache=cache)
    for _ in range(2):
        masker.mask_all([f"Canary Birdsong wrote from {CANARY}", "金丝雀先生，电话13812345678", "Birdsong"])
    assert len(cache) == 3
    dumped = b"\n".join(everything(cache, set()) + everything(list(cache._entries.items()), set()))
    assert b"EMAIL" in dumped, "what is looked through is all of it"
    for secret in ("canary", "bird", "Canary", "Bird", "example.org", "13812345678", "金丝雀"):
        assert secret.encode() not in dumped
    assert "anary" not in repr(cache) + repr(masker) + repr(masker._drawer)
    assert re.fullmatch(r"Detections\(entries=3, bytes=\d+, limit_bytes=67108864\)", repr(cache))


def test_the_key_is_random_and_not_shown() -> None:
    cache = Detections()
    drawer: Drawer = cache.drawer()
    assert "KeyedHash" not in repr(drawer) and drawer.name("a") != Detections().drawer().name("a")


# -- a history that grows ------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from([*TEXTS, "q: Lovelace", "小明: 好", "13812345678"]), min_size=2, max_size=8))
def test_a_turn_more_changes_nothing_before_it_but_where_something_new_stands(history: list[str]) -> None:
    kept = Masker(KEY, cache=Detections())
    turns = [kept.mask_all(history[:n]) for n in range(1, len(history) + 1)]
    for earlier, later in pairwise(turns):
        for old, new, one, two in zip(
            earlier.texts, later.texts, earlier.all_spans, later.all_spans, strict=False
        ):
            assert old == new or {span[:2] for span in one} < {span[:2] for span in two}
    assert turns[-1].texts == Masker(KEY).mask_all(history).texts
