"""Masking and restoring, case by case; the laws are in tests/laws."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from masquerade.errors import Blocked
from masquerade.keys import Key
from masquerade.mask.policy import Finders, Policy, Words
from masquerade.mask.restore import Lexicon, Restorer
from masquerade.mask.span import Fate, Span
from masquerade.mask.surrogate import TOKEN, Mint, Surrogate, body_ok
from masquerade.mask.text import Masked, Masker

KEY = Key(bytes(range(32)))
MASKER = Masker(KEY)
PLAUSIBLE = Masker(
    KEY, Policy(fates=dict.fromkeys(["EMAIL", "PHONE", "IP_ADDRESS", "CREDIT_CARD"], Fate.PLAUSIBLE))
)
MINT = Mint(KEY.tenant("default"))
MAIL = "ada@example.org"
TOKEN_OF_MAIL = MINT.token("EMAIL", MAIL)


def shown(masked: Masked) -> dict[str, str]:
    return {s.original: s.text for s in masked.surrogates}


def read(restorer: Restorer, *chunks: str) -> list[str]:
    return [*map(restorer.feed, chunks), restorer.finish()]


def guessing(*guesses: tuple[str, str], **fates: Fate) -> Masker:
    """Rules, and somebody who takes each of some words for one kind."""

    def look(text: str) -> list[Span]:
        return [
            Span(m.start(), m.end(), kind, 0.9) for kind, word in guesses for m in re.finditer(word, text)
        ]

    return Masker(KEY, Policy(finder=Finders(use=("rules",)), fates=fates), finders=(look,))


# -- masking -------------------------------------------------------------------------------------------


def test_values_glued_to_han_characters() -> None:
    text = "手机13812345678邮箱zhang.wei@example.com谢谢，服务器10.1.2.3在访问，卡号4111111111111111被拒"
    masked = MASKER.mask(text)
    for value in ("13812345678", "zhang.wei@example.com", "10.1.2.3", "4111111111111111"):
        assert value not in masked.text
    assert masked.counts["CREDIT_CARD"] == {"redact": 1}
    assert masked.redacted == {"CREDIT_CARD": 1}
    assert masked.counts["PHONE"] == {"token": 1}
    assert masked.restore(masked.text) == text.replace("4111111111111111", "[CREDIT_CARD_REDACTED]")


@pytest.mark.parametrize("others", [0, 400])
def test_a_secret_within_what_a_model_took_for_an_address_does_not_come_back(others: int) -> None:
    place = "Flat tulip88garden, Leeds"
    masker = guessing(("ADDRESS", place), ("ADDRESS", r"1 Rose\d+ Lane"))
    text = f"password: tulip88garden\nI live in {place}; tulip88gardens are far" + "".join(
        f"\npassword: Xq{i}z77zz{'y' * 30}; 1 Rose{i} Lane" for i in range(others)
    )
    masked = masker.mask(text)
    assert "tulip88" not in masked.text and "tulip88" not in masked.restore(masked.text)
    assert "tulip88" not in repr([surrogate.original for surrogate in masked.surrogates])
    assert masked.counts.get("ADDRESS", {}).get("token", 0) == others, "others keep their kind"


def test_what_stands_hidden_beside_a_value_is_found_where_a_guess_covers_the_value() -> None:
    masker = guessing(("ADDRESS", r"Rose Lane \)13812345678"))
    masked = masker.mask("Rose Lane )13812345678.4111111111111111)")
    assert "4111111111111111" not in masked.text
    assert masker.mask(masked.text).text == masked.text


def test_what_is_redacted_stays_so_beside_letters_and_plausible_values() -> None:
    masker = guessing(("PERSON", "Ada"), PERSON=Fate.REDACT, EMAIL=Fate.PLAUSIBLE, PHONE=Fate.PLAUSIBLE)
    masked = masker.mask(f"{MAIL}, Ada1; password: tulip88garden\ncurl -p0tulip88garden0")
    assert masked.text.count("[PERSON_REDACTED]") == 1 and masked.text.count("[SECRET_REDACTED]") == 2
    assert {surrogate.original for surrogate in masked.surrogates} == {MAIL}


def test_a_value_that_a_guess_overlaps_is_found_wherever_else_it_stands() -> None:
    text = "password: tulip88garden SW1A 2AA\nand then type tulip88garden again"
    masked = guessing(("ADDRESS", "tulip88garden SW1A 2AA")).mask(text)
    assert "tulip88garden" not in masked.text and "SW1A" not in masked.text
    assert masked.redacted == {"SECRET": 3}, "what overlaps a secret is redacted with it"
    with pytest.raises(Blocked):
        guessing(("PERSON", "tulip88garden SW1A 2AA"), PERSON=Fate.BLOCK).mask(text)


def test_what_rules_know_makes_no_guess_less_strict() -> None:
    number = "13812345678"
    masker = guessing(("PERSON", f"(?<=agent ){number}"), PERSON=Fate.REDACT, PHONE=Fate.TOKEN)
    text = f"agent {number}; 手机：{number}"
    assert [span.kind for span in masker.find(text)] == ["PERSON", "PHONE"]
    assert masker.mask(text).text.startswith("agent [PERSON_REDACTED]; ")
    kinds = [span.kind for span in guessing(("PERSON", f"(?<=agent ){number}")).mask(text).spans]
    assert kinds == ["PHONE", "PHONE"]


def test_nothing_found_is_nothing_changed() -> None:
    masked = MASKER.mask("The weather is fine.")
    assert (masked.text, masked.spans, masked.counts, masked.redacted) == ("The weather is fine.", [], {}, {})
    assert masked.restore("[EMAIL_K7Q2M9X4RT]") == "[EMAIL_K7Q2M9X4RT]"
    assert MASKER.mask("").text == ""
    assert MASKER.mask_all([]).texts == ()


def test_texts_that_belong_together_share_their_surrogates() -> None:
    masked = MASKER.mask_all([f"to {MAIL}", "nothing", f"{MAIL}, {MAIL}"])
    assert masked.texts == (
        f"to {TOKEN_OF_MAIL.text}",
        "nothing",
        f"{TOKEN_OF_MAIL.text}, {TOKEN_OF_MAIL.text}",
    )
    assert masked.counts == {"EMAIL": {"token": 3}}
    assert [len(spans) for spans in masked.all_spans] == [1, 0, 2]
    with pytest.raises(ValueError, match="too many"):
        _ = masked.text


def test_two_ways_to_write_a_number_show_that_they_are_one_and_come_back_as_they_stood() -> None:
    masked = MASKER.mask("138-1234-5678 is 13812345678")
    first, second = TOKEN.findall(masked.text)
    assert first[1][:6] == second[1][:6]
    assert first != second
    assert masked.restore(masked.text) == "138-1234-5678 is 13812345678"


def test_block_refuses_all_and_tells_only_numbers() -> None:
    masker = Masker(KEY, Policy(fates={"EMAIL": Fate.BLOCK}))
    with pytest.raises(Blocked) as caught:
        masker.mask_all([f"{MAIL} {MAIL}", MAIL])
    assert caught.value.counts == {"EMAIL": 3}


def test_kept_kinds_stay() -> None:
    assert Masker(KEY, Policy(fates={"EMAIL": Fate.KEEP})).mask(MAIL).text == MAIL


def test_a_finder_of_ones_own_and_a_deny_list() -> None:
    masker = Masker(
        KEY,
        Policy(deny=(Words("PERSON", ("Ada Lovelace",), "ignore-case"),)),
        finders=[lambda text: [Span(0, 3, "STAFF_ID", 1.0)]],
    )
    masked = masker.mask("E-1 is ada lovelace")
    assert TOKEN.sub(lambda m: m[1], masked.text) == "STAFF_ID is PERSON"
    assert masked.restore(masked.text) == "E-1 is ada lovelace"


def test_a_token_in_the_input_stays_and_is_not_given_to_another_value() -> None:
    text = f"{TOKEN_OF_MAIL.text} and {MAIL}"
    masked = MASKER.mask(text)
    assert masked.text.startswith(TOKEN_OF_MAIL.text)
    assert masked.text.count(TOKEN_OF_MAIL.text) == 1
    assert masked.restore(masked.text) == text


@pytest.mark.parametrize("form", ["{}", "k7 {}", "{} ", "**{}**", "&#91;{}", "{}".lower()])
def test_neither_is_one_that_stands_there_garbled(form: str) -> None:
    body = TOKEN_OF_MAIL.needle
    for written in (
        body.lower(),
        " ".join(body),
        body[:4] + "\u200b" + body[4:],
        body[:4] + "&shy;" + body[4:],
    ):
        text = f"{form.format(written)} {MAIL}"
        masked = MASKER.mask(text)
        assert masked.restore(masked.text) == text


def test_a_number_in_the_shape_of_a_token_is_masked_all_the_same() -> None:
    masked = MASKER.mask("call [PHONE_2128675309] now")
    assert "2128675309" not in masked.text


def test_what_stands_against_a_token_is_masked() -> None:
    text = f"{TOKEN_OF_MAIL.text}13812345678{TOKEN_OF_MAIL.text}"
    masked = MASKER.mask(text)
    assert "13812345678" not in masked.text
    assert masked.text.count(TOKEN_OF_MAIL.text) == 2
    assert masked.restore(masked.text) == text


def test_tokens_are_passed_over_by_find() -> None:
    assert MASKER.find(f"{TOKEN_OF_MAIL.text} [SECRET_REDACTED]") == []


def test_it_is_safe_to_share() -> None:
    texts = [f"user{i}@example.org and 1381234{i:04}" for i in range(200)]
    with ThreadPoolExecutor(8) as pool:
        masked = list(pool.map(MASKER.mask, texts))
    assert [m.restore(m.text) for m in masked] == texts


# -- keys ----------------------------------------------------------------------------------------------


def test_old_tokens_restore_after_the_key_was_changed() -> None:
    old = MASKER.mask(f"to {MAIL}").text
    newer = Masker(KEY.rotate().rotate())
    masked = newer.mask(f"write {MAIL}")
    assert masked.text != old
    assert masked.restore(f"{masked.text}; {old}") == f"write {MAIL}; to {MAIL}"


def test_but_not_where_they_stand_in_the_input() -> None:
    text = f"{TOKEN_OF_MAIL.text} is {MAIL}"
    masked = Masker(KEY.rotate()).mask(text)
    assert masked.restore(masked.text) == text


def test_another_tenants_tokens_stay() -> None:
    theirs = Masker(KEY, tenant="them").mask(MAIL).text
    restorer = MASKER.mask(MAIL).restorer()
    assert "".join(read(restorer, f"see {theirs}")) == f"see {theirs}"
    assert (restorer.restored, restorer.unresolved) == (0, 1)


# -- plausible values ----------------------------------------------------------------------------------


def test_plausible_values_come_back_with_other_punctuation() -> None:
    masked = PLAUSIBLE.mask("call (212) 867-5309 or 138-1234-5678")
    american, mainland = shown(masked)["(212) 867-5309"], shown(masked)["138-1234-5678"]
    digits = "".join(filter(str.isdigit, american))
    for written in (
        american,
        digits,
        f"{digits[:3]}.{digits[3:6]}.{digits[6:]}",
        f"{digits[:3]}-{digits[3:6]}-{digits[6:]}",
    ):
        assert masked.restore(f"Dial {written}.") == "Dial (212) 867-5309."
    assert masked.restore(mainland.replace("-", "")) == "138-1234-5678"
    assert masked.restore(f"+1 {american}") == "+1 (212) 867-5309"


def test_a_country_code_comes_back_once() -> None:
    masked = PLAUSIBLE.mask("call +1 (212) 867-5309")
    (made,) = shown(masked).values()
    for written in (
        made,
        made.replace("(", "").replace(")", ""),
        made.replace(" ", "-"),
        made.removeprefix("+1 "),
    ):
        assert masked.restore(f"Dial {written}!").count("+1 (212) 867-5309") == 1
        assert masked.restore(f"Dial {written}!").endswith("(212) 867-5309!")


def test_a_plausible_value_inside_something_longer_stays() -> None:
    masked = PLAUSIBLE.mask(f"{MAIL}, 212-867-5309, 10.0.0.1, card 4111111111111111")
    made = shown(masked)
    mail, phone, address, card = made[MAIL], made["212-867-5309"], made["10.0.0.1"], made["4111111111111111"]
    for reply in (
        f"x.{mail}",
        f"{mail}.cn",
        f"{mail}x",
        f"9{phone}",
        f"{phone}1",
        f"{phone}-11",
        f"{address}9",
    ):
        assert masked.restore(reply) == reply
    for reply in (f"1.{address}", f"{address}.1", card + "0", "1" + card, card[:-1]):
        assert masked.restore(reply) == reply
    assert masked.restore(f"{mail}. <{mail}> 给{mail}发") == f"{MAIL}. <{MAIL}> 给{MAIL}发"
    assert masked.restore(f"http://{address}:80/") == "http://10.0.0.1:80/"


def test_formatting_does_not_hide_a_plausible_value() -> None:
    masked = PLAUSIBLE.mask(MAIL)
    (made,) = shown(masked).values()
    for written in (
        f"**{made}**",
        made.upper(),
        made.replace("@", "\\@"),
        made.replace(".", "\u200b."),
        f"<{made}>",
    ):
        assert MAIL in masked.restore(written)


def test_where_it_could_not_come_back_a_token_stands() -> None:
    text = "a 10.0.0.1-x b"
    masked = Masker(KEY, Policy(fates={"IP_ADDRESS": Fate.PLAUSIBLE})).mask(text)
    assert masked.restore(masked.text) == text


def test_a_kind_without_a_range_gets_tokens() -> None:
    masker = Masker(
        KEY, Policy(fates={"STAFF_ID": Fate.PLAUSIBLE}), finders=[lambda text: [Span(0, 3, "STAFF_ID", 1.0)]]
    )
    assert TOKEN.fullmatch(masker.mask("E-1").text)


# -- restoring -----------------------------------------------------------------------------------------


def test_plain_text_goes_out_at_once_and_a_token_is_held_back() -> None:
    restorer = Restorer([TOKEN_OF_MAIL])
    body = TOKEN_OF_MAIL.needle
    assert read(restorer, "So, ", "write to ", "[EM", "AIL_" + body[:3], body[3:], "]", " today") == [
        "So, ", "write to ", "", "", "", MAIL, " today", "",
    ]  # fmt: skip


def test_what_was_put_back_is_escaped_and_never_read_again() -> None:
    original = f'"{TOKEN_OF_MAIL.text}"\n'
    restorer = Restorer([TOKEN_OF_MAIL._replace(original=original)], lambda s: json.dumps(s)[1:-1])
    arguments = "".join(
        read(restorer, f'{{"to": "{TOKEN_OF_MAIL.text}", "n": "\\u005b{TOKEN_OF_MAIL.text[1:-1]}\\u005d"}}')
    )
    assert json.loads(arguments) == {"to": original, "n": original}
    assert restorer.restored == 2


@pytest.mark.parametrize("number", [0, 1, 4, 5, 300])
def test_any_number_of_surrogates(number: int) -> None:
    values = [f"user{i}@example.org" for i in range(number)]
    tokens = [MINT.token("EMAIL", value) for value in values]
    reply = " ".join(t.text.lower() if i % 3 else t.text for i, t in enumerate(tokens))
    assert Lexicon(tokens).restore(reply) == " ".join(values)


def test_redactions_are_neither_restored_nor_missed() -> None:
    masked = MASKER.mask(f"{MAIL} 4111111111111111")
    restorer = masked.restorer()
    assert "".join(read(restorer, masked.text)) == f"{MAIL} [CREDIT_CARD_REDACTED]"
    assert (restorer.restored, restorer.unresolved) == (1, 0)


def test_ordinary_words_are_not_counted_as_tokens() -> None:
    restorer = Restorer([TOKEN_OF_MAIL])
    text = "email addresses, phone_numbers, url_parameters, [see below], MAX_RETRIES_2, x[i_1], person [1]"
    assert "".join(read(restorer, text)) == text
    assert restorer.unresolved == 0


def test_leftovers_are_counted_in_a_long_stream() -> None:
    restorer = Restorer([TOKEN_OF_MAIL])
    for _ in range(3000):
        for chunk in ("[EMAIL_", "K7Q2M9X4", "RT] and so", " on "):
            restorer.feed(chunk)
    restorer.finish()
    assert restorer.unresolved == 3000


def test_a_bracket_that_is_not_the_tokens_stays() -> None:
    body = TOKEN_OF_MAIL.needle
    lexicon = Lexicon([TOKEN_OF_MAIL])
    for reply, back in [
        (f"(see {TOKEN_OF_MAIL.text})", f"(see {MAIL})"),
        (f"[see EMAIL_{body}]", f"[see {MAIL}]"),
        (f"x = [{TOKEN_OF_MAIL.text}, 1]", f"x = [{MAIL}, 1]"),
        (f"f(EMAIL_{body})", f"f({MAIL})"),
        (f"my email {body.lower()} works", f"my email {MAIL} works"),
        (f"[EMAIL_{body}", MAIL),
    ]:
        assert lexicon.restore(reply) == back


def test_a_long_gap_is_no_token() -> None:
    body = TOKEN_OF_MAIL.needle
    reply = body[:5] + " " * 60 + body[5:]
    restorer = Restorer([TOKEN_OF_MAIL])
    assert "".join(read(restorer, *reply)) == reply


# -- books ---------------------------------------------------------------------------------------------


class Shelf(dict[str, Surrogate]):
    """A book in memory."""

    def put(self, surrogate: Surrogate) -> None:
        self[surrogate.needle] = surrogate


def test_a_book_keeps_rows_apart() -> None:
    book = Shelf()
    rows = [f"to {MAIL}", f"the text {TOKEN_OF_MAIL.text} is in the data", MAIL, TOKEN_OF_MAIL.text.lower()]
    done = [MASKER.mask_all([row], book).text for row in rows]
    assert done[0] == f"to {TOKEN_OF_MAIL.text}"
    assert TOKEN_OF_MAIL.text not in done[1]
    assert "[TOKEN_" in done[1]
    assert done[2] == TOKEN_OF_MAIL.text
    lexicon = Lexicon(book.values())
    assert [lexicon.restore(row) for row in done] == rows


def test_a_token_that_stood_in_an_earlier_row_is_not_given_later() -> None:
    book = Shelf()
    rows = [f"the text {TOKEN_OF_MAIL.text} is in the data", MAIL]
    done = [MASKER.mask_all([row], book).text for row in rows]
    assert done[0] == rows[0]
    assert done[1] != TOKEN_OF_MAIL.text
    assert [Lexicon(book.values()).restore(row) for row in done] == rows
    assert all(body_ok(needle) for needle in book)


# -- a value found once is known everywhere ------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("password: hunter2!!x\nthen: mysql -uroot -phunter2!!x", "then: mysql -uroot -p[SECRET_REDACTED]"),
        ("密码：Abc12345，登录时输入Abc12345即可", "登录时输入[SECRET_REDACTED]即可"),
        ("username: qzx_l77. qzx_l771 is not qzx_l77", "qzx_l771 is not [USERNAME_"),
    ],
)
def test_a_value_is_masked_where_nothing_gives_it_away(text: str, left: str) -> None:
    masked = MASKER.mask(text)
    assert left in masked.text
    long = MASKER.mask(text + " many words more" * 5_000)
    assert left in long.text
    apart = MASKER.mask_all(text.replace("，", "\n").replace(". ", "\n").split("\n"))
    assert left in "，".join(apart.texts) or left in ". ".join(apart.texts)
    assert MASKER.mask(masked.text).text == masked.text


def test_values_within_values() -> None:
    run = "a1" * 300
    text = "\n".join(f"password: {run[:n]}" for n in range(8, 500)) + " " + "a1" * 100_000
    assert "a1a1a1a1" not in MASKER.mask(text).text


def test_values_whose_stand_ins_are_all_there() -> None:
    values = " ".join(f"138{i:08d}" for i in range(5_000))
    text = values + " " + MASKER.mask(values).text
    masked = MASKER.mask(text)  # one search for each of them was quadratic
    assert masked.restore(masked.text) == text


@pytest.mark.parametrize("key", ["AKIAIOSFODNN7EXAMPLE", "DE89370400440532013000"])
def test_a_key_between_brackets_is_no_label(key: str) -> None:
    assert key not in MASKER.mask(f"[{key}_REDACTED]").text


def test_a_scheme_begins_with_a_letter() -> None:
    masked = MASKER.mask("2001:db8::1https://x.example.org/a")
    assert "[URL_" in masked.text
    assert "2001" not in masked.text
