"""Clipped sums of per-example gradients: equal to a loop over examples, whatever the model is made of."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from masquerade.errors import BadInput  # noqa: E402
from masquerade.transfer.gradient import Clipped, PerExample, closed_form  # noqa: E402

torch.set_num_threads(1)  # small models are slower on two
Losses = Callable[[nn.Module, Tensor, Tensor], Tensor]


def cross_entropy(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(scores(model(x)), y, reduction="none")


def scores(out: Tensor) -> Tensor:
    """Three numbers an example, in which all that the model gives has a part."""
    out = out.flatten(1)
    n = out.shape[1]
    return out @ torch.cos(torch.arange(3 * n, dtype=out.dtype)).view(n, 3) / n**0.5


def one_by_one(
    model: nn.Module, x: Tensor, y: Tensor, losses: Losses = cross_entropy
) -> tuple[dict[str, Tensor], Tensor]:
    """Every example's gradients by a loop, (B, ...) each, in float64; and their norms."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    rows: dict[str, list[Tensor]] = {name: [] for name in trained}
    for i in range(len(x)):
        loss = losses(model, x[i : i + 1], y[i : i + 1]).sum()
        gradients = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
        for (name, p), g in zip(trained.items(), gradients, strict=True):
            rows[name].append(torch.zeros_like(p) if g is None else g)
    stacked = {name: torch.stack(values).double() for name, values in rows.items()}
    return stacked, torch.stack([g.flatten(1).square().sum(1) for g in stacked.values()]).sum(0).sqrt()


def clipped_sum(gradients: dict[str, Tensor], norms: Tensor, bound: float) -> dict[str, Tensor]:
    scale = (bound / norms).clamp(max=1)
    return {name: torch.tensordot(scale, g, dims=1) for name, g in gradients.items()}


def distance(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """Largest difference, relative to the largest number."""
    assert a.keys() == b.keys()
    most = max(float(v.abs().max()) for v in b.values()) or 1.0
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in b) / most


def agrees(
    model: nn.Module,
    x: Tensor,
    *,
    losses: Losses = cross_entropy,
    memory: tuple[int, ...] = (0, 1 << 30),
    **more: Any,
) -> Clipped:
    y = torch.arange(len(x)) % 3
    gradients, norms = one_by_one(model, x, y, losses)
    bound = float(norms.median()) * 1.01
    wanted = clipped_sum(gradients, norms, bound)
    before = set(vars(model)), {n: p.grad for n, p in model.named_parameters()}
    for room in memory:
        with PerExample(model, bound, memory=room, **more) as clip:
            for _ in range(2):  # the first call is checked for mixing, the second not
                out = clip(lambda: losses(model, x, y))
                assert distance(out.gradients, wanted) < 1e-5
                assert (out.examples, out.poisoned, out.sensitivity) == (len(x), 0, bound)
                assert out.clipped == int((norms > bound).sum())
                assert all(g.dtype == torch.float32 and not g.requires_grad for g in out.gradients.values())
                assert out.loss == pytest.approx(float(losses(model, x, y).detach().mean()), rel=1e-5)
    assert before == (set(vars(model)), {n: p.grad for n, p in model.named_parameters()})
    return out


class Lambda(nn.Module):
    """Any function of modules."""

    def __init__(self, run: Callable[[Any, Tensor], Tensor], **parts: Any) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(7)


def words(batch: int = 5, length: int = 8, most: int = 11) -> Tensor:
    return torch.randint(0, most, (batch, length))


# -- layers ----------------------------------------------------------------------------------------------

SEQUENCE = (5, 7, 6)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(6, 4), (5, 6)),
        (nn.Linear(6, 4), SEQUENCE),
        (nn.Linear(6, 4), (5, 100, 6)),
        (nn.Linear(6, 4, bias=False), (5, 2, 3, 6)),
        (nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2), (5, 4, 11)),
        (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2), (5, 4, 9, 8)),
        (nn.Conv2d(3, 4, 3, padding=2, padding_mode="reflect"), (5, 3, 7, 7)),
        (nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular", bias=False), (5, 3, 7, 7)),
        (nn.Conv2d(3, 4, (2, 3), padding="same", dilation=(1, 2)), (5, 3, 7, 7)),
        (nn.Conv2d(3, 8, 1), (5, 3, 20, 20)),
        (nn.Conv2d(4, 4, 3, groups=4), (5, 4, 6, 6)),
        (nn.Conv3d(2, 4, (1, 3, 2), padding=(0, 1, 1), stride=(1, 2, 1)), (5, 2, 3, 6, 5)),
        (nn.LayerNorm(6), SEQUENCE),
        (nn.LayerNorm((7, 6)), (5, 2, 7, 6)),
        (nn.LayerNorm(6, bias=False), SEQUENCE),
        (nn.RMSNorm(6), SEQUENCE),
        (nn.GroupNorm(2, 6), (5, 6, 7)),
        (nn.InstanceNorm2d(3, affine=True), (5, 3, 4, 5)),
    ],
    ids=str,
)
def test_layers(layer: nn.Module, shape: tuple[int, ...]) -> None:
    agrees(layer, torch.randn(shape))


