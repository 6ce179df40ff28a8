"""Private training: what is drawn, what is paid, what comes out, and what a look from outside can tell."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed to train with")
pytest.importorskip("dp_accounting", reason="dp-accounting is not installed to price noise with")

from torch import nn  # noqa: E402

from masquerade.dp.ledger import Budget, Ledger  # noqa: E402
from masquerade.errors import BadInput, BudgetExceeded  # noqa: E402
from masquerade.serve.books import FileStore  # noqa: E402
from masquerade.transfer.gradient import Clipped, closed_form  # noqa: E402
from masquerade.transfer.train import (  # noqa: E402
    Plan,
    PrivateSteps,
    Progress,
    Trained,
    accuracy,
    mean_shift_epsilon,
    train,
)

KEY = bytes(range(32))
PLAN = Plan(examples=600, sample_rate=0.1, steps=20, noise_multiplier=1.0, l2_clip_norm=0.5)


def data(n: int = 600, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 20, generator=generator)
    return x, (x[:, :3] * 2).argmax(1)


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(20, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 3))


def open_ledger(epsilon: float = 100.0) -> Ledger:
    return Ledger(Budget(epsilon, 1e-5), unit="record")


def run(model: nn.Module, plan: Plan = PLAN, **more: Any) -> Trained:
    make = more.pop("optimizer", lambda values: torch.optim.SGD(values, lr=0.5, momentum=0.9))
    options = {"ledger": open_ledger(), "key": KEY, **more}
    return train(model, options.pop("data", data()), plan, optimizer=make(model.parameters()), **options)


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


# -- the plan --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sigma", "rate", "steps", "delta", "epsilon"),
    [
        (1.1, 256 / 60000, 14040, 1e-5, 2.379644),
        (1.0, 0.01, 1000, 1e-5, 1.828244),
        (1.5, 0.04, 2250, 1e-5, 6.7688),
    ],
)
def test_prices_are_those_that_others_publish(
    sigma: float, rate: float, steps: int, delta: float, epsilon: float
) -> None:
    """dp-accounting's own tests, and Opacus's accountants; the grid of the noise adds next to nothing."""
    plan = Plan(60_000, rate, steps, sigma, 1.0, delta)
    assert epsilon * (1 - 1e-4) <= plan.epsilon(12_260) <= epsilon * (1 + 2e-3)


def test_a_calibrated_plan_costs_what_was_asked() -> None:
    plan = Plan.calibrate(2.0, 1e-5, examples=6000, batch=600, epochs=5, l2_clip_norm=1.0, parameters=1000)
    assert (plan.steps, plan.sample_rate, plan.batch) == (50, 0.1, 600)
    assert 1.99 < plan.epsilon(1000) <= 2.0
    assert plan.epsilon(1000, 10) < plan.epsilon(1000, 40) < plan.epsilon(1000)
    assert plan.epsilon(1000, 0) == 0
    fixed = Plan.calibrate(
        2.0, 1e-5, examples=6000, batch=600, epochs=5, l2_clip_norm=1.0, parameters=1000, sampling="fixed"
    )
    assert fixed.noise_multiplier > 2 * plan.noise_multiplier, "nothing is amplified by an order"


@pytest.mark.parametrize(
    "wrong",
    [
        {"examples": 0}, {"sample_rate": 0.0}, {"sample_rate": 1.5}, {"steps": 0}, {"noise_multiplier": -1.0},
        {"noise_multiplier": math.nan}, {"l2_clip_norm": 0.0}, {"l2_clip_norm": math.inf}, {"delta": 0.0},
        {"sampling": "shuffle"},
    ],
)  # fmt: skip
def test_plans_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        replace(PLAN, **wrong)


# -- draws and noise -------------------------------------------------------------------------------------


def test_each_record_is_drawn_by_itself() -> None:
    steps = PrivateSteps(dict(network().named_parameters()), PLAN, KEY)
    drawn = np.zeros((400, 500))
    for step in range(400):
        drawn[step, steps.drawn(step, 500)] = 1
    assert abs(drawn.mean() - 0.1) < 4 * math.sqrt(0.09 / drawn.size)
    assert abs(drawn.sum(1).var() / (500 * 0.09) - 1) < 0.35, "sizes are binomial"
    pairs = np.corrcoef(drawn.T)[np.triu_indices(500, 1)]
    assert abs(pairs.mean()) < 0.001 and abs(pairs.std() * math.sqrt(400) - 1) < 0.05
    again = PrivateSteps(dict(network().named_parameters()), PLAN, KEY)
    assert np.array_equal(again.drawn(7, 500), steps.drawn(7, 500))
    other = PrivateSteps(dict(network().named_parameters()), PLAN, KEY, rank=1)
    assert not np.array_equal(other.drawn(7, 500), steps.drawn(7, 500))
    everyone = PrivateSteps(dict(network().named_parameters()), replace(PLAN, sample_rate=1.0), KEY)
    assert np.array_equal(everyone.drawn(0, 5), np.arange(5))


def test_batches_of_a_fixed_size_take_each_record_once_an_epoch() -> None:
    steps = PrivateSteps(dict(network().named_parameters()), replace(PLAN, sampling="fixed"), KEY)
    epochs = [np.concatenate([steps.drawn(10 * epoch + i, 95) for i in range(10)]) for epoch in range(2)]
    assert all(sorted(epoch) == list(range(95)) for epoch in epochs)
    assert not np.array_equal(*epochs)
    assert replace(PLAN, sampling="fixed").epochs == 2


@pytest.mark.parametrize("sampling", ["fixed", "poisson"])
@pytest.mark.parametrize("records", [2, 21, 95])
def test_a_record_that_is_taken_out_changes_no_place_of_another(sampling: Any, records: int) -> None:
    """So a pass differs in one batch by one gradient, as it is priced: were batches of exactly one size, two
    would differ, one of them by two gradients."""
    plan = replace(PLAN, sampling=sampling, sample_rate=0.25)
    steps = PrivateSteps(dict(network().named_parameters()), plan, KEY)
    for step in range(12):
        whole, less = steps.drawn(step, records), steps.drawn(step, records - 1)
        assert set(whole) - {records - 1} == set(less)


def test_noise_has_the_width_that_is_paid_for() -> None:
    layer = nn.Linear(300, 300)
    names = dict(layer.named_parameters())
    plan = replace(PLAN, noise_multiplier=2.0)
    steps = PrivateSteps(names, plan, KEY)
    zero = Clipped({name: torch.zeros_like(value) for name, value in names.items()}, 0, 0, 0, math.nan, 0.5)
    steps.finish(0, zero)
    noise = torch.cat([value.grad.flatten() for value in layer.parameters()]) * plan.batch
    width = 2.0 * 0.5
    assert abs(noise.std().item() / width - 1) < 5 / math.sqrt(2 * len(noise)) + 2**-8
    assert abs(noise.mean().item()) < 5 * width / math.sqrt(len(noise))
    steps.finish(1, zero)
    other = torch.cat([value.grad.flatten() for value in layer.parameters()]) * plan.batch
    assert abs(np.corrcoef(noise, other)[0, 1]) < 0.02
    with pytest.raises(BadInput, match="another bound"):
        steps.finish(2, replace(zero, sensitivity=0.25))


def test_without_noise_a_step_is_the_clipped_mean() -> None:
    x, y = data()
    model = nn.Linear(20, 3)
    before = [value.detach().clone() for value in model.parameters()]
    plan = replace(PLAN, noise_multiplier=0.0, steps=1)
    wanted_of = PrivateSteps(dict(model.named_parameters()), plan, KEY).drawn(0, len(x))
    wanted = closed_form(x[wanted_of], y[wanted_of], *before, 0.5)
    run(model, plan, optimizer=lambda values: torch.optim.SGD(values, lr=1.0), ledger=None)
    for value, old, name in zip(model.parameters(), before, ("weight", "bias"), strict=True):
        moved = (old - value.detach()) * plan.batch
        assert torch.allclose(moved, wanted.gradients[name], atol=1e-4)


def test_a_record_changes_a_sum_over_a_million_by_no_more_than_is_paid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All gradients point one way, so that the sum is as large as it gets, and so is its rounding."""
    sums: list[torch.Tensor] = []
    finish = PrivateSteps.finish

    def seen(self: PrivateSteps, step: int, clipped: Clipped) -> None:
        sums.append(torch.cat([clipped.gradients[name].double().flatten() for name in ("weight", "bias")]))
        finish(self, step, clipped)

    monkeypatch.setattr(PrivateSteps, "finish", seen)
    x = 1 + 0.01 * torch.randn(1 << 20, 16, generator=torch.Generator().manual_seed(0))
    y = torch.zeros(len(x), dtype=torch.int64)
    plan = replace(PLAN, examples=len(x), sample_rate=1.0, noise_multiplier=0.0, steps=1)
    for gone in (0, 1, 2, 3):
        layer = nn.Linear(16, 3)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        run(layer, plan, data=(x[gone:], y[gone:]), ledger=None, key=None)
    for whole, less in itertools.pairwise(sums):
        assert (whole - less).norm() <= PLAN.l2_clip_norm * (1 + 2**-8)


