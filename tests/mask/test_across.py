"""Names across the texts of one call: found in one, looked for in all, each way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.keys import Key
from masquerade.mask.mentions import elsewhere
from masquerade.mask.names import shipped
from masquerade.mask.people import bare, titled
from masquerade.mask.policy import Policy, Words
from masquerade.mask.span import Fate, Span
from masquerade.mask.surrogate import TOKEN, Surrogate
from masquerade.mask.text import Masker

KEY = Key(bytes(range(32)))
MASKER = Masker(KEY)
RULES = Masker(KEY, Policy.parse('version = 1\n[finder]\nuse = "rules"\n'))


class Blind:
    """Our own names, as if the network never saw one: what is found is what a test introduces."""

    def find(self, plain: Any, mentions: bool = True, least: Any = None) -> list[Span]:
        return []

    elsewhere = shipped().elsewhere


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("masquerade.mask.names.shipped", Blind)


laws = settings(max_examples=60, deadline=None)


def introduced(text: str) -> list[Span]:
    """A finder that knows whoever is introduced, and nobody elsewhere."""
    who = re.finditer(r"(?<=This is )[A-Z]\w+(?: [A-Z]\w+)*|(?<=这位是)[\u4e00-\u9fff]{2,4}(?=。)", text)
    return [Span(*match.span(), "PERSON", 0.9) for match in who]


def masker(policy: Policy | None = None) -> Masker:
    return Masker(KEY, policy or Policy(), finders=[introduced])


def left(texts: Sequence[str], by: Masker | None = None) -> list[str]:
    """The masked texts, with kinds in place of tokens; what comes back is the texts."""
    masked = (by or masker()).mask_all(texts)
    assert tuple(map(masked.restore, masked.texts)) == tuple(texts)
    return [TOKEN.sub(lambda m: m[1], text) for text in masked.texts]


def stands_in(text: str, form: str) -> bool:
    """Whether a form stands alone in a text, by the words of it: Han stands anywhere."""
    rest = TOKEN.sub("\0", text)
    before = r"(?<![^\W\u3400-\u9fff])" if re.match(r"[^\W\u3400-\u9fff]", form) else ""
    after = r"(?![^\W\u3400-\u9fff])" if re.search(r"[^\W\u3400-\u9fff]\Z", form) else ""
    return re.search(before + re.escape(form) + after, rest) is not None


def says_enough(form: str) -> bool:
    return len(form) >= (2 if "\u3400" <= form[0] <= "\u9fff" else 3) and not shipped()._is_ordinary(
        form.lower()
    )


@pytest.mark.usefixtures("blind")
@pytest.mark.parametrize(
    ("texts", "masked"),
    [
        (["This is Zofia Kwiatek.", "q: Kwiatek; z=Zofia"], ["This is PERSON.", "q: PERSON; z=PERSON"]),
        (["q: Kwiatek", "This is Zofia Kwiatek."], ["q: PERSON", "This is PERSON."]),
        (["This is Zofia Kwiatek.", "Kwiatek_id KwiatekBot"], ["This is PERSON.", "Kwiatek_id KwiatekBot"]),
        (["这位是欧阳鹤鸣。", "q=鹤鸣&r=欧阳鹤鸣"], ["这位是PERSON。", "q=PERSON&r=PERSON"]),
        (["r=欧阳鹤鸣", "这位是欧阳鹤鸣。"], ["r=PERSON", "这位是PERSON。"]),
        (["This is Will May.", "z=will&may=1, in May"], ["This is PERSON.", "z=will&may=1, in May"]),
        (["This is Zofia Kwiatek.", "x: Kwia\u200btek y"], ["This is PERSON.", "x: PERSON y"]),
        (["This is Zofia Kwiatek.", "ｑ：Ｋｗｉａｔｅｋ！"], ["This is PERSON.", "ｑ：PERSON！"]),
        (["This is Zofia Kwiatek.", "cc Ms. Kwiatek; Kwiatek"], ["This is PERSON.", "cc PERSON; PERSON"]),
    ],
)  # fmt: skip
def test_a_name_and_its_parts_are_masked_in_all_texts(texts: list[str], masked: list[str]) -> None:
    assert left(texts) == masked


names = st.sampled_from(
    "Zofia Kwiatek,Ada Lovelace,Kwiatek,Tunde Okafor,Will May,Ann Lee Park".split(",")
    + "欧阳鹤鸣 李小明 张伟 王高兴".split()
)
pieces = st.one_of(
    names,
    names.flatmap(lambda name: st.sampled_from(name.split())),
    names.map("This is {}.".format),
    names.map("这位是{}。".format),
    st.sampled_from(["鹤鸣", "小明", " ", "\n", "Ms. ", "=", "_", "&x;", "，", "ada@example.org"]),
    st.sampled_from(["[PERSON_REDACTED]", "13812345678"]),
)  # fmt: skip
contexts = st.lists(st.lists(pieces, max_size=6).map("".join), min_size=2, max_size=5)


@laws
@given(contexts)
def test_a_name_that_was_found_stands_in_no_masked_text(texts: list[str]) -> None:
    by = masker()
    masked = by.mask_all(texts)
    assert tuple(map(masked.restore, masked.texts)) == tuple(texts)
    for text, spans in zip(texts, map(by.find, texts), strict=True):
        for start, end, kind, _ in spans:
            form = bare(text[start:end])
            if kind in ("PERSON", "LOCATION", "ORGANIZATION") and form and says_enough(form):
                assert not any(stands_in(out, form) for out in masked.texts), form


@laws
@given(contexts)
def test_what_was_found_stays_and_what_is_more_is_outside_of_it(texts: list[str]) -> None:
    by = masker()
    for old, new in zip(map(by.find, texts), by.mask_all(texts).all_spans, strict=True):
        assert {span[:2] for span in old} <= {span[:2] for span in new}
        assert new == sorted(new) and all(a.end <= b.start for a, b in pairwise(new))


@laws
@given(contexts)
def test_one_text_is_masked_as_it_was(texts: list[str]) -> None:
    by = masker()
    for text in texts:
        assert by.mask_all([text]).all_spans[0] == by.find(text)


@laws
@given(contexts, st.integers(0, 3))
def test_a_history_stays_as_it_was_unless_a_new_name_stands_in_it(texts: list[str], more: int) -> None:
    """So a provider's prompt cache stays warm."""
    by = masker()
    before, after = by.mask_all(texts[:-1]), by.mask_all(texts)
    for old, new, one, two in zip(before.texts, after.texts, before.all_spans, after.all_spans, strict=False):
        if one == two:
            assert old == new
        else:
            assert {span[:2] for span in one} < {span[:2] for span in two}


