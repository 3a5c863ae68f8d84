"""What an installed wheel must do, run from outside the checkout: every level, both dtypes.

python smoke.py
"""

import sys

import numpy as np

import fastconv
from fastconv import levels


def main():
    config = fastconv.show_config(mode="dicts")
    for level in levels.runnable():
        for dtype in (np.float32, np.float64):
            with levels.use(level):
                rng = np.random.default_rng(0)
                layer = fastconv.Conv2d(
                    3, 8, 5, dtype, padding=1, num_groups=1, has_bias=True, rng=rng
                )
                x = rng.standard_normal((2, 9, 10, 8)).astype(dtype)
                padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).astype(np.float64)
                windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
                expected = np.einsum("nhwcij,ijco->nhwo", windows, layer.filter) + layer.bias
                error = np.abs(layer(x) - expected).max()
                assert error < 100 * np.finfo(dtype).eps, (level, dtype, error)
    print(
        f"fastconv {config['fastconv']} from {fastconv.__path__[0]}: "
        f"{', '.join(levels.runnable())} right on Python {sys.version.split()[0]}, "
        f"NumPy {np.__version__}"
    )


if __name__ == "__main__":
    main()
