"""What passes between owner and receiver: a model, what it is for, and what it cost. Files without code.

A model is a :class:`~masquerade.transfer.models.Shape`, which anybody rebuilds, or an
:class:`~masquerade.transfer.models.OwnModel`, of which only the name travels: both sides have its code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from masquerade.errors import BadInput
from masquerade.transfer.features import Features
from masquerade.transfer.models import OwnModel, Shape, fingerprint, state_of

FORMAT = 1
_STAGES = ("definition", "trained", "full")
_LARGEST_HEADER = 1 << 20
RECIPES = ("light", "zero-shot", "one-stage")
Recipe = Literal["light", "zero-shot", "one-stage"]


@dataclass(frozen=True)
class Examples:
    """Inputs of a model, with labels. ``repr`` shows how many."""

    inputs: NDArray[Any]
    """(n, ...), as the model's ``prepare`` takes them."""
    labels: NDArray[np.int64]
    """(n,): 0 to k - 1; -1 where there is none (public inputs only)."""

    def __post_init__(self) -> None:
        if self.inputs.ndim < 1 or self.labels.shape != self.inputs.shape[:1]:
            raise BadInput("examples are (n, ...), and have one label each")
        if self.labels.dtype != np.int64:
            raise BadInput("labels are int64: labels.astype(np.int64)")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.inputs)})"


