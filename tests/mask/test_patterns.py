"""The table of identifiers: well formed, each row reachable, and right about what is private and what is not.

The cases themselves are in ``tests/vectors``: ``found.txt`` and ``left_alone.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masquerade.mask import patterns, rules
from masquerade.mask.find import Lookout, find_rules
from masquerade.mask.patterns import GAPS, ROWS, Row
from masquerade.mask.policy import Policy
from masquerade.mask.span import KINDS

pytestmark = pytest.mark.usefixtures("rules_alone")

VECTORS = Path(__file__).parent.parent / "vectors"
LOOKOUT = Lookout(Policy())

OF_LATER_MODELS = {"PERSON", "LOCATION", "ORGANIZATION", "ADDRESS"}
"""Kinds without a form: names and places."""
FOUND_FROM_THEIR_MIDDLE = {"EMAIL", "URL"}


class Case(NamedTuple):
    kind: str
    text: str
    places: tuple[tuple[int, int], ...]
    line: int


def lines_of(name: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate((VECTORS / name).read_text("utf-8").splitlines(), 1):
        if line and not line.startswith("# "):
            yield number, line


def cases(name: str) -> list[Case]:
    kind, found = "", []
    for number, line in lines_of(name):
        if line[0] == "[" and line[-1] == "]" and line[1:-1] in KINDS:
            kind = line[1:-1]
            continue
        pieces = re.split("[⟦⟧]", line.replace("¦", ""))
        ends = [0, *(sum(map(len, pieces[:i])) for i in range(1, len(pieces) + 1))]
        places = tuple((ends[i], ends[i + 1]) for i in range(1, len(pieces), 2))
        found.append(Case(kind, "".join(pieces), places, number))
    return found


FOUND = cases("found.txt")
LEFT_ALONE = [line for _, line in lines_of("left_alone.txt")]


def covered(text: str, start: int, end: int) -> bool:
    """Whether every letter and digit of the range is in some span."""
    inside = {i for span in LOOKOUT.find(text) for i in range(span.start, span.end)}
    return all(i in inside or not text[i].isalnum() for i in range(start, end))


# -- the table -----------------------------------------------------------------------------------------


def test_every_kind_with_a_form_has_a_row() -> None:
    kinds = {row.kind for row in ROWS if row.kind} | FOUND_FROM_THEIR_MIDDLE
    assert kinds == KINDS.keys() - OF_LATER_MODELS


def nodes(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every operation of a parsed expression."""
    for code, argument in tree:
        yield code, argument
        for part in argument if isinstance(argument, (tuple, list)) else (argument,):
            if isinstance(part, parser.SubPattern):
                yield from nodes(part)
            elif isinstance(part, list):
                for branch in part:
                    if isinstance(branch, parser.SubPattern):
                        yield from nodes(branch)


EXPRESSIONS = [
    *((f"{row.kind} {index}", row.expression) for index, row in enumerate(ROWS)),
    *((f"gap {name}", expression) for name, expression in GAPS.items()),
    *((name, value) for name, value in vars(patterns).items() if name.startswith(("EMAIL_", "URL_"))),
]
EXPRESSIONS = [(name, expression) for name, expression in EXPRESSIONS if isinstance(expression, str)]


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS, ids=[name for name, _ in EXPRESSIONS])
def test_expressions_are_safe(name: str, expression: str) -> None:
    """None asks what a word is (Han letters are words, too); none repeats without bound and gives back."""
    for code, argument in nodes(parser.parse(expression)):
        assert code is not op.AT or argument not in (op.AT_BOUNDARY, op.AT_NON_BOUNDARY), r"\b"
        assert code is not op.CATEGORY or argument not in (op.CATEGORY_WORD, op.CATEGORY_NOT_WORD), r"\w"
        if code in (op.MAX_REPEAT, op.MIN_REPEAT):
            assert argument[1] is not op.MAXREPEAT, "unbounded, and not possessive"
        if code is op.IN:
            assert (op.CATEGORY, op.CATEGORY_WORD) not in argument, r"\w"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.kind}-{ROWS.index(row)}")
