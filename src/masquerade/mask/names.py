"""People, places, organisations and addresses: a small network of our own, and what a text says by itself.

    Names().find(text)      # spans of PERSON, LOCATION, ORGANIZATION and ADDRESS

The network scores every word by itself and its neighbours; the best sequence of labels is one in which what
begins also ends. A name that was found once is found everywhere in the text, and so are its parts where they
stand for it. How it was made: ``training/``; what it was measured on, and what it misses: the model card,
``docs/names.md``.
"""

from __future__ import annotations

import json
import math
import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from masquerade.errors import EngineProblem, MissingPackage
from masquerade.mask import native, words
from masquerade.mask.mentions import elsewhere, everywhere
from masquerade.mask.normal import Normal
from masquerade.mask.people import titled
from masquerade.mask.span import Span

KINDS = ("PERSON", "LOCATION", "ORGANIZATION", "ADDRESS")
_ANY_SCORE = dict.fromkeys(KINDS, 0.0)
FILES = ("names.table", "names.lists", "names.onnx", "names.json")
_NAMES, _COMMON, _USUAL = 0b11, 1 << 3, 0b1_0001_0000
"""Bits of lists: given names and surnames; the commonest words; words that a dictionary has."""
_IDENTIFIER = re.compile(r"\$?[a-z][a-z0-9_.-]*")
"""All of a text: what a field or a file is called, and nobody unless it is the name of somebody."""
_FIELDS = frozenset(
    (
        "bond bud cash chase clay cliff cookie dash dev field fields fox frame gene grant hash key kit lane "
        "mark max min page pike pier ray reason rice rose sierra skip sky sol stage stone sum token tokens "
        "tree urban van wood"
    ).split()
)
"""Such texts that programs use for themselves more than for anybody, though they are names."""
_AT_ONCE = 8192
"""Words that the network is given in one piece, and more on both sides."""
_SEEN_AT_ONCE = 1 << 17
"""Words of which all that is to be seen is held at once: it takes a hundred times the room of the text."""
_LABELS = 1 + 4 * len(KINDS)
_SOMEBODY = "Dear Ms. Lovelace, Ada Lovelace and John Smith live in London.\n张伟和李晓明住在上海。"
"""Where any model of names finds something."""
_LOADING = threading.Lock()

Floats = NDArray[np.float32]


class Model(NamedTuple):
    """The files of a model: see ``training/train.py``."""

    table: bytes
    """int8, (rows, width): what each row adds."""
    lists: bytes
    """Hashes of entries, ascending, uint32; then a mask of lists for each, uint16."""
    network: bytes
    """ONNX: from sums, (n, width), to scores, (n, 17)."""
    width: int
    scale: float
    reach: int
    """Words on either side that a score depends on."""

    @classmethod
    def of(cls, files: dict[str, bytes]) -> Model:
        """By the names of :data:`FILES`.

        Raises:
            EngineProblem: they are none.
        """
        try:
            told = json.loads(files["names.json"])
            width, scale, reach = int(told["width"]), float(told["scale"]), int(told["reach"])
        except (ValueError, TypeError, KeyError):
            raise _broken("names.json says no width, scale and reach") from None
        table, lists, network = (files[name] for name in FILES[:3])
        model = cls(table, lists, network, width, scale, reach)
        model._check()
        return model

    def _check(self) -> None:
        """Refuse what is no number, or not in order: it would find nothing, and say so to nobody."""
        if not (self.width > 0 and 0 < self.scale < math.inf and self.reach >= 0):
            raise _broken("names.json says no width, scale and reach")
        if len(self.table) != words.ROWS * self.width:
            raise _broken("names.table is of another size")
        entries = len(self.lists) // 6
        hashes = np.frombuffer(self.lists, np.uint32, entries)
        if len(self.lists) != 6 * entries or not (hashes[:-1] < hashes[1:]).all():
            raise _broken("names.lists is of another size, or not in order")


def _broken(what: str) -> EngineProblem:
    return EngineProblem(f"the model of names cannot be used: {what}. Install the package again")


