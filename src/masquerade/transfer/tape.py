"""Calls that use a trained parameter, noted while a model runs: one rule for each function of PyTorch.

A call computes with the parameter detached, so that the backward pass makes no gradient of it; when the
gradient of its output comes, its rule tells the book of which parts the gradient of each example is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from masquerade.errors import BadInput
from masquerade.transfer.book import Book, Lookup, Outer, Window, exact, wide


def on_gradient(x: Tensor, hook: Callable[[Tensor], None]) -> Any:
    return x.register_hook(hook)  # type: ignore[no-untyped-call]


def leaf(
    tape: Tape, name: str, copies: Tensor, make: Callable[[Tensor], Tensor] = lambda g: exact(g.flatten(1))
) -> Tensor:
    """``copies`` of a parameter, one for every example: what comes back is a gradient an example."""
    leaf = copies.requires_grad_()
    call = tape.call(name, axis=0)
    call.whole(name, make)
    on_gradient(leaf, call.take)
    tape.leaves.append(leaf)
    return leaf


class Tape(TorchFunctionMode):
    """Notes every call that uses a trained parameter while it is open, and computes it with the detached
    one."""

    def __init__(self, trained: Mapping[str, Tensor], axes: Mapping[int, int]) -> None:
        super().__init__()
        self._names = {id(p): name for name, p in trained.items()}
        self._axes = axes
        self._calls: list[_Call] = []
        self.uses: dict[str, int] = {}
        """How often each parameter is used."""
        self.leaves: list[Tensor] = []
        self.within: nn.Module | None = None
        self.expected: int | None = None
        """How many examples the model was given, as far as that is known while it runs."""
        self.examples = 0
        self.others: Tensor | None = None
        """While examples are checked for mixing: those whose losses do not count."""
        self.book: Book | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        rule = _RULES.get(func)
        if rule is not None and torch.is_grad_enabled():
            out = rule(self, *args, **kwargs)
            if out is not NotImplemented:
                return out
        return func(*args, **kwargs)

    def name(self, p: Any) -> str | None:
        return self._names.get(id(p))

    def axis(self, p: Any) -> int:
        return self._axes.get(id(p), 0)

    def call(self, name: str, *, axis: int) -> _Call:
        call = _Call(self, name, axis)
        self._calls.append(call)
        return call

    def forget(self) -> None:
        """Hold nothing: calls, tape and book point at each other, and would live until they are collected."""
        for call in self._calls:
            call.forget()
        self._calls, self.leaves, self.book = [], [], None

    def largest(self) -> list[float | None]:
        """Of each call, the largest part of a gradient that a check saw there; None where it did not come."""
        return [None if call.most is None else float(call.most) for call in self._calls]

    def form(self) -> tuple[Any, ...]:
        """What was called, in which order, on inputs of which kind of shape: not how long they were."""
        return tuple(call.form(self.examples) for call in self._calls)


def _plain(p: Any, name: str | None) -> Any:
    return p.detach() if name else p


class _Call:
    """One call: what it was given, and which parameters it uses how."""

    def __init__(self, tape: Tape, name: str, axis: int) -> None:
        self._tape, self._name, self._axis = tape, name, axis
        self._uses: list[tuple[str, Callable[[Tensor], Any]]] = []
        self._kept: list[tuple[Tensor, int]] = []
        self._shape: tuple[int, ...] = ()
        self.most: Tensor | None = None

    def keep(self, tensor: Tensor) -> Tensor:
        """``tensor``, detached, of which it is checked later that nobody wrote into it."""
        self._kept.append((tensor, tensor._version))
        return tensor.detach()

    def whole(self, name: str, make: Callable[[Tensor], Any]) -> None:
        """Note a use: ``make`` gives, of the output's gradient, what the book wants to know of it."""
        self._tape.uses[name] = self._tape.uses.get(name, 0) + 1
        self._uses.append((name, make))

    def tap(self, out: Tensor) -> Tensor:
        """``out``, such that its gradient comes to :meth:`take`."""
        self._shape = tuple(out.shape)
        if out.requires_grad:
            on_gradient(out, self.take)
            return out
        anchor = torch.zeros((), requires_grad=True, device=out.device)
        return _Tap.apply(out, anchor, self.take)  # type: ignore[no-any-return, no-untyped-call]

    def forget(self) -> None:
        self._uses, self._kept = [], []

    def take(self, g: Tensor) -> None:
        tape = self._tape
        if tape.others is not None:
            self._check(g, tape.others)
            self.forget()
        elif tape.book is None:
            raise BadInput(
                f"{self._name}: a gradient is taken while the losses are computed (a penalty on gradients?); "
                "what it owes to parameters cannot be followed: leave it out"
            )
        else:
            for tensor, version in self._kept:
                if tensor._version != version:
                    raise BadInput(f"the input of {self._name}'s layer was changed in place after it ran")
            with torch.no_grad():
                for name, make in self._uses:
                    tape.book.arrive(name, make(g))
            self.forget()

    def _check(self, g: Tensor, others: Tensor) -> None:
        most = torch.linalg.vector_norm(self.rows(g, 0), math.inf, dim=1)  # NaN or inf: poisoned, not mixed
        self.most = most.max() if self.most is None else torch.maximum(self.most, most.max())
        if bool(((most != 0) & most.isfinite() & others).any()):
            raise BadInput(
                f"{self._name}: the loss of one example depends on rows of others. Either the model mixes "
                "examples (then no gradient belongs to one alone), or examples do not lie along dimension "
                f"{self._axis} of this layer's input (then say so: axis=...), or one lookup serves the "
                "whole batch (then give it an index of shape (batch, length))"
            )

    def form(self, examples: int) -> tuple[Any, ...]:
        length = self._shape[self._axis] if len(self._shape) > self._axis else 0
        return self._name, self._axis, len(self._shape), length // examples if examples else 0

    def rows(self, x: Tensor, tail: int = 1) -> Tensor:
        """``x`` as (examples, rows of one example, its last ``tail`` dimensions)."""
        examples = self._tape.examples
        if self._axis and x.ndim > self._axis:
            x = x.movedim(self._axis, 0)
        if x.ndim <= tail:
            x = x.unsqueeze(0)
        if x.shape[0] % examples or not x.shape[0]:
            raise BadInput(
                f"{self._name}'s layer sees {x.shape[0]} rows along dimension {self._axis}, for a batch of "
                f"{examples}: rows must be told apart by example; give the batch there, or say where it "
                "lies (axis=...)"
            )
        last = x.shape[x.ndim - tail :]
        return x.reshape(examples, x.numel() // max(1, examples * math.prod(last)), *last)


class _Tap(torch.autograd.Function):
    """The identity for an output that would need no gradient."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, anchor: Tensor, take: Callable[[Tensor], None]) -> Tensor:
        ctx.take = take
        ctx.mark_dirty(out)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, None, None]:
        ctx.take(grads[0])
        return None, None, None


# -- rules: one a function that uses parameters ----------------------------------------------------------


def _linear(tape: Tape, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
    return _project(tape, input, weight, bias, tape.axis(weight if tape.name(weight) else bias))


def _project(
    tape: Tape, x: Tensor, weight: Tensor, bias: Tensor | None, axis: int, part: slice | None = None
) -> Any:
    """``x @ weight[part].T + bias[part]``."""
    w, b = tape.name(weight), tape.name(bias)
    if not (w or b):
        return F.linear(x, weight, bias) if part is None else F.linear(x, weight[part], _cut(bias, part))
    plain, shift = _plain(weight, w), _plain(bias, b)
    out = F.linear(x, plain if part is None else plain[part], _cut(shift, part))
    call = tape.call(w or b or "", axis=axis)
    pad = (0, 0) if part is None else (part.start, len(weight) - part.stop)
    if w:
        given = call.keep(x)
        call.whole(
            w, lambda g: Outer(F.pad(call.rows(g), pad) if any(pad) else call.rows(g), call.rows(given))
        )
    if b:
        call.whole(b, lambda g: F.pad(_total(call.rows(g)), pad))
    return call.tap(out)


def _cut(bias: Tensor | None, part: slice | None) -> Tensor | None:
    return bias if bias is None or part is None else bias[part]


def _total(rows: Tensor) -> Tensor:
    """Sum over an example's rows."""
    return exact(rows[:, 0] if rows.shape[1] == 1 else rows.sum(1, dtype=wide(rows)))


def _convolve(
    tape: Tape,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    w, b = tape.name(weight), tape.name(bias)
    if not (w or b):
        return NotImplemented
    n = weight.ndim - 2
    operation = (torch.conv1d, torch.conv2d, torch.conv3d)[n - 1]
    out = operation(input, _plain(weight, w), _plain(bias, b), stride, padding, dilation, groups)
    call = tape.call(w or b or "", axis=0)
    if input.ndim != n + 2:
        raise BadInput(f"{w or b}: its layer's input has no dimension for the batch")
    if w:
        given = call.keep(input)
        window = Window(
            tuple(weight.shape[2:]), _tuple(stride, n), _tuple(dilation, n),
            _padding(padding, tuple(weight.shape[2:]), _tuple(dilation, n)), groups,
        )  # fmt: skip
        call.whole(w, lambda g: Outer(_images(call, g), _images(call, given), window))
    if b:
        call.whole(b, lambda g: _total(_images(call, g).flatten(2).transpose(1, 2)))
    return call.tap(out)


def _images(call: _Call, x: Tensor) -> Tensor:
    """``x``, of which it is sure that it has one image an example."""
    rows = call.rows(x, x.ndim - 1)
    if rows.shape[1] != 1:
        raise BadInput(f"{call._name}: its layer sees {rows.shape[1]} images an example; it takes one")
    return rows[:, 0]


def _tuple(value: Any, n: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * n if len(values) == 1 else values


def _padding(padding: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> list[int]:
    """As :func:`torch.nn.functional.pad` wants it: last dimension first, before and after."""
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        pairs = [(total // 2, total - total // 2) for total in totals]
    else:
        pairs = [(p, p) for p in _tuple(0 if padding == "valid" else padding, len(kernel))]
    return [side for pair in reversed(pairs) for side in pair]


def _embed(
    tape: Tape,
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    w = tape.name(weight)
    if not w or max_norm is not None or scale_grad_by_freq:
        return NotImplemented
    axis = tape.axis(weight)
    expected = tape.expected
    if axis == 0 and expected is not None and (input.ndim == 1 or input.shape[0] == 1 != expected):
        shared = input.ndim == 1 and input.shape[0] != expected
        if shared or (input.ndim == 2 and input.shape[0] == 1):
            input = input.expand(expected, input.shape[-1])  # positions: one lookup for all examples
    out = F.embedding(input, weight.detach())
    call = tape.call(w, axis=axis)
    index = call.keep(input)
    padding = padding_idx if padding_idx is None or padding_idx >= 0 else padding_idx + len(weight)

    def lookup(g: Tensor) -> Lookup:
        return Lookup(call.rows(index, 0), exact(call.rows(g)), len(weight), padding)

    call.whole(w, lookup)
    return call.tap(out)


def _layer_norm(
    tape: Tape, input: Tensor, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    return _normal(
        tape,
        input,
        weight,
        bias,
        lambda x, w, b: F.layer_norm(x, normalized_shape, w, b, eps),
        len(normalized_shape),
    )


def _rms_norm(
    tape: Tape, input: Tensor, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Any:
    return _normal(
        tape,
        input,
        weight,
        None,
        lambda x, w, b: F.rms_norm(x, normalized_shape, w, eps),
        len(normalized_shape),
    )


def _group_norm(
    tape: Tape, input: Tensor, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    return _normal(tape, input, weight, bias, lambda x, w, b: F.group_norm(x, num_groups, w, b, eps), None)


def _instance_norm(
    tape: Tape,
    input: Tensor,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    if running_mean is not None or running_var is not None or not use_input_stats:
        return NotImplemented
    return _normal(
        tape,
        input,
        weight,
        bias,
        lambda x, w, b: F.instance_norm(x, None, None, w, b, True, momentum, eps),
        None,
    )


def _normal(
    tape: Tape,
    x: Tensor,
    weight: Any,
    bias: Any,
    run: Callable[[Tensor, Any, Any], Tensor],
    tail: int | None,
) -> Any:
    """A normalisation with a weight over its last ``tail`` dimensions, or over channels."""
    w, b = tape.name(weight), tape.name(bias)
    if not (w or b):
        return NotImplemented
    out = run(x, _plain(weight, w), _plain(bias, b))
    call = tape.call(w or b or "", axis=tape.axis(weight if w else bias))

    def total(g: Tensor) -> Tensor:
        if tail is None:
            return exact(_images(call, g).flatten(2).sum(2, dtype=wide(g)))
        return _total(call.rows(g, tail)).flatten(1)

    if w:
        given = call.keep(x)
        call.whole(w, lambda g: total(exact(g) * run(exact(given), None, None)))
    if b:
        call.whole(b, total)
    return call.tap(out)


def _matmul(tape: Tape, input: Tensor, other: Tensor) -> Any:
    w = tape.name(other)
    if not w or other.ndim != 2:
        return NotImplemented
    return _times(tape, input, other, None, w, torch.matmul(input, other.detach()))


def _addmm(
    tape: Tape, input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Any:
    w, b = tape.name(mat2), tape.name(input)
    if not (w or b) or (beta, alpha) != (1, 1) or input.ndim != 1 or tape.name(mat1):
        return NotImplemented
    return _times(tape, mat1, mat2, b, w, torch.addmm(_plain(input, b), mat1, _plain(mat2, w)))


def _times(tape: Tape, x: Tensor, weight: Tensor, b: str | None, w: str | None, out: Tensor) -> Tensor:
    """``out`` is ``x @ weight`` plus a bias."""
    call = tape.call(w or b or "", axis=tape.axis(weight))
    if w:
        given = call.keep(x)
        call.whole(w, lambda g: Outer(call.rows(given), call.rows(g)))
    if b:
        call.whole(b, lambda g: _total(call.rows(g)))
    return call.tap(out)


def _attention(
    tape: Tape,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> Any:
    """``F.multi_head_attention_forward``, with each projection as a call of its own; lengths come first."""
    held = (
        in_proj_weight, in_proj_bias, bias_k, bias_v, out_proj_weight, out_proj_bias, q_proj_weight,
        k_proj_weight, v_proj_weight,
    )  # fmt: skip
    names = [name for name in map(tape.name, held) if name]
    if not names:
        return NotImplemented
    if query.ndim != 3 or static_k is not None or static_v is not None:
        raise BadInput(f"{names[0]}: attention without a batch dimension, or with static keys, has no rule")
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    q, k, v = _projections(tape, (query, key, value), in_proj_weight, in_proj_bias, separate)
    batch, width = q.shape[0], q.shape[2]
    extra = 0
    if bias_k is not None:
        k, v = (torch.cat([x, _repeated(tape, b, batch)], 1) for x, b in ((k, bias_k), (v, bias_v)))
        extra += 1
    q, k, v = (x.view(*x.shape[:2], num_heads, -1).transpose(1, 2) for x in (q, k, v))
    if add_zero_attn:
        k, v = (F.pad(x, (0, 0, 0, 1)) for x in (k, v))
        extra += 1
    mask = _mask(q, k, attn_mask, key_padding_mask, extra)
    drop = dropout_p if training else 0.0
    weights = None
    if need_weights:
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        weights = F.dropout((scores if mask is None else scores + mask).softmax(-1), drop)
        mixed = weights @ v
        weights = weights.mean(1) if average_attn_weights else weights
    else:
        mixed = F.scaled_dot_product_attention(q, k, v, mask, drop)
    out = _project(tape, mixed.transpose(1, 2).reshape(batch, -1, width), out_proj_weight, out_proj_bias, 0)
    return out.transpose(0, 1), weights


def _projections(
    tape: Tape, given: tuple[Tensor, Tensor, Tensor], weight: Any, bias: Any, separate: Any
) -> Sequence[Tensor]:
    """Queries, keys and values, batch first."""
    query, key, value = given
    width = query.shape[2]
    thirds = [slice(i * width, (i + 1) * width) for i in range(3)]
    if separate is None and query is key and key is value:
        packed: Tensor = _project(tape, query.transpose(0, 1), weight, bias, 0)
        return packed.chunk(3, -1)
    parts = []
    for i, x in enumerate([g.transpose(0, 1) for g in given]):
        if separate is None:
            parts.append(_project(tape, x, weight, bias, 0, thirds[i]))
            continue
        out = _project(tape, x, separate[i], None, 0)
        if bias is not None:
            out = out + _shifted(tape, bias, x.shape[0], thirds[i])
        parts.append(out)
    return parts


def _shifted(tape: Tape, bias: Tensor, batch: int, part: slice) -> Tensor:
    """A part of a bias, once for every example."""
    known = tape.name(bias)
    if not known:
        return bias[part]
    pad = (part.start, len(bias) - part.stop)
    copies = bias.detach()[part].expand(batch, 1, -1)
    return leaf(tape, known, copies, lambda g: F.pad(exact(g.flatten(1)), pad))


def _repeated(tape: Tape, p: Tensor, batch: int) -> Tensor:
    """A key or value that all sequences get, (1, 1, width), as (batch, 1, width)."""
    known = tape.name(p)
    if not known:
        return p.expand(batch, 1, -1)
    return leaf(tape, known, p.detach().expand(batch, 1, -1))


def _mask(q: Tensor, k: Tensor, mask: Any, padding: Any, extra: int) -> Tensor | None:
    """Both masks as one to be added to scores; ``extra`` keys at the end are seen by all."""

    def added(m: Tensor) -> Tensor:
        m = (
            torch.zeros_like(m, dtype=q.dtype).masked_fill(m, -math.inf)
            if m.dtype == torch.bool
            else m.to(q.dtype)
        )
        return F.pad(m, (0, extra))

    total = None
    if mask is not None:
        total = added(mask)
        if total.ndim == 3:
            total = total.view(*q.shape[:2], *total.shape[1:])
    if padding is not None:
        padding = added(padding)[:, None, None]
        total = padding if total is None else total + padding
    return total


_RULES: dict[Any, Callable[..., Any]] = {
    F.linear: _linear,
    torch.conv1d: _convolve,
    torch.conv2d: _convolve,
    torch.conv3d: _convolve,
    F.embedding: _embed,
    F.layer_norm: _layer_norm,
    F.rms_norm: _rms_norm,
    F.group_norm: _group_norm,
    F.instance_norm: _instance_norm,
    F.multi_head_attention_forward: _attention,
    torch.matmul: _matmul,
    Tensor.matmul: _matmul,
    Tensor.__matmul__: _matmul,
    torch.addmm: _addmm,
}
