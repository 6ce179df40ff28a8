"""A model, looked at before it runs: what is trained, what is refused, and help for layers without a rule.

Layers whose own parameters no rule follows run once for each example, vectorised; class tokens and positions
are expanded to one an example. While a batch runs, what would slip through is an error: a parameter that is
used outside of its layer, a buffer that keeps the data.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from masquerade.errors import BadInput
from masquerade.transfer.tape import Tape, leaf, on_gradient

_KNOWN: tuple[type[nn.Module], ...] = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Embedding, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm,
    nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.MultiheadAttention,
)  # fmt: skip
"""Layers that use their parameters in calls that the tape can follow, and in no other way."""

_KNOWN_ELSEWHERE = {("transformers.pytorch_utils", "Conv1D")}


def trained_of(model: nn.Module) -> dict[str, Tensor]:
    """Parameters that are trained, each once, by its first name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def axes_of(model: nn.Module, told: Mapping[str, int]) -> dict[int, int]:
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


def survey(model: nn.Module) -> list[tuple[str, nn.Module, Literal["expand", "vmap"]]]:
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


@contextmanager
def escapes(trained: Mapping[str, Tensor]) -> Iterator[None]:
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
            stack.callback(on_gradient(p, caught(name)).remove)
        yield


@contextmanager
def watched(model: nn.Module, tape: Tape) -> Iterator[None]:
    """While this is open, the tape knows how many examples the model was given."""

    def hook(_: nn.Module, args: Any, kwargs: Any) -> None:
        tape.expected = _first_length(args, kwargs, 0)

    handle = model.register_forward_pre_hook(hook, prepend=True, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def still(model: nn.Module) -> Iterator[None]:
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


class Shims:
    """Stand-ins for ``forward`` on modules that need help; they do nothing while no tape runs."""

    def __init__(self, helped: Sequence[tuple[str, nn.Module, Literal["expand", "vmap"]]]) -> None:
        self._tape: Tape | None = None
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
    def during(self, tape: Tape) -> Iterator[None]:
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


def _expanded(
    tape: Tape, name: str, module: nn.Module, plain: Callable[..., Any], args: Any, kwargs: Any
) -> Any:
    """Run a module whose own parameters lead with a dimension of 1 (a class token, positions) with one of
    them for every example in their place."""
    own = {n: p for n, p in module._parameters.items() if p is not None and tape.name(p)}
    examples = _first_length(args, kwargs, 0) or tape.expected
    if examples is None:
        raise BadInput(f"{name or 'the model'} is called without a tensor, so its batch is not known")
    leaves = {
        n: leaf(tape, tape.name(p) or "", p.detach().expand(examples, *p.shape[1:])) for n, p in own.items()
    }
    try:
        module._parameters.update(leaves)  # type: ignore[arg-type]
        return plain(*args, **kwargs)
    finally:
        module._parameters.update(own)


def _vmapped(
    tape: Tape, name: str, module: nn.Module, plain: Callable[..., Any], args: Any, kwargs: Any
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
        n: leaf(tape, known, p.detach().expand(examples, *p.shape))
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