def test_rows_are_well_formed(row: Row) -> None:
    ways = bool(row.at) + bool(row.after) + bool(row.lead)
    assert ways == 1 or (ways == 0 and row.expression.startswith(f"[{patterns.PROVINCE}]"))
    assert row.kind in KINDS or not row.score
    assert 0 <= row.score <= 1
    assert row.gap in GAPS
    for literal in chain(row.at, row.after):
        assert literal == literal.lower(), "compared with the lower-cased text"
    assert len(set(row.after)) == len(row.after)
    assert all(0 <= n < rules.MOST_DIGITS for n in row.lead)


ASSERTION = re.compile(r"\(\?<?[!=](?:[^()\[\]]|\[[^\]]*\]|\([^()]*\))*\)")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.lead], ids=lambda row: f"{row.kind}-{ROWS.index(row)}"
)
def test_rows_say_how_many_digits_they_begin_with(row: Row, data: st.DataObject) -> None:
    """Or the dispatch by digits would never ask them. Look-arounds are left out: then more strings match."""
    expression = ASSERTION.sub("", row.expression)
    example = data.draw(st.from_regex(re.compile(expression, re.ASCII), fullmatch=True))
    digits = len(re.match("[0-9]*", example)[0])  # type: ignore[index]
    if row.check is None or row.check(example):
        assert min(digits, rules.MOST_DIGITS - 1) in row.lead


# -- what is found -------------------------------------------------------------------------------------


def test_there_are_enough_cases() -> None:
    assert len(FOUND) >= 300
    assert len(LEFT_ALONE) >= 100
    for kind in KINDS.keys() - OF_LATER_MODELS:
        assert sum(case.kind == kind for case in FOUND) >= 3, kind


@pytest.mark.parametrize("case", FOUND, ids=lambda case: f"{case.kind}-{case.line}")
def test_found_whole(case: Case) -> None:
    found = {(span.start, span.end) for span in LOOKOUT.find(case.text) if span.kind == case.kind}
    assert case.places
    assert set(case.places) <= found


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_left_alone(text: str) -> None:
    assert [span.kind for span in LOOKOUT.find(text)] == []
    assert [span.kind for span in LOOKOUT.find(f"（{text}）")] == []


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.kind], ids=lambda row: f"{row.kind}-{ROWS.index(row)}"
)
def test_each_row_is_reached(row: Row) -> None:
    """Alone, each row still finds some case of its kind."""
    alone = rules.Rules([row])
    wanted = [case for case in FOUND if case.kind == row.kind]
    assert any(set(case.places) & {span[:2] for span in alone.find(case.text)} for case in wanted)


# -- wherever it stands --------------------------------------------------------------------------------

STRONG = {
    "PHONE": ["13812345678", "+1 415-555-0132", "(415) 555-0132", "010-12345678", "+8613812345678"],
    "EMAIL": ["ada.l@example.com"],
    "IP_ADDRESS": ["192.0.2.17", "2001:db8:85a3::8a2e:370:7334"],
    "MAC_ADDRESS": ["00:1a:2b:3c:4d:5e"],
    "CREDIT_CARD": ["4111111111111111", "4111 1111 1111 1111", "3782-822463-10005"],
    "IBAN": ["DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19"],
    "CRYPTO_WALLET": [
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
    ],
    "CN_RESIDENT_ID": ["11010519491231002X", "440524188001010014"],
    "CN_USCC": ["9144030071526726XG"],
    "HK_ID": ["A123456(3)"],
    "TW_ID": ["A123456789"],
    "PASSPORT": ["E12345678"],
    "LICENSE_PLATE": ["京A12345", "粤B12345D"],
    "US_SSN": ["219-09-9999"],
    "UK_NINO": ["AB123456C", "AB 12 34 56 C"],
    "IMEI": ["35-209900-176148-1"],
    "DATE_TIME": ["2024-03-15", "2024年3月15日"],
    "URL": ["https://example.com/a"],
    "SECRET": [
        "sk-" + "proj-abc123DEF456ghi789JKL012",
        "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmN",
    ],
}
VALUES = [(kind, value) for kind, values in STRONG.items() for value in values]

