"""What was found in texts that come again: a chat client sends its whole history with every turn.

    Masker(key, policy, cache=Detections(limit_bytes=64 << 20))

Kept are offsets, kinds and scores, never a text, under a keyed hash of the text. What is found depends on the
policy and its finders as well, so every ``Masker`` hashes under a random key of its own: no entry of one is
met by another, whoever shares the memory.

What it tells: who can time a tenant's requests can tell that a text was seen a short time before by the same
``Masker``; of its own tenant's texts alone, for every other has another key. How soon an entry goes depends
on all who share the memory, and so tells roughly how busy they are; give a tenant a cache of its own where
that is too much.
"""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict

from masquerade.crypto import KEY_BYTES, KeyedHash, random_bytes
from masquerade.mask.span import Span

_PLACE = struct.Struct("<IIHd")
"""Start, end, number of the kind, score."""
_MOST_KINDS = 1 << 12
"""Kinds that have a number; what is found of any further kind is not kept."""
_ENTRY_BYTES = 320
"""What an entry takes beside its places: two objects of bytes, their slots in the table, and the table's room
to grow. A test measures it."""
_span = tuple.__new__  # a named tuple's own constructor costs twice as much


class Detections:
    """Memory for what was found, of at most ``limit_bytes``; what was not asked for longest goes first.

    It may be shared by many ``Masker`` objects and threads. ``repr`` shows counts only.

    Raises:
        ValueError: the limit is not positive.
    """

    def __init__(self, limit_bytes: int = 64 << 20) -> None:
        if limit_bytes <= 0:
            raise ValueError(f"limit_bytes is positive, not {limit_bytes}")
        self.limit_bytes = limit_bytes
        self.bytes = 0
        """What the entries take, in bytes."""
        self._entries: OrderedDict[bytes, bytes] = OrderedDict()
        self._numbers: dict[str, int] = {}
        self._kinds: list[str] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Detections(entries={len(self)}, bytes={self.bytes}, limit_bytes={self.limit_bytes})"

    def drawer(self) -> Drawer:
        """A part of it under a new random key, for one ``Masker``."""
        return Drawer(self)

    def _get(self, name: bytes) -> bytes | None:
        with self._lock:
            packed = self._entries.get(name)
            if packed is not None:
                self._entries.move_to_end(name)
            return packed

    def _put(self, name: bytes, packed: bytes) -> None:
        size = _ENTRY_BYTES + len(packed)
        if size > self.limit_bytes:
            return
        with self._lock:
            if name in self._entries:  # another thread was quicker
                return
            while self.bytes + size > self.limit_bytes:
                _, gone = self._entries.popitem(last=False)
                self.bytes -= _ENTRY_BYTES + len(gone)
            self._entries[name] = packed
            self.bytes += size

    def _pack(self, spans: list[Span]) -> bytes | None:
        """Spans as bytes; None for what cannot be kept: too many kinds, offsets that are none."""
        number = self._numbers
        for span in spans:
            if span[2] not in number and not self._know(span[2]):
                return None
        try:
            return b"".join(
                [_PLACE.pack(start, end, number[kind], score) for start, end, kind, score in spans]
            )
        except struct.error:
            return None

    def _know(self, kind: str) -> bool:
        with self._lock:
            if len(self._kinds) < _MOST_KINDS and kind not in self._numbers:
                self._kinds.append(kind)
                self._numbers[kind] = len(self._kinds) - 1
            return kind in self._numbers

    def _unpack(self, packed: bytes) -> list[Span]:
        kinds = self._kinds
        return [
            _span(Span, (start, end, kinds[number], score))
            for start, end, number, score in _PLACE.iter_unpack(packed)
        ]


class Drawer:
    """What one ``Masker`` found, among :class:`Detections`. Safe to share between threads."""

    def __init__(self, detections: Detections) -> None:
        self._detections = detections
        self._name = KeyedHash(random_bytes(KEY_BYTES)).digest

    def __repr__(self) -> str:
        return f"Drawer({self._detections!r})"

    def name(self, text: str) -> bytes:
        """What ``text`` is kept under: no other text has the same, and without the key it tells nothing."""
        return self._name(text.encode("utf-8", "surrogatepass"))

    def get(self, name: bytes) -> list[Span] | None:
        """What was found, as if it had just been, or None where it is not known."""
        packed = self._detections._get(name)
        return None if packed is None else self._detections._unpack(packed)

    def put(self, name: bytes, spans: list[Span]) -> None:
        """Keep what was found."""
        packed = self._detections._pack(spans)
        if packed is not None:
            self._detections._put(name, packed)
