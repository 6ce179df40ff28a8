"""What becomes of each kind of thing that is found: fates, thresholds, deny and allow lists, own patterns.

A policy is read from TOML:

    version = 1

    [fates]                     # KEEP < TOKEN < PLAUSIBLE < REDACT < BLOCK
    EMAIL = "plausible"
    STAFF_ID = "redact"

    [thresholds]                # 0 to 1; a find below its kind's threshold is left alone
    default = 0.5
    PHONE = 0.7

    [[deny]]                    # always private
    kind = "PERSON"
    words = ["Ada Lovelace"]
    match = "ignore-case"       # exact (default), ignore-case, or pattern

    [[allow]]                   # never private; of one kind, or of all when no kind is given
    words = ["support@example.com"]

    [[pattern]]                 # a kind of your own, or more of a built-in one
    kind = "STAFF_ID"
    expression = 'E-[0-9]{6}'   # RE2 syntax: linear time, no look-around, no back-references
    context = ["staff", "工号"]  # when given, one of these must stand nearby

    [finder]                    # who else looks, beside the rules
    use = "spacy:/models/ner"   # names (our own, the default), rules (nobody), or a model, beside our own

    [finder.labels]             # the model's labels, where it does not call them as we do
    Personne = "PERSON"
    Divers = "none"             # not private

    [replies]                   # where a reply may carry what was masked
    links = "withhold"          # in addresses to elsewhere: not (the default), or "restore"
    hosts = ["wiki.example", ".intranet.example"]   # these may get it: a host, or all below one

    [replies.tools]             # what calls of a tool get: restore (the default) or withhold; or inside:
    send_email = "withhold"     # restore only where the call names nobody outside
    bash = "inside"

A file that says something impossible is refused whole, with the line: an unknown key or kind, and also a
rule that can never fire, because its author believes that it protects. Messages name lines, keys and
kinds, never a listed word: the words are what the policy protects.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

from masquerade import crypto
from masquerade.errors import PolicyProblem
from masquerade.mask import patterns
from masquerade.mask.expressions import compiled
from masquerade.mask.span import KINDS, Fate, ReplyFate
from masquerade.mask.surrogate import PLAUSIBLE_KINDS
from masquerade.mask.toml_lines import Path, lines_of, syntax

Match: TypeAlias = Literal["exact", "ignore-case", "pattern"]
"""How a listed word is compared: as it stands, whatever its case, or as an RE2 expression."""

MAKERS = ("spacy", "transformers", "gliner", "onnx")
"""What can read a model that a policy names; ``serve.finders`` loads them."""

NAMES_FIND: frozenset[str] = frozenset({"PERSON", "LOCATION", "ORGANIZATION", "ADDRESS"})
"""The kinds that our own model, ``names``, finds."""

_LINK_FATES = ("restore", "withhold")
_TOOL_FATES: tuple[ReplyFate, ...] = ("restore", "inside", "withhold")
_MATCHES: tuple[Match, ...] = ("exact", "ignore-case", "pattern")
_KIND = re.compile(r"[A-Z][A-Z0-9_]{1,30}")
_NAMEABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")


def _fate(fate: Any) -> Any:
    return Fate(fate) if fate in list(Fate) else fate


NONE = "none"
"""In place of a kind: a label that is not private."""

DEFAULT_FATE = Fate.TOKEN
"""A token gives the model something to talk about and gives nothing away, and it comes back."""

DEFAULT_FATES: Mapping[str, Fate] = {"SECRET": Fate.REDACT, "CREDIT_CARD": Fate.REDACT}
"""No question to a model needs a live password or card number, and a stand-in that can be turned back into
one is worth stealing: PCI DSS 4.0, requirement 3.5, asks that a stored card number be unreadable."""

DEFAULT_THRESHOLD = 0.5
"""Half sure is enough: covering too much costs a little sense, covering too little cannot be undone."""


@dataclass(frozen=True, slots=True, repr=False)
class Words:
    """One deny or allow list. ``kind`` None means every kind (allow lists only).

    ``line`` is where the entry stands in its file (1-based), or None for one made in a program. ``repr``
    shows no word.
    """

    kind: str | None
    words: tuple[str, ...]
    match: Match = "exact"
    line: int | None = None

    def __repr__(self) -> str:
        return f"Words(kind={self.kind}, {len(self.words)} words, match={self.match}, line={self.line})"


@dataclass(frozen=True, slots=True, repr=False)
class Pattern:
    """An expression of the policy's own, in RE2 syntax, for ``kind``.

    A match gets ``score``. When ``context`` is given, a match counts only where one of these words (compared
    without case) stands nearby. ``repr`` does not show the expression.
    """

    kind: str
    expression: str
    score: float = 0.9
    context: tuple[str, ...] = ()
    name: str = ""
    line: int | None = None

    def __repr__(self) -> str:
        return f"Pattern(kind={self.kind}, name={self.name!r}, score={self.score}, line={self.line})"


@dataclass(frozen=True, slots=True)
class Finders:
    """Who looks beside the rules: ``names`` (our own model), ``rules`` (nobody), models as ``MAKER:PLACE``.

    Models are a union with ours, unless ``only``. ``labels`` says which of our kinds a model's label is, or
    that it is none of them, where the label does not say so itself.
    """

    use: tuple[str, ...] = ("names",)
    only: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    line: int | None = None

    @property
    def models(self) -> tuple[tuple[str, str], ...]:
        """The models of other makers: (maker, folder or package)."""
        parts = (entry.partition(":") for entry in self.use)
        return tuple((maker, place) for maker, colon, place in parts if colon)

    @property
    def names(self) -> bool:
        """Whether our own model looks."""
        return self.use != ("rules",) and not self.only

    @property
    def meaning(self) -> list[Any]:
        """What of it a policy's version is made of."""
        return [self.names, self.models, dict(self.labels)]


