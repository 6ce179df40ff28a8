"""What tests of packages share: people, entries, a package in memory, and its parts taken apart."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import Any

from masquerade import crypto, seal
from masquerade.keys import Identity
from masquerade.seal.envelope import _signed

OWNER, RECEIVER, OTHER = (Identity(bytes([n]) * 32) for n in (1, 2, 3))
FILES = {"model/weights.bin": bytes(range(256)) * 9, "model/notes.txt": b"canary-text", "empty": b""}
PRELUDE = 108


def entry(name: str, data: bytes) -> seal.Entry:
    return seal.Entry(name, len(data), lambda: io.BytesIO(data))


def package(files: Mapping[str, bytes] = FILES, *to: Identity, by: Identity = OWNER, **more: Any) -> bytes:
    """A package with pieces of 1 KiB, for ``to`` (RECEIVER)."""
    more = {"sequence": 5, "piece_bytes": 1024} | more
    out = io.BytesIO()
    recipients = [who if isinstance(who, seal.Recipient) else seal.Recipient.of(who) for who in to]
    entries = [entry(name, data) for name, data in files.items()]
    seal.seal(out, entries, recipients or [seal.Recipient.of(RECEIVER)], by, **more)
    return out.getvalue()


def opened(data: bytes, who: Identity = RECEIVER, signer: str | None = OWNER.public) -> dict[str, bytes]:
    """All that is in a package."""
    found = seal.open(io.BytesIO(data), who, signer)
    files = {member.name: found.read(member.name) for member in found.manifest.members}
    found.finish()
    return files


def split(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Prelude, header, and what is behind them."""
    size = int.from_bytes(data[8:12], "little")
    return data[:PRELUDE], data[PRELUDE : PRELUDE + size], data[PRELUDE + size :]


def signed(header: bytes, rest: bytes, by: Identity = OWNER) -> bytes:
    """A package with this header, rightly signed: what only a dishonest signer can make."""
    signer = by.signer.public
    prelude = struct.pack(
        "<8sI32s64s", b"mqseal1\n", len(header), signer, by.signer.sign(_signed(signer, header))
    )
    return prelude + header + rest


def rebuilt(data: bytes, **changes: bytes) -> bytes:
    """``data`` with fields of its header replaced, signed again."""
    _, header, rest = split(data)
    fields = take_apart(header) | changes
    return signed(b"".join(fields.values()), rest)


def take_apart(header: bytes) -> dict[str, bytes]:
    """The fields of a header, in order."""
    fields, at = {}, 0

    def take(name: str, n: int) -> bytes:
        nonlocal at
        fields[name], at = header[at : at + n], at + n
        return fields[name]

    take("exponent", 1)
    stanzas = b""
    for _ in range(take("count", 1)[0]):
        kem = crypto.Kem(int.from_bytes(take("one", 2), "big"))
        stanzas += fields["one"] + take("one", 32 + 32 + kem.added)
    fields.pop("one")
    fields["stanzas"] = stanzas
    take("commitment", 32)
    take("size", 8)
    take("digest", 32)
    for name in ("public", "sealed"):
        take(name + " size", 4)
        take(name, int.from_bytes(fields[name + " size"], "little"))
    assert at == len(header)
    return fields