@pytest.mark.parametrize("layer", [nn.PReLU(6), nn.Bilinear(6, 6, 4), nn.ConvTranspose1d(7, 3, 2)], ids=str)
def test_layers_without_a_rule_run_vectorised(layer: nn.Module) -> None:
    if isinstance(layer, nn.Bilinear):
        agrees(Lambda(lambda m, x: m.layer(x, x), layer=layer), torch.randn(SEQUENCE))
    else:
        agrees(layer, torch.randn((5, 6) if isinstance(layer, nn.PReLU) else SEQUENCE))


def test_embeddings() -> None:
    same = torch.tensor([[3] * 8, [0] * 8, [1, 2, 3, 4] * 2, [5, 5, 0, 0, 1, 1, 1, 1], [*range(8)]])
    agrees(nn.Embedding(11, 6), same)
    agrees(nn.Embedding(11, 6, padding_idx=0), same)
    agrees(nn.Embedding(11, 6, padding_idx=-1), words())
    agrees(nn.Embedding(11, 6), torch.tensor([1, 2, 2, 1, 0]))
    agrees(nn.Embedding(11, 6), torch.tensor([[1, 2, 3]]).expand(5, 3))


def test_one_lookup_for_the_whole_batch() -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        return m.head(
            m.words(x) + m.places(torch.arange(x.shape[1])) + m.more(torch.arange(x.shape[1])[None])
        )

    parts = {"words": nn.Embedding(11, 6), "places": nn.Embedding(9, 6), "more": nn.Embedding(8, 6)}
    agrees(Lambda(run, **parts, head=nn.Linear(6, 2)), words())


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("norm_first", [True, False])
def test_transformer_layers(first: bool, mode: bool, norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=first, norm_first=norm_first)

    def run(m: Any, x: Tensor) -> Tensor:
        out = m.layers(x if first else x.transpose(0, 1))
        return m.head((out if first else out.transpose(0, 1)).mean(1))

    with pytest.warns(UserWarning) if norm_first or not first else _nothing():
        model = Lambda(run, layers=nn.TransformerEncoder(layer, 2), head=nn.Linear(8, 3)).train(mode)
    agrees(model, torch.randn(7, 7, 8))  # as long as the batch is large: dimensions cannot be told by size
    for p in model.layers.layers[0].parameters():
        p.requires_grad = False
    agrees(model, torch.randn(4, 7, 8))


def _nothing() -> Any:
    import contextlib

    return contextlib.nullcontext()


def test_attention_of_every_kind() -> None:
    later = torch.ones(7, 7).triu(1).bool()

    def run(m: Any, x: Tensor) -> Tensor:
        a, _ = m.odd(x, x[..., :5], x[..., 2:])
        b, _ = m.cross(a, x, x, need_weights=False, attn_mask=later)
        c, _ = m.cross(b, b, b, attn_mask=torch.zeros(len(x) * 2, 7, 7), average_attn_weights=False)
        hidden = torch.zeros(len(x), 7, dtype=torch.bool)
        hidden[:, 5:] = True
        d, _ = m.cross(c, c, x, key_padding_mask=hidden)
        e, _ = m.causal(d, d, d, attn_mask=later, is_causal=True, need_weights=False)
        return (b + d + e).mean(1)

    parts = {
        "odd": nn.MultiheadAttention(8, 2, 0.0, True, True, True, kdim=5, vdim=6, batch_first=True),
        "cross": nn.MultiheadAttention(8, 2, batch_first=True, bias=False),
        "causal": nn.MultiheadAttention(8, 2, batch_first=True),
    }
    agrees(Lambda(run, **parts), torch.randn(5, 7, 8))


