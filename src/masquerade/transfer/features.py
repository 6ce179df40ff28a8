"""What a light model sees of a picture: histograms of oriented gradients, or scattering coefficients.

    hog(images)          # (n, h, w) -> (n, d) float32, values from 0 to 1
    scattering(images)   # (n, h, w) -> (n, 81 * h/4 * w/4) float32
    Features("hog")(images)

None of this depends on data: filters are computed from their definition, and every norm is of one picture by
itself. So features cost no privacy, and move to the owner as public code. Means and variances over a private
data set would be statistics of it, and are not taken anywhere here.

NumPy in, NumPy out. HOG is NumPy throughout; scattering runs on PyTorch (extra ``transfer``), on which
the products over many small spectra take half the time.

Sources: Dalal and Triggs, "Histograms of oriented gradients for human detection", CVPR 2005; Bruna and
Mallat, "Invariant scattering convolution networks", IEEE TPAMI 35(8), 2013; Tramer and Boneh, "Differentially
private learning needs better features (or much more data)", ICLR 2021, for the group norm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from masquerade.errors import BadInput, MissingPackage

Images: TypeAlias = NDArray[Any]
"""Grey pictures, (n, height, width): uint8 from 0 to 255, or floats."""
Floats: TypeAlias = NDArray[np.float32]
Norm: TypeAlias = Literal["L1", "L1-sqrt", "L2", "L2-Hys"]
Progress: TypeAlias = Callable[[int], None]
"""Told how many pictures are done."""

_BATCH = 256
_EPS = 1e-5


# Histograms of oriented gradients -----------------------------------------------------------------------


def hog(
    images: Images,
    *,
    orientations: int = 9,
    cell: int = 4,
    block: int = 1,
    norm: Norm = "L1-sqrt",
) -> Floats:
    """Histograms of unsigned gradient directions over square cells, normed over blocks of cells.

    A 28x28 picture has 7x7 cells of 9 directions: 441 features. ``L1-sqrt``, the default, is the square root
    of each cell's distribution over directions, so that every block has L2 norm 1 (or 0, where the picture
    is flat). The values are those of ``skimage.feature.hog`` with the same options. Rows and columns that
    fill no cell are left out.

    Raises:
        BadInput: these are no pictures, or they are smaller than a block.
    """
    images = _checked(images)
    n, high, wide = len(images), images.shape[1] // cell, images.shape[2] // cell
    if min(orientations, cell, block) < 1 or min(high, wide) < block:
        raise BadInput("a picture must hold at least one block, and all sizes are at least 1")
    shape = (high - block + 1, wide - block + 1, block, block, orientations)
    out = np.empty((n, math.prod(shape)), np.float32)
    for at in range(0, n, _BATCH):
        cells = _histograms(images[at : at + _BATCH], orientations, cell)
        windows = np.lib.stride_tricks.sliding_window_view(cells, (block, block), axis=(1, 2))
        blocks = np.moveaxis(windows, 3, 5).reshape(len(cells), -1, block * block * orientations)
        out[at : at + _BATCH] = _block_norm(blocks, norm).reshape(len(cells), -1)
    return out


def _histograms(images: Images, orientations: int, cell: int) -> NDArray[np.float64]:
    """Mean gradient by cell and direction: (n, rows of cells, columns of cells, orientations)."""
    n, height, width = images.shape
    high, wide = height // cell, width // cell
    down, right = _gradients(images)
    magnitude, direction = (
        _polar_table(down, right, orientations)
        if images.dtype == np.uint8
        else _polar(down, right, orientations)
    )
    kept = np.s_[:, : high * cell, : wide * cell]
    at = np.arange(n)[:, None, None] * (high * wide)
    at = at + (np.arange(high * cell) // cell)[:, None] * wide + np.arange(wide * cell) // cell
    sums = np.bincount(
        (at * orientations + direction[kept]).ravel(), magnitude[kept].ravel(), n * high * wide * orientations
    )
    return sums.reshape(n, high, wide, orientations) / cell**2


def _gradients(images: Images) -> tuple[NDArray[Any], NDArray[Any]]:
    """Central differences down and right, 0 on the border."""
    exact: NDArray[Any] = images.astype(np.int32 if images.dtype == np.uint8 else np.float64)
    down, right = np.zeros_like(exact), np.zeros_like(exact)
    down[:, 1:-1] = exact[:, 2:] - exact[:, :-2]
    right[:, :, 1:-1] = exact[:, :, 2:] - exact[:, :, :-2]
    return down, right


def _polar(
    down: NDArray[Any], right: NDArray[Any], orientations: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    edges = 180 / orientations * np.arange(orientations)
    degrees = np.rad2deg(np.arctan2(down, right)) % 180
    return np.hypot(down, right), np.searchsorted(edges, degrees, side="right") - 1


@lru_cache(4)
def _table(orientations: int) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Magnitude and direction of all 511 x 511 gradients that bytes can have."""
    steps = np.arange(-255, 256)
    magnitude, direction = _polar(steps[:, None], steps[None, :], orientations)
    return magnitude.ravel(), direction.astype(np.int8).ravel()


