"""A trained classifier as the model service of a real gateway, and what becomes of pictures on the way."""

from __future__ import annotations

import asyncio
import base64
import http.client
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import openai
import orjson
import pytest
from openai import OpenAI

pytest.importorskip("torch", reason="PyTorch is not installed to recognise with")
pytest.importorskip("PIL", reason="Pillow is not installed to read pictures with")

import torch
from gateway_rig import Gateway, gateway
from PIL import Image

from masquerade.errors import BadInput
from masquerade.keys import Key
from masquerade.mask.text import Masker
from masquerade.serve.recogniser import Recogniser
from masquerade.serve.settings import Settings
from masquerade.transfer.features import Features
from masquerade.transfer.handover import Handover
from masquerade.transfer.models import Shape
from masquerade.wire.exchange import Exchange

CANARY = "Ada Lovelace, 12 St James's Square"
CLASSES = ("left", "right", "neither")


def handover(**other: Any) -> Handover:
    """Tells which half of a picture is bright."""
    left = torch.zeros(28, 28)
    left[:, :14], left[:, 14:] = 0.03, -0.03
    weights = {"weight": torch.stack([left, -left, 0 * left]).reshape(3, -1), "bias": torch.zeros(3)}
    given = {"weights": weights, **other}
    return Handover("light", "full", Features("pixels"), Shape("linear", 784, 3), CLASSES, **given)


def drawn(side: str, width: int = 200, height: int = 160) -> Any:
    pixels = np.zeros((height, width, 3), np.uint8)
    half = np.s_[:, : width // 2] if side == "left" else np.s_[:, width // 2 :]
    pixels[half] = (250, 240, 230)
    return Image.fromarray(pixels)


def file_of(image: Any, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def marked(image: Any) -> bytes:
    """A JPEG file with a name, a place and a thumbnail in it, as cameras write them."""
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = CANARY, CANARY
    exif.get_ifd(0x8825)[1] = "N"
    return file_of(image, "JPEG", exif=exif, comment=CANARY.encode())


def address(file: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(file).decode()}"


def asked(*pictures: str, **more: Any) -> Any:
    parts = [{"type": "image_url", "image_url": {"url": each, **more}} for each in pictures]
    return [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, *parts]}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model")
    for name, data in handover().files().items():
        (made / name).write_bytes(data)
    return made


@pytest.fixture(scope="module")
def recogniser(folder: Path) -> Recogniser:
    return Recogniser.load(folder)


@pytest.fixture(scope="module")
def serving(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("home"), recogniser=folder) as running:
        yield running
        assert CANARY not in running.log_path.read_text()


@pytest.fixture(scope="module")
def client(serving: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=serving.base, api_key="none", max_retries=0) as made:
        yield made


# -- over HTTP, by the official client -------------------------------------------------------------------


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_picture_is_recognised(client: OpenAI, side: str, kind: str) -> None:
    messages = asked(address(file_of(drawn(side), kind), kind.lower()), detail="low")
    told = client.chat.completions.create(model="recogniser", messages=messages)
    assert str(told.choices[0].message.content).startswith(f"{side} (9")
    assert told.choices[0].finish_reason == "stop"


def test_in_a_stream(client: OpenAI) -> None:
    messages = asked(address(file_of(drawn("right"))))
    with client.chat.completions.create(model="recogniser", messages=messages, stream=True) as stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert text.startswith("right (9")


def test_several_as_json(client: OpenAI) -> None:
    messages = asked(address(file_of(drawn("right"))), address(marked(drawn("left")), "jpeg"))
    told = client.chat.completions.create(
        model="recogniser", messages=messages, response_format={"type": "json_object"}
    )
    pictures = json.loads(str(told.choices[0].message.content))["pictures"]
    assert [labels[0]["label"] for labels in pictures] == ["right", "left"]
    assert all(sum(each["score"] for each in labels) == pytest.approx(1, abs=1e-5) for labels in pictures)


def test_without_a_picture_it_says_what_it_knows(client: OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "Hello"}]
    told = client.chat.completions.create(model="recogniser", messages=messages)
    assert "left, right, neither" in str(told.choices[0].message.content)
    assert [model.id for model in client.models.list()] == ["recogniser"]


