"""Every text of a request, and the way back to where it stands.

What is done with each field is said by the tables of its endpoint; this is the walk over a request by them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring
from typing import Any, NamedTuple

import orjson

from masquerade.errors import BadInput
from masquerade.wire.rules import (
    ALIAS,
    DEEP,
    DROP,
    JSON,
    NUMBER,
    OPAQUE,
    PASS,
    PICTURE,
    TEXT,
    How,
    Known,
    Names,
    Never,
    Only,
    Refuse,
    Rule,
    Signed,
    Strings,
)

_NAME = re.compile(r"(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_.:/+$#\-]{1,256}|[0-9]{1,8}")
_SIGNED = re.compile(r"[A-Za-z0-9_+/=\-]{32,}")
_JSON_LEAF = re.compile(
    r'(?P<text>"[^"\\]*+(?:\\.[^"\\]*+)*+")(?P<key>\s*+:)?|-?[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?', re.S
)
_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_NAMED = (PASS, NUMBER)
_FORBIDS = (Refuse, Only, Never, Strings)
_ALLOWED: dict[type, Rule] = {Never: PASS, Strings: TEXT}
"""How the values that such a rule does not forbid are treated; those of others pass."""
_LONGEST_LABEL = 64
_SHORTEST_HIDEOUT = 8
_DIGIT = re.compile(r"[0-9]")
_LONG_NUMBER = 10**8
_ANY = "*"
"""What errors call a field that is in no table."""


class Slots:
    """The texts of one request, and the way back to where they stand.

    ``texts`` are what a mask must look at. :meth:`put` takes as many masked ones and writes those that
    changed into the request; what did not change stays as it was, byte for byte. ``names`` are the names
    and ids that go out as they are, each with the field of the request that has it; short ones and those
    without a digit are left out. ``picture`` makes of a picture's address what goes out instead; without it
    pictures are refused. ``signed`` are texts that go back as they came, to be looked at after ``texts``.

    Raises:
        BadInput: something in the request cannot be masked; ``source`` is the field's path, such as
            ``messages[0].content[1].image_url``.
    """

    def __init__(
        self,
        request: dict[str, Any],
        rules: dict[str, Rule],
        alias: Callable[[str], str] | None = None,
        picture: Callable[[str], str] | None = None,
    ) -> None:
        self.texts: list[str] = []
        self.names: dict[str, str] = {}
        self.signed: list[SignedText] = []
        self._slots: list[_Slot | _Document] = []
        self._renames: list[tuple[dict[str, Any], str, int]] = []
        self._alias = alias
        self._picture = picture
        try:
            self._fields(request, rules, ())
        except RecursionError:
            raise BadInput("the request is nested too deeply") from None

    def put(self, masked: Sequence[str]) -> None:
        """Write the masked texts where the originals stood."""
        for slot in self._slots:
            slot.put(masked)
        renames: dict[int, tuple[dict[str, Any], dict[str, str]]] = {}
        for holder, key, at in self._renames:
            if masked[at] != key:
                renames.setdefault(id(holder), (holder, {}))[1][key] = masked[at]
        for holder, names in renames.values():
            _rename(holder, names)

    def _add(self, text: str) -> int:
        self.texts.append(text)
        return len(self.texts) - 1

    def _fields(self, holder: dict[str, Any], rules: dict[str, Rule], path: tuple[object, ...]) -> None:
        others = rules.get("*", DEEP)
        for key in list(holder):
            rule, step = rules.get(key), key
            if rule is None:
                rule, step = others, _ANY
                if others is DEEP or not _is_name(key):
                    self._renames.append((holder, key, self._add(key)))
            elif type(rule) in _FORBIDS:
                _refuse(holder, key, rules, path)
                rule = _ALLOWED.get(type(rule))
                if rule is None:
                    continue
            elif rule is DROP:
                del holder[key]
                continue
            elif rule is PICTURE:
                self._reduce(holder, key, path)
                continue
            elif type(rule) is Signed or type(rule) is Known:
                if self._goes_as_it_is(holder, key, rule, path):
                    continue
                rule = rule.rule
            self._value(holder, key, rule, (path, step))

    def _goes_as_it_is(
        self, holder: dict[str, Any], key: str, rule: Signed | Known, path: tuple[object, ...]
    ) -> bool:
        """Whether a text is known or signed; a signed one is remembered."""
        text = holder[key]
        if type(text) is not str:
            return False
        if isinstance(rule, Known):
            return rule.form.fullmatch(text) is not None
        beside = [str(holder.get(name)) for name in rule.by]
        signed = holder.get("type") == rule.kind and any(map(_SIGNED.fullmatch, beside))
        if signed:
            self.signed.append(SignedText(_shown(text), (path, key)))
        return signed

    def _reduce(self, holder: dict[str, Any], key: str, path: tuple[object, ...]) -> None:
        """Put what is to be seen of a picture where it stood; what else stood there, such as a name, goes."""
        value, where = holder[key], _spell((path, key))
        if value is None:
            return
        address = value.get("url") if type(value) is dict else None
        if self._picture is None or type(address) is not str:
            raise BadInput("a picture is an object with a url", source=where)
        try:
            holder[key] = {"url": self._picture(address)}
        except BadInput as problem:
            raise BadInput(str(problem), source=where) from None

    def _value(self, holder: Any, key: Any, rule: Rule, path: tuple[object, ...]) -> None:
        value = holder[key]
        kind = type(value)
        if value is None or kind is bool:
            return
        if type(rule) is list and kind is not list:
            rule = rule[0]
        if type(rule) is dict and kind is dict:
            self._fields(value, rule, path)
            return
        if kind is list:
            rule = rule[0] if type(rule) is list else rule
            for i in range(len(value)):
                self._value(value, i, rule, (path, i))
        elif kind is dict:
            listed = rule is PASS or rule is NUMBER
            named = listed or type(rule) is Names
            rule = rule.rule if type(rule) is Names else rule if listed else DEEP
            for name in list(value):
                if named and _is_name(name):
                    self._pass(name, path)
                else:
                    self._renames.append((value, name, self._add(name)))
                self._value(value, name, rule, (path, _ANY))  # the client's own name, which may be a value
        elif kind is str or rule is ALIAS:
            value = str(value)
            self._string(holder, key, value, rule if type(rule) is How else TEXT, path)
        elif rule is DEEP or (rule is not NUMBER and abs(value) >= _LONG_NUMBER):
            # Whole numbers beyond 64 bits were read as floats: as 1.23e+23 no rule would know them.
            whole = kind is float and value.is_integer() and abs(value) >= _LONG_NUMBER
            self._leaf(holder, key, str(int(value) if whole else value))

    def _string(self, holder: Any, key: Any, text: str, rule: Rule, path: tuple[object, ...]) -> None:
        if rule in _NAMED and _is_name(text):
            self._pass(text, path)
            return
        if not text or (rule is OPAQUE and _SIGNED.fullmatch(text)):
            return
        if rule is ALIAS:
            if self._alias is None:
                raise BadInput("this field names a person and no key is there to alias it", source=str(key))
            holder[key] = self._alias(text)
        elif rule is JSON or ("\\" in text and text.lstrip()[:1] in ("{", "[")):
            self._json(holder, key, text)
        elif rule is DEEP:
            self._leaf(holder, key, text)
        else:
            self._slots.append(_Slot(holder, key, self._plain(text)))

    def _pass(self, name: str, path: tuple[object, ...]) -> None:
        """Remember a name that goes out as it is, if a number or key could be hidden in it."""
        if len(name) >= _SHORTEST_HIDEOUT and _DIGIT.search(name):
            while path[0]:
                path = path[0]  # type: ignore[assignment]
            self.names.setdefault(name, str(path[1]))

    def _leaf(self, holder: Any, key: Any, text: str) -> None:
        self._slots.append(_Slot(holder, key, self._labelled(text, key if type(key) is str else "", None)))

    def _plain(self, text: str) -> _Text:
        """Add ``text`` as it stands; or, where characters are spelled as escapes, which would hide what they
        spell, with those characters in place: then the text goes out so if something is found in it."""
        shown = _shown(text)
        return _Text(text, self._add(shown), shown)

    def _labelled(self, text: str, label: str, name: _Text | None) -> _Text:
        """Add ``text`` behind its field's name, which is evidence: ``password: x`` is found, ``x`` is not."""
        if not label or len(label) > _LONGEST_LABEL:
            return self._plain(text)
        head = label + ": "
        return self._plain(head + text)._replace(text=text, head=head, name=name)

    def _json(self, holder: Any, key: Any, text: str) -> None:
        """JSON as text: what is found is replaced in place, all the rest keeps its bytes."""
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError:
            self._leaf(holder, key, text)
            return
        label, name = "", None
        leaves: list[tuple[int, int, _Text]] = []
        for match in _JSON_LEAF.finditer(text):
            literal = match["text"]
            leaf = match[0] if literal is None else orjson.loads(literal)
            if match["key"] is not None:
                label, name = leaf, (added := self._plain(leaf))
            else:
                added = self._labelled(leaf, label, name)
            start, end = match.span("text") if literal else match.span()
            leaves.append((start, end, added))
        self._slots.append(_Document(holder, key, text, leaves))


