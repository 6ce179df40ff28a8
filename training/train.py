"""Train the model that finds names, and write its files: ``python -m training.train``.

Every draw comes from ``--seed``; on CPU, with the same packages and ``--threads``, the files are the same to
the bit.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from masquerade.mask.normal import Normal
from masquerade.mask.words import Class, cut, seen
from training import lists
from training.corpora import KINDS
from training.example import Example
from training.examples import trained_on
from training.network import LABELS, REACH, Network, export, quantised_table

OUTPUT = Path(__file__).parents[1] / "src" / "masquerade" / "mask" / "data"
BIASES = {"PERSON": 1.2, "LOCATION": 1.0, "ORGANIZATION": 0.9, "ADDRESS": 2.0}
"""What is added to the scores of a kind: a miss costs more than a false find. Chosen on texts trained on."""


UNKNOWN, BLANK = -100, -200
"""Labels of a word of which a corpus says nothing, and of none, between two texts."""


_KEPT = 0.998
"""Of the running mean of weights, from step to step (Polyak and Juditsky, 1992)."""


class Encoded(NamedTuple):
    """An example as the network takes it."""

    rows: NDArray[np.int32]
    counts: NDArray[np.int32]
    """Rows of each word."""
    labels: NDArray[np.int64]


def encoded(example: Example, known: dict[int, int]) -> Encoded | None:
    """None for a text without words, or one whose plain form is of another length."""
    plain = Normal(example.text)
    found = cut(plain.text)
    if not found or not plain.same_offsets:
        return None
    rows = seen(plain.text, found, known)
    labels = np.zeros(len(found), np.int64)
    at = 0
    for start, end, kind in example.spans:
        if kind not in KINDS:
            continue
        while at < len(found) and found[at].end <= start:
            at += 1
        last = at
        while last < len(found) and found[last].start < end:
            last += 1
        base = 1 + 4 * KINDS.index(kind)
        if last - at == 1:
            labels[at] = base + 3
        elif last > at:
            labels[at:last] = base + 1
            labels[at], labels[last - 1] = base, base + 2
    if example.template != "en_btc_train":
        for word, (start, _, made_of) in enumerate(found):
            if made_of is Class.LETTERS and plain.text[max(0, start - 2) : start].endswith(("@", "@ ")):
                labels[word] = UNKNOWN
    flat = np.array([row for own in rows for row in own], np.int32)
    return Encoded(flat, np.array([len(own) for own in rows], np.int32), labels)


def batches(
    examples: Sequence[Encoded], words: int, draw: random.Random, dropped: float
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Rows, offsets and labels of about so many words, with blanks between texts; some rows are left out."""
    blank = Encoded(np.zeros(0, np.int32), np.zeros(REACH, np.int32), np.full(REACH, BLANK))
    order = list(range(len(examples)))
    draw.shuffle(order)
    some: list[Encoded] = []
    count = 0
    for i in order:
        some += (examples[i], blank)
        count += len(examples[i].labels) + REACH
        if count >= words:
            yield _batch(some, draw, dropped)
            some, count = [], 0


def _batch(some: list[Encoded], draw: random.Random, dropped: float) -> tuple[Tensor, Tensor, Tensor]:
    rows = np.concatenate([each.rows for each in some])
    counts = np.concatenate([each.counts for each in some])
    kept = np.random.default_rng(draw.getrandbits(32)).random(len(rows)) >= dropped
    of = np.repeat(np.arange(len(counts)), counts)[kept]
    counts = np.bincount(of, minlength=len(counts))
    offsets = np.concatenate([[0], np.cumsum(counts)[:-1]])
    labels = np.concatenate([each.labels for each in some])
    return torch.from_numpy(rows[kept].astype(np.int64)), torch.from_numpy(offsets), torch.from_numpy(labels)