@dataclass(frozen=True, slots=True)
class Replies:
    """Where a reply may carry originals: see ``mask.guard``.

    ``links`` is for addresses to elsewhere, in calls of tools too; ``hosts`` may get them all the same: a
    host by its name, or all below one by a leading dot. ``tools`` says it for whole calls, by the tool's
    name; ``default`` there is for all others. ``inside`` restores a call only if it names nobody outside.
    """

    links: Literal["restore", "withhold"] = "withhold"
    hosts: tuple[str, ...] = ()
    tools: Mapping[str, ReplyFate] = field(default_factory=dict)

    def tool(self, name: str | None) -> ReplyFate:
        """What becomes of stand-ins in a call of the tool ``name``; of one whose name is not known, None,
        what is strictest."""
        if name is None:
            return max(("restore", *self.tools.values()), key=_TOOL_FATES.index)
        return self.tools.get(name) or self.tools.get("default", "restore")

    @property
    def meaning(self) -> list[Any]:
        """What of it a policy's version is made of."""
        return [self.links, self.hosts, dict(self.tools)]


@dataclass(frozen=True, repr=False)
class Policy:
    """The rules of one deployment. ``Policy()`` is the default policy.

    A policy made in a program is held to the same shapes as one from a file, and to the same refusal of
    lists and patterns that can never fire; only kinds that no list or pattern defines are let through, since
    a finder passed beside the policy may report them.

    Raises:
        PolicyProblem: a kind, fate, threshold, list or pattern is impossible.
    """

    fates: Mapping[str, Fate] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    deny: tuple[Words, ...] = ()
    allow: tuple[Words, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    rules: bool = True
    """Whether the built-in rules look as well."""
    finder: Finders = field(default_factory=Finders)
    replies: Replies = field(default_factory=Replies)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fates", {k: _fate(f) for k, f in self.fates.items()})
        object.__setattr__(self, "thresholds", dict(self.thresholds))
        replies = replace(self.replies, hosts=tuple(self.replies.hosts), tools=dict(self.replies.tools))
        object.__setattr__(self, "replies", replies)
        for name in ("deny", "allow", "patterns"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        _check_shapes(self)
        _check_reach(self)

    @classmethod
    def parse(cls, text: str, source: str = "policy.toml", *, finders: bool = True) -> Policy:
        """Read a policy from TOML text; ``source`` names it in messages.

        ``finders`` says whether finders may be passed beside the policy. Where none can be, as in the command
        and the gateway, a rule about a kind that then nothing finds is refused too.

        Raises:
            PolicyProblem: it is not TOML, or says something impossible; carries ``source`` and the line.
        """
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as problem:
            message, line = syntax(str(problem), text)
            raise PolicyProblem(message, source=source, line=line) from None
        except RecursionError:
            raise PolicyProblem("this is nested too deeply", source=source) from None
        lines = lines_of(text)
        try:
            policy = _read(content, lines)
            _check_kinds(policy, finders)
        except _Fault as fault:
            raise PolicyProblem(fault.message, source=source, line=_line(fault.path, lines)) from None
        return policy

    def fate(self, kind: str) -> Fate:
        """What becomes of ``kind``: as the policy says, else :data:`DEFAULT_FATES`, else a token."""
        return self.fates.get(kind) or DEFAULT_FATES.get(kind, DEFAULT_FATE)

    def threshold(self, kind: str) -> float:
        """The score, in [0, 1], from which a find of ``kind`` counts."""
        found = self.thresholds.get(kind)
        return self.thresholds.get("default", DEFAULT_THRESHOLD) if found is None else found

    @cached_property
    def version(self) -> str:
        """Twelve hexadecimal digits that change whenever the policy's meaning may have changed.

        They are a prefix of the SHA-256 of its content, without line numbers. Whoever can guess a whole
        policy can confirm the guess, so lists of a few guessable words are not hidden by it.
        """
        content: dict[str, Any] = {
            "fates": self.fates,
            "thresholds": self.thresholds,
            "deny": [[w.kind, w.words, w.match] for w in self.deny],
            "allow": [[w.kind, w.words, w.match] for w in self.allow],
            "patterns": [[p.kind, p.expression, p.score, p.context, p.name] for p in self.patterns],
            "rules": self.rules,
        }
        if self.finder.meaning != Finders().meaning:
            content["finder"] = self.finder.meaning
        if self.replies.meaning != Replies().meaning:
            content["replies"] = self.replies.meaning
        return crypto.sha256(json.dumps(content, sort_keys=True).encode())[:6].hex()

    @property
    def own_kinds(self) -> tuple[str, ...]:
        """The kinds that this policy adds to the built-in ones, sorted."""
        named = {w.kind for w in self.deny if w.kind} | {p.kind for p in self.patterns}
        named |= set(self.finder.labels.values()) - {NONE}
        return tuple(sorted(named - KINDS.keys()))

    def __hash__(self) -> int:
        return hash(self.version)

    def __repr__(self) -> str:
        return (
            f"Policy({self.version}: {len(self.fates)} fates, {len(self.thresholds)} thresholds, "
            f"{len(self.deny)} deny, {len(self.allow)} allow, {len(self.patterns)} patterns)"
        )


class Explained(NamedTuple):
    """What a policy does with one kind, and why: a line of ``masquerade check``."""

    kind: str
    fate: Fate
    threshold: float
    by: tuple[str, ...]
    """What can find it: ``rules``, ``deny: 3 words (line 12)``, ``pattern 'staff' (line 20)``."""
    note: str


def explain(policy: Policy, models: Mapping[str, Sequence[str]] | None = None) -> list[Explained]:
    """What ``policy`` does with every kind that it or the built-in table knows, the policy's own first.

    ``models`` says, for each kind, which models find it.
    """
    rows = []
    for kind in (*policy.own_kinds, *KINDS):
        by = [f"{count} rule{'s' * (count > 1)}"] if (count := _rule_count(policy, kind)) else []
        by += [f"deny: {_counted(w.words)}{_at(w.line)}" for w in policy.deny if w.kind == kind]
        by += [f"pattern{_quoted(p.name)}{_at(p.line)}" for p in policy.patterns if p.kind == kind]
        by += (models or {}).get(kind, ())
        notes = [f"{_counted(w.words)} allowed{_at(w.line)}" for w in policy.allow if w.kind in (None, kind)]
        if kind not in KINDS and (near := difflib.get_close_matches(kind, KINDS, 1, 0.8)):
            notes.insert(0, f"your own kind, and close to the built-in {near[0]}")
        if policy.fate(kind) is Fate.PLAUSIBLE and kind not in PLAUSIBLE_KINDS:
            notes.insert(0, "no range of plausible values: a token instead")
        rows.append(Explained(kind, policy.fate(kind), policy.threshold(kind), tuple(by), "; ".join(notes)))
    return rows


def explain_replies(policy: Policy) -> list[str]:
    """Where a reply may carry originals, in lines of ``masquerade check``."""
    replies = policy.replies
    links = "stand-ins in addresses to elsewhere are withheld"
    if replies.links == "restore":
        links = "stand-ins are restored in addresses too, wherever these lead"
    elif replies.hosts:
        links += f", but for {', '.join(replies.hosts)}"
    calls = [f"in calls of {name}: {fate}" for name, fate in replies.tools.items() if name != "default"]
    if replies.tools:
        calls.append(f"in calls of other tools: {replies.tool('')}")
    return [links, *calls]


def _rule_count(policy: Policy, kind: str) -> int:
    return len(_rule_scores().get(kind, ())) if policy.rules else 0


def _counted(words: tuple[str, ...]) -> str:
    return f"{len(words):,} word{'s' * (len(words) > 1)}"


def _at(line: int | None) -> str:
    return "" if line is None else f" (line {line})"


def _quoted(name: str) -> str:
    return f" '{name}'" if name else ""


# Reading ------------------------------------------------------------------------------------------------

_ROOT_KEYS = ("version", "rules", "fates", "thresholds", "deny", "allow", "pattern", "finder", "replies")
_REPLIES_KEYS = ("links", "hosts", "tools")
_FINDER_KEYS = ("use", "only", "labels")
_WORDS_KEYS = ("kind", "words", "match")
_PATTERN_KEYS = ("kind", "expression", "score", "context", "name")


def _read(content: dict[str, Any], lines: Mapping[Path, int]) -> Policy:
    """The policy that a parsed TOML document describes; any wrong shape is a :class:`_Fault`."""
    _known(content, _ROOT_KEYS)
    if content.get("version") != 1 or content["version"] is True:
        raise _Fault("a policy says 'version = 1'", "version")
    if not isinstance(content.get("rules", True), bool):
        raise _Fault("'rules' is true or false", "rules")
    return Policy(
        fates=_table(content, "fates"),
        thresholds=_table(content, "thresholds"),
        deny=tuple(_words(entry, path, lines) for entry, path in _entries(content, "deny")),
        allow=tuple(_words(entry, path, lines) for entry, path in _entries(content, "allow")),
        patterns=tuple(_pattern(entry, path, lines) for entry, path in _entries(content, "pattern")),
        rules=content.get("rules", True),
        finder=_finder(content, lines),
        replies=_replies(content),
    )


def _finder(content: dict[str, Any], lines: Mapping[Path, int]) -> Finders:
    if "finder" not in content:
        return Finders()
    entry = content["finder"]
    if not isinstance(entry, dict):
        raise _Fault("'finder' is a table: write [finder], and 'use = ...' on a line below it", "finder")
    _known(entry, _FINDER_KEYS, "finder")
    use = entry.get("use")
    if use is None:
        raise _Fault("this [finder] has no 'use': say who looks, as in use = \"names\"", "finder")
    labels = entry.get("labels", {})
    if not isinstance(labels, dict):
        raise _Fault(
            "'labels' is a table: write [finder.labels], and one 'label = \"KIND\"' a line below it",
            *("finder", "labels"),
        )
    return Finders(
        use=(use,) if isinstance(use, str) else _strings(use, ("finder", "use")),
        only=entry.get("only", False),
        labels=labels,
        line=_line(("finder", "use"), lines),
    )


def _replies(content: dict[str, Any]) -> Replies:
    entry = content.get("replies", {})
    if not isinstance(entry, dict):
        raise _Fault("'replies' is a table: write [replies], and 'links = ...' on a line below it", "replies")
    _known(entry, _REPLIES_KEYS, "replies")
    tools = entry.get("tools", {})
    if not isinstance(tools, dict):
        raise _Fault(
            "'tools' is a table: write [replies.tools], and one 'name = \"withhold\"' a line below it",
            *("replies", "tools"),
        )
    return Replies(
        links=entry.get("links", "withhold"),
        hosts=_strings(entry.get("hosts", []), ("replies", "hosts")),
        tools=tools,
    )


def _words(entry: dict[str, Any], path: Path, lines: Mapping[Path, int]) -> Words:
    _known(entry, _WORDS_KEYS, *path)
    _has(entry, "words", path)
    return Words(
        kind=entry.get("kind"),
        words=_strings(entry["words"], (*path, "words")),
        match=entry.get("match", "exact"),
        line=_line(path, lines),
    )


def _pattern(entry: dict[str, Any], path: Path, lines: Mapping[Path, int]) -> Pattern:
    _known(entry, _PATTERN_KEYS, *path)
    _has(entry, "kind", path)
    _has(entry, "expression", path)
    return Pattern(
        kind=entry["kind"],
        expression=entry["expression"],
        score=entry.get("score", 0.9),
        context=_strings(entry.get("context", []), (*path, "context")),
        name=entry.get("name", ""),
        line=_line(path, lines),
    )


def _table(content: dict[str, Any], name: str) -> dict[str, Any]:
    table = content.get(name, {})
    if not isinstance(table, dict):
        raise _Fault(f"'{name}' is a table: write [{name}], and one 'KIND = value' a line below it", name)
    return table


def _entries(content: dict[str, Any], name: str) -> Iterator[tuple[dict[str, Any], Path]]:
    entries = content.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _Fault(f"'{name}' is a list of tables: write [[{name}]], with two brackets", name)
    for i, entry in enumerate(entries):
        yield entry, (name, i)


def _strings(found: Any, path: Path) -> tuple[str, ...]:
    if not isinstance(found, list):
        raise _Fault(f"'{path[-1]}' is a list of strings, in square brackets", *path)
    for i, word in enumerate(found):
        if not isinstance(word, str):
            raise _Fault(f"'{path[-1]}' holds strings only: entry {i + 1} needs quotation marks", *path, i)
    return tuple(found)


def _known(table: dict[str, Any], keys: Sequence[str], *path: str | int) -> None:
    for key in table:
        if key not in keys:
            raise _Fault(f"unknown key{_shown(key)}{_meant(key, keys)}", *path, key)


def _has(entry: dict[str, Any], key: str, path: Path) -> None:
    if key not in entry:
        raise _Fault(f"this [[{path[0]}]] has no '{key}'", *path)


def _shown(word: str) -> str:
    """``word`` for a message, unless it may be data that strayed into the place of a name."""
    return f" '{word}'" if _NAMEABLE.fullmatch(word) else ""


def _meant(word: object, names: Iterable[str]) -> str:
    """`` (did you mean ...?)``, or the whole short list."""
    near = difflib.get_close_matches(str(word), names := list(names), 1, 0.6)
    folded = {name.casefold(): name for name in names}
    near = [folded[str(word).casefold()]] if str(word).casefold() in folded else near
    if near:
        return f" (did you mean '{near[0]}'?)"
    return f"; it is one of: {', '.join(names)}" if len(names) < 10 else ""


# Checks -------------------------------------------------------------------------------------------------


def _check_shapes(policy: Policy) -> None:
    """Every kind, fate, number, word and expression is of its type and in its range."""
    for kind, fate in policy.fates.items():
        _check_kind(kind, "fates", kind)
        if not isinstance(fate, Fate):
            raise _Fault(f"{kind} has no such fate{_meant(fate, Fate)}", "fates", kind)
    for kind, threshold in policy.thresholds.items():
        if kind != "default":
            _check_kind(kind, "thresholds", kind)
        if not _is_share(threshold):
            raise _Fault(f"the threshold of {kind} is a number from 0 to 1", "thresholds", kind)
    for name, lists in (("deny", policy.deny), ("allow", policy.allow)):
        for i, entry in enumerate(lists):
            if entry.kind is not None:
                _check_kind(entry.kind, name, i, "kind")
            elif name == "deny":
                raise _Fault("this [[deny]] has no 'kind': say what its words are", name, i)
            if entry.match not in _MATCHES:
                raise _Fault(f"no such match{_meant(entry.match, _MATCHES)}", name, i, "match")
            _check_words(entry, name, i)
    for i, pattern in enumerate(policy.patterns):
        _check_kind(pattern.kind, "pattern", i, "kind")
        _compiled(pattern.expression, "pattern", i, "expression")
        if not _is_share(pattern.score) or not pattern.score:
            raise _Fault("a score is a number above 0, at most 1", "pattern", i, "score")
        if not isinstance(pattern.name, str):
            raise _Fault("'name' is a string", "pattern", i, "name")
        for j, word in enumerate(pattern.context):
            if not _visible(word):
                raise _Fault(f"context word {j + 1} is empty", "pattern", i, "context", j)
    _check_finder(policy)
    _check_replies(policy)


def _check_finder(policy: Policy) -> None:
    """Who looks is known, said once, and does not contradict the rest of the policy."""
    finder, at = policy.finder, ("finder", "use")
    if not finder.use:
        raise _Fault("'use' names nobody: to have the rules alone, say use = \"rules\"", *at)
    for i, entry in enumerate(finder.use):
        _check_entry(entry, *at, i)
        if entry in finder.use[:i]:
            raise _Fault(f"entry {i + 1} stands there twice", *at, i)
    if "rules" in finder.use and (len(finder.use) > 1 or not policy.rules):
        other = "it is said alone" if len(finder.use) > 1 else "'rules = false' turns the built-in rules off"
        raise _Fault(f"'rules' means the rules and nobody else: {other}", *at)
    if not isinstance(finder.only, bool):
        raise _Fault("'only' is true or false", "finder", "only")
    if finder.only and ("names" in finder.use or not finder.models):
        other = "leave out 'names'" if finder.models else "name one in 'use'"
        raise _Fault(f"'only' means a model without our own: {other}", "finder", "only")
    if finder.labels and not finder.models:
        raise _Fault("labels are a model's, and 'use' names none: take this out", "finder", "labels")
    for label, kind in finder.labels.items():
        if kind != NONE:
            _check_kind(kind, "finder", "labels", label)
            if policy.fates.get(kind) is Fate.KEEP:
                raise _Fault(
                    f'{kind} is kept, so this can never fire: say "{NONE}", or give it another fate',
                    *("finder", "labels", label),
                )


_HOST = re.compile(
    r"\.?(?:[a-z0-9](?:[a-z0-9_\-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?", re.I
)


def _check_replies(policy: Policy) -> None:
    """What is said of replies is known, is said of hosts as they are written, and changes something."""
    replies = policy.replies
    if replies.links not in _LINK_FATES:
        raise _Fault(
            f"there is no such fate of links{_meant(replies.links, _LINK_FATES)}", "replies", "links"
        )
    for i, host in enumerate(replies.hosts):
        at = ("replies", "hosts", i)
        if not isinstance(host, str) or len(host) > 254 or not _HOST.fullmatch(host):
            raise _Fault(
                f"host {i + 1} is none: write its name alone, as in wiki.example, or .example for all below "
                "(no scheme, port or path; one with other letters in its xn-- form)",
                *at,
            )
        if host.startswith(".") and "." not in host[1:] and host.lower() in _EVERYBODY:
            raise _Fault(f"host {i + 1} is everybody: name whose it is", *at)
        if host.lower() in (other.lower() for other in replies.hosts[:i]):
            raise _Fault(f"host {i + 1} stands there twice", *at)
    if replies.hosts and replies.links == "restore":
        raise _Fault(
            "every host gets what links restore, so these never count: take them out", "replies", "hosts"
        )
    for name, fate in replies.tools.items():
        at_tool = ("replies", "tools", name)
        if fate not in _TOOL_FATES:
            raise _Fault(f"there is no such fate of calls{_meant(fate, _TOOL_FATES)}", *at_tool)
        if not name or len(name) > 256:
            raise _Fault("a tool has a name", *at_tool)


_EVERYBODY = frozenset(
    {".com", ".net", ".org", ".io", ".dev", ".app", ".ai", ".co", ".cn", ".eu", ".uk", ".de"}
)


def _check_entry(entry: object, *path: str | int) -> None:
    maker, colon, place = entry.partition(":") if isinstance(entry, str) else ("", "", "")
    if colon and maker in MAKERS:
        if not _visible(place) or place != place.strip():
            raise _Fault(f"say where the model lies on this machine, as in {maker}:/models/ner", *path)
    elif maker in MAKERS:
        raise _Fault(f"say where the model lies on this machine, as in {maker}:/models/ner", *path)
    elif colon or maker not in ("names", "rules"):
        known = ("names", "rules", *(f"{maker}:PATH" for maker in MAKERS))
        raise _Fault(f"there is no such finder{_meant(maker, known)}", *path)


def _check_kind(kind: object, *path: str | int) -> None:
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        hint = _meant(kind, KINDS) if isinstance(kind, str) else ""
        raise _Fault(f"a kind is 2 to 31 capital letters, digits and underscores{hint}", *path)


def _is_share(number: object) -> bool:
    return isinstance(number, (int, float)) and not isinstance(number, bool) and 0 <= number <= 1


def _visible(word: str) -> bool:
    return any(ch.isprintable() and not ch.isspace() for ch in word)


def _check_words(entry: Words, *path: str | int) -> None:
    if not entry.words:
        raise _Fault("an empty list of words can never match", *path, "words")
    for j, word in enumerate(entry.words):
        if not _visible(word):
            raise _Fault(f"word {j + 1} is empty", *path, "words", j)
        if entry.match == "pattern":
            _compiled(word, *path, "words", j)
        elif word != word.strip():
            raise _Fault(f"word {j + 1} begins or ends with white space: take it off", *path, "words", j)


def _compiled(expression: object, *path: str | int) -> Any:
    """``expression`` compiled; refused when it is wrong or idle."""
    try:
        return compiled(expression)
    except ValueError as problem:
        raise _Fault(str(problem), *path) from None


def _check_reach(policy: Policy) -> None:
    """Everything that the policy lists can fire: nothing in it undoes it."""
    kept = {kind for kind, fate in policy.fates.items() if fate is Fate.KEEP}
    idle = "is kept, so this can never fire: give it another fate, or take this out"
    for i, pattern in enumerate(policy.patterns):
        if pattern.kind in kept:
            raise _Fault(f"{pattern.kind} {idle}", "pattern", i)
        if pattern.score < (threshold := policy.threshold(pattern.kind)):
            raise _Fault(
                f"its score, {pattern.score:g}, is below the threshold of {pattern.kind}, {threshold:g}",
                *("pattern", i, "score"),
            )
    for name, lists in (("deny", policy.deny), ("allow", policy.allow)):
        for i, entry in enumerate(lists):
            if entry.kind in kept:
                raise _Fault(f"{entry.kind} {idle}", name, i)
    for kind in policy.thresholds:
        if kind in kept:
            raise _Fault(f"{kind} {idle}", "thresholds", kind)
    _check_thresholds(policy, kept)
    _check_kinds_agree(policy)
    _check_allowed(policy)


def _check_thresholds(policy: Policy, kept: set[str]) -> None:
    listed = {w.kind for w in policy.deny} | {p.kind for p in policy.patterns}
    for kind, scores in _rule_scores().items() if policy.rules and policy.thresholds else ():
        threshold, surest = policy.threshold(kind), max(scores)
        said = kind if kind in policy.thresholds else "default"
        # Kinds that only a lowered threshold switches on are not switched off by a raised default.
        idle = kind in kept or (kind in listed if said == kind else surest < DEFAULT_THRESHOLD)
        if threshold > surest and not idle:
            raise _Fault(
                f"no rule for {kind} reaches {threshold:g}: the surest scores {surest:g}. "
                f'Lower it, or say {kind} = "keep" in [fates]',
                *("thresholds", said),
            )


@lru_cache(maxsize=1)
def _rule_scores() -> dict[str, tuple[float, ...]]:
    """The score of each built-in rule, by kind: rows of the table, and what is found from '@' and '://'."""
    scores: dict[str, tuple[float, ...]] = {
        "EMAIL": (patterns.EMAIL_SCORE,),
        "URL": (patterns.URL_SCORE,),
        "SECRET": (patterns.CREDENTIALS_SCORE,),
    }
    for row in patterns.ROWS:
        if row.kind in KINDS:
            scores[row.kind] = (*scores.get(row.kind, ()), row.score)
    return scores


def _check_kinds_agree(policy: Policy) -> None:
    """No word is denied as two kinds: only one of them could be what it is found as."""
    seen: dict[str, Words] = {}
    for i, entry in enumerate(policy.deny):
        for j, word in enumerate(entry.words if entry.match != "pattern" else ()):
            first = seen.setdefault(word.casefold(), entry)
            if first.kind != entry.kind:
                raise _Fault(
                    f"word {j + 1} is listed as {first.kind} too{_at(first.line)}: one word, one kind",
                    *("deny", i, "words", j),
                )


_ANYTHING = ("\u2603", "Zq9-@./ :#\u4e2d=")
"""Two texts that have nothing in common but that an expression for all text matches both."""


def _check_allowed(policy: Policy) -> None:
    """Nothing is both denied and allowed: since denying wins, the allowance could never fire.

    No pattern is allowed whole, and no allowance is of everything.
    """
    for at, allow in enumerate(policy.allow):
        for j, word in enumerate(allow.words if allow.match == "pattern" else ()):
            if all(map(compiled(word).fullmatch, _ANYTHING)):
                raise _Fault(
                    "this allows everything, so nothing would be masked: describe what is public, or say "
                    "'KIND = \"keep\"' in [fates]",
                    *("allow", at, "words", j),
                )
        for j, pattern in enumerate(policy.patterns):
            if (
                allow.kind in (None, pattern.kind)
                and allow.match == "pattern"
                and pattern.expression in allow.words
            ):
                raise _Fault(
                    f"all that it matches is allowed{_at(allow.line)}: it is one or the other",
                    *("pattern", j, "expression"),
                )
        cancels = _canceller(allow)
        for i, deny in enumerate(policy.deny):
            if allow.kind not in (None, deny.kind):
                continue
            for j, word in enumerate(deny.words):
                if cancels(word, deny.match):
                    raise _Fault(
                        f"word {j + 1} is allowed too{_at(allow.line)}: it is one or the other",
                        *("deny", i, "words", j),
                    )


def _canceller(allow: Words) -> Callable[[str, Match], bool]:
    """Whether ``allow`` covers everything that a deny word under a match would find."""
    words = frozenset(allow.words)
    if allow.match == "exact":
        return lambda word, match: match == "exact" and word in words
    if allow.match == "ignore-case":
        folded = frozenset(word.casefold() for word in words)
        return lambda word, match: match != "pattern" and word.casefold() in folded
    patterns = [compiled(word) for word in words]

    def cancels(word: str, match: Match) -> bool:
        if match == "pattern":
            return word in words
        cases = (word,) if match == "exact" else (word, word.lower(), word.upper())
        return any(all(map(pattern.fullmatch, cases)) for pattern in patterns)

    return cancels


def _check_kinds(policy: Policy, finders: bool) -> None:
    """Every kind that a policy file gives a fate, a threshold or an exception is one that can be found."""
    known = [*KINDS, *policy.own_kinds]
    found = {*(w.kind for w in policy.deny), *(p.kind for p in policy.patterns)}
    found |= set(known) if finders or policy.finder.models else set()
    found |= _rule_scores().keys() if policy.rules else set()
    found |= NAMES_FIND if policy.finder.names else set()
    named: list[tuple[str, Path]] = [(kind, ("fates", kind)) for kind in policy.fates]
    named += [(kind, ("thresholds", kind)) for kind in policy.thresholds if kind != "default"]
    named += [(w.kind, ("allow", i, "kind")) for i, w in enumerate(policy.allow) if w.kind]
    for kind, path in named:
        if kind not in known:
            near = _meant(kind, known)
            raise _Fault(
                f"nothing finds {kind}{near}: it is no built-in kind, and no list or pattern has it", *path
            )
        if kind not in found:
            why = "no rule has it yet" if policy.rules else "'rules = false' turns the built-in rules off"
            raise _Fault(
                f"nothing here finds {kind}, so this can never fire: {why}; list or describe it", *path
            )


# Faults and where they stand ----------------------------------------------------------------------------


class _Fault(PolicyProblem):
    """Something impossible at ``path``; :meth:`Policy.parse` turns the path into a line."""

    def __init__(self, message: str, *path: str | int) -> None:
        self.message, self.path = message, path
        super().__init__(message)


def _line(path: Path, lines: Mapping[Path, int]) -> int | None:
    """The line of ``path``, or of the nearest thing around it that is written down."""
    return next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), None)