def test_attention_written_out() -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        q, k, v = (p.unflatten(2, (2, -1)).transpose(1, 2) for p in m.qkv(x).chunk(3, -1))
        return m.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)).mean(
            1
        )

    agrees(Lambda(run, qkv=nn.Linear(8, 24), out=nn.Linear(8, 8)), torch.randn(5, 7, 8))


def test_drops_what_the_model_drops() -> None:
    model = nn.Sequential(nn.Linear(8, 9), nn.Dropout(0.5), nn.Linear(9, 3), nn.Dropout(0.1))
    x, y = torch.randn(4, 5, 8), torch.arange(4) % 3
    with PerExample(model, 1e9) as clip:
        torch.manual_seed(3)
        ours = clip(lambda: cross_entropy(model, x, y))
    torch.manual_seed(3)
    cross_entropy(model, x, y).sum().backward()
    assert distance(ours.gradients, {n: p.grad for n, p in model.named_parameters()}) < 1e-5


# -- parameters used more than once ----------------------------------------------------------------------


def test_tied_weights() -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        return m.head(m.body(m.words(x)))[:, -1]

    model = Lambda(run, words=nn.Embedding(11, 6, padding_idx=2), body=nn.Linear(6, 6), head=nn.Linear(6, 11))
    model.head.weight = model.words.weight
    out = agrees(model, words())
    assert set(out.gradients) == {"words.weight", "body.weight", "body.bias", "head.bias"}


def test_a_tied_weight_outside_a_layer() -> None:
    agrees(Lambda(lambda m, x: F.linear(m.e(x), m.e.weight)[:, -1], e=nn.Embedding(11, 6)), words())
    model = Lambda(lambda m, x: (x @ m.o)[:, -1], o=nn.Parameter(torch.randn(6, 3)))
    agrees(nn.Sequential(nn.Embedding(11, 6), model), words())


def test_layers_used_twice() -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        return m.norm(m.layer(torch.tanh(m.layer(m.norm(x))))).mean(1)

    agrees(Lambda(run, layer=nn.Linear(8, 8), norm=nn.LayerNorm(8)), torch.randn(5, 7, 8))
    agrees(
        Lambda(lambda m, x: m.conv(torch.tanh(m.conv(x))), conv=nn.Conv2d(3, 3, 3, groups=3)),
        torch.randn(4, 3, 9, 9),
    )
    agrees(Lambda(lambda m, x: m.e(x) + m.e(x.flip(1)), e=nn.Embedding(11, 6)), words())
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    agrees(Lambda(lambda m, x: m.a(m.a(x, x, x)[0], x, x)[0].mean(1), a=attention), torch.randn(4, 5, 8))
    agrees(Lambda(lambda m, x: m.p(m.p(x) - 1), p=nn.PReLU(6)), torch.randn(4, 6))


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e3])
def test_norms_stand_when_almost_all_cancels(offset: float) -> None:
    """Inputs far from zero, output gradients that add up to nothing: the ghost rule alone loses the norm."""
    layer, tied = nn.Linear(40, 40, bias=False), nn.Embedding(40, 40)
    tied.weight = layer.weight
    x = torch.randn(6, 8, 40) + offset
    sign = torch.tensor([1.0, -1.0] * 4)[:, None]
    index = torch.arange(8).repeat(6, 1)
    for run in (lambda: layer(x), lambda: layer(x) + tied(index)):
        losses = lambda: (run() * sign).sum((1, 2))  # noqa: B023, E731
        norms = []
        for i in range(6):
            (g,) = torch.autograd.grad(losses()[i], [layer.weight])
            norms.append(float(g.double().norm()))
        with PerExample(nn.ModuleList([layer, tied]), 1.0) as clip:
            out = clip(losses)
            for i, norm in enumerate(norms):
                one = clip(lambda i=i: torch.where(torch.arange(6) == i, losses(), 0))  # noqa: B023
                (g,) = one.gradients.values()
                assert float(g.double().norm()) == pytest.approx(min(norm, 1.0), rel=1e-4)
        assert out.clipped == 6


# -- parts of a model ------------------------------------------------------------------------------------


def test_what_is_frozen_is_left_out() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8).eval(), nn.Tanh(), nn.Linear(8, 3))
    for name, p in model.named_parameters():
        p.requires_grad = name == "3.bias"
    assert set(agrees(model, torch.randn(5, 6)).gradients) == {"3.bias"}
    for name, p in model.named_parameters():
        p.requires_grad = name.endswith("bias") and not name.startswith("1")
    assert set(agrees(model, torch.randn(5, 6)).gradients) == {"0.bias", "3.bias"}