class SignedText(NamedTuple):
    """A text that goes back as it came: as it is to be looked at, and the nested pairs of its path."""

    text: str
    path: tuple[object, ...]

    @property
    def where(self) -> str:
        """Its path as errors spell it."""
        return _spell(self.path)


class _Text(NamedTuple):
    """A text that a mask looks at: where it is among all of them, how it is shown there, and, if it is shown
    behind its field's name, this ``head`` and the ``name`` as a text of its own."""

    text: str
    at: int
    shown: str
    head: str = ""
    name: _Text | None = None

    def read(self, masked: Sequence[str]) -> str:
        """What has become of it."""
        new = masked[self.at]
        if new == self.shown:
            return self.text
        if self.head and self.name is not None and not new.startswith(self.head):
            return new.removeprefix(self.name.read(masked) + ": ")
        # If the mask grew over the name, both stay together in the value: odd, but nothing is lost.
        return new.removeprefix(self.head)


class _Slot(NamedTuple):
    """A place of the request, and the text that stands there."""

    holder: Any
    key: Any
    text: _Text

    def put(self, masked: Sequence[str]) -> None:
        """Write what has become of the text, if that is something else."""
        new = self.text.read(masked)
        if new != self.text.text:
            self.holder[self.key] = new


class _Document(NamedTuple):
    """A place of the request where JSON stands as text, and the texts in it, by where they begin and end."""

    holder: Any
    key: Any
    text: str
    leaves: list[tuple[int, int, _Text]]

    def put(self, masked: Sequence[str]) -> None:
        """Write the document anew, if something in it is something else."""
        pieces: list[str] = []
        done = 0
        for start, end, leaf in self.leaves:
            new = leaf.read(masked)
            if new != leaf.text:
                number = self.text[start] != '"' and _NUMBER.fullmatch(new)
                pieces += (self.text[done:start], new if number else encode_basestring(new))
                done = end
        if pieces:
            self.holder[self.key] = "".join((*pieces, self.text[done:]))


