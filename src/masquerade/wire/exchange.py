"""One request and its reply: masked on the way out, restored on the way in.

    client bytes -> Exchange -> .request -> model service -> .reply(bytes) or .events().feed(bytes) -> client

Nothing is kept here between requests: the tokens of a conversation's history are masked again, and come out
the same, because they are computed from the tenant's key.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson

from masquerade import crypto
from masquerade.errors import BadInput
from masquerade.keys import TenantKey
from masquerade.mask.guard import Watch
from masquerade.mask.restore import Lexicon, Restorer
from masquerade.mask.span import ReplyFate
from masquerade.mask.surrogate import Surrogate
from masquerade.mask.text import Masked, Masker
from masquerade.wire import openai
from masquerade.wire.endpoint import Endpoint, Stream
from masquerade.wire.replies import CALLED_WITH, Step, escape_json, read_reply, restore_texts, write_reply
from masquerade.wire.signed import PROVEN, check_signed
from masquerade.wire.slots import Slots
from masquerade.wire.typed import Resumed

_ALIAS_BYTES = 15
_MOST_CALLS = 4096
_FORBIDDEN = " of somebody outside"  # in place of a tool's name
_ANNOTATED = ("content", "text")


def alias_under(tenant: TenantKey) -> Callable[[str], str]:
    """A function from a person's identifier to an alias: the same each time under this tenant's key, not
    invertible, and another one under every other key (HMAC-SHA-256, cut to 120 bits)."""
    prf = crypto.Prf(tenant.purpose("alias"))

    def alias(identifier: str) -> str:
        return "mq-" + base64.b32encode(prf.digest(identifier.encode())[:_ALIAS_BYTES]).decode().lower()

    return alias


class Exchange:
    """One request to an ``endpoint``, and its reply. ``request`` is the masked body to send; the reply comes
    back through ``reply`` (a JSON body) or ``events`` (an event stream).

    What the client gets besides the restored text: where something was found, a ``masquerade`` field with
    counts by kind (``masked`` and ``redacted``) and ``unresolved``, the number of damaged or unknown tokens
    that were left as they are. ``withheld`` is there if not empty: stand-ins that were left because they
    would have gone to somebody outside, in a ``link`` (see ``mask.guard``) or in the call of a ``tool``
    whose policy forbids it. If nothing was found, a reply passes byte for byte.

    ``recall`` gives the surrogates of earlier turns, where the service keeps a conversation and its history
    is not in the request, by the ids from which the request goes on: they restore too, and nothing new is
    given a stand-in that stands for something else there.

    Raises:
        BadInput: not such a request, or a part of it cannot be masked, or what was found could not come
            back; ``source`` names the field.
        Blocked: the policy forbids sending something that was found.
    """

    def __init__(
        self,
        masker: Masker,
        body: bytes,
        endpoint: Endpoint = openai.CHAT,
        *,
        alias: Callable[[str], str] | None = None,
        picture: Callable[[str], str] | None = None,
        recall: Callable[[Sequence[str]], Iterable[Surrogate]] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.written = endpoint.written
        tree = _read(body)
        endpoint.needs(tree)
        said = tree.get("safety_identifier") or tree.get("user")
        self.subject: str | None = said if type(said) is str else None
        """Whom the request is said to be about, as the client names them; it does not leave."""
        rules = endpoint.seen if picture is not None and endpoint.seen else endpoint.request
        slots = Slots(tree, rules, alias, picture)
        check_names(masker, slots.names)
        self.refers: tuple[str, ...] = endpoint.kept.refers(tree) if endpoint.kept else ()
        """Ids of what the service keeps, from which this request goes on."""
        self.keeps: bool = endpoint.kept is not None and endpoint.kept.keeps(tree)
        """Whether the service keeps this request and its reply."""
        self.name: str | None = None
        """The id of the reply, once it was seen, where the service keeps it."""
        if self.refers and recall is None:
            raise BadInput("what the service keeps of earlier requests is not known here; send all of it")
        book = _Known(recall(self.refers) if recall is not None and self.refers else ())
        masked = _masked(masker, slots, partial(_read, body), tree, book if book.surrogates else None)
        if endpoint.media and masked.counts:
            raise BadInput(endpoint.media)
        self.surrogates: tuple[Surrogate, ...] = masked.surrogates
        """What this request's reply, and those of later turns, are restored by besides what was known."""
        self._lexicon = Lexicon(book.surrogates.values()) if book.surrogates else masked.lexicon
        self._guard = masked.guard_of(self._lexicon)
        self._replies = masker.policy.replies
        self._tools: dict[tuple[Step, ...], str] = {}
        self._parts = _Parts()
        self._json_content = endpoint.wants_json(tree)
        self.request: bytes = _written(tree)
        self.stream: bool = tree.get("stream") is True
        self.counts: dict[str, dict[str, int]] = masked.counts
        """Places found, by kind and fate."""
        self.redacted: dict[str, int] = masked.redacted
        """Values that were cut out and do not come back, by kind."""
        self.passes: bool = not masked.counts and not book.surrogates
        """Whether there is nothing to restore, so that the reply passes byte for byte."""
        self.restored = 0
        """Stand-ins that the reply held and that were replaced by their originals."""
        self.unresolved = 0
        """What looks like a stand-in of ours in the reply but is damaged or unknown: left as it is."""
        self.withheld: dict[str, int] = {}
        """Stand-ins that were left because they would have gone to somebody outside: ``link``, ``tool``."""

    def summary(self) -> dict[str, Any]:
        """What the client is told: counts only."""
        masked = {
            kind: rest
            for kind, fates in self.counts.items()
            if (rest := {fate: n for fate, n in fates.items() if fate != "redact"})
        }
        told = {"masked": masked, "redacted": self.redacted, "unresolved": self.unresolved}
        return told | {"withheld": dict(self.withheld)} if self.withheld else told

    def reply(self, body: bytes) -> bytes:
        """The restored JSON reply; an error's body is restored the same way.

        Raises:
            UpstreamProblem: the reply is not a JSON object.
        """
        tree = read_reply(body)
        if self.passes:
            return body
        self.restore_whole(tree)
        tree["masquerade"] = self.summary()
        return write_reply(tree)

    def events(self) -> Stream:
        """A restorer for one event stream."""
        return self.endpoint.stream(self)

    def restore_whole(self, tree: dict[str, Any], of: tuple[Step, ...] = ()) -> bool:
        """Restore every text of a complete reply in place, or of an event that is about the text at the path
        ``of``; whether anything changed."""
        if self.keeps and self.name is None and self.endpoint.kept is not None:
            self.name = self.endpoint.kept.names(tree)
        beside: dict[tuple[Step, ...], Restorer] = {}
        tool = _tool_at(of, self._tools)
        tools: dict[tuple[Step, ...], str] = {} if tool is None else {(): tool}
        parts = self._parts.before(of)

        def restore(path: tuple[Step, ...], text: str) -> str:
            restorer = self._restorer(path, tools, parts)
            restored = restorer.restore(text)
            self._count(restorer)
            if path[-1] in _ANNOTATED:
                beside[path[:-1]] = restorer
            return restored

        def move(path: tuple[Step, ...], offset: int) -> int:
            return beside[path].moved(offset) if path in beside else offset

        def called(path: tuple[Step, ...], tool: str, node: dict[str, Any]) -> None:
            tools[path] = tool
            given = [value for name, value in node.items() if name in CALLED_WITH and type(value) is dict]
            if given and self._replies.tool(tool) == "inside":  # its strings come one by one
                whole = Restorer(self._lexicon, escape_json, self._guard, fate="inside")
                if whole.reaches_out(write_reply({"given": given}).decode()):
                    tools[path] = _FORBIDDEN

        return restore_texts(tree, restore, self.written, (), move, called)

    def called(self, path: tuple[Step, ...], tool: str, node: dict[str, Any] | None = None) -> None:
        """The texts whose paths begin so are a call of ``tool``."""
        if self._replies.tools and (path in self._tools or len(self._tools) < _MOST_CALLS):
            self._tools[path] = tool

    def restorer(self, path: tuple[Step, ...]) -> Restorer:
        """A restorer for the text at ``path`` of the reply, escaping for JSON where that text is JSON."""
        return self._restorer(path, self._tools, self._parts)

    def _restorer(
        self, path: tuple[Step, ...], tools: Mapping[tuple[Step, ...], str], parts: _Parts
    ) -> Restorer:
        escape = escape_json if self.endpoint.is_json(path, self._json_content) else None
        fate = self._fate(path, tools) if self._replies.tools else "restore"
        if fate != "restore" or not self.endpoint.joins(path):
            return Restorer(self._lexicon, escape, self._guard, fate=fate)
        return parts.add(path, partial(Restorer, self._lexicon, escape, self._guard))

    def _fate(self, path: tuple[Step, ...], tools: Mapping[tuple[Step, ...], str]) -> ReplyFate:
        """What becomes of stand-ins at this path, if it is in the call of a tool."""
        tool = _tool_at(path, tools)
        if tool is None and not (self.endpoint.is_json(path, False) or CALLED_WITH.intersection(path)):
            return "restore"
        return "withhold" if tool is _FORBIDDEN else self._replies.tool(tool)

    def close(self, restorer: Restorer) -> str:
        """The last text of a restorer, its counts added to this exchange's."""
        rest = restorer.finish()
        self._count(restorer)
        return rest

    def _count(self, restorer: Restorer) -> None:
        self.restored += restorer.restored
        if restorer.withheld:
            where = "tool" if restorer.forbids else "link"
            self.withheld[where] = self.withheld.get(where, 0) + restorer.withheld
        self.unresolved += restorer.unresolved

    def __repr__(self) -> str:
        return f"Exchange(counts={self.counts}, redacted={self.redacted}, stream={self.stream})"


