"""Check digits and validity rules of identifiers.

A function called ``*_ok`` takes the characters without separators and says whether they are valid. One
called ``*_length`` takes what an expression matched and gives how many of its characters belong to the
value: 0 refuses it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import reduce
from ipaddress import AddressValueError, IPv6Address
from itertools import pairwise
from operator import mul, xor

from masquerade import crypto

_NOT_DIGIT = re.compile(r"[^0-9]+")
_NOT_ALNUM = re.compile(r"[^0-9A-Za-z]+")
_LAST_GROUP = re.compile(r"[^0-9]+[0-9]+\Z")


def digits_of(text: str) -> str:
    """The ASCII digits of ``text``."""
    digits = text.replace(" ", "").replace("-", "")
    return digits if digits.isdecimal() else _NOT_DIGIT.sub("", text)


# -- cards and accounts --------------------------------------------------------------------------------

_PLAIN_DIGIT = bytes(max(0, i - 48) for i in range(256))
_DOUBLED_DIGIT = bytes(sum(divmod(2 * (i - 48), 10)) if 48 <= i < 58 else 0 for i in range(256))


def luhn_ok(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: the weighted digit sum is a multiple of ten."""
    return _luhn_ok(digits.encode())


def _luhn_ok(raw: bytes) -> bool:
    return (sum(raw[-1::-2].translate(_PLAIN_DIGIT)) + sum(raw[-2::-2].translate(_DOUBLED_DIGIT))) % 10 == 0


# Issuer ranges by leading digits with their lengths; ISO/IEC 7812-1 and the networks' published ranges.
ISSUER = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"  # Visa
    r"|(?:5[1-5][0-9][0-9]|222[1-9]|22[3-9][0-9]|2[3-6][0-9][0-9]|27[01][0-9]|2720)[0-9]{12}"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-59]|[689][0-9])[0-9]{11,16}"  # Diners Club
    r"|(?:6011|64[4-9][0-9]|65[0-9][0-9])[0-9]{12,15}"  # Discover
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"  # JCB
    r"|(?:62|81)[0-9]{14,17}"  # UnionPay
    r"|(?:5[06789]|6[0-9])[0-9]{10,17}"  # Maestro, and debit cards that share its ranges
    r"|220[0-4][0-9]{12,15}"  # Mir
    r"|9792[0-9]{12}"  # Troy
    r"|(?:60|65|81|82|508|353|356)[0-9]{13,14}"  # RuPay
    r"|(?:4|9)[0-9]{15,18}"  # mainland bank cards of older issues
)


def card_length(text: str) -> int:
    """A payment card: an issuer's range and length, and Luhn; a last group that is another number is left out."""
    raw = text.encode().translate(None, b" .-")
    if _card_ok(raw):
        return len(text)
    if len(raw) == len(text):
        return 0
    shorter = _LAST_GROUP.sub("", text)
    return len(shorter) if _card_ok(shorter.encode().translate(None, b" .-")) else 0


def _card_ok(raw: bytes) -> bool:
    return (
        12 <= len(raw) <= 19
        and _luhn_ok(raw)
        and bool(ISSUER.fullmatch(raw.decode()))
        and raw.count(raw[0]) < len(raw)
    )


IBAN_LENGTH = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
    "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
    "YE": 30,
}  # fmt: skip
"""Length of an IBAN by country: SWIFT, IBAN Registry."""


