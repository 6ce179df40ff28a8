"""The official clients' types, walked: which fields a request can have, by their paths."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args, get_origin, get_type_hints

import typing_extensions

from masquerade.wire.rules import How, Names, Never, Only, Refuse, Strings

_WRAPPERS = (
    typing.Annotated,
    typing.Required,
    typing.NotRequired,
    typing_extensions.Required,
    typing_extensions.NotRequired,
)
_DEEPEST = 12


def fields(
    kind: Any, refused: frozenset[str] = frozenset(), path: str = "", above: tuple[Any, ...] = ()
) -> Iterator[str]:
    """The path of every field below a type, such as ``input[].content[].text``, but for those of records
    whose ``type`` is ``refused``."""
    for hint in _each(kind):
        if _is_record(hint) and hint not in above and len(above) < _DEEPEST:
            told = values(hint, "type")
            if told and told <= refused:
                continue
            for name, below in _fields_of(hint):
                here = f"{path}.{name}".lstrip(".")
                yield here
                yield from fields(below, refused, here, (*above, hint))
        elif _is_list(hint):
            for below in get_args(hint):
                yield from fields(below, refused, path + "[]", above)


def _is_list(hint: Any) -> bool:
    origin = get_origin(hint)
    return (
        isinstance(origin, type) and issubclass(origin, Iterable) and not issubclass(origin, Mapping | tuple)
    )


def _each(hint: Any) -> Iterator[Any]:
    """The members of a union, or the type itself, without what is wrapped around it."""
    origin = get_origin(hint)
    if origin in _WRAPPERS:
        yield from _each(get_args(hint)[0])
    elif origin in (typing.Union, types.UnionType):
        for member in get_args(hint):
            yield from _each(member)
    else:
        yield hint


def _is_record(hint: Any) -> bool:
    return isinstance(hint, type) and (typing_extensions.is_typeddict(hint) or hasattr(hint, "model_fields"))


def _fields_of(record: Any) -> list[tuple[str, Any]]:
    if hasattr(record, "model_fields"):
        return [(field.alias or name, field.annotation) for name, field in record.model_fields.items()]
    return list(get_type_hints(record).items())


def members(kind: Any) -> list[Any]:
    """The records of a union."""
    return [hint for hint in _each(kind) if _is_record(hint)]


def values(record: Any, field: str) -> set[Any]:
    """What a field of literals may be."""
    hint = dict(_fields_of(record)).get(field)
    return {value for each in _each(hint) if get_origin(each) is typing.Literal for value in get_args(each)}


def is_known(rules: Any, path: str) -> bool:
    """Whether tables say what is done with the field at ``path``, or with all below something above it."""
    rule = rules
    for step in path.replace("[]", ".[]").split("."):
        if isinstance(rule, How | Refuse | Only | Never | Strings | Names):
            return True
        if step == "[]":
            rule = rule[0] if isinstance(rule, list) else rule
            continue
        rule = rule[0] if isinstance(rule, list) else rule
        if isinstance(rule, How | Refuse | Only | Never | Strings | Names):
            return True
        if step not in rule:
            return "*" in rule
        rule = rule[step]
    return True
