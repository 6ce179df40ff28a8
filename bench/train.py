"""CPU seconds and memory of one private training step, beside Opacus and the same step without privacy.

A step is forward, backward, clip, noise (from PyTorch's generator for all: here noise is not the question),
update. Every mode runs in a process of its own with one thread; they take turns, so that a busy machine
troubles all alike.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import common
from masquerade.transfer.gradient import PerExample

MODES = {
    "plain": "without privacy",
    "masquerade": "Masquerade",
    "hooks": "Opacus hooks",
    "ghost": "Opacus ghost",
    "functorch": "Opacus functorch",
}
LIMITS = {"cnn": (1.6, None), "transformer": (1.35, 1.35), "lora": (1.05, None)}
"""Time and memory that a step may take, in times of the same step without privacy."""

WARM = 7
"""Steps after the first three that are not timed: Masquerade checks the 1st, 2nd, 3rd, 5th and 9th batch."""

Data = tuple[Tensor, Tensor]


# -- models ----------------------------------------------------------------------------------------------


def cnn() -> nn.Module:
    """26,010 parameters for pictures of 28 x 28."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 8, 2, padding=3), nn.ReLU(), nn.MaxPool2d(2, 1),
        nn.Conv2d(16, 32, 4, 2), nn.ReLU(), nn.MaxPool2d(2, 1),
        nn.Flatten(), nn.Linear(512, 32), nn.ReLU(), nn.Linear(32, 10),
    )  # fmt: skip


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(self.first(x)).chunk(3, -1)
        )
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.second(x))))


class Transformer(nn.Module):
    """4 layers of width 256, 1,000 words, 128 positions: 3.45 million parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(1000, 256), nn.Embedding(128, 256)
        self.blocks = nn.Sequential(*(Block(256, 4) for _ in range(4)))
        self.norm, self.head = nn.LayerNorm(256), nn.Linear(256, 2)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1]).repeat(len(x), 1)  # one row an example: Opacus needs it
        return self.head(self.norm(self.blocks(self.words(x) + self.places(places))).mean(1))


def lora() -> nn.Module:
    """The same with LoRA of rank 8 on every linear layer of its blocks; nothing else is trained."""
    from peft import LoraConfig, get_peft_model

    return get_peft_model(
        Transformer(), LoraConfig(r=8, lora_alpha=16, target_modules=["qkv", "out", "up", "down"])
    )


def task(name: str, batch: int) -> tuple[nn.Module, Data]:
    torch.manual_seed(1)
    if name == "cnn":
        return cnn(), (torch.randn(batch, 1, 28, 28), torch.randint(0, 10, (batch,)))
    model = lora() if name == "lora" else Transformer()
    return model, (torch.randint(0, 1000, (batch, 128)), torch.randint(0, 2, (batch,)))


# -- modes: each gives a function that makes one step ----------------------------------------------------


def step_of(mode: str, model: nn.Module, data: Data) -> Callable[[], None]:
    x, y = data
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.01)
    if mode == "plain":

        def plain() -> None:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

        return plain
    if mode == "masquerade":
        clipper = PerExample(model, 1.0)

        def ours() -> None:
            optimizer.zero_grad()
            out = clipper(lambda: F.cross_entropy(model(x), y, reduction="none"))
            for name, p in model.named_parameters():
                if p.requires_grad:
                    total = out.gradients[name]
                    p.grad = total.add_(torch.randn_like(total)).div_(len(x))
            optimizer.step()

        return ours
    return _opacus(mode, model, data, optimizer)


def _opacus(mode: str, model: nn.Module, data: Data, optimizer: Any) -> Callable[[], None]:
    from opacus.grad_sample import GradSampleModule, GradSampleModuleFastGradientClipping
    from opacus.optimizers import DPOptimizer, DPOptimizerFastGradientClipping
    from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping

    x, y = data
    told = {"noise_multiplier": 1.0, "max_grad_norm": 1.0, "expected_batch_size": len(x)}
    criterion: Any = nn.CrossEntropyLoss()
    if mode == "ghost":
        wrapped: Any = GradSampleModuleFastGradientClipping(model, max_grad_norm=1.0, use_ghost_clipping=True)
        private: Any = DPOptimizerFastGradientClipping(optimizer, **told)
        criterion = DPLossFastGradientClipping(wrapped, private, criterion, "mean")
    else:
        wrapped = GradSampleModule(model, force_functorch=mode == "functorch")
        private = DPOptimizer(optimizer, **told)

    def step() -> None:
        private.zero_grad()
        criterion(wrapped(x), y).backward()
        private.step()

    return step


# -- measuring -------------------------------------------------------------------------------------------


def serve(line: Connection, mode: str, name: str, batch: int) -> None:
    """In a process of its own: MB of the first steps, then CPU seconds of as many as are asked for."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    try:
        step = step_of(mode, *task(name, batch))
    except ImportError:
        line.send(None)
        return
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        step()
    line.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 1e6)
    for _ in range(WARM):
        step()
    while (steps := line.recv()) is not None:
        start = time.process_time()
        for _ in range(steps):
            step()
        line.send((time.process_time() - start) / steps)