@cache
def shipped() -> Names:
    """The model that comes with the package, loaded when it is first asked for and shared by all threads.

    Raises:
        MissingPackage: onnxruntime is not installed.
        EngineProblem: its files are broken.
    """
    with _LOADING:  # threads that come together wait here, and once it is there nobody comes here
        return _loaded()


@cache
def _loaded() -> Names:
    folder = resources.files("masquerade.mask") / "data"
    try:
        files = {name: (folder / name).read_bytes() for name in FILES}
    except OSError as problem:
        raise _broken(f"{problem.strerror}") from None
    names = Names(Model.of(files))
    if not names(_SOMEBODY):
        raise _broken("it finds nobody where somebody is")
    return names


class Names:
    """A finder of names. Immutable and safe to share between threads.

    Raises:
        MissingPackage: onnxruntime is not installed.
        EngineProblem: it cannot read the network.
    """

    def __init__(self, model: Model) -> None:
        self._see = _seer(model)
        self._decode: Callable[[Floats], list[tuple[int, int, int, float]]] = _decoder()
        self._network = _session(model.network)
        self._reach, self._width = model.reach, model.width
        entries = len(model.lists) // 6
        self._hashes = np.frombuffer(model.lists, np.uint32, entries)
        self._masks = np.frombuffer(model.lists, np.uint16, entries, 4 * entries)

    def __call__(self, text: str) -> list[Span]:
        """Names in ``text``: sorted, disjoint, offsets into it.

        Time is linear in the length of ``text``. Where a long text is cut for the network, nothing changes.

        Raises:
            EngineProblem: the network gave no number for a word, so nothing is known of this text.
        """
        return self.find(Normal(text))

    def find(
        self, plain: Normal, mentions: bool = True, least: Mapping[str, float] = _ANY_SCORE
    ) -> list[Span]:
        """The same for a text in plain form; without ``mentions``, what the network says alone.

        What scores below the ``least`` of its kind is nothing: a name that is sure in another place is still
        found there.
        """
        text = plain.text
        if not text or text.isspace() or self._is_field(text):
            return []
        places, scores = self._scored(text)
        found = [
            Span(int(places[first, 0]), int(places[last, 1]), KINDS[kind], round(sure, 3))
            for first, last, kind, sure in self._decode(scores)
            if round(sure, 3) >= least[KINDS[kind]]
        ]
        found = _whole(plain.text, found)
        if mentions and found:
            found = everywhere(plain.text, found, self._is_ordinary)
        found = _titled(plain.text, [], found)
        if plain.same_offsets:
            return found
        return [Span(*plain.original(start, end), kind, score) for start, end, kind, score in found]

    def elsewhere(
        self, texts: Sequence[str], names: Sequence[list[Span]], taken: Sequence[list[Span]]
    ) -> list[list[Span]]:
        """Where in any of ``texts``, in plain form, the ``names`` found in each and their parts stand too,
        outside of what is ``taken`` there."""
        more = elsewhere(texts, names, taken, self._is_ordinary)
        return [
            _titled(text, own, new) if new and not self._is_field(text) else []
            for text, own, new in zip(texts, taken, more, strict=True)
        ]

    def _is_field(self, text: str) -> bool:
        return bool(_IDENTIFIER.fullmatch(text)) and not self._is_name(text)

    def _lists(self, form: str) -> int:
        hashed = np.uint32(words.entry(form))  # of another type, all of the list is copied to compare
        at = int(np.searchsorted(self._hashes, hashed))
        return int(self._masks[at]) if at < len(self._hashes) and self._hashes[at] == hashed else 0

    def _is_name(self, form: str) -> bool:
        listed = self._lists(form) & _NAMES and form not in _FIELDS
        return bool(listed) and not self._is_ordinary(form)

    def _is_ordinary(self, form: str) -> bool:
        """Whether a text may use a word, in lower case, without meaning anybody."""
        mask = self._lists(form)
        return bool(mask & _COMMON) or (bool(mask & _USUAL) and not mask & _NAMES)

    def _scored(self, text: str) -> tuple[NDArray[np.int32], Floats]:
        """Where each word stands, and what the network says of it."""
        parts: list[Floats] = []
        places, at = None, 0
        while places is None or at < len(places):
            begin = max(0, at - self._reach)
            places, sums = self._see(text, begin, at - begin + _SEEN_AT_ONCE + self._reach)
            parts.append(self._scores(sums)[at - begin : at - begin + _SEEN_AT_ONCE])
            at += _SEEN_AT_ONCE
        return places, parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _scores(self, sums: Floats) -> Floats:
        if len(sums) <= _AT_ONCE + 2 * self._reach:
            return self._run(sums)
        parts = []
        for at in range(0, len(sums), _AT_ONCE):
            begin, end = max(0, at - self._reach), at + _AT_ONCE + self._reach
            parts.append(self._run(sums[begin:end])[at - begin : at - begin + _AT_ONCE])
        return np.concatenate(parts)

    def _run(self, sums: Floats) -> Floats:
        scores: Floats = self._network.run(None, {"sums": sums})[0]
        if scores.shape != (len(sums), _LABELS) or not math.isfinite(scores.sum()):
            raise EngineProblem("the model of names gave no number for each word and label")
        return scores

    def __repr__(self) -> str:
        return f"Names(width={self._width})"