def test_what_a_batch_does_not_use_has_no_gradient() -> None:
    model = Lambda(lambda m, x: m.a(x) if m.training else m.b(m.a(x)), a=nn.Linear(6, 3), b=nn.Linear(3, 3))
    out = agrees(model, torch.randn(4, 6))
    assert not out.gradients["b.weight"].any()


def test_parameters_of_the_model_itself() -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        x = torch.cat([m.first.expand(len(x), -1, -1), m.layer(x)], 1) + m.places
        return m.scale(x)[:, 0]

    scale = Lambda(lambda m, x: x * m.w[0] + m.w[1], w=nn.ParameterList([torch.randn(6), torch.randn(6)]))
    model = Lambda(
        run, first=nn.Parameter(torch.randn(1, 1, 6)), places=nn.Parameter(torch.randn(1, 8, 6)),
        layer=nn.Linear(6, 6), scale=scale,
    )  # fmt: skip
    assert len(agrees(model, torch.randn(SEQUENCE)).gradients) == 6


def test_low_rank_adapters() -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed")
    base = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 3))
    model = peft.get_peft_model(
        base, peft.LoraConfig(r=2, target_modules=["0", "2"], init_lora_weights=False)
    )
    out = agrees(model, torch.randn(SEQUENCE))
    assert len(out.gradients) == 4
    assert all("lora" in name for name in out.gradients)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_models_of_transformers(kind: str) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    if kind == "gpt2":
        told = transformers.GPT2Config(
            vocab_size=11,
            n_positions=9,
            n_embd=8,
            n_layer=2,
            n_head=2,
            resid_pdrop=0,
            embd_pdrop=0,
            attn_pdrop=0,
        )
        model = transformers.GPT2LMHeadModel(told)
    else:
        told = transformers.LlamaConfig(
            vocab_size=11, hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2
        )
        model = transformers.LlamaForCausalLM(told)

    def losses(model: Any, x: Tensor, y: Tensor) -> Tensor:
        out = model(input_ids=x, use_cache=False).logits[:, :-1]
        return F.cross_entropy(out.transpose(1, 2), x[:, 1:], reduction="none").mean(1)

    agrees(model, words(), losses=losses)


# -- what happens to examples ----------------------------------------------------------------------------


def model_of_every_kind() -> tuple[nn.Module, Tensor]:
    def run(m: Any, x: Tensor) -> Tensor:
        h = m.norm(m.layer(m.words(x[:, :, 0].long().clamp(0, 10)) + x[:, :, 1:]))
        h = m.group(m.conv(h.transpose(1, 2))).transpose(1, 2)
        return m.head(m.attention(h, h, h)[0] * m.scale(h)).mean(1)

    parts = {
        "words": nn.Embedding(11, 6), "layer": nn.Linear(6, 6), "norm": nn.LayerNorm(6),
        "conv": nn.Conv1d(6, 6, 3, padding=1), "group": nn.GroupNorm(2, 6),
        "scale": Lambda(lambda m, x: x * m.w, w=nn.Parameter(torch.randn(6))),
        "attention": nn.MultiheadAttention(6, 2, batch_first=True), "head": nn.Linear(6, 3),
    }  # fmt: skip
    x = torch.randn(6, 8, 7)
    x[:, :, 0] = torch.randint(0, 11, (6, 8))
    return Lambda(run, **parts), x


@pytest.mark.parametrize("memory", [0, 1 << 30])
@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf, 1e30])
def test_a_poisoned_example_counts_for_nothing(memory: int, poison: float) -> None:
    model, x = model_of_every_kind()
    y = torch.arange(6) % 3
    bad = x.clone()
    bad[2, 3, 1:] = poison
    keep = torch.tensor([0, 1, 3, 4, 5])
    with PerExample(model, 0.7, memory=memory) as clip:
        whole = clip(lambda: cross_entropy(model, bad, y))
        rest = clip(lambda: cross_entropy(model, x[keep], y[keep]))
    if math.isfinite(poison) and not whole.poisoned:
        return  # layer norm made sense of it
    assert (whole.examples, whole.poisoned, whole.clipped) == (6, 1, rest.clipped)
    assert whole.loss == pytest.approx(rest.loss)
    assert distance(whole.gradients, rest.gradients) < 1e-5


