"""Which name stands for a part of which, and that each comes back as it stood."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.keys import Key
from masquerade.mask.people import wholes
from masquerade.mask.policy import Finders, Policy, Words
from masquerade.mask.span import Fate
from masquerade.mask.surrogate import TOKEN
from masquerade.mask.text import Masked, Masker

KEY = Key(bytes(range(32)))


@pytest.mark.parametrize(
    ("names", "links"),
    [
        ("Ada Lovelace, Lovelace, Ms. Lovelace, ADA, Ada's", {"Lovelace", "Ms. Lovelace", "ADA", "Ada's"}),
        ("Ada Lovelace, A. Lovelace, Ada L., A.", {"A. Lovelace", "Ada L."}),
        ("Ada Lovelace, Dr. Ada Lovelace, Lovelace Ada", set()),
        ("Ada King Lovelace, Ada Lovelace, Ms. Lovelace, King", {"Ada Lovelace", "Ms. Lovelace", "King"}),
        ("Mary O'Brien-Lee, Brien, Ms O'Brien", {"Brien", "Ms O'Brien"}),
        ("李小明, 小明, 李先生, 小李, 阿明, 明哥, 李", {"小明", "李先生", "小李", "阿明", "明哥", "李"}),
        ("张伟, 张先生, 小张, 老张, 小伟, 张总, 张伟先生", {"张先生", "小张", "老张", "小伟", "张总"}),
        ("欧阳明哲, 欧阳女士, 明哲, 阿哲, 欧先生", {"欧阳女士", "明哲", "阿哲"}),
        ("克里斯蒂亚诺·罗纳尔多, 罗纳尔多, 罗纳尔多先生", {"罗纳尔多", "罗纳尔多先生"}),
        ("Lovelace, Ms. Lovelace, 张先生, 小张", set()),
        (" , 小, 王, ..., 's, 欧阳, 先生", set()),
    ],
)  # fmt: skip
def test_parts_of_one_name(names: str, links: set[str]) -> None:
    whole, *_ = all_of_them = names.split(", ")
    assert wholes(all_of_them) == dict.fromkeys(links, whole)


@pytest.mark.parametrize(
    ("names", "links"),
    [
        ("Ada Lovelace, Byron Lovelace, Lovelace, Ada", {"Ada": "Ada Lovelace"}),
        ("Ada Lovelace, ADA LOVELACE, Lovelace", {"Lovelace": "Ada Lovelace"}),
        ("Ada Lovelace, Ada King Lovelace, Ada Byron, Ada", {"Ada Lovelace": "Ada King Lovelace"}),
        ("张伟, 张三丰, 张先生, 小张, 小伟", {"小伟": "张伟"}),
        ("李小明, 王明, 小明", {}),
        ("王张伟, 张伟, 小伟", {"张伟": "王张伟", "小伟": "王张伟"}),
    ],
)
def test_a_part_that_two_are_called_by_has_no_whole(names: str, links: dict[str, str]) -> None:
    assert wholes(names.split(", ")) == links


def test_many_of_one_surname_take_no_time() -> None:
    people = [f"{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676)}a Lee" for i in range(10_000)]
    assert wholes([*people, "Lee", "aaaa"]) == {"aaaa": "aaaa Lee"}
    assert wholes([" ".join(people)] * 2 + [f"x{i} Lee A. B. C. D." for i in range(1000)]) == {}


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=8), st.sampled_from("Ada|Ada Lee|A. Lee|小明|李小明|张|张伟|阿伟".split("|"))
        )
    )
)
def test_no_part_is_its_own_whole_and_wholes_are_no_parts(names: list[str]) -> None:
    links = wholes(names)
    assert set(links) <= set(names) and set(links.values()) <= set(names)
    assert not set(links) & set(links.values())
    assert links == wholes(dict.fromkeys(names))


# -- tokens ----------------------------------------------------------------------------------------------

TEXTS = [
    "Ada Lovelace asks for help, ada@example.org",
    "Dear Ms. Lovelace, did Lovelace or A. Lovelace write?",
    "李小明在吗？小明说他在。",
    "亲爱的张先生：张伟说好的。",
]
NAMES = "Ada Lovelace,Ms. Lovelace,Lovelace,A. Lovelace,李小明,小明,张先生,张伟"


def naming(**fates: Fate) -> Masker:
    """With a list, so that the network's opinion does not matter."""
    deny = (Words("PERSON", tuple(NAMES.split(","))),)
    return Masker(KEY, Policy(deny=deny, fates=fates, finder=Finders(use=("rules",))))


def tokens(masked: Masked) -> dict[str, str]:
    return {surrogate.original: surrogate.text for surrogate in masked.surrogates}


def test_a_parts_token_leads_to_that_of_the_whole() -> None:
    masked = naming().mask_all(TEXTS)
    token = tokens(masked)
    assert masked.links == {
        token["Ms. Lovelace"]: token["Ada Lovelace"],
        token["Lovelace"]: token["Ada Lovelace"],
        token["A. Lovelace"]: token["Ada Lovelace"],
        token["小明"]: token["李小明"],
        token["张先生"]: token["张伟"],
    }
    assert masked.links is masked.links
    assert all(TOKEN.fullmatch(text) for pair in masked.links.items() for text in pair)


def test_tokens_are_those_that_each_value_has_alone() -> None:
    together = tokens(naming().mask_all(TEXTS))
    for name in NAMES.split(","):
        assert naming().mask(f"q: {name}.").surrogates[0].text == together[name]


def test_each_form_comes_back_as_it_stood_however_it_was_garbled() -> None:
    masked = naming().mask_all(TEXTS)
    assert tuple(map(masked.restore, masked.texts)) == tuple(TEXTS)
    for token in masked.surrogates:
        wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in token.text)
        for reply in (
            token.text.lower(),
            f"**{token.text}**",
            f"Dear {token.text[1:-1]},",
            f"亲爱的{wide}：",
            f"{token.text}先生",
            f"{token.text}'s",
            token.text.replace("_", "\\_"),
            token.text.replace("[PERSON_", "【姓名_").replace("]", "】"),
            " ".join(token.text),
        ):
            rest = masked.restore(reply).replace(token.original, "", 1)
            assert len(rest) < len(masked.restore(reply)), reply
            assert not any(name in rest for name in NAMES.split(","))


def test_what_does_not_come_back_as_a_token_has_no_link() -> None:
    assert naming(PERSON=Fate.REDACT).mask_all(TEXTS).links == {}
    assert naming().mask("nobody").links == {}


def test_links_go_with_the_active_key() -> None:
    newer = Masker(KEY.rotate(), naming().policy).mask_all(TEXTS)
    shown = "".join(newer.texts)
    assert newer.links and all(part in shown and whole in shown for part, whole in newer.links.items())