def post(serving: Gateway, body: bytes, kind: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(str(urlsplit(serving.base).netloc), timeout=20)
    try:
        connection.request("POST", "/v1/images/classifications", body, {"content-type": kind})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_classification_of_a_file_and_of_json(serving: Gateway) -> None:
    status, told = post(serving, marked(drawn("right")), "image/jpeg")
    assert status == 200 and [each["label"] for each in told] == ["right", "neither", "left"]
    assert told[0]["score"] > 0.9
    picture = base64.b64encode(file_of(drawn("left"))).decode()
    for inputs in (picture, f"data:image/png;base64,{picture}"):
        body = orjson.dumps({"inputs": inputs, "parameters": {"top_k": 1}})
        status, told = post(serving, body, "application/json")
        assert status == 200 and [each["label"] for each in told] == ["left"]


def test_by_the_client_of_hugging_face(serving: Gateway) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    asking = hub.InferenceClient(model=f"{serving.base}/images/classifications", token="none")
    told = asking.image_classification(file_of(drawn("left")), top_k=2)
    assert [each.label for each in told] == ["left", "neither"]


def bomb(side: int = 50_000) -> bytes:
    """A PNG file of a few bytes that says it has 2,500 million pixels."""
    head = side.to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    parts = (len(d).to_bytes(4, "big") + k + d + zlib.crc32(k + d).to_bytes(4, "big") for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


REFUSED = {
    "an address elsewhere": "https://example.com/ada.png",
    "a file of this machine": "file:///etc/hostname",
    "no picture": address(CANARY.encode()),
    "no base64": f"data:image/png;base64,{CANARY}",
    "another format": address(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n"),
    "a bomb": address(bomb()),
    "too many pixels": address(bomb(6000)),
    "cut off": address(file_of(drawn("left"))[:60]),
}


@pytest.mark.parametrize("picture", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_reduced_is_refused(client: OpenAI, picture: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="recogniser", messages=asked(picture))
    assert refused.value.param == "messages[0].content[1].image_url"
    assert "Ada" not in str(refused.value) and "example.com" not in str(refused.value)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"canary", "image/png", 400),
        (b"canary", "text/plain", 415),
        (b"canary", "application/json", 400),
        (b'{"inputs": 3}', "application/json", 400),
        (b'{"inputs": "Ada"}', "application/json", 400),
        (orjson.dumps({"inputs": "QQ==", "parameters": {"top_k": "all"}}), "application/json", 400),
        (bomb(), "image/png", 400),
    ],
)
def test_what_cannot_be_classified_is_refused(serving: Gateway, body: bytes, kind: str, status: int) -> None:
    got, told = post(serving, body, kind)
    assert got == status and told["error"]["code"] and "canary" not in str(told)


def test_a_gateway_without_a_recogniser_takes_no_pictures(tmp_path: Path) -> None:
    with gateway(tmp_path / "home") as mirroring:
        status, told = post(mirroring, file_of(drawn("left")), "image/png")
        assert status == 404 and told["error"]["code"] == "unknown_url"
        client = OpenAI(base_url=mirroring.base, api_key="none", max_retries=0)
        with client, pytest.raises(openai.BadRequestError, match="recogniser"):
            client.chat.completions.create(model="m", messages=asked(address(file_of(drawn("left")))))


# -- what is to be seen of a picture ---------------------------------------------------------------------


def test_pixels_alone_leave_the_mask(recogniser: Recogniser) -> None:
    """Names, places and thumbnails are in the file; what goes on is the same as without them."""
    image = drawn("left")
    with_all = marked(image)
    assert CANARY.encode() in with_all
    bare = recogniser.reducer()(address(with_all, "jpeg"))
    head, _, data = bare.partition(",")
    assert head == "data:image/x-portable-graymap;base64"
    pixels = base64.b64decode(data)
    assert pixels.startswith(b"P5 28 28 255\n") and len(pixels) == 13 + 784
    assert bare == recogniser.reducer()(address(file_of(image, "JPEG"), "jpeg"))


def test_what_stands_beside_a_picture_is_dropped_and_texts_are_masked(recogniser: Recogniser) -> None:
    body = orjson.dumps(
        {
            "model": "recogniser",
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Write to ada@example.com"},
                        {
                            "type": "image_url",
                            "image_url": {
                                "url": address(marked(drawn("left"))),
                                "name": CANARY,
                                "detail": "x",
                            },
                        },
                    ],
                }
            ],
        }
    )
    exchange = Exchange(Masker(Key.generate()), body, picture=recogniser.reducer())
    text, picture = orjson.loads(exchange.request)["messages"][0]["content"]
    assert "ada@example.com" not in text["text"] and exchange.counts == {"EMAIL": {"token": 1}}
    assert list(picture["image_url"]) == ["url"] and CANARY.encode() not in exchange.request


@pytest.mark.parametrize(
    "part", [{"image_url": "https://example.com"}, {"image_url": {"url": 5}}, {"image": "x"}]
)
def test_other_shapes_of_pictures_are_refused(recogniser: Recogniser, part: dict[str, Any]) -> None:
    body = orjson.dumps({"messages": [{"role": "user", "content": [{"type": "image_url", **part}]}]})
    with pytest.raises(BadInput):
        Exchange(Masker(Key.generate()), body, picture=recogniser.reducer())


def test_a_request_has_a_bounded_number_of_pictures(recogniser: Recogniser) -> None:
    reduce = recogniser.reducer()
    for _ in range(16):
        reduce(address(file_of(drawn("left", 10, 10))))
    with pytest.raises(BadInput, match="16"):
        reduce(address(file_of(drawn("left", 10, 10))))


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "P", "1", "I;16", "CMYK"])
def test_every_kind_of_pixels_looks_the_same(recogniser: Recogniser, mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.asarray(drawn("right").convert("L")).astype(np.uint16) * 257)
    else:
        image = drawn("right").convert(mode)
    file = file_of(image, "JPEG" if mode == "CMYK" else "PNG")
    question = orjson.loads(recogniser.question(file, file=True))
    pixels = np.frombuffer(base64.b64decode(question["inputs"])[13:], np.uint8).reshape(28, 28)
    assert pixels[:, :13].max() < 5 and pixels[:, 15:].min() > 200


