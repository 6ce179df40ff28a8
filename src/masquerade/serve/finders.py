"""Who looks beside the rules, as a policy's ``[finder]`` says: our own model, and models of other makers.

    transformers:FOLDER   token classification, as ``save_pretrained`` leaves it
    onnx:FOLDER           the same as ``model.onnx``, ``tokenizer.json`` and ``config.json``
    spacy:FOLDER          a pipeline, as ``to_disk`` leaves it, or the name of an installed package
    gliner:FOLDER         GLiNER, asked for people, places, organisations and addresses

They are read from this machine's disk and never fetched. A model reads the plain form of a text, as the rules
do, in overlapping windows, and each place is judged by the window that has most around it, so nothing is lost
where a window ends, or because a text is longer than the model can read.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from masquerade.errors import EngineProblem, MasqueradeError, MissingPackage, PolicyProblem
from masquerade.mask.normal import Normal
from masquerade.mask.policy import NONE, Policy
from masquerade.mask.span import KINDS, Finder, Span

_PACKAGES = {
    "spacy": ("spacy",),
    "transformers": ("transformers", "tokenizers", "torch"),
    "gliner": ("gliner", "torch"),
    "onnx": ("onnxruntime", "tokenizers", "numpy"),
}
_FILES = {
    "spacy": ("config.cfg", "meta.json"),
    "transformers": ("config.json", "model.safetensors"),
    "gliner": ("gliner_config.json",),
    "onnx": ("model.onnx", "tokenizer.json", "config.json"),
}

_LABELS = {
    "PERSON": "PERSON PER PERS NAME FULL_NAME FIRST_NAME LAST_NAME PERSON_NAME",
    "LOCATION": "LOCATION LOC GPE FAC FACILITY CITY COUNTRY",
    "ORGANIZATION": "ORGANIZATION ORGANISATION ORG COMPANY",
    "ADDRESS": "ADDRESS STREET_ADDRESS",
    "DATE_TIME": "DATE",
    NONE: "O MISC NORP CARDINAL ORDINAL QUANTITY PERCENT MONEY TIME LANGUAGE LAW EVENT PRODUCT WORK_OF_ART",
}
_KIND_OF = {kind: kind for kind in KINDS} | {
    w: kind for kind, words in _LABELS.items() for w in words.split()
}
"""What a label usually means. Others are for the policy to say: a guess might send what is private."""

_ASKED = {"person": "PERSON", "location": "LOCATION", "organization": "ORGANIZATION", "address": "ADDRESS"}
"""What GLiNER is asked for, beside the policy's labels: it has none of its own."""

_TAGGED = re.compile(r"(?:(?P<tag>[BIEOLSUM])[-_])?(?P<name>.+)", re.DOTALL)
_BEGINS = "BSU"

_MOST_TOKENS = 512
_SPACY_WINDOW = 20_000
_GLINER_WINDOW = 384
"""Characters, so at most as many words: what is beyond the model's ``max_len`` words, it leaves unread."""
_GLINER_TOKENS = 1 << 24
_MOST_OVERLAP = 256
_LONGEST_WORD = 64
"""Characters by which a find grows to a whole word at most, so that no text costs more than its length."""


def finders(policy: Policy, source: str = "policy") -> tuple[Finder, ...]:
    """The finders that ``policy`` names, for a :class:`Masker`; ``source`` names it in messages.

    Each is loaded when it first reads a text, once, for all threads; that its files and packages are there is
    seen at once.

    Raises:
        PolicyProblem: there is no such model on this machine.
        MissingPackage: what reads it is not installed.
    """
    return tuple(Model(maker, place, policy, source) for maker, place in policy.finder.models)


