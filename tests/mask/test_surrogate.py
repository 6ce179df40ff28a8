"""Tokens and plausible values: their check, their entity and form, their ranges."""

from __future__ import annotations

import itertools
from ipaddress import ip_address, ip_network

import pytest

from masquerade.keys import Key
from masquerade.mask import checks
from masquerade.mask.span import Fate
from masquerade.mask.surrogate import (
    ALPHABET,
    BODY_LENGTH,
    TOKEN,
    Mint,
    Surrogate,
    body_ok,
    canonical,
    project,
)

MINT = Mint(Key(bytes(range(32))).tenant("test"))


def bodies(n: int) -> list[str]:
    return [MINT.token("EMAIL", f"someone{i}@example.com").needle for i in range(n)]


def test_a_token_has_the_written_form() -> None:
    token = MINT.token("CN_RESIDENT_ID", "11010519491231002X")
    found = TOKEN.fullmatch(token.text)
    assert found
    assert (found[1], found[2]) == ("CN_RESIDENT_ID", token.needle)
    assert body_ok(token.needle)
    assert project(token.text).endswith(token.needle)
    assert token.fate is Fate.TOKEN


def test_tokens_never_change() -> None:
    """What has been stored must restore for ever: a vector for strangers."""
    assert MINT.token("EMAIL", "ada@example.org").text == "[EMAIL_7J8VP8EY5E]"
    assert MINT.token("PHONE", "138-1234-5678").text == "[PHONE_05WZ3BQ3Q8]"
    assert MINT.token("PERSON", "张三").text == "[PERSON_83HYPGBRDP]"


def test_every_single_wrong_character_is_noticed() -> None:
    for body in bodies(40):
        for place, char in itertools.product(range(BODY_LENGTH), ALPHABET):
            changed = body[:place] + char + body[place + 1 :]
            assert body_ok(changed) == (changed == body)


def test_every_exchange_of_two_characters_is_noticed() -> None:
    for body in bodies(200):
        for a, b in itertools.combinations(range(BODY_LENGTH), 2):
            chars = list(body)
            chars[a], chars[b] = chars[b], chars[a]
            assert body_ok("".join(chars)) == (chars[a] == chars[b])


@pytest.mark.parametrize(
    "body", ["", "0123456789", "0000000000", "K7Q2M9X4R", "k7q2m9x4rt", "IIIIIIIIII", "K7Q2M9X4RTT"]
)
def test_what_is_no_body(body: str) -> None:
    assert not body_ok(body)


def test_no_body_is_a_plain_number() -> None:
    assert not any(body.isdigit() for body in bodies(5000))


def test_ways_to_write_one_number_share_the_entity_and_not_the_form() -> None:
    written = ["13812345678", "138-1234-5678", "138 1234 5678", "１３８１２３４５６７８", "(138)1234-5678"]
    tokens = [MINT.token("PHONE", value).needle for value in written]
    assert len({token[:6] for token in tokens}) == 1
    assert len(set(tokens)) == len(tokens)
    assert len({canonical(value) for value in written}) == 1


def test_kind_key_tenant_and_value_all_matter() -> None:
    root = Key(bytes(32))
    seen = {
        Mint(key.tenant(tenant)).token(kind, value).needle[:6]
        for key in (root, Key(bytes(range(32))))
        for tenant in ("a", "b")
        for kind in ("EMAIL", "USERNAME")
        for value in ("ada", "bob")
    }
    assert len(seen) == 16


def test_each_attempt_gives_another_token_and_keeps_the_entity_for_256() -> None:
    tokens = [MINT.token("EMAIL", "ada@example.org", attempt).needle for attempt in range(300)]
    assert len({token[:6] for token in tokens[:256]}) == 1
    assert tokens[256][:6] != tokens[0][:6]
    assert len(set(tokens)) >= 298


def test_lone_surrogates_and_empty_values_are_values() -> None:
    assert MINT.token("X", "\ud800").needle != MINT.token("X", "\ud801").needle
    assert body_ok(MINT.token("X", "").needle)


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("[Email_k7q2]", "EMA11K7Q2"),
        ("Ｋ７ｑ２", "K7Q2"),
        ("o0 iIlL1 uU", "0011111VV"),
        ("邮箱：a", "邮箱A"),
        ("\u200b\u00ad_-*", ""),
        ("ﬁ", "\x1e"),
        ("\x1e", "\x1e"),
    ],
)
def test_projection(text: str, symbols: str) -> None:
    assert project(text) == symbols


