"""Check digits against numbers that standards, registries and networks publish, good and bad.

The published numbers are examples and test numbers, or public registrations of companies; none belongs to
a person.
"""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.mask import checks

QUICK = settings(max_examples=100, deadline=None)
DIGITS = string.digits


def swapped(text: str, at: int) -> str:
    """``text`` with the characters at ``at`` and ``at + 1`` in each other's place."""
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def replaced(text: str, at: int, char: str) -> str:
    return text[:at] + char + text[at + 1 :]


def slips(text: str, alphabet: str = DIGITS) -> list[str]:
    """Every way to mistype one character of ``text`` that is in ``alphabet``, within it."""
    return [
        replaced(text, at, char)
        for at, was in enumerate(text)
        if was in alphabet
        for char in alphabet
        if char != was
    ]


def swaps(text: str) -> list[str]:
    """Every way to swap two different neighbours of ``text``."""
    return [swapped(text, at) for at in range(len(text) - 1) if text[at] != text[at + 1]]


# -- cards ---------------------------------------------------------------------------------------------

CARDS = {
    "Visa, Stripe's test cards": "4242424242424242 4000056655665556 4111111111111111 4012888888881881",
    "Visa with 13 digits, PayPal's test cards": "4222222222222",
    "Mastercard, Stripe's test cards": "5555555555554444 2223003122003222 5200828282828210 5105105105105100",
    "American Express, Stripe's test cards": "378282246310005 371449635398431",
    "Discover, Stripe's test cards": "6011111111111117 6011000990139424",
    "Diners Club, Stripe's test cards": "3056930009020004 36227206271667",
    "JCB, Stripe's test cards": "3566002020360505",
    "UnionPay, Stripe's test cards": "6200000000000005 6205500000000000004",
    "Maestro, Adyen's test cards": "6759649826438453",
    "JCB, PayPal's test cards": "3530111333300000",
    "Troy, Iyzico's test cards": "9792030394440796",
}


@pytest.mark.parametrize("number", " ".join(CARDS.values()).split())
def test_published_test_cards(number: str) -> None:
    assert checks.luhn_ok(number)
    assert checks.card_length(number) == len(number)
    spaced = " ".join(re.findall(".{1,4}", number))
    assert checks.card_length(spaced) == len(spaced)


def test_luhn_as_the_standard_explains_it() -> None:
    """The example of ISO/IEC 7812-1: 7992739871 gets the check digit 3, and no other."""
    assert [digit for digit in DIGITS if checks.luhn_ok("7992739871" + digit)] == ["3"]


@pytest.mark.parametrize("number", " ".join(CARDS.values()).split())
def test_luhn_notices_slips(number: str) -> None:
    """Every single digit, and every swap of neighbours except 09 with 90."""
    assert not any(map(checks.luhn_ok, slips(number)))
    for wrong in swaps(number):
        at = next(i for i, (a, b) in enumerate(zip(number, wrong, strict=True)) if a != b)
        assert checks.luhn_ok(wrong) == (number[at : at + 2] in ("09", "90"))


@QUICK
@given(st.text(DIGITS, min_size=1, max_size=30))
def test_luhn_is_what_its_definition_says(body: str) -> None:
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    assert checks.luhn_ok(body) == (total % 10 == 0)


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # one digit changed
        "4111111111111",  # a digit too few, and Luhn fails
        "0000000000000000",  # Luhn is satisfied
        "8888888888888888",  # a run of one digit, Luhn is satisfied
        "1234567812345670",  # Luhn is satisfied, no issuer
        "411111111111111",  # no issuer has this length
    ],
)
def test_no_cards(text: str) -> None:
    assert checks.card_length(text) == 0


@pytest.mark.parametrize(
    ("text", "card"),
    [
        ("4111 1111 1111 1111 123", "4111 1111 1111 1111"),
        ("4111-1111-1111-1111-12", "4111-1111-1111-1111"),
        ("3782 822463 10005 99", "3782 822463 10005"),
    ],
)
def test_another_number_after_a_card_is_left_out(text: str, card: str) -> None:
    assert text[: checks.card_length(text)] == card


# -- IBAN ----------------------------------------------------------------------------------------------

