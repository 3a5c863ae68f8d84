"""Fifteen classic image filters over a photograph, as one fastconv layer.

Smoothing, sharpening, motion blur, edges (Sobel), blobs (Laplacian of Gaussian) and oriented
texture (Gabor) are all correlations with a small kernel. Padded to a common 15 x 15, they become
the output channels of a single ``fastconv.Conv2d``, and the three colour planes of the photograph
become its batch.

The example writes a contact sheet (the photograph, then every filter's kernel and result), checks
the results against ``scipy.ndimage``, and prints the time of both. scipy gets each kernel in its
own size and, where that takes fewer multiplications, as separable 1-D passes, which is how its
``gaussian_filter`` and ``sobel`` work; the layer multiplies by every zero. Input and results are
float32 for both, but scipy.ndimage sums in float64.

Run ``python examples/photo_filters.py`` after ``pip install ".[examples]"``.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial, reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps
from scipy import ndimage
from skimage import data

import fastconv

RADIUS = 7
SIZE = 2 * RADIUS + 1

Pixels = NDArray[np.float32]
Kernel = NDArray[np.float64]


class Filter(NamedTuple):
    """A named kernel; a signed one gives results around zero, any other gives a picture."""

    title: str
    detail: str
    kernel: Kernel
    signed: bool = True


# ---------------------------------------------------------------------------------------- filters


def grid(radius: int) -> tuple[Kernel, Kernel]:
    """Coordinates (x to the right, y upwards) of the taps of a kernel."""
    steps = np.arange(-radius, radius + 1.0)
    return np.meshgrid(steps, -steps)


def gaussian(sigma: float, radius: int) -> Kernel:
    x, y = grid(radius)
    kernel = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    return kernel / kernel.sum()


def sharpen(amount: float, sigma: float, radius: int) -> Kernel:
    """Unsharp mask: the image plus its difference from a blurred copy."""
    kernel = -amount * gaussian(sigma, radius)
    kernel[radius, radius] += 1 + amount
    return kernel


def motion_blur(degrees: float, radius: int) -> Kernel:
    """The mean along a line one pixel wide, with soft edges."""
    x, y = grid(radius)
    angle = np.deg2rad(degrees)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = x * np.sin(angle) - y * np.cos(angle)
    kernel = np.clip(1 - abs(across), 0, 1) * np.clip(radius + 0.5 - abs(along), 0, 1)
    return kernel / kernel.sum()


def sobel() -> Kernel:
    """The horizontal derivative; its transpose is the vertical one."""
    return np.outer([1, 2, 1], [-1, 0, 1]) / 8


def laplacian_of_gaussian(sigma: float, radius: int) -> Kernel:
    """Bright where a blob of about this size is darker than its surroundings."""
    x = np.arange(-radius, radius + 1.0)
    bell = np.exp(-(x**2) / (2 * sigma**2))
    curve = (x**2 - sigma**2) * bell
    curve -= bell * curve.sum() / bell.sum()  # flat areas must give zero
    kernel = np.outer(curve, bell) + np.outer(bell, curve)
    return kernel / abs(kernel).sum()


def gabor(degrees: float, wavelength: float, sigma: float, radius: int) -> Kernel:
    """A wave that runs in the given direction under a Gaussian window longer across it."""
    x, y = grid(radius)
    angle = np.deg2rad(degrees)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = x * np.sin(angle) - y * np.cos(angle)
    window = np.exp(-(along**2 + (0.6 * across) ** 2) / (2 * sigma**2))
    wave = np.cos(2 * np.pi * along / wavelength)
    kernel = window * (wave - (window * wave).sum() / window.sum())
    return kernel / abs(kernel).sum()


def filter_bank() -> list[Filter]:
    bank = [
        Filter("Gaussian", "sigma 2.5", gaussian(2.5, 7), signed=False),
        Filter("Sharpen", "unsharp mask", sharpen(1.5, 1.5, 5), signed=False),
        Filter("Motion blur", "15 pixels, 30°", motion_blur(30, 7), signed=False),
        Filter("Sobel x", "3 x 3", sobel()),
        Filter("Sobel y", "3 x 3", sobel().T),
        Filter("Laplacian of Gaussian", "sigma 1.2", laplacian_of_gaussian(1.2, 5)),
        Filter("Laplacian of Gaussian", "sigma 2.2", laplacian_of_gaussian(2.2, 7)),
    ]
    bank += [
        Filter(f"Gabor {degrees:g}°", "wavelength 6", gabor(degrees, 6.0, 2.8, 7))
        for degrees in np.arange(8) * 22.5
    ]
    return bank


def load(path: Path | None) -> Pixels:
    """A photograph as (h, w, 3) from 0 to 1; by default one that comes with scikit-image."""
    if path is None:
        photo = data.coffee()  # by Rachel Michetti, CC0
    else:
        photo = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    return photo.astype(np.float32) / 255


def centred(kernel: Kernel) -> Kernel:
    """The kernel in the middle of a SIZE x SIZE one."""
    return np.pad(kernel, RADIUS - kernel.shape[0] // 2)


# --------------------------------------------------------------------------- fastconv, and scipy


def as_layer(bank: list[Filter]) -> fastconv.Conv2d:
    """One layer with an output channel per filter; its filter is (kh, kw, in, out)."""
    layer = fastconv.Conv2d(SIZE, 1, len(bank), padding="same", pad_mode="reflect")
    kernels = np.stack([centred(f.kernel) for f in bank], axis=-1)
    layer.filter = kernels[:, :, np.newaxis].astype(np.float32)
    return layer


def as_scipy(kernel: Kernel) -> Callable[[Pixels], Pixels]:
    """The same filter of one plane by scipy.ndimage, in whichever way multiplies less.

    A kernel of rank r is a sum of r outer products, each a column pass and a row pass. NumPy's
    "reflect", which does not repeat the edge pixel, is called "mirror" there.
    """
    columns, scales, rows = np.linalg.svd(kernel)
    rank = np.count_nonzero(scales > np.finfo(np.float32).eps * scales[0])
    if rank * sum(kernel.shape) > np.count_nonzero(kernel):  # correlate skips zeros
        return lambda plane: ndimage.correlate(plane, kernel, mode="mirror")

    def separable(plane: Pixels, column: Kernel, row: Kernel) -> Pixels:
        vertical = ndimage.correlate1d(plane, column, axis=0, mode="mirror")
        return ndimage.correlate1d(vertical, row, axis=1, mode="mirror")

    pairs = [(columns[:, i] * scales[i], rows[i]) for i in range(rank)]
    return lambda plane: reduce(np.add, (separable(plane, *pair) for pair in pairs))


def compare(results: Pixels, expected: Pixels, bank: list[Filter]) -> tuple[float, float]:
    """The largest difference and what rounding explains; ends the program if any is larger.

    A float32 sum of n products is within ``n * eps / 2 * sum(|w| * |x|)`` of the exact one, and no
    |x| is above 1; two such sums are at most twice that apart.
    """
    allowed = SIZE**2 * np.finfo(np.float32).eps * np.array([abs(f.kernel).sum() for f in bank])
    difference = abs(results - expected).max(axis=(1, 2, 3))
    for f, d, a in zip(bank, difference, allowed, strict=True):
        if not d <= a:  # NaN included
            raise SystemExit(f"{f.title} ({f.detail}): differs by {d:.1e}, allowed {a:.1e}")
    return difference.max(), allowed.max()


def medians(jobs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median milliseconds of each job; they take turns, so that a busy machine hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(t) for name, t in times.items()}


# -------------------------------------------------------------------------------- contact sheet

TILE = 400  # the width of a picture in the sheet, in pixels
COLUMNS, GAP, CAPTION, ZOOM = 4, 20, 60, 3
PAPER, INK, FAINT = "#17181c", "#f2f2f0", "#9a9ca5"


def picture(result: Pixels, signed: bool) -> Image.Image:
    """(h, w, 3) values as an image; signed ones have zero at mid-grey and 1 % clipped."""
    if signed:
        result = 0.5 + 0.5 * result / max(float(np.quantile(abs(result), 0.99)), 1e-6)
    return Image.fromarray((255 * result.clip(0, 1)).round().astype(np.uint8))


def labelled(image: Image.Image, title: str, detail: str, kernel: Kernel | None) -> Image.Image:
    """A tile of the sheet: the image over its kernel, if any (zero is mid-grey), and its name."""
    image = ImageOps.scale(image, TILE / image.width, Image.Resampling.LANCZOS)
    tile = Image.new("RGB", (TILE, image.height + CAPTION), PAPER)
    tile.paste(image)
    left, top = 0, image.height + 8
    if kernel is not None:
        icon = picture(0.5 + 0.5 * kernel / abs(kernel).max(), signed=False)
        icon = ImageOps.scale(icon, ZOOM, Image.Resampling.NEAREST)
        tile.paste(icon, (left, top))
        left = icon.width + 12
    draw = ImageDraw.Draw(tile)
    draw.text((left, top + 2), title, INK, ImageFont.load_default(19))
    draw.text((left, top + 25), detail, FAINT, ImageFont.load_default(15))
    return tile


def contact_sheet(photo: Pixels, results: Pixels, bank: list[Filter]) -> Image.Image:
    """The photograph and each filter's result, in rows."""
    height, width = photo.shape[:2]
    tiles = [labelled(picture(photo, False), "Photograph", f"{width} x {height}", None)]
    for f, result in zip(bank, results, strict=True):
        tiles.append(labelled(picture(result, f.signed), f.title, f.detail, centred(f.kernel)))

    across, down = TILE + GAP, tiles[0].height + GAP
    rows = -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * across + GAP, rows * down + GAP), PAPER)
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (GAP + i % COLUMNS * across, GAP + i // COLUMNS * down))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("photo_filters.png"), help="the PNG")
    parser.add_argument("--image", type=Path, help="your own photograph (default: a coffee cup)")
    parser.add_argument("--repeats", type=int, default=7, help="timed runs of each (default: 7)")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error(f"--repeats must be at least 1; got {options.repeats}")

    photo = load(options.image)
    planes = np.ascontiguousarray(photo.transpose(2, 0, 1))  # three images of one channel

    bank = filter_bank()
    layer = as_layer(bank)
    batch = planes[..., np.newaxis]
    scipy_bank = [as_scipy(f.kernel) for f in bank]

    def by_fastconv(num_threads: int = 1) -> Pixels:
        return layer(batch, num_threads=num_threads)

    def by_scipy() -> list[list[Pixels]]:
        return [[apply(plane) for plane in planes] for apply in scipy_bank]

    results = by_fastconv().transpose(3, 1, 2, 0)  # filter, height, width, colour
    expected = np.array(by_scipy()).transpose(0, 2, 3, 1)
    difference, allowed = compare(results, expected, bank)

    jobs: dict[str, Callable[[], object]] = {"scipy.ndimage, 1 thread": by_scipy}
    for n in sorted({1, fastconv.show_config("dicts")["threads"]["default"]}):
        jobs[f"fastconv, {n} thread{'s' * (n > 1)}"] = partial(by_fastconv, n)
    times = medians(jobs, options.repeats)
    contact_sheet(photo, results, bank).save(options.out)

    height, width = photo.shape[:2]
    print(f"{len(bank)} filters of up to {SIZE} x {SIZE} over a {width} x {height} RGB photograph")
    for name, milliseconds in times.items():
        ratio = times["scipy.ndimage, 1 thread"] / milliseconds
        print(f"  {name:26}{milliseconds:8.1f} ms {ratio:8.1f}x")
    print(f"Largest difference {difference:.1e}; float32 explains up to {allowed:.1e}")
    print(f"Contact sheet: {options.out.resolve()}")


if __name__ == "__main__":
    main()
