"""Laws 1 to 4 for text, with the real finders."""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from masquerade.errors import Blocked
from masquerade.keys import Key
from masquerade.mask.policy import Finders, Policy
from masquerade.mask.restore import Restorer
from masquerade.mask.span import KINDS, Fate
from masquerade.mask.surrogate import TOKEN, Surrogate
from masquerade.mask.text import Masked, Masker

KEY = Key(bytes(range(32)))
OTHER_KEY = Key(bytes(32))
ALL_TOKENS = Policy(fates=dict.fromkeys(KINDS, Fate.TOKEN))
ALL_PLAUSIBLE = Policy(fates=dict.fromkeys(KINDS, Fate.PLAUSIBLE))
TOKENS, PLAUSIBLE = Masker(KEY, ALL_TOKENS), Masker(KEY, ALL_PLAUSIBLE)
STANDARD = Masker(KEY)
BY_RULES = Finders(use=("rules",))
"""A network may see more in a text of which it covered a part: what names are is no law."""
TOKENS_BY_RULES = Masker(KEY, replace(ALL_TOKENS, finder=BY_RULES))
STANDARD_BY_RULES = Masker(KEY, Policy(finder=BY_RULES))

laws = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _luhn(digits: str) -> str:
    from masquerade.mask.checks import luhn_ok

    return next(digits + d for d in "0123456789" if luhn_ok(digits + d))


def digits(n: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=n, max_size=n)


words = st.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=8)
emails = st.builds("{}.{}@{}.example.{}".format, words, words, words, st.sampled_from(["com", "org", "cn"]))
mobiles = st.builds(
    lambda d, form: form.format(d[0], d[1:5], d[5:]), digits(9), st.sampled_from(["13{}{}{}", "13{}-{}-{}"])
)
american = st.builds(
    lambda area, line, form: form.format(area, line),
    st.sampled_from(["212", "415", "713"]),
    digits(4),
    st.sampled_from(["({}) 867-{}", "{}-867-{}", "+1 {} 867 {}", "+1-{}-867-{}"]),
)
addresses = st.builds("10.{}.{}.{}".format, *[st.integers(0, 255)] * 3)
addresses6 = st.builds("fd00::{:x}:{:x}".format, st.integers(1, 65535), st.integers(1, 65535))
macs = st.binary(min_size=6, max_size=6).map(lambda b: b.hex(":"))
cards = (
    digits(12).map(lambda d: _luhn("411" + d)).map(lambda d: " ".join(d[i : i + 4] for i in range(0, 16, 4)))
)
secrets = st.builds(
    "sk-{}{}".format, st.just("proj"), st.text("ABCDEFabcdef0123456789", min_size=40, max_size=48)
)
urls = st.builds("https://{}.example.net/{}?u={}".format, words, words, words)
values = st.one_of(emails, american, addresses, addresses6, macs, cards, secrets, urls, mobiles)

english = st.sampled_from(
    [
        "Dear all, ",
        " please call ",
        " and write to ",
        ". The card ",
        " was used from ",
        ", ok? ",
        "\n- ",
        " (",
        ") ",
        "<b>",
    ]
)
chinese = st.sampled_from(
    ["手机", "邮箱是", "，谢谢。", "服务器", "在访问，", "卡号", "请联系", "：", "（", "）", "电话", "\n"]
)
noise = st.text(max_size=6)
odd = st.sampled_from(
    [
        "[",
        "]",
        "[[",
        "\\[",
        "&#91;",
        "&amp;",
        "%5B",
        "\\u005b",
        "**",
        "_",
        "【",
        "】",
        "[EMAIL_",
        "[PHONE_AAAA",
        "\u200b",
        "\x1e",
    ]
)
tokenlike = st.sampled_from(
    [
        "[EMAIL_REDACTED]",
        "[EMAIL_0123456789]",
        "[PHONE_K7Q2M9X4RT]",
        "[X_K7Q2M9X4RT]",
        "email_k7q2m9x4rt",
        "[SECRET_REDACTED]",
    ]
)
texts = st.lists(st.one_of(values, english, chinese, noise, odd, tokenlike), min_size=1, max_size=12).map(
    "".join
)
cuts = st.lists(st.integers(0, 400), max_size=12)


