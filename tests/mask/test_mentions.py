"""One name, wherever it stands: in whole and in part."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masquerade.mask.mentions import everywhere
from masquerade.mask.span import Span

ORDINARY = frozenset({"will", "may", "the", "高兴", "明天"})


def ordinary(form: str) -> bool:
    return form in ORDINARY


def found(text: str, *names: str, kind: str = "PERSON") -> list[str]:
    """What is found in ``text`` once the first place of each of ``names`` is."""
    spans = sorted(Span(text.index(name), text.index(name) + len(name), kind, 0.9) for name in names)
    whole = everywhere(text, spans, ordinary)
    assert whole == sorted(whole) and all(a.end <= b.start for a, b in pairwise(whole))
    assert set(spans) <= set(whole)
    return [text[start:end] for start, end, _, _ in whole]


@pytest.mark.parametrize(
    ("text", "names", "all_of_them"),
    [
        ("Ada Lovelace. Dear Ms. Lovelace, Ada's", ["Ada Lovelace"], ["Ada Lovelace", "Lovelace", "Ada"]),
        ("Ada Lovelace and Ada Lovelace", ["Ada Lovelace"], ["Ada Lovelace", "Ada Lovelace"]),
        ("Will May will come, Will said. In May.", ["Will May"], ["Will May"]),
        ("Jo Li and Jo", ["Jo Li"], ["Jo Li"]),
        ("Ann Lee, Annabel, Lee_x, ANN, lee; Lee", ["Ann Lee"], ["Ann Lee", "Lee"]),
        ("J. R. Hartley; Hartley", ["J. R. Hartley"], ["J. R. Hartley", "Hartley"]),
        ("Brien, Mary. Mary O'Brien-Lee", ["Mary O'Brien-Lee"], ["Brien", "Mary", "Mary O'Brien-Lee"]),
        ("张伟说，张伟来了", ["张伟"], ["张伟", "张伟"]),
        ("李小明和小明的妈妈", ["李小明"], ["李小明", "小明"]),
        ("欧阳娜娜，娜娜来", ["欧阳娜娜"], ["欧阳娜娜", "娜娜"]),
        ("王高兴很高兴", ["王高兴"], ["王高兴"]),
        ("张伟，伟大", ["张伟"], ["张伟"]),
        ("我找Kevin Zhang，Kevin在吗", ["Kevin Zhang"], ["Kevin Zhang", "Kevin"]),
    ],
)  # fmt: skip
def test_names_and_their_parts(text: str, names: list[str], all_of_them: list[str]) -> None:
    assert found(text, *names) == all_of_them


def test_only_people_have_parts() -> None:
    assert found("Acme Corp sued. Acme won, Acme Corp lost", "Acme Corp", kind="ORGANIZATION") == [
        "Acme Corp",
        "Acme Corp",
    ]


def test_a_place_that_is_found_already_stays_as_it_is() -> None:
    text = "Ada Lovelace, Ada Byron, Byron"
    assert found(text, "Ada Lovelace", "Ada Byron") == ["Ada Lovelace", "Ada Byron", "Byron"]


@pytest.mark.parametrize("others", [0, 20])
@pytest.mark.parametrize(
    ("text", "names"),
    [("李小明来了，李小明走", [(0, 3), (6, 8)]), ("Ada Lovelace. Then Ada Lovelace", [(0, 12), (19, 22)])],
)
def test_a_name_that_is_found_in_part_is_covered_whole(
    text: str, names: list[tuple[int, int]], others: int
) -> None:
    spans = [Span(start, end, "PERSON", 0.9) for start, end in names]
    for i in range(others):  # many are looked for in another way
        other = f"Other{'abcdefghijklmnopqrst'[i]}"
        spans.append(Span(len(text) + 2, len(text) + 2 + len(other), "PERSON", 0.9))
        text += f", {other}"
    covered = {at for start, end, _, _ in everywhere(text, spans, ordinary) for at in range(start, end)}
    start, end = names[1][0], names[1][0] + names[0][1]
    assert all(at in covered for at in range(start, end))


@pytest.mark.parametrize("others", [0, 20])
def test_a_longer_name_that_ends_within_a_word_hides_no_other(others: int) -> None:
    text = "Ann Lee. Leeds Castle. Ann Leeds, Ann Leeds Castle, Ann Leed"
    people = [f"Other{'abcdefghijklmnopqrst'[i]}" for i in range(others)]
    told = found(", ".join([text, *people]), "Ann Lee", "Leeds Castle", *people)
    assert told[: len(told) - others] == [
        "Ann Lee",
        "Leeds Castle",
        "Ann",
        "Leeds",
        "Ann",
        "Leeds Castle",
        "Ann",
    ]


@given(
    st.lists(st.sampled_from(["Ada", "Lovelace", "张伟", "小明", "李小明", " ", "，", "x"]), max_size=30),
    st.data(),
)
def test_spans_stay_sorted_and_disjoint(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    edges = sorted(set(data.draw(st.lists(st.integers(0, len(text)), max_size=8))))
    spans = [Span(a, b, "PERSON", 0.5) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    whole = everywhere(text, spans, ordinary)
    assert set(spans) <= set(whole) and whole == sorted(whole)
    assert all(a.end <= b.start for a, b in pairwise(whole))
    assert all(0 <= a.start < a.end <= len(text) for a in whole)


def test_many_names_in_a_long_text_take_one_pass() -> None:
    names = [f"Person{chr(65 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676)}" for i in range(5000)]
    text = " ".join(names) + " " + " ".join(reversed(names))
    spans, at = [], 0
    for name in names:
        spans.append(Span(at, at + len(name), "PERSON", 0.9))
        at += len(name) + 1
    assert len(everywhere(text, spans, ordinary)) == 10_000
