"""What the bytes of a masked message are: bytes, an array or a tensor, and the memory in which these lie."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from masquerade.errors import BadInput

Tensor: TypeAlias = Any
"""A ``torch.Tensor``: PyTorch is looked at only if it is loaded, and loaded only to give a tensor back."""


@dataclass(frozen=True)
class Content:
    """What the bytes of a masked message are. It is sealed with them.

    ``dtype`` is NumPy's description of an array's dtype (``numpy.lib.format.dtype_to_descr``), or the name of
    a tensor's; ``order`` is the order of an array's elements. ``note`` is for callers: what JSON holds.
    """

    form: Literal["bytes", "array", "tensor"] = "bytes"
    dtype: Any = None
    shape: tuple[int, ...] = ()
    order: Literal["C", "F"] = "C"
    note: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, array: NDArray[Any]) -> Content:
        """The content that describes ``array``.

        Raises:
            BadInput: its dtype holds Python objects.
        """
        order: Literal["C", "F"] = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        return cls("array", dtype_to_json(array.dtype), array.shape, order)

    def packed(self) -> bytes:
        """As bytes, to be sealed."""
        fields = {"form": self.form, "dtype": self.dtype, "shape": self.shape, "order": self.order}
        return json.dumps({**fields, "note": dict(self.note)}, separators=(",", ":")).encode()

    @classmethod
    def unpacked(cls, packed: bytes) -> Content:
        """The inverse of :meth:`packed`; only for bytes that were authenticated."""
        told = json.loads(packed)
        return cls(told["form"], told["dtype"], tuple(told["shape"]), told["order"], told["note"])


def dtype_to_json(dtype: np.dtype[Any]) -> Any:
    """NumPy's description of ``dtype``, as JSON holds it.

    Raises:
        BadInput: it holds Python objects, or its description does not give it back.
    """
    if dtype.hasobject:
        raise BadInput(
            "an array of Python objects is pointers, not data: give it a dtype of its own, as "
            "array.astype(str), or mask its serialised bytes"
        )
    try:
        descr = np.lib.format.dtype_to_descr(dtype)
        same = dtype_from_json(json.loads(json.dumps(descr))) == dtype  # as it will be read
    except (ValueError, TypeError, LookupError):
        same = False
    if not same:
        raise BadInput(
            f"NumPy's file format cannot describe {dtype}: view it as integers of its size; fields that "
            "overlap or are out of order need numpy.lib.recfunctions.repack_fields"
        )
    return descr


def dtype_from_json(descr: Any) -> np.dtype[Any]:
    """The inverse of :func:`dtype_to_json`."""
    return np.lib.format.descr_to_dtype(_tuples(descr))


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


def taken(data: Any) -> tuple[Content, memoryview]:
    """What ``data`` is, and its bytes, in place where they lie in one piece."""
    if isinstance(data, bytes | bytearray | memoryview):
        view = memoryview(data)
        in_place = view.c_contiguous and view.nbytes
        return Content(), view.cast("B") if in_place else memoryview(view.tobytes())
    if (torch := sys.modules.get("torch")) is not None and isinstance(data, torch.Tensor):
        return _taken_tensor(data, torch)
    if not isinstance(data, np.ndarray | np.generic):
        raise BadInput(f"bytes, arrays and tensors can be masked, and this is a {type(data).__name__}")
    array = plain(data)
    content = Content.of(array)
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = np.ascontiguousarray(array).reshape(array.shape)
    return content, _bytes_of(array, content.order)


def _bytes_of(array: NDArray[Any], order: str) -> memoryview:
    """The memory of a contiguous array."""
    if not array.nbytes:
        return memoryview(bytearray())
    return (array.T if order == "F" else array).reshape(-1).view(np.uint8).data


def _taken_tensor(data: Any, torch: Any) -> tuple[Content, memoryview]:
    if data.layout is not torch.strided or data.is_quantized or data.is_nested or data.is_meta:
        raise BadInput(
            "only dense tensors can be masked: give the parts of a sparse, nested or quantized one; one on "
            "the meta device has no data"
        )
    tensor = data.detach().resolve_conj().resolve_neg().cpu().contiguous()
    name = str(tensor.dtype).removeprefix("torch.")
    return Content("tensor", name, tuple(tensor.shape)), _tensor_bytes(tensor, torch)


def _tensor_bytes(tensor: Any, torch: Any) -> memoryview:
    if not tensor.numel():
        return memoryview(bytearray())
    # A tensor of one element counts as contiguous whatever its stride, and then cannot be viewed as bytes.
    flat = tensor.reshape(-1).as_strided((tensor.numel(),), (1,))
    view: memoryview = flat.view(torch.uint8).numpy().data
    return view


def encoded(name: str, what: str) -> bytes:
    """A name in UTF-8.

    Raises:
        BadInput: it has half a character, which UTF-8 does not hold.
    """
    try:
        return name.encode()
    except UnicodeEncodeError:
        raise BadInput(f"{what} has half of a character (a lone surrogate): give whole text") from None


def plain(values: Any) -> NDArray[Any]:
    """``values`` as an array.

    Raises:
        BadInput: a masked array, whose hidden values would show.
    """
    if isinstance(values, np.ma.MaskedArray):
        raise BadInput("a masked array is two arrays: mask its data and its mask each by itself")
    return np.asarray(values)


def flat(buffer: Any, what: str) -> NDArray[np.uint8]:
    """The bytes of a buffer in one piece."""
    if isinstance(buffer, np.ndarray) and (buffer.dtype != np.uint8 or not buffer.flags.c_contiguous):
        raise BadInput(f"{what} is bytes, or a contiguous array of uint8")
    try:
        return np.frombuffer(buffer, np.uint8) if len(buffer) else np.empty(0, np.uint8)
    except (TypeError, ValueError, BufferError):
        raise BadInput(f"{what} is bytes, or a contiguous array of uint8") from None


def room_of(out: Any, wanted: int) -> NDArray[np.uint8]:
    room = flat(out, "a buffer to write to")
    if len(room) < wanted or not room.flags.writeable:
        raise BadInput(f"the buffer to write to needs {wanted:,} writable bytes, and this has {len(room):,}")
    return room[:wanted]


def target_of(content: Content, total: int, out: Any) -> tuple[memoryview, Any]:
    """Where the data goes, and what is returned when it is there (or the function that makes it)."""
    if content.form == "bytes":
        if out is not None:
            room = room_of(out, total)
            return room.data, room
        fresh = np.empty(total, np.uint8)
        return fresh.data, fresh.tobytes
    if content.form == "tensor":
        import torch

        dtype = getattr(torch, content.dtype)
        tensor = torch.empty(content.shape, dtype=dtype) if out is None else out
        if not isinstance(tensor, torch.Tensor) or (tensor.dtype, tuple(tensor.shape)) != (
            dtype,
            content.shape,
        ):
            raise BadInput(f"the tensor to write to must be of {dtype} and shape {content.shape}")
        if not tensor.is_contiguous() or tensor.device.type != "cpu" or tensor.requires_grad:
            raise BadInput("the tensor to write to must be contiguous, in main memory, and no parameter")
        return _fitting(_tensor_bytes(tensor, torch), total), tensor
    dtype = dtype_from_json(content.dtype)
    if math.prod(content.shape) * dtype.itemsize != total:
        raise BadInput("the message's content does not fit its data")
    array = np.empty(content.shape, dtype, content.order) if out is None else out
    if not isinstance(array, np.ndarray) or (array.dtype, array.shape) != (dtype, content.shape):
        raise BadInput(f"the array to write to must be of {dtype} and shape {content.shape}")
    in_order = array.flags.c_contiguous if content.order == "C" else array.flags.f_contiguous
    if not in_order or not array.flags.writeable:
        raise BadInput(f"the array to write to must be writable and contiguous in {content.order} order")
    return _fitting(_bytes_of(array, content.order), total), array


def _fitting(target: memoryview, total: int) -> memoryview:
    if len(target) != total:
        raise BadInput("the message's content does not fit its data")
    return target
