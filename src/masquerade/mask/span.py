"""Where something was found, what kind it is, how sure we are, and what may become of it."""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

KINDS: dict[str, str] = {
    "PERSON": "姓名",
    "LOCATION": "地点",
    "ORGANIZATION": "机构",
    "ADDRESS": "地址",
    "DATE_TIME": "日期",
    "PHONE": "电话",
    "EMAIL": "邮箱",
    "URL": "网址",
    "IP_ADDRESS": "IP地址",
    "MAC_ADDRESS": "MAC地址",
    "CREDIT_CARD": "银行卡",
    "BANK_ACCOUNT": "银行账号",
    "IBAN": "国际账号",
    "SWIFT": "银行代码",
    "CRYPTO_WALLET": "加密钱包",
    "CN_RESIDENT_ID": "身份证",
    "CN_USCC": "统一社会信用代码",
    "HK_ID": "香港身份证",
    "TW_ID": "台湾身份证",
    "MO_ID": "澳门身份证",
    "PASSPORT": "护照",
    "DRIVER_LICENSE": "驾驶证",
    "LICENSE_PLATE": "车牌",
    "US_SSN": "美国社保号",
    "US_ITIN": "美国税号",
    "UK_NINO": "英国国民保险号",
    "IMEI": "设备号",
    "USERNAME": "用户名",
    "SECRET": "密钥",
}
"""Every built-in kind with its Chinese name. A policy may add kinds of its own."""


class Span(NamedTuple):
    """A place in a text: characters ``start`` to ``end`` (exclusive), its kind, and a score in [0, 1].

    It holds no text, so it may be logged.
    """

    start: int
    end: int
    kind: str
    score: float


def outside(spans: Iterable[Span], zones: Sequence[tuple[int, int]], text: str) -> list[Span]:
    """The parts of ``spans`` outside ``zones``, as far as there is a letter or digit in them; both sorted
    and disjoint."""
    kept = []
    ends = [end for _, end in zones]
    for start, end, kind, score in spans:
        at, next_zone = start, bisect_right(ends, start)
        while at < end:
            low, high = zones[next_zone] if next_zone < len(zones) else (end, end)
            stop = min(low, end)
            if any(map(str.isalnum, text[at:stop])):
                kept.append(Span(at, stop, kind, score))
            at = max(high, stop)
            next_zone += 1
    return kept


Finder: TypeAlias = Callable[[str], Iterable[Span]]
"""Anything that reads a text and says what it found there; offsets are into that very text."""


ReplyFate: TypeAlias = Literal["restore", "inside", "withhold"]
"""What becomes of the stand-ins in a text of a reply: replaced by the originals, replaced only if the text
names nobody outside, or left and counted."""


class Fate(enum.StrEnum):
    """What becomes of a found value. Strictness grows in the order of definition."""

    KEEP = "keep"
    """Left as it is."""
    TOKEN = "token"  # noqa: S105
    """Replaced by a keyed token; comes back."""
    PLAUSIBLE = "plausible"
    """Replaced by a realistic value from a range reserved for examples; comes back."""
    REDACT = "redact"
    """Replaced by a label; does not come back."""
    BLOCK = "block"
    """The whole text is refused."""

    @property
    def strictness(self) -> int:
        """0 for ``keep`` to 4 for ``block``: where two spans overlap, the greater wins."""
        return _STRICTNESS[self]


_STRICTNESS = {fate: rank for rank, fate in enumerate(Fate)}