class Later(Exchange):
    """A reply that the service kept, asked for later: restored by what is ``known`` of its conversation.

    What stood in the request is not known any more, so stand-ins in addresses of strangers stay, whoever
    wrote them there first. ``after`` is the number of the last event that the client has seen of a stream.
    """

    def __init__(
        self, masker: Masker, endpoint: Endpoint, known: Iterable[Surrogate], after: int | None = None
    ) -> None:
        book = _Known(known)
        self._after = after
        self.endpoint, self.written = endpoint, endpoint.written
        self.subject, self.refers, self.keeps, self.name = None, (), False, None
        self.surrogates = ()
        self._lexicon = Lexicon(book.surrogates.values())
        self._guard = masker.mask_all(()).guard_of(self._lexicon)
        self._replies, self._tools, self._parts = masker.policy.replies, {}, _Parts()
        self._json_content = False
        self.request, self.stream = b"", False
        self.counts, self.redacted = {}, {}
        self.passes = not book.surrogates
        self.restored = self.unresolved = 0
        self.withheld = {}

    def events(self) -> Stream:
        """See :class:`Exchange`."""
        stream = super().events()
        return stream if self._after is None else Resumed(stream, "sequence_number", self._after)

    def restore_whole(self, tree: dict[str, Any], of: tuple[Step, ...] = ()) -> bool:
        """See :class:`Exchange`. What was asked for is in the reply itself."""
        said = tree.get("response", tree)
        if type(said) is dict and "text" in said:
            self._json_content = self.endpoint.wants_json(said)
        return super().restore_whole(tree, of)


