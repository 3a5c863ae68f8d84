from typing import final

from . import plan

@final
class Plan(plan.Plan):
    """Direct or depthwise convolution, as the filter's form says."""
