"""The plain form: what it changes, what it leaves, and that every place leads back to the original."""

from __future__ import annotations

import sys
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from masquerade.mask import normal
from masquerade.mask.normal import Normal, lowered
from masquerade.mask.surrogate import PROJECTION, project

EVERY_CHARACTER = "".join(map(chr, range(sys.maxunicode + 1)))
CHINESE_PUNCTUATION = "！（），：；？"
"""Kept in their full width: they end values, and a token in Chinese text stands between them."""

NASTY = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("0123456789abzAZ@.-+ "),
        st.sampled_from("０９Ａｚ．＠－　٠٩۵०９𝟎𝟗𝐀①⑳㎏ﬁ½²…㋿㍿﷽"),
        st.sampled_from("\u00ad\u200b\u200c\u200d\u2060\ufeff\ufe0f\u202e\u2066\u3164\u034f\U000e0041"),
        st.sampled_from("\u0301\u0308\u20dd👨👩🏽🇨🇳אبݐ\ud800\udfff"),
    ),
    max_size=40,
)


def test_what_is_called_plain_is_plain() -> None:
    """Each character that the fast path skips would come out of the slow one as it went in."""
    kept = normal._KEPT.findall(EVERY_CHARACTER)
    assert len(kept) > 40_000
    for char in kept:
        if char.isascii() or char in CHINESE_PUNCTUATION:
            continue
        assert unicodedata.normalize("NFKC", char) == char, hex(ord(char))
        assert unicodedata.category(char) not in ("Cf", "Nd", "Zs"), hex(ord(char))
        assert char not in normal._DASHES + normal._FILLERS, hex(ord(char))


def test_ascii_is_its_own_plain_form() -> None:
    text = "".join(map(chr, range(128)))
    assert Normal(text).text == text
    assert Normal(text).same_offsets


def test_lower_case_never_changes_the_length() -> None:
    assert len(lowered(EVERY_CHARACTER)) == len(EVERY_CHARACTER)
    longer = [char for char in EVERY_CHARACTER if len(char.lower()) != 1]
    assert longer, "this test would prove nothing"
    for char in longer:
        assert len(lowered(f"A{char}B")) == 3
        assert lowered(f"A{char}B")[::2] == "ab"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("１３８１２３４５６７８", "13812345678"),  # full width
        ("٠١٢٣٤٥٦٧٨٩", "0123456789"),  # Arabic-Indic
        ("۰۱۲۳۴۵۶۷۸۹", "0123456789"),  # Persian
        ("०१२३४५६७८९", "0123456789"),  # Devanagari
        ("𝟎𝟏𝟐𝟛𝟜𝟝𝟨𝟩𝟪𝟫", "0123456789"),  # mathematical
        ("①②③", "123"),  # circled
        ("⑳", "20"),
        ("²³", "23"),  # superscript
        ("ａｄａ＠ｅｘａｍｐｌｅ．ｃｏｍ", "ada@example.com"),
        ("𝐚𝐝𝐚@𝖾𝗑𝖺𝗆𝗉𝗅𝖾.com", "ada@example.com"),
        ("138\u00a01234\u20095678", "138 1234 5678"),  # no-break and thin space
        ("138\u30001234\u30005678", "138 1234 5678"),  # ideographic space
        ("138\u00ad1234\u00ad5678", "13812345678"),  # soft hyphen
        ("138\u200b1234\u200d56\u206078\ufeff", "13812345678"),  # zero width
        ("4111‐1111‑1111‒1111–1111−1111－1111", "4111-1111-1111-1111-1111-1111-1111"),
        ("1\ufe0f\u20e32\ufe0f\u20e3", "1\u20e32\u20e3"),  # keycaps lose the selector
        ("\u202e123\u202c", "123"),  # direction marks
        ("１０．１．２．３", "10.1.2.3"),
        ("ｓｋ－ａｂｃ", "sk-abc"),
        ("汉字，：（）！？；。、", "汉字，：（）！？；。、"),
        ("カタカナ한글Ελληνικάрусский", "カタカナ한글Ελληνικάрусский"),
        ("é", "é"),
        ("e\u0301", "e\u0301"),
        ("—“”‘’…·", "—“”‘’...·"),
        ("a\ud800\udc00b", "a\ufffd\ufffdb"),  # halves of characters, as JSON escapes may leave them
        ("", ""),
    ],
)
def test_plain_forms(text: str, plain: str) -> None:
    assert Normal(text).text == plain


def test_offsets_of_what_vanished_and_what_grew() -> None:
    shy = Normal("a\u200b\u200b13\u00ad8z")
    assert shy.text == "a138z"
    assert not shy.same_offsets
    assert shy.original(1, 4) == (3, 7)
    assert shy.original(0, 1) == (0, 1)
    assert shy.original(4, 5) == (7, 8)
    grown = Normal("x⑳y")
    assert grown.text == "x20y"
    assert grown.original(1, 2) == grown.original(2, 3) == grown.original(1, 3) == (1, 2)
    assert grown.original(3, 4) == (2, 3)


def test_full_width_keeps_offsets() -> None:
    assert Normal("手机１３８").same_offsets
    assert Normal("手机１３８").original(2, 5) == (2, 5)


def test_here_is_the_inverse_of_original() -> None:
    plain = Normal("a\u200bb\u200bc")
    assert [plain.here(offset) for offset in range(6)] == [0, 1, 1, 2, 2, 3]
    assert Normal("abc").here(2) == 2


@settings(max_examples=300, deadline=None)
@given(NASTY)
@example("\u200b")
@example("\u200b1\u200b")
@example("½⑳\ufeff")
def test_every_place_leads_back(text: str) -> None:
    plain = Normal(text)
    size = len(plain.text)
    if size == 0:
        return
    places = [plain.original(i, i + 1) for i in range(size)]
    for start, end in places:
        assert 0 <= start < end <= len(text)
    for (start, end), (after, behind) in pairwise(places):
        assert start <= after
        assert end <= behind
        assert after >= end or (start, end) == (after, behind), "two places overlap only within one character"
    start, end = plain.original(0, size)
    assert (start, end) == (places[0][0], places[-1][1])
    covered = {i for a, b in places for i in range(a, b)}
    for i in set(range(len(text))) - covered:
        assert Normal(text[i]).text == "", "only what vanishes is behind no place"
    if plain.same_offsets:
        assert size == len(text)


def test_a_text_of_every_character_does_not_stay_in_memory() -> None:
    Normal(EVERY_CHARACTER)
    project(EVERY_CHARACTER)
    assert max(len(normal._TABLE), len(normal._FORMS), len(PROJECTION)) <= normal.MOST_CHARACTERS


@settings(max_examples=200, deadline=None)
@given(NASTY, NASTY)
def test_characters_are_read_one_by_one(a: str, b: str) -> None:
    """So that a text cut anywhere, or taken out of its surroundings, reads the same."""
    assert Normal(a + b).text == Normal(a).text + Normal(b).text


@settings(max_examples=200, deadline=None)
@given(NASTY)
def test_plain_text_stays_plain(text: str) -> None:
    plain = Normal(text).text
    assert Normal(plain).text == plain
    assert len(lowered(plain)) == len(plain)
