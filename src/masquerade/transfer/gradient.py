"""Per-example gradients, clipped and summed, at nearly the cost of plain training.

    with PerExample(model, l2_clip_norm=1.0) as private:
        clipped = private(lambda: cross_entropy(model(x), y, reduction="none"))
    clipped.gradients                # the sum over examples, each scaled to a norm of at most 1

Book-keeping (Bu, Wang, Zha and Karypis, "Differentially Private Optimization on Large Model at Small Cost",
ICML 2023, algorithm 1): one forward pass, and one backward pass to the *outputs* of the layers only. The
gradient of a weight is, for each example b, a product of two factors, what the layer was given and what came
back to it:

    Linear     G_b = sum_t g_bt a_bt^T          Embedding   row x_bt of G_b gets g_bt
    Conv       the same over patches            norms       G_b = sum_t g_bt * normalised(a_bt)

Of each layer the norm is taken by whichever of two rules is cheaper and fits the memory allowed:

    ghost          |G_b|^2 = sum_ts (a_bt . a_bs) (g_bt . g_bs), without G_b      T^2 (d + p) steps an example
    instantiation  G_b itself                                                     T d p

and the clipped sum is one more product of the factors, with the examples' scales in it. A parameter that is
used several times (tied weights, a layer called twice) has all its uses added before the norm is taken.

The guarantee: one example, added to a batch or taken out of it, changes ``gradients``, as one vector, by
at most ``l2_clip_norm`` in L2, if the model treats each example by itself. A model that mixes examples is
refused where that can be seen: BatchNorm, rows that are not one an example, and losses that send gradients to
other examples, which the first batch is tried for. Statistics of the batch behind ``detach`` cannot be seen,
and break the guarantee. The first batch is also added up without clipping, and held against autograd's sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard, cast

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F

from masquerade.errors import BadInput

MEMORY = 64 << 20
"""Bytes of instantiated per-example gradients that are kept at a time, by default."""

_CANCELLED = 2.0**-7
"""Where the steps of an example cancel each other to less than this part of their norms, its norm is taken to
be this part: what is left is rounding, in which a record could hide a gradient above the bound."""

_ALIKE = 2.0**-5
"""By which part of the examples' norms autograd's gradient may differ from the sum of theirs: in bfloat16."""


@dataclass(frozen=True)
class Clipped:
    """What one batch, or the sum of several, gave. ``repr`` shows no number that depends on the data."""

    gradients: dict[str, Tensor]
    """By the parameter's name: the sum over examples of their clipped gradients; float32, on its device."""
    examples: int
    """How many were in the batch."""
    clipped: int
    """How many had a larger norm than the bound."""
    poisoned: int
    """How many had a loss or a gradient that is not finite. They count for nothing."""
    loss: float
    """The mean loss of the others; NaN if there are none."""
    sensitivity: float
    """The bound: by how much, in L2, one example can change ``gradients``."""

    def __add__(self, other: Clipped) -> Clipped:
        """Both batches as one; the sensitivity stays, for an example is in one of them."""
        if self.gradients.keys() != other.gradients.keys() or self.sensitivity != other.sensitivity:
            raise BadInput("the gradients of two models, or of two bounds, do not add up")
        mine, theirs = self.examples - self.poisoned, other.examples - other.poisoned
        losses = [(own.loss, n) for own, n in ((self, mine), (other, theirs)) if n]
        return Clipped(
            {name: value + other.gradients[name] for name, value in self.gradients.items()},
            self.examples + other.examples,
            self.clipped + other.clipped,
            self.poisoned + other.poisoned,
            sum(loss * n for loss, n in losses) / (mine + theirs) if losses else math.nan,
            self.sensitivity,
        )

    def __repr__(self) -> str:
        return f"Clipped(parameters={len(self.gradients)}, sensitivity={self.sensitivity})"


class _Use(Protocol):
    """One use of a parameter in a forward pass, once the gradient of its output is there."""

    def instance(self) -> Tensor:
        """The gradient of each example: (B, *shape), float32."""

    def squares(self) -> Tensor | None:
        """Their squared norms, (B,), without instantiating, where that is cheaper; else None."""

    def total(self, scale: Tensor) -> Tensor:
        """The sum of ``scale[b]`` times the gradient of example b."""

    def reach(self) -> Tensor:
        """What the norms can be at most, (B,): that of the factors, were all steps to point one way."""

    @property
    def size(self) -> int:
        """Bytes of :meth:`instance`."""