def test_a_loss_that_is_not_finite_counts_for_nothing() -> None:
    model, x = nn.Linear(6, 3), torch.randn(4, 6)
    with PerExample(model, 1.0) as clip:
        out = clip(lambda: model(x).square().sum(1) / torch.tensor([1.0, 0.0, 1.0, 1.0]))
        rest = clip(lambda: model(x[[0, 2, 3]]).square().sum(1))
        none = clip(lambda: model(x).sum(1) * math.nan)
    assert out.poisoned == 1
    assert distance(out.gradients, rest.gradients) < 1e-6
    assert none.poisoned == 4
    assert math.isnan(none.loss)
    assert not any(g.any() for g in none.gradients.values())


def test_a_poisoned_row_of_an_embedding_poisons_only_who_looks_it_up() -> None:
    model = nn.Sequential(nn.Embedding(11, 6), nn.Linear(6, 3))
    with torch.no_grad():
        model[0].weight[7] = math.nan
    x = torch.tensor([[1, 2], [7, 1], [2, 2]])
    with PerExample(model, 1.0) as clip:
        out = clip(lambda: cross_entropy(model, x, torch.tensor([0, 1, 2])))
    assert out.poisoned == 1
    assert all(g.isfinite().all() for g in out.gradients.values())


def test_an_empty_batch() -> None:
    model = nn.Sequential(nn.Conv1d(3, 2, 2), nn.Flatten(), nn.Linear(8, 3))
    with PerExample(model, 1.0) as clip:
        out = clip(lambda: cross_entropy(model, torch.randn(0, 3, 5), torch.zeros(0, dtype=torch.long)))
        one = clip(lambda: cross_entropy(model, torch.randn(1, 3, 5), torch.zeros(1, dtype=torch.long)))
    assert (out.examples, out.clipped, out.poisoned) == (0, 0, 0)
    assert math.isnan(out.loss)
    assert not any(g.any() for g in out.gradients.values())
    assert distance((out + one).gradients, one.gradients) == 0
    assert (out + one).loss == one.loss


def test_microbatches_add_up() -> None:
    model, x = model_of_every_kind()
    y = torch.arange(6) % 3
    with PerExample(model, 0.5) as clip:
        whole = clip(lambda: cross_entropy(model, x, y))
        parts = [clip(lambda s=s: cross_entropy(model, x[s], y[s])) for s in (slice(0, 1), slice(1, 6))]
    both = parts[0] + parts[1]
    assert distance(both.gradients, whole.gradients) < 1e-5
    assert (both.examples, both.clipped, both.poisoned) == (6, whole.clipped, 0)
    assert both.loss == pytest.approx(whole.loss)
    with PerExample(model, 0.6) as clip, pytest.raises(BadInput, match="different norms"):
        both + clip(lambda: cross_entropy(model, x, y))


@pytest.mark.parametrize("memory", [0, 1 << 30])
def test_neighbouring_batches_differ_by_at_most_the_bound(memory: int) -> None:
    """Add one example, as bad as it may be: the sum moves by no more than the bound, in L2 over all of it."""
    model, x = model_of_every_kind()
    y = torch.arange(6) % 3
    with PerExample(model, 0.25, memory=memory) as clip:
        for size in (1e-3, 1.0, 1e2, 1e4):
            for i in range(6):
                other = x.clone()
                other[i, :, 1:] *= size
                rest = [j for j in range(6) if j != i]
                a = clip(lambda: cross_entropy(model, other, y))  # noqa: B023
                b = clip(lambda: cross_entropy(model, x[rest], y[rest]))  # noqa: B023
                moved = sum(
                    (a.gradients[n].double() - b.gradients[n].double()).square().sum() for n in a.gradients
                )
                assert float(moved) ** 0.5 <= 0.25 * (1 + 1e-5)


