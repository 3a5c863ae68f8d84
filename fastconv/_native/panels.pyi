from typing import final

from . import plan

@final
class Plan(plan.Plan):
    """Pointwise convolution of channel-first images, for `direct.Plan`."""
