from typing import final

from . import plan

@final
class Plan(plan.Plan):
    """Depthwise or grouped convolution, with a filter of the lanewise form."""
