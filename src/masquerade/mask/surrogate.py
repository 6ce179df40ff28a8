"""What stands in for a private value: keyed tokens, and plausible values from reserved ranges.

A token is ``[KIND_BODY]``. Its body is ten characters of Crockford's base 32 (no I, L, O, U)::

    K7Q2M9  X4R  T
    |       |    '-- check: one Reed-Solomon symbol over GF(32) of the nine before it
    |       '------- form: 15 bits of PRF(kind, the value exactly as written)
    '--------------- entity: 30 bits of PRF(kind, the value without case, spaces and hyphens)

so that two ways to write one number show that they are the same thing, and each restores to what stood
there. Nothing else about the value shows: the PRF is HMAC-SHA-256 under the tenant's key. A body has at
least one letter, so no number is ever taken for one.

A plausible value is drawn, by the same PRF, from ranges that are set aside for documentation, fiction or
tests, or that the issuer never gives out, and its check digits are right:

    kind            drawn from                                              source
    EMAIL           name.xxxxxx@example.com, .net, .org                     RFC 2606, section 3
    URL             https://example.com/xxxxxxxx                            RFC 2606, section 3
    USERNAME        user_xxxxxxxx                                           no registry of users exists
    IP_ADDRESS      192.0.2/24, 198.51.100/24, 203.0.113/24; 2001:db8::/32  RFC 5737; RFC 3849
    MAC_ADDRESS     00-00-5E-00-53-00 to -FF                                RFC 7042, section 2.1.2
    PHONE           North America: any area, 555-0100 to 555-0199           ATIS-0300115
                    United Kingdom: 07700 900000 to 900999                  Ofcom, numbers for use in drama
                    mainland China: 199 99xx xxxx                           a block that test data use
    CREDIT_CARD     999999..., Luhn                                         ISO/IEC 7812-1: 9 is no scheme's
    IBAN            DE, bank code 9xxxxxxx, MOD 97-10                       Bundesbank: areas are 1 to 8
    SWIFT           country ZZ, test location                               ISO 3166-1 user-assigned; ISO 9362
    CN_RESIDENT_ID  region 990000, MOD 11-2                                 GB/T 2260 has no 99
    US_SSN          area 666                                                SSA: never assigned
    US_ITIN         group 66 to 69                                          IRS Publication 1915: not issued
    UK_NINO         prefix QQ                                               HMRC NIM39110: Q never begins one
    IMEI            00..., Luhn                                             GSMA TS.06: 00 is for tests

Every other kind, and a value whose form none of these can keep, gets a token.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from ipaddress import IPv6Address
from itertools import product
from typing import NamedTuple

from masquerade.crypto import Prf
from masquerade.keys import TenantKey
from masquerade.mask.checks import cn_resident_check, digits_of, luhn_ok
from masquerade.mask.normal import Characters
from masquerade.mask.span import Fate

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
BODY_LENGTH = 10

TOKEN = re.compile(rf"\[([A-Z][A-Z0-9_]*)_(?:([{ALPHABET}]{{10}})|REDACTED)\]")
"""A token or a redaction as written; the body is group 2, and its check is not looked at."""


class Surrogate(NamedTuple):
    """A stand-in and what it stands for. ``repr`` hides both; it is the only place that joins them."""

    text: str
    """What the model sees."""
    needle: str
    """The part of ``text`` by which a reply is searched, as :func:`project` writes it."""
    original: str
    kind: str
    fate: Fate

    def __repr__(self) -> str:
        return f"Surrogate({self.kind}, {self.fate})"


# -- bodies --------------------------------------------------------------------------------------------


def _double(v: int) -> int:
    """Multiply by alpha in GF(32) = GF(2)[x] / (x^5 + x^2 + 1), where alpha generates all 31 units."""
    v <<= 1
    return v ^ 0b100101 if v & 32 else v


def _weights() -> list[list[int]]:
    """Row k: each symbol times alpha^(9 - k), for its place k in a body."""
    rows = [list(range(32))]
    for _ in range(BODY_LENGTH - 1):
        rows.insert(0, [_double(v) for v in rows[0]])
    return rows


_WEIGHTED = _weights()
_VALUE = {char: value for value, char in enumerate(ALPHABET)}
_PAIRS = [a + b for a, b in product(ALPHABET, repeat=2)]
_CHECK_A, _CHECK_B, _CHECK_C, _CHECK_D = (
    [_WEIGHTED[2 * k][pair >> 5] ^ _WEIGHTED[2 * k + 1][pair & 31] for pair in range(1024)] for k in range(4)
)
_CHECK_E = _WEIGHTED[8]


def body_ok(body: str) -> bool:
    """Whether ten characters are a body: its check is right and it is no plain number.

    The check is the value at alpha of the body read as a polynomial, so every single wrong character and
    every two exchanged ones are noticed, and one in 32 of all other changes is not.
    """
    if len(body) != BODY_LENGTH or body.isdigit():
        return False
    check = 0
    try:
        for row, char in zip(_WEIGHTED, body, strict=True):
            check ^= row[_VALUE[char]]
    except KeyError:
        return False
    return check == 0


def _body(entity: int, form: int) -> str:
    a, b, c, d, e = entity >> 20 & 1023, entity >> 10 & 1023, entity & 1023, form >> 5 & 1023, form & 31
    check = _CHECK_A[a] ^ _CHECK_B[b] ^ _CHECK_C[c] ^ _CHECK_D[d] ^ _CHECK_E[e]
    return _PAIRS[a] + _PAIRS[b] + _PAIRS[c] + _PAIRS[d] + _PAIRS[e << 5 | check]


# -- how a reply is searched ---------------------------------------------------------------------------

BARRIER = "\x1e"
"""A character that no needle holds and no projection drops."""

_CONFUSED = str.maketrans("OILU", "011V")


def _symbol(char: str) -> str | None:
    plain = "".join(c for c in unicodedata.normalize("NFKC", char).upper() if c.isalnum())
    if char == BARRIER or len(plain) > 1:
        return BARRIER
    return plain.translate(_CONFUSED) if plain else None


PROJECTION = Characters(_symbol)
"""Code point to symbol, or None for what is dropped."""


ASCII_PROJECTION = bytes(ord(PROJECTION[i] or "\0") if i < 128 else i for i in range(256))
"""Each ASCII character to its symbol, or to 0 if it is dropped."""
_ASCII_DROPPED = bytes(i for i in range(128) if PROJECTION[i] is None)


def project(text: str) -> str:
    """What is left of ``text`` when case, width, spacing, punctuation and look-alikes are taken away.

    Letters and digits in upper case, NFKC, with O as 0, I and L as 1, U as V; nothing else.
    """
    if text.isascii():
        return text.encode().translate(ASCII_PROJECTION, _ASCII_DROPPED).decode()
    return text.translate(PROJECTION)


# -- minting -------------------------------------------------------------------------------------------

_SEPARATORS = str.maketrans(
    dict.fromkeys("-()\uff08\uff09\u2010\u2011\u2012\u2013\u00b7\u30fb\u200b\u200c\u200d\u2060\ufeff\u00ad")
)


def canonical(value: str) -> str:
    """``value`` as its entity is known: without case, width, spaces, hyphens, parentheses, middle dots."""
    if value.isascii():
        return "".join(value.lower().split()).replace("-", "").replace("(", "").replace(")", "")
    return "".join(unicodedata.normalize("NFKC", value).casefold().split()).translate(_SEPARATORS)


def _bytes(value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")


_tuple = tuple.__new__  # a named tuple's own constructor costs twice as much
_TOKEN_FATE = Fate.TOKEN  # an enum member costs more to look up than a global


class Mint:
    """Makes the surrogates of one tenant. Stateless: the same value gets the same one, everywhere.

    ``attempt`` counts up from 0 while the result is one that may not be used (see ``mask.text``).
    """

    __slots__ = ("digest", "prf")

    def __init__(self, key: TenantKey) -> None:
        self.prf = Prf(key.purpose("token"))
        self.digest = self.prf.digest

    def token(self, kind: str, value: str, attempt: int = 0) -> Surrogate:
        """A token; each attempt changes the form part, and each 256th the entity part too."""
        plain = canonical(value)
        digest = int.from_bytes(self.digest(_bytes(f"{kind}\0{plain}\0{chr(attempt >> 8)}"))[:6], "big")
        entity, form = digest >> 18, digest
        if attempt or plain != value:
            exact = self.digest(_bytes(f"{kind}\1{value}\1{chr(attempt >> 8)}") + b"%c" % (attempt & 255))
            form = exact[0] << 8 | exact[1]
        body = _body(entity, form)
        if body.isdigit():
            body = _body(entity ^ 0x3FFFFFFF, form)
        return _tuple(Surrogate, (f"[{kind}_{body}]", body, value, kind, _TOKEN_FATE))

    def plausible(self, kind: str, value: str, attempt: int = 0) -> Surrogate | None:
        """A realistic value from a reserved range, or None where no range can keep this form."""
        draw = _PLAUSIBLE.get(kind)
        if draw is None or not value.isascii() or attempt >= _PATIENCE:
            return None
        message = b"%b\2%b\2%c" % (kind.encode(), _bytes(value), attempt)
        drawn = draw(value, _Dice(self.digest(message)))
        if drawn is None or drawn[0] == value:
            return None
        text, core = drawn
        return Surrogate(text, project(core), value, kind, Fate.PLAUSIBLE)


_PATIENCE = 64
"""Attempts after which a range counts as exhausted."""


# -- plausible values ----------------------------------------------------------------------------------
# Each draws (the whole text, the part of it that a reply is searched for).


class _Dice:
    """Numbers from 32 uniform bytes; the bias is under 2**-60 for all draws made here together."""

    __slots__ = ("_left",)

    def __init__(self, digest: bytes) -> None:
        self._left = int.from_bytes(digest, "big")

    def below(self, n: int) -> int:
        self._left, drawn = divmod(self._left, n)
        return drawn

    def digits(self, n: int) -> str:
        return f"{self.below(10**n):0{n}}"

    def word(self, n: int) -> str:
        return "".join(ALPHABET[self.below(32)] for _ in range(n)).lower()


_Draw = Callable[[str, _Dice], tuple[str, str] | None]

_NAMES = [
    "alex", "amy", "anna", "ben", "beth", "carl", "clara", "dan", "dana", "dora", "emma", "eric",
    "finn", "gina", "hana", "hugo", "iris", "ivan", "jane", "jack", "kate", "kai", "lena", "leo",
    "mara", "mark", "nina", "noah", "olga", "omar", "pam", "paul", "rosa", "ryan", "sara", "sam",
    "tara", "tom", "vera", "will", "yana", "zoe",
]  # fmt: skip
_AREAS = [
    202,
    206,
    212,
    213,
    214,
    303,
    305,
    312,
    313,
    404,
    415,
    503,
    504,
    512,
    602,
    612,
    615,
    702,
    713,
    801,
    808,
]


def _fill(form: str, digits: str) -> str:
    """``form`` with its digits replaced, one for one, and its punctuation kept."""
    left = iter(digits)
    return "".join(next(left) if c.isdigit() else c for c in form)


def _luhn(first: str) -> str:
    return next(first + d for d in "0123456789" if luhn_ok(first + d))


def _whole(text: str) -> tuple[str, str]:
    return text, text


def _email(_: str, dice: _Dice) -> tuple[str, str]:
    name = _NAMES[dice.below(len(_NAMES))]
    return _whole(f"{name}.{dice.word(6)}@example.{('com', 'net', 'org')[dice.below(3)]}")


def _url(_: str, dice: _Dice) -> tuple[str, str]:
    return _whole(f"https://example.com/{dice.word(8)}")


def _username(_: str, dice: _Dice) -> tuple[str, str]:
    return _whole(f"user_{dice.word(8)}")


def _ip(value: str, dice: _Dice) -> tuple[str, str]:
    if ":" in value:
        return _whole(
            str(IPv6Address(0x20010DB8 << 96 | dice.below(1 << 48) << 48 | dice.below(1 << 16) + 1))
        )
    _, slash, length = value.partition("/")
    net = ("192.0.2", "198.51.100", "203.0.113")[dice.below(3)]
    return _whole(f"{net}.{dice.below(254) + 1}{slash}{length}")


def _mac(value: str, dice: _Dice) -> tuple[str, str] | None:
    octets = f"00005e0053{dice.below(256):02x}"
    octets = octets if value.lower() == value else octets.upper()
    symbols = re.sub(r"[^0-9A-Fa-f]", "", value)
    if len(symbols) != 12:
        return None
    left = iter(octets)
    return _whole("".join(next(left) if c.isalnum() else c for c in value))


_CALLING = re.compile(r"(\+1[-. ]?|1[-. ])?\(?[2-9]\d\d\)?[-. ]{0,2}[2-9]\d\d[-. ]?\d{4}")
_MAINLAND = re.compile(r"((?:\+|00)?86[-. ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}")
_BRITISH = re.compile(r"(\+44[- ]?(?:\(0\)[- ]?)?|0)7\d{3}[- ]?\d{3}[- ]?\d{3}|(\+44[- ]?|0)7\d{3}[- ]?\d{6}")


def _phone(value: str, dice: _Dice) -> tuple[str, str] | None:
    if found := _MAINLAND.fullmatch(value):
        number = "19999" + dice.digits(6)
    elif found := _CALLING.fullmatch(value):
        number = f"{_AREAS[dice.below(len(_AREAS))]}55501{dice.digits(2)}"
    elif found := _BRITISH.fullmatch(value):
        number = "7700900" + dice.digits(3)
    else:
        return None
    before = found[1] or (found.lastindex == 2 and found[2]) or ""
    national = _fill(value[len(before) :], number)
    return before + national, national


def _card(value: str, dice: _Dice) -> tuple[str, str] | None:
    length = len(digits_of(value))
    if not 12 <= length <= 19:
        return None
    return _whole(_fill(value, _luhn("999999" + dice.digits(length - 7))))


def _iban(value: str, dice: _Dice) -> tuple[str, str]:
    account = "9" + dice.digits(17)
    check = 98 - int(account + "131400") % 97
    text = f"DE{check:02}{account}"
    return _whole(" ".join(text[i : i + 4] for i in range(0, 22, 4)) if " " in value else text)


_HEAD_OFFICE = "X" * 3
"""The branch code that names a bank's head office (ISO 9362)."""