@dataclass(frozen=True)
class _Instance:
    """A gradient that is taken at once: biases, norms, and what has no factors."""

    value: Tensor

    def instance(self) -> Tensor:
        return self.value

    def squares(self) -> Tensor | None:
        return _squared(self.value)

    def total(self, scale: Tensor) -> Tensor:
        total: Tensor = torch.tensordot(scale, self.value, 1)
        return total

    def reach(self) -> Tensor:
        return _squared(self.value).sqrt()

    @property
    def size(self) -> int:
        return 0  # it is there already


@dataclass(frozen=True)
class _Product:
    """G_b = sum_t out_bt into_bt^T, in ``groups`` blocks: of Linear and convolutions."""

    into: Tensor
    """(B, T, d), or (B, groups, T, d)."""
    out: Tensor
    """(B, T, p), or (B, groups, T, p)."""
    shape: torch.Size
    """Of the parameter."""
    rows: slice | None = None
    """Which rows of it were used; None: all."""

    def instance(self) -> Tensor:
        product = self.out.mT.float() @ self.into.float()
        return self._placed(product.reshape(len(product), *self._used))

    def squares(self) -> Tensor | None:
        steps, into, out = self.into.shape[-2], self.into.shape[-1], self.out.shape[-1]
        if steps == 1:
            a, g = self.into.float().square().sum((-1, -2)), self.out.float().square().sum((-1, -2))
            return (a * g).flatten(1).sum(1) if a.ndim > 1 else a * g
        if steps * (into + out) > into * out:
            return None
        a, g = self.into.float(), self.out.float()
        return ((a @ a.mT) * (g @ g.mT)).flatten(1).sum(1)

    def total(self, scale: Tensor) -> Tensor:
        scaled = self.out.float() * scale.view(-1, *[1] * (self.out.ndim - 1))
        into = self.into.float()
        if into.ndim == 3:
            product = scaled.flatten(0, 1).T @ into.flatten(0, 1)
        else:
            product = torch.einsum("bgtp,bgtd->gpd", scaled, into)
        return self._placed(product.reshape(1, *self._used))[0]

    def reach(self) -> Tensor:
        steps = (_lengths(self.into) * _lengths(self.out)).sum(-1)
        return steps if steps.ndim == 1 else _lengths(steps)

    @property
    def _used(self) -> torch.Size:
        rows = self.shape[0] if self.rows is None else len(range(*self.rows.indices(self.shape[0])))
        return torch.Size((rows, *self.shape[1:]))

    def _placed(self, value: Tensor) -> Tensor:
        if self.rows is None:
            return value
        whole = value.new_zeros(len(value), *self.shape)
        whole[:, self.rows] = value
        return whole

    @property
    def size(self) -> int:
        return 4 * len(self.out) * math.prod(self.shape)


@dataclass(frozen=True)
class _Rows:
    """Row ``index_bt`` of G_b gets ``out_bt``: of embeddings. A negative index has no row."""

    index: Tensor
    """(B, T)."""
    out: Tensor
    """(B, T, d)."""
    shape: torch.Size

    def _flat(self, scale: Tensor | None) -> tuple[Tensor, Tensor]:
        out = self.out.float() if scale is None else self.out.float() * scale[:, None, None]
        return self.index.clamp(min=0), out.masked_fill((self.index < 0)[..., None], 0)

    def instance(self) -> Tensor:
        index, out = self._flat(None)
        whole = out.new_zeros(len(out), *self.shape)
        return whole.scatter_add_(1, index[..., None].expand_as(out), out)

    def squares(self) -> Tensor | None:
        steps = self.index.shape[1]
        if steps * steps > self.shape[0] * self.shape[1] and self.size <= MEMORY:
            return None
        same = (self.index[:, :, None] == self.index[:, None, :]) & (self.index >= 0)[:, None, :]
        out = self.out.float()
        return ((out @ out.mT) * same).flatten(1).sum(1)

    def total(self, scale: Tensor) -> Tensor:
        index, out = self._flat(scale)
        whole = out.new_zeros(self.shape)
        return whole.index_add_(0, index.flatten(), out.flatten(0, 1))

    def reach(self) -> Tensor:
        index, out = self._flat(None)
        each = _lengths(out)
        if self.shape[0] <= index.shape[1] ** 2:
            return _lengths(each.new_zeros(len(each), self.shape[0]).scatter_add_(1, index, each))
        same = (index[:, :, None] == index[:, None, :]).float()
        return (each * (same @ each[..., None])[..., 0]).sum(1).sqrt()

    @property
    def size(self) -> int:
        return 4 * len(self.out) * math.prod(self.shape)


def _squared(value: Tensor) -> Tensor:
    """The squared norm of each example, (B,)."""
    total: Tensor = value.flatten(1).square().sum(1)
    return total


def _lengths(value: Tensor) -> Tensor:
    """The norms of its last dimension, float32."""
    lengths: Tensor = torch.linalg.vector_norm(value, dim=-1, dtype=torch.float32)
    return lengths


