"""Clipped sums of per-example gradients at nearly the cost of plain training.

    with PerExample(model, l2_clip_norm=1.0) as clipped:
        out = clipped(lambda: cross_entropy(model(x), y, reduction="none"))
        out.gradients["fc.weight"]            # sum over examples, each scaled to a norm of at most 1

Book-keeping after Bu et al., "Differentially Private Optimization on Large Model at Small Cost" (ICML 2023):
one forward pass and one backward pass. While the model runs, every call that uses a trained parameter is
noted with its input, and computes with the parameter detached, so that the backward pass makes no gradient
of it. When the gradient ``g`` of the call's output comes, the norm of each example's gradient is known from
both. The gradient of a weight is a sum of outer products over positions ``t``, sum_t g_t x_t^T, and there
are two ways to its norm:

    ghost         |sum_t g_t x_t^T|^2 = sum_ts <g_t, g_s> <x_t, x_s>     T^2 (p + d) multiplications
    instantiate   make the p x d matrix                                  T p d multiplications, p d numbers

The cheaper one is taken for each layer. An instantiated gradient is kept where it is small, else it is
forgotten as soon as its norm is known. Once the norms are known, over all parameters together, one weighted
contraction a layer gives the sum: of what was kept, or of inputs and output gradients.

A parameter that is used more than once (tied weights, a layer called twice) has a gradient that is the sum of
all uses; the norm is that of the sum, cross terms included.

What must hold of the model, and cannot always be checked: the loss of one example depends on that example
alone. A first batch of each shape of calls is run again and checked by going back from half of the losses,
for as many halves as tell any two examples apart: a gradient that reaches the rows of the other half is an
error. Weights change, so the 2nd, 3rd, 5th, 9th ... are checked again by one half; or by all, as long as a
gradient of zero (behind a layer that starts at zero) or none (of a poisoned example) has told nothing.
What mixes examples without a gradient (statistics taken from detached values, a batch standardised before the
first trained layer) is not seen, nor what does so in single batches between those that are checked (rows put
in an order that depends on the data).

Norms are exact up to float32 rounding; a scaled gradient is shortened by 1e-6 of its length for that.
Nothing here depends on the device. CPU was tested.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Literal, NamedTuple

from masquerade.errors import BadInput, MissingPackage

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F
    from torch.nn.grad import conv1d_weight, conv2d_weight, conv3d_weight
    from torch.overrides import TorchFunctionMode
except ImportError as error:
    raise MissingPackage("private training", "transfer") from error

MEMORY = 64 << 20
"""Bytes that kept per-example gradients may take beyond the activations that they stand for."""

_PIECE = 2 << 20
"""Bytes of the temporaries of one piece of a batch: about what a core has of cache."""

_CANCELLED = 1e-4
"""Where so little of what is added up remains, rounding counts, and the sum is made another way."""

_BLOCK = 48
"""Positions of a block of a symmetric product; smaller ones are slower."""

_WORTH = 85
"""Multiplications that cost as much as to write one number to fresh memory and read it once (measured)."""

_SHORTER = 1 - 1e-6

_TRIES = 8
"""How often a batch is run until its calls are ones that were checked."""


@dataclass(frozen=True)
class Clipped:
    """What one batch gave, or the sum of several: ``a + b``.

    ``gradients``, by the name of the parameter: the sum over examples of their gradients, each scaled so
    that its L2 norm over all parameters together is at most ``sensitivity``; float32, detached. One example
    added or removed changes it by at most ``sensitivity``, in L2 over all parameters.
    """

    gradients: dict[str, Tensor]
    examples: int
    """How many were in the batch."""
    clipped: int
    """How many had a larger norm. Private, as everything here: it may not leave without noise."""
    poisoned: int
    """How many had a loss or a gradient that is not finite: they count for nothing."""
    loss: float
    """Mean loss of the others; not a number if there are none."""
    sensitivity: float

    def __repr__(self) -> str:
        """Without a number that depends on the data."""
        return f"Clipped(parameters={len(self.gradients)}, sensitivity={self.sensitivity})"

    def __add__(self, other: Clipped) -> Clipped:
        """Both batches as one; they must hold different examples.

        Raises:
            BadInput: they were clipped to different norms, or are of different models.
        """
        if self.sensitivity != other.sensitivity:
            raise BadInput("batches that were clipped to different norms have no sum of known sensitivity")
        if self.gradients.keys() != other.gradients.keys():
            raise BadInput("these batches are of models whose trained parameters differ")
        counts = (self.examples - self.poisoned, other.examples - other.poisoned)
        losses = [loss * n for loss, n in zip((self.loss, other.loss), counts, strict=True) if n]
        return Clipped(
            {name: value + other.gradients[name] for name, value in self.gradients.items()},
            self.examples + other.examples,
            self.clipped + other.clipped,
            self.poisoned + other.poisoned,
            sum(losses) / sum(counts) if losses else math.nan,
            self.sensitivity,
        )


class PerExample:
    """Per-example clipping for ``model``; as a context manager, or with :meth:`close`.

    The model is used as it is: its own forward, any loss. ``memory`` bounds the bytes that per-example
    gradients kept for the sum may take beyond the activations they stand for; less is slower.

    ``axis`` says for modules, by name, which dimension of their input counts examples: 0 unless told
    otherwise, 1 in PyTorch's attention and transformer layers with ``batch_first=False``. It holds for all
    modules inside.

    Under DistributedDataParallel it takes the inner module (``ddp.module``), and sums are the caller's to
    add up.

    Raises:
        BadInput: nothing is trained, or a layer cannot be done; names it, and says what to do.
    """

    def __init__(
        self,
        model: nn.Module,
        l2_clip_norm: float,
        *,
        memory: int = MEMORY,
        axis: Mapping[str, int] | None = None,
    ) -> None:
        if not (math.isfinite(l2_clip_norm) and l2_clip_norm > 0):
            raise BadInput("l2_clip_norm is a number greater than 0")
        self.model, self.l2_clip_norm, self._memory = model, float(l2_clip_norm), memory
        self._trained = _trained(model)
        if not self._trained:
            raise BadInput("the model has no parameter that requires a gradient: nothing would be trained")
        self._axes = _axes(model, axis or {})
        self._shims = _Shims(_survey(model))
        self._seen: dict[tuple[Any, ...], _Seen] = {}
        self._open = True

    def __enter__(self) -> PerExample:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave no trace on the model."""
        self._shims.remove()
        self._open = False

    def __call__(self, losses: Callable[[], Tensor]) -> Clipped:
        """Run the model and go back once.

        ``losses`` runs the model and returns one loss an example, of shape (B,): a loss with
        ``reduction="none"``, averaged over whatever else it has but never over examples. For some batches it
        is run more than once, from the same random state, to see that examples do not mix: so it must do the
        same again.

        Raises:
            BadInput: the losses have another shape; a layer sees a number of rows that is not that of the
                batch; examples were seen to mix; a parameter is used where it cannot be followed; the model
                calls other layers each time.
        """
        if not self._open:
            raise BadInput("this is closed: make a new one")
        if {n: id(p) for n, p in _trained(self.model).items()} != {
            n: id(p) for n, p in self._trained.items()
        }:
            raise BadInput(
                "the model's trained parameters are not those it had when per-example clipping was set up "
                "(LoRA added afterwards, a layer replaced, frozen or thawed?): set it up again, after "
                "the change"
            )
        chance = _Chance(next(iter(self._trained.values())).device)
        for _ in range(_TRIES):
            found = self._run(losses)
            if isinstance(found, Clipped):
                return found
            chance.again()
            self._examine(losses, found, chance)
        raise BadInput("the model calls other layers each time that it is given the same batch")

    def _examine(self, losses: Callable[[], Tensor], look: _Look, chance: _Chance) -> None:
        """Check the batch at hand: by all halves, until one batch showed all; then by one."""
        seen, found = self._seen[look.form], list(look.largest)
        for half in _halves(look.examples, seen.batches if seen.clear else 0):
            again = self._run(losses, half)
            chance.again()
            if not isinstance(again, _Look) or again.form != look.form:
                return
            for i, largest in enumerate(again.largest):
                if largest is not None:
                    found[i] = (found[i] or 0.0) + largest  # 0 and what is no number stay so
        seen.clear = seen.clear or all(each is None or 0 < each < math.inf for each in found)
        seen.passed = True

    def nothing(self) -> Clipped:
        """What a batch without examples gives."""
        zeros = {n: torch.zeros_like(p, dtype=torch.float32).detach() for n, p in self._trained.items()}
        return Clipped(zeros, 0, 0, 0, math.nan, self.l2_clip_norm)

    def _run(self, losses: Callable[[], Tensor], half: Tensor | None = None) -> Clipped | _Look:
        """The clipped sum, or what the batch looks like: if it is to be checked first, or is, by ``half``."""
        tape = _Tape(self._trained, self._axes)
        try:
            return self._taped(tape, losses, half)
        finally:
            tape.forget()

    def _taped(self, tape: _Tape, losses: Callable[[], Tensor], half: Tensor | None) -> Clipped | _Look:
        with self._shims.during(tape), _escapes(self._trained), _watched(self.model, tape):
            with torch.enable_grad(), _still(self.model), tape:
                values = losses()
            if values.ndim != 1:
                raise BadInput(
                    f"losses of shape {tuple(values.shape)}: there must be one an example, of shape "
                    "(batch,), as losses with reduction='none' give"
                )
            tape.examples = len(values)
            if tape.uses and len(values):
                if not values.requires_grad:
                    raise BadInput(
                        "the losses were detached from the model: there is nothing to go back from"
                    )
                form = (*tape.form(), *(module.training for module in self.model.modules()))
                if half is None and len(values) > 1:
                    seen = self._seen.setdefault(form, _Seen())
                    if seen.due:
                        return _Look(form, len(values), tape.largest())
                    seen.batches, seen.passed = seen.batches + 1, False
                with torch.autocast(values.device.type, enabled=False), torch.no_grad():
                    if half is None:
                        return self._clip(tape, values)
                    self._check(tape, values, half)
                    return _Look(form, len(values), tape.largest())
        if len(values):
            raise BadInput(
                "no trained parameter has a part in these losses: is the model run inside `losses`?"
            )
        return self.nothing()

    def _check(self, tape: _Tape, values: Tensor, half: Tensor) -> None:
        """Go back from half of the losses: no gradient may reach the rows of the others.

        The graph is let go of on the way, so that this needs no more memory than a step does.
        """
        tape.others = ~half.to(values.device)
        torch.autograd.backward(values, (~tape.others).to(values.dtype))

    def _clip(self, tape: _Tape, values: Tensor) -> Clipped:
        finite = values.isfinite()
        book = _Book(tape, self._memory)
        tape.book = book
        torch.autograd.backward(values, finite.to(values.dtype))
        book.finish()
        good = finite & book.square.isfinite()
        norm = book.square.clamp(min=0).sqrt()
        over = good & (norm > self.l2_clip_norm)
        scale = torch.where(over, self.l2_clip_norm * _SHORTER / norm, 1.0)
        scale = torch.where(good, scale, 0.0)
        gradients = {name: book.weighted(name, p, scale, ~good) for name, p in self._trained.items()}
        kept = int(good.sum())
        loss = float(torch.where(good, values, 0).sum(dtype=torch.float64)) / kept if kept else math.nan
        return Clipped(gradients, len(values), int(over.sum()), len(values) - kept, loss, self.l2_clip_norm)


