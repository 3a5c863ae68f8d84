"""mypy --strict accepts a program that uses the API, and finds what is wrong in it."""

import sys
from pathlib import Path

import pytest

import fastconv

PROGRAM = Path(__file__).with_name("typed_program.py")


def test_program_runs(python):
    done = python(PROGRAM)
    assert done.returncode == 0, done.stderr


def test_mypy_strict(python, tmp_path):
    pytest.importorskip("mypy")
    package = Path(fastconv.__file__).parent
    assert (package / "py.typed").exists()
    # mypy knows what is installed; a checkout it must be shown
    installed = any(part in ("site-packages", "dist-packages") for part in package.parts)
    where = {} if installed else {"MYPYPATH": str(package.parent)}
    options = ["--strict", "--cache-dir", tmp_path, "--config-file", "", "--python-executable"]
    done = python("-m", "mypy", *options, sys.executable, PROGRAM, timeout=300, **where)
    assert done.returncode == 0, done.stdout + done.stderr
