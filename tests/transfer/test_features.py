"""Features of pictures, against scikit-image and against their definition, computed slowly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from masquerade.errors import BadInput
from masquerade.transfer.features import (
    ANGLES,
    CHANNELS,
    Features,
    group_norm,
    hog,
    morlet,
    scattering,
    scattering_shape,
)


def pictures(n: int = 5, height: int = 28, width: int = 28, seed: int = 0) -> np.ndarray[Any, Any]:
    generator = np.random.default_rng(seed)
    coarse = generator.normal(size=(n, height // 4, width // 4)).repeat(4, 1).repeat(4, 2)
    return np.clip(128 + 60 * coarse + generator.normal(0, 10, (n, height, width)), 0, 255).astype(np.uint8)


# -- HOG -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["L1", "L1-sqrt", "L2", "L2-Hys"])
@pytest.mark.parametrize(("orientations", "cell", "block"), [(9, 4, 1), (8, 7, 2), (9, 5, 3)])
@pytest.mark.parametrize("bytes_or_floats", [np.uint8, np.float64])
def test_hog_is_that_of_scikit_image(
    norm: Any, orientations: int, cell: int, block: int, bytes_or_floats: Any
) -> None:
    feature = pytest.importorskip("skimage.feature", reason="scikit-image is not installed to compare with")
    images = pictures().astype(bytes_or_floats)
    found = hog(images, orientations=orientations, cell=cell, block=block, norm=norm)
    wanted = [
        feature.hog(
            image.astype(np.float64), orientations=orientations, pixels_per_cell=(cell, cell),
            cells_per_block=(block, block), block_norm=norm,
        )
        for image in images
    ]  # fmt: skip
    assert found.dtype == np.float32
    assert np.abs(found - np.array(wanted)).max() < 1e-5


def test_hog_of_flat_and_of_many_pictures() -> None:
    assert not hog(np.full((2, 28, 28), 7, np.uint8)).any()
    many = pictures(600)
    assert np.array_equal(hog(many)[300:], hog(many[300:])), "each picture by itself"
    assert hog(many[:0]).shape == (0, 441)


# -- scattering ------------------------------------------------------------------------------------------


def gabor(side: int, sigma: float, theta: float, centre: float, slant: float) -> np.ndarray[Any, Any]:
    """Bruna and Mallat, section 2.1, in space, repeated with the period of the grid; of integral 1."""
    down, right = np.mgrid[-2 * side : 3 * side, -2 * side : 3 * side]
    along = down * math.cos(theta) + right * math.sin(theta)
    across = -down * math.sin(theta) + right * math.cos(theta)
    wave = np.exp(-(along**2 + slant**2 * across**2) / (2 * sigma**2) + 1j * centre * along)
    return wave.reshape(5, side, 5, side).sum((0, 2)) * slant / (2 * math.pi * sigma**2)


def wavelet(side: int, scale: int, angle: int) -> np.ndarray[Any, Any]:
    theta = (ANGLES - ANGLES // 2 - 1 - angle) * math.pi / ANGLES
    sigma, centre, slant = 0.8 * 2**scale, 3 * math.pi / 4 / 2**scale, 4 / ANGLES
    wave, envelope = (gabor(side, sigma, theta, at, slant) for at in (centre, 0.0))
    return wave - envelope * wave.sum() / envelope.sum()


def slowly(image: np.ndarray[Any, Any], half: bool) -> np.ndarray[Any, Any]:
    """Scattering of one picture by the definition; with ``half``, moduli of scale 1 are kept at every second
    point before they are smoothed, as Bruna and Mallat do it (section 2.2)."""
    side, step = 36, 2 if half else 1
    padded = np.pad(image.astype(np.float64) / 255, 4, mode="reflect")
    low = gabor(side, 0.8 * 2, 0.0, 0.0, 1.0).real
    waves = [[np.fft.fft2(wavelet(side, scale, angle)) for angle in range(ANGLES)] for scale in range(2)]

    def modulus(picture: Any, wave: Any) -> Any:
        return np.abs(np.fft.ifft2(np.fft.fft2(picture) * wave))

    def smooth(maps: list[Any], step: int) -> Any:
        kernel = np.fft.fft2(low[::step, ::step] * step**2)
        whole = np.fft.ifft2(np.fft.fft2(np.array(maps)[:, ::step, ::step]) * kernel).real
        return whole[:, 4 // step : 32 // step : 4 // step, 4 // step : 32 // step : 4 // step]

    first = [modulus(padded, waves[0][angle]) for angle in range(ANGLES)]
    second = [modulus(padded, waves[1][angle]) for angle in range(ANGLES)]
    deep = [modulus(one, waves[1][angle]) for one in first for angle in range(ANGLES)]
    return np.concatenate([smooth([padded, *first], 1), smooth([*second, *deep], step)])


def test_wavelets_are_those_of_the_definition() -> None:
    for scale in range(2):
        for angle in range(ANGLES):
            found = morlet(36, 36, scale, angle)
            wanted = np.fft.fft2(wavelet(36, scale, angle))
            assert np.abs(found - wanted).max() < 1e-9
            assert abs(found[0, 0]) < 1e-12, "no mean"


def test_scattering_is_as_defined() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed to compute it on")
    images = pictures(3)
    found = scattering(images).reshape(3, *scattering_shape(28, 28))
    assert found.dtype == np.float32 and found.shape == (3, CHANNELS, 7, 7)
    for image, told in zip(images, found, strict=True):
        assert np.abs(told - slowly(image, half=True)).max() < 1e-5
        assert np.abs(told - slowly(image, half=False)).max() < 5e-3, "fewer points change little"


def test_a_small_shift_moves_the_coefficients_less_than_the_pixels() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed to compute it on")
    images = pictures(8)
    moved = np.roll(images, 1, axis=2)
    pixels = np.linalg.norm((images.astype(float) - moved).reshape(8, -1), axis=1) / np.linalg.norm(
        images.reshape(8, -1).astype(float), axis=1
    )
    before, after = scattering(images), scattering(moved)
    told = np.linalg.norm(before - after, axis=1) / np.linalg.norm(before, axis=1)
    assert (told < 0.5 * pixels).all()
    whole = np.linalg.norm(images.reshape(8, -1) / 255.0, axis=1)
    assert (np.linalg.norm(before, axis=1) <= whole).all()


def test_group_norm() -> None:
    features = np.random.default_rng(0).normal(3, 2, (5, 6 * 4)).astype(np.float32)
    normed = group_norm(features.copy(), 6, 3).reshape(5, 3, 8)
    assert np.abs(normed.mean(-1)).max() < 1e-5 and np.abs(normed.std(-1) - 1).max() < 1e-3
    with pytest.raises(BadInput, match="groups"):
        group_norm(features, 6, 4)


# -- by description --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "width"), [("pixels", 784), ("hog", 1225), ("scattering", 3969)])
def test_features_of_a_picture_depend_on_no_other(kind: Any, width: int) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed to compute scattering on")
    images, told = pictures(300), []
    features = Features(kind)(images, progress=told.append)
    assert features.shape == (300, width) and features.dtype == np.float32 and told[-1] == 300
    assert np.allclose(Features(kind)(images[290:]), features[290:], atol=1e-5)
    assert np.allclose(Features(kind)(images, dtype=np.float16), features, atol=0.01)
    assert Features(kind)(images[:0]).shape == (0, width)
    assert np.isfinite(Features(kind)(np.zeros((2, 28, 28), np.uint8))).all()


@pytest.mark.parametrize(
    ("images", "why"),
    [
        (np.zeros((28, 28), np.uint8), "height, width"),
        (np.zeros((1, 28, 28), np.int64), "uint8"),
        (np.full((1, 28, 28), np.nan), "not finite"),
    ],
)
def test_what_is_no_picture_is_refused(images: Any, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        hog(images)


def test_descriptions_that_are_none() -> None:
    for wrong in ({"kind": "magic"}, {"groups": 5}, {"pixels": -1.0}, {"kind": "pixels", "pixels": 0.0}):
        with pytest.raises(BadInput):
            Features(**wrong)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="multiples of 4"):
        scattering(np.zeros((1, 30, 30), np.uint8))
    with pytest.raises(BadInput, match="at least one block"):
        hog(np.zeros((1, 3, 3), np.uint8))
