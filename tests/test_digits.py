"""The training example runs from start to end, learns, and draws its picture."""

import re
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "examples" / "digits.py"


@pytest.mark.skipif(not SCRIPT.exists(), reason="not a checkout")
def test_digits(python, tmp_path):
    for module in ("sklearn", "matplotlib", "rich"):
        pytest.importorskip(module)
    picture = tmp_path / "digits.png"
    done = python(SCRIPT, "--epochs", "4", "--quiet", "--out", picture, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    (accuracy,) = re.findall(r"([0-9.]+)% of 360 tests right", done.stdout)
    assert float(accuracy) > 80