# -- the ledger ------------------------------------------------------------------------------------------


def test_the_ledger_pays_before_the_first_step() -> None:
    seen: list[float] = []
    ledger = open_ledger()
    trained = run(network(), ledger=ledger, progress=lambda told: seen.append(ledger.spent))
    assert trained.receipt is not None
    assert len(seen) == 20 and set(seen) == {trained.receipt.cost}
    assert trained.receipt.cost == PLAN.epsilon(sum(value.numel() for value in trained.model.parameters()))


def test_what_the_budget_does_not_hold_is_not_begun() -> None:
    model, poor = network(), open_ledger(0.1)
    with pytest.raises(BudgetExceeded):
        run(model, ledger=poor)
    assert same(model, network()) and poor.spent == 0
    with pytest.raises(BadInput, match="ledger"):
        run(model, ledger=None)


ENDLESS = """
import sys, torch
from pathlib import Path
from masquerade.dp.ledger import Budget, Ledger
from masquerade.serve.books import FileStore
from tests.transfer.test_train import PLAN, data, network
from masquerade.transfer.train import train
folder = Path(sys.argv[1])
model = network()
ledger = Ledger(Budget(100.0, 1e-5), unit="record", store=FileStore(folder / "ledger.db"))
def keep(checkpoint):
    (folder / "part").write_bytes(checkpoint)
    (folder / "part").rename(folder / "checkpoint")
    print("kept", flush=True)
    import time; time.sleep(0.2)
train(model, data(), PLAN, ledger=ledger, optimizer=torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9),
      keep=keep, every=3, average=0.8, key=bytes(range(32)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_training_has_paid_and_goes_on_to_the_same_model(tmp_path: Path) -> None:
    root = Path(__file__).parent.parent.parent
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, cwd=root, text=True,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline() == "kept\n"
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    process.stdout.close()
    store = FileStore(tmp_path / "ledger.db")
    ledger = Ledger(Budget(100.0, 1e-5), unit="record", store=store)
    paid = ledger.spent
    whole = network()
    expected = run(whole, average=0.8)
    assert expected.receipt is not None and paid == expected.receipt.cost
    model = network(1)
    seen: list[int] = []
    gone_on = run(
        model, ledger=ledger, resume=(tmp_path / "checkpoint").read_bytes(), average=0.8, key=None,
        progress=lambda told: seen.append(told.step),
    )  # fmt: skip
    assert seen and seen[0] > 3 and seen[-1] == 20
    assert gone_on.receipt is None and ledger.spent == paid
    assert same(model, whole)


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop])
def test_a_checkpoint_holds_any_optimizer_and_schedule(optimizer: Any) -> None:
    def go(model: nn.Module, **more: Any) -> nn.Module:
        rule = optimizer(model.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.StepLR(rule, 4, 0.5)
        options: dict[str, Any] = {"ledger": open_ledger(), **more}
        return train(model, data(), PLAN, optimizer=rule, schedule=schedule, **options).model

    kept: list[bytes] = []
    whole = go(network(), keep=kept.append, every=7, key=KEY)
    assert len(kept) == 3
    assert same(whole, go(network(2), resume=kept[0]))
    head = int.from_bytes(kept[0][:8], "little")
    assert json.loads(kept[0][8 : 8 + head])["__metadata__"], "plain safetensors: nothing in it is code"


def test_checkpoints_that_do_not_fit() -> None:
    kept: list[bytes] = []
    run(network(), keep=kept.append, every=10)
    with pytest.raises(BadInput, match="another plan"):
        run(network(), replace(PLAN, noise_multiplier=0.5), resume=kept[0])
    with pytest.raises(BadInput, match="another plan"):
        run(network(), average=0.5, resume=kept[0])
    with pytest.raises(BadInput, match="another model"):
        run(nn.Linear(20, 3), resume=kept[0])
    for broken in (b"", kept[0][:-1], kept[0][:100], b"\xff" * 64):
        with pytest.raises(BadInput, match="no checkpoint"):
            run(network(), resume=broken)


def test_a_training_goes_on_with_its_own_data_alone() -> None:
    """Over two sums that differ by one record the same noise would hide nothing."""
    kept: list[bytes] = []
    run(network(), keep=kept.append, every=10)
    x, y = data()
    other = x.clone()
    other[5, 3] += 1
    for changed in ((x[:-1], y[:-1]), (other, y), (x, 2 - y), (x.double(), y)):
        with pytest.raises(BadInput, match="other data"):
            run(network(), resume=kept[0], data=changed)
    for how in ({"microbatch": 16}, {"autocast": torch.bfloat16}):
        with pytest.raises(BadInput, match="other data, or of another microbatch"):
            run(network(), resume=kept[0], **how)


@pytest.mark.parametrize(
    "other",
    [
        {"data": tuple(part[:-1] for part in data())},
        {"plan": replace(PLAN, steps=1, l2_clip_norm=0.25)},
        {"optimizer": lambda values: torch.optim.SGD(values, lr=0.25)},
        {"model": 1},
    ],
)
def test_one_key_makes_no_noise_twice_for_what_differs(
    other: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[bytes] = []
    stream = PrivateSteps._stream

    def seen(self: PrivateSteps, what: str, step: int, rank: int | None = None) -> Any:
        made = stream(self, what, step, rank)
        if what == "noise":
            drawn.append(stream(self, what, step, rank).read(32))
        return made

    monkeypatch.setattr(PrivateSteps, "_stream", seen)
    plan = replace(PLAN, steps=1)
    for more in ({}, {}, other):
        options = dict(more)
        run(network(options.pop("model", 0)), options.pop("plan", plan), **options)
    assert drawn[0] == drawn[1] != drawn[2]


# -- what goes wrong -------------------------------------------------------------------------------------


def test_a_parameter_that_does_not_move_is_named() -> None:
    """As when an adapter was put in after the optimizer was made."""
    model = network()
    stale = torch.optim.SGD(network().parameters(), lr=0.5)
    with pytest.raises(BadInput, match=r"0\.weight did not move"):
        train(model, data(), PLAN, ledger=open_ledger(), optimizer=stale)
    with pytest.raises(BadInput, match=r"3\.bias did not move"):
        run(model, optimizer=lambda values: torch.optim.SGD(list(values)[:-1], lr=0.5))


def shrunk(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x[:, :7], y


@pytest.mark.parametrize(
    ("model", "more", "problem"),
    [
        (lambda: nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)), {}, BadInput),
        (network, {"average": -1.0}, BadInput),
        (network, {"average": 1.5}, BadInput),
        (network, {"losses": lambda model, x, y: model(x).mean()}, BadInput),
        (network, {"data": shrunk(*data())}, RuntimeError),
        (network, {"data": (data()[0], data()[1] + 4242)}, BadInput),
        (lambda: nn.Linear(20, 3), {"data": (data()[0], data()[1] - 4242)}, BadInput),
        (network, {"optimizer": lambda values: torch.optim.SGD(list(values)[:-1], lr=0.5)}, BadInput),
    ],
)
def test_what_fails_before_the_first_step_costs_nothing(
    model: Any, more: dict[str, Any], problem: type[Exception]
) -> None:
    ledger = open_ledger()
    with pytest.raises(problem) as caught:
        run(model(), ledger=ledger, **more)
    assert ledger.spent == 0
    assert "424" not in str(caught.value), "no label is shown"


def test_a_linear_layer_whose_weight_is_made_of_others_takes_no_closed_form() -> None:
    model = torch.nn.utils.weight_norm(nn.Linear(20, 3))
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    run(model, plan=replace(PLAN, noise_multiplier=0.0), ledger=None)
    assert all(not torch.equal(value, before[name]) for name, value in model.named_parameters())


@pytest.mark.parametrize("wrong", [{"examples": 0}, {"batch": 0}, {"batch": -1}, {"epochs": math.nan}])
def test_calibrations_of_nothing(wrong: dict[str, Any]) -> None:
    how = {"examples": 100, "batch": 10, "epochs": 1.0, **wrong}
    with pytest.raises(BadInput):
        Plan.calibrate(1.0, 1e-5, l2_clip_norm=1.0, parameters=10, **how)


def test_poisoned_records_count_for_nothing() -> None:
    x, y = data()
    x[::7, 3] = math.nan
    told: list[Progress] = []
    model = network()
    trained = run(model, data=(x, y), progress=told.append)
    assert all(torch.isfinite(value).all() for value in model.parameters())
    assert trained.poisoned == sum(each.poisoned for each in told) > 0


def test_empty_samples_are_steps_too() -> None:
    x, y = data(3)
    plan = replace(PLAN, sample_rate=0.05, steps=30, examples=60)
    told: list[Progress] = []
    run(network(), plan, data=(x, y), progress=told.append)
    assert sum(math.isnan(each.loss) for each in told) > 10
    assert [each.step for each in told] == list(range(1, 31))
    run(network(), plan, data=(x[:0], y[:0]))


def test_labels_without_inputs_are_refused() -> None:
    x, y = data()
    with pytest.raises(BadInput, match="one label an input"):
        run(network(), data=(x, y[:-1]))


def test_the_divisor_is_what_was_declared() -> None:
    """Twice the records move the mean; they do not change what it is divided by."""
    x, y = data()
    plan = replace(PLAN, noise_multiplier=0.0, steps=1, sample_rate=1.0)
    moved = []
    for times in (1, 2):
        model = nn.Linear(20, 3)
        nn.init.zeros_(model.weight)
        nn.init.zeros_(model.bias)
        run(model, plan, data=(x.repeat(times, 1), y.repeat(times)), ledger=None)
        moved.append(model.weight.detach().norm())
    assert moved[1] / moved[0] == pytest.approx(2, rel=1e-4)


def test_nothing_secret_is_shown() -> None:
    steps = PrivateSteps(dict(network().named_parameters()), PLAN, KEY)
    assert KEY.hex() not in repr(steps) and "key" not in repr(steps)
    with pytest.raises(TypeError, match="not pickled"):
        steps.__reduce__()


def test_it_learns() -> None:
    x, y = data(6000)
    plan = Plan.calibrate(3.0, 1e-5, examples=6000, batch=600, steps=60, l2_clip_norm=0.5, parameters=403)
    model = network()
    run(model, plan, data=(x, y), average=0.3)
    assert accuracy(model, *data(2000, 9)) > 0.75
    assert model.training


def test_half_precision() -> None:
    x, y = data(6000)
    plan = Plan.calibrate(3.0, 1e-5, examples=6000, batch=600, steps=40, l2_clip_norm=0.5, parameters=403)
    model = network()
    run(model, plan, data=(x, y), autocast=torch.bfloat16)
    assert accuracy(model, *data(2000, 9)) > 0.6
    assert all(value.dtype == torch.float32 for value in model.parameters())


# -- several processes -----------------------------------------------------------------------------------

WORKER = """
import sys, torch
import torch.distributed as dist
from dataclasses import replace
from masquerade.dp.ledger import Budget, Ledger
from tests.transfer.test_train import PLAN, data, network
from masquerade.transfer.train import train
rank, folder, noise = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
x, y = data()
model = torch.nn.Sequential(*[layer for layer in network() if not isinstance(layer, torch.nn.Dropout)])
plan = replace(PLAN, noise_multiplier=noise, sample_rate=1.0 if not noise else 0.1, steps=4)
ledger = Ledger(Budget(100.0, 1e-5), unit="record") if noise and rank == 0 else None
train(model, (x[rank::2], y[rank::2]), plan, ledger=ledger, key=bytes(range(32)) if rank == 0 else None,
      optimizer=torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9))
