from typing import final

from . import planes

@final
class Plan(planes.Planar):
    """Convolution of channel-first images by panels, for `direct.Plan`."""