class Pictures(Examples):
    """Grey pictures with labels: (n, height, width), uint8 or floating."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.inputs.ndim != 3:
            raise BadInput("pictures are (n, height, width)")

    @property
    def images(self) -> NDArray[Any]:
        """(n, height, width)."""
        return self.inputs


@dataclass(frozen=True)
class Handover:
    """A model on its way: what it is, its weights if it has some, and what they cost."""

    recipe: Recipe
    stage: Literal["definition", "trained", "full"]
    features: Features | None
    """What pictures are made into; an own model sees its examples as it prepares them, and has none."""
    model: Shape | OwnModel
    classes: tuple[str, ...]
    seed: int = 0
    """Weights that are not here are drawn from it."""
    weights: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    privacy: Mapping[str, Any] = field(default_factory=dict)
    """What was paid (epsilon, delta, the event), and why nothing more is owed."""
    card: str = ""
    backbone: str = ""
    """SHA-256 of what is neither trained nor sent, as it was where this was made; empty: there is none."""

    def __post_init__(self) -> None:
        if len(self.classes) != self.model.classes or len(set(self.classes)) < len(self.classes):
            raise BadInput("a hand-over names each class of its model, and each by another name")
        if not 0 <= self.seed < 1 << 63:
            raise BadInput("a seed is from 0 to 2^63 - 1")
        if (self.features is None) != isinstance(self.model, OwnModel):
            raise BadInput(
                "a hand-over says of what features its model is, or it is an own model that sees none"
            )

    def module(self) -> nn.Module:
        """The model, with these weights or those of the seed.

        A definition has no weights, a trained model those that are trained, a full one all: nobody who hands
        over puts others in the place of a public backbone.

        Raises:
            BadInput: the weights are of another model, or the backbone is another than it was there.
        """
        model = self.model.build(self.seed)
        state = state_of(model)
        expected = {"definition": dict[str, Tensor](), "trained": trained_of(model), "full": state}[
            self.stage
        ]
        same = self.weights.keys() == expected.keys()
        if not same or any(state[n].shape != w.shape for n, w in self.weights.items()):
            raise BadInput("the weights are those of another model, or of another stage")
        with torch.no_grad():
            for name, value in self.weights.items():
                state[name].copy_(value)
        if backbone_of(model, self.weights) != self.backbone:
            raise BadInput(
                "the backbone is another than where this hand-over was made: both sides need the same public "
                "weights, and the same version of the code that loads or draws them"
            )
        return model.eval()

    def inputs(self, examples: NDArray[Any], progress: Callable[[int], None] | None = None) -> Tensor:
        """What the model is given for examples: their features, or themselves; pictures from 0 to 1.

        Raises:
            BadInput: they have not as many numbers as the model sees.
        """
        if isinstance(self.model, OwnModel):
            return self.model.prepare(examples)
        if self.model.kind in ("cnn", "vit"):
            scale = 255 if examples.dtype == np.uint8 else 1
            inputs = examples.astype(np.float32) / np.float32(scale)
        else:
            inputs = self.of_pictures()(examples, dtype=np.float16, progress=progress)
        if inputs.shape[-1] != self.model.inputs:
            raise BadInput("pictures of this size are not what this model sees")
        return torch.from_numpy(inputs)

    def of_pictures(self) -> Features:
        """The features.

        Raises:
            BadInput: there are none.
        """
        if self.features is None:
            raise BadInput("this model of your own does not see features of pictures")
        return self.features

    def logits(self, examples: NDArray[Any]) -> Tensor:
        """(n, k), for examples."""
        model, parts = self.module(), []
        with torch.no_grad():
            for at in range(0, len(examples), 2048):
                parts.append(model(widened(self.inputs(examples[at : at + 2048]))).float())
        return torch.cat(parts) if parts else torch.zeros(0, len(self.classes))

    def accuracy(self, examples: Examples) -> float:
        """The share of labels that it tells. On private examples this number is not private."""
        told = self.logits(examples.inputs).argmax(1).numpy()
        return float((told == examples.labels).mean()) if len(told) else math.nan

    def about(self) -> dict[str, Any]:
        """What stands outside of the sealed package: public, and signed."""
        told: dict[str, Any] = {
            "recipe": self.recipe,
            "stage": self.stage,
            "model": self.model.told(),
            "classes": list(self.classes),
        }
        if self.backbone:
            told["backbone"] = self.backbone
        features = None if self.features is None else asdict(self.features)
        return {**told, "features": features, "privacy": dict(self.privacy), "card": self.card}

    def files(self) -> dict[str, bytes]:
        """What goes into the package: the same bytes for the same hand-over."""
        from safetensors.torch import save

        told = {"masquerade": FORMAT, "seed": self.seed, **self.about()}
        files = {
            "configuration.json": json.dumps(told, sort_keys=True, indent=1, ensure_ascii=False).encode()
            + b"\n"
        }
        if self.weights:
            tensors = {
                name: widened(self.weights[name].detach()).contiguous() for name in sorted(self.weights)
            }
            files["model.safetensors"] = save(tensors)
        return files

    @classmethod
    def of(cls, files: Mapping[str, bytes], model: OwnModel | None = None) -> Handover:
        """The inverse of :meth:`files`; for files whose package was verified, and trusted no further.

        Args:
            model: this side's code, where what came is a model of your own.

        Raises:
            BadInput: these are no hand-over, one of a later version, or of another own model.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            told = json.loads(files["configuration.json"])
            json.dumps(told, ensure_ascii=False).encode()  # raises for half a character: files() would later
            known = told["masquerade"] == FORMAT and told["recipe"] in RECIPES and told["stage"] in _STAGES
            raw = files.get("model.safetensors", b"")
            bounded = int.from_bytes(raw[:8], "little") <= _LARGEST_HEADER
            weights = load(raw) if raw and known and bounded else {}
            features = None if told["features"] is None else Features(**told["features"])
            shape = _model(told["model"], model)
            classes, backbone = tuple(map(str, told["classes"])), str(told.get("backbone", ""))
            seed, privacy, card = int(told["seed"]), dict(told["privacy"]), str(told["card"])
            check_price(privacy)
            _check_numbers(weights)
        except (SafetensorError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise BadInput("these files are no hand-over of a model") from None
        if not known:
            raise BadInput("this hand-over is of a later version, or of a recipe that is not known here")
        if not bounded:
            raise BadInput("the weights have a header larger than any model's")
        recipe, stage = told["recipe"], told["stage"]
        return cls(recipe, stage, features, shape, classes, seed, weights, privacy, card, backbone)


def _model(told: Mapping[str, Any], own: OwnModel | None) -> Shape | OwnModel:
    if not OwnModel.is_told(told):
        return Shape.of(told)
    if own is None:
        raise BadInput("what came is made by somebody's own code: give that code, Handover.of(files, model)")
    if own.told() != dict(told):
        raise BadInput("what came is another own model than this side's: its name or its classes differ")
    return own


def widened(value: Tensor) -> Tensor:
    """float32, if it is floating at all."""
    return value.float() if value.is_floating_point() else value


def weights_of(model: nn.Module, *, whole: bool = False) -> dict[str, Tensor]:
    """A copy of what was trained; or of all that the model holds, buffers too."""
    return {n: v.detach().clone() for n, v in (state_of(model) if whole else trained_of(model)).items()}


def trained_of(model: nn.Module) -> dict[str, Tensor]:
    """Its trainable parameters, each once, though it may have several names."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def backbone_of(model: nn.Module, weights: Mapping[str, Tensor]) -> str:
    """The digest of what is not trainable and not in ``weights``; empty if that is nothing."""
    rest = {n: v for n, v in state_of(model).items() if not v.requires_grad and n not in weights}
    parts = (part for name in sorted(rest) for part in (name, rest[name]))
    return fingerprint(*parts).hex() if rest else ""


def check_price(privacy: Mapping[str, Any]) -> None:
    """Raises ValueError for a price that is no number."""
    for name, below in (("epsilon", math.inf), ("delta", 1.0)):
        price = privacy.get(name, 0)
        if type(price) not in (int, float) or not 0 <= price < below:
            raise ValueError("no price")


def _check_numbers(weights: Mapping[str, Tensor]) -> None:
    if not all(bool(value.float().isfinite().all()) for value in weights.values()):
        raise ValueError("no number")
