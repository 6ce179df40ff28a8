"""Clients, rounds and messages for tests, the same at every run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from masquerade import crypto
from masquerade.compute.field import Words
from masquerade.compute.messages import Kind
from masquerade.compute.protocol import Aggregator, Client, Round

STAGES = (Kind.KEYS, Kind.SHARES, Kind.UPLOAD, Kind.SIGNATURE, Kind.OPENING)


def signers(count: int) -> list[crypto.Signer]:
    return [crypto.Signer(crypto.sha256(b"identity" + i.to_bytes(4, "little"))) for i in range(count)]


def seeds(count: int, label: str = "seed") -> list[bytes]:
    return [crypto.sha256(label.encode() + i.to_bytes(4, "little")) for i in range(count)]


def a_round(count: int, length: int = 7, **more: Any) -> Round:
    told: dict[str, Any] = {"session": crypto.sha256(b"session"), "task": crypto.sha256(b"task")} | more
    told.setdefault("roster", tuple(signer.public for signer in signers(count)))
    return Round(length=length, **told)


def vectors(round: Round, seed: int = 1) -> list[Words]:
    """Test data, no secret: NumPy's generator will do."""
    generator = np.random.default_rng(seed)
    return [
        generator.integers(0, 1 << round.bits, round.length, dtype=round.dtype)
        for _ in range(len(round.roster))
    ]


class Table:
    """A round played by hand up to some stage, so that a test can bend what comes next."""

    def __init__(self, round: Round, words: list[Words] | None = None, label: str = "seed") -> None:
        self.round = round
        self.words = vectors(round) if words is None else words
        count = len(round.roster)
        self.aggregator = Aggregator(round)
        self.clients = [
            Client(round, i, signer, self.words[i], seed)
            for i, (signer, seed) in enumerate(zip(signers(count), seeds(count, label), strict=True))
        ]
        self.log: dict[Kind, dict[int, bytes]] = {}
        self.sent = {i: client.start() for i, client in enumerate(self.clients)}
        self.log[Kind.KEYS] = dict(self.sent)
        self.given: dict[int, bytes] = {}

    def play(self, until: Kind, silent: Mapping[int, Kind] | None = None) -> Table:
        """Go on until ``until`` is what the clients have just been given, or, if odd, have just sent."""
        while True:
            kind = self.aggregator.stage
            self.log[kind] = dict(self.sent)
            if kind == until:
                return self
            for i, message in self.sent.items():
                if (silent or {}).get(i, Kind.OPENING + 1) > kind:
                    self.aggregator.receive(message)
            self.given = self.aggregator.close()
            self.log[Kind(kind + 1)] = dict(self.given)
            if kind + 1 == until:
                return self
            self.sent = {i: self.clients[i].receive(message) for i, message in self.given.items()}


def total(words: list[Words], members: tuple[int, ...]) -> Words:
    out = np.zeros_like(words[0])
    for i in members:
        out += words[i]
    return out


def chi_square(data: bytes) -> float:
    """Of the counts of byte values against equal ones; 255 degrees of freedom, standard deviation 22.6."""
    counts = np.bincount(np.frombuffer(data, np.uint8), minlength=256)
    expected = len(data) / 256
    return float(((counts - expected) ** 2 / expected).sum())


# 99.9999 % of uniform data lies between.
LOW, HIGH = 160.0, 378.0
