"""VGG-16: Simonyan and Zisserman 2015, arXiv:1409.1556, table 1, column D."""

from .graph import Network


def describe() -> Network:
    """The network for images of 224x224."""
    net = Network("vgg16", (224, 224, 3))
    x = net.input
    for channels, convs in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(convs):
            x = net.conv(x, channels, 3, padding=1, activation="relu")
        x = net.max_pool(x, 2, stride=2)
    x = net.linear(x, 4096, activation="relu")
    x = net.linear(x, 4096, activation="relu")
    net.linear(x, 1000)
    return net
