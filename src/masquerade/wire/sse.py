"""Event streams: bytes to events by ``feed`` and ``finish``, and an event back to bytes.

After "Parsing an event stream" of the WHATWG HTML standard (section 9.2.6): a line ends with LF, CR or
CRLF; an empty line ends an event; one byte order mark may lead; several ``data`` lines are joined by LF; what
follows the last empty line is dropped. ``id`` and ``retry`` are read over, for no chat service uses them.
"""

from __future__ import annotations

from typing import NamedTuple

from masquerade.errors import UpstreamProblem

_BOM = b"\xef\xbb\xbf"

DONE = b"[DONE]"
"""The data of the event that closes a stream of chat completions."""


class Event(NamedTuple):
    """One event: its data, and its name where it has one.

    ``data`` is None where only a comment was sent: services do that to keep a quiet line open.
    """

    data: bytes | None
    name: bytes = b""


class EventStream:
    """Bytes of one event stream, cut anywhere, to events: every way to cut gives the same events.

    Raises:
        UpstreamProblem: from ``feed``, when one event is longer than ``limit`` bytes.
    """

    __slots__ = ("_after_cr", "_held", "_limit", "_some", "_started")

    def __init__(self, limit: int = 32 << 20) -> None:
        self._held = bytearray()
        self._limit = limit
        self._started = self._some = False
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that ``chunk`` completes."""
        whole = chunk.endswith(b"\n\n") and b"\r" not in chunk
        if whole and self._started and not self._held and not self._after_cr:
            return self._read(chunk[:-2])
        if self._after_cr or b"\r" in chunk:
            chunk = self._with_line_feeds(chunk)
        held = self._held
        seen = max(len(held) - 1, 0)
        held += chunk
        if not self._started:
            if len(held) < len(_BOM) and _BOM.startswith(held):
                return []
            self._started = True
            if held.startswith(_BOM):
                del held[: len(_BOM)]
                seen = 0
        end = held.rfind(b"\n\n", seen)
        if end < 0:
            if len(held) > self._limit:
                raise UpstreamProblem("the model service sent an event that is too long")
            return []
        events = self._read(bytes(held[:end]))
        del held[: end + 2]
        return events

    @property
    def held(self) -> int:
        """Bytes of an event whose end is still to come."""
        return len(self._held)

    @property
    def broken(self) -> bool:
        """Whether a stream that ends here broke off in an event, or never was one. The closing event and a
        comment may lack their empty line: nothing is lost with them."""
        rest = bytes(self._held).strip(b"\n").replace(b"data: ", b"data:", 1)
        lost = rest != b"data:" + DONE and not rest.startswith(b":")
        return lost if rest else not self._some

    def finish(self) -> list[Event]:
        """The end of the stream: an event without its empty line is dropped, as the standard says."""
        self._held.clear()
        return []

    def _read(self, blocks: bytes) -> list[Event]:
        events = _events(blocks)
        self._some = self._some or bool(events)
        return events

    def _with_line_feeds(self, chunk: bytes) -> bytes:
        if not chunk:
            return chunk
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
            if not chunk:
                return chunk
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


class OnEvents:
    """What reads an event stream by an :class:`EventStream`, and tells how it stands."""

    def __init__(self) -> None:
        self._events = EventStream()

    @property
    def held(self) -> int:
        """Bytes of an event whose end is still to come."""
        return self._events.held

    @property
    def broken(self) -> bool:
        """Whether a stream that ends here broke off in an event, or never was one."""
        return self._events.broken


def _events(blocks: bytes) -> list[Event]:
    events = []
    for block in blocks.split(b"\n\n"):
        if block.startswith(b"data: ") and b"\n" not in block:
            events.append(Event(block[6:]))
        elif event := _parse(block):
            events.append(event)
    return events


def _parse(block: bytes) -> Event | None:
    name = b""
    data: list[bytes] = []
    comment = False
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
        elif line.startswith(b":"):
            comment = True
    if data:
        return Event(b"\n".join(data), name)
    return Event(None) if comment else None


def encode(event: Event) -> bytes:
    """The bytes of one event, its empty line included; a comment becomes an empty comment."""
    if event.data is None:
        return b":\n\n"
    head = b"event: " + event.name + b"\n" if event.name else b""
    return head + b"data: " + event.data.replace(b"\n", b"\ndata: ") + b"\n\n"
