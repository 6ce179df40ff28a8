"""Policies: what they mean, and that every impossible one is refused with its line."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masquerade.errors import PolicyProblem
from masquerade.mask import policy as module
from masquerade.mask.expressions import is_endless, is_unbounded
from masquerade.mask.policy import (
    DEFAULT_FATES,
    Pattern,
    Policy,
    Replies,
    Words,
    explain,
    explain_replies,
)
from masquerade.mask.span import KINDS, Fate
from masquerade.mask.toml_lines import lines_of

GOOD = """\
version = 1
[fates]
EMAIL = "plausible"
STAFF_ID = "redact"
[thresholds]
default = 0.5
PHONE = 0.6
[[deny]]
kind = "PERSON"
words = [
  "Ada Lovelace",  # a comment ] with a bracket
  'Grace "G" Hopper',
]
match = "ignore-case"
[[allow]]
words = ["support@example.com"]
[[pattern]]
kind = "STAFF_ID"
expression = 'E-[0-9]{6}'
context = ["staff", "工号"]
name = "staff number"
"""


def problem(text: str) -> PolicyProblem:
    with pytest.raises(PolicyProblem) as caught:
        Policy.parse(text, "p.toml")
    return caught.value


def test_the_default_policy() -> None:
    policy = Policy()
    assert policy.fate("EMAIL") is Fate.TOKEN
    assert policy.fate("SECRET") is policy.fate("CREDIT_CARD") is Fate.REDACT
    assert policy.threshold("EMAIL") == 0.5
    assert policy == Policy.parse("version = 1")
    assert DEFAULT_FATES.keys() <= KINDS.keys()


def test_everything_that_can_be_said() -> None:
    policy = Policy.parse(GOOD)
    assert policy.fate("EMAIL") is Fate.PLAUSIBLE
    assert policy.fate("STAFF_ID") is Fate.REDACT
    assert (policy.threshold("PHONE"), policy.threshold("IBAN")) == (0.6, 0.5)
    assert policy.deny == (Words("PERSON", ("Ada Lovelace", 'Grace "G" Hopper'), "ignore-case", 8),)
    assert policy.allow == (Words(None, ("support@example.com",), "exact", 15),)
    staff = Pattern("STAFF_ID", "E-[0-9]{6}", 0.9, ("staff", "工号"), "staff number", 17)
    assert policy.patterns == (staff,)
    assert policy.own_kinds == ("STAFF_ID",)


def test_strictness_grows() -> None:
    assert [fate.strictness for fate in Fate] == [0, 1, 2, 3, 4]
    assert [fate.value for fate in Fate] == ["keep", "token", "plausible", "redact", "block"]


def test_the_version_follows_the_content_and_not_the_layout() -> None:
    policy = Policy.parse(GOOD)
    assert policy.version == Policy.parse("# a comment\n" + GOOD).version
    assert len(policy.version) == 12 and int(policy.version, 16) >= 0
    assert policy.version != Policy.parse(GOOD.replace("0.6", "0.55")).version
    assert len({policy, Policy.parse(GOOD), Policy()}) == 2


def test_it_travels_to_a_worker() -> None:
    assert pickle.loads(pickle.dumps(Policy.parse(GOOD))) == Policy.parse(GOOD)


SYNTAX = [
    ("version = 1\n[fates\n", 2),
    ("version = 1\nfates = {\n", 2),
    ("version = 1\n[fates]\nEMAIL = token\n", 3),
    ("version = 1\nversion = 1\n", 2),
    ('version = 1\nx = "', 2),
]


@pytest.mark.parametrize(("text", "line"), SYNTAX)
def test_wrong_syntax_names_the_line(text: str, line: int) -> None:
    found = problem(text)
    assert (found.source, found.line) == ("p.toml", line)
    assert "this is not TOML" in str(found)


def swapped(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


FAULTS = {
    "no version": ("", None, "version = 1"),
    "another version": (swapped("version = 1", "version = 2"), 1, "version = 1"),
    "unknown table": (swapped("[thresholds]", "[threshold]"), 5, "did you mean 'thresholds'"),
    "unknown key": (swapped("match =", "matches ="), 14, "did you mean 'match'"),
    "unknown pattern key": (swapped("expression =", "regex ="), 19, "unknown key 'regex'"),
    "rules": ("version = 1\nrules = 1", 2, "true or false"),
    "no table": ("version = 1\nfates = 3", 2, "write [fates]"),
    "one bracket": (swapped("[[allow]]", "[allow]"), 15, "two brackets"),
    "unknown kind": (swapped("EMAIL", "EMIAL"), 3, "did you mean 'EMAIL'"),
    "small letters": (swapped("EMAIL", "email"), 3, "did you mean 'EMAIL'"),
    "unknown fate": (swapped('"plausible"', '"plausable"'), 3, "did you mean 'plausible'"),
    "fate no string": (swapped('"plausible"', "1"), 3, "no such fate"),
    "fate a list": (swapped('"plausible"', '["keep"]'), 3, "no such fate"),
    "threshold range": (swapped("0.6", "1.6"), 7, "from 0 to 1"),
    "threshold type": (swapped("0.6", '"0.6"'), 7, "from 0 to 1"),
    "threshold true": (swapped("0.6", "true"), 7, "from 0 to 1"),
    "threshold nan": (swapped("0.6", "nan"), 7, "from 0 to 1"),
    "no words": (swapped('["support@example.com"]', "[]"), 16, "can never match"),
    "words no list": (swapped('["support@example.com"]', '"a"'), 16, "list of strings"),
    "words missing": (GOOD + '[[deny]]\nkind = "PERSON"', 22, "no 'words'"),
    "empty word": (swapped("'Grace \"G\" Hopper'", "''"), 12, "word 2 is empty"),
    "invisible word": (swapped("'Grace \"G\" Hopper'", '"\\u200b \\t"'), 12, "word 2 is empty"),
    "space around": (swapped("'Grace \"G\" Hopper'", '" Grace"'), 12, "white space"),
    "word no string": (swapped("'Grace \"G\" Hopper'", "7"), 12, "entry 2 needs quotation marks"),
    "match": (swapped('"ignore-case"', '"ignorecase"'), 14, "did you mean 'ignore-case'"),
    "deny without kind": (swapped('kind = "PERSON"\n', ""), 8, "no 'kind'"),
    "kind no string": (swapped('kind = "PERSON"', "kind = 3"), 9, "capital letters"),
    "long kind": (swapped('kind = "PERSON"', f'kind = "{"A" * 32}"'), 9, "2 to 31"),
    "allow of an unknown kind": (
        GOOD + '[[allow]]\nkind = "PERSN"\nwords = ["x"]',
        23,
        "did you mean 'PERSON'",
    ),
    "pattern without kind": (GOOD + "[[pattern]]\nexpression = 'x'", 22, "no 'kind'"),
    "pattern without expression": (GOOD + '[[pattern]]\nkind = "X1"', 22, "no 'expression'"),
    "expression no string": (swapped("'E-[0-9]{6}'", "6"), 19, "is a string"),
    "expression syntax": (swapped("'E-[0-9]{6}'", "'E-[0-9'"), 19, "RE2 does not accept"),
    "look-ahead": (swapped("'E-[0-9]{6}'", "'E(?=a)'"), 19, "no look-ahead"),
    "look-behind": (swapped("'E-[0-9]{6}'", "'(?<!a)E'"), 19, "no look-ahead"),
    "single byte": (swapped("'E-[0-9]{6}'", r"'E-\\\\\C'"), 19, "a single byte"),
    "back-reference": (swapped("'E-[0-9]{6}'", "'(a)\\1'"), 19, "no back-references"),
    "matches the empty": (swapped("'E-[0-9]{6}'", "'[0-9]*'"), 19, "empty string"),
    "matches a boundary": (swapped("'E-[0-9]{6}'", "'\\b'"), 19, "empty string"),
    "matches nothing": (swapped("'E-[0-9]{6}'", "'x[^\\s\\S]'"), 19, "match nothing"),
    "anchor inside": (swapped("'E-[0-9]{6}'", "'a$b'"), 19, "match nothing"),
    "deny expression": (
        swapped('"ignore-case"', '"pattern"').replace("Ada", "A("),
        11,
        "RE2 does not accept",
    ),
    "score range": (swapped("name =", "score = 0\nname ="), 21, "above 0"),
    "context": (swapped('"staff"', '" "'), 20, "context word 1 is empty"),
    "name": (swapped('"staff number"', "3"), 21, "'name' is a string"),
    "score under threshold": (swapped("name =", "score = 0.4\nname ="), 21, "below the threshold"),
    "kept pattern": (swapped('"redact"', '"keep"'), 17, "STAFF_ID is kept"),
    "kept deny": (swapped('STAFF_ID = "redact"', 'PERSON = "keep"'), 8, "PERSON is kept"),
    "kept threshold": (swapped('STAFF_ID = "redact"', 'PHONE = "keep"'), 7, "PHONE is kept"),
    "two kinds": (GOOD + '[[deny]]\nkind = "LOCATION"\nwords = ["x",\n"ada lovelace"]', 25, "too (line 8)"),
    "allowed, same case": (
        GOOD + '[[allow]]\nkind = "PERSON"\nwords = ["ADA LOVELACE"]\nmatch = "ignore-case"',
        *(11, "allowed too (line 22)"),
    ),
    "allowed by a pattern": (GOOD + "[[allow]]\nwords = ['(?i)ada .*']\nmatch = 'pattern'", 11, "is allowed"),
    "inline": (
        'version = 1\ndeny = [{kind = "PERSON", words = ["a"]},\n {kind = "p", words = ["b"]}]',
        3,
        "kind",
    ),
    "after a long string": (
        'version = 1\n[[allow]]\nwords = ["""a\n\\"]b""", \'\'\'\nc\'\'\',\n""]',
        6,
        "word 3",
    ),
    "dotted": ('version = 1\nfates.EMAIL = "keep"\nfates . "PHONE" = "kepp"', 3, "did you mean 'keep'"),
    "a date": ("version = 1\n[thresholds]\nEMAIL = 0.1\nPHONE = 1979-05-27 07:32:00", 4, "from 0 to 1"),
}


