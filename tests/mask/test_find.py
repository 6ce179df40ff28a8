"""Finding as a whole: overlaps, lists, patterns, finders, offsets, and work that grows as the text does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.errors import EngineProblem, PolicyProblem
from masquerade.mask import rules
from masquerade.mask.find import Lookout, find_rules
from masquerade.mask.patterns import ROWS
from masquerade.mask.policy import Pattern, Policy, Words
from masquerade.mask.span import Fate, Span

pytestmark = pytest.mark.usefixtures("rules_alone")

ISSUE = {
    "服务器10.1.2.3在访问，卡号4111111111111111被拒": [
        ("IP_ADDRESS", "10.1.2.3"),
        ("CREDIT_CARD", "4111111111111111"),
    ],
    "手机13812345678邮箱zhang.wei@example.com谢谢": [
        ("PHONE", "13812345678"),
        ("EMAIL", "zhang.wei@example.com"),
    ],
}

MIXED = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("0123456789" * 3 + "aZX@:/.-+()[]=\"' ,\n"),
        st.sampled_from("手机号码卡密是在，。（）：０１９\u200b\u00ad①é京A"),
    ),
    max_size=80,
)


def kinds_and_values(text: str, policy: Policy | None = None, **more: Any) -> list[tuple[str, str]]:
    found = Lookout(policy or Policy(), **more).find(text)
    return [(span.kind, text[span.start : span.end]) for span in found]


# -- the whole -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ISSUE)
def test_values_glued_to_han_text(text: str) -> None:
    """Where tools that ask for word boundaries find nothing."""
    assert kinds_and_values(text) == ISSUE[text]


def check_spans(text: str, spans: list[Span]) -> None:
    end = 0
    for span in spans:
        assert end <= span.start < span.end <= len(text)
        assert 0 <= span.score <= 1
        assert span.kind
        end = span.end


@settings(max_examples=400, deadline=None)
@given(MIXED)
def test_spans_are_sorted_disjoint_and_inside(text: str) -> None:
    check_spans(text, Lookout(Policy(thresholds={"default": 0.0})).find(text))
    raw = find_rules(text)
    assert raw == sorted(raw)
    for span in raw:
        assert 0 <= span.start < span.end <= len(text)


DENYING = Policy(
    deny=(Words("PERSON", ("王", "a1", "é", "1-1")), Words("X1", ("[0-9]+[号码]?",), "pattern")),
    allow=(Words(None, ("11",)),),
    patterns=(Pattern("STAFF", "(?i)[a-c]{2,}"),),
)


@settings(max_examples=200, deadline=None)
@given(MIXED)
def test_spans_of_lists_are_sorted_disjoint_and_inside(text: str) -> None:
    check_spans(text, Lookout(DENYING).find(text))


@settings(max_examples=200, deadline=None)
@given(
    MIXED,
    st.text("的是在我你他请问好，。！？", max_size=20),
    st.text("的是在我你他请问好，。！？", max_size=20),
)
def test_han_text_around_changes_nothing(text: str, before: str, after: str) -> None:
    """As long as it is no part of a value itself: a line break keeps it apart."""
    alone = Lookout(Policy()).find(f"\n{text}\n")
    within = Lookout(Policy()).find(f"{before}\n{text}\n{after}")
    assert [(s.start + len(before), s.end + len(before), s.kind, s.score) for s in alone] == [
        *map(tuple, within)
    ]


def test_nothing_in_nothing() -> None:
    assert Lookout(Policy()).find("") == find_rules("") == []


def test_without_rules_nothing_is_found_by_itself() -> None:
    text = " ".join(ISSUE)
    assert Lookout(Policy(rules=False)).find(text) == []
    denying = Policy(rules=False, deny=(Words("PERSON", ("手机",)),))
    assert kinds_and_values(text, denying) == [("PERSON", "手机")]


def test_spans_hold_no_text() -> None:
    assert "4111" not in repr(Lookout(Policy()).find("卡号4111111111111111"))


def test_offsets_are_those_of_the_text_that_was_given() -> None:
    text = "😀手机：１３８\u200b１２３４\u00ad５６７８，é京Ａ·１２３４５"
    found = kinds_and_values(text)
    assert found[0] == ("PHONE", "１３８\u200b１２３４\u00ad５６７８")


def test_half_a_character_stops_nothing() -> None:
    text = "\ud83d手机13812345678\ude00"
    policy = Policy(deny=(Words("PERSON", ("手",)),), patterns=(Pattern("STAFF", "机"),))
    assert kinds_and_values(text, policy) == [("PERSON", "手"), ("STAFF", "机"), ("PHONE", "13812345678")]


def test_one_lookout_serves_many_threads() -> None:
    lookout = Lookout(Policy(deny=(Words("PERSON", ("Ada",)),)))
    texts = [f"Ada {i} 手机1381234{i:04d}邮箱a{i}@example.com" for i in range(200)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lookout.find, texts)) == [lookout.find(text) for text in texts]


# -- fates, thresholds, overlaps -----------------------------------------------------------------------


def spans_of(*spans: tuple[int, int, str, float]) -> Callable[[str], Iterator[Span]]:
    def finder(text: str) -> Iterator[Span]:
        yield from (Span(*span) for span in spans)

    return finder


TEXT = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("spans", "merged"),
    [
        ([(0, 5, "URL", 0.9), (3, 8, "SECRET", 0.6)], [(0, 8, "SECRET")]),  # the strictest fate
        ([(0, 8, "URL", 0.9), (3, 5, "SECRET", 0.6)], [(0, 8, "SECRET")]),  # inside: the whole is covered
        ([(0, 5, "URL", 0.6), (3, 9, "EMAIL", 0.6)], [(0, 9, "EMAIL")]),  # equally strict: the longer
        ([(0, 5, "URL", 0.6), (3, 8, "EMAIL", 0.7)], [(0, 8, "EMAIL")]),  # as long: the surer
        ([(0, 5, "URL", 0.9), (5, 8, "SECRET", 0.6)], [(0, 5, "URL"), (5, 8, "SECRET")]),  # touching only
        ([(0, 3, "URL", 0.9), (2, 6, "EMAIL", 0.9), (5, 9, "URL", 0.9)], [(0, 9, "EMAIL")]),  # a chain
        ([(5, 8, "URL", 0.9), (0, 3, "URL", 0.9)], [(0, 3, "URL"), (5, 8, "URL")]),  # sorted
        ([(0, 3, "URL", 0.9), (0, 3, "URL", 0.9)], [(0, 3, "URL")]),  # twice
        ([(0, 9, "PHONE", 0.4), (2, 4, "URL", 0.9)], [(2, 4, "URL")]),  # below the threshold: not there
        ([(0, 9, "DATE_TIME", 0.9), (2, 4, "URL", 0.9)], [(2, 4, "URL")]),  # kept: not there
    ],
)
def test_overlaps(spans: list[tuple[int, int, str, float]], merged: list[tuple[int, int, str]]) -> None:
    policy = Policy(fates={"DATE_TIME": Fate.KEEP}, rules=False)
    found = Lookout(policy, [spans_of(*spans)]).find(TEXT)
    assert [span[:3] for span in found] == merged


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 25),
            st.integers(1, 9),
            st.sampled_from(["URL", "SECRET", "PHONE", "DATE_TIME", "X1"]),
            st.floats(0, 1),
        )
    )
)
def test_merging_covers_all_with_the_strictest_fate(raw: list[tuple[int, int, str, float]]) -> None:
    policy = Policy(fates={"DATE_TIME": Fate.KEEP, "X1": Fate.BLOCK}, rules=False)
    spans = [(start, min(26, start + size), kind, score) for start, size, kind, score in raw]
    counting = [s for s in spans if s[3] >= 0.5 and s[2] != "DATE_TIME"]
    found = Lookout(policy, [spans_of(*spans)]).find(TEXT)
    check_spans(TEXT, found)
    assert {i for s in found for i in range(s.start, s.end)} == {
        i for s in counting for i in range(s[0], s[1])
    }
    for span in found:
        within = [s for s in counting if span.start <= s[0] and s[1] <= span.end]
        assert policy.fate(span.kind).strictness == max(policy.fate(s[2]).strictness for s in within)
        assert span.start == min(s[0] for s in within)
        assert span.end == max(s[1] for s in within)


def test_a_secret_in_a_url_makes_all_of_it_secret() -> None:
    text = "see https://example.com/x?token=abcd1234efgh5678 now"
    assert kinds_and_values(text) == [("SECRET", "https://example.com/x?token=abcd1234efgh5678")]


def test_kinds_that_are_kept_are_not_found() -> None:
    text = "手机13812345678邮箱zhang.wei@example.com谢谢"
    policy = Policy(fates={"PHONE": Fate.KEEP})
    assert kinds_and_values(text, policy) == [("EMAIL", "zhang.wei@example.com")]


def test_what_is_kept_does_not_hide_what_is_not() -> None:
    text = "https://example.com/?email=ada@example.com"
    assert kinds_and_values(text, Policy(fates={"URL": Fate.KEEP})) == [("EMAIL", "ada@example.com")]


@pytest.mark.parametrize(("threshold", "found"), [(0.0, True), (0.8, True), (0.801, False), (1.0, False)])
def test_thresholds(threshold: float, found: bool) -> None:
    policy = Policy(thresholds={"default": 0.3, "PERSON": threshold})
    assert bool(kinds_and_values("Ada", policy, finders=[names])) == found
    unruled = Policy(thresholds={"default": threshold}, rules=False)
    assert bool(kinds_and_values("Ada", unruled, finders=[names])) == found


def test_a_higher_threshold_drops_the_unsure_forms() -> None:
    assert kinds_and_values("4155550132") == [("PHONE", "4155550132")]
    surer = Policy(thresholds={"PHONE": 0.7})
    assert kinds_and_values("4155550132", surer) == []
    assert kinds_and_values("415-555-0132", surer) == [("PHONE", "415-555-0132")]


# -- deny and allow lists ------------------------------------------------------------------------------


def denying(*words: str, match: Any = "exact", kind: str = "PERSON") -> Policy:
    return Policy(deny=(Words(kind, words, match),), rules=False)


@pytest.mark.parametrize(
    ("words", "match", "text", "found"),
    [
        (["Ada Lovelace"], "exact", "Ada Lovelace, Ada lovelace", ["Ada Lovelace"]),
        (["Ada Lovelace"], "ignore-case", "ADA LOVELACE met ada lovelace.", ["ADA LOVELACE", "ada lovelace"]),
        (["Ann"], "exact", "Ann's cat, Anna, Joann, Ann_x, Ann-Marie, 3Ann", ["Ann", "Ann", "Ann"]),
        (["王伟"], "exact", "是王伟的，小王伟大", ["王伟", "王伟"]),  # Han text has no words to keep apart
        (["Ann"], "exact", "见Ann的", ["Ann"]),
        (["Café"], "ignore-case", "CAFÉ café", ["CAFÉ", "café"]),
        (["Falcon 9"], "exact", "Falcon 9, Falcon 90", ["Falcon 9"]),
        (["Ａｄａ"], "exact", "Ada and Ａｄａ", ["Ada", "Ａｄａ"]),  # compared in the plain form
        (["Ada"], "exact", "A\u200bda", ["A\u200bda"]),
        (["C++"], "exact", "C++ and C+++", ["C++", "C++"]),
        (["ab", "abc"], "exact", "abc ab", ["abc", "ab"]),  # the longest
        (["New York", "York Times"], "exact", "New York Times", ["New York"]),
        (["proj-[a-z]+"], "pattern", "proj-falcon proj-X", ["proj-falcon"]),
        (["(?i)secret project"], "pattern", "SECRET PROJECT", ["SECRET PROJECT"]),
        (["项目[甲乙丙]"], "pattern", "是项目乙吗，１", ["项目乙"]),
        (["[0-9]{4}"], "pattern", "é１２３４é", ["１２３４"]),
        ([r"\bAnn\b"], "pattern", "Ann Anna", ["Ann"]),
    ],
)
def test_denied_words(words: list[str], match: str, text: str, found: list[str]) -> None:
    assert [value for _, value in kinds_and_values(text, denying(*words, match=match))] == found


def test_denied_words_are_never_too_unsure() -> None:
    policy = Policy(deny=(Words("PERSON", ("Ada",)),), thresholds={"PERSON": 1.0})
    assert kinds_and_values("Ada", policy) == [("PERSON", "Ada")]


def test_ten_thousand_denied_words() -> None:
    words = tuple(f"Codename {i:05d}" for i in range(5_000)) + tuple(f"代号{i:05d}号" for i in range(5_000))
    lookout = Lookout(denying(*words, match="ignore-case"))
    text = "CODENAME 04999 and 代号00017号, Codename 05000 and 代号05000号"
    assert [text[s.start : s.end] for s in lookout.find(text)] == ["CODENAME 04999", "代号00017号"]


def test_a_denied_word_within_a_value_takes_its_tail_along() -> None:
    policy = Policy(deny=(Words("PERSON", ("ada",)),))
    assert kinds_and_values("ada@example.com", policy) == [("EMAIL", "ada@example.com")]
    strict = Policy(deny=(Words("PERSON", ("ada",)),), fates={"PERSON": Fate.BLOCK})
    assert kinds_and_values("ada@example.com", strict) == [("PERSON", "ada@example.com")]


@pytest.mark.parametrize(
    ("allow", "text", "found"),
    [
        (Words(None, ("10.0.0.1",)), "10.0.0.1 10.0.0.11", ["10.0.0.11"]),
        (Words("EMAIL", ("help@example.com",)), "help@example.com Help@example.com", ["Help@example.com"]),
        (Words("EMAIL", ("help@example.com",), "ignore-case"), "Help@Example.com a@b.com", ["a@b.com"]),
        (Words("EMAIL", (".*@example\\.com",), "pattern"), "a@example.com a@example.org", ["a@example.org"]),
        (Words("PHONE", ("help@example.com",)), "help@example.com", ["help@example.com"]),  # of another kind
        (Words(None, ("138 1234 5678",)), "１３８ １２３４ ５６７８", []),  # in the plain form
        (Words(None, ("1.2.3",)), "10.1.2.3", ["10.1.2.3"]),  # a part of a value allows nothing
        (Words(None, ("example.com",), "pattern"), "a@example.com", ["a@example.com"]),
    ],
)  # fmt: skip
def test_allowed_words(allow: Words, text: str, found: list[str]) -> None:
    assert [value for _, value in kinds_and_values(text, Policy(allow=(allow,)))] == found


def test_denying_wins() -> None:
    policy = Policy(
        deny=(Words("PERSON", ("13812345678",)),),
        allow=(Words("PHONE", ("138[0-9]{8}",), "pattern"),),
    )
    assert kinds_and_values("13812345678 13800000000", policy) == [("PERSON", "13812345678")]


# -- patterns of the policy's own ----------------------------------------------------------------------


def test_own_patterns() -> None:
    policy = Policy(patterns=(Pattern("STAFF_ID", "E-[0-9]{6}"),))
    assert kinds_and_values("员工E-123456请假，E-12345", policy) == [("STAFF_ID", "E-123456")]
    assert kinds_and_values("Ｅ－１２３４５６", policy) == [("STAFF_ID", "Ｅ－１２３４５６")]


def test_own_patterns_need_their_context_nearby() -> None:
    policy = Policy(patterns=(Pattern("STAFF_ID", "[0-9]{6}", context=("Staff", "工号")),))
    assert kinds_and_values("STAFF no 123456", policy) == [("STAFF_ID", "123456")]
    assert kinds_and_values("123456是工号", policy) == [("STAFF_ID", "123456")]
    assert kinds_and_values("order 123456", policy) == []
    assert kinds_and_values(f"staff{' ' * 100}123456", policy) == []


def test_own_patterns_have_a_score_and_a_fate() -> None:
    unsure = Pattern("STAFF_ID", "[0-9]{6}", score=0.4)
    assert kinds_and_values("123456", Policy(patterns=(unsure,), thresholds={"STAFF_ID": 0.4}))
    strict = Policy(patterns=(Pattern("CASE", "[0-9]{3,}"),), fates={"CASE": Fate.BLOCK})
    assert kinds_and_values("13812345678", strict) == [("CASE", "13812345678")]


def test_patterns_for_what_is_kept_are_refused() -> None:
    with pytest.raises(PolicyProblem):
        Policy(patterns=(Pattern("CASE", "[0-9]{3,}"),), fates={"CASE": Fate.KEEP})


# -- further finders -----------------------------------------------------------------------------------


def names(text: str) -> Iterator[Span]:
    for match in re.finditer("Ada|张伟", text):
        yield Span(*match.span(), "PERSON", 0.8)


def test_further_finders() -> None:
    text = "张伟的手机13812345678, Ada"
    assert kinds_and_values(text, finders=[names]) == [
        ("PERSON", "张伟"),
        ("PHONE", "13812345678"),
        ("PERSON", "Ada"),
    ]


def test_finders_read_the_text_as_it_was_given() -> None:
    seen: list[str] = []

    def finder(text: str) -> list[Span]:
        seen.append(text)
        return []

    Lookout(Policy(), [finder]).find("１\u200b２")
    assert seen == ["１\u200b２"]


def test_finders_are_held_to_the_policy() -> None:
    assert kinds_and_values("Ada", Policy(fates={"PERSON": Fate.KEEP}), finders=[names]) == []
    assert kinds_and_values("Ada", Policy(thresholds={"PERSON": 0.9}), finders=[names]) == []
    assert kinds_and_values("Ada", Policy(allow=(Words("PERSON", ("Ada",)),)), finders=[names]) == []
    assert kinds_and_values("Ada", Policy(rules=False), finders=[names]) == [("PERSON", "Ada")]


def test_a_finder_that_fails_fails_all() -> None:
    """Text that could not be looked at must not be sent."""

    def broken(text: str) -> list[Span]:
        raise RuntimeError("no model")

    with pytest.raises(RuntimeError, match="no model"):
        Lookout(Policy(), [names, broken]).find("Ada")


# -- work ----------------------------------------------------------------------------------------------

SEEDS = [
    *("a", "1", "1 ", "1-", "a1", "a.", "a@", "@", "a.a@", "://", "a://", "www.", "_", "-", "(", "+1"),
    *("+1 ", "0x", "password:", "password: ", "pwd ", "token is ", "Bearer ", "eyJ", "eyJa.", "sk-"),
    *("-----BEGIN PRIVATE K", "-----BEGIN PRIVATE KEY-----", "1.1.", "::", "a:", "0:", "(1", "4111 "),
    *("4111 1111 ", "1111-", "12/", "2024-", "年", "京A", "１", "é", "\u200b1", "AB12 ", "x-1", "1/2/"),
    *("DE89 ", "jan ", "may 1 ", "qq ", "01 ", "10 20 ", "138", "138 ", "13812345678 ", "a_", "10.0.0."),
    *("{'a':1}", "a+", "1+", "a-1_", "A1B2", "密码", "密码：", "卡号", "card number 1 ", "born "),
    *("000000000000000000000000000000000000000 ", "a@b.", "http://a:", "sk-ant-", "[1](", "1,", "1a"),
    *("zZ9"),
]


class Tally:
    """Counts calls and the characters that they are given."""

    def __init__(self) -> None:
        self.work: Counter[str] = Counter()

    def counted(
        self, name: str, function: Callable[..., Any], size: Callable[..., int]
    ) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.work[name] += size(*arguments)
            return function(*arguments)

        return call


def work(text: str, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often forms are tried, and how many characters the checks of the rows read, in ``text``."""
    tally = Tally()
    checked: dict[int, Any] = {}
    rows = []
    for row in ROWS:
        if row.check and id(row.check) not in checked:
            checked[id(row.check)] = tally.counted("checked", row.check, lambda value: 1 + len(value))
        changes = {"check": checked[id(row.check)]} if row.check else {}
        rows.append(type(row)(**{**{f: getattr(row, f) for f in row.__slots__}, **changes}))
    with monkeypatch.context() as patch:
        patch.setattr(rules._Forms, "at", tally.counted("tried", rules._Forms.at, lambda *_: 1))
        patch.setattr(rules, "_word_start", tally.counted("led", rules._word_start, lambda *_: 1))
        tally.work["found"] = len(rules.Rules(rows).find(text))
    return tally.work