class Child:
    """A process that runs :func:`serve`."""

    def __init__(self, mode: str, name: str, batch: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, mode, name, batch), daemon=True)
        self.process.start()
        theirs.close()
        self.memory: float | None = self.line.recv()

    def seconds(self, steps: int) -> float:
        self.line.send(steps)
        return float(self.line.recv())

    def close(self) -> None:
        if self.memory is not None:
            self.line.send(None)
        self.process.join(10)


def memory(mode: str, name: str, batch: int) -> float | None:
    """MB, in a process whose allocator gives every larger block back at once: what lives."""
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "131072"
    try:
        child = Child(mode, name, batch)
    finally:
        del os.environ["MALLOC_MMAP_THRESHOLD_"]
    child.close()
    return child.memory


def measure(name: str, batch: int, rounds: int, steps: int, modes: list[str]) -> dict[str, dict[str, Any]]:
    """CPU seconds a step (one number a round) and MB, for each mode that is installed."""
    found: dict[str, dict[str, Any]] = {}
    children: dict[str, Child] = {}
    try:
        for mode in modes:
            live = memory(mode, name, batch)
            if live is not None:
                children[mode] = Child(mode, name, batch)
                found[mode] = {"memory_mb": live, "resident_mb": children[mode].memory, "seconds": []}
        for _ in range(rounds):
            for mode, child in children.items():
                found[mode]["seconds"].append(child.seconds(steps))
    finally:
        for child in children.values():
            child.close()
    return found


def main() -> None:
    parser = common.options(__doc__ or "")
    parser.add_argument("--large", action="store_true", help="the CNN with a batch of 2,048 too")
    parser.add_argument("--only", choices=("cnn", "transformer", "lora"), help="one of the models")
    parser.add_argument("--no-opacus", action="store_true", help="leave the peer out")
    told = parser.parse_args()
    shapes = [("cnn", 256), ("cnn", 1024)] + [("cnn", 2048)] * told.large
    shapes += [("transformer", 32), ("lora", 32)]
    shapes = [shape for shape in shapes if told.only in (None, shape[0])]
    modes = ["plain", "masquerade"] if told.no_opacus else list(MODES)
    rounds = 3 if told.quick else 9
    result: dict[str, Any] = {"machine": common.machine(), "rows": []}
    result |= {package: common.version(package) for package in ("torch", "opacus", "peft")}
    rows = []
    for name, batch in shapes:
        found = measure(name, batch, rounds, 10 if batch == 256 else 2 if name == "cnn" else 1, modes)
        for mode, figures in found.items():
            row = _row(name, batch, mode, figures, found["plain"])
            result["rows"].append(row)
            limit = "" if mode != "masquerade" else _limits(name)
            rows.append((
                f"{name}, batch {batch:,}: {MODES[mode]}", common.number(1e3 * row["seconds"]),
                common.number(row["times"]), common.number(row["memory_mb"]),
                common.number(row["times_memory"]), common.number(row["times_resident"]), limit,
            ))  # fmt: skip
        rows += [(f"{MODES[mode]}: not installed", *"------") for mode in modes if mode not in found]
    if told.json:
        common.dump(result)
        return
    common.table(
        "A private training step",
        ("", "CPU ms", "times plain", "MB", "times plain", "by default", "limits"),
        rows,
        "One thread. times plain: median over rounds of the ratio within a round. MB: how far the largest "
        "resident size rose in three steps, above model and data, with glibc told to give blocks back; "
        "by default: without that.",
    )


def _row(name: str, batch: int, mode: str, own: dict[str, Any], plain: dict[str, Any]) -> dict[str, Any]:
    ratios = [a / b for a, b in zip(own["seconds"], plain["seconds"], strict=True)]
    return {
        "model": name, "batch": batch, "mode": mode, "seconds": common.middle(own["seconds"]),
        "times": common.middle(ratios), "least": min(ratios), "most": max(ratios),
        "memory_mb": own["memory_mb"], "times_memory": own["memory_mb"] / plain["memory_mb"],
        "resident_mb": own["resident_mb"], "times_resident": own["resident_mb"] / plain["resident_mb"],
    }  # fmt: skip


def _limits(name: str) -> str:
    time_limit, memory_limit = LIMITS[name]
    return f"{time_limit}" if memory_limit is None else f"{time_limit}, {memory_limit}"


if __name__ == "__main__":
    main()