def _whole(text: str, found: list[Span]) -> list[Span]:
    """``found``, each to the ends of the identifier that it is a part of, so that no tail stays outside.

    What else is found in an identifier keeps its kind, for another fate may be that one's."""
    found = [span for span in found if any(map(str.isalnum, text[span.start : span.end]))]  # marks are nobody
    low = 0
    for i, span in enumerate(found):
        start, end, kind, score = span
        high = found[i + 1].start if i + 1 < len(found) else len(text)
        if text[end - 1] in _JOINS:
            while end < high and text[end] in _JOINS:
                end += 1
        if text[start] in _JOINS:
            while start > low and text[start - 1] in _JOINS:
                start -= 1
        low = end
        found[i] = Span(start, end, kind, score)
    return found


def _titled(text: str, taken: list[Span], found: list[Span]) -> list[Span]:
    """``found``, each with the title before it, as far as that is not taken."""
    ends = sorted(end for _, end, _, _ in (*taken, *found))
    lows = (bisect_right(ends, span.start) for span in found)
    return [titled(text, span, ends[low - 1] if low else 0) for span, low in zip(found, lows, strict=True)]


_JOINS = frozenset("_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _session(network: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingPackage("finding names, by onnxruntime,", "names") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a gateway has other work for the others
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # the library's own, of which it makes no class known
        raise _broken(f"names.onnx is no network: {type(problem).__name__}") from None


_See = Callable[[str, int, int], tuple[NDArray[np.int32], Floats]]


def _seer(model: Model) -> _See:
    """From a text to where each word is, (n, 2), and what is to be seen, (m, width), of at most so many words
    from that of a number on."""
    entries = len(model.lists) // 6
    hashes, masks = model.lists[: 4 * entries], model.lists[4 * entries :]
    if built := native.module():
        inner = built.Words(model.table, model.width, model.scale, hashes, masks)

        def see(text: str, first: int, most: int) -> tuple[NDArray[np.int32], Floats]:
            places, sums = inner.see(text, first, most)
            return (
                np.frombuffer(places, np.int32).reshape(-1, 2),
                np.frombuffer(sums, np.float32).reshape(-1, model.width),
            )

        return see
    table = np.frombuffer(model.table, np.int8).reshape(-1, model.width)
    known = dict(
        zip(np.frombuffer(hashes, np.uint32).tolist(), np.frombuffer(masks, np.uint16).tolist(), strict=True)
    )

    def look(text: str, first: int, most: int) -> tuple[NDArray[np.int32], Floats]:
        found = words.cut(text)
        seen = words.seen(text, found, known)[first : first + most]
        sums = np.array([table[rows].sum(0, dtype=np.int32) for rows in seen])
        places = np.array([word[:2] for word in found], np.int32).reshape(-1, 2)
        return places, (sums * model.scale).astype(np.float32).reshape(-1, model.width)

    return look


def _decoder() -> Callable[[Floats], list[tuple[int, int, int, float]]]:
    if built := native.module():
        decode = built.decode
        return lambda scores: decode(np.ascontiguousarray(scores), len(KINDS))
    return lambda scores: words.best(scores.tolist(), len(KINDS))
