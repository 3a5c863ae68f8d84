"""Where a layer runs, and how it is split over several devices.

fastconv runs on CPUs. The names exist so that code which says where its layers run can say it here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from .problem import integer


@dataclass(frozen=True, slots=True)
class DeviceRef:
    """The name of a device, made by `DeviceRef.CPU` or `DeviceRef.GPU`.

    Attributes
    ----------
    label : {"cpu", "gpu"}
    id : int
    """

    label: Literal["cpu", "gpu"]
    id: int = 0

    def __post_init__(self) -> None:
        if self.label not in ("cpu", "gpu"):
            raise ValueError(f"label must be 'cpu' or 'gpu'; got label={self.label!r}")
        integer(self.id, "id", 0)

    @classmethod
    def CPU(cls, id: int = 0) -> "DeviceRef":
        """CPU number `id`."""
        return cls("cpu", id)

    @classmethod
    def GPU(cls, id: int = 0) -> "DeviceRef":
        """GPU number `id`: a name only, every layer refuses it."""
        return cls("gpu", id)

    def is_cpu(self) -> bool:
        """Whether this is a CPU."""
        return self.label == "cpu"

    def is_gpu(self) -> bool:
        """Whether this is a GPU."""
        return self.label == "gpu"


Device = DeviceRef | Literal["cpu"]


def cpu(device: Device | None) -> DeviceRef:
    """The CPU that `device` names; None is CPU 0.

    Raises
    ------
    TypeError
        If it is no DeviceRef, str or None.
    ValueError
        If it names anything but a CPU.
    """
    if isinstance(device, DeviceRef) and device.is_cpu():
        return device
    if device is None or (isinstance(device, str) and device == "cpu"):
        return DeviceRef.CPU()
    error = ValueError if isinstance(device, DeviceRef | str) else TypeError
    raise error(
        "device must be DeviceRef.CPU(), 'cpu' or None, as fastconv runs on CPUs; "
        f"got device={device!r}"
    )


@dataclass(frozen=True, slots=True)
class ShardingStrategy:
    """How `shard` makes several layers out of one.

    Made by `ShardingStrategy.replicate` or `ShardingStrategy.output_channels`.

    Attributes
    ----------
    kind : {"replicate", "output_channels"}
    num_devices : int
    """

    kind: Literal["replicate", "output_channels"]
    num_devices: int

    def __post_init__(self) -> None:
        if self.kind not in ("replicate", "output_channels"):
            raise ValueError(
                f"kind must be 'replicate' or 'output_channels'; got kind={self.kind!r}"
            )
        integer(self.num_devices, "num_devices", 1)

    @classmethod
    def replicate(cls, num_devices: int) -> "ShardingStrategy":
        """Up to `num_devices` whole layers that share one read-only packed filter."""
        return cls("replicate", num_devices)

    @classmethod
    def output_channels(cls, num_devices: int) -> "ShardingStrategy":
        """`num_devices` layers whose outputs, joined along the channels, are the whole layer's."""
        return cls("output_channels", num_devices)

    @property
    def is_replicate(self) -> bool:
        """Whether every device gets the whole layer."""
        return self.kind == "replicate"

    def place(self, devices: Iterable[Device]) -> list[DeviceRef]:
        """The CPUs that `devices` names, of a number that this strategy allows.

        Raises
        ------
        ValueError
            If there are none, too many, or (`output_channels`) too few.
        """
        places = [cpu(device) for device in devices]
        least = 1 if self.is_replicate else self.num_devices
        if not least <= len(places) <= self.num_devices:
            raise ValueError(
                f"{self.kind}({self.num_devices}) needs {least} to {self.num_devices} devices; "
                f"got {len(places)}"
            )
        return places
