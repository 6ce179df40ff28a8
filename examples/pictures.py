"""From private pictures to a service that recognises a client's, in which nobody but their owner sees either.

    python examples/pictures.py                       pictures of three shapes, made up
    python examples/pictures.py --data FOLDER         Fashion-MNIST or MNIST, as four idx files

Needs masquerade[transfer]. Each side has a folder of its own, and each step is the command one would type:

1. the owner trains a small model with privacy, and seals it for the receiver
2. the receiver trains a full model, taught by it on public pictures, and seals it for the owner
3. the owner opens it and serves it; a client asks about a picture that only the gateway sees whole: what it
   hands on is 28 x 28 grey pixels, without the file's metadata
"""

from __future__ import annotations

import argparse
import base64
import gzip
import io
import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES = ("cross", "bar", "square")
COMMAND = str(Path(sys.executable).parent / "masquerade")


def shapes(n: int, seed: int) -> tuple[Any, Any]:
    """Pictures of three shapes, moved about, in noise; and which each one is."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, n)
    images = random.normal(60, 45, (n, 28, 28))
    for image, label in zip(images, labels, strict=True):
        y, x = random.integers(4, 12, 2)
        part = image[y : y + 12, x : x + 12]
        if label == 0:
            part[:, 5:7] += 90
        if label < 2:
            part[5:7] += 90
        else:
            part[[0, 1, -2, -1]] += 90
            part[:, [0, 1, -2, -1]] += 90
    return images.clip(0, 255).astype(np.uint8), labels.astype(np.uint8)


def load(folder: Path, part: str) -> tuple[Any, Any]:
    found = []
    for what, skipped in (("images-idx3", 16), ("labels-idx1", 8)):
        raw = gzip.decompress((folder / f"{part}-{what}-ubyte.gz").read_bytes())
        found.append(np.frombuffer(raw, np.uint8, offset=skipped))
    return found[0].reshape(-1, 28, 28), found[1]


def write(folder: Path, images: Any, labels: Any, classes: tuple[str, ...], part: str = "train") -> None:
    """The four bytes of an idx file's kind, its sizes, and the numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    for what, values in (("images-idx3", images), ("labels-idx1", labels)):
        head = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
        (folder / f"{part}-{what}-ubyte.gz").write_bytes(gzip.compress(head + values.tobytes(), 1))
    (folder / "classes.txt").write_text("\n".join(classes) + "\n")


def masquerade(side: Path, *arguments: Any) -> str:
    command = [COMMAND, *map(str, arguments)]
    print(f"{side.name}> masquerade {' '.join(map(str, arguments))}", flush=True)
    done = subprocess.run(command, cwd=side, check=True, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="")
    return done.stdout


@contextmanager
def gateway(side: Path, model: str) -> Any:
    """The gateway, and its address; it ends with the block."""
    command = [COMMAND, "serve", "--recogniser", model, "--port", "0", "--log", "text"]
    process = subprocess.Popen(command, cwd=side, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr or ():
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                yield found[0]
                return
        raise SystemExit("the gateway did not start")
    finally:
        process.terminate()
        process.wait(30)


def asked(address: str, image: Any) -> dict[str, Any]:
    """What a client asks: a chat with a picture, as to any model that sees."""
    file = io.BytesIO()
    Image.fromarray(image).resize((224, 224)).save(file, "PNG")
    picture = {"url": f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"}
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": picture}]
    body = json.dumps({"model": "recogniser", "messages": [{"role": "user", "content": content}]}).encode()
    request = urllib.request.Request(
        f"{address}/v1/chat/completions", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        told: dict[str, Any] = json.load(reply)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="FOLDER")
    parser.add_argument("--epsilon", type=float, default=3.0)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        walk(Path(name), told.data, told.epsilon)


def walk(folder: Path, data: Path | None, epsilon: float) -> None:
    owner, receiver = folder / "owner", folder / "receiver"
    if data is None:
        (images, labels), (test, truth), classes = shapes(6000, 1), shapes(1000, 2), CLASSES
    else:
        (images, labels), (test, truth) = load(data, "train"), load(data, "t10k")
        classes = tuple(f"class {i}" for i in range(int(labels.max()) + 1))
    cut = len(images) * 5 // 6
    write(owner / "private", images[:cut], labels[:cut], classes)
    write(receiver / "public", images[cut:], labels[cut:], classes)
    write(receiver / "public", test, truth, classes, "t10k")
    steps = () if data else ("--batch", 600, "--steps", 100)

    masquerade(owner, "keys", "new", "id")
    masquerade(receiver, "keys", "new", "id")
    hers, his = owner / "id.recipient", receiver / "id.recipient"
    masquerade(
        owner, "train", "--recipe", "light", "--role", "owner", "--data", "private", "--examples", cut,
        "--epsilon", epsilon, *steps, "--ledger", "ledger.db", "--to", his, "--sign", "id",
        "-o", "light.seal",
    )  # fmt: skip
    masquerade(owner, "inspect", "light.seal", "--from", hers)
    masquerade(
        receiver, "train", "--recipe", "light", "--role", "receiver", "--package", owner / "light.seal",
        "--from", hers, "--public", "public", "--labels", 0, "--test", "public", "--report", "report.html",
        "--to", hers, "--sign", "id", "-o", "full.seal",
    )  # fmt: skip
    masquerade(owner, "open", receiver / "full.seal", "--key", "id", "--from", his, "-o", "model")
    with gateway(owner, "model") as address:
        for i in range(3):
            reply = asked(address, test[i])
            print(f"a {classes[truth[i]]} is told to be: {reply['choices'][0]['message']['content']}")


if __name__ == "__main__":
    main()
