"""Clipped sums of per-example gradients: more cases, against a loop over examples and against Opacus."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed to train with")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from masquerade.errors import BadInput  # noqa: E402
from masquerade.transfer.gradient import Clipped, PerExample, closed_form  # noqa: E402

Tensor = torch.Tensor
WITHOUT = 1e9
torch.set_num_threads(1)  # small models are slower on two


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def losses_of(model: nn.Module, x: Any, y: Any) -> Tensor:
    return F.cross_entropy(model(x), y, reduction="none")


def one_by_one(model: nn.Module, x: Tensor, y: Tensor, bound: float) -> tuple[dict[str, Tensor], list[float]]:
    """The same by a loop over the examples, each by itself."""
    total: dict[str, Tensor] = {}
    norms = []
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    for i in range(len(y)):
        loss = losses_of(model, x[i : i + 1], y[i : i + 1]).sum()
        found = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
        each = {
            name: torch.zeros_like(value) if g is None else g
            for (name, value), g in zip(trained.items(), found, strict=True)
        }
        norm = float(torch.stack([g.double().square().sum() for g in each.values()]).sum().sqrt())
        norms.append(norm)
        for name, g in each.items():
            total[name] = total.get(name, 0) + g * min(1, bound / norm)
    return total, norms


def close(found: dict[str, Tensor], wanted: dict[str, Tensor], tolerance: float = 1e-5) -> None:
    assert found.keys() == wanted.keys()
    largest = max(float(value.abs().max()) for value in wanted.values())
    for name, value in wanted.items():
        assert value.shape == found[name].shape
        assert float((value - found[name]).abs().max()) <= tolerance * max(largest, 1e-3), name


def check(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """With a bound that half of the examples pass, whatever rule is chosen for each layer."""
    _, norms = one_by_one(model, x, y, WITHOUT)
    bound = sorted(norms)[len(norms) // 2] * 0.99
    wanted, _ = one_by_one(model, x, y, bound)
    for memory in (0, 1 << 40):
        with PerExample(model, bound, memory=memory) as private:
            found = private(lambda: losses_of(model, x, y))
        close(found.gradients, wanted)
        assert (found.examples, found.poisoned) == (len(y), 0)
        assert found.clipped == sum(norm > bound for norm in norms)
        assert found.loss == pytest.approx(losses_of(model, x, y).mean().item(), rel=1e-5)


class Flat(nn.Module):
    """Whatever comes, as ten numbers an example."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        out = self.inner(x)
        return F.pad(out.flatten(1), (0, 10))[:, :10] + out.flatten(1).square().mean(1, keepdim=True)


class Attention(nn.Module):
    def __init__(
        self, mask: str = "", weights: bool = False, batch_first: bool = True, cross: bool = False
    ) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(12, 3, batch_first=batch_first)
        self.mask, self.weights, self.batch_first, self.cross = mask, weights, batch_first, cross

    def forward(self, x: Tensor) -> Tensor:
        steps = x.shape[1]
        options: dict[str, Any] = {"need_weights": self.weights}
        if self.mask == "causal":
            options["attn_mask"] = nn.Transformer.generate_square_subsequent_mask(steps)
        if self.mask == "padding":
            options["key_padding_mask"] = torch.arange(steps).expand(len(x), -1) >= steps - 2
        other = x.flip(1) if self.cross else x
        if not self.batch_first:
            x, other = x.transpose(0, 1), x.flip(1).transpose(0, 1) if self.cross else x.transpose(0, 1)
        out = self.inner(x, other if self.cross else x, other if self.cross else x, **options)[0]
        return out if self.batch_first else out.transpose(0, 1)