def test_mixed_precision() -> None:
    model, x = model_of_every_kind()
    y = torch.arange(6) % 3

    def losses(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return cross_entropy(model, x, y).float()

    gradients, norms = one_by_one(model, x, y, losses)
    bound = float(norms.median())
    for whole in (True, False):
        outside = torch.autocast("cpu", dtype=torch.bfloat16, enabled=whole)
        with PerExample(model, bound) as clip, outside:
            out = clip(lambda: losses(model, x, y))
        assert distance(out.gradients, clipped_sum(gradients, norms, bound)) < 0.05
        assert all(g.dtype == torch.float32 for g in out.gradients.values())
        total = sum(g.double().square().sum() for g in out.gradients.values())
        assert float(total) ** 0.5 <= 6 * bound
    agrees(copy.deepcopy(model).double(), x.double())


def test_rows_of_several_dimensions_in_one() -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        return m.layer(x.flatten(0, 1)).unflatten(0, (len(x), -1)).mean(1)

    agrees(Lambda(run, layer=nn.Linear(6, 3)), torch.randn(SEQUENCE))


def test_examples_along_another_dimension() -> None:
    model = Lambda(lambda m, x: m.layer(x.transpose(0, 1)).transpose(0, 1), layer=nn.Linear(6, 3))
    agrees(model, torch.randn(5, 7, 6), axis={"layer": 1})
    agrees(model, torch.randn(5, 5, 6), axis={"layer": 1})
    for length in (5, 7, 10):
        with PerExample(model, 1.0) as clip, pytest.raises(BadInput, match=r"axis"):
            clip(lambda: model(torch.randn(5, length, 6)).sum((1, 2)))  # noqa: B023
    with pytest.raises(BadInput, match="no module 'no'"):
        PerExample(model, 1.0, axis={"no": 1})


def test_changes_in_place() -> None:
    agrees(
        nn.Sequential(nn.Conv1d(3, 4, 2), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(16, 3)),
        torch.randn(5, 3, 5),
    )

    def run(m: Any, x: Tensor) -> Tensor:
        x = x * 1
        y = m.layer(x)
        x += 1
        return y

    model = Lambda(run, layer=nn.Linear(6, 3))
    with PerExample(model, 1.0) as clip, pytest.raises(BadInput, match=r"layer\.weight.*in place"):
        clip(lambda: model(torch.randn(5, 6)).sum(1))


# -- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (nn.BatchNorm1d(6), "GroupNorm"),
        (nn.BatchNorm1d(6, affine=False), "GroupNorm"),
        (nn.BatchNorm1d(6, track_running_stats=False).eval(), "GroupNorm"),
        (nn.InstanceNorm1d(6, track_running_stats=True), "track_running_stats"),
        (nn.LSTM(6, 6), "Linear"),
        (nn.GRUCell(6, 6), "Linear"),
        (nn.EmbeddingBag(6, 6), "Embedding"),
        (nn.Embedding(6, 6, max_norm=1.0), "max_norm"),
        (nn.Embedding(6, 6, scale_grad_by_freq=True), "scale_grad_by_freq"),
        (nn.LazyLinear(6), "run the model once"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(6, 6)), "parametrization"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_layers_that_are_refused_by_name(layer: nn.Module, why: str) -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.Sequential(layer))
    with pytest.raises(BadInput, match=rf"^1\.0.*{why}"):
        PerExample(model, 1.0)


def test_models_that_are_refused() -> None:
    model = nn.Linear(6, 3)
    for norm in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(BadInput, match="greater than 0"):
            PerExample(model, norm)
    with pytest.raises(BadInput, match="nothing would be trained"):
        PerExample(model.requires_grad_(False), 1.0)
    with pytest.raises(BadInput, match="compiled"):
        PerExample(torch.compile(nn.Linear(6, 3)), 1.0)


def test_losses_that_are_refused() -> None:
    model, x = nn.Linear(6, 3), torch.randn(4, 6)
    with PerExample(model, 1.0) as clip:
        for losses, why in (
            (lambda: model(x).sum(), "one an example"),
            (lambda: model(x), "one an example"),
            (lambda: x.sum(1), "inside"),
            (lambda: model(x).detach().sum(1), "detached"),
            (lambda: model(x)[:3].sum(1), "rows"),
            (lambda: model(x).sum(1)[:2], "examples|rows"),
        ):
            with pytest.raises(BadInput, match=why):
                clip(losses)
        clip(lambda: model(x).sum(1))
        model.weight = nn.Parameter(model.weight.detach())
        with pytest.raises(BadInput, match="set it up again"):
            clip(lambda: model(x).sum(1))