IBANS = """
AD1200012030200359100100 AE070331234567890123456 AL47212110090000000235698741 AT611904300234573201
AZ21NABZ00000000137010001944 BA391290079401028494 BE68539007547034 BG80BNBG96611020345678
BH67BMAG00001299123456 BI4210000100010000332045181 BR1800360305000010009795493C1
BY13NBRB3600900000002Z00AB00 CH9300762011623852957 CR05015202001026284066 CY17002001280000001200527600
CZ6508000000192000145399 DE89370400440532013000 DJ2100010000000154000100186 DK5000400440116243
DO28BAGR00000001212453611324 EE382200221020145685 EG380019000500000000263180002
ES9121000418450200051332 FI2112345600000785 FK88SC123456789012 FO6264600001631634
FR1420041010050500013M02606 GB29NWBK60161331926819 GE29NB0000000101904917 GI75NWBK000000007099453
GL8964710001000206 GR1601101250000000012300695 GT82TRAJ01020000001210029690
HN88CABF00000000000250005469 HR1210010051863000160 HU42117730161111101800000000
IE29AIBK93115212345678 IL620108000000099999999 IQ98NBIQ850123456789012 IS140159260076545510730339
IT60X0542811101000000123456 JO94CBJO0010000000000131000302 KW81CBKU0000000000001234560101
KZ86125KZT5004100100 LB62099900000001001901229114 LC55HEMM000100010012001200023015
LI21088100002324013AA LT121000011101001000 LU280019400644750000 LV80BANK0000435195001
LY83002048000020100120361 MC5811222000010123456789030 MD24AG000225100013104168 ME25505000012345678951
MK07250120000058984 MN121234123456789123 MR1300020001010000123456753 MT84MALT011000012345MTLCAST001S
MU17BOMM0101101030300200000MUR NI45BAPR00000013000003558124 NL91ABNA0417164300 NO9386011117947
OM810180000001299123456 PK36SCBL0000001123456702 PL61109010140000071219812874
PS92PALS000000000400123456702 PT50000201231234567890154 QA58DOHB00001234567890ABCDEFG
RO49AAAA1B31007593840000 RS35260005601001611379 RU0304452522540817810538091310419
SA0380000000608010167519 SC18SSCB11010000000000001497USD SD8811123456789012 SE4550000000058398257466
SI56263300012039086 SK3112000000198742637541 SM86U0322509800000000270100 SO211000001001000100141
ST23000100010051845310146 SV62CENR00000000000000700025 TL380080012345678910157
TN5910006035183598478831 TR330006100519786457841326 UA213223130000026007233566001
VA59001123000012345678 VG96VPVG0000012345678901 XK051212012345678906 YE15CBYE0001018861234567891234
""".split()
"""The electronic format of each country's example in the SWIFT IBAN Registry."""


def test_an_example_of_every_country_with_ibans() -> None:
    assert {iban[:2] for iban in IBANS} == set(checks.IBAN_LENGTH)


@pytest.mark.parametrize("iban", IBANS)
def test_the_examples_of_the_iban_registry(iban: str) -> None:
    assert checks.iban_ok(iban)
    printed = " ".join(re.findall(".{1,4}", iban))
    for text in (iban, iban.lower(), printed, printed.replace(" ", "-")):
        assert checks.iban_length(text) == len(text)
    assert checks.iban_length(f"{printed} is mine") == len(printed)
    assert checks.iban_length(f"{iban}, next") == len(iban)


@pytest.mark.parametrize("iban", IBANS)
def test_a_mistyped_iban_is_noticed(iban: str) -> None:
    """MOD 97-10 notices every single digit and every swap of neighbouring digits."""
    assert not any(map(checks.iban_ok, slips(iban)))
    digits = [swapped(iban, i) for i in range(2, len(iban) - 1) if iban[i : i + 2].isdigit()]
    assert not any(checks.iban_ok(wrong) for wrong in digits if wrong != iban)
    assert not checks.iban_ok(iban[:-1])
    assert not checks.iban_ok(iban + "0")
    assert checks.iban_length(iban[:-1]) == 0
    assert checks.iban_length(f"{iban}0") == 0


def test_no_country_no_iban() -> None:
    assert checks.iban_length("ZZ89370400440532013000") == 0
    assert checks.iban_length("") == 0


# -- mainland China ------------------------------------------------------------------------------------

RESIDENT_IDS = {
    "11010519491231002X": "GB 11643-1999, 4.2",
    "440524188001010014": "GB 11643-1999, annex A",
}


@pytest.mark.parametrize("number", RESIDENT_IDS)
def test_the_resident_ids_of_the_standard(number: str) -> None:
    assert checks.cn_resident_check(number[:17]) == number[17]
    for text in (number, number.lower(), f"{number[:6]} {number[6:14]} {number[14:]}"):
        assert checks.cn_resident_length(text) == len(text)


