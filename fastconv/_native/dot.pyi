from typing import final

from . import direct

@final
class Plan(direct.Plan):
    """Direct convolution, with a filter of the dot form."""