def _is_name(text: str) -> bool:
    """Whether a text is shaped as identifiers, enumerations and numbers of language-model tokens are."""
    return _NAME.fullmatch(text) is not None


def _shown(text: str) -> str:
    """``text`` with the characters in place that are spelled as escapes in it."""
    return _ESCAPES.sub(_unescaped, text) if "\\u" in text else text


def _unescaped(match: re.Match[str]) -> str:
    try:
        return str(orjson.loads(f'"{match[0]}"'))
    except orjson.JSONDecodeError:
        return match[0]  # half of a surrogate pair


def _refuse(holder: dict[str, Any], key: str, rules: dict[str, Rule], path: tuple[object, ...]) -> None:
    """Refuse what a rule forbids; of several such fields, name the one that says most."""
    rule, value = rules[key], holder[key]
    if value is None:
        return
    each = value if type(value) is list else [value]
    if type(rule) is Never and not any(type(v) is str and v in rule.values for v in each):
        return
    if type(rule) is Strings and all(type(v) is str for v in each):
        return
    if type(rule) is Only:
        if all(type(v) in (str, bool) and v in rule.values for v in each):
            return
        for name, other in rules.items():
            if type(other) is Refuse and holder.get(name) is not None:
                key, rule = name, other
    assert type(rule) in _FORBIDS  # noqa: S101
    why: str = rule.why  # type: ignore[union-attr]
    if type(rule) is Only and type(value) is str:
        why = rule.others.get(value, why)
    raise BadInput(why, source=_spell((path, key)))


def _spell(path: tuple[object, ...]) -> str:
    """``messages[0].content`` from the nested pairs of a walk; only names of the tables are ever in it."""
    steps: list[str] = []
    while path:
        path, step = path  # type: ignore[assignment]
        steps.append(f"[{step}]" if type(step) is int else f".{step}")
    return "".join(reversed(steps)).lstrip(".")


def _rename(holder: dict[str, Any], names: dict[str, str]) -> None:
    """Give keys other names and keep the order of all; keys that mask alike are told apart by a number."""
    items = list(holder.items())
    taken = holder.keys() - names.keys()
    numbers: dict[str, int] = {}
    holder.clear()
    for key, value in items:
        name = new = names.get(key, key)
        while key in names and name in taken:
            numbers[new] = number = numbers.get(new, 1) + 1
            name = f"{new} ({number})"
        taken.add(name)
        holder[name] = value