class Own(nn.Module):
    """A module with parameters of its own, which has no rule."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.randn(7)), nn.Parameter(torch.randn(5, 1))
        self.after = nn.Linear(7, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(x * self.scale + self.shift) * self.scale


def pictures(*shape: int) -> Callable[[], Tensor]:
    return lambda: torch.randn(6, *shape)


LAYERS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor]]] = {
    "linear": (lambda: nn.Linear(7, 10), pictures(7)),
    "linear of steps": (lambda: nn.Linear(7, 10, bias=False), pictures(5, 7)),
    "linear of steps in two dimensions": (lambda: nn.Linear(7, 3), pictures(2, 3, 7)),
    "many steps": (lambda: nn.Linear(3, 2), pictures(40, 3)),
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, padding=2, dilation=2, stride=2), pictures(4, 11)),
    "conv2d": (lambda: nn.Conv2d(3, 6, (3, 2), stride=(1, 2), padding=1), pictures(3, 8, 9)),
    "conv2d, groups": (lambda: nn.Conv2d(4, 6, 3, groups=2, bias=False), pictures(4, 7, 7)),
    "conv2d, reflected": (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), pictures(2, 6, 6)),
    "conv2d, same": (lambda: nn.Conv2d(2, 3, (4, 3), padding="same"), pictures(2, 6, 6)),
    "conv3d": (lambda: nn.Conv3d(2, 3, 2, stride=2, padding=1), pictures(2, 5, 4, 6)),
    "layer norm": (lambda: nn.LayerNorm(7), pictures(5, 7)),
    "layer norm over two": (lambda: nn.LayerNorm((5, 7)), pictures(5, 7)),
    "rms norm": (lambda: nn.RMSNorm(7), pictures(5, 7)),
    "group norm": (lambda: nn.GroupNorm(2, 6), pictures(6, 3, 3)),
    "instance norm": (lambda: nn.InstanceNorm2d(3, affine=True), pictures(3, 4, 4)),
    "prelu": (lambda: nn.PReLU(3), pictures(3, 4)),
    "transposed": (lambda: nn.ConvTranspose2d(2, 3, 3), pictures(2, 4, 4)),
    "own parameters": (Own, pictures(5, 7)),
    "attention": (Attention, pictures(5, 12)),
    "attention, causal": (lambda: Attention("causal"), pictures(5, 12)),
    "attention, padded, with weights": (lambda: Attention("padding", weights=True), pictures(5, 12)),
    "attention to others": (lambda: Attention(batch_first=False, cross=True), pictures(5, 12)),
    "attention to others, padded": (lambda: Attention("padding", cross=True), pictures(5, 12)),
    "transformer": (lambda: nn.TransformerEncoderLayer(12, 3, 16, 0.0, batch_first=True), pictures(5, 12)),
    "a layer twice": (lambda: nn.Sequential(*[nn.Linear(7, 7), nn.Tanh()] * 2), pictures(5, 7)),
}  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS)
def test_layers(layer: str) -> None:
    make, data = LAYERS[layer]
    check(Flat(make()), data(), torch.randint(0, 10, (6,)))


class Words(nn.Module):
    """Embedding and head with one weight, as language models have it."""

    def __init__(self, words: int, tied: bool, padding: int | None = None) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, 6, padding_idx=padding)
        self.body = nn.Linear(6, 6)
        self.head = nn.Linear(6, words, bias=False)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.body(self.embed(x)))).mean(1)


@pytest.mark.parametrize("words", [11, 3000])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("padding", [None, 0])
def test_words(words: int, tied: bool, padding: int | None) -> None:
    x = torch.randint(0, 11, (6, 9))
    x[:, 3] = x[:, 2]
    check(Words(words, tied, padding), x, torch.randint(0, 10, (6,)))


def test_indices_that_are_expanded_in_memory() -> None:
    """As positions are: one row that stands for all examples."""

    class Placed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(11, 10), nn.Embedding(9, 10)

        def forward(self, x: Tensor) -> Tensor:
            return (self.words(x) * self.places(torch.arange(9).expand(len(x), -1))).mean(1)

    check(Placed(), torch.randint(0, 11, (6, 9)), torch.randint(0, 10, (6,)))


def test_frozen_parameters_and_biases_alone() -> None:
    model = nn.Sequential(nn.Linear(7, 7), nn.ReLU(inplace=True), nn.Linear(7, 10))
    for name, value in model.named_parameters():
        value.requires_grad_(name.endswith("bias"))
    check(model, torch.randn(6, 7), torch.randint(0, 10, (6,)))


def test_a_frozen_part_may_be_compiled() -> None:
    plain = nn.Sequential(nn.Linear(7, 9), nn.GELU(), nn.LayerNorm(9)).requires_grad_(False)
    calls: list[int] = []

    def backend(module: Any, inputs: Any) -> Any:
        calls.append(len(inputs))
        return module.forward

    compiled = torch.compile(plain, backend=backend)
    check(nn.Sequential(compiled, nn.Linear(9, 10)), torch.randn(6, 7), torch.randint(0, 10, (6,)))
    assert calls, "it was compiled indeed"


def test_lora_by_peft() -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed to make adapters with")
    base = nn.Sequential(nn.Linear(7, 8), nn.Tanh(), nn.Linear(8, 10))
    model = peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules=["0", "2"], lora_dropout=0.0))
    for name, value in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(value)
    check(model, torch.randn(6, 7), torch.randint(0, 10, (6,)))


# -- Opacus ----------------------------------------------------------------------------------------------


def by_opacus(model: nn.Module, x: Tensor, y: Tensor, bound: float) -> dict[str, Tensor]:
    opacus = pytest.importorskip("opacus", reason="Opacus is not installed to compare with")
    module = opacus.GradSampleModule(copy.deepcopy(model), loss_reduction="sum")
    losses_of(module, x, y).sum().backward()
    samples = {
        name: value.grad_sample for name, value in module._module.named_parameters() if value.requires_grad
    }
    norms = (
        torch.stack([value.flatten(1).double().square().sum(1) for value in samples.values()]).sum(0).sqrt()
    )
    scale = (bound / norms).clamp(max=1)
    return {name: torch.tensordot(scale, value.double(), 1) for name, value in samples.items()}


OF_OPACUS = [
    name
    for name in LAYERS
    if name.split(",")[0].split(" ")[0]
    in ("linear", "conv1d", "conv2d", "conv3d", "layer", "rms", "group", "instance")
    and name not in ("conv2d, same", "conv2d, reflected")  # which it does otherwise, or not at all
]


@pytest.mark.parametrize("layer", OF_OPACUS)
def test_layers_as_opacus_has_them(layer: str) -> None:
    make, data = LAYERS[layer]
    model, x, y = Flat(make()), data(), torch.randint(0, 10, (6,))
    with PerExample(model, 0.5) as private:
        found = private(lambda: losses_of(model, x, y)).gradients
    close(found, by_opacus(model, x, y, 0.5))


@st.composite
def compositions(draw: st.DrawFn) -> nn.Module:
    """Pictures of 2 x 8 x 8 through random layers to ten numbers."""
    layers: list[nn.Module] = []
    channels, side = 2, 8
    for _ in range(draw(st.integers(0, 3))):
        out, kernel = draw(st.sampled_from([2, 4, 6])), draw(st.integers(1, 3))
        groups = draw(st.sampled_from([1, 2]))
        layers += [
            nn.Conv2d(channels, out, kernel, padding=kernel // 2, groups=groups, bias=draw(st.booleans()))
        ]
        layers += [draw(st.sampled_from([nn.Tanh(), nn.ReLU(), nn.GroupNorm(2, out), nn.Identity()]))]
        channels, side = out, side + 2 * (kernel // 2) - kernel + 1
    layers += [nn.Flatten()]
    width = channels * side * side
    for _ in range(draw(st.integers(0, 2))):
        out = draw(st.integers(1, 9))
        layers += [
            nn.Linear(width, out, bias=draw(st.booleans())),
            draw(st.sampled_from([nn.GELU(), nn.LayerNorm(out)])),
        ]
        width = out
    return nn.Sequential(*layers, nn.Linear(width, 10))


@settings(max_examples=40, deadline=None)
@given(compositions(), st.integers(1, 7), st.floats(0.01, 10), st.sampled_from([0, 1 << 14, 1 << 40]))
def test_random_compositions_as_opacus_has_them(
    model: nn.Module, examples: int, bound: float, memory: int
) -> None:
    """In float64: a layer norm of two numbers makes much of float32's rounding, and of Opacus's another."""
    x, y = torch.randn(examples, 2, 8, 8).double(), torch.randint(0, 10, (examples,))
    model.double()
    with PerExample(model, bound, memory=memory) as private:
        found = private(lambda: losses_of(model, x, y)).gradients
    close(found, by_opacus(model, x, y, bound))


# -- the guarantee ---------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(LAYERS)), st.floats(0.01, 3), st.integers(0, 5), st.floats(0.1, 1e4))
def test_one_example_changes_the_sum_by_no_more_than_the_bound(
    layer: str, bound: float, gone: int, loud: float
) -> None:
    make, data = LAYERS[layer]
    model, x, y = Flat(make()), data(), torch.randint(0, 10, (6,))
    x[gone] *= loud
    keep = torch.arange(6) != gone
    with PerExample(model, bound) as private:
        whole = private(lambda: losses_of(model, x, y)).gradients
        less = private(lambda: losses_of(model, x[keep], y[keep])).gradients
    moved = torch.stack([(whole[name] - less[name]).double().square().sum() for name in whole]).sum().sqrt()
    assert float(moved) <= bound * (1 + 1e-4)


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("layer", ["linear", "conv2d", "own parameters", "attention", "layer norm"])
@pytest.mark.parametrize("memory", [0, 1 << 40])
def test_a_poisoned_example_counts_for_nothing(poison: float, layer: str, memory: int) -> None:
    make, data = LAYERS[layer]
    model, x, y = Flat(make()), data(), torch.randint(0, 10, (6,))
    x[2].flatten()[0] = poison
    keep = torch.arange(6) != 2
    with PerExample(model, 0.5, memory=memory) as private:
        found = private(lambda: losses_of(model, x, y))
        wanted = private(lambda: losses_of(model, x[keep], y[keep]))
    close(found.gradients, wanted.gradients)
    assert (found.examples, found.poisoned, found.clipped) == (6, 1, wanted.clipped)
    assert found.loss == pytest.approx(wanted.loss, rel=1e-5)
    all_bad = torch.full_like(x, math.nan)
    with PerExample(model, 0.5) as private:
        nothing = private(lambda: losses_of(model, all_bad, y))
    assert nothing.poisoned == 6 and math.isnan(nothing.loss)
    assert all(not value.any() for value in nothing.gradients.values())


def test_batches_add_up_and_empty_ones_are_nothing() -> None:
    model, x, y = nn.Linear(7, 10), torch.randn(6, 7), torch.randint(0, 10, (6,))
    with PerExample(model, 0.5) as private:
        whole = private(lambda: losses_of(model, x, y))
        parts = [
            private(lambda part=part: losses_of(model, x[part], y[part])) for part in (slice(2), slice(2, 6))
        ]
        empty = private(lambda: losses_of(model, x[:0], y[:0]))
    total = parts[0] + parts[1] + empty
    close(total.gradients, whole.gradients)
    assert (total.examples, total.clipped, total.poisoned) == (6, whole.clipped, 0)
    assert total.loss == pytest.approx(whole.loss)
    assert math.isnan(empty.loss) and (empty + empty).examples == 0
    with PerExample(model, 0.25) as other, pytest.raises(BadInput, match="different norms"):
        _ = whole + other.nothing()


def test_bfloat16() -> None:
    """Products in bfloat16, norms and sums in float32: as near as eight bits allow."""
    model = nn.Sequential(nn.Linear(7, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 10))
    x, y = torch.randn(6, 5, 7), torch.randint(0, 10, (6,))

    def losses() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return F.cross_entropy(model(x).mean(1).float(), y, reduction="none")

    with PerExample(model, 0.5) as private:
        found = private(losses)
    wanted = one_by_one(nn.Sequential(model, Mean()), x, y, 0.5)[0]
    close(found.gradients, {name.removeprefix("0."): value for name, value in wanted.items()}, 0.05)
    assert all(value.dtype == torch.float32 for value in found.gradients.values())


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


def test_dropout_is_drawn_once() -> None:
    """What the backward pass sees is what the forward pass dropped: no second draw gives another gradient."""
    model = nn.TransformerEncoderLayer(12, 3, 16, 0.5, batch_first=True)
    x = torch.randn(6, 5, 12)
    trained = dict(model.named_parameters())
    with PerExample(model, WITHOUT) as private:
        torch.manual_seed(3)
        found = private(lambda: model(x).square().mean((1, 2))).gradients
    before = {name: value.clone() for name, value in trained.items()}
    direction = {name: value / 64 for name, value in found.items()}

    def at(step: float) -> float:
        with torch.no_grad():
            for name, value in trained.items():
                value.copy_(before[name] + step * direction[name])
        with PerExample(model, WITHOUT) as private:  # whose attention draws in the same order
            torch.manual_seed(3)
            return private(lambda: model(x).square().mean((1, 2))).loss * 6

    slope = (at(1e-2) - at(-1e-2)) / 2e-2
    told = sum(float((found[name] * direction[name]).sum()) for name in found)
    assert slope == pytest.approx(told, rel=0.02)


# -- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), "GroupNorm or LayerNorm"),
        (nn.InstanceNorm1d(3, affine=True, track_running_stats=True), "track_running_stats=False"),
        (nn.Embedding(3, 3, max_norm=1.0), "max_norm"),
        (nn.LazyLinear(3), "lazy"),
        (nn.Linear(3, 3).requires_grad_(False), "nothing would be trained"),
    ],
)
def test_models_that_are_refused(model: nn.Module, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        PerExample(model, 1.0)


@pytest.mark.parametrize("bound", [0, -1, math.nan])
def test_bounds_that_are_none(bound: float) -> None:
    with pytest.raises(BadInput, match="greater than 0"):
        PerExample(nn.Linear(2, 2), bound)


class ByHand(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.inner = nn.Linear(7, 7), nn.Linear(7, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.embed(x) @ self.embed.weight.T).mean(1)


def test_calls_that_are_refused() -> None:
    x, y = torch.randn(6, 5, 7), torch.randint(0, 10, (6,))
    for model, why in ((ByHand(), r"embed\.weight is used where"),):
        with PerExample(model, 1.0) as private, pytest.raises(BadInput, match=why):
            private(lambda model=model: losses_of(model, x, y))
    model = nn.Linear(7, 10)
    with PerExample(model, 1.0) as private:
        with pytest.raises(BadInput, match="one an example"):
            private(lambda: F.cross_entropy(model(x[:, 0]), y))
        with pytest.raises(BadInput, match="no trained parameter"):
            private(lambda: torch.zeros(6))
        with pytest.raises(BadInput, match="no trained parameter"):
            private(lambda: torch.utils.checkpoint.checkpoint(model, x[:, 0], use_reentrant=True).sum(1))
    with pytest.raises(BadInput, match="closed"):
        private(lambda: losses_of(model, x[:, 0], y))


def test_it_leaves_no_trace() -> None:
    model = nn.TransformerEncoderLayer(12, 3, 16, 0.0, batch_first=True)
    x, before = torch.randn(2, 5, 12), set(vars(model.self_attn))
    wanted = model(x)
    private = PerExample(model, 1.0)
    assert torch.equal(model(x), wanted)
    private(lambda: model(x).square().mean((1, 2)))
    private.close()
    assert set(vars(model.self_attn)) == before and torch.equal(model(x), wanted)
    assert not any(module._forward_hooks for module in model.modules())
    assert all(value.grad is None for value in model.parameters())


def test_nothing_of_the_data_is_shown() -> None:
    model = nn.Linear(1, 10)
    with PerExample(model, 1.0) as private:
        found = private(
            lambda: losses_of(model, torch.full((3, 1), 424242.0), torch.zeros(3, dtype=torch.int64))
        )
    assert isinstance(found, Clipped) and "4242" not in repr(found) and "loss" not in repr(found)


# -- linear models ---------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 9), st.floats(0.05, 5), st.integers(0, 3))
def test_the_closed_form_is_the_same(examples: int, bound: float, poisoned: int) -> None:
    model = nn.Linear(7, 10)
    x, y = torch.randn(examples, 7), torch.randint(0, 10, (examples,))
    x[:poisoned, 1] = math.nan
    found = closed_form(x, y, model.weight.detach(), model.bias.detach(), bound)
    with PerExample(model, bound) as private:
        wanted = private(lambda: losses_of(model, x, y))
    close(found.gradients, wanted.gradients)
    assert (found.examples, found.clipped, found.poisoned) == (
        wanted.examples,
        wanted.clipped,
        wanted.poisoned,
    )
    assert found.loss == pytest.approx(wanted.loss, nan_ok=True)


# -- what must not hide an example ------------------------------------------------------------------------


def moved_by_the_last(model: nn.Module, x: Tensor, losses: Callable[[Tensor], Tensor], memory: int) -> float:
    """How far the clipped sum is from that without the last example; the bound is 1."""
    with PerExample(model, 1.0, memory=memory) as private:
        whole, less = (private(lambda x=x: losses(x)).gradients for x in (x, x[:-1]))
    return math.sqrt(sum(float((whole[name] - less[name]).double().square().sum()) for name in whole))


@pytest.mark.parametrize("memory", [0, 1 << 40])
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_an_example_whose_steps_cancel_hides_nothing(memory: int, half: bool, seed: int) -> None:
    """What is left of large opposite steps is above the bound, and below the rounding of their products."""
    torch.manual_seed(seed)
    layer, size, near = nn.Linear(64, 64, bias=False), (100, 1e5)[not half], (2e-2, 1e-5)[not half]
    nn.init.normal_(layer.weight, std=1e-3)
    x = torch.randn(4, 2, 64)
    x[3, 0] *= size
    x[3, 1] = -x[3, 0] * (1 + near * torch.randn(64))

    def losses(x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            return F.cross_entropy(
                layer(x).mean(1).float(), torch.zeros(len(x), dtype=torch.int64), reduction="none"
            )

    assert moved_by_the_last(layer, x, losses, memory) <= 1 + 2**-8


@pytest.mark.parametrize("memory", [0, 1 << 40])
@pytest.mark.parametrize("words", [3, 50])
def test_a_word_whose_places_cancel_hides_nothing(memory: int, words: int) -> None:
    table, x = nn.Embedding(words, 8), torch.tensor([[0, 1], [2, 1], [1, 1]])
    nn.init.zeros_(table.weight)
    weights = torch.randn(3, 2, 8) * 1e5
    weights[2, 1] = -weights[2, 0] * (1 + 1e-5 * torch.randn(8))

    def losses(x: Tensor) -> Tensor:
        return (table(x) * weights[: len(x)]).sum((1, 2))

    assert moved_by_the_last(table, x, losses, memory) <= 1 + 2**-8


class Running(nn.Module):
    """Keeps a mean of what it has seen."""

    def __init__(self, replaced: bool) -> None:
        super().__init__()
        self.inner, self.replaced = nn.Linear(7, 10), replaced
        self.register_buffer("mean", torch.zeros(7))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            now = self.mean * 0.9 + x.detach().mean(0) * 0.1
            self.mean = now if self.replaced else self.mean.copy_(now)
        return self.inner(x - self.mean)


@pytest.mark.parametrize("replaced", [False, True])
def test_buffers_that_keep_the_data_are_refused(replaced: bool) -> None:
    model, x, y = Running(replaced), torch.randn(6, 7), torch.randint(0, 10, (6,))
    with PerExample(model, 1.0) as private, pytest.raises(BadInput, match="mean is a buffer"):
        private(lambda: losses_of(model, x, y))
    check(model.eval(), x, y)


def test_a_weight_that_is_made_of_others() -> None:
    model = torch.nn.utils.weight_norm(nn.Linear(7, 10))
    check(model, torch.randn(6, 7), torch.randint(0, 10, (6,)))


class Across(nn.Module):
    """A model whose own code computes over the batch."""

    def __init__(self, how: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inner, self.how = nn.Linear(7, 10), how

    def forward(self, x: Tensor) -> Tensor:
        return self.how(self.inner(x))


@pytest.mark.parametrize(
    "how",
    [
        lambda out: out - out.mean(0),
        lambda out: out.cumsum(0),
        lambda out: out * out.roll(1, 0),
        lambda out: F.pad(out @ out.T, (0, 4)),
    ],
    ids=["mean", "sums so far", "the one before", "of each other"],
)
def test_models_that_compute_across_the_batch_are_refused(how: Any) -> None:
    model, x, y = Across(how), torch.randn(6, 7), torch.randint(0, 10, (6,))
    with PerExample(model, 1.0) as private, pytest.raises(BadInput, match=r"examples|mix"):
        private(lambda: losses_of(model, x, y))


def test_a_first_example_alone_does_not_end_the_checks() -> None:
    model, x, y = Across(lambda out: out - out.mean(0)), torch.randn(6, 7), torch.randint(0, 10, (6,))
    x[0] = math.nan
    with PerExample(model, 1.0) as private:
        private(lambda: losses_of(model, x[:1], y[:1]))
        with pytest.raises(BadInput, match=r"examples|mix"):
            private(lambda: losses_of(model, x[1:], y[1:]))


class Louder(nn.MultiheadAttention):
    """An attention with a forward of its own."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        out, weights = super().forward(*args, **kwargs)
        return out * 3, weights


