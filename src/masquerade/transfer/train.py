"""Private training: DP-SGD whose sampling, clipping, noise and price cannot disagree.

    plan = Plan.calibrate(3.0, 1e-5, examples=60_000, batch=8192, steps=280, l2_clip_norm=0.1,
                          parameters=12_260)
    trained = train(model, (features, labels), plan, ledger=ledger, optimizer=SGD(model.parameters(), lr=16))

A step (Abadi et al., "Deep Learning with Differential Privacy", CCS 2016, algorithm 1): each record is drawn
with probability ``sample_rate`` by itself; the gradients of those drawn are clipped and summed; noise is
added to the sum, which is divided by the *expected* number of records; any optimizer takes it from there.

The guarantee: whoever sees the model after every step cannot tell whether one record was in the data, up to
(epsilon, delta) of :attr:`PrivateSteps.event`, which the ledger pays before the first step. Neighbours differ
in one record, added or removed. What is seen while it runs (losses, how many were clipped, accuracy on
private data) is not covered: it stays with the owner. Draws and noise come from the keystream of one secret
key; who has the key, or the checkpoint that holds it, can take the noise away. Noise is discrete Gaussian on
a fine grid, so that no bit of a floating-point number shows what is under it (Mironov, CCS 2012).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from masquerade import crypto
from masquerade.dp.accountant import Event, Gaussian, Repeated, Sampled, noise_for, price, to_json
from masquerade.dp.ledger import Ledger, Receipt
from masquerade.dp.mechanism import Mechanism, gaussian, vector_sensitivity
from masquerade.errors import BadInput
from masquerade.transfer.gradient import Chance, Clipped, PerExample, closed_form
from masquerade.transfer.models import fingerprint, state_of

_ROUNDING = 1 + 2.0**-8
"""What summing in float32 may add to the sensitivity: some units in the last place of each summand."""

_TRIED = 1024
"""Records of a microbatch whose labels are compared, where that is not free."""

Losses = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""From the model and a batch to the loss of each example, (B,)."""


class Limits(Protocol):
    """What a training may take of its machine. It looks at the machine and never at the data, for where a
    training ends can be seen in the model."""

    def begin(self) -> None:
        """Model and data are there, and were checked; the gradient of the first step comes."""

    def tried(self, steps: int) -> None:
        """One gradient was computed, of so many, and nothing is paid: raises if that is too much."""

    def go_on(self) -> bool:
        """Whether there may be another step; what is paid stays paid."""