@pytest.mark.parametrize(("text", "line", "says"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_is_refused_with_its_line(text: str, line: int | None, says: str) -> None:
    found = problem(text)
    assert says in str(found)
    assert found.line == line


ALLOWED = {
    "an exception to a list": GOOD + '[[allow]]\nkind = "PERSON"\nwords = ["ADA LOVELACE"]',
    "another kind's exception": GOOD + '[[allow]]\nkind = "LOCATION"\nwords = ["Ada Lovelace"]',
    "a pattern that misses a case": GOOD + "[[allow]]\nwords = ['Ada .*']\nmatch = 'pattern'",
    "rules off": GOOD.replace("[fates]", "rules = false\n[fates]"),
    "only the list": 'version = 1\n[thresholds]\nPHONE = 1\n[[deny]]\nkind = "PHONE"\nwords = ["555-0100"]',
    "several lines": "version = 1\n[[pattern]]\nkind = 'X1'\nexpression = '(?m)^x$\\ny'",
}


@pytest.mark.parametrize("text", ALLOWED.values(), ids=ALLOWED)
def test_what_can_be_is_accepted(text: str) -> None:
    Policy.parse(text)


def test_a_threshold_above_every_rule_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        module, "_rule_scores", lambda: {"PHONE": (0.4, 0.8), "EMAIL": (0.95,), "SWIFT": (0.3,)}
    )
    found = problem("version = 1\n[thresholds]\nPHONE = 0.85")
    assert found.line == 3 and "the surest scores 0.8" in str(found)
    found = problem("version = 1\n[thresholds]\nEMAIL = 0.9\ndefault = 0.9")
    assert found.line == 4 and "no rule for PHONE" in str(found)
    Policy.parse('version = 1\n[thresholds]\ndefault = 0.9\n[fates]\nPHONE = "keep"')
    Policy.parse("version = 1\nrules = false\n[thresholds]\ndefault = 0.9")


@pytest.mark.parametrize(
    "wrong",
    [
        {"fates": {"EMAIL": "sometimes"}},
        {"fates": {"E": Fate.KEEP}},
        {"thresholds": {"EMAIL": 2.0}},
        {"deny": (Words(None, ("x",)),)},
        {"deny": (Words("PERSON", ()),)},
        {"patterns": (Pattern("X1", "("),)},
        {"patterns": (Pattern("X1", "x*"),)},
    ],
)
def test_a_policy_made_in_a_program_is_checked_too(wrong: dict[str, object]) -> None:
    with pytest.raises(PolicyProblem):
        Policy(**wrong)  # type: ignore[arg-type]


def test_a_policy_made_in_a_program_may_name_a_finders_kind() -> None:
    policy = Policy(fates={"EMPLOYEE": "redact", "EMAIL": Fate.KEEP})  # type: ignore[dict-item]
    assert policy.fate("EMPLOYEE") is Fate.REDACT


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('version = 1\nrules = false\n[fates]\nEMAIL = "block"', 4, "turns the built-in rules off"),
        ("version = 1\nrules = false\n[thresholds]\nPHONE = 0.6", 4, "turns the built-in rules off"),
        ('version = 1\nrules = false\n[[allow]]\nkind = "URL"\nwords = ["x"]', 4, "never fire"),
        ('version = 1\n[finder]\nuse = "rules"\n[fates]\nPERSON = "block"', 5, "no rule has it yet"),
    ],
)
def test_without_finders_nothing_is_said_of_what_nothing_finds(text: str, line: int, says: str) -> None:
    with pytest.raises(PolicyProblem, match=says) as caught:
        Policy.parse(text, finders=False)
    assert caught.value.line == line
    Policy.parse(text)
    Policy.parse(text + '\n[[deny]]\nkind = "PERSON"\nwords = ["Ada"]' if "PERSON" in text else text)


