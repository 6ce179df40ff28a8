"""Two workers of Ray Train train one model with privacy: real processes of a local cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis  # noqa: F401 - its plugin imports it at the end, which fails after Ray on CPython 3.11
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed to train with")
ray = pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("ray.train", reason="Ray Train is not installed")
pytest.importorskip("dp_accounting", reason="dp-accounting is not installed to price noise with")

from masquerade.transfer.train import Plan, train  # noqa: E402

pytestmark = pytest.mark.heavy
PLAN = Plan(examples=400, sample_rate=1.0, steps=5, noise_multiplier=0.0, l2_clip_norm=0.5)


def data() -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(400, 6, generator=generator)
    return x, (x[:, :3]).argmax(1)


def network() -> Any:
    torch.manual_seed(2)
    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))


def run(model: Any, x: Any, y: Any, plan: Plan, ledger: Any = None) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    train(model, (x, y), plan, ledger=ledger, optimizer=optimizer)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: Any) -> Iterator[Path]:
    root = str(Path(__file__).parent.parent.parent)
    told = {"PYTHONPATH": root, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in told.items():
            patch.setenv(name, value)
        ray.init(
            address="local", num_cpus=3, include_dashboard=False, log_to_driver=False,
            configure_logging=False, _node_ip_address="127.0.0.1", runtime_env={"env_vars": told},
        )  # fmt: skip
        try:
            yield tmp_path_factory.mktemp("ray-train")
        finally:
            ray.shutdown()


def loop(told: dict[str, Any]) -> None:
    """What each worker does: its own half of the records; the first one pays."""
    from dataclasses import replace

    import ray.train

    from masquerade.dp.ledger import Budget, Ledger

    rank = ray.train.get_context().get_world_rank()
    x, y = data()
    model, plan = network(), replace(PLAN, **told["plan"])
    ledger = Ledger(Budget(100.0, 1e-5), unit="record") if plan.noise_multiplier and rank == 0 else None
    run(model, x[rank::2], y[rank::2], plan, ledger)
    values = [value.detach() for value in model.parameters()]
    torch.save((ledger.spent if ledger else 0.0, values), Path(told["folder"]) / f"{rank}.pt")


def by_ray(folder: Path, **plan: Any) -> list[Any]:
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    folder.mkdir()
    trainer = TorchTrainer(
        loop, train_loop_config={"folder": str(folder), "plan": plan},
        torch_config=TorchConfig(backend="gloo"), scaling_config=ScalingConfig(num_workers=2),
        run_config=RunConfig(storage_path=str(folder / "storage")),
    )  # fmt: skip
    trainer.fit()
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def test_without_noise_it_is_the_model_of_one_process(cluster: Path) -> None:
    (_, ours), (_, theirs) = by_ray(cluster / "plain")
    alone = network()
    run(alone, *data(), PLAN)
    for mine, other, value in zip(ours, theirs, alone.parameters(), strict=True):
        assert torch.equal(mine, other)
        assert torch.allclose(mine, value, atol=1e-5)


def test_noise_is_added_once_and_paid_by_one(cluster: Path) -> None:
    (paid, ours), (nothing, theirs) = by_ray(cluster / "noisy", noise_multiplier=1.0, sample_rate=0.2)
    assert paid > 0 == nothing
    assert all(torch.equal(mine, other) for mine, other in zip(ours, theirs, strict=True))
    (_, others), _ = by_ray(cluster / "again", noise_multiplier=1.0, sample_rate=0.2)
    assert not torch.equal(ours[0], others[0]), "each run has a key of its own"