def cross_entropy(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The loss of each example of a classifier."""
    logits: Tensor = model(x)
    if y.ndim == 1 and not y.is_floating_point():
        check_labels(y, logits.shape[-1])
    return F.cross_entropy(logits, y, reduction="none")


def check_labels(labels: Tensor, classes: int) -> None:
    """Refuse labels of no class, without showing one, as PyTorch would."""
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < classes):
        raise BadInput("a label names no class: they go from 0 to the number of classes less one")


# -- the plan --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """How a model is trained, as far as privacy depends on it. Public, all of it.

    Raises:
        BadInput: a number is out of its range.
    """

    examples: int
    """How many records there are about: a public number, that is declared. Gradients are divided by
    ``sample_rate * examples``, never by the number of records there really are."""
    sample_rate: float
    """The probability with which each record takes part in a step."""
    steps: int
    noise_multiplier: float
    """Standard deviation of the noise by the sensitivity; 0: no noise, no privacy."""
    l2_clip_norm: float
    """The bound on the gradient of one example."""
    delta: float = 1e-5
    sampling: Literal["poisson", "fixed"] = "poisson"
    """``fixed``: each record takes part once in each pass, at a step that is drawn for it by itself; this is
    paid without amplification. Batches are of about one size, and not of exactly one: were they, a record
    that is taken out would move others between batches, and change more than its own."""

    def __post_init__(self) -> None:
        if self.examples < 1 or self.steps < 1 or not 0 < self.sample_rate <= 1:
            raise BadInput(
                "a plan has 1 example or more, 1 step or more, and a sample_rate above 0 and up to 1"
            )
        if not (self.l2_clip_norm > 0 and math.isfinite(self.l2_clip_norm)):
            raise BadInput("l2_clip_norm is a number greater than 0")
        if not (self.noise_multiplier >= 0 and math.isfinite(self.noise_multiplier) and 0 < self.delta < 1):
            raise BadInput("noise_multiplier is 0 or more, delta between 0 and 1")
        if self.sampling not in ("poisson", "fixed"):
            raise BadInput("sampling is 'poisson' or 'fixed'")

    @classmethod
    def calibrate(
        cls,
        epsilon: float,
        delta: float,
        *,
        examples: int,
        batch: int,
        l2_clip_norm: float,
        parameters: int,
        epochs: float | None = None,
        steps: int | None = None,
        sampling: Literal["poisson", "fixed"] = "poisson",
    ) -> Plan:
        """The plan with the least noise that costs at most ``epsilon`` at ``delta``.

        Args:
            examples: the declared number of records.
            batch: the expected number of records in a step.
            parameters: how many trainable numbers the model has: rounding the noise to a grid has a price, a
                tiny one, that depends on it.
            epochs: or ``steps``: how long.

        Raises:
            BadInput: an argument is out of its range, or no noise suffices.
        """
        if (epochs is None) == (steps is None):
            raise BadInput("say how long by epochs or by steps")
        if examples < 1 or not 0 < batch < math.inf or not 0 <= (epochs or 0) < math.inf:
            raise BadInput("a plan has 1 example or more, and more than none of them in a batch")
        rate = min(1.0, batch / examples)
        taken = steps if steps is not None else max(1, round((epochs or 0) / rate))
        plan = cls(examples, rate, taken, 1.0, l2_clip_norm, delta, sampling)
        if sampling == "fixed":
            least = noise_for(epsilon, delta, plan.epochs)
        else:
            least = noise_for(epsilon, delta, taken, rate)
        for more in (0.0, *(2.0**-k for k in range(16, -1, -1))):
            made = replace(plan, noise_multiplier=least * (1 + more))
            if price(made.event(parameters), delta) <= epsilon:
                return made
        raise BadInput("no noise makes this plan cost so little: take fewer steps, or a larger epsilon")

    @property
    def batch(self) -> float:
        """The expected number of records in a step."""
        return self.sample_rate * self.examples

    @property
    def epochs(self) -> int:
        """How often a record takes part at most, where it does so once a pass."""
        return math.ceil(self.steps / math.ceil(1 / self.sample_rate))

    def mechanism(self, parameters: int) -> Mechanism:
        """The noise of a step for a model of so many trainable numbers."""
        bound = vector_sensitivity(self.l2_clip_norm * _ROUNDING, "l2", parameters)
        return gaussian(bound, noise_multiplier=self.noise_multiplier)

    def event(self, parameters: int, steps: int | None = None) -> Event:
        """What the whole training is for the accountant, or its first ``steps``."""
        once = self.mechanism(parameters).event if self.noise_multiplier else Gaussian(0.0)
        if not isinstance(once, Gaussian):
            raise TypeError("the noise of a step is Gaussian")
        steps = self.steps if steps is None else steps
        if self.sampling == "fixed":
            return Repeated(once, replace(self, steps=max(steps, 1)).epochs)
        return Repeated(once if self.sample_rate == 1 else Sampled(self.sample_rate, once), steps)

    def epsilon(self, parameters: int, steps: int | None = None) -> float:
        """The price of the whole training at :attr:`delta`, or of its first ``steps``."""
        return _priced(self, parameters, self.steps if steps is None else steps)


@lru_cache(maxsize=256)
def _priced(plan: Plan, parameters: int, steps: int) -> float:
    return price(plan.event(parameters, steps), plan.delta) if steps else 0.0


# -- one step --------------------------------------------------------------------------------------------


class PrivateSteps:
    """Who draws, clips, sums and adds noise, by one plan: so the event is that of what is done.

    Args:
        names: the trainable parameters, by name.
        key: 32 secret bytes that all draws and all noise come from. With the same key, plan and data each
            step is the same again.
        run: what the noise is for: data, model and all else that the sums depend on. With the same key and
            another run all noise is another, so that no two sums that differ ever have the same: their
            difference would show what is under it. Without it, use a key once.
        rank: which of several processes this is, each with its own part of the data.

    ``repr`` shows the plan; pickling is refused.
    """

    def __init__(
        self,
        names: dict[str, nn.Parameter],
        plan: Plan,
        key: bytes | None = None,
        *,
        run: bytes = b"",
        rank: int = 0,
    ) -> None:
        if not names:
            raise BadInput("no parameter of this model is trainable: all have requires_grad = False")
        self.plan, self.run, self._names, self._rank = plan, run, names, rank
        self._key = crypto.random_bytes(crypto.KEY_BYTES) if key is None else key
        self.parameters = sum(value.numel() for value in names.values())
        self._mechanism = plan.mechanism(self.parameters) if plan.noise_multiplier else None

    @cached_property
    def event(self) -> Event:
        """What all steps are, for the ledger."""
        return self.plan.event(self.parameters)

    @property
    def key(self) -> bytes:
        """The secret, for a checkpoint."""
        return self._key

    def drawn(self, step: int, records: int) -> NDArray[np.int64]:
        """Which of ``records`` take part in step ``step``, counted from 0: their indices, ascending."""
        if self.plan.sampling == "fixed":
            return self._fixed(step, records)
        words = np.frombuffer(self._stream("sample", step).read(8 * records), "<u8")
        rate = self.plan.sample_rate
        if rate == 1:
            return np.arange(records)
        return np.flatnonzero(words < np.uint64(math.floor(rate * 2.0**64)))

    def _fixed(self, step: int, records: int) -> NDArray[np.int64]:
        a_pass = math.ceil(1 / self.plan.sample_rate)
        epoch, place = divmod(step, a_pass)
        words = np.frombuffer(self._stream("sample", epoch).read(8 * records), "<u8")
        return np.flatnonzero(words % np.uint64(a_pass) == place)

    def finish(self, step: int, clipped: Clipped) -> None:
        """Add the noise of step ``step`` to a sum, divide, and leave it where optimizers look for it.

        Raises:
            BadInput: the sum was clipped to another bound than the plan's, or is of other parameters.
        """
        if clipped.sensitivity != self.plan.l2_clip_norm or clipped.gradients.keys() != self._names.keys():
            raise BadInput("these gradients were clipped to another bound, or are another model's")
        flat = torch.cat([clipped.gradients[name].detach().flatten().cpu() for name in self._names])
        numbers = flat.double().numpy()
        if self._mechanism is not None:
            numbers = self._mechanism.add(numbers, self._stream("noise", step, 0).read)
        noisy = torch.from_numpy(numbers / self.plan.batch)
        at = 0
        for value in self._names.values():
            piece = noisy[at : at + value.numel()].view(value.shape)
            value.grad = piece.to(value.device, value.dtype)
            at += value.numel()

    def _stream(self, what: str, step: int, rank: int | None = None) -> crypto.Keystream:
        place = step.to_bytes(8, "big") + (self._rank if rank is None else rank).to_bytes(4, "big")
        place += self.run if what == "noise" else b""
        key = crypto.derive(self._key, f"masquerade training {what}", place)
        return crypto.Keystream(key[: crypto.STREAM_KEY_BYTES])

    def __repr__(self) -> str:
        return f"PrivateSteps({self.plan})"

    def __reduce__(self) -> Any:
        raise TypeError("PrivateSteps are not pickled: their key takes the noise away")


# -- the whole training ----------------------------------------------------------------------------------


class Progress(NamedTuple):
    """What the owner sees after a step. Losses and counts depend on the data, and are not private."""

    step: int
    """How many are done."""
    steps: int
    loss: float
    """The mean over the step's sample; NaN of an empty one."""
    accuracy: float
    """How many of the sample's labels the model told before the step, as a share of those that were tried: of
    this process's records, all or some; NaN of none, and with ``losses`` of one's own."""
    clipped: int
    poisoned: int
    """Records whose loss or gradient was not finite, in this step; they counted for nothing."""
    plan: Plan
    parameters: int

    @property
    def epsilon(self) -> float:
        """The price of the steps that are done, at the plan's delta."""
        return self.plan.epsilon(self.parameters, self.step)


class Trained(NamedTuple):
    """What a training gave. The model was trained in place."""

    model: nn.Module
    plan: Plan
    event: Event
    """What was paid for."""
    receipt: Receipt | None
    """What that did to the ledger; None for a training that was resumed, which had paid before."""
    poisoned: int
    """How often a record was not finite. It depends on the data, and is not private."""
    done: int
    """How many steps of the plan there were."""

    def price(self, unit: str, why: str) -> dict[str, Any]:
        """What was paid, for a hand-over: JSON, public; and ``why`` nothing more is owed."""
        size = sum(value.numel() for value in self.model.parameters() if value.requires_grad)
        told = {"epsilon": self.plan.epsilon(size), "delta": self.plan.delta, "unit": unit, "why": why}
        return {**told, "plan": asdict(self.plan), "event": json.loads(to_json(self.event))}


def train(
    model: nn.Module,
    data: tuple[Tensor, Tensor],
    plan: Plan,
    *,
    ledger: Ledger | None,
    optimizer: torch.optim.Optimizer,
    losses: Losses = cross_entropy,
    note: str = "training",
    microbatch: int = 1024,
    memory: int | None = None,
    autocast: torch.dtype | None = None,
    schedule: Any = None,
    average: float = 0.0,
    progress: Callable[[Progress], None] | None = None,
    keep: Callable[[bytes], None] | None = None,
    every: int = 50,
    resume: bytes | None = None,
    key: bytes | None = None,
    limits: Limits | None = None,
) -> Trained:
    """Train ``model`` in place by ``plan``, once its ledger has paid for all of it.

    Args:
        data: inputs and labels, (n, ...) and (n,); only what a step draws is moved to the model's device.
        ledger: who pays; None only for a plan without privacy to promise (data that is public).
        optimizer: over the model's trainable parameters, all of them.
        microbatch: how many examples go through the model at once.
        autocast: ``torch.bfloat16`` for products in half precision; norms and sums stay in float32.
        schedule: a learning-rate schedule with ``step()``, called after each step.
        average: the model at the end is the mean of those after this last share of the steps (Polyak and
            Juditsky, 1992): less noise is in it, and no more privacy is lost, for all of these were paid.
        progress: is called after each step.
        keep: is given a checkpoint every so many steps, and after the last: bytes that hold the key, so they
            are as secret as the data.
        resume: such a checkpoint: goes on exactly where it was, with the same data, and pays nothing again.
        key: see :class:`PrivateSteps`; for a training that is to be the same again. Other data, plan, start
            or settings of the optimizer have other noise; other ``losses`` or ``schedule`` need another key.
        limits: of time and memory, for one process: a training that would not fit is refused before it pays,
            and one that they end has paid for all steps.

    Raises:
        BadInput: a parameter cannot move at the first step (the optimizer holds another), sizes differ, the
            model cannot be trained so, a label names no class, or the checkpoint is of another plan or model;
            of these nothing was paid. Or one did not move, as with a learning rate of 0.
        BudgetExceeded: the ledger does not hold the price; nothing was computed.
    """
    x, y = data
    if len(x) != len(y):
        raise BadInput("inputs and labels are not as many: there is one label an input")
    if microbatch < 1:
        raise BadInput("a microbatch has 1 example or more")
    if not 0 <= average <= 1:
        raise BadInput("average is a share of the steps, from 0 to 1")
    names = {name: value for name, value in model.named_parameters() if value.requires_grad}
    group = _Group()
    if group.many and limits is not None:
        raise BadInput("a training by several processes does not end early: they would not end together")
    start, poisoned, origin, run = 0, 0, b"", b""
    mean = _Mean(names, round(plan.steps * average))
    if group.many or any(each is not None for each in (key, keep, resume)):
        origin = group.gathered(fingerprint(f"{microbatch} {autocast}", x, y))
        run = fingerprint(origin.hex(), str(plan), *_beginning(model, optimizer))
    if resume is not None:
        key, start, poisoned, run = _restore(resume, plan, origin, mean, model, optimizer, schedule)
    steps = PrivateSteps(names, plan, group.shared(key), run=group.shared(run) or b"", rank=group.rank)
    receipt, payer = None, ledger if resume is None and group.rank == 0 else None
    if payer is not None:
        payer.check(steps.event)
    elif resume is None and group.rank == 0 and plan.noise_multiplier:
        raise BadInput("a private training needs a ledger that pays for it")
    _all_held(names, optimizer)
    gradient = _Gradient(model, plan, losses, autocast, microbatch, memory)
    done = start
    with gradient:
        for step in range(start, plan.steps):
            drawn = torch.from_numpy(steps.drawn(step, len(x)))
            chance = Chance(next(model.parameters()).device)
            own = gradient(x, y, drawn)
            if step == start and limits is not None:  # again: the first time it was checked as well, for long
                chance.again()
                limits.begin()
                own = gradient(x, y, drawn)
                limits.tried(plan.steps - start)
            if step == 0 and payer is not None:  # now that nothing is wrong with model and data
                receipt = payer.spend(steps.event, note)
            clipped = group.summed(own)
            before = (
                {name: value.detach().clone() for name, value in names.items()} if step == start == 0 else {}
            )
            optimizer.zero_grad(set_to_none=True)
            steps.finish(step, clipped)
            optimizer.step()
            _all_moved(before, names)
            mean.take(plan.steps - step)
            if schedule is not None:
                schedule.step()
            poisoned += clipped.poisoned
            done = step + 1
            if progress is not None:
                progress(
                    Progress(
                        done,
                        plan.steps,
                        clipped.loss,
                        gradient.accuracy,
                        clipped.clipped,
                        clipped.poisoned,
                        plan,
                        steps.parameters,
                    )
                )
            last = done == plan.steps or (limits is not None and not limits.go_on())
            if keep is not None and (done % every == 0 or last):
                keep(_checkpoint(steps, origin, done, poisoned, mean, model, optimizer, schedule))
            if last:
                break
    mean.put()
    optimizer.zero_grad(set_to_none=True)
    return Trained(model, plan, steps.event, receipt, poisoned, done)


def _all_held(names: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
    held = {id(value) for some in optimizer.param_groups for value in some["params"]}
    for name, value in names.items():
        if id(value) not in held:
            raise _unmoved(name)


def _unmoved(name: str) -> BadInput:
    return BadInput(
        f"{name} did not move at the first step: the optimizer holds another parameter than the model (one "
        "from before an adapter was put in?), or its learning rate is 0"
    )


def _all_moved(before: dict[str, Tensor], names: dict[str, nn.Parameter]) -> None:
    for name, value in before.items():
        if torch.equal(value, names[name].detach()):
            raise _unmoved(name)


class _Mean:
    """The running mean of the parameters over the last ``count`` steps."""

    def __init__(self, names: dict[str, nn.Parameter], count: int) -> None:
        self._names, self.count, self.values = names, count, dict[str, Tensor]()

    def take(self, left: int) -> None:
        """After a step, ``left`` of all being the last, counted with it."""
        if not left <= self.count:
            return
        seen = self.count - left
        for name, value in self._names.items():
            now = value.detach().double()
            old = self.values.get(name)
            self.values[name] = now.clone() if old is None else old + (now - old) / (seen + 1)

    def put(self) -> None:
        with torch.no_grad():
            for name, value in self.values.items():
                self._names[name].copy_(value)


class _Gradient:
    """Clipped sums over a sample, in microbatches; by the closed form where the model is linear."""

    def __init__(
        self,
        model: nn.Module,
        plan: Plan,
        losses: Losses,
        autocast: torch.dtype | None,
        size: int,
        memory: int | None,
    ) -> None:
        self._model, self._plan, self._losses, self._size = model, plan, losses, size
        self._autocast = autocast
        self._device = next(model.parameters()).device
        options: dict[str, Any] = {} if memory is None else {"memory": memory}
        self._by_hooks = PerExample(model, plan.l2_clip_norm, **options)
        trained = [name for name, value in model.named_parameters() if value.requires_grad]
        whole = type(model) is nn.Linear and trained == ["weight", "bias"]
        self._linear = model if whole and losses is cross_entropy and not autocast else None
        self._right, self._tried = 0, 0

    def __enter__(self) -> _Gradient:
        return self

    def __exit__(self, *exc: object) -> None:
        self._by_hooks.close()

    @property
    def accuracy(self) -> float:
        """Of the last sample, as far as it was tried."""
        return self._right / self._tried if self._tried else math.nan

    def _tell(self, told: Tensor, y: Tensor) -> None:
        if told.ndim == 2 and y.ndim == 1:
            self._right += int((told.argmax(1) == y).sum())
            self._tried += len(y)

    def __call__(self, x: Tensor, y: Tensor, drawn: Tensor) -> Clipped:
        self._right, self._tried = 0, 0
        nothing = self._by_hooks.nothing()
        # In float64: in float32 the rounding of a large sum grows with it, above what one record may change.
        total = replace(nothing, gradients={n: value.double() for n, value in nothing.gradients.items()})
        for at in range(0, len(drawn), self._size):
            some = drawn[at : at + self._size]
            total += self._batch(x[some].to(self._device), y[some].to(self._device))
        return total

    def _batch(self, x: Tensor, y: Tensor) -> Clipped:
        if x.is_floating_point():
            x = x.float()
        if self._linear is not None and x.ndim == 2:
            weight, bias = (value.detach() for value in self._linear.parameters())
            check_labels(y, len(weight))
            self._tell(F.linear(x[:_TRIED], weight, bias), y[:_TRIED])
            return closed_form(x, y, weight, bias, self._plan.l2_clip_norm)

        def seen(x: Tensor) -> Tensor:
            told: Tensor = self._model(x)
            self._tell(told.detach(), y)
            return told

        model: Any = seen if self._losses is cross_entropy else self._model

        def losses() -> Tensor:
            if self._autocast is None:
                return self._losses(model, x, y)
            with torch.autocast(x.device.type, self._autocast):
                return self._losses(model, x, y).float()

        return self._by_hooks(losses)


class _Group:
    """The processes that train together, if ``torch.distributed`` runs: each has its own part of the data."""

    def __init__(self) -> None:
        import torch.distributed as dist

        self._dist = dist if dist.is_available() and dist.is_initialized() else None
        self.rank = self._dist.get_rank() if self._dist else 0
        self.many = self._dist is not None
        by_gpu = self._dist is not None and self._dist.get_backend() == "nccl"
        self._device = torch.device("cuda", torch.cuda.current_device()) if by_gpu else torch.device("cpu")

    def gathered(self, digest: bytes) -> bytes:
        """One digest of those of all processes, the same in each."""
        if self._dist is None:
            return digest
        own = torch.tensor(list(digest), dtype=torch.uint8, device=self._device)
        found = [torch.empty_like(own) for _ in range(self._dist.get_world_size())]
        self._dist.all_gather(found, own)
        return fingerprint(*(each.cpu() for each in found))

    def shared(self, key: bytes | None) -> bytes | None:
        """The first process's 32 bytes, or fresh ones of its, in all."""
        if self._dist is None:
            return key
        key = key or crypto.random_bytes(crypto.KEY_BYTES)
        given = torch.tensor(list(key), dtype=torch.uint8, device=self._device)
        self._dist.broadcast(given, 0)
        return bytes(given.tolist())

    def summed(self, clipped: Clipped) -> Clipped:
        """The sum over all processes, the same in each."""
        if self._dist is None:
            return clipped
        for value in clipped.gradients.values():
            self._dist.all_reduce(value)
        good = clipped.examples - clipped.poisoned
        counts = torch.tensor(
            [clipped.examples, clipped.clipped, clipped.poisoned, clipped.loss * good if good else 0.0],
            dtype=torch.float64,
            device=self._device,
        )
        self._dist.all_reduce(counts)
        examples, above, poisoned = (int(number) for number in counts[:3])
        loss = float(counts[3]) / (examples - poisoned) if examples > poisoned else math.nan
        return replace(clipped, examples=examples, clipped=above, poisoned=poisoned, loss=loss)


# -- checkpoints -----------------------------------------------------------------------------------------


def _chance() -> list[Tensor]:
    """What dropout draws from: of the processor, and of every GPU."""
    on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return [torch.get_rng_state(), *on_gpus]


def _beginning(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[Tensor | str]:
    """What a training starts from, as far as its sums depend on it: settings, chance, parameters, buffers."""
    yield repr(optimizer.state_dict()["param_groups"])
    yield from _chance()
    for name, value in state_of(model).items():
        yield name
        yield value


def _checkpoint(
    steps: PrivateSteps,
    origin: bytes,
    step: int,
    poisoned: int,
    mean: _Mean,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: Any,
) -> bytes:
    from safetensors.torch import save

    tensors = {
        f"model.{name}": value.detach().clone().contiguous() for name, value in state_of(model).items()
    }
    tensors |= {f"mean.{name}": value for name, value in mean.values.items()}
    told = optimizer.state_dict()
    plain: dict[str, Any] = {}
    for index, state in told["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{name}"] = value.detach().clone().contiguous()
            else:
                plain[f"{index}.{name}"] = value
    about = {
        "masquerade": "training checkpoint 3",
        "plan": asdict(steps.plan),
        "key": steps.key.hex(),
        "origin": origin.hex(),
        "run": steps.run.hex(),
        "step": step,
        "poisoned": poisoned,
        "averaged": mean.count,
        "groups": told["param_groups"],
        "state": plain,
        "schedule": None if schedule is None else _plain(schedule.state_dict()),
        "chance": [state.numpy().tobytes().hex() for state in _chance()],
    }
    return save(tensors, {"about": json.dumps(about)})


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in state.items() if isinstance(value, int | float | list | str | None)
    }


def _restore(
    checkpoint: bytes,
    plan: Plan,
    origin: bytes,
    mean: _Mean,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: Any,
) -> tuple[bytes, int, int, bytes]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(checkpoint)
        length = int.from_bytes(checkpoint[:8], "little")
        about = json.loads(json.loads(checkpoint[8 : 8 + length])["__metadata__"]["about"])
        told, key, step = about["plan"], bytes.fromhex(about["key"]), int(about["step"])
        run, began = bytes.fromhex(about["run"]), bytes.fromhex(about["origin"])
    except (SafetensorError, ValueError, KeyError, TypeError):
        raise BadInput("this is no checkpoint of a training, or it was cut") from None
    if told != asdict(plan) or about["averaged"] != mean.count:
        raise BadInput(
            "the checkpoint is of another plan: a training goes on as it began, or begins anew and pays"
        )
    if began != origin:
        raise BadInput(
            "the checkpoint is of other data, or of another microbatch or precision: a training goes on as "
            "it began, for the same noise over two sums that differ hides neither"
        )
    state = state_of(model)
    if {name for name in tensors if name.startswith("model.")} != {f"model.{name}" for name in state}:
        raise BadInput("the checkpoint is of another model: its parameters have other names")
    with torch.no_grad():
        for name, value in state.items():
            kept = tensors[f"model.{name}"]
            if kept.shape != value.shape:
                raise BadInput(f"the checkpoint is of another model: {name} has another shape")
            value.copy_(kept)
    mean.values = {name[5:]: value for name, value in tensors.items() if name.startswith("mean.")}
    states: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, field = name.split(".", 2)
            states.setdefault(int(index), {})[field] = value
    for name, value in about["state"].items():
        index, field = name.split(".", 1)
        states.setdefault(int(index), {})[field] = value
    optimizer.load_state_dict({"state": states, "param_groups": about["groups"]})
    if schedule is not None and about["schedule"] is not None:
        schedule.load_state_dict(about["schedule"])
    chance = [
        torch.from_numpy(np.frombuffer(bytes.fromhex(each), np.uint8).copy()) for each in about["chance"]
    ]
    if len(chance) != len(_chance()):
        raise BadInput(
            "the checkpoint is of a machine with other GPUs: dropout there would not go on as it was"
        )
    torch.set_rng_state(chance[0])
    if len(chance) > 1:
        torch.cuda.set_rng_state_all(chance[1:])
    return key, step, int(about["poisoned"]), run


# -- what it looks like from outside ---------------------------------------------------------------------


def accuracy(model: nn.Module, x: Tensor, y: Tensor, batch: int = 4096) -> float:
    """The share of labels that the model tells. On private records this number is not private."""
    was = model.training
    model.eval()
    device = next(model.parameters()).device
    right = 0
    with torch.no_grad():
        for at in range(0, len(x), batch):
            told = model(x[at : at + batch].to(device)).argmax(1).cpu()
            right += int((told == y[at : at + batch]).sum())
    model.train(was)
    return right / len(x) if len(x) else math.nan


def mean_shift_epsilon(present: Sequence[float], absent: Sequence[float], delta: float) -> float:
    """The epsilon at ``delta`` that scores of canaries show: an estimate, to be held against a claim.

    A score is what an observer of all steps adds up in the direction of one canary's gradient. Were it
    Gaussian, with the same spread for canaries in the data and others, the two would be ``mu`` standard
    deviations apart, which is mu-GDP (Dong, Roth and Su, "Gaussian Differential Privacy", 2022, corollary
    2.13). White-box: it uses what only the owner has. No proof of privacy; a claim well below it is false.
    """
    inside, outside = np.asarray(present), np.asarray(absent)
    spread = math.sqrt((inside.var(ddof=1) + outside.var(ddof=1)) / 2)
    mu = max(0.0, float(inside.mean() - outside.mean())) / spread
    if mu == 0:
        return 0.0
    low, high = 0.0, 1.0
    while _gdp_delta(high, mu) > delta:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _gdp_delta(middle, mu) > delta else (low, middle)
    return high


def _gdp_delta(epsilon: float, mu: float) -> float:
    def normal(x: float) -> float:
        return math.erfc(-x / math.sqrt(2)) / 2

    return normal(-epsilon / mu + mu / 2) - math.exp(epsilon) * normal(-epsilon / mu - mu / 2)