def _tool_at(path: tuple[Step, ...], tools: Mapping[tuple[Step, ...], str]) -> str | None:
    """The tool whose call a text at this path belongs to."""
    for i in range(len(path), -1, -1) if tools else ():
        if (tool := tools.get(path[:i])) is not None:
            return tool
    return None


class _Parts:
    """The parts of a text that come one after the other and are shown as one: an address may begin in one of
    them and go on in the next."""

    def __init__(self, first: Watch | None = None) -> None:
        self._first = first
        self._last: Restorer | None = None
        self._behind: dict[tuple[Step, ...], Watch | None] = {}

    def add(self, path: tuple[Step, ...], made: Callable[..., Restorer]) -> Restorer:
        """A restorer, as ``made`` makes it, for the part at ``path``, which comes next."""
        behind = self._first if self._last is None else self._last.left
        if len(self._behind) < _MOST_CALLS:
            self._behind.setdefault(path, behind)
        self._last = made(behind=behind)
        return self._last

    def before(self, of: tuple[Step, ...]) -> _Parts:
        """The same anew, from the first part whose path begins so; from the beginning, if that is empty."""
        if not of:
            return _Parts()
        return _Parts(next((w for path, w in self._behind.items() if path[: len(of)] == of), None))


class _Known:
    """The surrogates of a conversation, by their needles: a :class:`~masquerade.mask.text.Book`."""

    def __init__(self, surrogates: Iterable[Surrogate]) -> None:
        self.surrogates: dict[str, Surrogate] = {}
        twice: set[str] = set()
        for surrogate in surrogates:
            other = self.surrogates.setdefault(surrogate.needle, surrogate)
            if other.original != surrogate.original:
                twice.add(surrogate.needle)
        for needle in twice:  # it stands for two, so it tells neither
            del self.surrogates[needle]

    def get(self, needle: str) -> Surrogate | None:
        return self.surrogates.get(needle)

    def put(self, surrogate: Surrogate) -> None:
        self.surrogates[surrogate.needle] = surrogate

    def __repr__(self) -> str:
        return f"_Known({len(self.surrogates)} surrogates)"


def _masked(
    masker: Masker,
    slots: Slots,
    came: Callable[[], dict[str, Any]],
    tree: dict[str, Any],
    book: _Known | None,
) -> Masked:
    """Mask the texts of a request in place. Those that are signed are looked at together with all others,
    but hold stand-ins of ours that are no strangers: so they do not take part in choosing them."""
    if not slots.signed:
        masked = masker.mask_all(slots.texts, book)
        slots.put(masked.texts)
        return masked
    n = len(slots.texts)
    found = masker.find_all([*slots.texts, *(each.text for each in slots.signed)])
    masked = masker.mask_all(slots.texts, book, found[:n])
    slots.put(masked.texts)
    check_signed(slots.signed, found[n:], masker.policy.fate, came, tree)
    return masked


def check_names(masker: Masker, names: Mapping[str, str]) -> None:
    """Refuse what a check digit or a maker's prefix proves private where it cannot be masked: a masked id
    would belong to nothing any more. ``names`` are what goes out as it is, each with its field.

    Raises:
        BadInput: there is such a name; ``source`` is its field.
    """
    for name, field in names.items():
        for span in masker.find(name):
            if span.score >= PROVEN:
                raise BadInput(
                    f"a name or id in it holds what looks like {span.kind}, and names are sent as they are; "
                    "put it into a text, or allow it in the policy",
                    source=field,
                )


def _written(tree: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(tree)
    except orjson.JSONEncodeError:  # it reads deeper than it writes
        raise BadInput("the request is nested too deeply") from None


def _read(body: bytes) -> dict[str, Any]:
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        where = f"line {problem.lineno}, column {problem.colno}"
        raise BadInput(f"the request body is not valid JSON ({where})") from None
    if type(tree) is not dict:
        raise BadInput("the request body is a JSON object")
    return tree
