"""A script: a table of calls in which every array lies flush against memory that must not be read.

A read or write past an end is a segmentation fault, so this runs in a process of its own
(test_guard_pages.py). It prints each case before it runs it. With "--overrun end" or
"--overrun start" it reads one element too far itself, to show that the guard is there.
"""

import ctypes
import mmap
import sys

import numpy as np

PAGE = mmap.PAGESIZE
LIBC = ctypes.CDLL(None, use_errno=True)


def guarded(array, side):
    """A copy of `array` that ends ("end") or starts ("start") at an inaccessible page."""
    pages = -(-array.nbytes // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    offset = PAGE if side == "start" else (1 + pages) * PAGE - array.nbytes
    copy = np.frombuffer(memory, array.dtype, array.size, offset).reshape(array.shape)
    copy[...] = array
    for guard in (start, start + (1 + pages) * PAGE):
        if LIBC.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(PAGE), 0):  # PROT_NONE
            raise OSError(ctypes.get_errno(), "mprotect")
    return copy


def shapes():
    """Cases with tails in every direction, for all algorithms and channel-first layers."""
    from cases import Case
    from transposed_cases import Case as Transposed

    everything = {"bias": True, "residual": True}
    dense = [
        Case((h, w), c, f, kernel, padding=padding, stride=stride, dilation=dilation, **everything)
        for h, w, c, f, kernel, padding, stride, dilation in [
            (1, 1, 1, 1, (1, 1), 0, 1, 1),
            (1, 1, 3, 5, (3, 3), 1, 1, 1),
            (3, 7, 3, 7, (2, 3), 0, 1, 1),
            (5, 13, 3, 17, (3, 3), 1, 1, 1),
            (1, 1, 17, 9, (5, 5), 2, 1, 1),
            (9, 1, 16, 24, (3, 3), 1, 1, 1),
            (1, 30, 16, 40, (3, 3), 1, 1, 1),
            (6, 30, 7, 9, (1, 3), 0, 1, 1),
            (30, 3, 15, 17, (7, 1), (3, 0), 1, 1),
            (13, 14, 9, 17, (5, 5), 1, 1, 1),
            (9, 31, 3, 33, (3, 3), 1, 1, 1),
            (9, 63, 3, 17, (3, 3), 1, 2, 1),
            (10, 11, 5, 33, (4, 6), 0, 1, 2),
            (5, 31, 8, 9, (3, 3), (0, 2, 1, 0), 1, 1),
            (9, 11, 9, 33, (3, 3), 1, 2, 1),
            (6, 29, 17, 65, (1, 1), 0, 1, 1),
            (13, 49, 17, 65, (1, 1), 0, 1, 1),
            (17, 19, 5, 9, (1, 1), 0, 1, 1),
            (4, 17, 1, 63, (4, 4), 3, 1, 1),
            (12, 12, 15, 31, (3, 3), 2, 1, 2),
            (7, 7, 33, 16, (3, 3), 1, 3, 1),
            (9, 40, 64, 64, (3, 3), 1, 1, 1),
            (9, 40, 64, 64, (3, 3), 0, 1, 1),
            (8, 9, 5, 2, (2, 2), 0, (4, 3), 1),
            (20, 21, 3, 19, (7, 7), 3, 2, 1),
            (9, 30, 17, 9, (3, 3), 0, 2, 1),
            (6, 30, 7, 9, (1, 3), 0, (1, 2), 1),
            (7, 12, 15, 17, (2, 2), (1, 0, 0, 1), 1, 1),
            (3, 33, 70, 17, (1, 1), 0, 2, 1),
            (4, 34, 66, 17, (1, 1), 0, 2, 1),
            (3, 15, 70, 17, (1, 1), 1, 2, 1),
            (3, 48, 260, 9, (1, 1), 0, 1, 1),
            (7, 7, 40, 33, (1, 1), 0, 1, 1),
            (5, 13, 33, 24, (1, 1), 0, 1, 1),
            (8, 18, 12, 16, (3, 3), 0, 1, 1),
            (12, 76, 3, 17, (4, 4), 0, 4, 1),
            (8, 20, 2, 9, (4, 4), 0, 4, 1),
            (8, 68, 4, 9, (4, 4), 0, 4, 1),
            (9, 51, 3, 17, (3, 3), 0, 3, 1),
            (9, 85, 3, 17, (2, 5), 1, (2, 5), 1),
            (9, 85, 3, 17, (3, 4), 0, (2, 5), 1),
        ]
    ]
    grouped = [
        Case((h, w), c, f, (3, 3), padding=1, groups=groups, stride=stride, **everything)
        for h, w, c, f, groups, stride in [
            (5, 13, 6, 10, 2, 1),
            (5, 13, 34, 34, 2, 2),
            (5, 13, 1, 1, 1, 1),
            (5, 31, 7, 7, 7, 1),
            (5, 31, 33, 33, 33, 1),
            (6, 15, 17, 51, 17, 2),
            (9, 35, 5, 5, 5, 2),
            (7, 66, 3, 6, 3, 2),
            (7, 40, 6, 12, 3, 1),
            (5, 11, 3, 3, 3, 2),
            (3, 3, 64, 64, 64, 1),
            (1, 1, 6, 9, 3, 1),
            (1, 2, 34, 34, 17, 3),
            (2, 9, 20, 4, 4, 1),
            (3, 3, 120, 123, 3, 1),
            (5, 6, 64, 64, 16, 1),
            (5, 6, 36, 45, 9, 1),
            (6, 51, 5, 5, 5, 3),
            (6, 53, 6, 12, 3, 3),
            (6, 70, 5, 5, 5, 4),
        ]
    ]
    few = [
        Case((h, w), c, c, kernel, padding=padding, groups=c, stride=stride, **everything)
        for h, w, c, kernel, padding, stride in [
            (5, 13, 2, (3, 4), 1, 1),
            (4, 31, 3, (3, 4), 0, 1),
            (9, 37, 3, (3, 3), 1, 2),
            (8, 40, 4, (3, 4), 0, 2),
            (6, 21, 5, (2, 2), 0, 1),
            (7, 17, 8, (5, 5), 2, 1),
            (12, 33, 1, (9, 5), 0, 1),
        ]
    ]
    long = [
        Case((length,), c, f, (k,), padding=padding, groups=groups, **everything)
        for length, c, f, k, padding, groups in [
            (1, 1, 1, 1, 0, 1),
            (29, 3, 5, 3, 1, 1),
            (300, 1, 17, 7, "causal", 1),
            (300, 9, 33, 4, "same", 1),
            (61, 17, 17, 5, 0, 17),
            (61, 15, 20, 9, 0, 5),
            (140, 5, 5, 19, 9, 5),
            (70, 9, 20, 7, 0, 1),
            (1030, 18, 48, 3, "same", 2),
            (140, 5, 5, 19, 0, 5),
        ]
    ]
    reflected = [
        Case((5, 6), 9, 17, (3, 3), padding=2, pad_mode="reflect", **everything),
        Case((5, 6), 9, 9, (3, 3), padding=2, pad_mode="wrap", groups=9, **everything),
        Case((5, 6), 9, 15, (3, 3), padding=2, pad_mode="symmetric", groups=3, **everything),
    ]
    upsampling = [
        Transposed((length,), c, f, (k,), stride, padding, more, d, groups, **everything)
        for length, c, f, k, stride, padding, more, d, groups in [
            (1, 1, 1, 1, 3, 0, 2, 1, 1),
            (29, 3, 5, 16, 8, 4, 0, 1, 1),
            (31, 17, 9, 10, 5, (2, 9), 1, 1, 1),
            (13, 33, 33, 5, 3, 1, 0, 2, 33),
            (9, 4, 6, 2, 5, 7, 0, 1, 2),
            (29, 9, 17, 4, 2, 1, 0, 1, 1),
            (11, 17, 5, 12, 4, 3, 2, 1, 1),
        ]
    ]
    upsampling += [
        Transposed((5, 7), 17, 9, (4, 4), 2, 1, 0, 1, 1, **everything),
        Transposed((5, 7), 17, 32, (2, 2), 2, 0, 0, 1, 1, **everything),
        Transposed((5, 7), 1, 32, (2, 2), 2, 0, 0, 1, 1, **everything),
        Transposed((5, 7), 5, 19, (3, 2), (2, 3), (1, 0, 2, 1), 1, 1, 1, **everything),
    ]
    return [*dense, *grouped, *few, *long, *reflected, *upsampling]