class Looking(nn.Module):
    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        self.attention, self.head = attention, nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        other = x[..., : self.attention.kdim]
        return self.head(self.attention(x, other, other, need_weights=False)[0]).mean(1)


def test_an_attention_with_a_forward_of_its_own_is_named() -> None:
    model = Looking(Louder(12, 3, batch_first=True))
    x, y = torch.randn(6, 5, 12), torch.randint(0, 10, (6,))
    with PerExample(model, 1.0) as private, pytest.raises(BadInput, match="Louder"):
        private(lambda: losses_of(model, x, y))
    model.attention.requires_grad_(False)
    check(model, x, y)


@pytest.mark.parametrize("frozen", [False, True])
def test_an_attention_of_any_form(frozen: bool) -> None:
    model = Looking(nn.MultiheadAttention(12, 3, kdim=7, vdim=7, add_bias_kv=True, batch_first=True))
    model.attention.requires_grad_(not frozen)
    check(model, torch.randn(6, 5, 12), torch.randint(0, 10, (6,)))


def test_own_parameters_under_autocast() -> None:
    model = nn.Sequential(nn.Linear(7, 9), nn.PReLU(9), nn.Linear(9, 10))
    x, y = torch.randn(6, 7), torch.randint(0, 10, (6,))

    def losses() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return losses_of(model, x, y).float()

    with PerExample(model, 0.5) as private:
        found = private(losses)
    close(found.gradients, one_by_one(model, x, y, 0.5)[0], 0.05)