def _across(one: _Use, other: _Use) -> Tensor | None:
    """<G_b, G'_b> of two uses of one parameter by their factors, (B,); None where these do not tell."""
    if isinstance(one, _Product) and isinstance(other, _Rows):
        one, other = other, one
    if isinstance(one, _Rows) and isinstance(other, _Product) and other.out.ndim == 3 and not other.rows:
        # sum_ts out'_s[x_t] (into_s . out_t)
        index, out = one._flat(None)
        picked = other.out.float().gather(2, index[:, None, :].expand(-1, other.out.shape[1], -1))
        return (picked * (other.into.float() @ out.mT)).flatten(1).sum(1)
    if isinstance(one, _Product) and isinstance(other, _Product) and one.out.ndim == other.out.ndim == 3:
        if one.rows or other.rows:
            return None
        products = (one.out.float() @ other.out.float().mT) * (one.into.float() @ other.into.float().mT)
        return products.flatten(1).sum(1)
    return None


class _Parameter:
    """All uses of one parameter in one pass: its share of the norms, then its share of the sum."""

    def __init__(self, uses: list[_Use], memory: int) -> None:
        self._uses, self._kept, self._memory = uses, cast("Tensor | None", None), memory
        self.kept_bytes = 0

    def squares(self) -> Tensor:
        found = self._squares()
        if self._kept is not None:
            return found  # of the very numbers that are summed later
        return torch.maximum(found, (self.reach() * _CANCELLED).square())

    def reach(self) -> Tensor:
        """What the norms can be at most, (B,)."""
        return torch.stack([use.reach() for use in self._uses]).sum(0)

    def _squares(self) -> Tensor:
        if len(self._uses) == 1:
            (use,) = self._uses
            found = use.squares()
            return self._instantiated() if found is None else found
        crossed = self._crossed() if sum(use.size for use in self._uses) > self._memory else None
        return self._instantiated() if crossed is None else crossed

    def _crossed(self) -> Tensor | None:
        total: Tensor | None = None
        for i, one in enumerate(self._uses):
            for other in self._uses[i:]:
                part = one.squares() if one is other else _across(one, other)
                if part is None:
                    return None
                part = part if one is other else 2 * part
                total = part if total is None else total + part
        return total

    def _instantiated(self) -> Tensor:
        value = self._uses[0].instance()
        for use in self._uses[1:]:
            value = value + use.instance()
        found = _squared(value)
        if value.nbytes <= self._memory:
            self._kept, self.kept_bytes, self._uses = value, value.nbytes, []
        return found

    def total(self, scale: Tensor) -> Tensor:
        if self._kept is not None:
            return _Instance(self._kept).total(scale)
        parts = [use.total(scale) for use in self._uses]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)


@dataclass(frozen=True)
class _Call:
    """One call of a layer, as the forward pass saw it."""

    name: str
    module: nn.Module
    edge: GradientEdge
    given: tuple[Any, ...]
    """The nodes of the graph that its inputs come from."""
    uses: Callable[[Tensor, int], Iterator[tuple[Tensor, _Use]]]
    """From the gradient of the output, and the number of examples: what each parameter was used for."""