class Model:
    """A model of another maker, as a finder.

    Raises:
        PolicyProblem, MissingPackage: as :func:`finders`.
    """

    def __init__(self, maker: str, place: str, policy: Policy, source: str = "policy") -> None:
        self.name = f"{maker}:{place}"
        self._maker, self._policy, self._source = maker, policy, source
        self._place = self._found(place)
        self._loaded: _Loaded | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Model({self.name!r})"

    def _found(self, place: str) -> Path | str:
        path = _folder(place)
        if path is None:
            if self._maker != "spacy" or not _is_installed(place):
                package = ", and no installed package" if self._maker == "spacy" else ""
                raise self._problem(f"is no folder on this machine{package}; nothing is fetched")
        else:
            lacking = [name for name in _FILES[self._maker] if not _holds(path, name)]
            if lacking:
                raise self._problem(f"has no {' and no '.join(lacking)}")
        if any(importlib.util.find_spec(name) is None for name in _PACKAGES[self._maker]):
            raise MissingPackage(f"a finder of {self._maker}", self._maker)
        return path or place

    def _problem(self, message: str) -> PolicyProblem:
        return PolicyProblem(f"{self.name} {message}", source=self._source, line=self._policy.finder.line)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it can find; loads it."""
        return self.load().kinds

    def load(self) -> _Loaded:
        """The model, read from disk at the first call.

        Raises:
            PolicyProblem: it cannot be used, or has labels that nobody knows.
        """
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> _Loaded:
        try:
            return _LOADERS[self._maker](self._place, self._policy)
        except _Unusable as problem:
            raise self._problem(str(problem)) from None
        except KeyboardInterrupt:
            raise
        except BaseException as problem:  # they raise what they like; no text is in sight yet
            reason = str(problem).strip().partition("\n")[0][:200]
            raise self._problem(f"cannot be loaded: {type(problem).__name__}: {reason}") from None

    def __call__(self, text: str) -> list[Span]:
        """What the model finds; spans may overlap.

        Raises:
            PolicyProblem: as :meth:`load`.
            EngineProblem: it failed, so nothing is known of this text.
        """
        read, plain = self.load().read, Normal(text)
        if not plain.text:
            return []
        try:
            return [
                Span(*plain.original(start, end), kind, score)
                for low, high, kind, score in read(plain.text)
                for start, end in [_whole(plain.text, low, high)]
                if start < end
            ]
        except (MasqueradeError, KeyboardInterrupt):
            raise
        except BaseException as problem:  # a panic of Rust is no Exception
            failure = type(problem).__name__
        # Out here: its message may hold the text, and an error keeps the one in whose handling it was raised.
        raise EngineProblem(f"{self.name} failed on a text: {failure}") from None


def _folder(place: str) -> Path | None:
    """None: there is none, or none that may be looked at."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        path = Path(place).expanduser().absolute()  # the same from wherever it is loaded
        return path if path.is_dir() else None
    return None


def _is_installed(name: str) -> bool:
    from importlib import metadata

    if re.fullmatch(r"[A-Za-z0-9_-]+", name):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return bool(metadata.distribution(name))
    return False


def _holds(folder: Path, name: str) -> bool:
    """Whether a folder has a file, or the index of one that was stored in parts."""
    with contextlib.suppress(OSError):
        return (folder / name).is_file() or (folder / f"{name}.index.json").is_file()
    return False


class _Unusable(MasqueradeError):
    """A model that cannot be used: the rest of a sentence that begins with its name."""


class _Loaded(NamedTuple):
    read: Callable[[str], Iterable[Span]]
    kinds: tuple[str, ...]


# Labels -------------------------------------------------------------------------------------------------


def _kinds_of(labels: Iterable[str], policy: Policy) -> dict[str, str]:
    """Our kind for each of a model's labels, or :data:`NONE`.

    Raises:
        _Unusable: some have no meaning that we know.
    """
    own, labels = policy.finder.labels, list(labels)
    alike = {_spelled(label): kind for label, kind in own.items()}
    kinds: dict[str, str] = {}
    spelled: set[str] = set()
    for label in labels:
        bare = _TAGGED.fullmatch(label)
        name = bare["name"] if bare else label
        whole, part = _spelled(label), _spelled(name)
        spelled |= {whole, part}
        kind = own.get(label) or own.get(name) or alike.get(whole) or alike.get(part) or _KIND_OF.get(part)
        if kind is not None:
            kinds[label] = kind
    idle = [label for label in own if _spelled(label) not in spelled]
    if idle and len(policy.finder.models) == 1:  # of several, it may be another's
        raise _Unusable(
            f"has no label {', '.join(idle)}, so [finder.labels] says that of nothing; "
            f"all of its labels: {', '.join(labels)}"
        )
    unknown = [label for label in labels if label not in kinds]
    if unknown:
        raise _Unusable(
            f"has labels that mean nothing here: {', '.join(unknown)}. Say in [finder.labels] which kind "
            f'each is, or "{NONE}"; all of its labels: {", ".join(labels)}'
        )
    if set(kinds.values()) <= {NONE}:
        raise _Unusable(f"has no label that is private, so it finds nothing; its labels: {', '.join(labels)}")
    return kinds


