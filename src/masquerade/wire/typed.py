"""Event streams whose events say by their ``type`` what they carry: Anthropic's messages, OpenAI's responses.

A text comes as pieces in events of their own, and another event says that it ends. What a restorer still
holds back then goes out before that event, in one more of the text's own kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from masquerade.errors import UpstreamProblem
from masquerade.mask.restore import Restorer
from masquerade.wire.endpoint import Restoring, Stream
from masquerade.wire.replies import Step, move_offsets, read_reply, write_reply
from masquerade.wire.sse import DONE, Event, EventStream, OnEvents, encode

_MOST_TEXTS = 4096
_MOST_WAITING = 4 << 20

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
    beside: Callable[[Tree], tuple[Step, ...] | None] = lambda tree: None
    """The text beside which an event's annotation stands: it waits for that text's end, for until then
    nobody knows where it will stand."""
    calls: Callable[[Tree], tuple[tuple[Step, ...], str] | None] = lambda tree: None
    """The tool that this event says is called, by its name, with how the paths of the texts begin with which
    it is; None if it says nothing of that."""
    repeats: bool = False
    """Whether the last event carries the whole reply once more, so that only its stand-ins are counted."""


class _Text(NamedTuple):
    restorer: Restorer
    event: Tree
    """The latest event with a piece of it, whose piece is overwritten when another like it is needed."""
    piece: Piece
    name: bytes
    waiting: list[tuple[Event, Tree]]
    """Annotations that stand beside it."""


class TypedStream(OnEvents):
    """Bytes of the service's event stream, cut anywhere, to bytes of the client's: a :class:`Stream`.

    Raises:
        UpstreamProblem: from ``feed``, when an event is not a JSON object or is too long.
    """

    def __init__(self, exchange: Restoring, kinds: Kinds) -> None:
        super().__init__()
        self._exchange, self._kinds = exchange, kinds
        self._texts: dict[tuple[Step, ...], _Text] = {}
        self._over: dict[tuple[Step, ...], Restorer] = {}  # texts that have ended, for late annotations
        self._shift = self._next = self._waiting = 0
        self._ready: list[bytes] = []

    def feed(self, chunk: bytes) -> bytes:
        """What can be given to the client after ``chunk``; may be empty."""
        for event in self._events.feed(chunk):
            self._ready.append(self._event(event))
        out, self._ready = b"".join(self._ready), []
        return out

    def finish(self) -> bytes:
        """What was still held back when the service ended its stream or broke it off, or ``feed`` raised."""
        self._events.finish()
        return b"".join(self._ready) + self._ended(())

    def _event(self, event: Event) -> bytes:
        data = event.data
        if data is None or self._exchange.passes:
            return encode(event)
        if data == DONE:
            return self._ended(()) + encode(event)
        tree = read_reply(data)
        number = tree.get(self._kinds.number)
        if type(number) is int:
            self._next = number + self._shift
        if (call := self._kinds.calls(tree)) is not None:
            self._exchange.called(*call)
        if (piece := self._kinds.piece(tree)) is not None:
            return self._goes_on(event, tree, piece)
        if (path := self._kinds.beside(tree)) is not None:
            return self._annotation(event, tree, path)
        prefix = self._kinds.ends(tree)
        before = b"" if prefix is None else self._ended(prefix)
        holder = self._kinds.told(tree)
        if holder is not None and self._kinds.repeats:
            self._exchange.restored = self._exchange.unresolved = 0
            self._exchange.withheld.clear()
        changed = self._exchange.restore_whole(tree, prefix or ())
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
        self._texts[piece.path] = _Text(restorer, tree, piece, event.name, known.waiting if known else [])
        if not new and text and not rest:
            self._shift -= 1
            return b""
        return self._sent(event, tree, rest or new != text)

    def _annotation(self, event: Event, tree: Tree, path: tuple[Step, ...]) -> bytes:
        text = self._texts.get(path)
        size = len(event.data or b"")
        if text is None or self._waiting + size > _MOST_WAITING:
            changed = self._annotated(tree, self._over.get(path) or (text and text.restorer))
            return self._sent(event, tree, changed)
        text.waiting.append((event, tree))
        self._waiting += size
        self._shift -= 1
        return b""

    def _annotated(self, tree: Tree, restorer: Restorer | None) -> bool:
        moved = restorer is not None and move_offsets(tree, restorer.moved)
        return self._exchange.restore_whole(tree) or moved

    def _ended(self, prefix: tuple[Step, ...]) -> bytes:
        """Close the restorers of all texts whose path begins so: what they held, as events."""
        return b"".join(self._close(prefix))

    def _close(self, prefix: tuple[Step, ...]) -> Iterator[bytes]:
        for path in [path for path in self._texts if path[: len(prefix)] == prefix]:
            restorer, tree, piece, name, waiting = self._texts.pop(path)
            if len(self._over) < _MOST_TEXTS:
                self._over[path] = restorer
            if rest := self._exchange.close(restorer):
                piece.holder[piece.field] = rest
                yield self._inserted(tree, name)
            for event, late in waiting:
                self._waiting -= len(event.data or b"")
                self._annotated(late, restorer)
                yield self._inserted(late, event.name)

    def _numbered(self, tree: Tree) -> bool:
        """Give an event the next number, if such are numbered; whether it had another."""
        number, had = self._kinds.number, tree.get(self._kinds.number)
        if type(had) is not int:
            return False
        tree[number] = self._next
        self._next += 1
        return bool(had != self._next - 1)

    def _inserted(self, tree: Tree, name: bytes) -> bytes:
        """An event of ours, which takes the number of the next and moves all later ones."""
        self._numbered(tree)
        self._shift += 1
        return encode(Event(write_reply(tree), name))

    def _sent(self, event: Event, tree: Tree, changed: bool) -> bytes:
        """An event of the service's, as it came where nothing in it changed."""
        changed |= self._numbered(tree)
        return encode(Event(write_reply(tree), event.name)) if changed else encode(event)


class Resumed:
    """The same from behind a number: a client that was cut off asks for what it has not seen.

    Numbers are the client's, for it knows no others: events that were held back or added moved them. So the
    stream is read from its beginning, and what the client has seen is left out.
    """

    def __init__(self, stream: Stream, number: str, after: int) -> None:
        self._stream, self._number, self._after = stream, number, after
        self._events = EventStream()

    def feed(self, chunk: bytes) -> bytes:
        """See :class:`~masquerade.wire.endpoint.Stream`."""
        return self._new(self._stream.feed(chunk))

    @property
    def held(self) -> int:
        """See :class:`~masquerade.wire.endpoint.Stream`."""
        return self._stream.held

    @property
    def broken(self) -> bool:
        """See :class:`~masquerade.wire.endpoint.Stream`."""
        return self._stream.broken

    def finish(self) -> bytes:
        """See :class:`~masquerade.wire.endpoint.Stream`."""
        return self._new(self._stream.finish())

    def _new(self, out: bytes) -> bytes:
        return b"".join(encode(event) for event in self._events.feed(out) if not self._seen(event))

    def _seen(self, event: Event) -> bool:
        if event.data is None or event.data == DONE:
            return False
        number = read_reply(event.data).get(self._number)
        return type(number) is int and number <= self._after
