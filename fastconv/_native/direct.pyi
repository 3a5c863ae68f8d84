from typing import final

from . import plan

@final
class Plan(plan.Plan):
    """Direct convolution."""
