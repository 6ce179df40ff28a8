"""A trained classifier of pictures as a model service in this process, and the mask of what it is shown.

A picture that comes in is decoded, and reduced to what the classifier sees of it: a square of grey pixels,
of 28 x 28 say. Names, places, thumbnails and all else that its file holds stay behind, and so does the
picture itself. Only what was so reduced is taken by the service. Addresses are not fetched.

    POST /v1/chat/completions        parts ``image_url`` with a ``data:`` address, as OpenAI has them
    POST /v1/images/classifications  as the Hugging Face task "image classification" has it: the file itself,
                                     or {"inputs": base64, "parameters": {"top_k": 3}};
                                     -> [{"label": ..., "score": ...}, ...]
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch
from numpy.typing import NDArray

from masquerade.errors import BadInput
from masquerade.serve.mirror import Answer
from masquerade.serve.pictures import reduced
from masquerade.serve.source import Unreadable
from masquerade.serve.upstream import Body, LocalReply, Upload
from masquerade.transfer.handover import Handover
from masquerade.transfer.models import Shape
from masquerade.transfer.report import png
from masquerade.wire.openai import wants_json
from masquerade.wire.sse import DONE, Event, encode

NAME = "recogniser"
_MOST_PIXELS = 1 << 24
_MOST_PICTURES = 16
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
_LARGEST = 1 << 30
_TOP = 5
_SIDES = (28, 32, 64, 48, 24, 20, 16, 12, 8)
_ADDRESS = re.compile(r"data:image/[A-Za-z0-9.+-]{1,32};base64,")
_BARE = "data:image/x-portable-graymap;base64,"
_NOT_HERE = "pictures are sent in the request, as data:image/...;base64,...; addresses are not fetched"


class Recogniser:
    """A model service (:class:`masquerade.serve.upstream.Upstream`) with one model: a hand-over's.

    Raises:
        BadInput: the hand-over has no weights, or its model sees no square pictures.
        MissingPackage: Pillow is not installed.
    """

    def __init__(self, handover: Handover) -> None:
        if not handover.weights:
            raise BadInput("this hand-over is a definition without weights: train it first")
        self._handover = handover
        self._model = handover.module()
        self._side = _side(handover)
        self.scores(reduced(io.BytesIO(png(np.zeros((2, 2), np.uint8))), self._side, "a picture")[None])

    @classmethod
    def load(cls, folder: Path) -> Recogniser:
        """The model in a folder that ``masquerade open`` made.

        Raises:
            Unreadable: a file cannot be read.
            BadInput: they are no hand-over, or as above.
        """
        files = {name: _read(folder / name) for name in ("configuration.json", "model.safetensors")}
        return cls(Handover.of(files))

    kinds = tuple(b"image/" + kind for kind in (b"png", b"jpeg", b"webp", b"gif", b"bmp"))
    """Content types of files that may be sent as they are."""

    @property
    def classes(self) -> tuple[str, ...]:
        """What it tells apart."""
        return self._handover.classes

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, side, side) to the probabilities of each class, (n, k)."""
        with torch.inference_mode():
            scores = self._model(self._handover.inputs(images).float()).softmax(1)
        told: NDArray[np.float32] = scores.numpy()
        return told

    # The mask: what is to be seen of a picture

    def reducer(self) -> Callable[[str], str]:
        """What makes of a picture's address that of its bare pixels, for one request of a few pictures."""
        left = _MOST_PICTURES

        def reduce(address: str) -> str:
            nonlocal left
            left -= 1
            if left < 0:
                raise BadInput(f"at most {_MOST_PICTURES} pictures are taken at a time")
            match = _ADDRESS.match(address)
            if match is None:
                raise BadInput(_NOT_HERE)
            return _BARE + self._bare(_decoded(address[match.end() :])).decode()

        return reduce

    def question(self, body: bytes, *, file: bool) -> bytes:
        """A request for a classification, reduced: of a picture's file, or of JSON that holds one.

        Raises:
            BadInput: it is neither; nothing of it is shown.
        """
        if file:
            return orjson.dumps({"inputs": self._bare(body).decode()})
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError:
            told = None
        if type(told) is not dict or type(told.get("inputs")) is not str:
            raise BadInput("a picture is asked for, in base64", source="inputs")
        match = _ADDRESS.match(told["inputs"])
        picture = _decoded(told["inputs"][match.end() :] if match else told["inputs"])
        parameters = told.get("parameters") or {}
        top = parameters.get("top_k") if type(parameters) is dict else None
        if top is not None and not (type(top) is int and top > 0):
            raise BadInput("top_k is a number of classes", source="parameters")
        return orjson.dumps({"inputs": self._bare(picture).decode(), "parameters": {"top_k": top}})

    def _bare(self, file: bytes) -> bytes:
        pixels = reduced(io.BytesIO(file), self._side, "the picture", _MOST_PIXELS, _FORMATS)
        return base64.b64encode(b"P5 %d %d 255\n" % pixels.shape[::-1] + pixels.tobytes())

    # The service

    async def send(self, method: str, path: str, body: Body, headers: Mapping[str, str]) -> LocalReply:
        """See :class:`masquerade.serve.upstream.Upstream`."""
        now = int(time.time())
        if path == "/models":
            card = {"id": NAME, "object": "model", "created": now, "owned_by": "masquerade"}
            return LocalReply(_json({"object": "list", "data": [card]}))
        assert not isinstance(body, Upload)  # noqa: S101 - the gateway sends none here
        answer = self._classify if path == "/images/classifications" else self._chat
        try:
            return LocalReply(await asyncio.to_thread(answer, orjson.loads(body or b"{}"), now))
        except BadInput as problem:
            error = {"message": str(problem), "type": "invalid_request_error", "param": problem.source}
            return LocalReply(_json({"error": {**error, "code": None}}, 400))

    async def close(self) -> None:
        """See :class:`masquerade.serve.upstream.Upstream`."""

    def _classify(self, request: dict[str, Any], now: int) -> Answer:
        (told,) = self._tell([request["inputs"]])
        top = (request.get("parameters") or {}).get("top_k")
        return _json(told[: _TOP if top is None else top])

    def _chat(self, request: dict[str, Any], now: int) -> Answer:
        told = self._tell(_shown(request["messages"]))
        if wants_json(request):
            content = orjson.dumps({"pictures": [labels[:_TOP] for labels in told]}).decode()
        elif told:
            content = "\n".join(map(_spoken, told))
        else:
            content = f"Send a picture, and I say which of these it shows: {', '.join(self.classes)}."
        return _completion(request, content, now)

    def _tell(self, pictures: Sequence[str]) -> list[list[dict[str, Any]]]:
        """Labels with their scores, likeliest first, of each picture that was reduced."""
        if not pictures:
            return []
        scores = self.scores(np.stack([self._pixels(picture) for picture in pictures]))
        return [
            [
                {"label": self.classes[i], "score": round(float(row[i]), 6)}
                for i in np.argsort(-row, kind="stable")
            ]
            for row in scores
        ]

    def _pixels(self, picture: str) -> NDArray[np.uint8]:
        head = b"P5 %d %d 255\n" % (self._side, self._side)
        bare = _decoded(picture.removeprefix(_BARE))
        if not bare.startswith(head) or len(bare) != len(head) + self._side**2:
            raise BadInput("this is no picture that was reduced for this recogniser")
        return np.frombuffer(bare, np.uint8, offset=len(head)).reshape(self._side, self._side)

    def __repr__(self) -> str:
        return f"Recogniser({len(self.classes)} classes, {self._side} x {self._side})"


