"""Texts that their maker has signed go back to it as they came. What stands in them is judged here.

A model writes its thoughts from masked text, so they hold stand-ins, and its service signs them: it takes
them back byte for byte or not at all. A thought that holds a value of the client's was written when no
gateway stood before the service, or was changed since; it is refused, for it cannot be masked.

A value that a thought holds is the model's own, and passes, where

- the model was the first to write it: the conversation had it from no other;
- or the service is shown it anyway, in what comes before that thought;
- or a model may know it by itself: a place, an organisation, a web or network address, a date, a name of
  one word.

What the policy blocks passes in no case, and what it redacts does not where it is proven.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from masquerade.errors import BadInput
from masquerade.mask.span import Fate, Span
from masquerade.wire.slots import SignedText

PROVEN = 0.95
"""Scores from here on are of what a check digit or a maker's prefix proves."""

_ANYBODYS = frozenset({"LOCATION", "ORGANIZATION", "URL", "IP_ADDRESS", "DATE_TIME"})

Tree: TypeAlias = dict[str, Any]


def check_signed(
    signed: Sequence[SignedText],
    found: Sequence[list[Span]],
    fate: Callable[[str], Fate],
    came: Callable[[], Tree],
    sent: Tree,
) -> None:
    """Refuse a request with a signed text that holds a value of the client's. ``found`` are the places found
    in each of them; ``came`` gives the request as it came, and ``sent`` is what would be sent.

    Raises:
        BadInput: there is such a text; ``source`` is its path.
    """
    for each, spans in zip(signed, found, strict=True):
        for start, end, kind, score in spans:
            value = each.text[start:end]
            what = fate(kind)
            never = what is Fate.BLOCK or (what is Fate.REDACT and score >= PROVEN)
            if never or (not _is_anybodys(kind, value) and _is_clients(value, each, came(), sent)):
                raise BadInput(
                    f"it is signed, so it cannot be masked, and holds what looks like {kind}; "
                    "leave this block out, or start a new conversation",
                    source=each.where,
                )


_SHORTEST = 3


def _is_anybodys(kind: str, value: str) -> bool:
    """Whether a model may know or guess such a value by itself."""
    one_word = value.isascii() and len(value.split()) == 1
    return kind in _ANYBODYS or (kind == "PERSON" and one_word)


def _is_clients(value: str, signed: SignedText, came: Tree, sent: Tree) -> bool:
    """Whether the conversation had a value from the client first, and the service was not shown it."""
    needle, at = _plain(value), _message_of(signed)
    if len(needle) < _SHORTEST and needle.isascii():
        return False  # a letter or two stand within nearly any text
    if not _holds(_beside(came), needle):
        before = (m for m in came["messages"][: at + 1] if _holds(m, needle))
        first = next(before, None)
        if first is None or first.get("role") == "assistant":
            return False
    return not _holds([_beside(sent), sent["messages"][:at]], needle)


def _message_of(signed: SignedText) -> int:
    """The number of the message in which it stands; 0 if it stands elsewhere."""
    path, inner = signed.path, None
    while path[0]:
        path, inner = path[0], path[1]  # type: ignore[assignment]
    return inner if path[1] == "messages" and type(inner) is int else 0


def _beside(request: Tree) -> Tree:
    return {name: value for name, value in request.items() if name != "messages"}


def _holds(node: Any, needle: str) -> bool:
    return any(needle in _plain(text) for text in _texts(node))


def _texts(node: Any) -> Iterator[str]:
    if type(node) is dict:
        for key, value in node.items():
            yield key
            yield from _texts(value)
    elif type(node) is list:
        for value in node:
            yield from _texts(value)
    elif node is not None:
        yield str(node)


def _plain(text: str) -> str:
    """Letters and digits alone, so that ``+1 (212) 555-0143`` is ``12125550143``."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
