"""Importing the package: all public names are there, and what few programs need comes later."""

import pytest

import fastconv

LATER = ["explaining", "gradients", "mlx", "simplegrad"]


def test_every_name_is_there():
    for name in [*fastconv.__all__, *LATER]:
        assert name in dir(fastconv)
        assert getattr(fastconv, name) is getattr(fastconv, name)
    names = {}
    exec("from fastconv import *", names)
    assert names.keys() >= {*fastconv.__all__} - {"__version__"}


def test_there_is_no_other_name():
    with pytest.raises(AttributeError, match="module 'fastconv' has no attribute 'conv3d'"):
        fastconv.conv3d  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'conv3d'"):
        from fastconv import conv3d  # noqa: F401


@pytest.mark.parametrize("module", LATER)
def test_what_few_programs_need_is_imported_later(python, module):
    """Layers and functions, calls included, do without; each of its names brings it."""
    program = f"""
import sys
import numpy as np, fastconv
x = np.ones((1, 9, 9, 2), np.float32)
fastconv.Conv2d(3, 2, 2)(x), fastconv.conv2d(x, np.ones((3, 3, 2, 2), np.float32))
assert "fastconv.{module}" not in sys.modules
for name in fastconv._LATER["{module}"]:
    assert getattr(fastconv, name) is getattr(sys.modules["fastconv.{module}"], name)
assert fastconv.{module} is sys.modules["fastconv.{module}"]
"""
    done = python("-c", program)
    assert done.returncode == 0, done.stderr
