"""One transposed convolution to test, as data; how to run and judge it; any of them at random."""

import math
from dataclasses import MISSING, dataclass, fields, replace

import numpy as np
import reference
import winograd_bound
from cases import CANARY, LAYOUTS, OUT_LAYOUTS, assert_canaries_alive
from hypothesis import assume
from hypothesis import strategies as st
from strategies import ACTIVATIONS, channel_counts, one_or_per_axis

import fastconv
from fastconv import transposed
from fastconv.algorithms import ALGORITHMS, Winograd, candidates
from fastconv.problem import TransposedProblem, TransposedSpec


@dataclass(frozen=True)
class Case:
    """A call of conv_transpose2d (two sizes) or conv_transpose1d (one), as `cases.Case`."""

    size: tuple[int, ...]
    channels: int
    filters: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...] | int = 1
    padding: tuple[int, ...] | int = 0
    output_padding: tuple[int, ...] | int = 0
    dilation: tuple[int, ...] | int = 1
    groups: int = 1
    batch: int = 1
    bias: bool = False
    residual: bool = False
    activation: str | tuple[str, float] | None = None
    algorithm: str = "auto"
    num_threads: int | None = None
    x_layout: str = "contiguous"
    weight_layout: str = "contiguous"
    residual_layout: str = "contiguous"
    out_layout: str | None = None
    permute: bool = False
    data: str = "integers"
    seed: int = 0

    def __str__(self):
        shape, kernel = ("x".join(map(str, sizes)) for sizes in (self.size, self.kernel))
        rest = [
            f"{f.name}={getattr(self, f.name)}"
            for f in fields(self)
            if f.default is not MISSING and getattr(self, f.name) != f.default
        ]
        return " ".join([f"{shape} {self.channels}>{self.filters} k{kernel}", *rest])

    @property
    def dims(self):
        return len(self.size)

    def rows_too(self, value, row):
        """A parameter as a pair, 1-D with `row` for the rows."""
        values = (value,) * self.dims if isinstance(value, int) else tuple(value)
        return values if self.dims == 2 else (row, *values)

    @property
    def whole(self):
        """The keyword arguments of the 2-D oracle."""
        sides = reference.sides(self.padding, self.size, *[(1,) * self.dims] * 3)
        slope, upper = reference.ACTIVATIONS.get(self.activation, (None, math.inf))
        return {
            "stride": self.rows_too(self.stride, 1),
            "padding": sides if self.dims == 2 else ((0, 0), *sides),
            "output_padding": self.rows_too(self.output_padding, 0),
            "dilation": self.rows_too(self.dilation, 1),
            "groups": self.groups,
            "slope": self.activation[1] if slope is None else slope,
            "upper": upper,
        }

    @property
    def out_size(self):
        whole = self.whole
        axes = zip(
            self.rows_too(self.size, 1),
            self.rows_too(self.kernel, 1),
            *(whole[name] for name in ("stride", "padding", "output_padding", "dilation")),
            strict=True,
        )
        size = tuple(
            (n - 1) * s - sum(p) + reference.extent(k, d) + more for n, k, s, p, more, d in axes
        )
        return size[-self.dims :]

    @property
    def parameters(self):
        """What the functions and the layers have in common."""
        names = ("stride", "padding", "output_padding", "dilation", "activation", "algorithm")
        return {name: getattr(self, name) for name in names}

    def problem(self, dtype):
        """As fastconv describes it."""
        parameters = self.parameters
        del parameters["algorithm"]
        spec = TransposedSpec.build(
            self.dims,
            kernel_size=self.kernel if self.dims == 2 else self.kernel[0],
            in_channels=self.channels,
            out_channels=self.filters,
            dtype=dtype,
            groups=self.groups,
            **parameters,
        )
        return TransposedProblem.build(spec, (self.batch, *self.size, self.channels))

    def algorithms(self):
        """The names of all algorithms that support every part."""
        spec, names = self.problem(np.float32).spec, []
        for algorithm in ALGORITHMS:
            try:
                transposed.check(spec, algorithm.name)
            except ValueError:
                continue
            names.append(algorithm.name)
        return names

    def arrays(self, dtype):
        """x, weight, bias, residual; the last two may be None. Channels last, C order."""
        rng = np.random.default_rng(self.seed)

        def draw(*shape):
            if self.data == "integers":
                return rng.integers(-4, 5, shape).astype(dtype)
            return rng.standard_normal(shape).astype(dtype)

        return (
            draw(self.batch, *self.size, self.channels),
            draw(*self.kernel, self.filters // self.groups, self.channels),
            draw(self.filters) if self.bias else None,
            draw(self.batch, *self.out_size, self.filters) if self.residual else None,
        )

    def run(self, x, weight, bias=None, residual=None, **changed):
        """The functional call on these arrays."""
        convolve = fastconv.conv_transpose2d if self.dims == 2 else fastconv.conv_transpose1d
        keywords = {**self.parameters, "groups": self.groups, "num_threads": self.num_threads}
        return convolve(x, weight, bias, residual=residual, **{**keywords, **changed})

    def layer(self, weight, bias=None):
        """The layer with this weight (given channels last); channel first if `permute`."""
        make = fastconv.ConvTranspose2d if self.dims == 2 else fastconv.ConvTranspose1d
        layer = make(
            self.kernel if self.dims == 2 else self.kernel[0],
            self.channels,
            self.filters,
            weight.dtype,
            num_groups=self.groups,
            has_bias=bias is not None,
            permute=self.permute,
            **self.parameters,
        )
        layer.weight = np.moveaxis(weight, (-1, -2), (0, 1)) if self.permute else weight
        if bias is not None:
            layer.bias = bias
        return layer


def oracle(case, x, weight, bias=None, residual=None, function=reference.conv_transpose2d):
    """What `function` of the 2-D arrays gives for `case`, 1-D where that is."""
    if case.dims == 2:
        return function(x, weight, bias, residual=residual, **case.whole)
    added = None if residual is None else residual[:, None]
    return function(x[:, None], weight[None], bias, residual=added, **case.whole)[:, 0]


def tolerance(case, x, weight, bias, residual):
    """How far from the oracle each output may lie: what the worst algorithm of its part may err."""

    def direct(*operands, **parameters):
        return reference.transposed_tolerance(x.dtype, *operands, **parameters)

    allowed = oracle(case, x, weight, bias, residual, direct)
    problem = case.problem(x.dtype)
    slope = case.whole["slope"]
    for part in transposed.parts(problem):
        if not part.reads:
            continue
        top, bottom, left, right = part.problem.padding
        parameters = {
            "padding": ((top, bottom), (left, right)),
            "dilation": part.problem.spec.dilation,
            "groups": case.groups,
            "slope": slope,
        }
        places = part.outputs(problem.view(allowed))
        added = None
        if residual is not None:
            added = part.outputs(problem.view(residual)).reshape(part.problem.output_shape)
        for algorithm in candidates(part.problem.spec, case.algorithm):
            if isinstance(algorithm, Winograd):
                error = winograd_bound.tolerance(
                    x.dtype,
                    (algorithm.tile, algorithm.r, algorithm.stride),
                    part.inputs(problem.view(x)),
                    part.filter(weight),
                    part.bias(bias),
                    residual=added,
                    **parameters,
                )
                np.maximum(places, error.reshape(places.shape), out=places)
    return allowed


def judge(case, got, x, weight, bias=None, residual=None):
    """The result `got` (channels last) of `case` on these arrays against the oracle."""
    wanted = oracle(case, x, weight, bias, residual)
    assert got.dtype == x.dtype
    assert got.shape == wanted.shape == (case.batch, *case.out_size, case.filters)
    if case.data == "integers" and case.algorithm in ("direct", "depthwise"):
        np.testing.assert_array_equal(got, wanted)
        return
    if not got.size:
        return
    allowed = tolerance(case, x, weight, bias, residual)
    wrong = ~(abs(got - wanted) <= allowed)
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0])
        raise AssertionError(
            f"{wrong.sum()} of {wrong.size} outputs are wrong, first at {at}: "
            f"{got[at]!r}, not {wanted[at]!r} +- {allowed[at]:.3g}"
        )