@pytest.mark.parametrize("number", RESIDENT_IDS)
def test_a_mistyped_resident_id_is_noticed(number: str) -> None:
    """MOD 11-2 notices every single digit and every swap."""
    assert not any(
        map(checks.cn_resident_length, [*slips(number), *(body + number[17] for body in swaps(number[:17]))])
    )


def test_resident_ids_need_a_province_and_a_day() -> None:
    for body in ("99010519491231002", "11010519490231002", "11010519491301002", "11010517491231002"):
        assert checks.cn_resident_length(body + checks.cn_resident_check(body)) == 0
    assert checks.cn_resident_form_length("110105194912310029") == 18, "a wrong check character alone"
    assert checks.cn_resident_form_length("130503670401001") == 15
    assert checks.cn_resident_form_length("130503671301001") == 0
    assert checks.cn_resident_form_length("1305036704010") == 0


USCC = {
    "9144030071526726XG": "Tencent",
    "914403001922038216": "Huawei",
    "91330100799655058B": "Alibaba",
    "91110000802100433B": "Baidu",
    "91350100M000100Y43": "GB 32100-2015, a code with letters in the middle",
}
"""Codes of companies in the public register (National Enterprise Credit Information Publicity System)."""


@pytest.mark.parametrize("code", USCC)
def test_credit_codes_of_the_public_register(code: str) -> None:
    assert checks.uscc_length(code) == checks.uscc_length(code.lower()) == 18
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    assert not any(map(checks.uscc_length, slips(code, alphabet)))
    assert not any(map(checks.uscc_length, swaps(code)))


@pytest.mark.parametrize("code", ["9144030071526726IG", "9144030071526726OG", "9199030071526726XG"])
def test_no_credit_codes(code: str) -> None:
    assert checks.uscc_length(code) == 0


# -- Hong Kong, Taiwan ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["A123456(3)", "AB987654(3)", "C123456(9)", "G123456(A)"])
def test_hong_kong_ids(number: str) -> None:
    """The specimen numbers of the Immigration Department's and the Hong Kong Government's guides."""
    bare = number.replace("(", "").replace(")", "")
    assert checks.hk_id_length(number) == len(number)
    assert checks.hk_id_length(bare) == len(bare)
    body = bare[:-1]
    assert sum(bool(checks.hk_id_length(body + check)) for check in DIGITS + "A") == 1
    assert not any(map(checks.hk_id_length, slips(bare)))


@pytest.mark.parametrize(
    "number",
    [
        "A123456789",  # the specimen of the national card
        "F131104093",  # the worked example of many textbooks
        "A800000014",  # the new resident number of 2021, its specimen
        "AC01234567",  # the older resident number, two letters
    ],
)
def test_taiwan_ids(number: str) -> None:
    assert checks.tw_id_length(number) == checks.tw_id_length(number.lower()) == 10
    assert not any(checks.tw_id_length(number[:9] + digit) for digit in DIGITS if digit != number[9])


# -- other countries -----------------------------------------------------------------------------------


def test_ninos() -> None:
    """HMRC's manual NIM39110: the prefixes that are not used."""
    assert checks.nino_length("QQ123456C") == 9, "the specimen of gov.uk has a valid form"
    assert checks.nino_length("ab 12 34 56 c") == 13
    for prefix in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ", "gb"):
        assert checks.nino_length(f"{prefix}123456C") == 0


@pytest.mark.parametrize("number", ["490154203237518", "352099001761481", "356938035643809"])
def test_imeis(number: str) -> None:
    """The example of 3GPP TS 23.003 and of the GSMA's TAC guidelines, and published specimen numbers."""
    printed = f"{number[:2]}-{number[2:8]}-{number[8:14]}-{number[14]}"
    assert checks.imei_length(number) == 15
    assert checks.imei_length(printed) == len(printed)
    assert not any(map(checks.imei_length, slips(number)))


@pytest.mark.parametrize("number", ["000000000000000", "49015420323751", "4901542032375188"])
def test_no_imeis(number: str) -> None:
    assert checks.imei_length(number) == 0


@pytest.mark.parametrize("number", ["021000021", "011000015", "122105155", "111000025"])
def test_routing_numbers(number: str) -> None:
    """Published by the Federal Reserve: the ABA's weights 3 7 1 notice every single digit."""
    assert checks.aba_ok(number)
    assert not any(map(checks.aba_ok, slips(number)))
    for wrong in swaps(number):
        at = next(i for i, (a, b) in enumerate(zip(number, wrong, strict=True)) if a != b)
        assert checks.aba_ok(wrong) == (abs(int(number[at]) - int(number[at + 1])) == 5)


