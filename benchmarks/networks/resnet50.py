"""ResNet-50: He et al. 2016, arXiv:1512.03385, table 1.

Version 1.5, as in torchvision: the 3x3 of a bottleneck has the stride, not the 1x1 before it.
"""

from .graph import Network, Value


def describe() -> Network:
    """The network for images of 224x224."""
    net = Network("resnet50", (224, 224, 3))
    x = net.conv(net.input, 64, 7, stride=2, padding=3, activation="relu")
    x = net.max_pool(x, 3, stride=2, padding=1)
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            x = bottleneck(net, x, width, stride if block == 0 else 1)
    net.linear(net.global_average(x), 1000)
    return net


def bottleneck(net: Network, x: Value, width: int, stride: int) -> Value:
    """1x1, 3x3 and 1x1 to four times the width, beside x or a projection of it."""
    residual = x
    if x.shape[-1] != 4 * width:
        residual = net.conv(x, 4 * width, 1, stride=stride)
    y = net.conv(x, width, 1, activation="relu")
    y = net.conv(y, width, 3, stride=stride, padding=1, activation="relu")
    return net.conv(y, 4 * width, 1, activation="relu", residual=residual)