_IBAN_VALUES = {ord(c): str(int(c, 36)) for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def iban_ok(iban: str) -> bool:
    """ISO 13616-1: the country's length, and the remainder by 97 is 1 (ISO/IEC 7064, MOD 97-10)."""
    return (
        len(iban) == IBAN_LENGTH.get(iban[:2])
        and int((iban[4:] + iban[:4]).translate(_IBAN_VALUES)) % 97 == 1
    )


def iban_length(text: str) -> int:
    """An IBAN at the beginning of ``text``; what follows its country's length is left out."""
    wanted = IBAN_LENGTH.get(text[:2].upper())
    if wanted is None:
        return 0
    letters = _NOT_ALNUM.sub("", text)
    if len(letters) < wanted or not iban_ok(letters[:wanted].upper()):
        return 0
    if len(letters) == wanted:
        return len(text)
    end = 0
    for _ in range(wanted):
        while not text[end].isalnum():
            end += 1
        end += 1
    return end if end == len(text) or not text[end].isalnum() else 0


COUNTRIES = frozenset(
    "AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BW BY BZ CA CC CD "
    "CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG ER ES ET FI FJ FK FM FO FR GA GB GD GE "
    "GF GG GH GI GL GM GN GP GQ GR GT GU GW GY HK HN HR HT HU ID IE IL IM IN IQ IR IS IT JE JM JO JP KE KG KH KI KM KN "
    "KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY "
    "MZ NA NC NE NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG "
    "SH SI SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TG TH TJ TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VI "
    "VN VU WF WS XK YE YT ZA ZM ZW".split()
)


def swift_length(text: str) -> int:
    """A business identifier code: ISO 9362, four letters, an ISO 3166-1 country, two or five more."""
    return len(text) if text[4:6].upper() in COUNTRIES else 0


# -- mainland China, Hong Kong, Taiwan -----------------------------------------------------------------

PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83".split()
)
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def cn_resident_check(first17: str) -> str:
    """The check character of a resident ID: GB 11643-1999 (ISO/IEC 7064, MOD 11-2)."""
    return "10X98765432"[sum(map(mul, map(int, first17), _ID_WEIGHTS)) % 11]


def cn_resident_form_ok(number: str) -> bool:
    """A resident ID of 18 or 15 characters with an existing province and date; check character aside."""
    if number[:2] not in PROVINCES:
        return False
    if len(number) == 18:
        return date_ok(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    return len(number) == 15 and date_ok(1900 + int(number[6:8]), int(number[8:10]), int(number[10:12]))


def cn_resident_length(text: str) -> int:
    """A resident ID of 18 characters whose province, date and check character are right."""
    number = text.replace(" ", "").replace("-", "")
    right = number[17] in "Xx" if (check := cn_resident_check(number[:17])) == "X" else number[17] == check
    return len(text) if right and cn_resident_form_ok(number) else 0


def cn_resident_form_length(text: str) -> int:
    """A resident ID by form alone, so that a mistyped one does not slip through."""
    return len(text) if cn_resident_form_ok(text) else 0


_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)


_USCC_VALUES = bytes(_USCC_ALPHABET.find(chr(i).upper()) % 256 for i in range(256))


def uscc_length(text: str) -> int:
    """A unified social credit code: GB 32100-2015, MOD 31."""
    values = text.encode().translate(_USCC_VALUES)
    check = -sum(map(mul, values[:17], _USCC_WEIGHTS)) % 31
    return len(text) if values[17] == check and (text[2:4] in PROVINCES or text[2:4] == "10") else 0


def hk_id_length(text: str) -> int:
    """A Hong Kong identity card number: one or two letters, six digits, check by MOD 11."""
    number = text.upper().rstrip(")）")
    check = 10 if number[-1] == "A" else int(number[-1])
    number = number[:-1].rstrip("(（ ")
    first = 36 if len(number) == 7 else ord(number[-8]) - 55
    total = 9 * first + 8 * (ord(number[-7]) - 55) + sum(map(mul, map(int, number[-6:]), _HK_WEIGHTS)) + check
    return len(text) if total % 11 == 0 else 0


_HK_WEIGHTS = (7, 6, 5, 4, 3, 2)
_TW_LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"