@pytest.mark.parametrize("everything", [".+", "(?s).+", r"[\\s\\S]+", ".{1,}", "(?:.|x)+"])
def test_an_allowance_of_everything_is_refused(everything: str) -> None:
    assert problem(f'version = 1\n[[allow]]\nwords = ["{everything}"]\nmatch = "pattern"').line == 3


def test_a_pattern_that_is_allowed_whole_is_refused() -> None:
    text = """version = 1
[[pattern]]
kind = "STAFF_ID"
expression = 'E-[0-9]{6}'
[[allow]]
words = ['E-[0-9]{6}']
match = "pattern"
"""
    assert problem(text).line == 4


def test_a_policy_nested_too_deeply() -> None:
    with pytest.raises(PolicyProblem, match="nested too deeply"):
        Policy.parse("x = " + "[" * 5_000)


@pytest.mark.parametrize(
    ("expression", "unbounded", "endless"),
    [
        ("E-[0-9]{6}", False, False),
        ("E-[0-9]+", True, False),
        (r"card\s+[0-9]{4}", True, False),
        (r"<s>[^<]*</s>", True, True),
        (r"<s>[^<\n]*</s>", True, False),
        (r"(?s)begin.*end", True, True),
        (r"begin.*end", True, False),
        (r"(?:line\s)+", True, True),
        (r"a\W{3,}b", True, True),
        (r"a[^b]{1,900}b", False, False),
        (r"a\+[*+]b", False, False),
    ],
)
def test_what_an_expression_may_run_over(expression: str, unbounded: bool, endless: bool) -> None:
    assert is_unbounded(expression) is unbounded
    assert is_endless(expression) is endless


