"""What :mod:`tests.transfer.test_ray_train` runs in a process of its own, for Ray reads its settings once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from masquerade.dp.ledger import Budget, Ledger
from masquerade.transfer.train import Plan, train

PLAN = Plan(examples=400, sample_rate=1.0, steps=5, noise_multiplier=0.0, l2_clip_norm=0.5)
NOISY = {"noise_multiplier": 1.0, "sample_rate": 0.2}


def data() -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(400, 6, generator=generator)
    return x, (x[:, :3]).argmax(1)


def network() -> Any:
    torch.manual_seed(2)
    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))


def run(model: Any, x: Any, y: Any, plan: Plan, ledger: Ledger | None = None) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    train(model, (x, y), plan, ledger=ledger, optimizer=optimizer)


def loop(told: dict[str, Any]) -> None:
    """What each worker does: its own half of the records; the first one pays."""
    import ray.train

    rank = ray.train.get_context().get_world_rank()
    x, y = data()
    model, plan = network(), replace(PLAN, **told["plan"])
    ledger = Ledger(Budget(100.0, 1e-5), unit="record") if plan.noise_multiplier and rank == 0 else None
    run(model, x[rank::2], y[rank::2], plan, ledger)
    values = [value.detach() for value in model.parameters()]
    torch.save((ledger.spent if ledger else 0.0, values), Path(told["folder"]) / f"{rank}.pt")


def main(folder: Path) -> None:
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    ray.init(
        address="local", num_cpus=3, include_dashboard=False, log_to_driver=False,
        _node_ip_address="127.0.0.1",
    )  # fmt: skip
    for name, plan in {"plain": {}, "noisy": NOISY, "again": NOISY}.items():
        (folder / name).mkdir()
        TorchTrainer(
            loop, train_loop_config={"folder": str(folder / name), "plan": plan},
            torch_config=TorchConfig(backend="gloo"), scaling_config=ScalingConfig(num_workers=2),
            run_config=RunConfig(storage_path=str(folder / name / "storage")),
        ).fit()  # fmt: skip
    ray.shutdown()
