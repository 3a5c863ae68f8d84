"""How far from the oracle a Winograd result may lie, from the matrices of src/micro/points.py.

Of a tile d and a filter g, per axis with matrices of its own,

    y = A^T [sum over channels of (G g G^T) * (B^T d B)] A

Each transform of n points rounds a term at most n times, since B^T and A^T are exact in float32 and
no term meets more operations than it has points; with stride 2, those of even inputs and one of an
odd input. With u = |G g G^T|, v = |B^T d B|, and D = |B^T|
|d| |B|, which is larger where a transform cancels, a term of the sum errs by at most

    u gamma(roundings of both transforms of d) D  +  v |rounding of u|  +  gamma(others) u v

(Higham, Accuracy and Stability, 2nd ed., sections 3.1 and 3.5; for the composition Barabasz,
Anderson, Soodhalter and Gregg, ACM TOMS 46, 2020, arXiv:1803.10986, section 4), and |A^T| ... |A|
carries that to the outputs. The filter is transformed in float64 and rounded once.
"""

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import reference

SCRIPT = Path(__file__).parent.parent / "src/micro/points.py"
FEW = 4  # roundings after the transforms: bias, residual, slope and its product


@cache
def points():
    """The module src/micro/points.py."""
    spec = importlib.util.spec_from_file_location("points", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def exact_matrices(m, r, stride):
    """A^T, G and B^T in Fractions."""
    assert stride == 1 or r == 3
    return points().matrices(m, r) if stride == 1 else points().strided(m)


@cache
def matrices(m, r, stride):
    """A^T, G and B^T in float64."""
    return tuple(np.array(a, np.float64) for a in exact_matrices(m, r, stride))


class Axis:
    """One axis of F(m, r), or of none where m is 1: the filter has one tap and is not transformed.

    A filter longer than r taps has pieces of r, the last filled up with zeros; piece i of a tile
    reads the i-th tile after it.
    """

    def __init__(self, m, r, stride, taps):
        self.m, self.r, self.stride = (m, r, stride) if m > 1 else (1, 1, 1)
        self.at, self.g, self.bt = matrices(m, r, stride) if m > 1 else (np.ones((1, 1)),) * 3
        self.n = len(self.bt)
        self.step = self.m * self.stride
        self.pieces = -(-taps // self.r)
        self.roundings = len(np.unique(self.g, axis=0)) if m > 1 else 0

    def tiles(self, outputs):
        return -(-outputs // self.m)

    def inputs(self, outputs):
        """Pixels that the tiles of this many outputs read."""
        return (self.tiles(outputs) + self.pieces - 2) * self.step + self.n


def both(left, middle, right):
    return left @ middle @ right.T


def ones_through(left, right):
    """|left| 1 1^T |right|^T: what an error of one everywhere becomes."""
    return np.outer(abs(left).sum(1), abs(right).sum(1))


def fill(x, rows, columns):
    """x (n, h, w, c) with zeros after its rows and columns, or without the last of them."""
    x = x[:, :rows, :columns]
    return np.pad(x, ((0, 0), (0, rows - x.shape[1]), (0, columns - x.shape[2]), (0, 0)))


def filter_pieces(weight, rows, columns):
    """(kh, kw, c, f) as (pieces of rows, pieces of columns, f, c, taps, taps)."""
    kh, kw, c, f = weight.shape
    high, wide = rows.pieces * rows.r - kh, columns.pieces * columns.r - kw
    weight = np.pad(weight, ((0, high), (0, wide), (0, 0), (0, 0)))
    weight = weight.reshape(rows.pieces, rows.r, columns.pieces, columns.r, c, f)
    return weight.transpose(0, 2, 5, 4, 1, 3)


def _dense(dtype, rows, columns, x, weight):
    """The bound on A^T [...] A for dilation and groups of one; x is padded."""
    tiny = float(np.finfo(dtype).smallest_subnormal)
    unit = np.finfo(dtype).eps / 2
    kh, kw, depth, _ = weight.shape
    oh = (x.shape[1] - kh) // rows.stride + 1
    ow = (x.shape[2] - kw) // columns.stride + 1
    windows = np.lib.stride_tricks.sliding_window_view(
        fill(x, rows.inputs(oh), columns.inputs(ow)), (rows.n, columns.n), (1, 2)
    )[:, :: rows.step, :: columns.step]
    taps = filter_pieces(weight, rows, columns)

    transforms = rows.roundings + columns.roundings
    v = abs(both(rows.bt, windows, columns.bt))
    v_error = reference.gamma(transforms, unit) * both(abs(rows.bt), abs(windows), abs(columns.bt))
    v_error += transforms * tiny * ones_through(rows.bt, columns.bt)
    u = abs(both(rows.g, taps, columns.g))
    u_error = unit * u + tiny * np.outer(*(abs(a.g).sum(1) + 1 for a in (rows, columns)))
    u_error += reference.gamma(2 * (rows.r + columns.r), np.finfo(np.float64).eps / 2) * both(
        abs(rows.g), abs(taps), abs(columns.g)
    )
    # products, sums over channels and pieces, and what follows
    terms = rows.pieces * columns.pieces * depth + 1 + transforms + FEW
    others = reference.gamma(terms, unit)

    tiles_h, tiles_w = rows.tiles(oh), columns.tiles(ow)
    error = terms * tiny
    for i, j in np.ndindex(rows.pieces, columns.pieces):
        seen = np.s_[:, i : i + tiles_h, j : j + tiles_w]
        error = error + np.einsum(
            "ntucij,fcij->ntufij",
            v[seen],
            u_error[i, j] + others * (u + u_error)[i, j],
            optimize=True,
        )
        error = error + np.einsum(
            "ntucij,fcij->ntufij", v_error[seen], (1 + others) * (u + u_error)[i, j], optimize=True
        )
    error = both(abs(rows.at), error, abs(columns.at))  # (n, tiles, tiles, f, m, m)
    error = error.transpose(0, 1, 4, 2, 5, 3)
    return error.reshape(len(x), tiles_h * rows.m, tiles_w * columns.m, -1)[:, :oh, :ow]


def tolerance(dtype, transform, x, weight, bias=None, *, residual=None, **parameters):
    """As reference.tolerance, for `transform` (tile, r, stride): F(m, r) of each m in the tile.

    A tile (1, m) stands upright where the filter has one column.
    """
    if weight.ndim == 3:
        x, weight = x[:, None], weight[None]
        residual = None if residual is None else residual[:, None]
        for name in ("stride", "dilation"):
            parameters[name] = (1, *parameters.get(name, (1,)))
        parameters["padding"] = ((0, 0), *parameters.get("padding", ((0, 0),)))
        return tolerance(dtype, transform, x, weight, bias, residual=residual, **parameters)[:, 0]
    tile, r, stride = transform
    if tile[0] == weight.shape[1] == 1:
        tile = tile[::-1]
    rows, columns = (Axis(m, r, stride, k) for m, k in zip(tile, weight.shape[:2], strict=True))
    oracles = reference.tolerance(np.float64, x, weight, bias, residual=residual, **parameters)
    high, wide = parameters.get("dilation", (1, 1))
    groups = parameters.get("groups", 1)
    padded = reference.pad(
        x.astype(np.float64),
        parameters.get("padding", ((0, 0), (0, 0))),
        parameters.get("pad_mode", "constant"),
        np.float64(x.dtype.type(parameters.get("pad_value", 0.0))),
    )
    error = np.zeros(oracles.shape)
    xs = np.split(padded, groups, axis=3)
    weights = np.split(weight.astype(np.float64), groups, axis=3)
    for group, (xg, wg) in enumerate(zip(xs, weights, strict=True)):
        filters = np.s_[group * wg.shape[3] : (group + 1) * wg.shape[3]]
        for i, j in np.ndindex(high, wide):
            if error[:, i::high, j::wide].size:
                error[:, i::high, j::wide, filters] = _dense(
                    dtype, rows, columns, xg[:, i::high, j::wide], wg
                )
    for added in (bias, residual):
        if added is not None:
            error += reference.gamma(FEW, np.finfo(dtype).eps / 2) * abs(added.astype(np.float64))
    return max(1.0, abs(parameters.get("slope", 1.0))) * error + oracles


def weight_grad_tolerance(dtype, transform, x, dy, *, padding, dilation, groups, pad_mode):
    """How far a filter's gradient may lie from the oracle, for F(m, r) in both axes.

    It is G^T [sum over tiles of (B^T d B) * (A dy A^T)] G. With magnitudes in the place of all
    numbers that is a bound on what each rounding is relative to: of the transforms, of one product
    and of a sum over all tiles.
    """
    m, r = transform
    axis = Axis(m, r, 1, r)
    padded = reference.pad(x.astype(np.float64), padding, pad_mode, np.float64(0))
    magnitude, tiles = [], 0
    for xg, dyg in zip(np.split(padded, groups, 3), np.split(dy, groups, 3), strict=True):
        total = np.zeros((xg.shape[3], dyg.shape[3], axis.n, axis.n))
        for i, j in np.ndindex(*dilation):
            outputs = abs(dyg[:, i :: dilation[0], j :: dilation[1]].astype(np.float64))
            n, oh, ow, f = outputs.shape
            if not outputs.size:
                continue
            high, wide = axis.tiles(oh), axis.tiles(ow)
            outputs = fill(outputs, high * m, wide * m).reshape(n, high, m, wide, m, f)
            inputs = fill(
                abs(xg[:, i :: dilation[0], j :: dilation[1]]), axis.inputs(oh), axis.inputs(ow)
            )
            windows = np.lib.stride_tricks.sliding_window_view(inputs, (axis.n, axis.n), (1, 2))
            v = both(abs(axis.bt), windows[:, :: axis.step, :: axis.step], abs(axis.bt))
            a = abs(axis.at).T
            total += np.einsum(
                "ntucij,ntufij->cfij", v, both(a, outputs.transpose(0, 1, 3, 5, 2, 4), a)
            )
            tiles += n * high * wide
        magnitude.append(both(abs(axis.g).T, total, abs(axis.g).T).transpose(2, 3, 0, 1))
    roundings = 2 * axis.roundings + 2 * (m + 1) + 2 * (axis.n + 2) + tiles + FEW
    unit = sum(reference.gamma(roundings, np.finfo(d).eps / 2) for d in (dtype, np.float64))
    return unit * np.concatenate(magnitude, 3) + roundings * np.finfo(dtype).smallest_subnormal