def check(case, dtype):
    """Runs `case`, functional or (permute) as a layer, and judges result and canaries."""
    x, weight, bias, residual = case.arrays(dtype)
    x_given = LAYOUTS[case.x_layout](x)
    weight_given = LAYOUTS[case.weight_layout](weight)
    added = None if residual is None else LAYOUTS[case.residual_layout](residual)
    out = buffer = None
    if case.out_layout is not None:
        shape = (case.batch, *case.out_size, case.filters)
        out, buffer = OUT_LAYOUTS[case.out_layout](shape, dtype)
        assert (out == CANARY).all()
    if case.permute:
        x_given = np.moveaxis(x_given, -1, 1)
        added = None if added is None else np.moveaxis(added, -1, 1)
        given = None if out is None else np.moveaxis(out, -1, 1)
        layer = case.layer(weight_given, bias)
        y = layer(x_given, residual=added, out=given, num_threads=case.num_threads)
        assert given is None or y is given
        y = np.moveaxis(y, 1, -1)
    else:
        y = case.run(x_given, weight_given, bias, added, out=out)
        assert out is None or y is out
    judge(case, y, x, weight, bias, residual)
    if out is not None:
        assert_canaries_alive(out, buffer)


@st.composite
def cases(draw, axes):
    """A valid Case with `axes` axes; every output has at least one pixel, the batch may be 0."""
    channels, filters, groups = draw(channel_counts())
    if axes == 1:
        kernel = draw(st.tuples(st.sampled_from([1, 2, 3, 4, 5, 7, 8, 10, 16])))
    else:
        side = st.integers(1, 5)
        kernel = draw(st.one_of(st.sampled_from([(2, 2), (3, 3), (4, 4)]), st.tuples(side, side)))
    stride = draw(one_or_per_axis(axes, st.sampled_from([1, 2, 2, 2, 3, 4, 5, 8])))
    dilation = draw(one_or_per_axis(axes, st.sampled_from([1, 1, 1, 1, 2, 3, 4])))
    limits = [
        max(s, d) - 1
        for s, d in zip(
            *((v,) * axes if isinstance(v, int) else v for v in (stride, dilation)), strict=True
        )
    ]
    output_padding = draw(st.tuples(*(st.integers(0, limit) for limit in limits)))
    width = st.integers(0, 9)
    padding = draw(st.one_of(st.integers(0, 3), st.tuples(*[width] * (2 * axes))))
    size = draw(st.tuples(*(st.integers(1, most) for most in ((7, 13) if axes == 2 else (40,)))))
    case = Case(
        size=size,
        channels=channels,
        filters=filters,
        kernel=kernel,
        stride=stride,
        padding=padding,
        output_padding=output_padding if axes == 2 else output_padding[0],
        dilation=dilation,
        groups=groups,
        batch=draw(st.sampled_from([1, 1, 1, 2, 3, 0])),
        bias=draw(st.booleans()),
        residual=draw(st.booleans()),
        activation=draw(st.sampled_from(ACTIVATIONS)),
        num_threads=draw(st.sampled_from([None, 1, 2, 3])),
        x_layout=draw(st.sampled_from(list(LAYOUTS))),
        weight_layout=draw(st.sampled_from(list(LAYOUTS))),
        residual_layout=draw(st.sampled_from(list(LAYOUTS))),
        out_layout=draw(st.sampled_from([None, *OUT_LAYOUTS])),
        permute=draw(st.booleans()),
        data=draw(st.sampled_from(["integers", "normal"])),
        seed=draw(st.integers(0, 2**32 - 1)),
    )
    assume(min(case.out_size) > 0 and math.prod(case.out_size) < 3000)
    return replace(case, algorithm=draw(st.sampled_from(["auto", *case.algorithms()])))