def _side(handover: Handover) -> int:
    """The side of the squares that a model sees; of features, the one that gives as many of them."""
    if not isinstance(handover.model, Shape):
        raise BadInput("a model of your own code is not served; teach one of this project from it")
    wanted = handover.model.inputs
    if handover.model.kind in ("cnn", "vit"):
        return wanted
    for side in _SIDES:
        try:
            if handover.inputs(np.zeros((1, side, side), np.uint8)).shape[1] == wanted:
                return side
        except BadInput:  # these features do not come of such pictures
            continue
    raise BadInput("this model sees no square pictures of a usual size")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as problem:
        raise Unreadable(f"cannot be read: {problem.strerror}", source=str(path)) from None
    if len(data) > _LARGEST:
        raise BadInput("is larger than any hand-over", source=str(path))
    return data


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadInput("the picture is not in base64") from None


def _shown(messages: Sequence[dict[str, Any]]) -> list[str]:
    """The pictures of the last message that has any."""
    for message in reversed(messages):
        parts = message.get("content")
        found = (
            [part["image_url"]["url"] for part in parts if part.get("image_url")]
            if type(parts) is list
            else []
        )
        if found:
            return found
    return []


def _spoken(labels: Sequence[dict[str, Any]]) -> str:
    return "; ".join(f"{each['label']} ({100 * each['score']:.1f} %)" for each in labels[:3])


def _json(told: Any, status: int = 200) -> Answer:
    return Answer(status, "application/json", [orjson.dumps(told)])


def _completion(request: dict[str, Any], content: str, now: int) -> Answer:
    head = {"id": "chatcmpl-recogniser", "created": now, "model": NAME}
    message = {"role": "assistant", "content": content}
    if request.get("stream") is not True:
        choice = {
            "index": 0,
            "message": {**message, "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        return _json({**head, "object": "chat.completion", "choices": [choice], "usage": usage})

    def chunk(delta: dict[str, Any], finish: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return encode(Event(orjson.dumps({**head, "object": "chat.completion.chunk", "choices": [choice]})))

    return Answer(200, "text/event-stream", [chunk(message, None), chunk({}, "stop"), encode(Event(DONE))])
