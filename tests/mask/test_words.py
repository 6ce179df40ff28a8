"""Words and what is seen of them: the native part does what the reference does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masquerade.mask import native, words
from masquerade.mask.words import ROWS, Class, cut, entry, seen

WIDTH = 16
ENTRIES = {
    "ada": 1,
    "li": 3,
    "lovelace": 2,
    "may": 1 << 15,
    "张": 1,
    "伟": 4,
    "张伟": 2,
    "上海": 8,
    "上海市": 8,
    "欧阳": 1,
}
LISTS = {entry(form): mask for form, mask in ENTRIES.items()}
TABLE = np.random.default_rng(1).integers(-127, 128, (ROWS, WIDTH), dtype=np.int8)

built = native.module()
in_c = pytest.mark.skipif(built is None, reason="built without its native part: no C compiler")

TEXTS = st.text(
    st.sampled_from("adlovechinmyABCDELİIßéÉǅǆ张伟上海市欧阳锋王的在·・カナ한국어ж 1２9٣\n\r\t")
    | st.sampled_from("  .,'-_@[]\0𠀀😀ꟼ")
    | st.characters(),
    max_size=60,
)  # fmt: skip


def by_reference(text: str) -> tuple[list[tuple[int, int]], Any]:
    found = cut(text)
    sums = [TABLE[rows].sum(0, dtype=np.int64) for rows in seen(text, found, LISTS)]
    return [word[:2] for word in found], np.array(sums, np.float64).reshape(-1, WIDTH)


def made(lists: Mapping[int, int] = LISTS) -> Any:
    assert built is not None
    hashes, masks = np.array([*lists], np.uint32), np.array([*lists.values()], np.uint16)
    return built.Words(TABLE.tobytes(), WIDTH, 0.5, hashes.tobytes(), masks.tobytes())


@in_c
@given(TEXTS)
def test_the_native_part_sees_what_the_reference_sees(text: str) -> None:
    places, sums = made().see(text)
    where, by = by_reference(text)
    assert np.frombuffer(places, np.int32).reshape(-1, 2).tolist() == [list(place) for place in where]
    assert np.array_equal(np.frombuffer(sums, np.float32).reshape(-1, WIDTH), by * 0.5)


@in_c
@given(TEXTS, st.integers(-3, 70), st.integers(-3, 70))
def test_a_part_is_seen_as_in_the_whole(text: str, first: int, most: int) -> None:
    own = made()
    (places, whole), (same, part) = own.see(text), own.see(text, first, most)
    first, most = max(0, first), max(0, most)
    assert same == places and part == whole[4 * WIDTH * first : 4 * WIDTH * (first + most)]


@given(TEXTS)
def test_words_are_all_that_is_no_space(text: str) -> None:
    found, end = cut(text), 0
    for word in found:
        assert word.start >= end and text[end : word.start].strip() == ""
        assert word.end == word.start + 1 or word.made_of in (Class.LETTERS, Class.DIGITS)
        end = word.end
    assert text[end:].strip() == ""


def test_what_is_seen_of_a_word() -> None:
    def rows(text: str) -> list[set[int]]:
        return [set(own) for own in seen(text, cut(text), LISTS)]

    (ada,), (capitals,), (small,) = rows("Ada"), rows("ADA"), rows("ada")
    assert len(ada & capitals & small) >= 7, "the spelling is the same"
    assert len({frozenset(each) for each in (ada, capitals, small)}) == 3, "and the case is told"
    assert rows("上海市")[1] != rows("上海")[1], "one is within an entry, the other its end"
    assert rows("张伟") != rows("张 伟") and rows("a b") != rows("a\nb") != rows("ab")
    assert all(0 <= row < ROWS for own in rows("Ada 张伟 12 !") for row in own)


@in_c
def test_words_of_other_sizes_are_refused() -> None:
    assert built is not None
    hashes, masks = np.zeros(2, np.uint32).tobytes(), np.zeros(2, np.uint16).tobytes()
    for table, width, first, second in (
        (TABLE.tobytes()[1:], WIDTH, hashes, masks), (TABLE.tobytes(), 8, hashes, masks), (b"", 0, b"", b""),
        (TABLE.tobytes(), WIDTH, hashes[4:], masks), (b"", 1 << 40, b"", b""),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="sizes"):
            built.Words(table, width, 1.0, first, second)
    for wrong in (3, b"Ada", None):
        with pytest.raises(TypeError):
            made().see(wrong)


@in_c
def test_lines_without_words_stay_within_their_memory() -> None:
    line = (
        "from masquerade.mask import native; from masquerade.mask.words import ROWS\n"
        "own = native.module().Words(bytes(ROWS), 1, 1.0, b'', b'')\n"
        "assert all(own.see(char * 500) == (b'', b'') for char in ('\\n', '\\r', ' \\n'))"
    )
    careful = {**os.environ, "PYTHONMALLOC": "debug"}  # ends where something was written beyond its end
    subprocess.run([sys.executable, "-c", line], env=careful, capture_output=True, check=True)


# -- labels -----------------------------------------------------------------------------------------------


def best_of_all(scores: Any, kinds: int) -> float:
    """The best sequence of labels by trying all."""

    def follow(at: int, inside: int | None) -> float:
        if at == len(scores):
            return 0.0 if inside is None else -np.inf
        row = scores[at]
        if inside is not None:
            within = row[1 + 4 * inside + 1] + follow(at + 1, inside)
            return max(within, row[1 + 4 * inside + 2] + follow(at + 1, None))
        ways = [row[0] + follow(at + 1, None)]
        for kind in range(kinds):
            ways.append(row[1 + 4 * kind] + follow(at + 1, kind))
            ways.append(row[1 + 4 * kind + 3] + follow(at + 1, None))
        return max(ways)

    return follow(0, None)


def worth(found: list[tuple[int, int, int, float]], scores: Any) -> float:
    total, at = 0.0, 0
    for first, last, kind, _ in found:
        total += sum(scores[at:first, 0])
        base = 1 + 4 * kind
        if first == last:
            total += scores[first, base + 3]
        else:
            total += scores[first, base] + scores[first + 1 : last, base + 1].sum() + scores[last, base + 2]
        at = last + 1
    return total + sum(scores[at:, 0])


@in_c
@given(st.integers(0, 6), st.integers(1, 2), st.integers(0, 2**32))
def test_the_best_labels_are_found(count: int, kinds: int, seed: int) -> None:
    assert built is not None
    scores = np.random.default_rng(seed).normal(size=(count, 1 + 4 * kinds)).astype(np.float32)
    found = built.decode(scores.tobytes(), kinds)
    assert all(a <= b for a, b, *_ in found)
    assert all(one[1] < other[0] for one, other in pairwise(found))
    assert worth(found, scores) == pytest.approx(best_of_all(scores, kinds), abs=1e-4)
    by_reference = words.best(scores.tolist(), kinds)
    assert [one[:3] for one in by_reference] == [one[:3] for one in found]
    assert [one[3] for one in by_reference] == pytest.approx([one[3] for one in found])


@in_c
def test_no_score_makes_a_name_begin_before_the_text() -> None:
    assert built is not None
    far = np.float32(-3e38)
    for scores in np.random.default_rng(3).choice([far, -np.inf, 0.0, -far, np.inf, np.nan], (500, 4, 9)):
        found = built.decode(scores.astype(np.float32).tobytes(), 2)
        assert all(0 <= first <= last < 4 for first, last, *_ in found)
    assert words.best([[-3e38] * 5] * 2, 1) == []


@in_c
def test_labels_of_half_a_word_are_refused() -> None:
    assert built is not None
    for scores, kinds in ((b"123", 1), (b"", 0), (b"", 9)):
        with pytest.raises(ValueError, match="whole words"):
            built.decode(scores, kinds)