def _spelled(label: str) -> str:
    """In capitals, and with one sign for all that parts words."""
    return re.sub(r"[\W_]+", "_", label.upper())


def _private(kinds: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({kind for kind in kinds if kind != NONE}))


# Windows ------------------------------------------------------------------------------------------------


def windows(length: int, size: int) -> Iterator[tuple[int, int, int, int]]:
    """(start, end, first, last): windows of at most ``size`` over ``length``, and what of it each judges.

    Windows overlap. From ``first`` to ``last`` a window has more around it than the others have; these parts
    follow one another from 0 to ``length``, without a gap.
    """
    overlap = min(size // 4, _MOST_OVERLAP)
    start = first = 0
    while True:
        end = min(start + size, length)
        last = length if end == length else end - overlap // 2
        yield start, end, first, last
        if end == length:
            return
        start, first = min(end - overlap, length - size), last


def _in_windows(read: Callable[[str], Iterable[Span]], size: int) -> Callable[[str], Iterable[Span]]:
    """``read`` for texts of any length; a find counts where the window that judges its place has it."""

    def all_of(text: str) -> Iterator[Span]:
        for start, end, first, last in windows(len(text), size):
            for low, high, kind, score in read(text[start:end]):
                if start + low < last and start + high > first:
                    yield Span(start + low, start + high, kind, score)

    return lambda text: dict.fromkeys(all_of(text))  # two windows may have the same


def _whole(text: str, start: int, end: int) -> tuple[int, int]:
    """A find without white space around it, and with the rest of words of which it has a part."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    if start < end:
        lowest, highest = max(0, start - _LONGEST_WORD), min(len(text), end + _LONGEST_WORD)
        while start > lowest and _is_spelled(text[start]) and _is_spelled(text[start - 1]):
            start -= 1
        while end < highest and _is_spelled(text[end - 1]) and _is_spelled(text[end]):
            end += 1
    return start, end


def _is_spelled(char: str) -> bool:
    """Whether it is a letter or digit of a script that puts spaces between words: Latin to Arabic."""
    return char.isalnum() and (char < "\u0780" or "\u1e00" <= char < "\u2000")


# Token classification -----------------------------------------------------------------------------------


class _Tagger:
    """Token classification: tokens are judged in windows, and runs of one kind are finds.

    Args:
        tokenizer: of the package ``tokenizers``: it says where in the text a token stands.
        size: the most tokens that the model reads at once.
        known: how many tokens the model knows, as its config says.
        labels: the model's, in the order of its numbers.
        numbers: ids of tokens -> for each token a number for each label, as an array.

    A token is private as far as the model does not say that it is not: its score is 1 less the probability
    of all that is none of our kinds, and the policy's threshold decides. So a name that might as well be a
    place is found, as the kind that is most probable; and as every other whose own probability is enough, for
    the first may be one that is left alone.
    """

    def __init__(
        self,
        tokenizer: Any,
        size: int,
        known: object,
        labels: Sequence[str],
        policy: Policy,
        numbers: Callable[[list[int]], Any],
    ) -> None:
        import numpy as np

        _check_tokenizer(tokenizer.get_vocab_size(), known)
        tokenizer.no_truncation()  # as it was saved, it may drop all that is beyond a length
        tokenizer.no_padding()
        probe = tokenizer.encode("a")
        own = [i for i, special in enumerate(probe.special_tokens_mask) if not special]
        self._before, self._after = probe.ids[: own[0]], probe.ids[own[-1] + 1 :]
        self._size = size - len(self._before) - len(self._after)
        if self._size < 2:
            raise _Unusable("reads too few tokens at once")
        self._tokenizer, self._numbers = tokenizer, numbers
        of = _kinds_of(labels, policy)
        self.kinds = _private(of.values())
        self._member = np.array([[of[label] == kind for kind in self.kinds] for label in labels], float)
        self._least = [policy.threshold(kind) for kind in self.kinds]
        self._begins = np.array([(_tag(label) or "I") in _BEGINS for label in labels], float)[:, None]

    def __call__(self, text: str) -> Iterator[Span]:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        if encoding.ids:
            yield from self._runs(encoding.offsets, self._judged(encoding.ids))

    def _judged(self, ids: list[int]) -> Any:
        """For each token, the probability of each label."""
        import numpy as np

        parts = []
        for start, end, first, last in windows(len(ids), self._size):
            given = [*self._before, *ids[start:end], *self._after]
            numbers = np.asarray(self._numbers(given), dtype=float)
            if numbers.shape != (len(given), len(self._begins)) or not np.isfinite(numbers).all():
                raise EngineProblem("a model gave no number for each token and label")
            skipped = len(self._before) - start
            parts.append(numbers[first + skipped : last + skipped])
        numbers = np.concatenate(parts)
        odds = np.exp(numbers - numbers.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def _runs(self, offsets: Sequence[tuple[int, int]], odds: Any) -> Iterator[Span]:
        import numpy as np

        at = [i for i, (start, end) in enumerate(offsets) if start < end]
        odds = odds[at]
        by_kind = odds @ self._member
        best, whole = by_kind.argmax(axis=1), np.minimum(by_kind.sum(axis=1), 1.0)
        begins = 2 * (odds @ (self._member * self._begins)) > by_kind
        for k, (kind, least) in enumerate(zip(self.kinds, self._least, strict=True)):
            scores = np.where((best == k) & (whole >= least), whole, by_kind[:, k])
            last, run = -2, None
            for i in np.flatnonzero(scores >= least).tolist():
                start, end = offsets[at[i]]
                score = float(scores[i])
                if run is not None and i == last + 1 and not begins[i, k]:
                    run = Span(run.start, end, kind, max(run.score, score))
                else:
                    if run is not None:
                        yield run
                    run = Span(start, end, kind, score)
                last = i
            if run is not None:
                yield run


def _check_tokenizer(has: int, known: object) -> None:
    """Refuse a tokenizer that has few of the tokens that a model knows: where a folder has none, transformers
    makes an empty one, and the model finds nothing with it."""
    if isinstance(known, int) and 2 * has < known:
        raise _Unusable(f"has a tokenizer of {has} tokens, and knows {known}: it is another model's, or none")


def _tag(label: str) -> str | None:
    found = _TAGGED.fullmatch(label)
    return found["tag"] if found else None


def _most_tokens(positions: object, told: object = None) -> int:
    """How many tokens a model reads at once. Two of its positions are left: some count them from 2."""
    at_most = [
        number
        for number in (positions - 2 if isinstance(positions, int) else None, told)
        if isinstance(number, int) and number > 0
    ]
    return min([_MOST_TOKENS, *at_most])


def _label_list(by_number: object) -> list[str]:
    """The labels of ``id2label``, in the order of their numbers."""
    if not isinstance(by_number, dict):
        raise _Unusable("does not say in config.json what its labels are (id2label)")
    labels = {int(number): str(label) for number, label in by_number.items()}
    return [labels[i] for i in range(len(labels))]


def _load_transformers(path: Path | str, policy: Policy) -> _Loaded:
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModelForTokenClassification, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    here = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(path, **here)
    if not tokenizer.is_fast:
        raise _Unusable("has no fast tokenizer (tokenizer.json), which says where tokens stand in a text")
    model, told = AutoModelForTokenClassification.from_pretrained(
        path, **here, use_safetensors=True, output_loading_info=True, dtype=torch.float32
    )
    if told["missing_keys"]:
        raise _Unusable("is not trained for token classification: it lacks the weights of its last layer")
    model.eval()
    size = _most_tokens(getattr(model.config, "max_position_embeddings", None), tokenizer.model_max_length)

    def numbers(ids: list[int]) -> Any:
        with torch.inference_mode():
            return (
                model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long))
                .logits[0]
                .numpy()
            )

    rust = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    known = getattr(model.config, "vocab_size", None)
    tagger = _Tagger(rust, size, known, _label_list(model.config.id2label), policy, numbers)
    return _Loaded(tagger, tagger.kinds)


def _load_onnx(path: Path | str, policy: Policy) -> _Loaded:
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer

    folder = Path(path)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    wanted = {given.name for given in session.get_inputs()}
    unknown = wanted - {"input_ids", "attention_mask", "token_type_ids"}
    if unknown or "input_ids" not in wanted:
        raise _Unusable("is no token classification: it takes input_ids, attention_mask and token_type_ids")

    def numbers(ids: list[int]) -> Any:
        given = {"input_ids": ids, "attention_mask": [1] * len(ids), "token_type_ids": [0] * len(ids)}
        fed = {name: np.array([given[name]], dtype=np.int64) for name in wanted}
        return session.run(None, fed)[0][0]

    size = _most_tokens(config.get("max_position_embeddings", config.get("n_positions")))
    rust = Tokenizer.from_file(str(folder / "tokenizer.json"))
    known = config.get("vocab_size")
    tagger = _Tagger(rust, size, known, _label_list(config.get("id2label")), policy, numbers)
    return _Loaded(tagger, tagger.kinds)


# Others -------------------------------------------------------------------------------------------------


def _load_spacy(place: Path | str, policy: Policy) -> _Loaded:
    import spacy

    pipeline = spacy.load(place)
    finding = [
        name
        for name in pipeline.pipe_names
        if {"doc.ents", "doc.spans"} & {*pipeline.get_pipe_meta(name).assigns}
        and pipeline.pipe_labels.get(name)
    ]
    if not finding:
        raise _Unusable("has no component that finds entities")
    if not all(_has_numbers(part) for _, part in pipeline.pipeline):
        raise _Unusable("has weights that are no numbers, so it would miss what is there")
    kinds = _kinds_of(
        dict.fromkeys(label for name in finding for label in pipeline.pipe_labels[name]), policy
    )
    lock = threading.Lock()

    def read(text: str) -> list[Span]:
        # A zone, so that no word of a text stays in the vocabulary; there can be one at a time.
        with lock, pipeline.memory_zone():
            doc = pipeline(text)
            spans = [*doc.ents, *(span for group in doc.spans.values() for span in group if span.label_)]
            found = [(span.start_char, span.end_char, span.label_) for span in spans]
        if any(label not in kinds for _, _, label in found):
            raise EngineProblem("a pipeline of spaCy gave a label that it did not declare")
        return [Span(a, b, kinds[label], 1.0) for a, b, label in found if kinds[label] != NONE]

    return _Loaded(_in_windows(read, _SPACY_WINDOW), _private(kinds.values()))


def _has_numbers(part: Any) -> bool:
    """Whether all weights that a component of spaCy has are numbers."""
    nodes = part.model.walk() if hasattr(getattr(part, "model", None), "walk") else ()
    return all(
        bool(node.ops.xp.isfinite(node.get_param(name)).all())
        for node in nodes
        for name in node.param_names
        if node.has_param(name)
    )


def _load_gliner(path: Path | str, policy: Policy) -> _Loaded:
    from gliner import GLiNER

    model = GLiNER.from_pretrained(str(path), local_files_only=True)
    model.eval()
    if not all(bool(weights.isfinite().all()) for weights in model.parameters()):
        raise _Unusable("has weights that are no numbers, so it would miss what is there")
    asked = {label: kind for label, kind in {**_ASKED, **policy.finder.labels}.items() if kind != NONE}
    if not asked:
        raise _Unusable("is asked for nothing: all labels are none")
    least = min(policy.threshold(kind) for kind in asked.values())
    size = min(_GLINER_WINDOW, model.config.max_len)
    if not isinstance(size, int) or size < 2:
        raise _Unusable("reads too few words at once")
    tokenizer = model.data_processor.transformer_tokenizer
    _check_tokenizer(len(tokenizer), getattr(model.config, "vocab_size", None))
    # Else what is beyond is cut off in silence, the labels counted; a model that cannot read it fails.
    tokenizer.model_max_length = _GLINER_TOKENS
    lock = threading.Lock()

    def read(text: str) -> list[Span]:
        if not text.strip():
            return []
        # Nested, and each place of several kinds, for else a surer find hides one that a policy asks for.
        with lock:
            found = model.predict_entities(
                text, list(asked), threshold=least, flat_ner=False, multi_label=True
            )
        return [Span(e["start"], e["end"], asked[e["label"]], min(1.0, float(e["score"]))) for e in found]

    return _Loaded(_in_windows(read, size), _private(asked.values()))


_LOADERS: dict[str, Callable[[Path | str, Policy], _Loaded]] = {
    "transformers": _load_transformers,
    "onnx": _load_onnx,
    "spacy": _load_spacy,
    "gliner": _load_gliner,
}
