"""One address of a model service: what is done with its requests, and how its replies are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from masquerade.errors import BadInput
from masquerade.mask.restore import Restorer
from masquerade.wire.replies import Step, Written
from masquerade.wire.rules import Rule


class Restoring(Protocol):
    """What a stream needs of the exchange that it belongs to."""

    passes: bool
    """Whether there is nothing to restore, so that all passes byte for byte."""

    restored: int
    unresolved: int
    """Stand-ins of the reply that were replaced, and what looks like one and was left."""

    withheld: dict[str, int]
    """Stand-ins that were left because they would have gone to somebody outside, by where they stood."""

    written: Written

    def called(self, path: tuple[Step, ...], tool: str, node: dict[str, Any] | None = None) -> None:
        """The texts whose paths begin so are a call of ``tool``; said before the first of them comes.

        A tool whose name stands in the same object as what it is called with is found by itself
        (:func:`~masquerade.wire.replies.tool_of`, while that object is restored); a stream says it where
        names and texts come in events of different paths (``Kinds.calls``).
        """
        ...

    def restorer(self, path: tuple[Step, ...]) -> Restorer:
        """A restorer for the text at ``path``."""
        ...

    def close(self, restorer: Restorer) -> str:
        """The last text of a restorer, its counts added to the exchange's."""
        ...

    def restore_whole(self, tree: dict[str, Any], of: tuple[Step, ...] = ()) -> bool:
        """Restore every text of a complete reply in place, or of an event that is about the text at the path
        ``of``; whether anything changed."""
        ...

    def summary(self) -> dict[str, Any]:
        """What the client is told: counts only."""
        ...


class Stream(Protocol):
    """Bytes of the service's event stream, cut anywhere, to bytes of the client's."""

    def feed(self, chunk: bytes) -> bytes:
        """What can be given to the client after ``chunk``; may be empty.

        Raises:
            UpstreamProblem: an event is not a JSON object, or is too long.
        """
        ...

    @property
    def held(self) -> int:
        """Bytes of an event whose end is still to come."""
        ...

    @property
    def broken(self) -> bool:
        """Whether a stream that ends here broke off in an event, or never was one."""
        ...

    def finish(self) -> bytes:
        """What was still held back when the service ended its stream or broke it off, or ``feed`` raised."""
        ...


class Kept(NamedTuple):
    """What a service keeps of an address's conversations, so that a later request goes on from an id."""

    refers: Callable[[dict[str, Any]], tuple[str, ...]]
    """The ids that a request goes on from."""
    keeps: Callable[[dict[str, Any]], bool]
    """Whether the service keeps a request, and its reply."""
    names: Callable[[dict[str, Any]], str | None]
    """The id by which a later request goes on from a reply, or from an event of its stream."""


class Endpoint(NamedTuple):
    """What ``exchange.py`` must know of one address."""

    name: str
    """As metrics, log and journal call it."""
    path: str
    """Below the service's version segment."""
    request: dict[str, Rule]
    needs: Callable[[dict[str, Any]], None]
    """Raises BadInput where a request lacks what it cannot be without."""
    written: Written
    stream: Callable[[Restoring], Stream]
    is_json: Callable[[tuple[Step, ...], bool], bool] = lambda path, json_content: False
    """Whether the text at a path of the reply is JSON, so that what is put into it must be escaped; and
    whether the request asks for content that is JSON."""
    joins: Callable[[tuple[Step, ...]], bool] = lambda path: False
    """Whether the text at a path of the reply is shown right behind the one before of which this holds."""
    wants_json: Callable[[dict[str, Any]], bool] = lambda request: False
    api: str = "openai"
    """Whose clients it is for: it says how they show who they are, and what an error looks like."""
    media: str = ""
    """Why a request in which something was found is refused, where the reply is no text and so cannot be
    restored. Such a reply passes as it comes."""
    query: tuple[str, ...] = ()
    """Parts of a query string that go on; no other does."""
    kept: Kept | None = None
    """None where the service keeps nothing that a later request could need."""
    seen: dict[str, Rule] | None = None
    """The rules of a request to a service that is shown pictures, once they are reduced."""


def check_stream(request: dict[str, Any]) -> None:
    """Refuse a ``stream`` that is neither true nor false.

    Raises:
        BadInput: it is something else.
    """
    if type(request.get("stream", False)) not in (bool, type(None)):
        raise BadInput("stream is true or false", source="stream")


def check_messages(request: dict[str, Any]) -> None:
    """Refuse a request without messages.

    Raises:
        BadInput: there are none, one is no object, or ``stream`` is no truth value.
    """
    messages = request.get("messages")
    if type(messages) is not list or not messages:
        raise BadInput("a list of messages is needed", source="messages")
    for i, message in enumerate(messages):
        if type(message) is not dict:
            raise BadInput("a message is an object with a role and content", source=f"messages[{i}]")
    check_stream(request)