class _Chance:
    """The state that dropout draws from, to be had again."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cpu = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def again(self) -> None:
        torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            torch.cuda.set_rng_state(self._cuda, self._device)


class _Look(NamedTuple):
    """What was called for a batch, for how many examples, and the largest gradient seen at each call."""

    form: tuple[Any, ...]
    examples: int
    largest: list[float | None]


@dataclass
class _Seen:
    """How often calls of one form came, and how far they were checked."""

    batches: int = 0
    clear: bool = False
    """Every call that a check came to had a gradient, and each a number: so all was seen."""
    passed: bool = False
    """The batch at hand was checked."""

    @property
    def due(self) -> bool:
        return not self.passed and not self.batches & (self.batches - 1)


def _halves(examples: int, before: int) -> Iterator[Tensor]:
    """At first as many halves as tell any two examples apart, by the digits of their places; later one."""
    digits = range((examples - 1).bit_length())
    ways = [(digit, way) for digit in digits for way in (0, 1)]
    for digit, way in ways[before.bit_length() % len(ways) :][:1] if before else ways:
        yield (torch.arange(examples) >> digit) % 2 == way


# -- the model, looked at before it runs ------------------------------------------------------------------

_KNOWN: tuple[type[nn.Module], ...] = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Embedding, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm,
    nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.MultiheadAttention,
)  # fmt: skip
"""Layers that use their parameters in calls that the tape can follow, and in no other way."""

_KNOWN_ELSEWHERE = {("transformers.pytorch_utils", "Conv1D")}


def _trained(model: nn.Module) -> dict[str, Tensor]:
    """Parameters that are trained, each once, by its first name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _axes(model: nn.Module, told: Mapping[str, int]) -> dict[int, int]:
    """For each parameter, by identity: which dimension of its layer's input counts examples."""
    modules = dict(model.named_modules())
    missing = sorted(told.keys() - modules.keys())
    if missing:
        raise BadInput(f"axis: the model has no module {missing[0]!r}")
    axes = {}
    for name, module in modules.items():  # from the root down, so that the nearer one wins
        if name in told:
            axis: int | None = told[name]
        else:
            attention = getattr(module, "self_attn", module)
            first = getattr(attention, "batch_first", None)
            axis = None if not isinstance(attention, nn.MultiheadAttention) or first else 1
        if axis is not None:
            axes.update({id(p): axis for p in module.parameters()})
    return axes