@pytest.mark.parametrize("seed", SEEDS)
def test_work_grows_no_faster_than_the_text(seed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: the expressions themselves are bounded or possessive (test_patterns)."""
    size = 30_000
    once = seed * (size // len(seed))
    one, two = work(once, monkeypatch), work(once + once, monkeypatch)
    for name in two:
        assert two[name] <= 2.2 * one[name] + 50, name
    assert one["tried"] + one["led"] <= 2 * len(once)
    assert one["checked"] <= 40 * len(once)


@pytest.mark.parametrize("seed", ["sk-", "eyJ", "password=", "a1-", "1.", "xoxb-1"])
def test_one_long_word_made_of_beginnings(seed: str) -> None:
    text = seed * (200_000 // len(seed))
    check_spans(text, Lookout(Policy()).find(text))


def test_own_patterns_read_lines_and_the_plain_form() -> None:
    anchored = Lookout(Policy(patterns=(Pattern("STAFF_ID", "^E-[0-9]{6}$"),)))
    text = "staff:\nE-123456\nnot E-654321"
    assert [text[a:b] for a, b, *_ in anchored.find(text)] == ["E-123456"]
    wide = Lookout(Policy(patterns=(Pattern("STAFF_ID", "ＡＢ．[0-9]{4}"),)))
    for text in ("see AB.1234 there", "see ＡＢ．１２３４ there"):
        assert [text[a:b] for a, b, *_ in wide.find(text)] == [text[4:11]]
    assert not wide.find("see ABx1234 there")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("password=x7#kkQ2driver license number is S123-4567-8901", "S123-4567-8901"),
        ("handle: ada_BANK ACCOUNT-50530096", "50530096"),
    ],
)
def test_a_label_whose_beginning_belongs_to_a_value_still_counts(text: str, value: str) -> None:
    assert value in [text[a:b] for a, b, *_ in Lookout(Policy()).find(text)]


@pytest.mark.parametrize("kind", ["PERSON", "LOCATION"])
def test_a_score_that_is_no_number_fails(kind: str) -> None:
    """It is below no threshold and above none: the find would be lost without a word."""
    policy = Policy(fates={"LOCATION": Fate.KEEP})
    look = Lookout(policy, [lambda text: iter([Span(0, 3, kind, float("nan"))])])
    with pytest.raises(EngineProblem, match="no number") as caught:
        look.find("the canary")
    assert "canary" not in str(caught.value)


def test_as_many_finders_as_the_policy_names() -> None:
    policy = Policy.parse('version = 1\n[finder]\nuse = ["spacy:a", "onnx:b"]')
    with pytest.raises(PolicyProblem, match="fewer finders were passed"):
        Lookout(policy, [lambda text: []])
