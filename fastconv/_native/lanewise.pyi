from typing import final

from . import plan

@final
class Plan(plan.Plan):
    """Convolution of many groups of few channels, with a filter of the lanewise form."""