def _survey(model: nn.Module) -> list[tuple[str, nn.Module, Literal["expand", "vmap"]]]:
    """Modules that need help to be followed; refuses those that cannot be done, by name."""
    if hasattr(model, "_orig_mod"):
        raise BadInput("the model is compiled: give the module that torch.compile was given")
    helped: list[tuple[str, nn.Module, Literal["expand", "vmap"]]] = []
    for name, module in model.named_modules():
        _refuse(name, module)
        own = _own(module)
        inside = any(
            name.startswith(f"{outer}." if outer else "") for outer, _, how in helped if how == "vmap"
        )
        if own and not inside and not _is_known(module, own):
            nested = any(True for child in module.children() for _ in child.parameters())
            ones = all(p.ndim and p.shape[0] == 1 for p in own.values())
            helped.append((name, module, "expand" if nested and ones else "vmap"))
    return helped


def _own(module: nn.Module) -> dict[str, Tensor]:
    """Trained parameters that belong to the module itself, or to a list or dictionary of them in it."""
    if isinstance(module, nn.ParameterList | nn.ParameterDict):
        return {}
    own: dict[str, Tensor] = {n: p for n, p in module.named_parameters(recurse=False) if p.requires_grad}
    for name, child in module.named_children():
        if isinstance(child, nn.ParameterList | nn.ParameterDict):
            own |= {f"{name}.{n}": p for n, p in child.named_parameters() if p.requires_grad}
    return own


def _is_known(module: nn.Module, own: Mapping[str, Tensor]) -> bool:
    kind = type(module)
    if (kind.__module__, kind.__name__) in _KNOWN_ELSEWHERE:
        return True
    names = {"weight", "bias"}
    if isinstance(module, nn.MultiheadAttention):
        names = set(own)
    return own.keys() <= names and any(
        isinstance(module, known) and kind.forward is known.forward for known in _KNOWN
    )


def _refuse(name: str, module: nn.Module) -> None:
    """Raise for what mixes examples, or has no rule; what is frozen is no matter, unless it mixes."""
    trained = any(p.requires_grad for p in module.parameters(recurse=False))
    why = None
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        if trained or module.training or not module.track_running_stats:
            why = (
                "normalises each example by the others of its batch, so no gradient belongs to one example "
                "alone, and its running statistics keep private data without noise; use GroupNorm or "
                "LayerNorm, or freeze it and call eval() on it"
            )
    elif isinstance(module, nn.modules.instancenorm._InstanceNorm) and module.track_running_stats:
        why = "keeps running statistics of private data without noise; set track_running_stats=False"
    elif not trained:
        return
    elif isinstance(module, nn.RNNBase | nn.RNNCellBase):
        why = "runs all its steps in one call; build it of Linear layers, or use attention or convolutions"
    elif isinstance(module, nn.EmbeddingBag):
        why = "sums rows before they can be told apart; use Embedding, and sum its output"
    elif isinstance(module, nn.Embedding) and module.max_norm is not None:
        why = "changes its weight while it runs (max_norm); leave max_norm out"
    elif isinstance(module, nn.Embedding) and module.scale_grad_by_freq:
        why = "scales by how often others use a row (scale_grad_by_freq); leave it out"
    elif isinstance(module, nn.utils.parametrize.ParametrizationList):
        why = "makes a weight of other parameters; remove the parametrization (weight norm, spectral norm)"
    elif any(isinstance(p, nn.UninitializedParameter) for p in module.parameters(recurse=False)):
        why = "is lazy, and has no parameters yet; run the model once, then set up per-example clipping"
    if why:
        raise BadInput(f"{name or 'the model'} ({type(module).__name__}) {why}")


def _on_gradient(x: Tensor, hook: Callable[[Tensor], None]) -> Any:
    return x.register_hook(hook)  # type: ignore[no-untyped-call]