def test_a_poisoned_example_does_not_end_the_checks() -> None:
    """It makes all of a batch that mixes no numbers, in which nothing is seen."""
    model, x, y = Across(lambda out: out - out.mean(0)), torch.randn(6, 7), torch.randint(0, 10, (6,))
    poisoned = x.clone()
    poisoned[0] = math.nan
    with PerExample(model, 1.0) as private:
        private(lambda: losses_of(model, poisoned, y))
        with pytest.raises(BadInput, match=r"examples|mix"):
            private(lambda: losses_of(model, x, y))


class Gated(nn.Module):
    """Mixes examples behind a layer that starts at zero."""

    def __init__(self, beside: bool) -> None:
        super().__init__()
        self.inner, self.gate, self.beside = nn.Linear(7, 10), nn.Linear(10, 10), beside
        nn.init.zeros_(self.gate.weight)

    def forward(self, x: Tensor) -> Tensor:
        out = self.inner(x)
        return self.gate(out - out.mean(0)) + (out if self.beside else 0)


@pytest.mark.parametrize("beside", [False, True])
def test_a_layer_that_starts_at_zero_does_not_end_the_checks(beside: bool) -> None:
    model, x, y = Gated(beside), torch.randn(6, 7), torch.randint(0, 10, (6,))
    with PerExample(model, 1.0) as private:
        private(lambda: losses_of(model, x, y))
        nn.init.normal_(model.gate.weight)
        with pytest.raises(BadInput, match=r"examples|mix"):
            private(lambda: losses_of(model, x, y))