def test_a_hundred_thousand_words() -> None:
    words = "".join(f'"person {i}",\n' for i in range(100_000))
    text = f'version = 1\n[[deny]]\nkind = "PERSON"\nwords = [\n{words}" x"]\n'
    found = problem(text)
    assert found.line == 100_005


CANARY = "Wilhelmina Canary"
LEAKS = [
    swapped("Ada Lovelace", CANARY + " "),
    swapped("Ada Lovelace", CANARY) + f'[[deny]]\nkind = "LOCATION"\nwords = ["{CANARY}"]',
    swapped("Ada Lovelace", CANARY) + f'[[allow]]\nwords = ["{CANARY}"]\nmatch = "ignore-case"',
    swapped("E-[0-9]{6}", f"({CANARY}"),
    swapped("E-[0-9]{6}", f"({CANARY})*"),
    swapped("E-[0-9]{6}", f"(?<{CANARY})"),
    swapped("E-[0-9]{6}", rf"\q{CANARY}"),
    swapped("EMAIL =", f'"{CANARY}" ='),
    swapped("PHONE =", f'"{CANARY}" ='),
    swapped("match =", f'"{CANARY}" ='),
    swapped('"ignore-case"', f'"{CANARY}"'),
    swapped('"plausible"', f'"{CANARY}"'),
    swapped('"PERSON"', f'"{CANARY}"'),
    swapped('"PERSON"', CANARY),
    swapped("Ada Lovelace", CANARY + '" "'),
    swapped("version = 1", f'version = "{CANARY}"'),
]


