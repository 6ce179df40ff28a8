"""Grey pictures with labels, from files: the idx format of MNIST and its like, or a folder of folders.

train-images-idx3-ubyte[.gz], train-labels-idx1-ubyte[.gz]    (t10k-... for the test set)
classes.txt                                                   beside them: the names of classes, a line each
cats/one.png  cats/two.jpg  dogs/three.png                    a class each folder; Pillow reads them
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from masquerade import crypto
from masquerade.errors import BadInput, MissingPackage
from masquerade.serve.source import Unreadable
from masquerade.transfer.handover import Pictures

SIDE = 28
UNNAMED = tuple(map(str, range(10)))
"""Classes of idx files without names."""
_NAMES = "classes.txt"
_MOST_CLASSES = 256
_LARGEST = 1 << 31
_MOST_PIXELS = 1 << 26
_LONGEST = 1 << 14
"""Of a side: a row or column of millions of pixels takes many times what as many in a square take."""
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff"}


def files_of(folder: Path, part: str) -> list[Path]:
    """The files that hold the pictures of one part (``train`` or ``t10k``), in one order.

    Raises:
        Unreadable: the folder cannot be read.
        BadInput: there are none.
    """
    try:
        idx = [_idx(folder, f"{part}-{what}") for what in ("images-idx3", "labels-idx1")]
        if all(idx):
            return [path for path in idx if path is not None]
        found = sorted(
            path
            for each in _folders(folder)
            for path in each.iterdir()
            if path.suffix.lower() in _ENDINGS and path.is_file()
        )
    except OSError as problem:
        raise Unreadable(f"cannot read {folder}: {problem.strerror}") from None
    if not found:
        raise BadInput(f"{folder} holds no pictures: give idx files, or a folder for each class")
    return found


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]


def _idx(folder: Path, name: str) -> Path | None:
    paths = (folder / f"{name}-ubyte{ending}" for ending in ("", ".gz"))
    return next((path for path in paths if path.is_file()), None)


def digest_of(files: list[Path]) -> bytes:
    """32 bytes that two sets of the same files share, whatever they are called."""
    digests = []
    for path in files:
        try:
            with path.open("rb") as file:
                digests.append(crypto.sha256_of(iter(lambda: file.read(1 << 20), b"")))
        except OSError as problem:
            raise Unreadable(f"cannot read {path}: {problem.strerror}") from None
    return crypto.sha256_of(sorted(digests))


def load(folder: Path, part: str = "train") -> tuple[Pictures, tuple[str, ...]]:
    """The pictures of a folder, and the names of their classes.

    Raises:
        Unreadable: a file cannot be read.
        BadInput: one is damaged, or too large; nothing of it is shown.
        MissingPackage: they are no idx files, and Pillow is not installed.
    """
    files = files_of(folder, part)
    if files[0].parent != folder:
        return _from_folders(files)
    images, labels = (_read_idx(path) for path in files)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise BadInput(f"{files[0]} and {files[1]} do not belong together")
    names = classes_of(folder, files)
    if len(labels) and labels.max() >= len(names):
        raise BadInput(f"{files[1]} has labels of more classes than have names: write these into {_NAMES}")
    return Pictures(images, labels.astype(np.int64)), names


def classes_of(folder: Path, files: list[Path]) -> tuple[str, ...]:
    """The names of the classes: of folders, also of one that holds no picture, or of the lines of
    ``classes.txt``, or the digits. They are taken to be public, so no picture decides which there are."""
    if files[0].parent != folder:
        return tuple(sorted(path.name for path in _folders(folder)))
    path = folder / _NAMES
    if not path.is_file():
        return UNNAMED
    try:
        names = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        raise Unreadable(f"cannot read {path}") from None
    told = tuple(name.strip() for name in names if name.strip())
    if not 0 < len(told) == len(set(told)) <= _MOST_CLASSES:
        raise BadInput(f"{path} has the name of a class in each line, and each one once")
    return told


def _read_idx(path: Path) -> NDArray[np.uint8]:
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = _unpacked(raw)
    except OSError as problem:
        raise Unreadable(f"cannot read {path}: {problem.strerror}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise BadInput(f"{path} is damaged") from None
    if len(raw) < 4 or raw[:3] != b"\0\0\x08" or not 1 <= raw[3] <= 3 or len(raw) < 4 + 4 * raw[3]:
        raise BadInput(f"{path} is no idx file of bytes")
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
    start = 4 + 4 * raw[3]
    if int(np.prod(shape, dtype=object)) != len(raw) - start or 0 in shape[1:]:
        raise BadInput(f"{path} is damaged: it does not hold as much as it says")
    try:
        return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)
    except ValueError:  # none of a size that no array has
        raise BadInput(f"{path} is damaged") from None


def _unpacked(raw: bytes) -> bytes:
    machine = zlib.decompressobj(31)
    out = machine.decompress(raw, _LARGEST)
    if machine.unconsumed_tail or not machine.eof:
        raise EOFError
    return out


def _from_folders(files: list[Path]) -> tuple[Pictures, tuple[str, ...]]:
    classes = classes_of(files[0].parent.parent, files)
    images = np.empty((len(files), SIDE, SIDE), np.uint8)
    for i, path in enumerate(files):
        images[i] = _picture(path)
    labels = np.array([classes.index(path.parent.name) for path in files], np.int64)
    return Pictures(images, labels), classes


def _picture(path: Path) -> NDArray[np.uint8]:
    try:
        with path.open("rb") as file:
            return reduced(file, SIDE, str(path))
    except OSError as problem:
        raise Unreadable(f"cannot read {path}: {problem.strerror}") from None


def reduced(
    file: BinaryIO,
    side: int,
    name: str,
    most_pixels: int = _MOST_PIXELS,
    formats: tuple[str, ...] = _FORMATS,
) -> NDArray[np.uint8]:
    """A picture file's pixels in grey, resized to a square of ``side``: nothing else that the file holds.

    Other formats than those named are not tried; of a film, the first frame is taken. What is transparent
    becomes black. The orientation that a camera notes is metadata, and is left out with all other.

    Raises:
        BadInput: no such picture, or one of more than ``most_pixels`` or of a very long side, of which no
            pixel is decoded; the message holds ``name`` and numbers only.
        MissingPackage: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise MissingPackage("reading pictures", "transfer") from None
    size = (side, side)
    try:
        with Image.open(file, formats=formats) as image:  # which reads no pixels yet
            pixels = image.width * image.height
            if max(image.size) > _LONGEST:
                raise BadInput(f"{name} has a side of more than {_LONGEST:,} pixels")
            if pixels <= most_pixels:
                image.draft("L", (4 * side, 4 * side))  # JPEG alone: decoded no larger than it is needed
                small = _eight_bits(image).resize(size, Image.Resampling.BILINEAR)
                if small.mode == "RGBA":
                    small = Image.alpha_composite(Image.new("RGBA", size, (0, 0, 0, 255)), small).convert("L")
                return np.asarray(small, np.uint8)
        raise BadInput(f"{name} has {pixels:,} pixels, and at most {most_pixels:,} are read")
    except Image.DecompressionBombError:
        raise BadInput(f"{name} has too many pixels to be read") from None
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, OverflowError, struct.error, zlib.error):
        raise BadInput(f"{name} is no picture that can be read") from None


def _eight_bits(image: Any) -> Any:
    """In grey, or in colours with opacity where something is transparent."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits, which a conversion would cut off instead of scaling
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    return image.convert("RGBA" if image.has_transparency_data else "L")