def calls(dtype):
    """(name, function of a `place`): `place` puts an array somewhere and returns it there."""
    from dataclasses import replace

    import cases
    import transposed_cases
    from cases import channels_first

    import fastconv

    for shape in shapes():
        arrays = shape.arrays(dtype)
        wanted_shape = (shape.batch, *shape.out_size, shape.filters)
        judge = (transposed_cases if isinstance(shape, transposed_cases.Case) else cases).judge
        for algorithm in shape.algorithms():
            case = replace(shape, algorithm=algorithm)
            channel_first_case = replace(case, permute=True)
            plain = replace(case, residual=False)

            def functional(place, case=case, arrays=arrays, wanted_shape=wanted_shape, judge=judge):
                out = place(np.zeros(wanted_shape, dtype))
                case.run(*map(place, arrays), out=out)
                judge(case, out, *arrays)

            def reversed_views(place, case=case, arrays=arrays, wanted_shape=wanted_shape):
                def turned(a):
                    flip = (slice(None, None, -1),) * a.ndim
                    return place(a[flip])[flip]

                out = turned(np.zeros(wanted_shape, dtype))
                case.run(*map(turned, arrays), out=out)
                np.testing.assert_array_equal(out, case.run(*arrays))

            def layer(place, case=channel_first_case, arrays=arrays, shape=wanted_shape):
                x, weight, bias, residual = arrays
                conv = case.layer(place(weight), place(bias))
                out = place(channels_first(np.zeros(shape, dtype)))
                conv(place(channels_first(x)), residual=place(channels_first(residual)), out=out)
                np.testing.assert_array_equal(np.moveaxis(out, 1, -1), case.run(*arrays))

            def filter_gradient(place, case=case, arrays=arrays, wanted_shape=wanted_shape):
                x, weight, *_ = arrays
                dy = np.ones(wanted_shape, dtype)
                function = getattr(fastconv, f"conv{len(case.size)}d_weight_grad")
                names = ("stride", "padding", "dilation", "groups", "pad_mode", "algorithm")
                options = {name: getattr(case, name) for name in names}
                out, bias = place(np.zeros_like(weight)), place(np.zeros(case.filters, dtype))
                function(place(x), place(dy), weight.shape, out=out, bias_out=bias, **options)
                np.testing.assert_array_equal(out, function(x, dy, weight.shape, **options))
                np.testing.assert_array_equal(bias, dy.sum(tuple(range(dy.ndim - 1))))

            learning = ("direct", "winograd_4x4_3x3", "winograd_2x2_5x5")
            if algorithm in learning and isinstance(shape, cases.Case):
                yield f"{case} filter gradient", filter_gradient
            yield f"{case}", functional
            yield f"{case} reversed", reversed_views

            def planes(place, case=channel_first_case, arrays=arrays, shape=wanted_shape):
                x, weight, bias, _ = arrays
                conv = case.layer(place(weight), place(bias))
                out = place(channels_first(np.zeros(shape, dtype)))
                conv(place(channels_first(x)), out=out)
                np.testing.assert_array_equal(
                    np.moveaxis(out, 1, -1), replace(case, residual=False).run(x, weight, bias)
                )

            def alone(place, case=plain, arrays=arrays, shape=wanted_shape):
                out = place(np.zeros(shape, dtype))
                case.run(*map(place, arrays[:3]), out=out)
                np.testing.assert_array_equal(out, case.run(*arrays[:3]))

            yield f"{case} channels first", layer
            # without a residual kernels of their own
            yield f"{case} alone", alone
            yield f"{case} planes", planes


def main():
    from fastconv import levels

    for level in levels.runnable():
        for dtype in (np.float32, np.float64):
            for side in ("start", "end"):
                for name, call in calls(dtype):
                    print(level, dtype.__name__, side, name, flush=True)
                    with levels.use(level):
                        call(lambda array, side=side: guarded(array, side))


if sys.argv[1:2] == ["--overrun"]:
    inside = guarded(np.zeros(100, np.float32), sys.argv[2])
    beyond = inside.ctypes.data + (inside.nbytes if sys.argv[2] == "end" else -4)
    ctypes.c_float.from_address(beyond).value  # noqa: B018
elif __name__ == "__main__":
    main()