@pytest.mark.parametrize(
    ("code", "valid"),
    [
        ("DEUTDEFF", True),  # ISO 9362, the registry's example
        ("DEUTDEFF500", True),
        ("NEDSZAJJXXX", True),
        ("ICBKCNBJ", True),
        ("deutdeff", True),
        ("DEUTQQFF", False),  # no such country
        ("ABSTRACTION", False),
        ("KEYBOARD", False),
    ],
)
def test_business_identifier_codes(code: str, valid: bool) -> None:
    assert checks.swift_length(code) == (len(code) if valid else 0)


# -- telephone -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("+1 415 555 0132", True),
        ("+442079460958", True),
        ("0086 138 1234 5678", True),
        ("+852 9123 4567", True),
        ("+683 4002", True),  # Niue: the shortest numbers that there are
        ("+123456", False),  # six digits
        ("+4934567890123456", False),  # sixteen digits
        ("+44 (0)20 7946 0958", True),
        ("+1 (415) 555-0132 x2345", True),
        ("+210 1234567", False),  # not assigned
        ("+999 1234567", False),  # reserved
    ],
)
def test_international_numbers(text: str, valid: bool) -> None:
    """ITU-T E.164: an assigned country code, at most 15 digits."""
    assert checks.international_phone_length(text) == (len(text) if valid else 0)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1 415 555 0132 415 555 0133", "1 415 555 0132"),
        ("1-415-555-0132 2024", "1-415-555-0132"),
        ("44 20 7946 0958 0571 5579", "44 20 7946 0958"),
        ("86 138 1234 5678 139 1234", "86 138 1234 5678"),
        ("0086 138 1234 5678 139 1234", "0086 138 1234 5678"),
        ("49 30 123456 4111 1111 1111", "49 30 123456 4111"),  # nobody can tell
    ],
)
def test_another_number_behind_is_left_out(text: str, number: str) -> None:
    assert text[: checks.international_phone_length(text)] == number


def test_every_assigned_country_code() -> None:
    """The list of ITU-T E.164 assigned country codes, annex to Operational Bulletin 1114."""
    assigned = (
        "1 7 20 211 212 213 216 218 27 290 291 297 298 299 30 31 32 33 34 350 351 352 353 354 355 356 "
        "357 358 359 36 370 371 372 373 374 375 376 377 378 379 380 381 382 383 385 386 387 389 39 40 41 "
        "420 421 423 43 44 45 46 47 48 49 500 501 502 503 504 505 506 507 508 509 51 52 53 54 55 56 57 "
        "58 590 591 592 593 594 595 596 597 598 599 60 61 62 63 64 65 66 670 672 673 674 675 676 677 678 "
        "679 680 681 682 683 685 686 687 688 689 690 691 692 800 808 81 82 84 850 852 853 855 856 86 870 "
        "878 880 881 882 883 886 888 90 91 92 93 94 95 960 961 962 963 964 965 966 967 968 970 971 972 "
        "973 974 975 976 977 979 98 992 993 994 995 996 998 "
    ).split()
    assigned += [f"2{n}" for n in (*range(20, 30), *range(30, 50), *range(50, 59), *range(60, 70))]
    for code in assigned:
        assert checks.international_phone_length(f"+{code}12345678"), code


def test_numbers_beside_a_label() -> None:
    assert checks.phone_length("555-0132") == 8
    assert checks.phone_length("123456") == 0
    assert checks.phone_length("1" * 10) == 0
    assert checks.phone_length("1234567890123456") == 0


# -- network, dates ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *("2001:DB8:0:0:8:800:200C:417A", "FF01::101", "::1", "::", "2001:db8::8:800:200c:417a"),  # RFC 4291
        *("::13.1.68.3", "::FFFF:129.144.52.38", "0:0:0:0:0:FFFF:129.144.52.38"),
        *("2001:db8:0:0:1::1", "fe80::1"),  # RFC 5952
    ],
)
def test_addresses_of_the_rfcs(text: str) -> None:
    assert checks.ipv6_length(text) == len(text)


@pytest.mark.parametrize(
    "text",
    ["12:30:45", "1::2::3", "2001:db8", "1:2:3:4:5:6:7:8:9", "12345::1", "2001:0DB8:0:CD3", "g::1", ""],
)
def test_no_addresses(text: str) -> None:
    assert checks.ipv6_length(text) == 0


@pytest.mark.parametrize(
    ("day", "exists"),
    [
        ((2024, 2, 29), True),
        ((2023, 2, 29), True),  # leap years are not worked out, and a mistaken day is still somebody's
        ((2024, 2, 30), False),
        ((2024, 4, 31), False),
        ((2024, 12, 31), True),
        ((2024, 13, 1), False),
        ((2024, 0, 1), False),
        ((2024, 1, 0), False),
        ((1799, 12, 31), False),
        ((2200, 1, 1), False),
    ],
)
def test_days(day: tuple[int, int, int], exists: bool) -> None:
    assert checks.date_ok(*day) == exists