@pytest.mark.parametrize("text", LEAKS)
def test_no_message_holds_a_listed_word(text: str) -> None:
    found = problem(text)
    assert "Canary" not in str(found) + repr(found)


def test_no_repr_holds_a_listed_word() -> None:
    policy = Policy.parse(swapped("Ada Lovelace", CANARY))
    assert "Canary" not in repr(policy) + repr(policy.deny) + repr(explain(policy))
    assert "E-" not in repr(policy.patterns)


def test_explaining() -> None:
    rows = {row.kind: row for row in explain(Policy.parse(GOOD))}
    assert [*rows] == ["STAFF_ID", *KINDS]
    assert rows["PERSON"].by[-1:] == ("deny: 2 words (line 8)",)
    assert rows["STAFF_ID"].by == ("pattern 'staff number' (line 17)",)
    assert rows["EMAIL"].fate is Fate.PLAUSIBLE
    assert rows["EMAIL"].note == "1 word allowed (line 15)"
    plausible = {row.kind: row.note for row in explain(Policy(fates=dict.fromkeys(KINDS, Fate.PLAUSIBLE)))}
    assert "a token instead" in plausible["PASSPORT"] and not plausible["PHONE"]
    near = explain(Policy.parse(GOOD.replace("STAFF_ID", "EMAILS")))[0]
    assert "close to the built-in EMAIL" in near.note


names = st.sampled_from(["a", "b-c", '"x y"', "'z'", '"q\\""'])
values = st.recursive(
    st.sampled_from(["1", '"#]"', "'}'", "true", '"""\n"],\\""""', "'''\n\n'''", "1e3", "07:32:00"]),
    lambda inner: st.lists(inner, max_size=4).map(
        lambda all_: "[ # x ]\n" + "".join(f"{v}, # y\n" for v in all_) + "]"
    ),
    max_leaves=8,
)


@given(st.lists(st.tuples(names, values), unique_by=lambda pair: pair[0]), values)
def test_every_place_is_found(pairs: list[tuple[str, str]], last: str) -> None:
    text = "".join(f"{name} = {value}  # {name} = [\n\n" for name, value in pairs)
    line = text.count("\n") + 1
    lines = lines_of(text + f"last.one = {last}\n[after]\nx = 1\n")
    assert lines["last", "one"] == line
    assert lines["after", "x"] == line + last.count("\n") + 2


# -- who looks beside the rules --------------------------------------------------------------------------

MODEL = 'version = 1\n[finder]\nuse = "transformers:/models/ner"\n'


@pytest.mark.parametrize(
    ("said", "names", "models"),
    [
        ("", True, ()),
        ('use = "names"', True, ()),
        ('use = ["names"]', True, ()),
        ('use = "rules"', False, ()),
        ('use = "spacy:en_core_web_sm"', True, (("spacy", "en_core_web_sm"),)),
        ('use = ["names", "gliner:C:\\\\models"]', True, (("gliner", "C:\\models"),)),
        ('use = ["onnx:a", "onnx:b"]', True, (("onnx", "a"), ("onnx", "b"))),
        ('use = "onnx:a"\nonly = true', False, (("onnx", "a"),)),
        ('use = "onnx:a"\nonly = false', True, (("onnx", "a"),)),
    ],
)
def test_who_looks(said: str, names: bool, models: tuple[tuple[str, str], ...]) -> None:
    finder = Policy.parse("version = 1\n" + (f"[finder]\n{said}" if said else "")).finder
    assert (finder.names, finder.models) == (names, models)