# -- plausible values ----------------------------------------------------------------------------------


def plausible(kind: str, value: str, attempt: int = 0) -> str:
    drawn = MINT.plausible(kind, value, attempt)
    assert drawn is not None
    assert drawn.original == value
    assert drawn.fate is Fate.PLAUSIBLE
    assert drawn.needle in project(drawn.text)
    return drawn.text


@pytest.mark.parametrize("attempt", range(20))
def test_plausible_values_lie_in_reserved_ranges(attempt: int) -> None:
    made = lambda kind, value: plausible(kind, value, attempt)  # noqa: E731
    assert made("EMAIL", "a@b.cn").rpartition("@")[2] in ("example.com", "example.org", "example.net")
    assert made("URL", "http://10.0.0.1/x").startswith("https://example.com/")
    documented = [
        ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
    ]
    for value in ("10.1.2.3", "fd00::1"):
        address = ip_address(made("IP_ADDRESS", value))
        assert any(address in net for net in documented)
    assert made("IP_ADDRESS", "10.1.2.3/24").endswith("/24")
    assert made("MAC_ADDRESS", "aa-bb-cc-dd-ee-ff").startswith("00-00-5e-00-53-")
    assert made("MAC_ADDRESS", "AABB.CCDD.EEFF").startswith("0000.5E00.53")
    card = made("CREDIT_CARD", "4111 1111 1111 1111")
    assert card.startswith("9999 99")
    assert len(card) == 19
    assert checks.luhn_ok(card.replace(" ", ""))
    iban = made("IBAN", "GB82 WEST 1234 5698 7654 32")
    assert iban[5] == "9"
    assert checks.iban_ok(iban.replace(" ", ""))
    assert made("SWIFT", "DEUTDEFF500")[4:6] == "ZZ"
    identity = made("CN_RESIDENT_ID", "11010519491231002X")
    assert identity[:6] == "990000"
    assert identity[17] == checks.cn_resident_check(identity[:17])
    assert checks.date_ok(int(identity[6:10]), int(identity[10:12]), int(identity[12:14]))
    assert made("US_SSN", "123-45-6789").startswith("666-")
    assert made("US_SSN", "123456789").startswith("666")
    assert made("US_ITIN", "912-70-1234")[4:6] in ("66", "67", "68", "69")
    assert made("UK_NINO", "AB 12 34 56 C").startswith("QQ ")
    assert checks.luhn_ok(made("IMEI", "490154203237518"))


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("212-867-5309", "ddd-555-01dd"),
        ("(212) 867-5309", "(ddd) 555-01dd"),
        ("+1 (212) 867-5309", "+1 (ddd) 555-01dd"),
        ("1-212-867-5309", "1-ddd-555-01dd"),
        ("2128675309", "ddd55501dd"),
        ("13812345678", "19999dddddd"),
        ("138-1234-5678", "199-99dd-dddd"),
        ("+86 138 1234 5678", "+86 199 99dd dddd"),
        ("8613812345678", "8619999dddddd"),
        ("07911 123456", "07700 900ddd"),
        ("+44 7911 123 456", "+44 7700 900 ddd"),
    ],
)
def test_telephone_numbers_keep_their_form(value: str, form: str) -> None:
    made = plausible("PHONE", value)
    assert len(made) == len(form)
    assert all(f == m or (f == "d" and m.isdigit()) for f, m in zip(form, made, strict=True))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("PHONE", "867-5309"),
        ("PHONE", "010-12345678"),
        ("PHONE", "１３８１２３４５６７８"),
        ("CREDIT_CARD", "4111"),
        ("CN_RESIDENT_ID", "110105491231002"),
        ("DATE_TIME", "1949-12-31"),
        ("PASSPORT", "E12345678"),
        ("STAFF_ID", "E-1"),
    ],
)
def test_where_no_range_fits_there_is_no_plausible_value(kind: str, value: str) -> None:
    assert MINT.plausible(kind, value) is None


def test_a_range_is_exhausted_at_some_time() -> None:
    assert MINT.plausible("EMAIL", "a@b.cn", 1000) is None


def test_it_hides_both_sides() -> None:
    surrogate = Surrogate("[EMAIL_K7Q2M9X4RT]", "K7Q2M9X4RT", "canary@example.org", "EMAIL", Fate.TOKEN)
    for shown in (repr(surrogate), str(surrogate), f"{surrogate}", repr([surrogate])):
        assert "canary" not in shown
        assert "K7Q2M9X4RT" not in shown