def _swift(value: str, dice: _Dice) -> tuple[str, str]:
    letters = "".join(chr(65 + dice.below(26)) for _ in range(5))
    return _whole(f"{letters[:4]}ZZ{letters[4]}0" + (_HEAD_OFFICE if len(value) == 11 else ""))


def _cn_resident(value: str, dice: _Dice) -> tuple[str, str] | None:
    if len(value) != 18:
        return None
    born = f"{1940 + dice.below(70)}{dice.below(12) + 1:02}{dice.below(28) + 1:02}"
    first = "990000" + born + dice.digits(3)
    return _whole(first + cn_resident_check(first))


def _nine(value: str, digits: str) -> tuple[str, str] | None:
    return _whole(_fill(value, digits)) if len(digits_of(value)) == 9 else None


def _ssn(value: str, dice: _Dice) -> tuple[str, str] | None:
    return _nine(value, f"666{dice.below(99) + 1:02}{dice.below(9999) + 1:04}")


def _itin(value: str, dice: _Dice) -> tuple[str, str] | None:
    return _nine(value, f"9{dice.digits(2)}{66 + dice.below(4)}{dice.digits(4)}")


def _nino(value: str, dice: _Dice) -> tuple[str, str]:
    pairs = dice.digits(2), dice.digits(2), dice.digits(2)
    return _whole((" " if " " in value else "").join(("QQ", *pairs, "ABCD"[dice.below(4)])))


def _imei(value: str, dice: _Dice) -> tuple[str, str] | None:
    if len(digits_of(value)) != 15:
        return None
    return _whole(_fill(value, _luhn("00" + dice.digits(12))))


_PLAUSIBLE: dict[str, _Draw] = {
    "EMAIL": _email,
    "URL": _url,
    "USERNAME": _username,
    "IP_ADDRESS": _ip,
    "MAC_ADDRESS": _mac,
    "PHONE": _phone,
    "CREDIT_CARD": _card,
    "IBAN": _iban,
    "SWIFT": _swift,
    "CN_RESIDENT_ID": _cn_resident,
    "US_SSN": _ssn,
    "US_ITIN": _itin,
    "UK_NINO": _nino,
    "IMEI": _imei,
}

PLAUSIBLE_KINDS = frozenset(_PLAUSIBLE)
"""Kinds for which there are plausible values, at least for some of their forms."""

SEPARATED = frozenset(_PLAUSIBLE) - {"EMAIL", "URL", "USERNAME", "IP_ADDRESS", "SWIFT"}
"""Kinds whose plausible values may come back with other spaces and hyphens; the others, to the letter."""