torch.save([value.detach() for value in model.parameters()], f"{folder}/{rank}.pt")
dist.barrier()  # who leaves early tears the line of the other
dist.destroy_process_group()
"""


def in_two_processes(folder: Path, noise: float) -> list[list[torch.Tensor]]:
    root = Path(__file__).parent.parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(folder), str(noise)], cwd=root, env=environment
        )
        for rank in range(2)
    ]
    until = time.monotonic() + 120
    assert [process.wait(max(1.0, until - time.monotonic())) for process in processes] == [0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed")
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    """Each has half of the records. Without noise the model is that of one process with all of them."""
    (tmp_path / "plain").mkdir()
    ours, theirs = in_two_processes(tmp_path / "plain", 0.0)
    alone = nn.Sequential(*[layer for layer in network() if not isinstance(layer, nn.Dropout)])
    run(alone, replace(PLAN, noise_multiplier=0.0, sample_rate=1.0, steps=4), ledger=None)
    for mine, other, value in zip(ours, theirs, alone.parameters(), strict=True):
        assert torch.equal(mine, other)
        assert torch.allclose(mine, value, atol=1e-5)
    (tmp_path / "noisy").mkdir()
    ours, theirs = in_two_processes(tmp_path / "noisy", 1.0)
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.equal(mine, other), "noise is added once"


# -- a look from outside ---------------------------------------------------------------------------------


def scores(plan: Plan, told: Plan, *, canaries: int = 150, seed: int = 0) -> tuple[list[float], list[float]]:
    """What an observer of all steps adds up for canaries in the data, and for as many that are not.

    Each canary's gradient is far above the bound, in a direction of its own. Steps are those of ``plan``.
    """
    size = 2 * canaries
    layer = nn.Linear(size, 1, bias=False)
    names = dict(layer.named_parameters())
    steps = PrivateSteps(names, plan, bytes([seed]) * 32)
    total = torch.zeros(size)
    for step in range(plan.steps):
        drawn = torch.from_numpy(steps.drawn(step, canaries))
        gradient = torch.zeros(1, size)
        gradient[0, drawn] = plan.l2_clip_norm
        steps.finish(step, Clipped({"weight": gradient}, len(drawn), 0, 0, 0.0, plan.l2_clip_norm))
        assert layer.weight.grad is not None
        total += layer.weight.grad[0] * told.batch
    return total[:canaries].tolist(), total[canaries:].tolist()


def test_the_mean_shift_of_canaries_stays_below_the_claim_and_shows_faults() -> None:
    plan = Plan.calibrate(3.0, 1e-5, examples=1000, batch=100, steps=100, l2_clip_norm=1.0, parameters=300)
    claim = plan.epsilon(300)

    def seen(faulty: Plan) -> float:
        return float(np.mean([mean_shift_epsilon(*scores(faulty, plan, seed=i), 1e-5) for i in range(3)]))

    honest = seen(plan)
    assert 0.5 * claim < honest < claim
    assert seen(replace(plan, noise_multiplier=plan.noise_multiplier / 2)) > 1.2 * claim, "half of the noise"
    doubled = replace(plan, l2_clip_norm=2.0, noise_multiplier=plan.noise_multiplier / 2)
    assert seen(doubled) > 1.2 * claim, "clipped to twice the bound that the noise was made for"
    assert seen(replace(plan, sample_rate=1.0)) > 3 * claim, "every record in every step"
    wrong = replace(plan, noise_multiplier=plan.noise_multiplier / math.sqrt(plan.batch))
    assert seen(wrong) > 3 * claim, "the noise of a mean, added to a sum that is divided once more"


def test_estimates_of_epsilon() -> None:
    generator = np.random.default_rng(0)
    for mu, epsilon in ((1.0, 4.3773), (0.5, 1.9993)):  # of the analytic Gaussian at 1e-5
        inside, outside = generator.normal(mu, 1, 200_000), generator.normal(0, 1, 200_000)
        assert mean_shift_epsilon(inside.tolist(), outside.tolist(), 1e-5) == pytest.approx(epsilon, rel=0.03)
    assert mean_shift_epsilon([0.0, 1.0], [2.0, 3.0], 1e-5) == 0.0


class Watch:
    """Limits that refuse, or allow so many steps."""

    def __init__(self, steps: int, refuse: bool = False) -> None:
        self.steps, self.refuse, self.told = steps, refuse, list[Any]()

    def begin(self) -> None:
        self.told.append("begin")

    def tried(self, steps: int) -> None:
        self.told.append(steps)
        if self.refuse:
            raise BadInput("too much")

    def go_on(self) -> bool:
        self.steps -= 1
        return self.steps > 0


def test_limits_refuse_before_anything_is_paid_or_end_a_training() -> None:
    ledger, model = open_ledger(), network()
    with pytest.raises(BadInput, match="too much"):
        run(model, ledger=ledger, limits=Watch(9, refuse=True))
    assert ledger.spent == 0 and same(model, network())
    watch = Watch(3)
    ended = run(model, ledger=ledger, limits=watch)
    assert ended.done == 3 and watch.told == ["begin", 20]
    assert ended.event == PLAN.event(sum(value.numel() for value in model.parameters())), "all is paid"
    kept = list[bytes]()
    run(network(), limits=Watch(3), keep=kept.append)
    whole = run(network(), resume=kept[-1], ledger=None)
    assert len(kept) == 1 and same(whole.model, run(network()).model), "what is paid can go on later"
    short = network()
    assert run(short, replace(PLAN, steps=3)).done == 3
    whole = run(network(), limits=Watch(99))
    assert whole.done == 20 and same(whole.model, run(network()).model)


def test_what_is_tried_is_a_step_like_the_others() -> None:
    """The first gradient is also checked, which takes several times as long."""
    model, calls = network(), list[int]()

    class Counting(Watch):
        def begin(self) -> None:
            calls.append(-len(calls))

        def tried(self, steps: int) -> None:
            calls.append(0)

    counted = model[0].register_forward_hook(lambda *_: calls.append(1))
    run(model, limits=Counting(1))
    counted.remove()
    begin = next(i for i, each in enumerate(calls) if each < 0)
    assert begin > 5 and len(calls) - begin - 2 <= 3