def _polar_table(
    down: NDArray[Any], right: NDArray[Any], orientations: int
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    magnitude, direction = _table(orientations)
    at = (down + 255) * 511 + (right + 255)
    return magnitude[at], direction[at]


def _block_norm(blocks: NDArray[np.float64], norm: Norm) -> NDArray[np.float64]:
    if norm in ("L1", "L1-sqrt"):
        normed: NDArray[np.float64] = blocks / (blocks.sum(-1, keepdims=True) + _EPS)
        return np.sqrt(normed) if norm == "L1-sqrt" else normed
    if norm in ("L2", "L2-Hys"):
        normed = blocks / np.sqrt((blocks**2).sum(-1, keepdims=True) + _EPS**2)
        return _block_norm(np.minimum(normed, 0.2), "L2") if norm == "L2-Hys" else normed
    raise BadInput("the norm of a block is L1, L1-sqrt, L2 or L2-Hys")


# Scattering ---------------------------------------------------------------------------------------------

SCALES = 2
ANGLES = 8
CHANNELS = 1 + SCALES * ANGLES + ANGLES**2 * SCALES * (SCALES - 1) // 2
"""81: the mean, 16 moduli of wavelets, 64 moduli of wavelets of these."""
_STEP = 2**SCALES


class _Filters(NamedTuple):
    """Fourier transforms of the wavelets (real, for a Morlet wavelet's is), and the low pass as matrices."""

    fine: Any  # (8, H, W): scale 0
    coarse: Any  # (8, H, W): scale 1, on the full grid
    rows: tuple[Any, Any]  # low pass and subsampling of rows, from the full and from the half grid
    columns: tuple[Any, Any]


def scattering(images: Images) -> Floats:
    """Scattering coefficients of orders 0 to 2 for 2 scales and 8 angles: (n, 81 * h/4 * w/4).

    A 28x28 picture has 81 channels of 7x7: 3,969 features, channel by channel: the low pass; by scale, then
    angle, the modulus of a Morlet wavelet; by first angle, then second, the modulus at scale 1 of the modulus
    at scale 0. Each is low-passed and kept at every fourth point. Pictures of bytes are taken from 0 to 1,
    and mirrored beyond their edges by up to 8 pixels.

    The filters are those of Bruna and Mallat (section 2): Gaussian envelopes of 0.8 * 2^j pixels, stretched
    across the wave by 2, frequency 3 pi / 4 / 2^j. Moduli of scale 1 are kept at every second point before
    they are smoothed. A translation by a pixel changes a picture's coefficients by less than it changes its
    pixels.

    Raises:
        BadInput: these are no pictures, or their sides are no multiples of 4 of at least 12 pixels.
        MissingPackage: PyTorch is not installed.
    """
    torch = _torch()
    images = _checked(images)
    n, height, width = images.shape
    if height % _STEP or width % _STEP or min(height, width) < 3 * _STEP:
        raise BadInput("scattering takes pictures whose sides are multiples of 4, of at least 12 pixels")
    filters = _filters(height, width)
    out = np.empty((n, CHANNELS, height // _STEP, width // _STEP), np.float32)
    with torch.inference_mode():
        for at, batch in _batches(images, 32):
            out[at : at + len(batch)] = _scatter(torch, torch.from_numpy(batch), filters).numpy()
    return out.reshape(n, math.prod(out.shape[1:]))


def scattering_shape(height: int, width: int) -> tuple[int, int, int]:
    """Channels, rows and columns of the scattering coefficients of one picture."""
    return CHANNELS, height // _STEP, width // _STEP


def _scatter(torch: Any, padded: Any, filters: _Filters) -> Any:
    low, half = zip(filters.rows, filters.columns, strict=True)
    spectrum = torch.view_as_real(torch.fft.fft2(padded))[:, None]
    first = torch.fft.ifft2(torch.view_as_complex(spectrum * filters.fine)).abs()
    second = _halved(torch, spectrum, filters.coarse)
    again = torch.view_as_real(torch.fft.fft2(first))[:, :, None]
    moduli = torch.cat([second, _halved(torch, again, filters.coarse).flatten(1, 2)], 1)
    zeroth = _low_pass(torch.cat([padded[:, None], first], 1), *low)
    return torch.cat([zeroth, _low_pass(moduli, *half)], 1)


def _halved(torch: Any, spectrum: Any, wavelets: Any) -> Any:
    """Moduli of convolutions at every second point: the spectrum's four quarters add up before it returns."""
    height, width = wavelets.shape[1] // 2, wavelets.shape[2] // 2
    quarters = [np.s_[..., rows, columns, :] for rows in _both(height) for columns in _both(width)]
    folded = spectrum[quarters[0]] * wavelets[quarters[0]]
    for quarter in quarters[1:]:
        folded.addcmul_(spectrum[quarter], wavelets[quarter])
    return torch.fft.ifft2(torch.view_as_complex(folded)).abs()  # the mean over quarters is in the wavelets


def _both(length: int) -> tuple[slice, slice]:
    return slice(0, length), slice(length, 2 * length)


def _low_pass(maps: Any, rows: Any, columns: Any) -> Any:
    """Gaussians are separable: low pass, subsampling and cropping are one product on each side."""
    return rows @ (maps @ columns.T)


def _batches(images: Images, size: int) -> Iterator[tuple[int, Floats]]:
    """Pictures as floats, mirrored beyond their edges, a batch at a time."""
    margin = _margin(images.shape[1]), _margin(images.shape[2])
    scale = np.float32(1 / 255) if images.dtype == np.uint8 else np.float32(1)
    for at in range(0, len(images), size):
        batch = images[at : at + size].astype(np.float32) * scale
        yield at, np.pad(batch, ((0, 0), *margin), mode="reflect")


def _margin(length: int) -> tuple[int, int]:
    padded = _padded(length)
    return (padded - length) // 2, (padded - length + 1) // 2


def _padded(length: int) -> int:
    """A multiple of 4 with at least 2^J pixels to spare on each side, as in the reference software."""
    padded: int = ((length + _STEP) // _STEP + 1) * _STEP
    return padded


@lru_cache(4)
def _filters(height: int, width: int) -> _Filters:
    torch = _torch()
    shape = _padded(height), _padded(width)
    fine, coarse = (
        np.stack([morlet(*shape, scale, angle) for angle in range(ANGLES)]) for scale in range(SCALES)
    )

    def real(wavelets: NDArray[np.float64]) -> Any:  # once for the real, once for the imaginary part
        twice = np.repeat(wavelets[..., None].astype(np.float32), 2, axis=-1)
        return torch.from_numpy(twice)

    sides = []
    for length, padded in zip((height, width), shape, strict=True):
        full = _smoothing(length, padded, 1)
        sides.append(
            tuple(torch.from_numpy(m.astype(np.float32)) for m in (full, _smoothing(length, padded, 2)))
        )
    return _Filters(real(fine), real(coarse / 4), sides[0], sides[1])


def _smoothing(length: int, padded: int, step: int) -> NDArray[np.float64]:
    """The matrix that takes one side of a map, kept at every ``step``-th point, to its low pass at every
    fourth point of the picture."""
    spectrum = np.zeros(padded)
    for turn in _TURNS:
        spectrum += np.exp(-0.5 * (_SIGMA * 2 ** (SCALES - 1) * (_frequencies(padded) + turn)) ** 2)
    kernel = np.fft.ifft(spectrum).real[::step] * step
    points = _margin(length)[0] + np.arange(0, length, _STEP)
    places = points[:, None] // step - np.arange(padded // step)[None, :]
    smoothing: NDArray[np.float64] = kernel[places % (padded // step)]
    return smoothing


_SIGMA, _CENTRE, _SLANT = 0.8, 3 * math.pi / 4, 4 / ANGLES
_TURNS = 2 * math.pi * np.arange(-2, 3)
"""A sampled filter's spectrum repeats every 2 pi; beyond these it is 0 to double precision."""


def _frequencies(length: int) -> NDArray[np.float64]:
    frequencies: NDArray[np.float64] = 2 * math.pi * np.asarray(np.fft.fftfreq(length), np.float64)
    return frequencies


def morlet(height: int, width: int, scale: int, angle: int) -> NDArray[np.float64]:
    """The Fourier transform of a Morlet wavelet, which is real: (height, width), frequency 0 first.

    A Gaussian of ``0.8 * 2^scale`` pixels, stretched by 2 across the wave, around the frequency
    ``3 pi / 4 / 2^scale`` in one of 8 directions of a half circle, less as much of the same Gaussian around 0
    as makes its mean 0.
    """
    theta = (ANGLES - ANGLES // 2 - 1 - angle) * math.pi / ANGLES
    sigma, centre = _SIGMA * 2**scale, _CENTRE / 2**scale

    def envelope(at: float, down: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.zeros(np.broadcast_shapes(down.shape, right.shape))
        for below in _TURNS:
            for beside in _TURNS:
                y, x = down + below - at * math.cos(theta), right + beside - at * math.sin(theta)
                along = y * math.cos(theta) + x * math.sin(theta)
                across = -y * math.sin(theta) + x * math.cos(theta)
                total += np.exp(-0.5 * ((sigma * along) ** 2 + (sigma / _SLANT * across) ** 2))
        return total

    down, right = _frequencies(height)[:, None], _frequencies(width)[None, :]
    zero = np.zeros((1, 1))
    mean = envelope(centre, zero, zero) / envelope(0.0, zero, zero)
    wavelet: NDArray[np.float64] = envelope(centre, down, right) - mean * envelope(0.0, down, right)
    return wavelet


# Norms, and features by their description ---------------------------------------------------------------


def group_norm(features: Floats, channels: int, groups: int) -> Floats:
    """Features of each picture, in ``groups`` of its channels, with mean 0 and variance 1; (n, d), in place.

    As Tramer and Boneh have it (section 2.2): of one picture by itself, so it costs no privacy.

    Raises:
        BadInput: the channels do not make so many groups.
    """
    if groups < 1 or channels % groups or features.shape[1] % channels:
        raise BadInput(f"{channels} channels do not make {groups} groups of the same size")
    parts = features.reshape(len(features), groups, features.shape[1] // groups)
    parts -= parts.mean(-1, keepdims=True)
    parts /= np.sqrt(np.square(parts).mean(-1, keepdims=True) + np.float32(_EPS))
    return features


@dataclass(frozen=True)
class Features:
    """Which features of pictures a model sees: public, without data in it, and rebuilt from JSON."""

    kind: Literal["pixels", "hog", "scattering", "all"] = "hog"
    """``hog``: histograms of oriented gradients, and the pixels beside them, both less their mean; ``all``:
    these and ``scattering``."""
    pixels: float = 7.0
    """Of all but ``scattering``: the L2 norm of a picture's pixels, less their mean; 0: none."""
    groups: int = 27
    """Of ``scattering``: groups of the group norm."""

    def __post_init__(self) -> None:
        if self.kind not in ("pixels", "hog", "scattering", "all"):
            raise BadInput("features are 'pixels', 'hog', 'scattering' or 'all'")
        if not (math.isfinite(self.pixels) and self.pixels >= (self.kind == "pixels")):
            raise BadInput("the norm of the pixels is 0 or more, and not 0 where there is nothing else")
        if self.groups < 1 or CHANNELS % self.groups:
            raise BadInput(f"groups divide {CHANNELS}")

    def __call__(
        self,
        images: Images,
        *,
        dtype: type[np.floating[Any]] = np.float32,
        progress: Progress | None = None,
    ) -> NDArray[Any]:
        """(n, h, w) grey pictures to (n, d), each by itself; with ``dtype`` float16 in half the memory."""
        images = _checked(images)
        out: NDArray[Any] | None = None
        for at in range(0, len(images), _BATCH):
            some = self._of(images[at : at + _BATCH])
            if out is None:
                out = np.empty((len(images), some.shape[1]), dtype)
            out[at : at + len(some)] = some
            if progress is not None:
                progress(at + len(some))
        return self._of(images).astype(dtype) if out is None else out

    def _of(self, images: Images) -> Floats:
        scattered = self.kind in ("scattering", "all")
        parts = [group_norm(scattering(images), CHANNELS, self.groups)] if scattered else []
        if self.kind == "scattering":
            return parts[0]
        if self.kind != "pixels":
            parts.append(_centred(hog(images)))
        if self.pixels:
            flat = _centred(images.reshape(len(images), math.prod(images.shape[1:])).astype(np.float32))
            norms = np.linalg.norm(flat, axis=1, keepdims=True)
            flat *= np.float32(self.pixels) / np.maximum(norms, np.float32(_EPS))
            parts.append(flat)
        return np.hstack(parts)


def _centred(features: Floats) -> Floats:
    features -= features.mean(1, keepdims=True)
    return features


def _checked(images: Any) -> Images:
    checked: Images = np.asarray(images)
    of_numbers = checked.dtype == np.uint8 or checked.dtype.kind == "f"
    if checked.ndim != 3 or not of_numbers:
        raise BadInput("pictures are (n, height, width), of uint8 or floating numbers")
    if checked.dtype.kind == "f" and not np.isfinite(checked).all():
        raise BadInput("a picture holds a number that is not finite")
    return checked


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise MissingPackage("scattering", "transfer") from None
    return torch
