"""What all tests share: the hypothesis profiles, the runnable levels, Python in a subprocess."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import fastconv
from fastconv import levels

TESTS = Path(__file__).parent
PACKAGE = Path(fastconv.__file__).parent.parent
# the level that a test's fixture has set holds for all of its examples
FIXTURES = [HealthCheck.function_scoped_fixture]
RELAXED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, *FIXTURES]}

settings.register_profile("default", max_examples=200, **RELAXED)
settings.register_profile("ci", max_examples=800, derandomize=True, **RELAXED)
settings.register_profile("thorough", max_examples=3000, **RELAXED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(params=levels.runnable())
def level(request):
    """Every level that this machine runs; the test runs on it."""
    with levels.use(request.param):
        yield request.param


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def python():
    """A function that runs Python in a fresh process which sees fastconv and these tests."""

    def run(*arguments, timeout=120, **environment):
        path = os.pathsep.join([str(PACKAGE), str(TESTS)])
        return subprocess.run(
            [sys.executable, "-X", "faulthandler", *arguments],
            env={**os.environ, "PYTHONPATH": path, **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run
