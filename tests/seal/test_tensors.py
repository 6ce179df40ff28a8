"""Tensors of a package: read one by one, and only where the shard holds together."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest

from masquerade import seal
from masquerade.errors import BadInput, Tampered
from tests.seal.rig import OWNER, RECEIVER, package, split

pytest.importorskip("safetensors", reason="safetensors is not installed")
from safetensors.numpy import save

from masquerade.seal.tensors import Shard

ARRAYS = {
    "layer.weight": np.arange(600, dtype=np.float32).reshape(20, 30),
    "layer.bias": np.arange(30, dtype=np.float64),
    "flags": np.array([True, False, True]),
    "none": np.zeros((0, 5), np.int64),
    "one": np.array(7, np.int16),
}


def shard(data: bytes, **more: Any) -> Shard:
    packed = package({"other": b"12345", "m.safetensors": data})
    return Shard(seal.open(io.BytesIO(packed), RECEIVER, OWNER.public), "m.safetensors", **more)


def test_tensors_come_back() -> None:
    found = shard(save(ARRAYS, {"format": "np"}), framework="numpy")
    assert set(found) == set(ARRAYS)
    assert found.metadata == {"format": "np"}
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    with pytest.raises(KeyError):
        found["absent"]
    assert "layer" not in repr(found)


def test_tensors_of_torch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from safetensors.torch import save as torch_save

    told = {"w": torch.arange(10, dtype=torch.bfloat16), "f": torch.zeros(2, 3)}
    found = shard(torch_save(told))
    assert all(torch.equal(found[name], tensor) for name, tensor in told.items())
    assert found["w"].dtype is torch.bfloat16


def test_a_tensor_whose_piece_was_changed_is_not_given() -> None:
    packed = bytearray(package({"m.safetensors": save(ARRAYS)}))
    payload = len(split(bytes(packed))[0]) + len(split(bytes(packed))[1])
    packed[payload + 1040 * 2 + 7] ^= 4
    found = Shard(seal.open(io.BytesIO(bytes(packed)), RECEIVER, OWNER.public), "m.safetensors", "numpy")
    refused = 0
    for name in found:
        try:
            np.testing.assert_array_equal(found[name], ARRAYS[name])
        except Tampered:
            refused += 1
    assert 0 < refused < len(found)


def raw(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def tensor(
    dtype: object = "U8", shape: object = (4,), offsets: object = (0, 4), **more: object
) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1234567",
        raw({}, length=0),
        raw({}, length=3),
        raw({}, length=2**63),
        raw({}, length=2**64 - 1),
        raw({}, b"x"),
        raw(b"[]"),
        raw(b"  {}"),
        raw(b"\xff{}"),
        raw(b"[" * 100_000),
        raw(b'{"a":%s,"a":%s}' % ((json.dumps(tensor()).encode(),) * 2), b"1234"),
        raw({"__metadata__": []}),
        raw({"__metadata__": {"a": 1}}),
        raw({"a": []}),
        raw({"a": tensor()}, b"123"),
        raw({"a": tensor()}, b"12345"),
        raw({"a": tensor(dtype="PICKLE")}, b"1234"),
        raw({"a": tensor(dtype=["U8"])}, b"1234"),
        raw({"a": tensor(shape=[5])}, b"1234"),
        raw({"a": tensor(shape=[-4])}, b"1234"),
        raw({"a": tensor(shape=[-2, -2])}, b"1234"),
        raw({"a": tensor(shape=[True, 4])}, b"1234"),
        raw({"a": tensor(shape=[4.0])}, b"1234"),
        raw({"a": tensor(shape=4)}, b"1234"),
        raw({"a": tensor(shape=[1] * 65, offsets=[0, 1])}, b"1"),
        raw({"a": tensor(shape=[2**62, 4], offsets=[0, 4])}, b"1234"),
        raw({"a": tensor(offsets=[4, 0])}, b"1234"),
        raw({"a": tensor(offsets=[-4, 0])}, b"1234"),
        raw({"a": tensor(offsets=[0])}, b"1234"),
        raw({"a": tensor(offsets=[0, 4, 8])}, b"1234"),
        raw({"a": tensor(offsets=[1, 5])}, b"12345"),
        raw({"a": tensor(more=1)}, b"1234"),
        raw({"a": tensor(), "b": tensor()}, b"1234"),
        raw({"a": tensor(), "b": tensor(offsets=[2, 6])}, b"123456"),
        raw({"a": tensor(), "b": tensor(offsets=[5, 9])}, b"123456789"),
    ],
    ids=str,
)  # fmt: skip
def test_shards_that_do_not_hold_together_are_refused(data: bytes) -> None:
    with pytest.raises(BadInput, match="safetensors file"):
        shard(data, framework="numpy")


def test_the_library_agrees_on_what_is_good() -> None:
    from safetensors.numpy import load

    for header, data in (
        ({"a": tensor()}, b"1234"),
        ({"a": tensor(), "b": tensor(offsets=[4, 8])}, b"12345678"),
    ):
        text = json.dumps(header).encode()
        text = text.ljust(-(-len(text) // 8) * 8)
        assert set(load(raw(text, data))) == set(shard(raw(text, data), framework="numpy"))
    with pytest.raises(BadInput, match="no such file"):
        Shard(shard(save(ARRAYS))._package, "absent", "numpy")