def tw_id_length(text: str) -> int:
    """A Taiwan national or resident number: letter (10 to 35), nine digits, weights 1 9 8 ... 1 1."""
    letter = _TW_LETTERS.index(text[0].upper()) + 10
    second = text[1].upper()
    digits = [int(second) if second.isdigit() else _TW_LETTERS.index(second) % 10, *map(int, text[2:])]
    total = (
        letter // 10
        + letter % 10 * 9
        + sum(d * w for d, w in zip(digits, (8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True))
    )
    return len(text) if total % 10 == 0 else 0


# -- other countries -----------------------------------------------------------------------------------


def nino_length(text: str) -> int:
    """A UK national insurance number: prefixes that are never issued are refused (HMRC NIM39110)."""
    return 0 if text[:2].upper() in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ") else len(text)


def imei_length(text: str) -> int:
    """A device number of 15 digits with Luhn (3GPP TS 23.003, annex B)."""
    raw = text.encode().translate(None, b"-")
    return len(text) if len(raw) == 15 and _luhn_ok(raw) and raw.count(raw[0]) < 14 else 0


def aba_ok(digits: str) -> bool:
    """A US routing number: weights 3 7 1 (ABA)."""
    return sum(int(d) * w for d, w in zip(digits, (3, 7, 1) * 3, strict=True)) % 10 == 0


# -- telephone -----------------------------------------------------------------------------------------

# Country codes as assigned by ITU-T E.164 (list of Recommendation E.164 assigned country codes).
CALLING_CODE = re.compile(
    r"1|7|2(?:0|7|1[1-368]|[2346][0-9]|5[0-8]|9[0-1789])|3(?:[0-469]|[57][0-9]|8[0-35-79])|4(?:[013-9]|2[0-13])"
    r"|5(?:[1-8]|0[0-9]|9[0-9])|6(?:[0-6]|7[02-9]|8[0-35-9]|9[0-2])|8(?:[12469]|0[08]|5[02356]|7[0-8]|8[0-368])"
    r"|9(?:[0-58]|6[0-8]|7[0-79]|9[2-68])"
)


# Most digits of a number with its country code and, dialled in error, a trunk prefix; national numbering plans.
MOST_DIGITS = {"1": 11, "7": 11, "33": 12, "44": 13, "61": 12, "65": 10, "86": 14, "852": 11, "853": 11}
_GROUP = re.compile(r"[0-9]+\)?")
_EXTENSION = re.compile(r"[^0-9A-Za-z]*(?:[Ee][Xx][Tt]|[Xx]|转)")


def international_phone_length(text: str) -> int:
    """A number after ``+`` or ``00``: an assigned country code, 7 to 15 digits in all (ITU-T E.164).

    Groups behind it that are too many for one number belong to another, and are left out.
    """
    number = _EXTENSION.split(text, maxsplit=1)[0]
    digits = digits_of(number)
    prefix = 2 if digits.startswith("00") else 0
    code = CALLING_CODE.match(digits, prefix)
    if not code or len(digits) < prefix + 7:
        return 0
    most = prefix + MOST_DIGITS.get(code[0], 15) + ("(0)" in number)
    if len(digits) <= most:
        return len(text)
    end = count = 0
    for group in _GROUP.finditer(number):
        here = count + len(digits_of(group[0]))
        if here > most:
            break
        end, count = group.end(), here
    return end if count >= prefix + 7 else 0


def mainland_length(text: str) -> int:
    """A mainland mobile in groups of its owner's: eleven digits behind what dials the country."""
    return len(text) if len(digits_of(text).removeprefix("00").removeprefix("86")) == 11 else 0


def ten_digits_length(text: str) -> int:
    """Ten digits, however they are grouped."""
    return len(text) if len(digits_of(text)) == 10 else 0


def phone_length(text: str) -> int:
    """A number next to a label: 7 to 15 digits, not all the same."""
    digits = digits_of(text)
    return len(text) if 7 <= len(digits) <= 15 and len(set(digits)) > 1 else 0


# -- numbers by label ------------------------------------------------------------------------------------


def any_digit_length(text: str) -> int:
    """Anything with a digit in it."""
    return len(text) if any(map(str.isdigit, text)) else 0


def some_digits_length(text: str) -> int:
    """Anything with four digits or more in it."""
    return len(text) if sum(map(str.isdigit, text)) >= 4 else 0


# -- network -------------------------------------------------------------------------------------------


def ipv6_length(text: str) -> int:
    """An address of RFC 4291 that is not merely a time of day; a colon of the sentence behind it is left out."""
    if text.count(":") < 3 and text[:1] != ":" and text.replace(":", "").isdecimal():
        return 0
    for address in (text, text.removesuffix(":")):
        try:
            IPv6Address(address)
        except (AddressValueError, ValueError):
            continue
        return len(address)
    return 0


_BALANCED = re.compile(r"(?:[^()]|\([^()]*+\))*+")


def url_length(text: str) -> int:
    """An address without the punctuation of the sentence around it."""
    end = len(text)
    if ")" in text:
        end = _BALANCED.match(text).end()  # type: ignore[union-attr]
    while end and text[end - 1] in ".,;:!?'\"*_~|":
        end -= 1
    return end


# -- dates ---------------------------------------------------------------------------------------------

_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def date_ok(year: int, month: int, day: int) -> bool:
    """Whether a day of 1800 to 2199 exists; 29 February is taken in every year."""
    return 1800 <= year < 2200 and 1 <= month <= 12 and 1 <= day <= _MONTH_DAYS[month - 1]


# -- wallets -------------------------------------------------------------------------------------------

_BASE58 = {c: i for i, c in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
_BECH32 = {c: i for i, c in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_STEP = [
    reduce(xor, (g for i, g in enumerate(_BECH32_GENERATOR) if top >> i & 1), 0) for top in range(32)
]


def base58_length(text: str) -> int:
    """A Base58Check address of 25 bytes (Bitcoin, Litecoin, Dogecoin, Tron): four bytes of double SHA-256."""
    number = 0
    for char in text:
        number = number * 58 + _BASE58[char]
    if number.bit_length() > 200:
        return 0
    raw = number.to_bytes(25, "big")
    return len(text) if crypto.double_sha256(raw[:21])[:4] == raw[21:] else 0


def bech32_length(text: str) -> int:
    """A segregated witness address: BIP 173 (bech32) or BIP 350 (bech32m)."""
    text = text.lower()
    prefix, _, data = text.rpartition("1")
    values = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    values += [_BECH32.get(c, 32) for c in data]
    if max(values) > 31:
        return 0
    check = 1
    for value in values:
        check = (check & 0x1FFFFFF) << 5 ^ value ^ _BECH32_STEP[check >> 25]
    return len(text) if check in (1, 0x2BC830A3) else 0


# -- secrets -------------------------------------------------------------------------------------------

PLACEHOLDER = re.compile(
    r"(?i:null|none|nil|true|false|undefined|string|str|text|required|optional|hidden|redacted|masked|protected|"
    r"incorrect|invalid|wrong|expired|missing|empty|changed?|reset|must|should|cannot|will|with|your|here|"
    r"x+|\*+|\.+|-+|_+|#+|<[^>]*>|\$\{?[a-z_][a-z0-9_.]*\}?|%\(?[a-z_]*\)?s?|\{\{?[^}]*\}?\}|"
    r"(?:os|process|sys|self|config|settings|env|args|request|req|ctx|user|input|getpass)[.\[(][^\n]*|[a-z_]+\([^\n]*)"
)


def entropy(text: str) -> float:
    """Shannon entropy of the characters of ``text``, in bits a character."""
    n = len(text)
    return -sum(k / n * math.log2(k / n) for k in Counter(text).values())


def password_length(text: str) -> int:
    """A value after ``password:``: anything that is no placeholder, variable or ordinary remark."""
    bare = text.rstrip(".,;:!?)]}")
    if len(bare) < 4 - bare.isdigit() or PLACEHOLDER.fullmatch(text) or PLACEHOLDER.fullmatch(bare):
        return 0
    return len(text.rstrip(".,;:)]}"))


def spoken_password_length(text: str) -> int:
    """A value after ``password is``: prose goes on there, so it must not look like a plain word."""
    return 0 if text.rstrip(".,;:!?)]}").isalpha() else password_length(text)


_HEX = re.compile(r"[0-9a-f]{16,}")


def labelled_secret_length(text: str) -> int:
    """A value after ``api key:`` and the like: some digit among letters, or long and mixed."""
    if _HEX.fullmatch(text) or (len(text) >= 16 and text.count("-") >= 2):
        return password_length(text)
    odd = any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
    varied = len(set(text)) >= min(8, len(text) - 2)
    return password_length(text) if varied and (odd or (len(text) >= 16 and not text.islower())) else 0


_CLASSES = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "a" * 26 + "A" * 26 + "0" * 10
)


def random_token_length(text: str) -> int:
    """A token that looks drawn at random: lower and upper case and digits, changing often, much entropy."""
    if len(text) < 20:
        return 0
    classes = text.translate(_CLASSES)
    if not ("a" in classes and "A" in classes and classes.count("0") >= 2):
        return 0
    changes = sum(a != b for a, b in pairwise(classes))
    return len(text) if changes * 20 >= len(text) * 9 and entropy(text) >= 3.6 else 0
