"""Event streams whose events say by their ``type`` what they carry: Anthropic's messages, OpenAI's responses.

A text comes as pieces in events of their own, and another event says that it ends. What a restorer still
holds back then goes out before that event, in one more of the text's own kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from masquerade.errors import UpstreamProblem
from masquerade.mask.restore import Restorer
from masquerade.wire.endpoint import Restoring
from masquerade.wire.replies import Step, read_reply, write_reply
from masquerade.wire.sse import DONE, Event, EventStream, encode

_MOST_TEXTS = 4096

Tree: TypeAlias = dict[str, Any]


class Piece(NamedTuple):
    """A piece of a text in an event."""

    path: tuple[Step, ...]
    """The text that it goes on with; what ends with an event is told by how this begins."""
    holder: Tree
    """The object of the event where it stands,"""
    field: str
    """and under which name."""


class Kinds(NamedTuple):
    """How the events of one API are read."""

    piece: Callable[[Tree], Piece | None]
    """The piece that an event carries; None if it carries whole texts, or none."""
    ends: Callable[[Tree], tuple[Step, ...] | None]
    """How the paths of the texts begin that have ended when this event comes; None: no text ends."""
    told: Callable[[Tree], Tree | None]
    """The object of an event to which it is added what was masked; None for all but the last."""
    number: str = ""
    """The field that numbers the events, if one does."""


class _Text(NamedTuple):
    restorer: Restorer
    event: Tree
    """The latest event with a piece of it, whose piece is overwritten when another like it is needed."""
    piece: Piece
    name: bytes


class TypedStream:
    """Bytes of the service's event stream, cut anywhere, to bytes of the client's: a :class:`Stream`.

    Raises:
        UpstreamProblem: from ``feed``, when an event is not a JSON object or is too long.
    """

    def __init__(self, exchange: Restoring, kinds: Kinds) -> None:
        self._exchange, self._kinds = exchange, kinds
        self._events = EventStream()
        self._texts: dict[tuple[Step, ...], _Text] = {}
        self._shift = 0
        self._ready: list[bytes] = []

    def feed(self, chunk: bytes) -> bytes:
        """What can be given to the client after ``chunk``; may be empty."""
        for event in self._events.feed(chunk):
            self._ready.append(self._event(event))
        out, self._ready = b"".join(self._ready), []
        return out

    @property
    def held(self) -> int:
        """Bytes of an event whose end is still to come."""
        return self._events.held

    def finish(self) -> bytes:
        """What was still held back when the service ended its stream or broke it off, or ``feed`` raised."""
        self._events.finish()
        return b"".join(self._ready) + self._ended(())

    def _event(self, event: Event) -> bytes:
        data = event.data
        if data is None or not self._exchange.counts:
            return encode(event)
        if data == DONE:
            return self._ended(()) + encode(event)
        tree = read_reply(data)
        piece = self._kinds.piece(tree)
        if piece is not None:
            return self._goes_on(event, tree, piece)
        prefix = self._kinds.ends(tree)
        before = b"" if prefix is None else self._ended(prefix, tree)
        changed = self._exchange.restore_whole(tree)
        holder = self._kinds.told(tree)
        if holder is not None:
            holder["masquerade"] = self._exchange.summary()
        return before + self._sent(event, tree, changed or holder is not None)

    def _goes_on(self, event: Event, tree: Tree, piece: Piece) -> bytes:
        known = self._texts.get(piece.path)
        if known is None and len(self._texts) >= _MOST_TEXTS:
            raise UpstreamProblem("the model service's reply has too many parts")
        restorer = known.restorer if known else self._exchange.restorer(piece.path)
        text = piece.holder[piece.field]
        new = restorer.feed(text)
        piece.holder[piece.field] = ""
        rest = self._exchange.restore_whole(tree)
        piece.holder[piece.field] = new
        self._texts[piece.path] = _Text(restorer, tree, piece, event.name)
        if not new and text and not rest:
            self._shift -= 1
            return b""
        return self._sent(event, tree, rest or new != text)

    def _ended(self, prefix: tuple[Step, ...], before: Tree | None = None) -> bytes:
        """Close the restorers of all texts whose path begins so: what they held, as events."""
        return b"".join(self._close(prefix, before))

    def _close(self, prefix: tuple[Step, ...], before: Tree | None) -> Iterator[bytes]:
        for path in [path for path in self._texts if path[: len(prefix)] == prefix]:
            restorer, tree, piece, name = self._texts.pop(path)
            rest = self._exchange.close(restorer)
            if rest:
                piece.holder[piece.field] = rest
                number = self._kinds.number
                if number and type(tree.get(number)) is int:
                    at = before.get(number) if before else None
                    tree[number] = (at if type(at) is int else tree[number] + 1) + self._shift
                    self._shift += 1
                yield encode(Event(write_reply(tree), name))

    def _sent(self, event: Event, tree: Tree, changed: bool) -> bytes:
        number = self._kinds.number
        if number and self._shift and type(tree.get(number)) is int:
            tree[number] += self._shift
            changed = True
        return encode(Event(write_reply(tree), event.name)) if changed else encode(event)