# -- wallets -------------------------------------------------------------------------------------------

BASE58 = {
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa": "the genesis block of Bitcoin",
    "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2": "Bitcoin Wiki, Invoice address",
    "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy": "Bitcoin Wiki, Invoice address",
    "1PMycacnJaSqwwJqjawXBErnLsZ7RkXUAs": "Bitcoin Wiki, version 1 addresses worked out",
    "16UwLL9Risc3QfPqBUvKofHmBQ7wMtjvM": "Bitcoin Wiki, a wallet worked out",
    "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn": "Bitcoin Wiki, address prefixes",
    "2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc": "Bitcoin Wiki, address prefixes",
    "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t": "the USDT contract on Tron",
}


@pytest.mark.parametrize("address", BASE58)
def test_published_base58_addresses(address: str) -> None:
    assert checks.base58_length(address) == len(address)
    assert checks.base58_length(replaced(address, 12, "x" if address[12] != "x" else "y")) == 0
    if address[5] != address[6]:
        assert checks.base58_length(swapped(address, 5)) == 0
    assert checks.base58_length(address[:-1]) == checks.base58_length(address + "1") == 0


BECH32_GOOD = """
A12UEL5L a12uel5l abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw
split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w
BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4 tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7
A1LQFN3A abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx
bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y BC1SW50QGDZ25J
bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy
tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c
bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0
""".split()
"""Test vectors of BIP 173 (first three lines) and BIP 350: valid checksums and addresses."""

BECH32_BAD = """
x1b4n0q5v A1G7SGD8 y1b0jsk6g lt1igcx5c0 M1VUXWEZ bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5
bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4
""".split()
"""Test vectors of BIP 173 and BIP 350 with a wrong character or checksum. Vectors that break another rule
(witness version, program length, mixed case) are covered all the same: too strict would be a leak."""


@pytest.mark.parametrize("address", BECH32_GOOD)
def test_bech32_vectors(address: str) -> None:
    assert checks.bech32_length(address) == len(address)


@pytest.mark.parametrize("address", BECH32_BAD)
def test_bad_bech32_vectors(address: str) -> None:
    assert checks.bech32_length(address) == 0


def test_bech32_notices_slips() -> None:
    """Any four wrong characters, says BIP 173; every single one and every swap is tried here."""
    address = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    data = address[3:]
    assert not any(checks.bech32_length("bc1" + wrong) for wrong in [*slips(data, alphabet), *swaps(data)])


# -- secrets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "hunter2!",
        "Tr0ub4dor&3",
        "correct-horse",
        "1234",
        "482",
        "p@ss",
        "P4$$w0rd",
        "changeme",
        "密码abc1",
    ],
)
def test_passwords(text: str) -> None:
    assert checks.password_length(text) == len(text)


@pytest.mark.parametrize(
    "text",
    [
        *("null", "None", "required", "string", "********", "xxxx", "${DB_PASSWORD}", "$PASSWORD", "%s"),
        *("<password>", "{{ vault }}", "os.environ[1]", "getpass()", "process.env.PW", "config.password"),
        *("abc", "12", "....", "____"),
    ],
)
def test_placeholders_are_no_passwords(text: str) -> None:
    assert checks.password_length(text) == 0


def test_prose_after_a_password_is_no_password() -> None:
    assert checks.spoken_password_length("strong") == checks.spoken_password_length("strong!") == 0
    assert checks.spoken_password_length("str0ng") == 6


def test_entropy_in_bits() -> None:
    assert checks.entropy("aaaa") == 0
    assert checks.entropy("abab") == 1
    assert checks.entropy("abcdefgh") == 3


@pytest.mark.parametrize(
    ("text", "random"),
    [
        ("q7Xv2LmT9wRk4ZbN8sHd", True),
        ("Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZg==", True),
        ("CamelCaseIdentifiersWithNumbers2015", False),
        ("550e8400-e29b-41d4-a716-446655440000", False),
        ("3de372c0ffee3de372c0ffee3de372c0ffee1234", False),  # a git hash: no upper case
        ("aB1aB1aB1aB1aB1aB1aB1aB1", False),  # changes often, says little
        ("aB1cD2eF3gH4", False),  # short
    ],
)
def test_random_tokens(text: str, random: bool) -> None:
    assert checks.random_token_length(text) == (len(text) if random else 0)
