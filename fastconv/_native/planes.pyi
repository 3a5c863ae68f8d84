from typing import final

from . import plan

class Planar(plan.Plan):
    """Convolution of channel-first images."""

@final
class Plan(Planar):
    """Depthwise, grouped or dot convolution of them, for their plans."""
