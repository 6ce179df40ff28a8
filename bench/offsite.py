"""Offsite tuning of a small language model: how well it does with an adapter that was tuned through an
emulator, beside the emulator itself, and beside the model tuned where the text is.

Perplexity a word, of notes about people that no note was tuned on. Model and texts are made here
(``notes.py``): profiles are public, notes are private. What is varied is chosen on other notes
(``--search``), which on real text would have a price of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch

import common
import notes
from masquerade.dp.ledger import Budget, Ledger
from masquerade.transfer import offsite
from masquerade.transfer.models import Decoder
from masquerade.transfer.offsite import Cut, Handover, Receiving, perplexity
from masquerade.transfer.train import Plan, train

SHAPE = Decoder(len(notes.WORDS), notes.LENGTH, width=48, heads=4, blocks=6)
FITTED = Receiving(epochs=8, rate=4e-3)
DISTILLED = Receiving(epochs=1, rate=2e-3)
CUTS = {"last 2 blocks": Cut(0, 2, 2), "first and last block": Cut(1, 1, 2)}
PUBLIC, PRIVATE, HELD, DELTA = 8000, 6000, 2000, 1e-5
BATCH, STEPS, BOUND = 512, 30, 0.3
RATES = (1.25e-4, 2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3)
CHOSEN: dict[tuple[str, float | None], tuple[float, float]] = {
    ("last 2 blocks", None): (1e-3, 2.5e-4),
    ("last 2 blocks", 8.0): (2e-3, 5e-4),
    ("last 2 blocks", 2.0): (2e-3, 1e-3),
    ("first and last block", None): (5e-4, 2.5e-4),
    ("first and last block", 8.0): (1e-3, 5e-4),
    ("first and last block", 2.0): (1e-3, 1e-3),
}
"""The learning rates of Adam, for the adapter and for all of the model, by adapter and price."""


def drawn(texts: Iterator[str], count: int) -> torch.Tensor:
    return torch.tensor([notes.tokens(text) for text in islice(texts, count)])


def tuned(
    handover: Handover, private: torch.Tensor, epsilon: float | None, rate: float, cut: Cut | None
) -> torch.nn.Module:
    """A model tuned on private notes, its adapter or all of it; without a price if ``epsilon`` is None."""
    model = handover.module().train().requires_grad_(False)
    values = list((offsite.adapter(model, cut) if cut else dict(model.named_parameters())).values())
    for value in values:
        value.requires_grad_(True)
    size, ledger = sum(value.numel() for value in values), None
    plan = Plan(len(private), BATCH / len(private), STEPS, 0.0, 1e3)
    if epsilon is not None:
        ledger = Ledger(Budget(epsilon, DELTA), ("notes",))
        plan = Plan.calibrate(
            epsilon,
            DELTA,
            examples=len(private),
            batch=BATCH,
            steps=STEPS,
            l2_clip_norm=BOUND,
            parameters=size,
        )
    train(
        model, offsite.pairs(private), plan, ledger=ledger, losses=offsite.by_sequence, microbatch=256,
        optimizer=torch.optim.Adam(values, lr=rate), average=0.3,
    )  # fmt: skip
    return model.eval()


def measured(
    full: Handover, emulator: Handover, private: torch.Tensor, epsilon: float | None,
    rates: tuple[float, float], found: Callable[[torch.nn.Module], float],
) -> dict[str, float]:  # fmt: skip
    """Each way at one price."""
    cut = emulator.cut
    assert cut is not None
    offsite_tuned = tuned(emulator, private, epsilon, rates[0], cut)
    weights = {name: value.detach() for name, value in offsite.adapter(offsite_tuned, cut).items()}
    return {
        "emulator": found(offsite_tuned),
        "plug-in": found(offsite.plugged(full.module(), weights, cut)),
        "adapter in place": found(tuned(full, private, epsilon, rates[0], cut)),
        "full tuning": found(tuned(full, private, epsilon, rates[1], None)),
    }


def main() -> None:
    parser = common.options(__doc__ or "")
    parser.add_argument(
        "--search", action="store_true", help="show the choice on the validation notes instead"
    )
    parser.add_argument("--epsilon", type=float, nargs="+", default=[8.0, 2.0])
    told = parser.parse_args()
    torch.set_num_threads(1)
    start = time.process_time()
    public, private = drawn(notes.profiles(told.seed), PUBLIC), drawn(notes.notes(told.seed), PRIVATE)
    held = drawn(notes.others(told.seed + (1 if told.search else 2)), HELD)
    full = offsite.fit(SHAPE, public, FITTED)
    rows: list[dict[str, Any]] = []

    def found(model: torch.nn.Module) -> float:
        return perplexity(model, held)

    cuts = dict(islice(CUTS.items(), 1 if told.quick else None))
    prices: list[float | None] = [told.epsilon[0]] if told.quick else [None, *told.epsilon]
    for name, cut in cuts.items():
        emulator = offsite.emulate(full, cut, public, DISTILLED)
        before = {
            "adapter": name,
            "zero-shot": found(full.module()),
            "emulator as made": found(emulator.module()),
        }
        for epsilon in prices:
            for rate in RATES if told.search else (None,):
                rates = (rate, rate) if rate else CHOSEN.get((name, epsilon), (1e-3, 5e-4))
                row = measured(full, emulator, private, epsilon, rates, found)
                rows.append({**before, "epsilon": epsilon, "rates": rates, **row})
                if told.search:
                    print(rows[-1], flush=True)
    if told.json or told.search:
        common.dump({"machine": common.machine(), "rows": rows, "cpu_s": time.process_time() - start})
        return
    ways = ("zero-shot", "emulator", "plug-in", "adapter in place", "full tuning")
    common.table(
        f"perplexity of private notes about others, {PRIVATE:,} notes to tune on, delta {DELTA:g}",
        ("adapter", "epsilon", *ways),
        [(row["adapter"], row["epsilon"] or "none", *(f"{row[way]:.2f}" for way in ways)) for row in rows],
        f"zero-shot: the model as it was. {time.process_time() - start:.0f} CPU seconds in all, one thread.",
    )


if __name__ == "__main__":
    main()