def test_examples_that_lie_near_and_in_one_half_are_told_apart() -> None:
    model = Across(
        lambda out: out + out.view(2, 2, 2, 10).sum(1, keepdim=True).expand(2, 2, 2, 10).flatten(0, 2)
    )
    x, y = torch.randn(8, 7), torch.randint(0, 10, (8,))
    with PerExample(model, 1.0) as private, pytest.raises(BadInput, match=r"examples|mix"):
        private(lambda: losses_of(model, x, y))


def test_a_model_that_mixes_only_while_it_is_trained() -> None:
    model, x, y = Across(lambda out: out), torch.randn(6, 7), torch.randint(0, 10, (6,))
    model.how = lambda out: out - out.mean(0) if model.training else out
    model.eval()
    with PerExample(model, 1.0) as private:
        for _ in range(4):
            private(lambda: losses_of(model, x, y))
        model.train()
        with pytest.raises(BadInput, match=r"examples|mix"):
            private(lambda: losses_of(model, x, y))


def test_hooks_of_a_layer_without_a_rule_run_once() -> None:
    model = nn.Sequential(nn.Linear(7, 10), nn.PReLU(10), nn.PReLU(10))
    model[1].register_forward_pre_hook(lambda module, args: (args[0] * 2 + 1,))
    model[2].register_forward_hook(lambda module, args, out: out * 2 - 1)
    check(model, torch.randn(6, 7), torch.randint(0, 10, (6,)))
    assert len(model[1]._forward_pre_hooks) == len(model[2]._forward_hooks) == 1


