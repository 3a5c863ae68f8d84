from typing import final

from . import planes

@final
class Plan(planes.Planar):
    """Pointwise convolution of channel-first images, for `direct.Plan`."""