@contextmanager
def _escapes(trained: Mapping[str, Tensor]) -> Iterator[None]:
    """While this is open, a gradient that reaches a parameter itself was not followed: an error."""

    def caught(name: str) -> Callable[[Tensor], None]:
        def hook(_: Tensor) -> None:
            raise BadInput(
                f"{name} is used where per-example gradients cannot follow it: outside of its layer's "
                "forward, or by an operation that has no rule; put that use into a module of its own that "
                "holds the parameter, or freeze it"
            )

        return hook

    with ExitStack() as stack:
        for name, p in trained.items():
            stack.callback(_on_gradient(p, caught(name)).remove)
        yield


@contextmanager
def _watched(model: nn.Module, tape: _Tape) -> Iterator[None]:
    """While this is open, the tape knows how many examples the model was given."""

    def hook(_: nn.Module, args: Any, kwargs: Any) -> None:
        tape.expected = _first_length(args, kwargs, 0)

    handle = model.register_forward_pre_hook(hook, prepend=True, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _still(model: nn.Module) -> Iterator[None]:
    """Refuse a buffer that changed while this was open: no noise would hide the examples in it."""
    before = {name: (value, value._version) for name, value in model.named_buffers()}
    yield
    for name, value in model.named_buffers():
        old, version = before.get(name, (value, value._version))
        if value is not old or value._version != version:
            raise BadInput(
                f"{name} is a buffer that this model changes as it sees examples: no noise hides them there; "
                "keep nothing of the data, or call eval() on that module"
            )


class _Shims:
    """Stand-ins for ``forward`` on modules that need help; they do nothing while no tape runs."""

    def __init__(self, helped: Sequence[tuple[str, nn.Module, Literal["expand", "vmap"]]]) -> None:
        self._tape: _Tape | None = None
        self._modules = [module for _, module, _ in helped]
        for name, module, how in helped:
            if "forward" in vars(module):
                self.remove()
                raise BadInput(f"{name or 'the model'}: its forward was replaced; is it set up twice?")
            module.forward = self._shim(name, module, _expanded if how == "expand" else _vmapped)

    def _shim(self, name: str, module: nn.Module, way: Callable[..., Any]) -> Callable[..., Any]:
        plain = module.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            tape = self._tape
            if tape is None or tape.within is module or not torch.is_grad_enabled():
                return plain(*args, **kwargs)
            with _hooked_once(module):
                return way(tape, name, module, plain, args, kwargs)

        return forward

    @contextmanager
    def during(self, tape: _Tape) -> Iterator[None]:
        self._tape = tape
        try:
            yield
        finally:
            self._tape = None

    def remove(self) -> None:
        for module in self._modules:
            vars(module).pop("forward", None)
        self._modules = []


@contextmanager
def _hooked_once(module: nn.Module) -> Iterator[None]:
    """While this is open, hooks do not change what goes in or comes out: they did so, or will, outside.

    Those that run before still run: a weight may be made by one.
    """
    after, before = module._forward_hooks, module._forward_pre_hooks
    module._forward_hooks = OrderedDict()
    module._forward_pre_hooks = OrderedDict((key, _mute(hook)) for key, hook in before.items())
    try:
        yield
    finally:
        module._forward_hooks, module._forward_pre_hooks = after, before


def _mute(hook: Callable[..., Any]) -> Callable[..., None]:
    def muted(*given: Any) -> None:
        hook(*given)

    return muted


def _leaf(
    tape: _Tape, name: str, copies: Tensor, make: Callable[[Tensor], Tensor] = lambda g: _exact(g.flatten(1))
) -> Tensor:
    """``copies`` of a parameter, one for every example: what comes back is a gradient an example."""
    leaf = copies.requires_grad_()
    call = tape.call(name, axis=0)
    call.whole(name, make)
    _on_gradient(leaf, call.take)
    tape.leaves.append(leaf)
    return leaf


def _expanded(
    tape: _Tape, name: str, module: nn.Module, plain: Callable[..., Any], args: Any, kwargs: Any
) -> Any:
    """Run a module whose own parameters lead with a dimension of 1 (a class token, positions) with one of
    them for every example in their place."""
    own = {n: p for n, p in module._parameters.items() if p is not None and tape.name(p)}
    examples = _first_length(args, kwargs, 0) or tape.expected
    if examples is None:
        raise BadInput(f"{name or 'the model'} is called without a tensor, so its batch is not known")
    leaves = {
        n: _leaf(tape, tape.name(p) or "", p.detach().expand(examples, *p.shape[1:])) for n, p in own.items()
    }
    try:
        module._parameters.update(leaves)  # type: ignore[arg-type]
        return plain(*args, **kwargs)
    finally:
        module._parameters.update(own)


def _vmapped(
    tape: _Tape, name: str, module: nn.Module, plain: Callable[..., Any], args: Any, kwargs: Any
) -> Any:
    """Run a module that has no rule once for every example, vectorised, each with parameters of its own."""
    axis = tape.axis(next(iter(_own(module).values())))
    examples = _first_length(args, kwargs, axis)
    if examples is None:
        raise BadInput(f"{name or 'the model'} is called without a tensor, so its batch is not known")

    def dim(value: Any) -> int | None:
        return (
            axis
            if isinstance(value, Tensor) and value.ndim > axis and value.shape[axis] == examples
            else None
        )

    def one(leaves: dict[str, Tensor], given: Any) -> Any:
        flat, spec = torch.utils._pytree.tree_flatten(given)
        flat = [v if d is None else v.unsqueeze(d) for v, d in zip(flat, dims, strict=True)]
        own_args, own_kwargs = torch.utils._pytree.tree_unflatten(flat, spec)
        out = torch.func.functional_call(module, leaves, own_args, own_kwargs)
        return torch.utils._pytree.tree_map_only(Tensor, lambda o: o.squeeze(axis), out)

    flat, spec = torch.utils._pytree.tree_flatten((args, kwargs))
    flat = [_whole(value) for value in flat]
    args, kwargs = torch.utils._pytree.tree_unflatten(flat, spec)
    dims = [dim(value) for value in flat]
    leaves = {
        n: _leaf(tape, known, p.detach().expand(examples, *p.shape))
        for n, p in module.named_parameters()
        if (known := tape.name(p))
    }
    before, tape.within = tape.within, module
    try:
        return torch.func.vmap(
            one, (0, torch.utils._pytree.tree_unflatten(dims, spec)), axis, randomness="different"
        )(leaves, (args, kwargs))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise BadInput(
            f"{name or 'the model'} ({type(module).__name__}) has no rule for per-example gradients, and "
            "does not run one example at a time either; build it of layers that have one (Linear, Conv, "
            "Embedding, LayerNorm, GroupNorm, RMSNorm, MultiheadAttention), or freeze its own parameters"
        ) from error
    finally:
        tape.within = before


def _whole(value: Any) -> Any:
    """Not in the half precision that autocast may have brought: own parameters are in float32."""
    half = isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16)
    return value.float() if half else value


