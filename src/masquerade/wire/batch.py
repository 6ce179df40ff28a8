"""Files of requests, one a line, and files of their replies: masked and restored line by line.

    {"custom_id": "...", "method": "POST", "url": "/v1/chat/completions", "body": {...}}
    {"id": "...", "custom_id": "...", "response": {"status_code": 200, "body": {...}}, "error": null}

A file is longer than memory, so what restores it is not at hand in whole: for each line of a reply the
stand-ins in it are looked up. They are tokens only, for a plausible value could not be told from others.

Source: OpenAI API reference, "Batch" (the request input object, the request output object) and "Fine-tuning"
(training examples); Anthropic API reference, "Message Batches" (results).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import orjson

from masquerade.errors import BadInput
from masquerade.mask.restore import Lexicon, Restorer, likenesses
from masquerade.mask.surrogate import BODY_LENGTH, Surrogate, project
from masquerade.mask.text import Masker
from masquerade.wire.endpoint import Endpoint, check_messages
from masquerade.wire.exchange import Exchange
from masquerade.wire.openai import CHAT
from masquerade.wire.replies import Step, Written, escape_json, restore_texts
from masquerade.wire.rules import DEEP, NUMBER, PASS

LookUp = Callable[[Sequence[str]], Iterable[Surrogate]]
"""The surrogates that stand under needles, as far as any is known."""


class Line(NamedTuple):
    """A masked line, without its end."""

    data: bytes
    surrogates: tuple[Surrogate, ...]
    counts: Mapping[str, Mapping[str, int]]


def _no_check(request: dict[str, Any]) -> None:
    pass


EXAMPLE = CHAT._replace(name="example", needs=_no_check)
"""A training example is masked as the request that it is made of; other shapes of it in depth."""


OBJECT = Endpoint(
    "files",
    "/files",
    {
        "completion_window": PASS,
        "endpoint": PASS,
        "input_file_id": PASS,
        "metadata": DEEP,
        "output_expires_after": {"anchor": PASS, "seconds": NUMBER},
    },
    _no_check,
    CHAT.written,
    CHAT.stream,
)
"""What is said of files and batches in JSON."""


def masked_request(
    line: bytes,
    number: int,
    masker: Masker,
    endpoints: Mapping[str, Endpoint],
    alias: Callable[[str], str] | None = None,
) -> Line:
    """One line of a batch's input file, of the addresses ``endpoints``.

    Raises:
        BadInput: it is no such line, or something in it cannot be masked; ``source`` is the line's number
            and the field.
        Blocked: the policy forbids sending something that was found.
    """
    tree = _object(line, number)
    url = tree.get("url")
    endpoint = endpoints.get(url) if type(url) is str else None
    if endpoint is None:
        known = ", ".join(sorted(endpoints))
        raise BadInput(f"its url is none of those that can be masked: {known}", source=f"line {number}: url")
    name, body = tree.get("custom_id"), tree.get("body")
    if type(name) is not str or type(body) is not dict:
        raise BadInput("a line is an object with custom_id, method, url and body", source=f"line {number}")
    if tree.get("method", "POST") != "POST":
        raise BadInput("its method is POST", source=f"line {number}: method")
    with _at(number, "body."):
        exchange = Exchange(masker, orjson.dumps(body), endpoint, alias=alias)
    shown = masker.mask(name)
    if shown.redacted:
        kinds = ", ".join(shown.redacted)
        raise BadInput(
            f"it holds {kinds}, which is cut out and would not come back: name the line otherwise",
            source=f"line {number}: custom_id",
        )
    rest = {key: value for key, value in tree.items() if key not in ("custom_id", "method", "url", "body")}
    if rest:
        raise BadInput("a line has custom_id, method, url and body only", source=f"line {number}")
    new = {
        "custom_id": shown.text,
        "method": "POST",
        "url": url,
        "body": orjson.Fragment(exchange.request),
    }
    return Line(
        orjson.dumps(new), (*exchange.surrogates, *shown.surrogates), _added(exchange.counts, shown.counts)
    )


def masked_example(
    line: bytes, number: int, masker: Masker, alias: Callable[[str], str] | None = None
) -> Line:
    """One line of a file of training examples.

    Raises:
        BadInput, Blocked: as :func:`masked_request`.
    """
    _object(line, number)
    with _at(number, ""):
        exchange = Exchange(masker, line, EXAMPLE, alias=alias)
    return Line(exchange.request, exchange.surrogates, exchange.counts)


def restored_line(line: bytes, look_up: LookUp, written: Written) -> bytes:
    """A line of a file of replies, with the originals in place of the stand-ins that are known.

    A line that is no JSON object is restored as text; one that holds no stand-in keeps its bytes.
    """
    try:
        tree = orjson.loads(line)
    except orjson.JSONDecodeError:
        tree = None
    if type(tree) is not dict:
        text = line.decode("utf-8", "surrogateescape")
        lexicon = _lexicon([text], look_up)
        return lexicon.restore(text).encode("utf-8", "surrogateescape") if lexicon else line
    return orjson.dumps(tree) if restore_tree(tree, look_up, written) else line


def restore_tree(tree: dict[str, Any], look_up: LookUp, written: Written) -> bool:
    """Restore every text of a JSON object in place, by the stand-ins that are known; whether any changed."""
    texts: list[str] = []

    def take(path: tuple[Step, ...], text: str) -> str:
        texts.append(text)
        return text

    restore_texts(tree, take, written)
    lexicon = _lexicon(texts, look_up)
    if lexicon is None:
        return False

    def restore(path: tuple[Step, ...], text: str) -> str:
        # What reads as JSON is JSON: an answer in a schema, the arguments of a tool.
        restorer = Restorer(lexicon, escape_json if _is_json(text) else None)
        return restorer.feed(text) + restorer.finish()

    return restore_texts(tree, restore, written)


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")) or not text.rstrip().endswith(("}", "]")):
        return False
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _lexicon(texts: Iterable[str], look_up: LookUp) -> Lexicon | None:
    """What restores ``texts``; None if nothing in them is known."""
    needles = {
        needle
        for text in texts
        for _, _, body in likenesses(text)
        if len(needle := project(body)) == BODY_LENGTH
    }
    if not needles:
        return None
    found: dict[str, Surrogate | None] = {}
    for surrogate in look_up(sorted(needles)):
        other = found.setdefault(surrogate.needle, surrogate)
        if other is not None and other.original != surrogate.original:
            found[surrogate.needle] = None  # it stands for two, so it tells neither
    known = [surrogate for surrogate in found.values() if surrogate is not None]
    return Lexicon(known) if known else None


def _object(line: bytes, number: int) -> dict[str, Any]:
    try:
        tree = orjson.loads(line)
    except orjson.JSONDecodeError as problem:
        raise BadInput(f"is not valid JSON (column {problem.colno})", source=f"line {number}") from None
    if type(tree) is not dict:
        raise BadInput("is not a JSON object", source=f"line {number}")
    return tree


@contextmanager
def _at(number: int, field: str) -> Iterator[None]:
    """Name the line in the errors of what is inside."""
    try:
        yield
    except BadInput as problem:
        where = problem.source or ""
        told = str(problem).removeprefix(f"{where}: ")
        raise BadInput(told, source=f"line {number}: {field}{where}".rstrip(":. ")) from None


def _added(*parts: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    total: dict[str, dict[str, int]] = {}
    for part in parts:
        for kind, fates in part.items():
            own = total.setdefault(kind, {})
            for fate, n in fates.items():
                own[fate] = own.get(fate, 0) + n
    return total


def check_batch(request: dict[str, Any]) -> None:
    """Refuse what is no batch of messages (Anthropic).

    Raises:
        BadInput: there are no requests, or one has no messages.
    """
    requests = request.get("requests")
    if type(requests) is not list or not requests:
        raise BadInput("a list of requests is needed", source="requests")
    for i, each in enumerate(requests):
        params = each.get("params") if type(each) is dict else None
        if type(params) is not dict:
            raise BadInput("a request is an object with custom_id and params", source=f"requests[{i}]")
        try:
            check_messages(params)
        except BadInput as problem:
            told = str(problem).removeprefix(f"{problem.source}: ")
            raise BadInput(told, source=f"requests[{i}].params.{problem.source}") from None
