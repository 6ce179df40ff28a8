"""Two workers of Ray Train train one model with privacy: real processes of a local cluster."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed to train with")
pytest.importorskip("dp_accounting", reason="dp-accounting is not installed to price noise with")

from tests.transfer.ray_training import PLAN, data, network, run  # noqa: E402

ROOT = Path(__file__).parents[2]
PROGRAM = (
    "import pathlib, sys; from tests.transfer import ray_training as r; r.main(pathlib.Path(sys.argv[1]))"
)
NEEDED = ("ray", "pandas", "tensorboardX")
missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(bool(missing), reason="Ray Train is not installed: ray[train]"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: Any) -> dict[str, list[Any]]:
    folder = tmp_path_factory.mktemp("ray-train")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = {
        **kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)], cwd=ROOT, env=environment,
        capture_output=True, text=True, timeout=420,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return {
        name: [torch.load(folder / name / f"{rank}.pt", weights_only=True) for rank in range(2)]
        for name in ("plain", "noisy", "again")
    }


def test_without_noise_it_is_the_model_of_one_process(trained: dict[str, list[Any]]) -> None:
    (_, ours), (_, theirs) = trained["plain"]
    alone = network()
    run(alone, *data(), PLAN)
    for mine, other, value in zip(ours, theirs, alone.parameters(), strict=True):
        assert torch.equal(mine, other)
        assert torch.allclose(mine, value, atol=1e-5)


def test_noise_is_added_once_and_paid_by_one(trained: dict[str, list[Any]]) -> None:
    (paid, ours), (nothing, theirs) = trained["noisy"]
    assert paid > 0 == nothing
    assert all(torch.equal(mine, other) for mine, other in zip(ours, theirs, strict=True))
    (_, others), _ = trained["again"]
    assert not torch.equal(ours[0], others[0]), "each run has a key of its own"