def pieces(text: str, at: list[int]) -> list[str]:
    ends = sorted({0, len(text), *(a for a in at if a < len(text))})
    return [text[a:b] for a, b in pairwise(ends)]


def expected(text: str, masked: Masked, masker: Masker) -> str:
    """``text``, but with what was redacted as its label."""
    out, at = [], 0
    for start, end, kind, _ in masked.spans:
        redacted = masker.policy.fate(kind) is Fate.REDACT
        out += [text[at:start], f"[{kind}_REDACTED]" if redacted else text[start:end]]
        at = end
    return "".join(out) + text[at:]


# -- law 1 ---------------------------------------------------------------------------------------------


@laws
@given(texts, cuts, st.sampled_from([TOKENS, PLAUSIBLE, STANDARD]))
def test_restore_undoes_mask_however_it_is_cut(text: str, at: list[int], masker: Masker) -> None:
    masked = masker.mask(text)
    whole = expected(text, masked, masker)
    assert masked.restore(masked.text) == whole
    for chunks in (pieces(masked.text, at), list(masked.text)):
        restorer = masked.restorer()
        assert "".join(map(restorer.feed, chunks)) + restorer.finish() == whole


@laws
@given(texts, st.data())
def test_any_reply_is_restored_the_same_however_it_is_cut(text: str, data: st.DataObject) -> None:
    masker = data.draw(st.sampled_from([TOKENS, PLAUSIBLE]))
    masked = masker.mask(text)
    marks = st.one_of(odd, english, chinese, st.sampled_from(list("[]()<>{}_-*\\ \n&;%")))
    shown = [s.text for s in masked.surrogates] or ["nothing"]
    garbled = st.sampled_from(shown).flatmap(
        lambda s: st.one_of(
            st.just(s),
            st.just(s.lower()),
            st.builds(lambda i, m: s[:i] + m + s[i:], st.integers(0, len(s)), marks),
            st.builds(lambda i, j: s[:i] + s[j:], st.integers(0, len(s)), st.integers(0, len(s))),
            st.builds(
                lambda i, m, j, n: s[:i] + m + s[i:j] + n + s[j:],
                st.integers(0, 9),
                marks,
                st.integers(9, 30),
                marks,
            ),
        )
    )
    reply = "".join(data.draw(st.lists(st.one_of(garbled, marks), max_size=8)))
    whole, ways = masked.restore(reply), [list(reply), pieces(reply, data.draw(cuts))]
    ways += [[reply[:i], reply[i:]] for i in range(1, len(reply))]
    one = masked.restorer()
    assert one.restore(reply) == whole
    moved = [one.moved(i) for i in range(len(reply) + 1)]
    assert moved == sorted(moved)
    assert moved[-1] == len(whole)
    for chunks in ways:
        restorer = masked.restorer()
        assert "".join(map(restorer.feed, chunks)) + restorer.finish() == whole
        assert [restorer.moved(i) for i in range(len(reply) + 1)] == moved


@laws
@given(texts)
def test_nothing_of_an_original_leaves(text: str) -> None:
    masked = TOKENS.mask(text)
    kept, at = [], 0
    for start, end, _, _ in masked.spans:
        kept.append(text[at:start])
        at = end
    rest = TOKEN.sub("|", "\0".join([*kept, text[at:]]))
    for start, end, _, _ in masked.spans:
        if end - start > 6 and text[start:end] not in rest:
            assert text[start:end] not in masked.text


@given(texts)
@laws
def test_restoring_is_one_pass(text: str) -> None:
    masked = TOKENS.mask(text)
    for surrogate in masked.surrogates:
        nested = [s._replace(original=surrogate.text + surrogate.needle) for s in masked.surrogates]
        restorer = Restorer(nested)
        assert restorer.feed(surrogate.text) + restorer.finish() == surrogate.text + surrogate.needle


@laws
@given(texts)
def test_what_is_held_back_is_bounded(text: str) -> None:
    masked = TOKENS.mask(text)
    restorer = masked.restorer()
    for char in masked.text + text:
        restorer.feed(char)
        assert len(restorer._held) <= 128


