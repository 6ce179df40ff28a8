"""The native part finds and masks what the Python code does: programs against ``re``, texts against it."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
import threading
from array import array
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.keys import Key
from masquerade.mask import checks, native, program, rules, scanner
from masquerade.mask.find import Lookout
from masquerade.mask.normal import USUAL, Normal
from masquerade.mask.patterns import ROWS, Row
from masquerade.mask.policy import Policy
from masquerade.mask.restore import shadow
from masquerade.mask.rules import Found
from masquerade.mask.span import KINDS, Fate, Span
from masquerade.mask.surrogate import ALPHABET, PROJECTION, Surrogate, canonical
from masquerade.mask.text import Masked, Masker

VECTORS = Path(__file__).parents[1] / "vectors"
LINES = [
    line
    for name in ("found.txt", "left_alone.txt")
    for line in (VECTORS / name).read_text(encoding="utf-8").splitlines()
]
LABELS = sorted({label for row in ROWS for label in (*row.at, *row.after)})
GLUE = (
    *(
        " ",
        ": ",
        " is ",
        "=",
        "\n",
        "是",
        "：",
        '"',
        "'",
        "(",
        ")",
        "-",
        ".",
        "/",
        "",
        "\\n",
        "，",
        "号",
        "转",
    ),
    *(
        "ext ",
        "_",
        "%40",
        "@",
        "://",
        "www.",
        "[",
        "{",
        ",",
        "; ",
        "é",
        "Ñ",
        "İ",
        "ſ",
        "\u212a",
        "😀",
        "\0",
        "&#x41;",
    ),
)
SIGNS = "0123456789AaBbXxEe .-:/@()[]{}\"'=_+,;年月日号转京密码：，\n\\nrt%#?&"

needs_native = pytest.mark.skipif(
    native.module() is None, reason="built without its native part: no C compiler"
)
laws = settings(max_examples=150, deadline=None)


def built() -> ModuleType:
    module = native.module()
    assert module is not None
    return module


def whole() -> scanner.Scanner:
    found = scanner.whole()
    assert found is not None
    return found


def a_text(seed: int) -> str:
    """Values, labels, numbers and signs in any mixture, some of them broken."""
    r = random.Random(seed)
    if r.random() < 0.3:
        return "".join(r.choice(SIGNS) for _ in range(r.randrange(2, 200)))
    pieces: list[str] = []
    for _ in range(r.randrange(1, 12)):
        number = str(r.randrange(10 ** r.randrange(1, 20)))
        label = r.choice(LABELS)
        pieces += r.choice((r.choice(LINES), label, label.upper(), number)), r.choice(GLUE)
    whole = list("".join(pieces))
    for _ in range(r.randrange(8) if whole else 0):
        at = r.randrange(len(whole) + 1)
        whole[at : at + r.randrange(3)] = r.choice(GLUE)
    return "".join(whole)


texts = st.integers(0, 2**64).map(a_text)


def test_it_is_there_where_it_can_be_built() -> None:
    if shutil.which("cc") or shutil.which("gcc"):
        assert native.module() is not None, "a compiler is here: install the package again"


# -- programs against re ---------------------------------------------------------------------------------

_LETTER = st.sampled_from(["a", "b", "A", "1", "-", r"\.", "é", "中", "转"])
_CLASS = st.sampled_from(
    ["[a-c]", "[^a]", "[0-9]", r"[\s\-]", "[A-Zb]", "[^\\n]", "[\u4e00-\u9fff]", "[ab中]"]
)
_ONE = _LETTER | _CLASS
_REPEAT = st.sampled_from(["", "", "?", "{0,2}", "{1,3}", "*", "+", "?+", "*+", "++", "{2}", "{1,2}+"])


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    group = st.builds(
        "(?:{}{}){}".format, _ONE, inner, st.sampled_from(["", "?", "{0,2}", "{1,3}", "*+", "{1,2}+"])
    )
    return (
        st.builds("{}{}".format, inner, inner)
        | st.builds("(?:{}|{})".format, inner, inner)
        | group
        | st.builds("(?i:{})".format, inner)
        | st.builds("(?={}){}".format, inner, inner)
        | st.builds("(?!{}){}".format, inner, inner)
        | st.builds("{}(?<={})".format, inner, _ONE)
        | st.builds("{}(?<!{}{})".format, inner, _ONE, _ONE)
        | st.builds(r"{}\Z".format, inner)
        | st.builds("(?>{})".format, inner)
    )


expressions = st.builds(
    "{}{}".format, _ONE, st.recursive(st.builds("{}{}".format, _ONE, _REPEAT), _larger, max_leaves=8)
)


def matches(expression: str, where: str) -> list[tuple[int, int]]:
    """All matches by the native matcher: a row without lead, place or label is looked for everywhere."""
    row = Row("X", expression, 0.9)
    return [
        (start, end)
        for start, end, kind, _ in scanner.compiled(built(), [row]).inner.find(where)
        if kind == "X"
    ]


@needs_native
@settings(max_examples=400, deadline=None)
@given(expressions, st.text("abcABC1 -.\né中转İſ\u212a", min_size=1, max_size=24))
def test_a_program_matches_what_its_expression_does(expression: str, where: str) -> None:
    where += "中"  # text of ASCII alone is not looked through for such rows
    wanted = [m.span() for m in re.finditer(expression, where)]
    assert matches(expression, where) == wanted


@needs_native
@pytest.mark.parametrize(
    ("expression", "where"),
    [
        (r"([\-/])1\1", "-1- /1/ -1/中"),
        (r"(a)?b(?:([x-z])|c)\2", "abxx bc中"),
        (r"(?:a([1-3])|b([4-6]))\1", "a11 b4 a12中"),
        ("(?i:KS)", "ks KS \u212a\u017f中"),
        (r"[^\s]{2,}+(?=中)", "ab cd中"),
    ],
)
def test_groups_and_cases(expression: str, where: str) -> None:
    assert matches(expression, where) == [m.span() for m in re.finditer(expression, where)]


@pytest.mark.parametrize(
    "expression", ["(?:ab){0,99}", r"\w", r"(?=(a))b", r"a.b", "[\U0001f300-\U0001f5ff]", r"^a"]
)
def test_what_cannot_be_bounded_is_refused(expression: str) -> None:
    compiler = program.Compiler()
    with pytest.raises(ValueError, match=r"."):
        compiler.add(expression)
        compiler.finish()


def test_every_row_is_in_the_dialect() -> None:
    compiler = program.Compiler()
    for row in ROWS:
        compiler.add(rules.labelled(row) if row.after else row.expression)


@given(st.integers(0, 0x10FFFF))
def test_symbols_tell_apart_what_classes_do(code: int) -> None:
    compiler = program.Compiler()
    classes = ["[a-zé]", r"[^\s]", "[\u4e00-\u9fff]", "[京沪0-9]"]
    numbers = [compiler.add_set(one) for one in classes]
    tables = compiler.finish("京")
    symbol = tables.symbols[min(code, 0x10000)]
    for number, one in zip(numbers, classes, strict=True):
        held = tables.bits[number * tables.words + symbol // 64] >> symbol % 64 & 1
        assert bool(held) == bool(re.fullmatch(one, chr(code)))


# -- finding against the reference ------------------------------------------------------------------------


def same(where: str) -> None:
    plain = Normal(where).text
    assert sorted(whole().inner.find(plain)) == sorted(rules.rules().find(plain)), plain


@needs_native
@pytest.mark.parametrize("start", range(0, len(LINES), 50))
def test_vectors_are_found_alike(start: int) -> None:
    for line in LINES[start : start + 50]:
        same(line)
        same(line.upper())
        same(f"卡{line}号")


@needs_native
@settings(max_examples=500, deadline=None)
@given(texts)
def test_texts_are_found_alike(where: str) -> None:
    same(where)


@needs_native
@pytest.mark.parametrize(
    "seed",
    [
        "1",
        "1-",
        "4111 ",
        "www.",
        "token=",
        "::1:",
        "DE89 3704 ",
        "password:",
        "密码",
        "@a.",
        "sk-",
        "{",
        "aB3+/",
    ],
)
def test_repeated_seeds_are_found_alike(seed: str) -> None:
    same(seed * (3000 // len(seed)))


@needs_native
@laws
@given(texts)
def test_a_check_in_c_is_that_in_python(where: str) -> None:
    """Every check, over every piece of the text that is not too long, whatever row would have led to it."""
    plain = Normal(where).text[:60]
    for name, check in vars(checks).items():
        if not name.endswith("_length") or name in _BY_FORM:
            continue
        row = Row("X", r"[^\n]{2,60}+", 0.9, check, at=("~~",))
        text_ = "~~" + plain.replace("\n", " ")
        alike = scanner.compiled(built(), [row]).inner.find(text_), rules.Rules([row]).find(text_)
        assert sorted(alike[0]) == sorted(alike[1]), name


_BY_FORM = {  # these rely on the form that their rows let through
    *("cn_resident_length", "cn_resident_form_length", "hk_id_length", "tw_id_length", "imei_length"),
    *(
        "base58_length",
        "bech32_length",
        "uscc_length",
        "iban_length",
        "swift_length",
        "nino_length",
        "card_length",
    ),
    *("ipv6_length", "random_token_length"),
}

_FORMS = {
    "cn_resident_length": r"[1-9][0-9]{5}(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|3[01])[0-9]{3}[0-9Xx]",
    "cn_resident_form_length": r"[1-9][0-9]{7}(?:0[1-9]|1[0-2])(?:0[1-9]|3[01])[0-9]{3}",
    "hk_id_length": r"[A-Z]{1,2}[0-9]{6}[(（]?[0-9A][)）]?",
    "tw_id_length": r"[A-Za-z][1289A-Da-d][0-9]{8}",
    "imei_length": r"[0-9]{2}-?[0-9]{6}-?[0-9]{6}-?[0-9]",
    "base58_length": r"[13][1-9A-HJ-NP-Za-km-z]{25,34}",
    "bech32_length": r"bc1[02-9ac-hj-np-z]{11,20}",
    "uscc_length": r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}",
    "iban_length": r"(?:DE|NO|GB)[0-9]{2}(?: ?[0-9A-Z]{4}){2,6}(?: ?[0-9A-Z]{1,4})?",
    "swift_length": r"[A-Z]{4}(?:DE|XX|CN|ZZ)[A-Z0-9]{2}",
    "nino_length": r"(?:BG|GB|AB|ZZ)[0-9]{6}[A-D]",
    "card_length": r"[2-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,4}(?: [0-9]{1,3})?",
    "ipv6_length": r"[0-9a-f:]{2,20}(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3})?",
    "phone_length": r"[0-9() .\-]{5,24}",
    "international_phone_length": r"(?:00)?[1-9][0-9]{0,2}\)?(?:[ .\-(]{0,2}[0-9]{1,5}\)?){1,5}"
    r"(?: ?(?:ext|x|转) ?[0-9]{1,4})?",
    "random_token_length": r"[A-Za-z0-9_/+-]{18,40}={0,2}",
    "url_length": r"://[a-z().,;:!?'_*~|-]{2,20}",
}


@needs_native
@pytest.mark.parametrize("name", _FORMS)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_check_in_c_is_that_in_python_over_its_forms(name: str, data: st.DataObject) -> None:
    check = getattr(checks, name)
    row = Row("X", rf"{_FORMS[name]}", 0.9, check, at=("~~",))
    values = data.draw(st.lists(st.from_regex(_FORMS[name], fullmatch=True), min_size=1, max_size=8))
    for value in values:
        where = f"~~{value}"
        assert scanner.compiled(built(), [row]).inner.find(where) == rules.Rules([row]).find(where), value


@needs_native
@laws
@given(texts | st.text())
def test_plain_forms_are_alike(where: str) -> None:
    here = Normal(where)
    with pytest.MonkeyPatch.context() as patch:
        hide(patch)
        there = Normal(where)
    assert here.text == there.text
    assert here.same_offsets == there.same_offsets
    for at in range(len(here.text)):
        assert here.original(at, at + 1) == there.original(at, at + 1)
    assert [here.here(i) for i in range(len(where))] == [there.here(i) for i in range(len(where))]


# -- masking against the reference ------------------------------------------------------------------------


def hide(patch: pytest.MonkeyPatch) -> None:
    """As if it had not been built."""
    patch.setattr(native, "module", lambda: None)
    patch.setattr(scanner, "whole", lambda: None)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch)


@pytest.fixture(params=["with", "without"])
def without_or_with(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without":
        hide(monkeypatch)


POLICIES = {
    "standard": Policy(),
    "tokens": Policy(fates=dict.fromkeys(KINDS, Fate.TOKEN)),
    "some kept": Policy(fates={"EMAIL": Fate.KEEP, "PHONE": Fate.REDACT}),
    "plausible": Policy(fates={"EMAIL": Fate.PLAUSIBLE}),
    "thresholds": Policy(thresholds={"PHONE": 0.9, "DATE_TIME": 0.9}),
}
KEY = Key(bytes(range(32)))


def told(masked: Masked) -> tuple[object, ...]:
    return masked.texts, masked.all_spans, masked.counts, masked.redacted, sorted(masked.surrogates)


@needs_native
@pytest.mark.parametrize("policy", POLICIES)
def test_texts_are_masked_alike(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [tuple(a_text(seed * 7 + i) for i in range(1 + seed % 3)) for seed in range(60)]
    samples += [(f"{one} and again {one}",) for one in LINES[:40]] + [("\ud800 ada@example.org",)]
    here = [told(Masker(KEY, POLICIES[policy]).mask_all(sample)) for sample in samples]
    with monkeypatch.context() as patch:
        hide(patch)
        there = [told(Masker(KEY, POLICIES[policy]).mask_all(sample)) for sample in samples]
    for sample, a, b in zip(samples, here, there, strict=True):
        assert a == b, sample


@needs_native
def test_retired_keys_restore_alike() -> None:
    old = Masker(KEY).mask("mail ada@example.org")
    assert Masker(KEY.rotate()).mask("mail ada@example.org").restore(old.text) == "mail ada@example.org"


def test_without_it_all_is_the_same(without: None) -> None:
    masker = Masker(KEY)
    masked = masker.mask("手机13812345678邮箱zhang.wei@example.com谢谢")
    assert masked.restore(masked.text) == "手机13812345678邮箱zhang.wei@example.com谢谢"
    assert "13812345678" not in masked.text


def test_a_stale_one_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "masquerade.mask._scan", SimpleNamespace(FORMAT=-1))  # type: ignore[arg-type]
    assert native.module.__wrapped__() is None
    monkeypatch.setitem(sys.modules, "masquerade.mask._scan", None)  # type: ignore[arg-type]
    assert native.module.__wrapped__() is None


def test_a_process_without_it_makes_the_same_tokens() -> None:
    line = (
        "import sys; {}from masquerade import Key, Masker; print(Masker(Key(bytes(32))).mask('a@b.cd').text)"
    )
    hide = "sys.modules['masquerade.mask._scan'] = None; "
    outputs = {
        subprocess.run(
            [sys.executable, "-c", line.format(code)], capture_output=True, text=True, check=True
        ).stdout
        for code in ("", hide)
    }
    assert len(outputs) == 1
    assert "EMAIL_" in outputs.pop()


# -- what it is given ---------------------------------------------------------------------------------------


@needs_native
def test_wrong_arguments_are_errors_and_no_crash() -> None:
    inner = whole().inner
    with pytest.raises(TypeError):
        inner.find(b"bytes")
    with pytest.raises(ValueError, match="threshold"):
        inner.look("text", b"", Span, True)
    with pytest.raises(TypeError):
        inner.look("text", None, Span, True)
    with pytest.raises(TypeError):
        built().Scanner({}, [], [], [])
    with pytest.raises(ValueError, match="called"):
        built().Scanner({}, [], [], [], [])


@pytest.mark.parametrize("native_there", [True, False])
@pytest.mark.parametrize(
    "places",
    [
        [(5, 9), (0, 3)],
        [(0, 5), (4, 6)],
        [(3, -1)],
        [(-3, 2)],
        [(5, 3)],
        [(0, 11)],
        [(2, -40), (3, 4)],
        [(2**70, 2**80)],
    ],
)
def test_spans_out_of_order_or_of_their_text_are_an_error(
    places: list[tuple[int, int]], native_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not native_there:
        hide(monkeypatch)
    spans = [Span(start, end, "EMAIL", 1.0) for start, end in places]
    with pytest.raises(ValueError, match=r"sorted|index"):
        Masker(KEY).mask_all(["0123456789"], places=[spans])


@needs_native
@pytest.mark.parametrize(
    ("one", "places"),
    [
        ("0123456789", [[0, 3, "EMAIL", 1.0]]),
        ("0123456789", [(0,)]),
        ("0123456789", [(0, 3, 5, 1.0)]),
        ("0123456789", [("a", "b", "EMAIL", 1.0)]),
        ("0123456789", None),
        (b"0123456789", [Span(0, 3, "EMAIL", 1.0)]),
    ],
)
def test_what_is_no_text_or_no_span_is_an_error_and_no_crash(one: Any, places: Any) -> None:
    with pytest.raises(TypeError):
        whole().inner.repeats((one,), (places,))
    masker = Masker(KEY)
    with pytest.raises(TypeError):
        whole().inner.replace(
            (one,),
            (places,),
            masker._fates,
            masker._states,
            canonical,
            shadow,
            Surrogate,
            Fate.TOKEN,
            Fate.REDACT,
        )


class Index:
    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


@needs_native
def test_offsets_of_other_integer_types_do() -> None:
    places: Any = [((Index(0), Index(3), "EMAIL", 1.0),)]
    (text_,) = Masker(KEY).mask_all(["0123456789"], places=places).texts
    assert text_.endswith("]3456789")


@needs_native
def test_a_list_that_changes_meanwhile_is_read_once() -> None:
    spans: list[Span] = []
    masker = Masker(KEY)

    class Changing(str):
        def __hash__(self) -> int:
            spans.clear()
            return super().__hash__()

    kind = Changing("EMAIL")
    spans[:] = [Span(i, i + 1, kind, 1.0) for i in range(100)]
    fates, states = dict(masker._fates), masker._states
    replaced = whole().inner.replace(
        ("x" * 100,), (spans,), fates, states, canonical, shadow, Surrogate, Fate.TOKEN, Fate.REDACT
    )
    (masked,), (surrogate,) = replaced
    assert masked == surrogate.text * 100
    assert not spans


def test_kinds_beyond_ascii_are_masked_each_time(without_or_with: None) -> None:
    masker = Masker(KEY, finders=[lambda where: [Span(3, 6, "姓名", 1.0)]])
    assert {masker.mask("hi Bob ok").text for _ in range(3)} == {masker.mask("hi Bob ok").text}
    assert "Bob" not in masker.mask("hi Bob ok").text


def test_a_text_of_a_subclass_comes_out_as_a_str(without_or_with: None) -> None:
    class Text(str):
        pass

    assert type(Masker(KEY).mask_all((Text("nothing here"), "a@b.cd")).texts[0]) is str


@needs_native
def test_what_is_made_here_hashes_as_any_other() -> None:
    masked = Masker(KEY).mask("mail ada@example.org")
    assert hash(masked.spans[0]) == hash(tuple(masked.spans[0]))
    assert hash(masked.surrogates[0]) == hash(tuple(masked.surrogates[0]))


@needs_native
def test_more_rows_than_there_is_room_for_are_refused() -> None:
    with pytest.raises(ValueError, match="too many rows"):
        scanner.compiled(built(), [Row("X", f"中{i}", 0.9) for i in range(9)])


@needs_native
def test_an_error_in_a_check_comes_through() -> None:
    def refuses(_: str) -> int:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        scanner.compiled(built(), [Row("X", "[0-9]{4}", 0.9, refuses, lead=(4,))]).inner.find("at 1234:")


@needs_native
def test_nothing_is_kept_between_calls() -> None:
    masker = Masker(KEY)
    for _ in range(50):
        masker.mask("\n".join(LINES[:100]))
    before = sys.getallocatedblocks()
    for _ in range(200):
        masker.mask("\n".join(LINES[:100]))
    assert sys.getallocatedblocks() - before < 500


@needs_native
def test_threads_share_a_masker() -> None:
    masker, wanted = Masker(KEY), Masker(KEY).mask("\n".join(LINES)).text
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda: results.extend(masker.mask("\n".join(LINES)).text for _ in range(5)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [wanted] * 20


@needs_native
@laws
@given(texts, texts)
def test_a_value_elsewhere_is_never_overlooked(one: str, other: str) -> None:
    masker = Masker(KEY)
    pair = (one, other + one[len(one) // 3 :])
    found: tuple[list[Span], ...] = tuple(masker.find(each) for each in pair)
    if whole().inner.repeats(pair, found):
        return
    values = {each[a:b] for each, spans in zip(pair, found, strict=True) for a, b, *_ in spans}
    for value in values:
        if len(value) >= 6 and re.search("[0-9]", value):
            for each, spans in zip(pair, found, strict=True):
                here = {(a, b) for a, b, *_ in spans}
                at = each.find(value)
                while at >= 0:
                    assert (at, at + len(value)) in here
                    at = each.find(value, at + 1)


def test_verdicts_are_in_the_order_of_kinds() -> None:
    lookout = Lookout(Policy(thresholds={"EMAIL": 0.94}))
    if lookout._scanner is None:
        pytest.skip("built without its native part: no C compiler")
    verdicts = array("d", lookout._judgement)
    at = lookout._scanner.kinds.index("EMAIL")
    assert verdicts[2 * at : 2 * at + 2].tolist() == [0.94, float(Fate.TOKEN.strictness)]


def test_found_is_what_a_span_holds() -> None:
    found: Found = (0, 1, "EMAIL", 0.9)
    assert Span(*found) == found


@needs_native
@pytest.mark.parametrize("around", ["中{}中", "\U0001f600 {}", "é {}", "{}"])
@pytest.mark.parametrize("first", ["password: {}", "密码：{}", "\U0001f600 password: {}", "é password: {}"])
def test_a_value_elsewhere_is_known_however_wide_its_text_is(first: str, around: str) -> None:
    masked = Masker(KEY).mask_all([first.format("Zx9$kkLm2"), around.format("Zx9$kkLm2")])
    assert "Zx9$kkLm2" not in "".join(masked.texts)


def test_half_a_character_is_no_error_among_many_values(without_or_with: None) -> None:
    values = [f"password: Zx{i:03}$kkL\ud800" for i in range(120)]
    where = "\n".join([*values, "\udfff", *values, "Zx007$kkL\ud800 again"])
    assert not re.search("Zx[0-9]", Masker(KEY).mask(where).text)


def test_a_dotless_i_in_the_likeness_of_a_token_is_left(without_or_with: None) -> None:
    masker = Masker(KEY)
    value, body = next(
        (value, body)
        for value in (f"u{i}@ex.org" for i in range(1000))
        if "1" in (body := masker.mask(value).surrogates[0].needle)
    )
    where = f"{value} and [EMAIL_{body.replace('1', 'ı')}]"
    masked = masker.mask(where)
    assert masked.restore(masked.text) == where


def test_only_a_dotless_i_of_usual_text_is_read_as_a_symbol() -> None:
    usual = re.compile(f"[{USUAL}]")
    read = {code: PROJECTION[code] or "" for code in range(128, 0x10000) if usual.match(chr(code))}
    assert {chr(code) for code, symbol in read.items() if symbol in ALPHABET and symbol} == {"ı"}