class PerExample:
    """Gives clipped sums of per-example gradients of ``model``'s trainable parameters.

    It hooks into the model's layers, and leaves no trace once it is closed. Outside of a call the model works
    as ever. Dropout and autocast work; gradients are summed in float32. Activation checkpointing does not.

    Args:
        l2_clip_norm: the bound on the L2 norm of one example's gradient over all parameters together.
        memory: bytes of per-example gradients that may be instantiated and kept at a time.

    Raises:
        BadInput: no parameter is trainable, or a layer has no gradient of single examples; it is named, with
            what to do.
    """

    def __init__(self, model: nn.Module, l2_clip_norm: float, *, memory: int = MEMORY) -> None:
        if not (l2_clip_norm > 0 and not math.isnan(l2_clip_norm)):
            raise BadInput("l2_clip_norm is a number greater than 0")
        self._model, self._bound, self._memory = model, float(l2_clip_norm), memory
        self._names: dict[Tensor, str] = {
            value: name for name, value in model.named_parameters() if value.requires_grad
        }
        self._buffers = model.named_buffers
        if not self._names:
            raise BadInput("no parameter of this model is trainable: all have requires_grad = False")
        self._calls: list[_Call] | None = None
        self._checked = False
        self._undo: list[Callable[[], Any]] = []
        for name, module in model.named_modules():
            self._attach(name or type(module).__name__, module)

    def _attach(self, name: str, module: nn.Module) -> None:
        own = [value for value in module.parameters(recurse=False) if value in self._names]
        _refuse(name, module, bool(own))
        if _trained_attention(module, self._names):
            self._undo.append(_expose(module, name, self))
        elif own:
            rule = _rule(module) or _by_vmap(module)

            def seen(module: nn.Module, args: Any, kwargs: Any, out: Any) -> None:
                if self._calls is not None:
                    self._note(name, module, rule(module, args, kwargs), (*args, *kwargs.values()), out)

            self._undo.append(module.register_forward_hook(seen, with_kwargs=True).remove)

    def _note(self, name: str, module: nn.Module, uses: Any, given: tuple[Any, ...], out: Any) -> None:
        if not torch.is_grad_enabled():
            raise BadInput(
                f"{name} ran without gradients: activation checkpointing, or torch.no_grad, inside"
            )
        if not isinstance(out, Tensor):
            raise BadInput(
                f"{name} ({type(module).__name__}) returns no single tensor: give its parameters to layers"
            )
        if out.requires_grad and self._calls is not None:
            nodes = tuple(value.grad_fn for value in given if isinstance(value, Tensor) and value.grad_fn)
            self._calls.append(_Call(name, module, get_gradient_edge(out), nodes, uses))

    def close(self) -> None:
        """Take the hooks away."""
        while self._undo:
            self._undo.pop()()

    def __enter__(self) -> PerExample:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __call__(self, losses: Callable[[], Tensor]) -> Clipped:
        """Run ``losses``, which runs the model and gives the loss of each example, (B,), and go back.

        Raises:
            BadInput: the losses are not of shape (B,), or a layer does not see one row an example.
        """
        if not self._undo:
            raise BadInput("this is closed: make a new one")
        self._calls, before = [], {name: (value, value._version) for name, value in self._buffers()}
        try:
            each = losses()
            calls = self._calls
        finally:
            self._calls = None
        self._no_buffer_moved(before)
        if each.ndim != 1:
            raise BadInput(f"losses have one number an example, shape (B,): these have {tuple(each.shape)}")
        if not len(each):
            return self.nothing()
        if not each.requires_grad:
            raise BadInput("no trainable parameter was used for the losses")
        if not self._checked:
            self._no_other_way(each.grad_fn, calls)
            self._no_example_in_another(each, calls)
        whole = None if self._checked else self._by_autograd(each)
        with torch.no_grad():
            used = self._parameters(calls, each)
            if whole is not None:
                self._checked = self._as_autograd(whole, used, each) and len(each) > 1
            return self._clipped(each.detach().float(), used)

    def _no_other_way(self, start: Any, calls: list[_Call]) -> None:
        """Refuse a parameter that reaches the losses past its layer, as one multiplied by hand does."""
        given = {call.edge.node: call.given for call in calls}
        seen, waiting = set(), [start]
        while waiting:
            node = waiting.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            name = self._names.get(getattr(node, "variable", None))  # type: ignore[arg-type]
            if name is not None:
                raise BadInput(
                    f"{name} is also used outside of its layer, where its gradient is not seen: "
                    "call the layer, or tie its weight to that of another (other.weight = layer.weight)"
                )
            waiting += given[node] if node in given else (edge[0] for edge in node.next_functions)

    def _no_buffer_moved(self, before: Mapping[str, tuple[Tensor, int]]) -> None:
        for name, value in self._buffers():
            old, version = before.get(name, (value, value._version))
            if value is not old or value._version != version:
                raise BadInput(
                    f"{name} is a buffer that this model changes as it sees examples: no noise hides them "
                    "there. Keep nothing of the data, or call eval() on that module"
                )

    def _no_example_in_another(self, losses: Tensor, calls: list[_Call]) -> None:
        """Refuse a model where the loss of one example depends on another: go back from every other one."""
        edges = tuple(call.edge for call in calls)
        if len(losses) < 2 or not edges:
            return
        found = torch.autograd.grad(losses[1::2].sum(), edges, retain_graph=True, allow_unused=True)
        for call, gradient in zip(calls, found, strict=True):
            if gradient is None or not gradient.ndim or len(gradient) != len(losses):
                continue  # refused by its shape, later
            others = gradient[::2]
            if bool((others.isfinite() & (others != 0)).any()):
                raise BadInput(
                    f"{call.name} ({type(call.module).__name__}) gives what the losses of several examples "
                    "depend on: this model computes across the batch, and no clipping bounds one example"
                )

    def _by_autograd(self, losses: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient of the whole batch, as plain training has it."""
        found: tuple[Tensor | None, ...] = torch.autograd.grad(
            losses.sum(), tuple(self._names), retain_graph=True, allow_unused=True
        )
        return found

    def _as_autograd(
        self, whole: tuple[Tensor | None, ...], used: dict[Tensor, _Parameter], losses: Tensor
    ) -> bool:
        """Whether the gradients of the examples could be added up and compared with autograd's.

        Raises:
            BadInput: the two differ, so that some gradient is not seen here.
        """
        if not all(value is None or bool(value.isfinite().all()) for value in whole):
            return False
        reach = {parameter: each.reach().sum() for parameter, each in used.items()}
        least = sum(float(each) for each in reach.values()) * _ALIKE**2
        for (parameter, name), wanted in zip(self._names.items(), whole, strict=True):
            if wanted is None:
                continue
            each = used.get(parameter)
            ones = torch.ones(len(losses), device=wanted.device)
            if each is None or float((each.total(ones) - wanted).norm()) > reach[parameter] * _ALIKE + least:
                raise BadInput(
                    f"the gradient of {name} is not the sum of those of single examples that are seen here: "
                    "it is used in a way that is not known. Build the model of layers that are, or freeze it"
                )
        return True

    def nothing(self) -> Clipped:
        """What a batch without examples gives."""
        zeros = {name: torch.zeros_like(value, dtype=torch.float32) for value, name in self._names.items()}
        return Clipped(zeros, 0, 0, 0, math.nan, self._bound)

    def _parameters(self, calls: list[_Call], losses: Tensor) -> dict[Tensor, _Parameter]:
        with torch.enable_grad():
            edges = tuple(call.edge for call in calls)
            gradients = torch.autograd.grad(losses.sum(), edges, allow_unused=True) if edges else ()
        uses: dict[Tensor, list[_Use]] = {}
        for call, gradient in zip(calls, gradients, strict=True):
            if gradient is None:
                continue
            _one_row_each(call, gradient, len(losses))
            for parameter, use in call.uses(gradient, len(losses)):
                if parameter in self._names:
                    uses.setdefault(parameter, []).append(use)
        return {parameter: _Parameter(each, self._memory) for parameter, each in uses.items()}

    def _clipped(self, losses: Tensor, used: dict[Tensor, _Parameter]) -> Clipped:
        left, squares = self._memory, torch.zeros_like(losses)
        for each in used.values():
            each._memory = left
            squares += each.squares().to(squares.device)
            left -= each.kept_bytes
        norms = squares.sqrt()
        good = torch.isfinite(losses) & torch.isfinite(norms)
        scale = torch.where(norms > self._bound, self._bound / norms, torch.ones_like(norms))
        poisoned = len(losses) - int(good.sum())
        gradients = {}
        for parameter, name in self._names.items():
            if parameter not in used:
                gradients[name] = torch.zeros_like(parameter, dtype=torch.float32)
            elif poisoned:
                gradients[name] = _selected(used.pop(parameter), good).total(scale[good])
            else:
                gradients[name] = used.pop(parameter).total(scale)
        clipped = int((norms[good] > self._bound).sum())
        loss = float(losses[good].mean()) if poisoned < len(losses) else math.nan
        return Clipped(gradients, len(losses), clipped, poisoned, loss, self._bound)


def _selected(each: _Parameter, good: Tensor) -> _Parameter:
    """Without the examples that are not finite: 0 times NaN would be NaN."""
    if each._kept is not None:
        each._kept = each._kept[good]
    each._uses = [_only(use, good) for use in each._uses]
    return each


def _only(use: Any, good: Tensor) -> _Use:
    if isinstance(use, _Instance):
        return _Instance(use.value[good])
    if isinstance(use, _Rows):
        return _Rows(use.index[good], use.out[good], use.shape)
    return _Product(use.into[good], use.out[good], use.shape, use.rows)


def _one_row_each(call: _Call, gradient: Tensor, examples: int) -> None:
    if gradient.ndim == 0 or len(gradient) != examples:
        seen = len(gradient) if gradient.ndim else 0
        raise BadInput(
            f"{call.name} ({type(call.module).__name__}) saw {seen} rows in a batch of {examples} examples: "
            "its first dimension must be the batch, one row an example"
        )


# -- the layers ------------------------------------------------------------------------------------------

_Uses = Callable[[Tensor, int], Iterator[tuple[Tensor, _Use]]]
_LayerRule = Callable[[Any, tuple[Any, ...], Mapping[str, Any]], _Uses]


def _given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    value: Tensor = args[0] if args else next(iter(kwargs.values()))
    return value.detach()


def _steps(value: Tensor) -> Tensor:
    """(B, ..., d) as (B, T, d)."""
    return value[:, None] if value.ndim == 2 else value.flatten(1, -2)


def _linear(module: nn.Linear, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Uses:
    return _linear_of(_given(args, kwargs), module.weight, module.bias)


def _linear_of(a: Tensor, weight: Tensor, bias: Tensor | None, rows: slice | None = None) -> _Uses:
    def uses(g: Tensor, _: int) -> Iterator[tuple[Tensor, _Use]]:
        if g.ndim == 1:
            raise BadInput("a Linear saw one row without a batch dimension")
        out = _steps(g)
        if weight.requires_grad:
            into = _steps(a)
            yield weight, _Product(into.to(out.dtype), out, weight.shape, rows)
        if bias is not None and bias.requires_grad:
            each = out.float().sum(1)
            if rows is not None:
                whole = each.new_zeros(len(each), *bias.shape)
                whole[:, rows] = each
                each = whole
            yield bias, _Instance(each)

    return uses


def _convolution(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Uses:
    a, dims = _given(args, kwargs), len(module.kernel_size)

    def uses(g: Tensor, _: int) -> Iterator[tuple[Tensor, _Use]]:
        out = g.flatten(2).mT  # (B, T, p)
        if module.weight.requires_grad:
            into = _patches(_padded(module, a.to(g.dtype)), module, g.shape[2:], dims)
            groups, count = module.groups, len(g)
            if groups > 1:
                into = into.view(count, into.shape[1], groups, -1).transpose(1, 2)
                grouped = out.reshape(count, out.shape[1], groups, -1).transpose(1, 2)
            else:
                grouped = out
            yield module.weight, _Product(into, grouped, module.weight.shape)
        if module.bias is not None and module.bias.requires_grad:
            yield module.bias, _Instance(out.float().sum(1))

    return uses


def _padded(module: Any, a: Tensor) -> Tensor:
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    around = module._reversed_padding_repeated_twice  # what "same" comes to, too
    return F.pad(a, around, mode=mode) if any(around) else a


def _patches(a: Tensor, module: Any, out: torch.Size, dims: int) -> Tensor:
    """(B, T, channels * kernel): what each place of the output was computed from."""
    strides = a.stride()
    kernel, step, apart = module.kernel_size, module.stride, module.dilation
    view = a.as_strided(
        (len(a), *out, a.shape[1], *kernel),
        (
            strides[0],
            *(stride * s for stride, s in zip(strides[2:], step, strict=True)),
            strides[1],
            *(stride * d for stride, d in zip(strides[2:], apart, strict=True)),
        ),
        a.storage_offset(),
    )
    return view.reshape(len(a), math.prod(out), a.shape[1] * math.prod(kernel))


def _embedding(module: nn.Embedding, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Uses:
    index = _given(args, kwargs)

    def uses(g: Tensor, _: int) -> Iterator[tuple[Tensor, _Use]]:
        rows = index.reshape(len(index), -1)
        if module.padding_idx is not None:
            rows = rows.masked_fill(rows == module.padding_idx, -1)
        yield module.weight, _Rows(rows, g.reshape(len(g), -1, g.shape[-1]), module.weight.shape)

    return uses


def _normalisation(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Uses:
    a = _given(args, kwargs)

    def uses(g: Tensor, _: int) -> Iterator[tuple[Tensor, _Use]]:
        weight, bias = module.weight, getattr(module, "bias", None)
        own = tuple(weight.shape)
        by_channel = isinstance(module, nn.GroupNorm | nn.modules.instancenorm._InstanceNorm)

        def each(value: Tensor) -> Tensor:
            if by_channel:
                return value.flatten(2).sum(2) if value.ndim > 2 else value
            between = value.ndim - 1 - len(own)
            return value.flatten(1, between).sum(1) if between else value

        g = g.float()
        if weight.requires_grad:
            yield weight, _Instance(each(g * _normalised(module, a.float())))
        if bias is not None and bias.requires_grad:
            yield bias, _Instance(each(g))

    return uses


def _normalised(module: Any, a: Tensor) -> Tensor:
    if isinstance(module, nn.LayerNorm):
        return F.layer_norm(a, module.normalized_shape, eps=module.eps)
    if isinstance(module, nn.RMSNorm):
        return F.rms_norm(a, list(module.normalized_shape), eps=module.eps)
    groups = module.num_groups if isinstance(module, nn.GroupNorm) else a.shape[1]
    return F.group_norm(a, groups, eps=module.eps)


_CONVOLUTIONS = nn.Conv1d, nn.Conv2d, nn.Conv3d
_INSTANCE_NORMS = nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d
_BATCH_NORMS = nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm

_RULES: dict[type[nn.Module], _LayerRule] = {
    nn.Linear: _linear,
    **dict.fromkeys(_CONVOLUTIONS, _convolution),
    nn.Embedding: _embedding,
    **dict.fromkeys((nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, *_INSTANCE_NORMS), _normalisation),
}


def _rule(module: nn.Module) -> _LayerRule | None:
    """The rule of the layer's class, or of the one whose ``forward`` it has."""
    for kind, rule in _RULES.items():
        if isinstance(module, kind) and type(module).forward is kind.forward:
            return rule
    return None


def _refuse(name: str, module: nn.Module, trained: bool) -> None:
    if isinstance(module, _BATCH_NORMS):
        raise BadInput(
            f"{name} is a {type(module).__name__}: it computes with means over the batch, so that each "
            "example changes what all others give, and no clipping bounds it. Use GroupNorm or LayerNorm"
        )
    if isinstance(module, _INSTANCE_NORMS) and module.track_running_stats:
        raise BadInput(f"{name} keeps running means of the data: make it with track_running_stats=False")
    unusual = isinstance(module, nn.Embedding) and (
        module.max_norm or module.scale_grad_by_freq or module.sparse
    )
    if trained and unusual:
        raise BadInput(f"{name}: max_norm, scale_grad_by_freq and sparse have no gradient of single examples")
    lazy = torch.nn.modules.lazy.LazyModuleMixin
    if isinstance(module, lazy) and module.has_uninitialized_params():
        raise BadInput(f"{name} is lazy: run the model once before it is trained")


# -- what has no rule of its own -------------------------------------------------------------------------


def _by_vmap(module: nn.Module) -> _LayerRule:
    """The module run again for each example, vectorised; for any module that torch.func can run so."""

    def rule(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Uses:
        if module.training and any(
            isinstance(part, nn.modules.dropout._DropoutNd) and part.p for part in module.modules()
        ):
            raise BadInput(
                f"{type(module).__name__} has parameters of its own and dropout inside: put these parameters "
                "into a module by themselves"
            )

        def uses(g: Tensor, examples: int) -> Iterator[tuple[Tensor, _Use]]:
            own = {n: p for n, p in module.named_parameters(recurse=False) if p.requires_grad}
            for name, value in _example_by_example(module, own, args, kwargs, g, examples).items():
                yield own[name], _Instance(value.float())

        return uses

    return rule


def _example_by_example(
    module: nn.Module,
    own: Mapping[str, nn.Parameter],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    g: Tensor,
    examples: int,
) -> dict[str, Tensor]:
    from torch.func import functional_call, vjp, vmap
    from torch.utils import _pytree as pytree

    leaves, form = pytree.tree_flatten((args, dict(kwargs)))
    leaves = [_plainly(leaf) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
    batched = [
        i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and leaf.ndim and len(leaf) == examples
    ]
    values = {name: value.detach() for name, value in own.items()}

    def one(rows: list[Tensor], row: Tensor) -> dict[str, Tensor]:
        given = list(leaves)
        for i, value in zip(batched, rows, strict=True):
            given[i] = value[None]

        def run(own: dict[str, Tensor]) -> Tensor:
            inner, outer = pytree.tree_unflatten(given, form)
            out: Tensor = functional_call(module, own, inner, outer)
            return out

        pull: Any = vjp(run, values)[1]
        found: dict[str, Tensor] = pull(row[None].to(_dtype_of(run, values)))[0]
        return found

    try:
        result: dict[str, Tensor] = vmap(one)([leaves[i] for i in batched], g)
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as problem:
        raise BadInput(
            f"{type(module).__name__} has no gradient of single examples here ({type(problem).__name__}): "
            "build it of layers that are known (Linear, Conv, Embedding, norms, attention), or freeze it"
        ) from None
    return result


def _plainly(value: Tensor) -> Tensor:
    """Without its graph, and not in the half precision that autocast may have brought."""
    half = value.dtype in (torch.bfloat16, torch.float16)
    return value.detach().float() if half else value.detach()


def _dtype_of(run: Callable[[dict[str, Tensor]], Tensor], values: dict[str, Tensor]) -> torch.dtype:
    return next(iter(values.values())).dtype


def _trained_attention(module: nn.Module, trained: Mapping[Tensor, str]) -> TypeGuard[nn.MultiheadAttention]:
    """Whether it is PyTorch's own attention, with something to train; any other is no layer of its own."""
    plain = type(module).forward is nn.MultiheadAttention.forward and "forward" not in vars(module)
    return plain and any(value in trained for value in module.parameters())


def _expose(module: nn.MultiheadAttention, name: str, private: PerExample) -> Callable[[], None]:
    """Let an attention's projections be seen: its ``forward`` gives its weights away to one function.

    Only while gradients are taken; the way back is returned.
    """
    if module.bias_k is not None or module.bias_v is not None or module.add_zero_attn:
        raise BadInput(
            f"{name}: add_bias_kv and add_zero_attn are not known here; make the attention without"
        )
    plain = module.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        if private._calls is None:
            return plain(*args, **kwargs)
        return _attention(module, name, private, *args, **kwargs)

    module.forward = forward  # type: ignore[method-assign]

    def undo() -> None:
        del module.forward

    return undo


def _attention(
    module: nn.MultiheadAttention,
    name: str,
    private: PerExample,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """As ``nn.MultiheadAttention`` in training, its four projections noted; batch first inside."""
    if query.ndim != 3:
        raise BadInput(f"{name} saw an input without a batch dimension")
    if not module.batch_first:
        query, key, value = query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1)
    width, heads = module.embed_dim, module.num_heads

    def project(x: Tensor, weight: Any, bias: Any, rows: slice | None, part: str) -> Tensor:
        used = weight if rows is None else weight[rows]
        added = bias if bias is None or rows is None else bias[rows]
        out = F.linear(x, used, added)
        private._note(f"{name}.{part}", module, _linear_of(x.detach(), weight, bias, rows), (x,), out)
        return out.view(*out.shape[:2], -1)

    bias = module.in_proj_bias
    if module._qkv_same_embed_dim:
        weights = [module.in_proj_weight] * 3
        rows: list[slice | None] = [slice(i * width, (i + 1) * width) for i in range(3)]
        if query is key and key is value:
            q, k, v = project(query, weights[0], bias, None, "in_proj").chunk(3, dim=-1)
        else:
            q, k, v = (
                project(x, weight, bias, row, part)
                for x, weight, row, part in zip((query, key, value), weights, rows, "qkv", strict=True)
            )
    else:
        raise BadInput(
            f"{name}: kdim and vdim other than embed_dim are not known here; project before the attention"
        )
    q, k, v = (x.reshape(*x.shape[:2], heads, -1).transpose(1, 2) for x in (q, k, v))
    mask = _merged(attn_mask, key_padding_mask, q, k)
    chance = module.dropout if module.training else 0.0
    if need_weights:
        logits = q @ k.mT / math.sqrt(q.shape[-1])
        seen = (logits if mask is None else logits + mask).softmax(-1)
        if chance:
            seen = F.dropout(seen, chance)
        mixed, shown = seen @ v, seen.mean(1) if average_attn_weights else seen
    else:
        causal = is_causal and attn_mask is None
        mixed = F.scaled_dot_product_attention(q, k, v, mask, chance, causal)
        shown = None
    mixed = mixed.transpose(1, 2).flatten(2)
    out = project(mixed, module.out_proj.weight, module.out_proj.bias, None, "out_proj")
    return (out if module.batch_first else out.transpose(0, 1)), shown


def _merged(attention: Tensor | None, padding: Tensor | None, q: Tensor, k: Tensor) -> Tensor | None:
    """Both masks as numbers to be added, (B, heads or 1, T, S) or broader; True is what is not looked at."""

    def numbers(mask: Tensor) -> Tensor:
        if mask.dtype == torch.bool:
            return torch.zeros_like(mask, dtype=q.dtype).masked_fill(mask, -math.inf)
        return mask.to(q.dtype)

    merged: Tensor | None = None
    if attention is not None:
        merged = numbers(attention)
        merged = merged if merged.ndim == 2 else merged.view(len(q), -1, *merged.shape[1:])
    if padding is not None:
        part = numbers(padding)[:, None, None, :]
        merged = part if merged is None else merged + part
    return merged


# -- linear models ---------------------------------------------------------------------------------------


def closed_form(
    features: Tensor, labels: Tensor, weight: Tensor, bias: Tensor, l2_clip_norm: float
) -> Clipped:
    """The same for softmax regression, without autograd: an example's gradient is (p - y) [x, 1]^T, and its
    norm |p - y| sqrt(|x|^2 + 1).

    Args:
        features: (B, d); labels: (B,), integers from 0 to k - 1; weight: (k, d); bias: (k,).

    Returns:
        gradients named ``weight`` and ``bias``.
    """
    features = features.float()
    logits = torch.addmm(bias.float(), features, weight.float().T)
    losses = F.cross_entropy(logits, labels, reduction="none")
    off = logits.softmax(1)
    off[torch.arange(len(off), device=off.device), labels] -= 1
    norms = (off.square().sum(1) * (features.square().sum(1) + 1)).sqrt()
    good = torch.isfinite(norms) & torch.isfinite(losses)
    poisoned = len(good) - int(good.sum())
    if poisoned:
        features, off, norms, losses = features[good], off[good], norms[good], losses[good]
    scale = torch.where(norms > l2_clip_norm, l2_clip_norm / norms, torch.ones_like(norms))
    off *= scale[:, None]
    gradients = {"weight": off.T @ features, "bias": off.sum(0)}
    clipped = int((norms > l2_clip_norm).sum())
    loss = float(losses.mean()) if len(losses) else math.nan
    return Clipped(gradients, len(good), clipped, poisoned, loss, float(l2_clip_norm))