def _first_length(args: Any, kwargs: Any, axis: int) -> int | None:
    for value in torch.utils._pytree.tree_leaves((args, kwargs)):
        if isinstance(value, Tensor) and value.ndim > axis:
            return value.shape[axis]
    return None


# -- the tape: calls that use a trained parameter --------------------------------------------------------


class _Tape(TorchFunctionMode):
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
        self.book: _Book | None = None

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

    def __init__(self, tape: _Tape, name: str, axis: int) -> None:
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
            _on_gradient(out, self.take)
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


def _linear(tape: _Tape, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
    return _project(tape, input, weight, bias, tape.axis(weight if tape.name(weight) else bias))


def _project(
    tape: _Tape, x: Tensor, weight: Tensor, bias: Tensor | None, axis: int, part: slice | None = None
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
            w, lambda g: _Outer(F.pad(call.rows(g), pad) if any(pad) else call.rows(g), call.rows(given))
        )
    if b:
        call.whole(b, lambda g: F.pad(_total(call.rows(g)), pad))
    return call.tap(out)


def _cut(bias: Tensor | None, part: slice | None) -> Tensor | None:
    return bias if bias is None or part is None else bias[part]


def _total(rows: Tensor) -> Tensor:
    """Sum over an example's rows."""
    return _exact(rows[:, 0] if rows.shape[1] == 1 else rows.sum(1, dtype=_wide(rows)))


def _wide(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _exact(x: Tensor) -> Tensor:
    """``x`` in float32, or float64 if it was that."""
    return x.to(_wide(x))


def _convolve(
    tape: _Tape,
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
        window = _Window(
            tuple(weight.shape[2:]), _tuple(stride, n), _tuple(dilation, n),
            _padding(padding, tuple(weight.shape[2:]), _tuple(dilation, n)), groups,
        )  # fmt: skip
        call.whole(w, lambda g: _Outer(_images(call, g), _images(call, given), window))
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
    tape: _Tape,
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

    def lookup(g: Tensor) -> _Lookup:
        return _Lookup(call.rows(index, 0), _exact(call.rows(g)), len(weight), padding)

    call.whole(w, lookup)
    return call.tap(out)


def _layer_norm(
    tape: _Tape, input: Tensor, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
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
    tape: _Tape, input: Tensor, normalized_shape: Any, weight: Any = None, eps: float | None = None
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
    tape: _Tape, input: Tensor, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    return _normal(tape, input, weight, bias, lambda x, w, b: F.group_norm(x, num_groups, w, b, eps), None)


def _instance_norm(
    tape: _Tape,
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
    tape: _Tape,
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
            return _exact(_images(call, g).flatten(2).sum(2, dtype=_wide(g)))
        return _total(call.rows(g, tail)).flatten(1)

    if w:
        given = call.keep(x)
        call.whole(w, lambda g: total(_exact(g) * run(_exact(given), None, None)))
    if b:
        call.whole(b, total)
    return call.tap(out)


def _matmul(tape: _Tape, input: Tensor, other: Tensor) -> Any:
    w = tape.name(other)
    if not w or other.ndim != 2:
        return NotImplemented
    return _times(tape, input, other, None, w, torch.matmul(input, other.detach()))


def _addmm(
    tape: _Tape, input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Any:
    w, b = tape.name(mat2), tape.name(input)
    if not (w or b) or (beta, alpha) != (1, 1) or input.ndim != 1 or tape.name(mat1):
        return NotImplemented
    return _times(tape, mat1, mat2, b, w, torch.addmm(_plain(input, b), mat1, _plain(mat2, w)))


def _times(tape: _Tape, x: Tensor, weight: Tensor, b: str | None, w: str | None, out: Tensor) -> Tensor:
    """``out`` is ``x @ weight`` plus a bias."""
    call = tape.call(w or b or "", axis=tape.axis(weight))
    if w:
        given = call.keep(x)
        call.whole(w, lambda g: _Outer(call.rows(given), call.rows(g)))
    if b:
        call.whole(b, lambda g: _total(call.rows(g)))
    return call.tap(out)


def _attention(
    tape: _Tape,
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
    tape: _Tape, given: tuple[Tensor, Tensor, Tensor], weight: Any, bias: Any, separate: Any
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


def _shifted(tape: _Tape, bias: Tensor, batch: int, part: slice) -> Tensor:
    """A part of a bias, once for every example."""
    known = tape.name(bias)
    if not known:
        return bias[part]
    pad = (part.start, len(bias) - part.stop)
    copies = bias.detach()[part].expand(batch, 1, -1)
    return _leaf(tape, known, copies, lambda g: F.pad(_exact(g.flatten(1)), pad))


def _repeated(tape: _Tape, p: Tensor, batch: int) -> Tensor:
    """A key or value that all sequences get, (1, 1, width), as (batch, 1, width)."""
    known = tape.name(p)
    if not known:
        return p.expand(batch, 1, -1)
    return _leaf(tape, known, p.detach().expand(batch, 1, -1))


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


# -- the book: norms, and what the sum is made of ---------------------------------------------------------


@dataclass(frozen=True)
class _Window:
    """How a convolution looks at its input."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: list[int]
    groups: int

    def patches(self, x: Tensor, out: Sequence[int]) -> Tensor:
        """What the kernel sees: (examples * groups, channels of a group * kernel, positions)."""
        x = F.pad(x, self.padding) if any(self.padding) else x.contiguous()
        steps = x.stride()[2:]
        near = [s * d for s, d in zip(steps, self.dilation, strict=True)]
        far = [s * d for s, d in zip(steps, self.stride, strict=True)]
        seen = x.as_strided((*x.shape[:2], *self.kernel, *out), (*x.stride()[:2], *near, *far))
        return seen.reshape(len(x) * self.groups, -1, math.prod(out))

    def contracted(self, left: Tensor, right: Tensor) -> Tensor:
        """The gradient of the kernel, for all examples together."""
        way = (conv1d_weight, conv2d_weight, conv3d_weight)
        size = (left.shape[1], right.shape[1] // self.groups, *self.kernel)
        before, after = self.padding[::-2], self.padding[-2::-2]
        if before != after:
            right, before = F.pad(right, self.padding), [0] * len(before)
        make: Callable[..., Tensor] = way[len(self.kernel) - 1]
        return make(right, size, left, self.stride, tuple(before), self.dilation, self.groups)


@dataclass
class _Outer:
    """A gradient as a sum of outer products: of rows (examples, T, p) and (examples, T, d), or, with a
    window, of the output's gradient (examples, p, ...) and patches of the input."""

    left: Tensor
    right: Tensor
    window: _Window | None = None

    @property
    def groups(self) -> int:
        return self.window.groups if self.window else 1

    @property
    def sizes(self) -> tuple[int, int, int]:
        """T, and p and d of one group."""
        if self.window is None:
            return self.left.shape[1], self.left.shape[2], self.right.shape[2]
        d = self.right.shape[1] // self.groups * math.prod(self.window.kernel)
        return math.prod(self.left.shape[2:]), self.left.shape[1] // self.groups, d

    def some(self, lo: int, hi: int) -> _Outer:
        """The same for examples ``lo`` to ``hi``."""
        return replace(self, left=self.left[lo:hi], right=self.right[lo:hi])

    def factors(self, lo: int, hi: int) -> tuple[Tensor, Tensor]:
        """Of examples ``lo`` to ``hi``: (examples * groups, p, T) and (examples * groups, d, T)."""
        left, right = _exact(self.left[lo:hi]), _exact(self.right[lo:hi])
        if self.window is None:
            return left.transpose(1, 2), right.transpose(1, 2)
        out = left.shape[2:]
        left = left.reshape(len(left) * self.groups, -1, math.prod(out))
        return left, self.window.patches(right, out)


@dataclass
class _Lookup:
    """A gradient of an embedding: rows (examples, T, d) that belong to entries (examples, T)."""

    index: Tensor
    rows: Tensor
    entries: int
    padding: int | None

    def __post_init__(self) -> None:
        if self.padding is not None:
            self.rows = self.rows.masked_fill((self.index == self.padding).unsqueeze(2), 0)

    def merged(self) -> tuple[Tensor, Tensor, Tensor]:
        """Each entry once an example: (example, entry, row)."""
        example = torch.arange(len(self.index), device=self.index.device).unsqueeze(1)
        keys, place = torch.unique(example * self.entries + self.index, return_inverse=True)
        rows = self.rows.flatten(0, 1)
        return (
            keys // self.entries,
            keys % self.entries,
            rows.new_zeros(len(keys), rows.shape[1]).index_add_(0, place.flatten(), rows),
        )


@dataclass
class _Book:
    """Squares of norms as gradients come in, and what is kept of them for the sum."""

    tape: _Tape
    memory: int
    square: Tensor = field(init=False)
    kept: dict[str, Tensor] = field(default_factory=dict)
    """Gradients of every example, (examples, numbers)."""
    outers: dict[str, list[_Outer]] = field(default_factory=dict)
    merged: dict[str, tuple[Tensor, Tensor, Tensor]] = field(default_factory=dict)
    apart: dict[str, list[int]] = field(default_factory=dict)
    """Examples that are done one after the other, for most of what is added up cancels."""
    waiting: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.square = torch.zeros(0)

    def arrive(self, name: str, part: Any) -> None:
        """Note one use of a parameter; when it is the only one, its norm is taken at once."""
        if self.tape.uses[name] > 1:
            self.waiting.setdefault(name, []).append(part)
        else:
            self._settle(name, [part])

    def finish(self) -> None:
        """All uses are in."""
        for name, parts in self.waiting.items():
            self._settle(name, parts)
        self.waiting.clear()

    def _add(self, square: Tensor) -> None:
        self.square = square if not len(self.square) else self.square.to(square.device) + square

    def _settle(self, name: str, parts: list[Any]) -> None:
        outers = [p for p in parts if isinstance(p, _Outer)]
        lookups = [p for p in parts if isinstance(p, _Lookup)]
        wholes = [p for p in parts if isinstance(p, Tensor)]
        if wholes:
            for part in outers:
                wholes.append(_instantiated([part], 0, len(part.left)))
            for lookup in lookups:
                wholes.append(_spread(lookup))
            self._keep(name, _exact(sum(wholes[1:], wholes[0])))
        elif lookups:
            lookup = _Lookup(
                torch.cat([p.index for p in lookups], 1), torch.cat([p.rows for p in lookups], 1),
                lookups[0].entries, None,
            ) if len(lookups) > 1 else lookups[0]  # fmt: skip
            example, _, rows = self.merged[name] = lookup.merged()
            square = rows.new_zeros(len(lookup.index)).index_add_(0, example, rows.square().sum(1))
            self.outers[name] = outers
            if outers:
                length, (_, p, d) = sum(outer.sizes[0] for outer in outers), outers[0].sizes
                others, summands = _norms(outers, length * (p + d) < p * d)
                summands, square = square + summands, square + others + _cross(outers, lookup)
                square = self._again(name, square, summands)
            self._add(square)
        elif outers:
            self._weigh(name, outers)

    def _keep(self, name: str, gradients: Tensor) -> None:
        self.kept[name] = gradients
        self._add(_squares(gradients))

    def _weigh(self, name: str, outers: list[_Outer]) -> None:
        """Keep the gradients themselves, or what they are made of: whichever is cheaper and fits."""
        first, examples = outers[0], len(outers[0].left)
        sizes = [outer.sizes for outer in outers]
        length, (_, p, d) = sum(t for t, _, _ in sizes), sizes[0]
        whole = first.groups * p * d
        held = sum(outer.left.numel() + outer.right.numel() for outer in outers)
        more = 4 * (examples * whole - held)
        share = 1.0 if length <= _BLOCK else 0.65  # of a symmetric product that is made
        ghost = share * length * (p + d) < p * d
        least = length * min(share * length * (p + d), p * d)
        if least >= _WORTH * p * d and more <= self.memory:
            self.memory -= max(0, more)
            self._keep(name, _instantiated(outers, 0, examples))
            return
        self.outers[name] = outers
        self._add(self._again(name, *_norms(outers, ghost)))

    def _again(self, name: str, square: Tensor, summands: Tensor) -> Tensor:
        """``square``, where little remains of ``summands`` taken of the gradient itself.

        So is its part of the sum later: rounded in another way it could pass the bound.
        """
        self.apart[name] = (square < _CANCELLED * summands).nonzero().flatten().tolist()
        for i in self.apart[name]:
            square[i] = self._whole(name, i).square().sum()
        return square

    def _whole(self, name: str, i: int) -> Tensor:
        """The gradient of one example."""
        whole = _instantiated([outer.some(i, i + 1) for outer in self.outers[name]], 0, 1)
        if name in self.merged:
            example, entry, rows = self.merged[name]
            of = example == i
            whole.view(-1, rows.shape[1]).index_add_(0, entry[of], rows[of].to(whole.dtype))
        return whole

    def weighted(self, name: str, p: Tensor, scale: Tensor, bad: Tensor) -> Tensor:
        """The sum of the parameter's gradients, each times its ``scale``, without those of ``bad``."""
        total = torch.zeros(p.shape, dtype=torch.float32, device=p.device)
        if apart := self.apart.pop(name, None):
            for i in apart:
                if not bad[i]:
                    total += (self._whole(name, i) * scale[i]).view(p.shape)
            bad = bad.index_fill(0, torch.tensor(apart, device=bad.device), True)
        if name in self.kept:
            gradients = self.kept.pop(name)
            if bool(bad.any()):
                gradients = gradients.masked_fill(bad.unsqueeze(1), 0)
            total += torch.mv(gradients.mT, scale.to(gradients.dtype)).view(p.shape)
        if name in self.merged:
            example, entry, rows = self.merged.pop(name)
            rows = rows.mul(scale[example].unsqueeze(1)).masked_fill_(bad[example].unsqueeze(1), 0)
            total.index_add_(0, entry, rows.to(total.dtype))
        for outer in self.outers.pop(name, ()):
            total += _contracted(outer, scale, bad).view(p.shape)
        return total


def _squares(gradients: Tensor) -> Tensor:
    """Squares of the norms of rows."""
    norms: Tensor = torch.linalg.vector_norm(gradients, dim=1)
    return norms.square()


def _pieces(examples: int, each: int) -> Iterator[tuple[int, int]]:
    """Cuts of a batch such that a piece takes about so much memory as a core has of cache."""
    step = max(1, min(examples, _PIECE // max(1, each)))
    return ((lo, min(lo + step, examples)) for lo in range(0, examples, step))


def _joined(outers: Sequence[_Outer], lo: int, hi: int) -> tuple[Tensor, Tensor]:
    """Factors of all uses as one longer sequence."""
    factors = [outer.factors(lo, hi) for outer in outers]
    if len(factors) == 1:
        return factors[0]
    return torch.cat([f[0] for f in factors], 2), torch.cat([f[1] for f in factors], 2)


def _norms(outers: Sequence[_Outer], ghost: bool) -> tuple[Tensor, Tensor]:
    """Squares of the norms of all examples, piece by piece, nothing kept; and of what was added up."""
    groups, (_, p, d) = outers[0].groups, outers[0].sizes
    length = sum(outer.sizes[0] for outer in outers)
    each = 2 * length * length if ghost else p * d
    if outers[0].window:
        each += length * d
    squares, summands = [], []
    for lo, hi in _pieces(len(outers[0].left), 4 * groups * each):
        left, right = _joined(outers, lo, hi)
        square = _ghost(left, right) if ghost else (left @ right.mT).square().sum((1, 2))
        added = (left.norm(dim=1) * right.norm(dim=1)).sum(1).square() if length > 1 else square
        squares.append(square.view(hi - lo, -1).sum(1))
        summands.append(added.view(hi - lo, -1).sum(1))
    return torch.cat(squares), torch.cat(summands)


def _ghost(left: Tensor, right: Tensor) -> Tensor:
    """Squares of the norms of ``left @ right.mT`` without making it, for (n, p, T) and (n, d, T).

    Of the two symmetric T x T matrices only the lower blocks are made.
    """
    length = left.shape[2]
    if length == 1:
        return left.square().sum((1, 2)) * right.square().sum((1, 2))
    if length <= _BLOCK:
        return (left.mT @ left).mul_(right.mT @ right).sum((1, 2))
    h = length // 2
    corner = (left[:, :, :h].mT @ left[:, :, h:]).mul_(right[:, :, :h].mT @ right[:, :, h:]).sum((1, 2))
    return _ghost(left[:, :, :h], right[:, :, :h]) + _ghost(left[:, :, h:], right[:, :, h:]) + 2 * corner


def _instantiated(outers: Sequence[_Outer], lo: int, hi: int) -> Tensor:
    """The gradients of examples ``lo`` to ``hi``, a row each."""
    groups, (_, p, d) = outers[0].groups, outers[0].sizes
    out = torch.empty((hi - lo) * groups, p, d, dtype=_wide(outers[0].left), device=outers[0].left.device)
    each = 4 * groups * (sum(outer.sizes[0] for outer in outers) * d if outers[0].window else p * d)
    for start, stop in _pieces(hi - lo, each):
        left, right = _joined(outers, lo + start, lo + stop)
        torch.bmm(left, right.mT, out=out[start * groups : stop * groups])
    return out.view(hi - lo, groups * p * d)


def _spread(lookup: _Lookup) -> Tensor:
    """An embedding's gradients, every entry of every example."""
    examples, d = len(lookup.index), lookup.rows.shape[2]
    example, entry, rows = lookup.merged()
    out = rows.new_zeros(examples * lookup.entries, d)
    return out.index_copy_(0, example * lookup.entries + entry, rows).view(examples, -1)


def _cross(outers: Sequence[_Outer], lookup: _Lookup) -> Tensor:
    """Twice the inner products of two uses of one matrix: as a layer's weight, and as an embedding."""
    length, squares = sum(outer.sizes[0] for outer in outers), []
    for lo, hi in _pieces(len(lookup.index), 8 * length * lookup.index.shape[1]):
        left, right = _joined(outers, lo, hi)
        entries = lookup.index[lo:hi].unsqueeze(2).expand(-1, -1, left.shape[2])
        squares.append((lookup.rows[lo:hi] @ right).mul_(left.gather(1, entries)).sum((1, 2)))
    return 2 * torch.cat(squares)


def _contracted(outer: _Outer, scale: Tensor, bad: Tensor) -> Tensor:
    """The weighted sum over examples and positions."""
    examples, spoilt = len(outer.left), bool(bad.any())
    if outer.window is not None:
        left, right = _exact(outer.left), _exact(outer.right)
        if spoilt:
            left, right = _without(left, bad), _without(right, bad)
        return outer.window.contracted(left * _along(scale, left), right)
    length, p, d = outer.sizes
    total = torch.zeros(p, d, dtype=_wide(outer.left), device=outer.left.device)
    for lo, hi in _pieces(examples, length * min(p, d) // 2):
        left, right = _exact(outer.left[lo:hi]), _exact(outer.right[lo:hi])
        if spoilt:
            left, right = _without(left, bad[lo:hi]), _without(right, bad[lo:hi])
        if p < d:
            left = left * _along(scale[lo:hi], left)
        else:
            right = right * _along(scale[lo:hi], right)
        total.addmm_(left.flatten(0, 1).mT, right.flatten(0, 1))
    return total


def _along(scale: Tensor, x: Tensor) -> Tensor:
    """``scale`` such that each example of ``x`` is multiplied by its own."""
    return scale.to(x.dtype).view(-1, *[1] * (x.ndim - 1))


def _without(x: Tensor, bad: Tensor) -> Tensor:
    """``x`` with zeros for examples that are ``bad``: chosen, for zero times NaN is NaN."""
    return x.masked_fill(bad.view(-1, *[1] * (x.ndim - 1)), 0)


# -- linear models ---------------------------------------------------------------------------------------


def closed_form(
    x: Tensor,
    y: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    l2_clip_norm: float,
    *,
    loss: Literal["softmax", "logistic", "squared"] = "softmax",
) -> Clipped:
    """The clipped sum of a linear model, without gradients: an example's gradient is (p - y) (x, 1)^T, and
    its norm |p - y| sqrt(|x|^2 + 1).

    ``x`` is (B, d), ``weight`` (K, d), ``bias`` (K,) or None. Losses, summed over outputs: ``softmax`` cross
    entropy, ``y`` (B,) classes or (B, K) probabilities; ``logistic``, ``y`` (B,) or (B, K) within [0, 1];
    ``squared``, half the squared error. The gradients are called ``weight`` and ``bias``.

    Raises:
        BadInput: shapes that do not belong together, or a norm that is not positive.
    """
    if not (math.isfinite(l2_clip_norm) and l2_clip_norm > 0):
        raise BadInput("l2_clip_norm is a number greater than 0")
    if x.ndim != 2 or weight.ndim != 2 or x.shape[1] != weight.shape[1] or len(y) != len(x):
        raise BadInput("a linear model takes x (B, d), y (B,) or (B, K), and a weight (K, d)")
    with torch.no_grad():
        x, weight = x.float(), weight.detach().float()
        scores = F.linear(x, weight, None if bias is None else bias.detach().float())
        target = _targets(y, scores, loss)
        if loss == "softmax":
            values, p = F.cross_entropy(scores, target, reduction="none"), scores.softmax(1)
        elif loss == "logistic":
            values = F.binary_cross_entropy_with_logits(scores, target, reduction="none").sum(1)
            p = scores.sigmoid()
        else:
            values, p = (scores - target).square().sum(1) / 2, scores
        rest = p - target
        norm = rest.square().sum(1).sqrt() * (x.square().sum(1) + (bias is not None)).sqrt()
        good = values.isfinite() & norm.isfinite()
        over = good & (norm > l2_clip_norm)
        scale = torch.where(over, l2_clip_norm * _SHORTER / norm, 1.0)
        rest = torch.where(good.unsqueeze(1), rest * scale.unsqueeze(1), 0)
        kept = int(good.sum())
        if kept < len(x):
            x = torch.where(good.unsqueeze(1), x, 0)
        gradients = {"weight": rest.mT @ x}
        if bias is not None:
            gradients["bias"] = rest.sum(0)
        mean = float(torch.where(good, values, 0).sum(dtype=torch.float64)) / kept if kept else math.nan
    return Clipped(gradients, len(x), int(over.sum()), len(x) - kept, mean, float(l2_clip_norm))


def _targets(y: Tensor, scores: Tensor, loss: str) -> Tensor:
    """``y`` as what scores are compared with, (B, K)."""
    if loss == "softmax" and y.ndim == 1:
        if y.is_floating_point():
            raise BadInput("classes are whole numbers; probabilities have one column a class")
        return F.one_hot(y.long(), scores.shape[1]).to(scores.dtype)
    y = y.unsqueeze(1) if y.ndim == 1 else y
    if y.shape != scores.shape:
        raise BadInput(f"y of shape {tuple(y.shape)} does not fit {scores.shape[1]} outputs")
    return y.to(scores.dtype)
