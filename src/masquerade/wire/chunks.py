"""The event stream of a completion: chunks, each with a piece of every choice that goes on.

Source: OpenAI API reference, "Chat Completions" and "Completions", streaming.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from masquerade.errors import UpstreamProblem
from masquerade.mask.restore import Restorer
from masquerade.wire.endpoint import Restoring
from masquerade.wire.mould import Mould, mould_of
from masquerade.wire.replies import (
    Step,
    index_of,
    move_offsets,
    read_reply,
    restore_texts,
    write_reply,
)
from masquerade.wire.sse import DONE, Event, OnEvents, encode

_MOST_TEXTS = 4096
_MOULDS = 4
_MOST_LEARNED = 64
_ANSWERS = ("content", "tool_calls")
_CONTENT = ("content",)
_NOTHING: tuple[dict[str, str], ...] = ({}, {"content": ""}, {"text": ""})
_MOST_CHOICES = 128
_SHELL = ("id", "object", "created", "model", "system_fingerprint", "service_tier")


class Form(NamedTuple):
    """How chunks of one API look: what each calls itself, and the way to a choice's ``delta`` and back where
    the choice itself carries the piece."""

    name: str
    opened: Callable[[dict[str, Any]], None] = lambda choice: None
    closed: Callable[[dict[str, Any]], None] = lambda choice: None


def _gathered(choice: dict[str, Any]) -> None:
    choice["delta"] = {"text": choice.pop("text", "")}


def _spread(choice: dict[str, Any]) -> None:
    delta = choice.pop("delta", {})
    choice["text"] = delta.get("text") or ""


CHAT = Form("chat.completion.chunk")
PLAIN = Form("text_completion", _gathered, _spread)
"""Of the older completions: a choice has a ``text``."""


class ChunkStream(OnEvents):
    """Bytes of the service's event stream, cut anywhere, to bytes of the client's.

    A token may lie over any number of chunks: each choice, tool call and field has a restorer of its own.
    What it holds back is sent as one more delta before the chunk that carries the ``finish_reason``, before
    ``[DONE]``, or at the end, whichever comes first.

    Raises:
        UpstreamProblem: from ``feed``, when an event is not a JSON object or is too long.
    """

    def __init__(self, exchange: Restoring, form: Form = CHAT) -> None:
        super().__init__()
        self._exchange, self._form = exchange, form
        self._written = exchange.written
        # By choice, then by the path below it; bounded, for the service names both.
        self._restorers: dict[Step, dict[tuple[Step, ...], Restorer]] = {}
        self._texts = 0
        self._shell: dict[str, Any] = {"object": form.name}
        self._thinking: set[int] = set()
        self._contents: dict[Step, Restorer] = {}  # also of choices that have ended
        self._moulds: list[Mould] = []
        self._learned = 0
        self._told = exchange.passes
        self._ready: list[bytes] = []

    def feed(self, chunk: bytes) -> bytes:
        """What can be given to the client after ``chunk``; may be empty.

        Chunks of the service that arrive together, and differ only in one text, may leave as one.
        """
        ready = self._ready
        run: Mould | None = None
        events: list[bytes] = []
        texts: list[str] = []
        for event in self._events.feed(chunk):
            mould, text = self._fitting(event)
            if run is not None and mould is not run:
                ready.append(self._moulded(run, events, texts))
                events, texts = [], []
            run = mould
            if mould is None:
                ready.append(self._event(event))
            else:
                events.append(event.data)  # type: ignore[arg-type]
                texts.append(text)
        if run is not None:
            ready.append(self._moulded(run, events, texts))
        self._ready = []
        return b"".join(ready)

    def finish(self) -> bytes:
        """What was still held back when the service ended its stream or broke it off, or ``feed`` raised."""
        self._events.finish()
        return b"".join(self._ready) + self._rest()

    def _fitting(self, event: Event) -> tuple[Mould | None, str]:
        """The mould that an event fits, with its text, if there is one."""
        data, name = event
        if data is not None and not name:
            for mould in self._moulds:
                if (text := mould.read(data)) is not None:
                    answers = bool(self._thinking) and mould.path[1] in _ANSWERS
                    return (None, "") if answers and mould.path[0] in self._thinking else (mould, text)
        return None, ""

    def _moulded(self, mould: Mould, events: list[bytes], texts: list[str]) -> bytes:
        """Events that are as an earlier one but for their one text, with this restored."""
        text = "".join(texts)
        new = self._feed(mould.path, text)
        if new == text:
            return b"data: " + b"\n\ndata: ".join(events) + b"\n\n"
        return mould.written(events[-1], new) if new or not mould.may_go else b""

    def _event(self, event: Event) -> bytes:
        data = event.data
        if data is None or self._exchange.passes:
            return encode(event)
        if data == DONE:
            return self._rest() + encode(event)
        tree = read_reply(data)
        choices = tree.get("choices")
        if type(choices) is not list or not choices:
            changed = self._exchange.restore_whole(tree)
            return encode(Event(write_reply(tree), event.name)) if changed else encode(event)
        changed = beside = self._beside(tree, "choices")
        thoughts = b""
        ended: list[dict[str, Any]] = []
        for choice in choices:
            if type(choice) is not dict:
                raise UpstreamProblem("the model service sent a chunk that cannot be read")
            self._form.opened(choice)
            if self._thinking:
                thoughts += self._thoughts(choice)
            changed |= self._restore(choice)
            if choice.get("finish_reason") is not None:
                ended.append(choice)
        if not self._shell.get("id"):
            self._shell |= {name: tree[name] for name in _SHELL if name in tree}
        if not ended:
            if not beside:
                self._learn(data)
            if not changed:
                return thoughts + encode(event)
            return thoughts + (b"" if _says_nothing(tree) else self._encoded(tree, event.name))
        before = thoughts + self._ends(ended)
        tree["masquerade"] = self._exchange.summary()
        self._told = True
        return before + self._encoded(tree, event.name)

    def _learn(self, data: bytes) -> None:
        """Remember how this chunk looks, for it was like none of the last few."""
        if self._learned < _MOST_LEARNED:
            self._learned += 1
            if (mould := mould_of(data, self._written, self._form.opened)) is not None:
                self._moulds = [mould, *self._moulds[: _MOULDS - 1]]

    def _restore(self, choice: dict[str, Any]) -> bool:
        changed = False
        if choice.get("logprobs") is not None:
            choice["logprobs"] = None
            changed = True
        changed |= self._beside(choice, "delta")
        delta = choice.get("delta")
        if type(delta) is dict:
            ends = choice.get("finish_reason") is not None  # then offsets wait until all is restored
            move = None if ends else self._move
            changed |= restore_texts(
                delta, self._feed, self._written, (index_of(choice),), move, self._exchange.called
            )
        return changed

    def _beside(self, node: dict[str, Any], streamed: str) -> bool:
        """Restore what stands beside the field that comes in pieces: an error, say, or a whole message."""
        rest = {name: value for name, value in node.items() if name != streamed}
        changed = self._exchange.restore_whole(rest)
        node |= rest
        return changed

    def _feed(self, path: tuple[Step, ...], text: str) -> str:
        whole = path[-1] == "name" or type(path[-1]) is int or "annotations" in path
        if whole:  # comes at once, and is read before the stream ends
            restorer = self._exchange.restorer(path)
            return restorer.feed(text) + self._exchange.close(restorer)
        texts = self._restorers.setdefault(path[0], {})
        found = texts.get(path[1:])
        if found is None:
            self._texts += 1
            if self._texts > _MOST_TEXTS:
                raise UpstreamProblem("the model service's reply has too many parts")
            found = texts[path[1:]] = self._exchange.restorer(path)
            if path[1:] == _CONTENT and len(self._contents) < _MOST_CHOICES:
                self._contents.setdefault(path[0], found)
            if str(path[1]).startswith("reasoning"):
                self._thinking.add(path[0])  # type: ignore[arg-type]
        return found.feed(text)

    def _move(self, path: tuple[Step, ...], offset: int) -> int:
        content = self._contents.get(path[0]) if len(path) == 1 else None
        return offset if content is None else content.moved(offset)

    def _thoughts(self, choice: dict[str, Any]) -> bytes:
        """The rest of a choice's reasoning, once its answer begins: clients show the two apart."""
        at, delta = index_of(choice), choice.get("delta")
        answers = type(delta) is dict and any(delta.get(field) for field in _ANSWERS)
        if at not in self._thinking or not answers:
            return b""
        self._thinking.discard(at)
        return self._chunk(self._rests(at, "reasoning"))

    def _ends(self, choices: list[dict[str, Any]]) -> bytes:
        """Empty the restorers of choices that end with this chunk: their text goes into a chunk before it."""
        before = []
        for choice in choices:
            for rest in self._rests(index_of(choice), into=choice.get("delta")):
                before.append(rest)
                choice["delta"] = {}
        return self._chunk(before)

    def _rest(self) -> bytes:
        """One chunk with all that is held back, for a stream that ends without saying why."""
        choices = [rest for at in sorted(self._restorers, key=int) for rest in self._rests(at)]
        if self._told:
            return self._chunk(choices)
        self._told = True
        # A choice is there even if it says nothing, because clients read the first one unasked.
        choices = choices or [{"index": 0, "delta": {}, "finish_reason": None}]
        return self._chunk(choices, masquerade=self._exchange.summary())

    def _rests(self, at: Step, field: str = "", into: Any = None) -> list[dict[str, Any]]:
        """Close the restorers of a choice, or those of its fields that begin with ``field``: what they held,
        after what ``into`` already carries, as a choice of a chunk; as several where the service has changed
        the shape of a field meanwhile."""
        texts = self._restorers.get(at, {})
        paths = [path for path in texts if str(path[0]).startswith(field)]
        closed = [(path, self._exchange.close(texts.pop(path))) for path in paths]
        self._texts -= len(closed)
        if not texts:
            self._restorers.pop(at, None)
        deltas = [into if type(into) is dict else {}]
        for path, text in closed:
            if text and not any(merge_delta(delta, path, text) for delta in deltas):
                deltas.append(delta_of(path, text))
        if type(deltas[0].get("annotations")) is list and not field:
            move_offsets(deltas[0]["annotations"], lambda offset: self._move((at,), offset))
        if not any(text for _, text in closed):
            return []
        return [{"index": at, "delta": delta, "finish_reason": None} for delta in deltas]

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        """A chunk of these choices; of one that is there twice, the later part in a chunk of its own."""
        if not choices:
            return b""
        first = {choice["index"]: choice for choice in reversed(choices)}
        later = [choice for choice in choices if choice is not first[choice["index"]]]
        now = [choice for choice in choices if choice is first[choice["index"]]]
        return self._encoded({**self._shell, "choices": now, **more}) + self._chunk(later)

    def _encoded(self, tree: dict[str, Any], name: bytes = b"") -> bytes:
        for choice in tree.get("choices") or ():
            self._form.closed(choice)
        return encode(Event(write_reply(tree), name))