@pytest.mark.parametrize(
    "mix",
    [
        lambda x: x - x.mean(0),
        lambda x: x.flip(0),
        lambda x: F.scaled_dot_product_attention(*[x.transpose(0, 1)] * 3).transpose(0, 1),
        lambda x: x.cumsum(0),
    ],
)
def test_examples_that_mix_are_caught(mix: Callable[[Tensor], Tensor]) -> None:
    model = Lambda(lambda m, x: m.b(mix(m.a(x))).sum((1, 2)), a=nn.Linear(6, 6), b=nn.Linear(6, 3))
    told = pytest.raises(BadInput, match=r"a\.(weight|bias): .* rows of others")
    with PerExample(model, 1.0) as clip, told:
        clip(lambda: model(torch.randn(SEQUENCE)))


def test_uses_that_cannot_be_followed_are_caught() -> None:
    model = Lambda(lambda m, x: m.a(x) * m.a.weight.sum(), a=nn.Linear(6, 3))
    with PerExample(model, 1.0) as clip:
        with pytest.raises(BadInput, match=r"a\.weight is used where"):
            clip(lambda: model(torch.randn(4, 6)).sum(1))
        assert model.a.weight.grad is None
    model(torch.randn(4, 6)).sum().backward()  # no hook is left
    assert model.a.weight.grad is not None


def test_a_layer_that_does_not_run_one_at_a_time_is_refused_by_name() -> None:
    odd = Lambda(lambda m, x: x * m.w if bool(x.sum() > 0) else x, w=nn.Parameter(torch.ones(3)))
    model = nn.Sequential(nn.Linear(6, 3), odd)
    with PerExample(model, 1.0) as clip, pytest.raises(BadInput, match=r"^1 \(Lambda\) has no rule"):
        clip(lambda: model(torch.randn(4, 6)).sum(1))
    assert model(torch.randn(4, 6)).shape == (4, 3)


def test_no_message_holds_a_value() -> None:
    model = Lambda(lambda m, x: m.b(m.a(x) - m.a(x).mean(0)), a=nn.Linear(6, 6), b=nn.Linear(6, 3))
    x = torch.full((4, 6), 31337.0)
    with PerExample(model, 1.0) as clip:
        with pytest.raises(BadInput) as caught:
            clip(lambda: model(x).sum(1))
        assert "31337" not in str(caught.value)


# -- linear models ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["softmax", "logistic", "squared"])
@pytest.mark.parametrize("bias", [True, False])
def test_closed_form(loss: Any, bias: bool) -> None:
    model, x = nn.Linear(6, 3, bias=bias), torch.randn(9, 6)
    y = torch.rand(9, 3) if loss != "softmax" else torch.arange(9) % 3
    losses = {
        "softmax": lambda s, y: F.cross_entropy(s, y, reduction="none"),
        "logistic": lambda s, y: F.binary_cross_entropy_with_logits(s, y, reduction="none").sum(1),
        "squared": lambda s, y: (s - y).square().sum(1) / 2,
    }[loss]
    with PerExample(model, 0.8) as clip:
        wanted = clip(lambda: losses(model(x), y))
    out = closed_form(x, y, model.weight, model.bias, 0.8, loss=loss)
    assert distance(out.gradients, wanted.gradients) < 1e-5
    assert out.loss == pytest.approx(wanted.loss, rel=1e-5)
    assert (out.examples, out.clipped, out.poisoned) == (9, wanted.clipped, 0)
    x[4] = math.nan
    poisoned = closed_form(x, y, model.weight, model.bias, 0.8, loss=loss)
    rest = [i for i in range(9) if i != 4]
    clean = closed_form(x[rest], y[rest], model.weight, model.bias, 0.8, loss=loss)
    assert poisoned.poisoned == 1
    assert distance(poisoned.gradients, clean.gradients) < 1e-6
    empty = closed_form(x[:0], y[:0], model.weight, model.bias, 0.8, loss=loss)
    assert (empty.examples, math.isnan(empty.loss)) == (0, True)


def test_closed_form_refuses_what_does_not_fit() -> None:
    x, weight = torch.randn(4, 6), torch.randn(3, 6)
    for y, loss in (
        (torch.zeros(5), "squared"),
        (torch.zeros(4), "softmax"),
        (torch.zeros(4, 2), "logistic"),
    ):
        with pytest.raises(BadInput):
            closed_form(x, y, weight, None, 1.0, loss=loss)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="greater than 0"):
        closed_form(x, torch.zeros(4, 3), weight, None, 0.0, loss="squared")
    soft = closed_form(x, torch.full((4, 3), 1 / 3), weight, None, 1.0)
    assert soft.examples == 4
