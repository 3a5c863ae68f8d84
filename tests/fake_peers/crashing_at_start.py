"""A peer whose library ends the process when it is set up."""

import sys

from .crashing import build, forms, version

__all__ = ["build", "forms", "setup", "version"]


def setup(threads):
    sys.exit(3)