def _says_nothing(tree: dict[str, Any]) -> bool:
    """Whether all that a chunk carried is held back."""
    choices = tree["choices"]
    return not tree.get("usage") and all(choice.get("delta") in _NOTHING for choice in choices)


def delta_of(path: tuple[Step, ...], text: str) -> dict[str, Any]:
    """The smallest delta that carries ``text`` at ``path``: the inverse of walking to it."""
    value: Any = text
    for step in reversed(path):
        value = [_element(step, value)] if type(step) is int else {step: value}
    return value  # type: ignore[no-any-return]


def _element(index: int, value: Any) -> Any:
    return {"index": index, **value} if type(value) is dict else value


def merge_delta(delta: dict[str, Any], path: tuple[Step, ...], text: str) -> bool:
    """Append ``text`` to what ``delta`` already carries at ``path``; False, and nothing is done, where a
    value of another shape stands in the way."""
    node: Any = delta
    for i, step in enumerate(path):
        if type(step) is int:
            if type(node) is not list:
                return False
            found = next((part for part in node if type(part) is dict and part.get("index") == step), None)
            if found is None:
                node.append(_element(step, delta_of(path[i + 1 :], text)))
                return True
        else:
            if type(node) is not dict:
                return False
            found = node.get(step)
            if found is None or found == "":
                node |= delta_of(path[i:], text)
                return True
            if i + 1 == len(path) and type(found) is str:
                node[step] = found + text
                return True
        node = found
    return False