SURROUNDINGS = [
    *("@", "see @ now", "@.", "(@)", "[@]", "<@>", '"@"', "'@'", "`@`", "**@**", "_@_", "| @ |", "|@|"),
    *('{"x":"@"}', r"{\"x\":\"@\"}", "a,@,b", "a;@;b", "a\t@\tb", "x=@&y=1", "?x=@", "#@", "key=@", "key: @"),
    *(
        "- @",
        "1. @",
        "\n@\n",
        "\r\n@\r\n",
        "是@的",
        "号@。",
        "：@，",
        "（@）",
        "「@」",
        "《@》",
        "、@、",
        "你@",
        "@你",
    ),
    *(
        "【@】",
        "［@］",
        "“@”",
        "🙂@🙂",
        "é@é",
        "я@я",
        "あ@あ",
        "한@한",
        "/@/",
        "@!",
        "@?",
        "@;",
        "@%",
        "@…",
        "—@—",
    ),
    *(
        "<td>@</td>",
        "&nbsp;@&nbsp;",
        "id 7 @",
        "No.@",
        "¥@",
        "$@",
        ">@",
        "1,@,2",
        "\x00@\x00",
        "\u200b@\u200b",
    ),
    *("\ufeff@", "x @ y", "2024-01-01T00:00:00Z INFO @ done", "~@~", "=@", "*@*", "10 apples, @"),
]


@pytest.mark.parametrize("around", SURROUNDINGS)
def test_found_in_any_surroundings(around: str) -> None:
    for _, value in VALUES:
        start = around.index("@")
        assert covered(around.replace("@", value), start, start + len(value)), value


@pytest.mark.parametrize("separator", [*",;|\n\t、，。和", ", ", " / ", " and "])
def test_found_one_after_another(separator: str) -> None:
    for _, first in VALUES:
        for _, second in VALUES:
            text = first + separator + second
            assert covered(text, 0, len(first)), text
            assert covered(text, len(first) + len(separator), len(text)), text


def test_found_with_only_a_space_between() -> None:
    """What stands first is always whole; a number behind another may lose its beginning to it, seldom."""
    halved = 0
    for _, first in VALUES:
        for _, second in VALUES:
            text = f"{first} {second}"
            assert covered(text, 0, len(first)), text
            halved += not covered(text, len(first) + 1, len(text))
    assert halved <= len(VALUES) ** 2 // 100


FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F) if chr(code) not in ":()"}
DISGUISES = {
    "full width": lambda value: value.translate(FULL_WIDTH),
    "zero width": "\u200b".join,
    "soft hyphens": "\u00ad".join,
    "joiners": "\u2060".join,
    "no-break": lambda value: value.replace(" ", "\u00a0").replace("-", "\u2011"),
    "en dashes": lambda value: value.replace("-", "–"),
    "mathematical digits": lambda value: value.translate({48 + i: 0x1D7CE + i for i in range(10)}),
    "Arabic-Indic digits": lambda value: value.translate({48 + i: 0x660 + i for i in range(10)}),
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_found_in_disguise(disguise: str) -> None:
    for kind, value in VALUES:
        text = DISGUISES[disguise](value)
        found = LOOKOUT.find(f"看{text}吧")
        assert [(span.start, span.end, span.kind) for span in found] == [(1, 1 + len(text), kind)], value


CONTEXT = st.text(
    st.sampled_from("，。：；！？（）「」、的是在我你号码请问\n\t .,;:!?()[]{}<>\"'`|*=&~^%$"), max_size=12
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(VALUES), CONTEXT, CONTEXT)
def test_found_between_punctuation_and_han(planted: tuple[str, str], before: str, after: str) -> None:
    _, value = planted
    text = before + value + after
    assert covered(text, len(before), len(before) + len(value))


@pytest.mark.parametrize(("kind", "value"), VALUES)
def test_the_score_clears_the_threshold_by_itself(kind: str, value: str) -> None:
    assert any(
        (span.start, span.end, span.kind) == (0, len(value), kind) and span.score >= 0.5
        for span in find_rules(value)
    )
