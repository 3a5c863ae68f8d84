"""The generator of HiFi-GAN V1: Kong et al. 2020, arXiv:2010.05646, appendix A, table 5."""

from .graph import LeakyReLU, Network, Value

UPSAMPLING = ((16, 8), (16, 8), (4, 2), (4, 2))  # kernel, stride
KERNELS, DILATIONS = (3, 7, 11), (1, 3, 5)
LEAKY, LAST = LeakyReLU(0.1), LeakyReLU(0.01)


def describe() -> Network:
    """The network for 100 frames of 80 mel bands, weight normalisation folded into its weights."""
    net = Network("hifigan", (100, 80))
    channels = 512
    x = net.conv(net.input, channels, 7, padding=3, activation=LEAKY)
    for stage, (kernel, stride) in enumerate(UPSAMPLING, start=1):
        channels //= 2
        padding = (kernel - stride) // 2
        x = net.conv_transpose(x, channels, kernel, stride=stride, padding=padding)
        x = net.mean(*(residual_block(net, x, kernel) for kernel in KERNELS))
        x = net.activate(x, LEAKY if stage < len(UPSAMPLING) else LAST)
    net.activate(net.conv(x, 1, 7, padding=3), "tanh")
    return net


def residual_block(net: Network, x: Value, kernel: int) -> Value:
    """Three times, a dilated convolution and one that is not, added to what went in."""
    for dilation in DILATIONS:
        y = net.activate(x, LEAKY)
        y = net.conv(
            y,
            x.shape[-1],
            kernel,
            padding=dilation * (kernel - 1) // 2,
            dilation=dilation,
            activation=LEAKY,
        )
        x = net.conv(y, x.shape[-1], kernel, padding=kernel // 2, residual=x)
    return x