IMPOSSIBLE_FINDERS = {
    "no table": ('finder = "names"', 2, r"write \[finder\]"),
    "no use": ("[finder]\nonly = true", 2, "has no 'use'"),
    "an unknown key": ('[finder]\nuses = "names"', 3, "did you mean 'use'"),
    "no string": ("[finder]\nuse = 3", 3, "list of strings"),
    "no string inside": ('[finder]\nuse = [\n"names",\n3]', 5, "needs quotation marks"),
    "nobody": ("[finder]\nuse = []", 3, "names nobody"),
    "unknown": ('[finder]\nuse = "name"', 3, "did you mean 'names'"),
    "an unknown maker": (
        '[finder]\nuse = ["names",\n"transfomers:/m"]',
        4,
        "did you mean 'transformers:PATH'",
    ),
    "no place": ('[finder]\nuse = "spacy"', 3, "where the model lies"),
    "an empty place": ('[finder]\nuse = "onnx: "', 3, "where the model lies"),
    "twice": ('[finder]\nuse = ["onnx:a",\n"onnx:a"]', 4, "twice"),
    "rules and more": ('[finder]\nuse = ["rules", "onnx:a"]', 3, "said alone"),
    "no rules": ('rules = false\n[finder]\nuse = "rules"', 4, "turns the built-in rules off"),
    "only a word": ('[finder]\nuse = "onnx:a"\nonly = "yes"', 4, "true or false"),
    "only ours": ('[finder]\nuse = "names"\nonly = true', 4, "name one in 'use'"),
    "only and ours": ('[finder]\nuse = ["names", "onnx:a"]\nonly = true', 4, "leave out 'names'"),
    "labels of nobody": ('[finder]\nuse = "names"\n[finder.labels]\nPER = "PERSON"', 4, "take this out"),
    "labels in no table": ('[finder]\nuse = "onnx:a"\nlabels = ["PER"]', 4, r"write \[finder.labels\]"),
    "no kind": ('[finder]\nuse = "onnx:a"\n[finder.labels]\nPER = "person"', 5, "did you mean 'PERSON'"),
    "a number": ('[finder]\nuse = "onnx:a"\nlabels.B-X = 1', 4, "a kind is"),
    "kept": (
        '[finder]\nuse = "onnx:a"\n[finder.labels]\nPER = "PERSON"\n[fates]\nPERSON = "keep"',
        5,
        "can never fire",
    ),
}


@pytest.mark.parametrize(("text", "line", "says"), IMPOSSIBLE_FINDERS.values(), ids=IMPOSSIBLE_FINDERS)
def test_impossible_finders_are_refused_with_their_line(text: str, line: int, says: str) -> None:
    with pytest.raises(PolicyProblem, match=says) as caught:
        Policy.parse("version = 1\n" + text)
    assert caught.value.line == line


def test_labels_are_ours_none_or_new() -> None:
    policy = Policy.parse(
        MODEL
        + '[finder.labels]\n"B-PER" = "PERSON"\nMISC = "none"\nCODE = "BADGE"\n[fates]\nBADGE = "redact"'
    )
    assert policy.finder.labels == {"B-PER": "PERSON", "MISC": "none", "CODE": "BADGE"}
    assert policy.own_kinds == ("BADGE",)
    assert policy.fate("BADGE") is Fate.REDACT


def test_the_version_follows_who_looks() -> None:
    standard = Policy.parse("version = 1").version
    assert Policy().version == standard
    assert Policy.parse('version = 1\n[finder]\nuse = "names"').version == standard
    versions = [
        Policy.parse('version = 1\n[finder]\nuse = "rules"').version,
        Policy.parse(MODEL).version,
        Policy.parse(MODEL + "only = true").version,
        Policy.parse(MODEL + '[finder.labels]\nPER = "PERSON"').version,
        Policy.parse(MODEL.replace("ner", "nel")).version,
    ]
    assert len({standard, *versions}) == 6
    both = 'version = 1\n[finder]\nuse = ["names", "transformers:/models/ner"]'
    assert Policy.parse(both).version == Policy.parse(MODEL).version


def test_a_model_may_find_any_kind() -> None:
    Policy.parse(MODEL + '[fates]\nPERSON = "block"', finders=False)
    with pytest.raises(PolicyProblem, match="nothing finds EMPLOYEE"):
        Policy.parse(MODEL + '[fates]\nEMPLOYEE = "block"', finders=False)


def test_a_policy_with_models_does_not_look_without_them() -> None:
    from masquerade.mask.find import Lookout

    with pytest.raises(PolicyProblem, match="no finder was passed") as caught:
        Lookout(Policy.parse(MODEL))
    assert caught.value.line == 3
    assert Lookout(Policy.parse(MODEL), [lambda text: []]).find("a, b") == []