@pytest.mark.usefixtures("blind")
def test_a_history_that_grows_is_masked_to_a_prefix() -> None:
    texts = [
        "q: Kwiatek",
        "This is Zofia Kwiatek.",
        "Kwiatek: ok",
        "ada@example.org",
        "这位是欧阳鹤鸣。",
        "鹤鸣: 好的",
        "bye",
    ]
    whole = masker().mask_all(texts).texts
    for n in range(2, len(texts)):
        assert masker().mask_all(texts[:n]).texts == whole[:n]
    assert masker().mask_all(texts[:1]).texts != whole[:1], "a name that came later stands in it"


@pytest.mark.usefixtures("blind")
def test_tokens_and_redactions_that_stand_there_are_left() -> None:
    token = MASKER.mask_all(["mail ada@example.org"]).text.split()[1]
    texts = ["This is Email Person.", f"{token} [PERSON_REDACTED] q: Person"]
    assert masker().mask_all(texts).texts[1].startswith(f"{token} [PERSON_REDACTED] q: ")


@pytest.mark.usefixtures("blind")
def test_what_a_policy_allows_keeps_or_does_not_look_for_stays() -> None:
    texts = ["This is Zofia Kwiatek.", "q: Kwiatek; z=Zofia"]
    allowing = masker(Policy(allow=(Words(None, ("Kwiatek",)),)))
    assert left(texts, allowing)[1] == "q: Kwiatek; z=PERSON"
    keeping = masker(Policy(fates={"PERSON": Fate.KEEP}))
    assert keeping.mask_all(texts).texts == tuple(texts)
    ruled = Policy.parse('version = 1\n[finder]\nuse = "rules"\n')
    assert left(texts, masker(ruled))[1] == texts[1], "what an ordinary word is, only our own names know"