@pytest.mark.parametrize("way", ["autograd", "func"])
def test_gradients_of_gradients_are_refused(way: str) -> None:
    """A parameter's part in them goes past its layer's call."""
    model, x = nn.Sequential(nn.Linear(7, 7), nn.Tanh(), nn.Linear(7, 10)), torch.randn(6, 7)

    def losses() -> Tensor:
        if way == "func":
            inner = torch.func.grad(lambda x: model(x).square().sum())(x)
        else:
            given = x.clone().requires_grad_()
            inner = torch.autograd.grad(model(given).square().sum(), given, create_graph=True)[0]
        return model(x).sum(1) + inner.square().sum(1)

    with PerExample(model, 1.0) as private, pytest.raises(BadInput, match="penalty"):
        private(losses)


@pytest.mark.parametrize("memory", [0, 1 << 40])
@pytest.mark.parametrize("steps", [2, 6, 200])
@pytest.mark.parametrize("near", [0, 1e-8, 1e-7])
def test_what_rounding_leaves_of_huge_opposite_steps_is_bounded(memory: int, steps: int, near: float) -> None:
    """All that is left is rounding, and the norm is rounded otherwise than the sum."""
    for seed in range(4):
        torch.manual_seed(seed)
        layer, x, half, towards = (
            nn.Linear(64, 64, bias=False),
            torch.randn(4, steps, 64),
            steps // 2,
            torch.randn(64),
        )
        x[3, :half] *= 1e9
        x[3, half:] = -x[3, :half] * (1 + near * torch.randn(64))

        def losses(x: Tensor, layer: nn.Module = layer, towards: Tensor = towards) -> Tensor:
            return (layer(x) * towards).mean((1, 2))

        assert moved_by_the_last(layer, x, losses, memory) <= 1 + 2**-8


@pytest.mark.parametrize(
    "call",
    [
        lambda p, x: F.embedding(x.long() % 7, p["table"], max_norm=0.1).mean(1),
        lambda p, x: F.embedding(x.long() % 7, p["table"], scale_grad_by_freq=True).mean(1),
        lambda p, x: F.instance_norm(x[..., None], x[0], x[0].abs(), p["scale"], None, False)[..., 0],
    ],
    ids=["max_norm", "scale_grad_by_freq", "statistics that run"],
)  # fmt: skip
def test_options_that_no_rule_knows_are_refused(call: Any) -> None:
    model, x = nn.ParameterDict({"table": torch.randn(7, 10), "scale": torch.randn(4)}), torch.randn(6, 4)
    with PerExample(model, 1.0) as private, pytest.raises(BadInput, match="no trained parameter"):
        private(lambda: call(model, x).square().sum(1))