# -- replies -------------------------------------------------------------------------------------------

REPLIES = """\
version = 1
[replies]
links = "withhold"
hosts = ["wiki.example", ".intranet.example"]

[replies.tools]
send_email = "withhold"
bash = "inside"
"web search" = "restore"
default = "restore"
"""


def test_where_a_reply_may_carry_originals() -> None:
    policy = Policy.parse(REPLIES)
    assert policy.replies.hosts == ("wiki.example", ".intranet.example")
    assert [policy.replies.tool(name) for name in ("send_email", "bash", "web search", "other")] == [
        "withhold", "inside", "restore", "restore"
    ]  # fmt: skip
    assert policy.replies.tool(None) == "withhold", "one that is not named is taken for the worst"
    assert Replies(tools={"f": "inside"}).tool(None) == "inside"
    assert Replies().tool(None) == Replies().tool("f") == "restore"
    assert Replies().links == "withhold"
    assert Policy.parse("version = 1\n[replies]") == Policy()
    assert explain_replies(policy) == [
        "stand-ins in addresses to elsewhere are withheld, but for wiki.example, .intranet.example",
        "in calls of send_email: withhold",
        "in calls of bash: inside",
        "in calls of web search: restore",
        "in calls of other tools: restore",
    ]
    assert explain_replies(Policy(replies=Replies(links="restore"))) == [
        "stand-ins are restored in addresses too, wherever these lead"
    ]


def test_what_is_said_of_replies_is_part_of_the_version() -> None:
    versions = {
        Policy(replies=replies).version
        for replies in (
            Replies(),
            Replies(links="restore"),
            Replies(hosts=("wiki.example",)),
            Replies(tools={"f": "withhold"}),
            Replies(tools={"f": "inside"}),
        )
    }
    assert len(versions) == 5


HOST = 'version = 1\n[replies]\nhosts = ["wiki.example", {}]'


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("version = 1\nreplies = 3", 2, r"write \[replies\]"),
        ("version = 1\n[reply]\nlinks = 3", 2, "did you mean 'replies'"),
        (REPLIES.replace("links", "link"), 3, "did you mean 'links'"),
        (REPLIES.replace("hosts", "host"), 4, "did you mean 'hosts'"),
        (REPLIES.replace('links = "withhold"', 'links = "withold"'), 3, "did you mean 'withhold'"),
        (REPLIES.replace('links = "withhold"', 'links = "inside"'), 3, "no such fate of links"),
        (REPLIES.replace('links = "withhold"', "links = true"), 3, "no such fate of links"),
        (REPLIES.replace('"inside"', '"insider"'), 8, "did you mean 'inside'"),
        (REPLIES.replace('"inside"', '["inside"]'), 8, "no such fate of calls"),
        (REPLIES.replace('"web search"', '""'), 9, "a tool has a name"),
        ('version = 1\n[replies]\ntools = ["f"]', 3, r"write \[replies.tools\]"),
        ('version = 1\n[replies]\nhosts = "a.example"', 3, "list of strings"),
        (HOST.format(3), 3, "quotation marks"),
        (HOST.format('"https://x.example"'), 3, "host 2 is none"),
        (HOST.format('"x.example/a"'), 3, "host 2 is none"),
        (HOST.format('"x.example:80"'), 3, "host 2 is none"),
        (HOST.format('"*.example"'), 3, "host 2 is none"),
        (HOST.format('"x..example"'), 3, "host 2 is none"),
        (HOST.format('"münchen.example"'), 3, "host 2 is none"),
        (HOST.format('""'), 3, "host 2 is none"),
        (HOST.format('"."'), 3, "host 2 is none"),
        (HOST.format('".com"'), 3, "host 2 is everybody"),
        (HOST.format('"WIKI.example"'), 3, "stands there twice"),
        ('version = 1\n[replies]\nlinks = "restore"\nhosts = ["a.example"]', 4, "never count"),
    ],
)
def test_what_cannot_be_said_of_replies_is_refused_with_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(PolicyProblem, match=says) as caught:
        Policy.parse(text, "p.toml")
    assert caught.value.line == line