# -- law 2 ---------------------------------------------------------------------------------------------


@laws
@given(texts, st.sampled_from([TOKENS, PLAUSIBLE]))
def test_a_surrogate_is_new_and_stands_for_one_value(text: str, masker: Masker) -> None:
    surrogates = masker.mask(text).surrogates
    assert len({s.needle for s in surrogates}) == len({s.original for s in surrogates}) or len(
        {(s.kind, s.original) for s in surrogates}
    ) == len(surrogates)
    for surrogate in surrogates:
        assert surrogate.text not in text


@laws
@given(values, english, chinese)
def test_the_same_value_gets_the_same_token_everywhere(value: str, before: str, after: str) -> None:
    alone, again = Masker(KEY, ALL_TOKENS), Masker(KEY, ALL_TOKENS)
    here = {s.original: s.text for s in alone.mask(value).surrogates}
    there = {s.original: s.text for s in again.mask(f"{before} {value} {after}").surrogates}
    for original in here.keys() & there.keys():
        assert here[original] == there[original]


@laws
@given(values)
def test_other_tenants_and_keys_get_other_tokens(value: str) -> None:
    seen = set()
    for masker in (TOKENS, Masker(KEY, ALL_TOKENS, tenant="other"), Masker(OTHER_KEY, ALL_TOKENS)):
        texts = {s.text for s in masker.mask(value).surrogates}
        assert not texts & seen
        seen |= texts


@laws
@given(texts)
def test_a_token_that_stands_in_the_input_is_not_given_again(text: str) -> None:
    token = TOKENS.mask(text).text
    both = f"{token}\n{text}\n{token.lower()}"
    masked = TOKENS.mask(both)
    assert masked.restore(masked.text) == both


# -- law 3 ---------------------------------------------------------------------------------------------


@laws
@given(texts, st.sampled_from([TOKENS_BY_RULES, STANDARD_BY_RULES]))
@example("00:00:00:00:00:00sk-proj" + 40 * "0" + "Dear all, sk-proj" + 40 * "0", STANDARD_BY_RULES)
def test_masking_masked_text_changes_nothing(text: str, masker: Masker) -> None:
    masked = masker.mask(text).text
    assert masker.mask(masked).text == masked


# -- with a book ---------------------------------------------------------------------------------------


class Shelf(dict[str, Surrogate]):
    """A book in memory."""

    def put(self, surrogate: Surrogate) -> None:
        assert self.get(surrogate.needle) in (None, surrogate)
        self[surrogate.needle] = surrogate


@laws
@given(st.lists(texts, min_size=1, max_size=5), st.sampled_from([TOKENS, PLAUSIBLE]))
def test_rows_masked_one_by_one_with_a_book_come_back(rows: list[str], masker: Masker) -> None:
    book = Shelf()
    first = [masker.mask_all([row], book).text for row in rows]
    again = first if masker is TOKENS else []  # masked text fed in once more, as text
    done = first + [masker.mask_all([row], book).text for row in again]
    rows += again
    restorer = Restorer(book.values())
    assert restorer.feed("\n".join(done)) + restorer.finish() == "\n".join(rows)


# -- law 4 ---------------------------------------------------------------------------------------------

CANARY = "canary.bird@example.org"


def test_no_message_holds_a_value(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    masked = TOKENS.mask(f"mail {CANARY}")
    restorer = masked.restorer()
    restorer.feed("[EMA")
    shown = [masked, restorer, TOKENS, masked.lexicon, masked.spans, masked.counts, masked.redacted]
    shown += list(masked.surrogates)
    texts = [f"{thing!r} {thing!s} {thing}" for thing in shown]
    with pytest.raises(Blocked) as caught:
        Masker(KEY, Policy(fates={"EMAIL": Fate.BLOCK})).mask(f"mail {CANARY}")
    texts += [str(caught.value), repr(caught.value), repr(caught.value.__dict__), caplog.text]
    for text in texts:
        assert "canary" not in text
        assert "bird" not in text
