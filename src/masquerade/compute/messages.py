"""The messages of a secure sum: each has one encoding, and nothing else is read.

    head    "mqs1" | kind (1) | context (32) | client (4)      41 bytes, in front of every message
    body    by kind; numbers are little-endian, tables are a count and rows of fixed size

``client`` is the sender of what a client sends, and the addressee of what the aggregator sends. The sizes of
all bodies follow from the round, so a message of another length is refused before it is looked at. See
docs/spec/compute.md.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masquerade.errors import ProtocolProblem

MAGIC = b"mqs1"
CONTEXT_BYTES = 32
HEAD_BYTES = len(MAGIC) + 1 + CONTEXT_BYTES + 4

SECRET_BYTES = 32
"""Of the key behind the masks between two, and of the seed of one's own mask."""

SEALED_BYTES = 2 * SECRET_BYTES + 16
"""A share of both, and a tag."""


class Kind(IntEnum):
    """What a message is; odd kinds go to the aggregator, even ones come from it."""

    KEYS = 1
    PEERS = 2
    SHARES = 3
    SEALED = 4
    UPLOAD = 5
    SURVIVORS = 6
    SIGNATURE = 7
    SIGNATURES = 8
    OPENING = 9


KEYS = np.dtype(
    [("masks", "u1", 32), ("channel", "u1", 32), ("commitment", "u1", 32), ("signature", "u1", 64)]
)
PEER = np.dtype([("client", "<u4"), ("keys", KEYS)])
SEALED = np.dtype([("client", "<u4"), ("sealed", "u1", SEALED_BYTES)])
SIGNATURE = np.dtype([("client", "<u4"), ("signature", "u1", 64)])
OPENING = np.dtype([("client", "<u4"), ("secret", "u1"), ("share", "u1", SECRET_BYTES)])

MASK_KEY, SELF_MASK = 0, 1
"""Which secret of a client a share in an OPENING is of."""

Rows = NDArray[Any]


def head(kind: Kind, context: bytes, client: int) -> bytes:
    """The bytes in front of a message."""
    return MAGIC + bytes([kind]) + context + client.to_bytes(4, "little")


def table(rows: Rows) -> bytes:
    """A count and the rows."""
    return len(rows).to_bytes(4, "little") + rows.tobytes()


def read_head(message: bytes | memoryview) -> tuple[Kind, bytes, int, memoryview]:
    """Kind, context, client and body of a message.

    Raises:
        ProtocolProblem: it is too short, of another protocol or version, or of no known kind.
    """
    view = memoryview(message)
    if len(view) < HEAD_BYTES:
        raise ProtocolProblem(f"a message of {len(view)} bytes is too short to be one of a secure sum")
    if view[: len(MAGIC)] != MAGIC:
        raise ProtocolProblem("this is no message of a secure sum, or one of another version")
    try:
        kind = Kind(view[len(MAGIC)])
    except ValueError:
        raise ProtocolProblem(f"a message of the unknown kind {view[len(MAGIC)]}") from None
    client = int.from_bytes(view[HEAD_BYTES - 4 : HEAD_BYTES], "little")
    context = bytes(view[len(MAGIC) + 1 : len(MAGIC) + 1 + CONTEXT_BYTES])
    return kind, context, client, view[HEAD_BYTES:]


def read_record(body: memoryview, dtype: np.dtype[Any], kind: Kind) -> Rows:
    """The one record that ``body`` is: of shape (1,)."""
    if len(body) != dtype.itemsize:
        raise ProtocolProblem(f"{kind.name} has a body of {len(body)} bytes, where {dtype.itemsize} belong")
    return np.frombuffer(body, dtype)


def read_table(body: memoryview, dtype: np.dtype[Any], kind: Kind, most: int) -> Rows:
    """The rows of a table, whose clients must ascend; (n,) with n <= ``most``.

    Raises:
        ProtocolProblem: the length is not that of the count, the count is too large, or clients do not
            ascend.
    """
    if len(body) < 4:
        raise ProtocolProblem(f"{kind.name} has no table")
    count = int.from_bytes(body[:4], "little")
    if count > most:
        raise ProtocolProblem(f"{kind.name} has {count:,} rows, where at most {most:,} belong")
    if len(body) != 4 + count * dtype.itemsize:
        raise ProtocolProblem(f"{kind.name} has {len(body)} bytes, which is not the size of {count:,} rows")
    rows = np.frombuffer(body, dtype, offset=4)
    clients = rows["client"].astype(np.int64)
    if (np.diff(clients) <= 0).any():
        raise ProtocolProblem(f"the rows of {kind.name} do not ascend by client, each once")
    return rows


def bits(members: NDArray[np.bool_]) -> bytes:
    """A set of clients, bool of shape (clients,), as a bit each, the first in the lowest bit."""
    return np.packbits(members, bitorder="little").tobytes()


def read_sets(body: memoryview, clients: int, kind: Kind) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Two sets of clients, as :func:`bits` wrote them, one after the other."""
    size = (clients + 7) // 8
    if len(body) != 2 * size:
        raise ProtocolProblem(f"{kind.name} has a body of {len(body)} bytes, where {2 * size} belong")
    both = np.unpackbits(np.frombuffer(body, np.uint8).reshape(2, size), axis=1, bitorder="little")
    if both[:, clients:].any():
        raise ProtocolProblem(f"{kind.name} names clients that are not in the roster")
    sets = both[:, :clients].astype(bool)
    return sets[0], sets[1]
