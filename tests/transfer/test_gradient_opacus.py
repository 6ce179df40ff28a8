"""The same clipped sums as Opacus makes, for every layer that both know and for random models of them."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("opacus", reason="Opacus is not installed")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from opacus.grad_sample import GradSampleModule  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from masquerade.transfer.gradient import PerExample  # noqa: E402

torch.set_num_threads(1)  # small models are slower on two
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def agrees(model: nn.Module, x: Tensor) -> None:
    """Both give the same clipped sum, at a bound in the middle of the norms."""
    y = torch.arange(len(x)) % 2
    peer = GradSampleModule(model, loss_reduction="sum", strict=False)
    F.cross_entropy(_scores(peer(x)), y, reduction="sum").backward()
    samples = {
        name: p.grad_sample.detach().double().clone()
        for name, p in model.named_parameters()
        if p.requires_grad
    }
    for p in model.parameters():
        p.grad = p.grad_sample = None
    peer.remove_hooks()
    norms = torch.stack([g.flatten(1).square().sum(1) for g in samples.values()]).sum(0).sqrt()
    bound = float(norms.median()) or 1.0
    scale = (bound / norms.clamp(min=1e-30)).clamp(max=1)
    wanted = {name: torch.tensordot(scale, g, dims=1) for name, g in samples.items()}
    for memory in (0, 1 << 30):
        with PerExample(model, bound, memory=memory) as clip:
            out = clip(lambda: F.cross_entropy(_scores(model(x)), y, reduction="none"))
        for name, value in wanted.items():
            assert float((out.gradients[name].double() - value).abs().max()) <= 1e-5 * bound, name


def _scores(out: Tensor) -> Tensor:
    """Two numbers an example, in which all that the model gives has a part."""
    out = out.flatten(1)
    n = out.shape[1]
    return out @ torch.cos(torch.arange(2 * n, dtype=out.dtype)).view(n, 2) / n**0.5


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(6, 4), (5, 6)),
        (nn.Linear(6, 4), (5, 90, 6)),
        (nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), (5, 4, 9)),
        (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=1, dilation=(1, 2)), (5, 4, 9, 8)),
        (nn.Conv2d(3, 4, 3), (5, 3, 14, 14)),
        (nn.Conv3d(2, 4, 2, padding=1), (5, 2, 3, 4, 3)),
        (nn.LayerNorm(6), (5, 7, 6)),
        (nn.RMSNorm(6), (5, 7, 6)),
        (nn.GroupNorm(2, 6), (5, 6, 7)),
        (nn.InstanceNorm2d(3, affine=True), (5, 3, 4, 5)),
    ],
    ids=str,
)
def test_layers(layer: nn.Module, shape: tuple[int, ...]) -> None:
    torch.manual_seed(3)
    agrees(layer, torch.randn(shape))


def test_embedding() -> None:
    torch.manual_seed(3)
    x = torch.randint(0, 7, (5, 9))
    agrees(nn.Embedding(7, 4), x)
    agrees(nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 3)), x)


class Across(nn.Module):
    """A layer that wants channels first, among others that want them last."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.transpose(1, 2)).transpose(1, 2)


class Around(nn.Module):
    """A layer with a way around it."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.tanh(self.layer(x))


@st.composite
def models(draw: Any) -> tuple[nn.Module, Tensor]:
    """A chain over sequences of up to six layers, and its input: words or numbers."""
    torch.manual_seed(draw(st.integers(0, 10_000)))
    batch, length, width = draw(st.integers(1, 6)), draw(st.integers(2, 70)), draw(st.sampled_from([2, 4, 6]))
    layers: list[nn.Module] = []
    if draw(st.booleans()):
        x = torch.randint(0, 5, (batch, length))
        layers.append(nn.Embedding(5, width))  # Opacus trains the row of padding_idx; PyTorch and we do not
    else:
        x = torch.randn(batch, length, width)
        layers.append(nn.Linear(width, width))
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from("linear layer rms group conv around tanh frozen".split()))
        bias = draw(st.booleans())
        if kind == "linear":
            wider = draw(st.sampled_from([2, 4, 6, 40]))
            layers.append(nn.Linear(width, wider, bias=bias))
            width = wider
        elif kind == "around":
            layers.append(Around(nn.Linear(width, width, bias=bias)))
        elif kind == "layer":
            layers.append(nn.LayerNorm(width))
        elif kind == "rms":
            layers.append(nn.RMSNorm(width, eps=1e-5))
        elif kind == "group":
            layers.append(Across(nn.GroupNorm(2, width)))
        elif kind == "conv":
            groups = draw(st.sampled_from([1, 2]))
            layers.append(Across(nn.Conv1d(width, width, 3, padding=1, groups=groups, bias=bias)))
        elif kind == "frozen":
            layers.append(nn.Linear(width, width).requires_grad_(False))
        else:
            layers.append(nn.Tanh())
    return nn.Sequential(*layers, nn.Linear(width, 2)), x


@settings(max_examples=60, deadline=None)
@given(models())
def test_random_models(made: tuple[nn.Module, Tensor]) -> None:
    """In float64: a layer norm of two numbers makes much of float32's rounding, and of Opacus's another."""
    model, x = made
    agrees(model.double(), x.double() if x.is_floating_point() else x)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_random_convolutions(data: Any) -> None:
    torch.manual_seed(data.draw(st.integers(0, 10_000)))
    groups = data.draw(st.sampled_from([1, 2]))
    told = {
        "kernel_size": data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "stride": data.draw(st.tuples(st.integers(1, 3), st.integers(1, 2))),
        "padding": data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
        "dilation": data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
        "bias": data.draw(st.booleans()),
    }
    model = nn.Sequential(
        nn.Conv2d(2 * groups, 4, groups=groups, **told), nn.Tanh(), nn.GroupNorm(2, 4), nn.Conv2d(4, 2, 1)
    )
    agrees(model.double(), torch.randn(data.draw(st.integers(1, 4)), 2 * groups, 14, 9).double())
