"""MobileNetV2: Sandler et al. 2018, arXiv:1801.04381, table 2."""

from .graph import Network, Value

STAGES = (  # expansion, channels, blocks, stride of the first
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def describe() -> Network:
    """The network for images of 224x224."""
    net = Network("mobilenetv2", (224, 224, 3))
    x = net.conv(net.input, 32, 3, stride=2, padding=1, activation="relu6")
    for expansion, channels, blocks, stride in STAGES:
        for block in range(blocks):
            x = inverted_residual(net, x, expansion, channels, stride if block == 0 else 1)
    x = net.conv(x, 1280, 1, activation="relu6")
    net.linear(net.global_average(x), 1000)
    return net


def inverted_residual(net: Network, x: Value, expansion: int, channels: int, stride: int) -> Value:
    """1x1 to more channels, 3x3 of each by itself, 1x1 to fewer, added to x where that fits."""
    wide = expansion * x.shape[-1]
    y = net.conv(x, wide, 1, activation="relu6") if expansion > 1 else x
    y = net.conv(y, wide, 3, stride=stride, padding=1, groups=wide, activation="relu6")
    fits = stride == 1 and x.shape[-1] == channels
    return net.conv(y, channels, 1, residual=x if fits else None)