def test_rules_alone_load_no_network() -> None:
    texts = ["This is Zofia Kwiatek.", "mail ada@example.org", "then ada@example.org"]
    assert RULES.mask_all(texts).counts == {"EMAIL": {"token": 2}}


@pytest.mark.usefixtures("blind")
def test_a_name_takes_the_fate_that_rules_give_its_value() -> None:
    def guess(text: str) -> list[Span]:
        return [Span(*m.span(), "PERSON", 0.9) for m in re.finditer(r"(?<=This is )\S+", text)]

    by = Masker(KEY, finders=[guess])
    masked = by.mask_all(["This is tulip88garden", "q: tulip88garden", "password: tulip88garden"])
    assert masked.counts == {"SECRET": {"redact": 3}}


@pytest.mark.usefixtures("blind")
def test_places_that_a_caller_gives_are_looked_at_alike() -> None:
    texts = ["Zofia Kwiatek", "q: Kwiatek"]
    places: list[list[Span]] = [[Span(0, 13, "PERSON", 1.0)], []]
    assert [len(spans) for spans in masker().mask_all(texts, places=places).all_spans] == [1, 1]
    with pytest.raises(ValueError, match="sorted"):
        masker().mask_all(texts, places=[[Span(6, 13, "PERSON", 1.0), Span(0, 5, "PERSON", 1.0)], []])


@pytest.mark.usefixtures("blind")
def test_with_a_book() -> None:
    class Shelf(dict[str, Surrogate]):
        def put(self, surrogate: Surrogate) -> None:
            self[surrogate.needle] = surrogate

    masked = masker().mask_all(["This is Zofia Kwiatek.", "q: Kwiatek"], Shelf())
    assert masked.counts == {"PERSON": {"token": 2}}


def test_many_names_in_many_texts_take_one_pass() -> None:
    people = [f"Person{chr(65 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676)}" for i in range(3000)]
    texts = people + people[::-1]
    found = [[Span(0, len(name), "PERSON", 0.9)] for name in people] + [[] for _ in people]
    more = elsewhere(texts, found, found, lambda form: False)
    assert [len(spans) for spans in more] == [0] * 3000 + [1] * 3000


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Ms. Ada Lovelace", "Ada Lovelace"),
        ("Mr and Mrs Lovelace", "Lovelace"),
        ("dr lovelace, ", "lovelace"),
        ("Honoria Glossop", "Honoria Glossop"),
        ("Sr.", "Sr."),
        ("张伟", "张伟"),
        (" , ", ""),
    ],
)
def test_a_bare_name_has_no_title(value: str, name: str) -> None:
    assert bare(value) == name


def test_titles_do_not_reach_into_what_is_taken() -> None:
    text = "Lord Lovelace"
    assert titled(text, Span(5, 13, "PERSON", 1.0), 0).start == 0
    assert titled(text, Span(5, 13, "PERSON", 1.0), 4).start == 5
    both = shipped().elsewhere(
        ["x", text], [[Span(0, 1, "PERSON", 1.0)], []], [[], [Span(0, 4, "PERSON", 1.0)]]
    )
    assert both == [[], []]
