from typing import final

from . import plan

class Planar(plan.Plan):
    """Convolution of channel-first images."""

@final
class Plan(Planar):
    """Depthwise or grouped convolution of them, for `lanewise.Plan`."""
