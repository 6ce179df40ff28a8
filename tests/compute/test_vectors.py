"""The vectors of docs/spec/compute.md, against the product and against a second implementation.

``python tests/compute/test_vectors.py`` writes the file anew, after a change of the format.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from masquerade import crypto
from masquerade.compute import messages
from masquerade.compute.field import FixedPoint
from masquerade.compute.messages import Kind
from masquerade.compute.protocol import Client, Round
from masquerade.errors import ProtocolProblem
from tests.compute import reference
from tests.compute.rig import Table, a_round, seeds, signers, vectors

FILE = Path(__file__).parent.parent / "vectors" / "sums.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def round_of(vector: dict[str, Any]) -> Round:
    return Round(
        session=bytes.fromhex(vector["session"]),
        roster=tuple(bytes.fromhex(key) for key in vector["roster"]),
        task=bytes.fromhex(vector["task"]),
        length=vector["length"],
        bits=vector["bits"],
        number=vector["number"],
        corrupt=vector["corrupt"],
        dropped=vector["dropped"],
        semi_honest=vector["semi_honest"],
    )


def table_of(vector: dict[str, Any]) -> Table:
    round = round_of(vector)
    return Table(round, [np.array(client["words"], round.dtype) for client in vector["clients"]])


def silent_of(vector: dict[str, Any]) -> dict[int, Kind]:
    return {int(i): Kind(kind) for i, kind in vector["silent"].items()}


@pytest.mark.parametrize("vector", VECTORS.get("rounds", ()), ids=lambda vector: vector["name"])
def test_rounds(vector: dict[str, Any]) -> None:
    round = round_of(vector)
    assert (round.plan.degree, round.plan.threshold, round.plan.minimum) == (
        vector["degree"],
        vector["threshold"],
        vector["minimum"],
    )
    assert round.context.hex() == vector["context"]
    table = table_of(vector).play(Kind.OPENING, silent_of(vector))
    for message in (table.sent[i] for i in table.sent if i not in silent_of(vector)):
        table.aggregator.receive(message)
    got = table.aggregator.finish()
    assert list(got.survivors) == vector["survivors"]
    assert got.words.tolist() == vector["sum"]
    for kind, told in vector["messages"].items():
        log = table.log[Kind[kind]]
        assert {i: log[int(i)].hex() for i in told} == told, kind


@pytest.mark.parametrize("vector", VECTORS.get("rounds", ()), ids=lambda vector: vector["name"])
def test_a_second_implementation_says_the_same(vector: dict[str, Any]) -> None:
    assert reference.context(vector).hex() == vector["context"]
    for kind, told in reference.play(vector).items():
        assert {str(i): message.hex() for i, message in told.items()} == vector["messages"][Kind(kind).name]


@pytest.mark.parametrize("bad", VECTORS.get("bad", ()), ids=lambda bad: bad["name"])
def test_bad_messages(bad: dict[str, Any]) -> None:
    """Each is refused by the one it is for, at the stage where it comes."""
    vector = next(v for v in VECTORS["rounds"] if v["name"] == bad["round"])
    kind = Kind[bad["instead_of"]]
    table = table_of(vector).play(kind, silent_of(vector))
    receiver = table.aggregator if kind % 2 else table.clients[bad["client"]]
    with pytest.raises(ProtocolProblem):
        receiver.receive(bytes.fromhex(bad["message"]))
    good = table.log[kind][bad["client"]]
    fresh = table_of(vector).play(kind, silent_of(vector))
    (fresh.aggregator if kind % 2 else fresh.clients[bad["client"]]).receive(good)


@pytest.mark.parametrize("vector", VECTORS.get("rings", ()), ids=lambda vector: str(vector["clients"]))
def test_rings(vector: dict[str, Any]) -> None:
    round = a_round(
        vector["clients"], roster=tuple(i.to_bytes(32, "little") for i in range(vector["clients"]))
    )
    assert round.context.hex() == vector["context"]
    plan = round.plan
    assert [plan.degree, plan.threshold, plan.minimum] == vector["plan"]
    near = round.graph.neighbours(0)
    assert near.tolist() == vector["neighbours_of_0"]
    assert round.graph.places(0, near).tolist() == vector["places"]


@pytest.mark.parametrize("vector", VECTORS.get("wide", ()), ids=lambda vector: str(vector["clients"]))
def test_shares_of_rounds_with_more_than_255_clients(vector: dict[str, Any]) -> None:
    client, told = _wide_client(vector["clients"])
    assert client.round.context.hex() == vector["context"]
    holders = [int(i) for i in vector["shares"]]
    shares = client._split(np.arange(vector["clients"]))
    party = reference.Party(told, client.index)
    for holder in holders:
        share = vector["shares"][str(holder)]
        assert shares[holder].tobytes().hex() == share
        assert party.share_at(holder + 1).hex() == share


@pytest.mark.parametrize("vector", VECTORS.get("numbers", ()), ids=lambda vector: str(vector["format"]))
def test_numbers(vector: dict[str, Any]) -> None:
    fixed = FixedPoint(*vector["format"])
    assert fixed.encode(vector["values"], clients=vector["clients"]).words.tolist() == vector["words"]


# -- writing them ----------------------------------------------------------------------------------------


def _round(name: str, count: int, silent: dict[int, Kind], **more: Any) -> dict[str, Any]:
    round = a_round(count, 4, **more)
    words = vectors(round)
    table = Table(round, words).play(Kind.OPENING, silent)
    for i, message in table.sent.items():
        if i not in silent:
            table.aggregator.receive(message)
    got = table.aggregator.finish()
    log = {
        kind.name: {
            str(i): m.hex() for i, m in table.log[kind].items() if silent.get(i, Kind.OPENING + 1) > kind
        }
        for kind in Kind
    }
    return {
        "name": name,
        "session": round.session.hex(),
        "roster": [key.hex() for key in round.roster],
        "task": round.task.hex(),
        "number": round.number,
        "length": round.length,
        "bits": round.bits,
        "corrupt": round.corrupt,
        "dropped": round.dropped,
        "semi_honest": round.semi_honest,
        "degree": round.plan.degree,
        "threshold": round.plan.threshold,
        "minimum": round.plan.minimum,
        "context": round.context.hex(),
        "clients": [
            {
                "identity": crypto.sha256(b"identity" + i.to_bytes(4, "little")).hex(),
                "randomness": seeds(count)[i].hex(),
                "words": words[i].tolist(),
            }
            for i in range(len(signers(count)))
        ],
        "silent": {str(i): int(kind) for i, kind in silent.items()},
        "messages": log,
        "survivors": list(got.survivors),
        "sum": got.words.tolist(),
    }


def _wide_client(count: int) -> tuple[Client, dict[str, Any]]:
    """The client 1 of a round of so many, and what a second implementation needs to know of it."""
    round = a_round(count, 1)
    client = Client(round, 1, signers(2)[1], np.zeros(1, np.uint32), seeds(2)[1])
    told = {name: getattr(round, name).hex() for name in ("session", "task")}
    told |= {name: getattr(round, name) for name in ("number", "length", "bits")}
    told |= {name: getattr(round.plan, name) for name in ("degree", "threshold", "minimum")}
    told["roster"] = [key.hex() for key in round.roster]
    own = {"identity": bytes(32).hex(), "randomness": seeds(2)[1].hex(), "words": [0]}
    return client, told | {"clients": {1: own}}


def _wide(count: int) -> dict[str, Any]:
    client, _ = _wide_client(count)
    shares = client._split(np.arange(count))
    return {
        "clients": count,
        "context": client.round.context.hex(),
        "threshold": client.round.plan.threshold,
        "client": 1,
        "randomness": seeds(2)[1].hex(),
        "shares": {str(holder): shares[holder].tobytes().hex() for holder in (0, 1, 254, 255, count - 1)},
    }


def _bad(vector: dict[str, Any]) -> list[dict[str, Any]]:
    out = []
    n = len(vector["roster"])
    size = (n + 7) // 8

    def add(name: str, kind: Kind, client: int, message: bytes) -> None:
        out.append(
            {
                "name": name, "round": vector["name"], "instead_of": kind.name, "client": client,
                "message": message.hex(),
            }
        )  # fmt: skip

    for kind in Kind:
        good = bytes.fromhex(vector["messages"][kind.name]["1"])
        head, body = good[: messages.HEAD_BYTES], good[messages.HEAD_BYTES :]
        add(f"{kind.name}: one byte too few", kind, 1, good[:-1])
        add(f"{kind.name}: one byte too many", kind, 1, good + b"\0")
        add(f"{kind.name}: of another version", kind, 1, b"mqs2" + good[4:])
        add(f"{kind.name}: of another round", kind, 1, good[:5] + crypto.sha256(good[5:37]) + good[37:])
        add(f"{kind.name}: a client beyond the roster", kind, 1, good[:37] + n.to_bytes(4, "little") + body)
        if kind in (Kind.KEYS, Kind.PEERS, Kind.SIGNATURE, Kind.SIGNATURES, Kind.SEALED):
            add(f"{kind.name}: its last bit flipped", kind, 1, good[:-1] + bytes([good[-1] ^ 1]))
        if kind in (Kind.PEERS, Kind.SHARES, Kind.SEALED, Kind.SIGNATURES, Kind.OPENING):
            count = int.from_bytes(body[:4], "little")
            row = (len(body) - 4) // count
            rows = [body[4 + i * row : 4 + (i + 1) * row] for i in range(count)]
            add(
                f"{kind.name}: rows out of order",
                kind,
                1,
                head + body[:4] + b"".join([rows[1], rows[0], *rows[2:]]),
            )
            add(
                f"{kind.name}: one client twice",
                kind,
                1,
                head + body[:4] + b"".join([rows[0], rows[0], *rows[2:]]),
            )
            add(f"{kind.name}: a false count", kind, 1, head + b"\xff\xff\xff\xff" + body[4:])
        if kind == Kind.SURVIVORS:
            both = body[:size] + body[:size]
            add("SURVIVORS: all stay and are gone", kind, 1, head + both)
            add("SURVIVORS: its reader is gone", kind, 1, head + bytes([body[0] & ~2]) + bytes([body[1] | 2]))
            add("SURVIVORS: too few stay", kind, 1, head + bytes([2]) + bytes([(1 << n) - 3]))
            add("SURVIVORS: beyond the roster", kind, 1, head + bytes([body[0] | 0x80]) + body[1:])
            add("SURVIVORS: one who shared is nowhere", kind, 1, head + body[:size] + bytes(size))
    return out


def _write() -> None:
    rounds = [
        _round("five, one gone after sharing", 5, {4: Kind.UPLOAD}),
        _round("four of 64 bits, all stay", 4, {}, bits=64, number=7),
        _round("ten, one gone at each stage", 10, {0: Kind.KEYS, 3: Kind.SHARES, 9: Kind.UPLOAD},
               semi_honest=True),
        _round("seven, one gone before it signs", 7, {2: Kind.SIGNATURE}, corrupt=0.1),
    ]  # fmt: skip
    rings = []
    for count in (300, 301, 1000):
        round = a_round(count, roster=tuple(i.to_bytes(32, "little") for i in range(count)))
        plan, near = round.plan, round.graph.neighbours(0)
        rings.append(
            {
                "clients": count,
                "context": round.context.hex(),
                "plan": [plan.degree, plan.threshold, plan.minimum],
                "neighbours_of_0": near.tolist(),
                "places": round.graph.places(0, near).tolist(),
            }
        )
    values = [0.0, 1.0, -1.0, 0.5, -0.25, 1.99, -2.0, 2.0, 0.001953125, 0.005859375]
    numbers = [
        {
            "format": form,
            "clients": 100,
            "values": values,
            "words": FixedPoint(*form).encode(values, clients=100).words.tolist(),
        }
        for form in ([32, 8, 2.0], [64, 30, 2.0], [32, 0, 2.0])
    ]
    told = {
        "rounds": rounds,
        "bad": _bad(rounds[0]),
        "rings": rings,
        "wide": [_wide(256), _wide(300)],
        "numbers": numbers,
    }
    FILE.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write()
