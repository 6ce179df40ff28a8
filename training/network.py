"""The network: rows of a table summed for each word, a few convolutions over words, a score for each label.

Collobert and others, "Natural Language Processing (Almost) from Scratch", JMLR 2011 (a window over words);
Strubell and others, "Fast and Accurate Entity Recognition with Iterated Dilated Convolutions", EMNLP 2017
(dilation, so that few layers see far); BIOES labels after Ratinov and Roth, CoNLL 2009.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from masquerade.mask.words import ROWS
from training.corpora import KINDS

LABELS = 1 + 4 * len(KINDS)
DILATIONS = (1, 2, 4, 8)
REACH = sum(DILATIONS)
"""Words on either side that a score may depend on."""


class Network(nn.Module):
    """(rows, offsets) of words in a row, as :class:`torch.nn.EmbeddingBag` takes them, to (n, labels)."""

    def __init__(self, width: int = 64, hidden: int = 128, dropout: float = 0.3) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(ROWS, width, mode="sum")
        nn.init.normal_(self.table.weight, std=0.1)
        sizes = [width, *[hidden] * len(DILATIONS)]
        self.layers = nn.ModuleList(
            nn.Conv1d(a, b, 3, dilation=dilation, padding=dilation)
            for a, b, dilation in zip(sizes, sizes[1:], DILATIONS, strict=False)
        )
        self.out = nn.Linear(hidden, LABELS)
        self._dropout = dropout

    def forward(self, rows: Tensor, offsets: Tensor, real: Tensor) -> Tensor:
        """``real`` is 1 for a word and 0 for the blank between two texts, where all is 0."""
        summed = self.table(rows, offsets) * real[:, None]
        x = F.dropout(summed, self._dropout / 2, self.training).T[None]
        for layer in self.layers:
            y = F.dropout(F.relu(layer(x)), self._dropout, self.training)
            x = (x + y if x.shape == y.shape else y) * real[None, None]
        scores: Tensor = self.out(x[0].T)
        return scores


def quantised_table(network: Network) -> tuple[NDArray[np.int8], float]:
    """The table as bytes, and what one of them is worth."""
    weights = network.table.weight.detach().numpy()
    scale = float(np.quantile(np.abs(weights), 0.9999)) / 127
    return np.clip(np.round(weights / scale), -127, 127).astype(np.int8), scale


def export(network: Network, biases: dict[str, float], sums: NDArray[np.float32], path: Path) -> None:
    """Write all behind the table as ONNX, in 8 bits, calibrated on ``sums``: (n, width), in texts' order.

    ``biases`` are added to the scores of a kind: above 0, more is found, and more of it wrongly.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    path.parent.mkdir(parents=True, exist_ok=True)
    full = path.with_suffix(".full.onnx")
    onnx.save(_graph(network, biases), full)

    class Calibration(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches = iter([{"sums": sums[at : at + 2048]} for at in range(0, len(sums), 2048)])

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            return next(self._batches, None)

    try:
        quantize_static(
            full, path, Calibration(), quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["Conv", "Add", "Relu"],
        )  # fmt: skip
    finally:
        full.unlink(missing_ok=True)


def _graph(network: Network, biases: dict[str, float]) -> object:
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, at = [], [], "across"

    def constant(name: str, value: NDArray[np.float32] | NDArray[np.int64]) -> str:
        constants.append(numpy_helper.from_array(value, name))
        return name

    axis = constant("axis", np.array([0], np.int64))
    nodes.append(helper.make_node("Transpose", ["sums"], ["turned"], perm=[1, 0]))
    nodes.append(helper.make_node("Unsqueeze", ["turned", axis], [at]))
    for i, (layer, dilation) in enumerate(zip(network.layers, DILATIONS, strict=True)):
        weight = constant(f"weight{i}", layer.weight.detach().numpy())
        bias = constant(f"bias{i}", layer.bias.detach().numpy())
        pads = {"dilations": [dilation], "pads": [dilation, dilation], "kernel_shape": [3]}
        nodes.append(helper.make_node("Conv", [at, weight, bias], [f"c{i}"], **pads))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        if layer.in_channels == layer.out_channels:
            nodes.append(helper.make_node("Add", [at, f"r{i}"], [f"a{i}"]))
            at = f"a{i}"
        else:
            at = f"r{i}"
    added = np.concatenate([[0.0], *([biases.get(kind, 0.0)] * 4 for kind in KINDS)]).astype(np.float32)
    weight = constant("weight", network.out.weight.detach().numpy()[:, :, None])
    bias = constant("bias", network.out.bias.detach().numpy() + added)
    nodes.append(helper.make_node("Conv", [at, weight, bias], ["last"], kernel_shape=[1]))
    nodes.append(helper.make_node("Squeeze", ["last", axis], ["flat"]))
    nodes.append(helper.make_node("Transpose", ["flat"], ["scores"], perm=[1, 0]))
    width = network.layers[0].in_channels
    graph = helper.make_graph(
        nodes, "names",
        [helper.make_tensor_value_info("sums", TensorProto.FLOAT, ["words", width])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["words", LABELS])],
        constants,
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