def test_what_is_transparent_is_black(recogniser: Recogniser) -> None:
    image = drawn("right").convert("RGBA")
    image.putalpha(0)
    question = orjson.loads(recogniser.question(file_of(image), file=True))
    assert not any(base64.b64decode(question["inputs"])[13:])


@pytest.mark.parametrize("side", [27, 29])
def test_the_service_takes_what_was_reduced_only(recogniser: Recogniser, side: int) -> None:
    other = base64.b64encode(b"P5 %d %d 255\n" % (side, side) + bytes(side * side)).decode()
    for picture in (address(file_of(drawn("left"))), other):
        request = orjson.dumps({"inputs": picture})
        reply = asyncio.run(recogniser.send("POST", "/images/classifications", request, {}))
        assert reply.status == 400


# -- which models can be served --------------------------------------------------------------------------


def test_what_cannot_be_served(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(BadInput, match="without weights"):
        Recogniser(handover(weights={}))
    with pytest.raises(BadInput):
        Recogniser.load(tmp_path)
    (tmp_path / "configuration.json").write_bytes(b"{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(BadInput, match="no hand-over"):
        Recogniser.load(tmp_path)
    with pytest.raises(BadInput, match="not both"):
        Settings(recogniser=folder, upstream="https://api.example.com")
    assert Settings.load(Settings(recogniser=folder).dump()) == Settings(recogniser=folder)


@pytest.mark.parametrize(
    ("kind", "inputs", "features"),
    [("cnn", 28, "pixels"), ("vit", 28, "pixels"), ("mlp", 1225, "hog"), ("linear", 3969, "scattering")],
)
def test_every_kind_of_model_is_served(kind: Any, inputs: int, features: Any) -> None:
    shape = Shape(kind, inputs, 3, hidden=16)
    weights = dict(shape.build(1).named_parameters())
    made = Recogniser(Handover("light", "full", Features(features), shape, CLASSES, weights=weights))
    question = orjson.loads(made.question(file_of(drawn("left")), file=True))
    assert len(base64.b64decode(question["inputs"])) == 13 + 784
    assert made.scores(np.zeros((2, 28, 28), np.uint8)).sum(1) == pytest.approx(1)


# -- from private pictures to a client's ------------------------------------------------------------------


def draw_folder(folder: Path, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for i in range(count):
        side = ("left", "right")[i % 2]
        pixels = rng.integers(0, 90, (28, 28)) + (np.asarray(drawn(side, 28, 28))[..., 0] > 0) * 100
        (folder / side).mkdir(parents=True, exist_ok=True)
        (folder / side / f"{i}.png").write_bytes(file_of(Image.fromarray(pixels.astype(np.uint8))))


def test_the_whole_way(run: Any, home: Path) -> None:
    """Private pictures, private training, a sealed hand-over, full training, a report, served, recognised."""
    pytest.importorskip("dp_accounting", reason="dp-accounting is not installed to price noise with")
    draw_folder(Path("owner/private"), 600, 0)
    draw_folder(Path("receiver/public"), 100, 1)
    draw_folder(Path("receiver/test"), 40, 2)
    for name in ("owner", "receiver"):
        assert run("keys", "new", f"{name}/id").code == 0
    said = """train --recipe light --role owner --data owner/private --examples 600 --epsilon 3
        --features pixels --steps 30 --batch 100 --rate 4 --to receiver/id.recipient --sign owner/id
        -o light.seal -q"""
    assert run(*said.split()).code == 0
    said = """train --recipe light --role receiver --package light.seal --from owner/id.recipient --steps 30
        --labels 0 --public receiver/public --test receiver/test --report receiver/report.html
        --to owner/id.recipient --sign receiver/id -o full.seal -q"""
    made = run(*said.split())
    assert made.code == 0, made.err
    page = Path("receiver/report.html").read_text()
    assert ">left<" in page and "epsilon" in page and "<script" not in page
    said = "open full.seal --key owner/id --from receiver/id.recipient -o owner/model -q"
    assert run(*said.split()).code == 0
    with gateway(home.parent / "gateway", recogniser=Path("owner/model").absolute()) as serving:
        client = OpenAI(base_url=serving.base, api_key="none", max_retries=0)
        with client:
            for side in ("left", "right"):
                told = client.chat.completions.create(
                    model="recogniser", messages=asked(address(marked(drawn(side)), "jpeg"))
                )
                assert str(told.choices[0].message.content).startswith(side)
        assert CANARY not in serving.log_path.read_text()


def test_a_report_needs_pictures_with_labels(run: Any, home: Path) -> None:
    said = """train --recipe light --role receiver --package x --from x --public x --to x --sign x -o y
        --report page.html"""
    refused = run(*said.split())
    assert refused.code == 2 and "--test" in refused.err