def fit(examples: Sequence[Encoded], epochs: int, seed: int, rate: float, words: int = 6000) -> Network:
    """AdamW, one cycle of the learning rate (Smith, 2018), smoothed labels, less weight for no name."""
    torch.manual_seed(seed)
    draw = random.Random(seed)
    network = Network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-3)
    steps = epochs * (sum(len(each.labels) + REACH for each in examples) // words + 1)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1, pct_start=0.1)
    mean = [value.detach().clone() for value in network.parameters()]
    weights = torch.ones(LABELS)
    weights[0] = 0.7
    with Progress(transient=True) as progress:
        task = progress.add_task("training", total=steps)
        for epoch in range(epochs):
            network.train()
            total, taken, began = 0.0, 0, time.process_time()
            for rows, offsets, labels in batches(examples, words, draw, 0.12):
                real = (labels != BLANK).float()
                scores = network(rows, offsets, real)
                known = labels.clamp(min=UNKNOWN)
                loss = F.cross_entropy(
                    scores, known, ignore_index=UNKNOWN, weight=weights, label_smoothing=0.05
                )
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                cycle.step()
                with torch.no_grad():
                    torch._foreach_lerp_(mean, list(network.parameters()), 1 - _KEPT)
                total, taken = total + float(loss.detach()), taken + 1
                progress.update(task, advance=1, description=f"training, loss {float(loss.detach()):.3f}")
            spent = time.process_time() - began
            print(f"epoch {epoch + 1}: loss {total / taken:.4f}, {spent:.0f} CPU seconds", flush=True)
    with torch.no_grad():
        for value, kept in zip(network.parameters(), mean, strict=True):
            value.copy_(kept)
    return network.eval()


def write(network: Network, known: dict[int, int], examples: Sequence[Encoded], output: Path) -> None:
    """The four files of ``masquerade.mask.names``."""
    output.mkdir(parents=True, exist_ok=True)
    table, scale = quantised_table(network)
    sums = _sums(examples, table, scale, 40_000)
    export(network, BIASES, sums, output / "names.onnx")
    (output / "names.table").write_bytes(table.tobytes())
    hashes = np.array(sorted(known), np.uint32)
    masks = np.array([known[each] for each in hashes.tolist()], np.uint16)
    (output / "names.lists").write_bytes(hashes.tobytes() + masks.tobytes())
    told = {"width": table.shape[1], "scale": scale, "reach": REACH}
    (output / "names.json").write_text(json.dumps(told, sort_keys=True) + "\n", encoding="utf-8")


def _sums(
    examples: Sequence[Encoded], table: NDArray[np.int8], scale: float, words: int
) -> NDArray[np.float32]:
    parts: list[NDArray[np.float32]] = []
    count = 0
    for each in examples[:: max(1, len(examples) * 20 // words)]:
        of = np.repeat(np.arange(len(each.counts)), each.counts)
        own = np.zeros((len(each.counts), table.shape[1]), np.float32)
        np.add.at(own, of, table[each.rows].astype(np.float32))
        parts.append(own * np.float32(scale))
        count += len(own)
        if count >= words:
            break
    return np.concatenate(parts)


def main() -> None:
    """As the module says."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--made-up", type=int, default=45_000, help="texts of each grammar")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--keep", type=Path, help="the network in full, for other BIASES")
    parser.add_argument("--kept", type=Path, help="such a file: train nothing, write")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    began = time.process_time()
    hashes, masks = lists.made()
    known = dict(zip(hashes.tolist(), masks.tolist(), strict=True))
    found = [encoded(example, known) for example in trained_on(args.seed, args.made_up)]
    examples = [each for each in found if each is not None]
    count = sum(len(each.labels) for each in examples)
    print(
        f"{len(examples):,} texts, {count:,} words, {time.process_time() - began:.0f} CPU seconds", flush=True
    )
    if args.kept:
        network = Network()
        network.load_state_dict(load_file(args.kept))
        network.eval()
    else:
        network = fit(examples, args.epochs, args.seed, args.rate)
    if args.keep:
        save_file(network.state_dict(), args.keep)
    write(network, known, examples, args.output)
    print(f"wrote {args.output}: {time.process_time() - began:.0f} CPU seconds in all", flush=True)


if __name__ == "__main__":
    main()
