"""A policy that is edited in the playground: read as any other, and never weaker towards a model service.

A draft that could let through what the policy in force masks is tried on the mirror only. Two locks see to
it. :func:`weaker` compares the policies, rule by rule. :class:`Strict` looks at the very texts that are to be
sent, under both: a rule that was added may cover a value as another kind, and so take away what followed from
it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

from masquerade.errors import Blocked, MasqueradeError, PolicyProblem
from masquerade.keys import Key
from masquerade.mask.policy import (
    DEFAULT_FATES,
    DEFAULT_THRESHOLD,
    NAMES_FIND,
    Finders,
    Pattern,
    Policy,
    Words,
    explain,
)
from masquerade.mask.span import KINDS, Fate, Finder, Span, outside
from masquerade.mask.text import Book, Masked, Masker

TENANT = "playground"
LARGEST = 32 << 10
"""Characters that a draft may have beyond the policy in force."""
_MOST_EXPRESSIONS = 64

Weakness: TypeAlias = dict[str, str]
"""In what a draft is weaker: ``{"what": "fate", "name": "EMAIL"}``."""


class Weaker(MasqueradeError):
    """A draft leaves something in these texts that the policy in force masks."""


class Draft(NamedTuple):
    """A policy to try, what masks under it, and in what it is weaker than the one in force."""

    policy: Policy
    masker: Strict
    weaker: tuple[Weakness, ...]


class Drafts:
    """Makes drafts for one gateway, and keeps none.

    ``text`` is where an editor begins: the file of the policy in force. Where others can reach the gateway
    (``private`` is false), its lists and expressions are left out of it, for they say what is protected; a
    draft is then never without them.
    """

    def __init__(
        self, key: Key, policy: Policy, finders: Sequence[Finder], file: str | None, *, private: bool
    ) -> None:
        self._key, self._policy, self._finders = key, policy, finders
        self.private = private
        self.text = file if file is not None and private else written(policy, whole=private)
        self._hidden = "" if private else "\n" + "\n".join(_lists(policy))
        self.own = Draft(policy, self._strict(policy, finders, None), ())

    def of(self, text: str | None, fates: tuple[tuple[str, Fate], ...] = ()) -> Draft:
        """The draft that a TOML text describes, or else the policy in force with other ``fates``.

        Raises:
            PolicyProblem: it is impossible, too long, or names models that are not loaded.
        """
        if text is None and not fates:
            return self.own
        return self._draft(self._changed(fates) if text is None else self._read(text))

    def _changed(self, fates: tuple[tuple[str, Fate], ...]) -> Policy:
        return replace(self._policy, fates={**self._policy.fates, **dict(fates)})

    def _read(self, text: str) -> Policy:
        if len(text) > LARGEST + len(self.text):
            raise PolicyProblem(
                f"a policy that is tried here has at most {LARGEST + len(self.text)} characters"
            )
        policy = self._parsed(text)
        finder, own = policy.finder, self._policy.finder
        if finder.models and (finder.models, finder.labels) != (own.models, own.labels):
            raise PolicyProblem(
                "a page loads no models: [finder] may name those of the policy in force, or none",
                line=finder.line,
            )
        if _expressions(policy) > _MOST_EXPRESSIONS + _expressions(self._policy):
            raise PolicyProblem(
                f"a policy that is tried here has at most {_MOST_EXPRESSIONS} expressions more"
            )
        return policy

    def _parsed(self, text: str) -> Policy:
        """The policy that ``text`` describes, with the lists that are not shown behind it."""
        try:
            return Policy.parse(text + self._hidden, finders=False)
        except PolicyProblem as problem:
            if problem.line is not None and problem.line > text.count("\n") + 1:
                raise PolicyProblem(f"with the lists of the policy in force: {problem.message}") from None
            raise

    def _draft(self, policy: Policy) -> Draft:
        finders = self._finders if policy.finder.models else ()
        return Draft(
            policy, self._strict(policy, finders, self.own.masker), tuple(weaker(policy, self._policy))
        )

    def _strict(self, policy: Policy, finders: Sequence[Finder], own: Masker | None) -> Strict:
        return Strict(self._key, policy, TENANT, finders, own=own)


class Strict(Masker):
    """Masks as another masker does, and with :meth:`strictly` refuses to where ``own`` would mask more."""

    def __init__(
        self,
        key: Key,
        policy: Policy,
        tenant: str,
        finders: Sequence[Finder],
        *,
        own: Masker | None,
        strict: bool = False,
    ) -> None:
        super().__init__(key, policy, tenant, finders)
        self._given = key, policy, tenant, finders
        self._own, self._strict = own, strict

    def strictly(self) -> Strict:
        """The same, for texts that go to a model service."""
        return self if self._own is None else Strict(*self._given, own=self._own, strict=True)

    def mask_all(
        self, texts: Sequence[str], book: Book | None = None, places: Sequence[list[Span]] | None = None
    ) -> Masked:
        """See :meth:`Masker.mask_all`.

        Raises:
            Weaker: strictly only: the policy in force covers what this leaves, or covers it more strictly.
        """
        masked = super().mask_all(texts, book, places)
        if self._strict and self._own is not None:
            try:
                known = self._own.mask_all(texts)
            except Blocked:
                raise Weaker("the policy in force blocks this") from None
            if not _covers(masked, self.policy, known, self._own.policy, texts):
                raise Weaker("the policy in force masks more of this")
        return masked


def _covers(masked: Masked, policy: Policy, known: Masked, own: Policy, texts: Sequence[str]) -> bool:
    """Whether all that is ``known`` in ``texts`` is ``masked`` too, and nothing of it less strictly."""
    for text, spans, found in zip(texts, masked.all_spans, known.all_spans, strict=True):
        for least in {own.fate(span.kind).strictness for span in found}:
            wanted = [span for span in found if own.fate(span.kind).strictness == least]
            zones = [span[:2] for span in spans if policy.fate(span.kind).strictness >= least]
            if outside(wanted, zones, text):
                return False
    return True


# Comparing ----------------------------------------------------------------------------------------------


def weaker(draft: Policy, own: Policy) -> Iterator[Weakness]:
    """In what ``draft`` may let through what ``own`` masks; nothing, where it is as strict in everything."""
    kinds = [*KINDS, *sorted({*own.own_kinds, *own.fates, *draft.own_kinds, *draft.fates} - KINDS.keys())]
    for kind in kinds:
        if draft.fate(kind).strictness < own.fate(kind).strictness:
            yield {"what": "fate", "name": kind}
        elif own.fate(kind) is not Fate.KEEP and draft.threshold(kind) > own.threshold(kind):
            yield {"what": "threshold", "name": kind}
    if _default(draft) > _default(own):
        yield {"what": "threshold", "name": "default"}
    if own.rules and not draft.rules:
        yield {"what": "rules", "name": ""}
    yield from _fewer_finders(draft.finder, own.finder)
    yield from ({"what": "deny", "name": kind} for kind in _lost(own.deny, draft.deny))
    for allow in draft.allow:
        there = [entry for entry in own.allow if entry.kind in (None, allow.kind)]
        if {(allow.match, word) for word in allow.words} - {(e.match, w) for e in there for w in e.words}:
            yield {"what": "allow", "name": allow.kind or ""}
    kept = {_meaning(pattern) for pattern in draft.patterns}
    yield from ({"what": "pattern", "name": each.kind} for each in own.patterns if _meaning(each) not in kept)


def _default(policy: Policy) -> float:
    return policy.thresholds.get("default", DEFAULT_THRESHOLD)


def _fewer_finders(draft: Finders, own: Finders) -> Iterator[Weakness]:
    if own.names and not draft.names:
        yield {"what": "finder", "name": "names"}
    if set(own.models) - set(draft.models):
        yield {"what": "finder", "name": "models"}


def _lost(own: Sequence[Words], draft: Sequence[Words]) -> list[str]:
    """The kinds of the words that are denied no more."""
    kept = {(entry.kind, entry.match, word) for entry in draft for word in entry.words}
    return sorted({e.kind or "" for e in own if any((e.kind, e.match, word) not in kept for word in e.words)})


def _meaning(pattern: Pattern) -> tuple[object, ...]:
    return pattern.kind, pattern.expression, pattern.score, pattern.context


def _expressions(policy: Policy) -> int:
    lists = (entry for entry in (*policy.deny, *policy.allow) if entry.match == "pattern")
    return len(policy.patterns) + sum(len(entry.words) for entry in lists)


# Telling ------------------------------------------------------------------------------------------------


def told(policy: Policy) -> dict[str, dict[str, Any]]:
    """For each kind its fate, and whether anything finds it."""
    finder = policy.finder
    return {
        row.kind: {
            "fate": str(row.fate),
            "found": bool(row.by or finder.models or (finder.names and row.kind in NAMES_FIND)),
        }
        for row in explain(policy)
    }


def written(policy: Policy, *, whole: bool = True) -> str:
    """``policy`` as TOML; what :meth:`Policy.parse` reads of it decides as ``policy`` does.

    Without ``whole``, lists and patterns are left out, and a comment says that they hold.
    """
    fates = {**(DEFAULT_FATES if policy.rules else {}), **policy.fates}
    lines = ["version = 1"]
    if not policy.rules:
        lines += ["rules = false"]
    lines += [
        "",
        "# keep, token, plausible, redact or block; a kind that is not named becomes a token",
        "[fates]",
    ]
    lines += [f"{kind} = {_quoted(fate)}" for kind, fate in fates.items()]
    thresholds = {"default": DEFAULT_THRESHOLD, **policy.thresholds}
    lines += ["", "# 0 to 1: a find below it is left alone", "[thresholds]"]
    lines += [f"{kind} = {threshold}" for kind, threshold in thresholds.items()]
    if whole:
        lines += _lists(policy)
    elif policy.deny or policy.allow or policy.patterns:
        lines += ["", "# The lists and patterns of this gateway are not shown here, and hold as well."]
    if policy.finder.meaning != Finders().meaning:
        lines += ["", "[finder]", f"use = {_quoted(list(policy.finder.use))}"]
        lines += ["only = true"] if policy.finder.only else []
        lines += ["", "[finder.labels]"] if policy.finder.labels else []
        lines += [f"{_quoted(label)} = {_quoted(kind)}" for label, kind in policy.finder.labels.items()]
    return "\n".join(lines) + "\n"


def _lists(policy: Policy) -> Iterator[str]:
    for name, lists in (("deny", policy.deny), ("allow", policy.allow)):
        for entry in lists:
            yield from ("", f"[[{name}]]")
            yield from _pairs({"kind": entry.kind, "words": list(entry.words), "match": entry.match})
    for each in policy.patterns:
        yield from ("", "[[pattern]]")
        yield from _pairs({"kind": each.kind, "expression": each.expression, "score": each.score})
        yield from _pairs({"context": list(each.context) or None, "name": each.name or None})


def _pairs(entry: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {_quoted(value)}" for name, value in entry.items() if value is not None]


def _quoted(value: Any) -> str:
    """A string, a number or a list of strings; a basic string of TOML is one of JSON, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
