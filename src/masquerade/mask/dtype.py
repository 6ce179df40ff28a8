"""NumPy's dtypes as JSON, and strings of any length as bytes."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from masquerade.errors import BadInput

Order: TypeAlias = Literal["C", "F"]
"""Of an array's elements."""

_ABSENT: dict[str, Any] = {"none": None, "nan": np.nan}
"""What stands for a missing string, by the name it has in JSON; a text stands for itself."""


def dtype_to_json(dtype: np.dtype[Any]) -> Any:
    """What JSON holds of ``dtype``: NumPy's own description where that gives it back, else its parts by name.

    Raises:
        BadInput: it holds Python objects, or is no dtype of NumPy's own.
    """
    if isinstance(dtype, np.dtypes.StringDType):
        return {"strings": _absent_name(dtype), "coerce": dtype.coerce}
    if dtype.hasobject:
        raise BadInput(
            "an array of Python objects is pointers, not data: give it a dtype of its own, as "
            "array.astype(str), or mask its serialised bytes"
        )
    for describe in (np.lib.format.dtype_to_descr, _parts):
        try:
            described = describe(dtype)
            if dtype_from_json(json.loads(json.dumps(described))) == dtype:  # as it will be read
                return described
        except (ValueError, TypeError, LookupError):
            continue
    raise BadInput(f"{dtype} is no dtype of NumPy's own: view the array as integers of its size")


def dtype_from_json(described: Any) -> np.dtype[Any]:
    """The inverse of :func:`dtype_to_json`."""
    if not isinstance(described, dict):
        return np.lib.format.descr_to_dtype(_tuples(described))
    if "strings" in described:
        return _strings_dtype(described)
    if "base" in described:
        return np.dtype((dtype_from_json(described["base"]), tuple(described["shape"])))
    formats = [dtype_from_json(part) for part in described["formats"]]
    fields: Any = {**described, "formats": formats}
    dtype: np.dtype[Any] = np.dtype(fields)
    return dtype


def _parts(dtype: np.dtype[Any]) -> Any:
    """Fields with their offsets, which may overlap, leave room or stand in any order."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return {"base": dtype_to_json(base), "shape": list(shape)}
    if dtype.fields is None:
        return np.lib.format.dtype_to_descr(dtype)
    fields = [dtype.fields[name] for name in dtype.names or ()]
    return {
        "names": list(dtype.names or ()),
        "formats": [dtype_to_json(field[0]) for field in fields],
        "offsets": [field[1] for field in fields],
        "titles": [field[2] if len(field) > 2 else None for field in fields],
        "itemsize": dtype.itemsize,
    }


def _tuples(descr: Any) -> Any:
    """JSON has lists only; a description is a list of fields, each a tuple of name, description and shape, or
    the tuple of an element's description and a shape."""
    if isinstance(descr, str):
        return descr
    if len(descr) == 2 and all(type(size) is int for size in descr[1]):
        return _tuples(descr[0]), tuple(descr[1])
    return [_field(entry) for entry in descr]


def _field(entry: list[Any]) -> tuple[Any, ...]:
    name = tuple(entry[0]) if isinstance(entry[0], list) else entry[0]
    shape = [tuple(entry[2])] if len(entry) == 3 else []
    return (name, _tuples(entry[1]), *shape)


# -- strings of any length -------------------------------------------------------------------------------


def strings_to_bytes(array: NDArray[Any], order: Order) -> bytes:
    """The strings of an array of ``StringDType``: int64 lengths, -1 for a missing one, then their UTF-8."""
    absent: Any = getattr(array.dtype, "na_object", array)  # which is none of its own elements
    texts = [None if item is absent else item.encode() for item in array.ravel(order=order).tolist()]
    lengths = np.array([-1 if text is None else len(text) for text in texts], "<i8")
    return lengths.tobytes() + b"".join(text for text in texts if text is not None)


def strings_from_bytes(data: bytes, array: NDArray[Any], order: Order) -> None:
    """The inverse: fill ``array``, whose elements are read in ``order``.

    Raises:
        ValueError: the data does not fit the array.
    """
    lengths = np.frombuffer(data, "<i8", array.size)
    at, texts = lengths.nbytes, []
    absent: Any = getattr(array.dtype, "na_object", "")
    for length in lengths.tolist():
        texts.append(absent if length < 0 else data[at : at + length].decode())
        at += max(length, 0)
    if at != len(data):
        raise ValueError("the lengths do not add up")
    array[...] = np.array(texts, array.dtype).reshape(array.shape, order=order)


def _absent_name(dtype: Any) -> Any:
    if not hasattr(dtype, "na_object"):
        return []
    absent = dtype.na_object
    if isinstance(absent, str):
        return [absent]
    if absent is None:
        return "none"
    if isinstance(absent, float) and np.isnan(absent):
        return "nan"
    raise BadInput(
        "strings whose missing ones are an object of your own cannot be given back: take None, NaN or a text"
    )


def _strings_dtype(described: dict[str, Any]) -> np.dtype[Any]:
    told, coerce = described["strings"], described["coerce"]
    if told == []:
        return np.dtypes.StringDType(coerce=coerce)
    absent = told[0] if isinstance(told, list) else _ABSENT[told]
    return np.dtypes.StringDType(na_object=absent, coerce=coerce)
