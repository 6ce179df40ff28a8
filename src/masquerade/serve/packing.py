"""Short texts as padded bytes: what vault and store seal of an entry.

Padding to 32 bytes lets a length show the size of a value only roughly.
"""

from __future__ import annotations

import json

_PAD_BYTES = 32


def packed(*texts: str) -> bytes:
    """``texts`` in one piece, whose length is a multiple of 32."""
    piece = encoded(json.dumps(texts, ensure_ascii=False))
    return piece + b" " * (-len(piece) % _PAD_BYTES)


def unpacked(piece: bytes) -> list[str]:
    """The inverse of :func:`packed`."""
    texts: list[str] = json.loads(piece.decode("utf-8", "surrogatepass"))
    return texts


def encoded(text: str) -> bytes:
    """UTF-8, also of the half characters that JSON can spell."""
    return text.encode("utf-8", "surrogatepass")
