"""No call touches memory outside of its arrays (Linux: guard pages, in a process of their own)."""

import signal
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect")
SCRIPT = Path(__file__).with_name("guard_pages.py")


@pytest.mark.parametrize("side", ["start", "end"])
def test_a_guard_page_guards(python, side):
    assert python(SCRIPT, "--overrun", side).returncode == -signal.SIGSEGV


def test_every_array_against_a_guard_page(python):
    done = python(SCRIPT, timeout=300)
    last = (done.stdout.splitlines() or ["nothing"])[-1]
    assert done.returncode == 0, f"exit {done.returncode} in: {last}\n{done.stderr[-3000:]}"
