"""A neural vocoder in NumPy, and clean 3x upsampling of a chirp: transposed convolution at work.

The vocoder is the generator of HiFi-GAN V1 (Kong et al. 2020, arXiv:2010.05646): a mel spectrogram
of 80 bands becomes 256 samples a frame, through four transposed convolutions and 74 others, all
weight-normalised. Its weights are seeded noise in the layout of PyTorch's checkpoints, so it sounds
like noise; a trained checkpoint loads the same way. Where PyTorch is installed, the same generator
runs there with the same weights, and the example ends with an error if the two differ.

The upsampling needs no training: a transposed convolution of stride 3 with a windowed sinc takes a
chirp from 8 to 24 kHz. It is written as a WAV file and as spectrograms, before (zeros between the
samples: two mirror images of the chirp) and after, and compared with the chirp itself.

Run ``python examples/vocoder.py`` after ``pip install ".[examples]"``.
"""

import argparse
import statistics
import time
import wave
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

import fastconv

Audio = NDArray[np.float32]
State = dict[str, NDArray[np.float32]]

# ---------------------------------------------------------------------------------- the vocoder

MELS, CHANNELS, SAMPLE_RATE = 80, 512, 22_050
UPSAMPLING = ((16, 8), (16, 8), (4, 2), (4, 2))  # kernel, stride
KERNELS, DILATIONS = (3, 7, 11), (1, 3, 5)
SLOPE = 0.1  # of leaky ReLU, but before the last layer


def checkpoint(seed: int) -> State:
    """Seeded weights by the names and in the shapes that PyTorch gives HiFi-GAN's."""
    rng = np.random.default_rng(seed)
    state: State = {}

    def add(name: str, shape: tuple[int, ...], fan_in: int, biases: int, gain: float) -> None:
        """Weights that make the variance of an output `gain` times that of its inputs."""
        norm = np.sqrt(gain * shape[1] * shape[2] / fan_in)
        state[f"{name}.weight_g"] = np.full((shape[0], 1, 1), norm, np.float32)
        state[f"{name}.weight_v"] = rng.standard_normal(shape, np.float32)
        state[f"{name}.bias"] = 0.01 * rng.standard_normal(biases, np.float32)

    def add_conv(name: str, inputs: int, outputs: int, kernel: int, gain: float) -> None:
        add(name, (outputs, inputs, kernel), inputs * kernel, outputs, gain)

    add_conv("conv_pre", MELS, CHANNELS, 7, 1)
    channels = CHANNELS
    for i, (kernel, stride) in enumerate(UPSAMPLING):
        half, reaching = channels // 2, channels * kernel // stride
        add(f"ups.{i}", (channels, half, kernel), reaching, half, 2)
        channels = half
        for j, kernel in enumerate(KERNELS):
            for k in range(len(DILATIONS)):
                block = f"resblocks.{i * len(KERNELS) + j}"
                add_conv(f"{block}.convs1.{k}", channels, channels, kernel, 2)
                add_conv(f"{block}.convs2.{k}", channels, channels, kernel, 0.2)
    add_conv("conv_post", channels, 1, 7, 0.2)
    return state


class Generator:
    """HiFi-GAN V1 from ``(n, frames, 80)`` to ``(n, 256 * frames)``."""

    def __init__(self, state: State) -> None:
        leaky = ("leaky_relu", SLOPE)
        self.pre = fastconv.WeightNormConv1d(
            7, MELS, CHANNELS, padding=3, has_bias=True, activation=leaky, name="conv_pre"
        )
        self.ups, self.blocks = [], []
        channels = CHANNELS
        for i, (kernel, stride) in enumerate(UPSAMPLING):
            self.ups.append(
                fastconv.WeightNormConvTranspose1d(
                    kernel,
                    channels,
                    channels // 2,
                    stride=stride,
                    padding=(kernel - stride) // 2,
                    has_bias=True,
                    name=f"ups.{i}",
                )
            )
            channels //= 2
            for j, kernel in enumerate(KERNELS):
                name = f"resblocks.{i * len(KERNELS) + j}"
                self.blocks.append(
                    [
                        (
                            self.conv(channels, kernel, d, f"{name}.convs1.{k}", leaky),
                            self.conv(channels, kernel, 1, f"{name}.convs2.{k}", None),
                        )
                        for k, d in enumerate(DILATIONS)
                    ]
                )
        self.post = fastconv.WeightNormConv1d(
            7, channels, 1, padding=3, has_bias=True, name="conv_post"
        )
        convs = [conv for block in self.blocks for pair in block for conv in pair]
        # channels-last weights are PyTorch's from the last axis to the first
        turned = {k: v.T if k.endswith("weight_v") else v for k, v in state.items()}
        for layer in (self.pre, *self.ups, *convs, self.post):
            layer.load_state_dict(turned, strict=False)

    @staticmethod
    def conv(
        channels: int, kernel: int, dilation: int, name: str, activation: tuple[str, float] | None
    ) -> fastconv.WeightNormConv1d:
        return fastconv.WeightNormConv1d(
            kernel,
            channels,
            channels,
            padding="same",
            dilation=dilation,
            has_bias=True,
            activation=activation,
            name=name,
        )

    def __call__(self, mel: Audio, num_threads: int | None = None) -> Audio:
        """Leaky ReLU and sums run within the convolutions where these come just before."""
        x = self.pre(mel, num_threads=num_threads)
        for i, up in enumerate(self.ups):
            x = up(x, num_threads=num_threads)
            total = np.zeros_like(x)
            active = np.empty_like(x)
            for block in self.blocks[i * len(KERNELS) : (i + 1) * len(KERNELS)]:
                y = x
                for dilated, plain in block:
                    inner = dilated(leaky_relu(y, SLOPE, out=active), num_threads=num_threads)
                    y = plain(inner, residual=y, num_threads=num_threads)
                total += y
            total /= len(KERNELS)
            x = leaky_relu(total, SLOPE if i < len(self.ups) - 1 else 0.01, out=total)
        return np.tanh(self.post(x, num_threads=num_threads))[..., 0]


def leaky_relu(x: Audio, slope: float, out: Audio) -> Audio:
    return np.maximum(x, np.float32(slope) * x, out=out)


def in_torch(state: State, threads: int) -> Callable[[Audio], Audio] | None:
    """The same generator in PyTorch, if that is installed."""
    try:
        import torch
    except ImportError:
        return None
    from torch.nn import functional as f

    torch.set_num_threads(threads)
    tensors = {k: torch.from_numpy(v) for k, v in state.items()}

    def weights(name: str) -> tuple[torch.Tensor, torch.Tensor]:
        g, v = tensors[f"{name}.weight_g"], tensors[f"{name}.weight_v"]
        return g * v / v.norm(dim=(1, 2), keepdim=True), tensors[f"{name}.bias"]

    names = {k.rpartition(".")[0] for k in state}
    ready = {name: weights(name) for name in names}

    def conv(x: torch.Tensor, name: str, dilation: int = 1) -> torch.Tensor:
        weight, bias = ready[name]
        padding = (weight.shape[2] - 1) * dilation // 2
        return f.conv1d(x, weight, bias, padding=padding, dilation=dilation)

    @torch.inference_mode()
    def run(mel: Audio) -> Audio:
        x = conv(torch.from_numpy(mel).transpose(1, 2), "conv_pre")
        for i, (kernel, stride) in enumerate(UPSAMPLING):
            x = f.leaky_relu(x, SLOPE)
            padding = (kernel - stride) // 2
            x = f.conv_transpose1d(x, *ready[f"ups.{i}"], stride=stride, padding=padding)
            total = 0
            for j in range(len(KERNELS)):
                y = x
                for k, dilation in enumerate(DILATIONS):
                    block = f"resblocks.{i * len(KERNELS) + j}"
                    inner = conv(f.leaky_relu(y, SLOPE), f"{block}.convs1.{k}", dilation)
                    y = y + conv(f.leaky_relu(inner, SLOPE), f"{block}.convs2.{k}")
                total = total + y
            x = total / len(KERNELS)
        return torch.tanh(conv(f.leaky_relu(x), "conv_post"))[:, 0].numpy()

    return run


def medians(jobs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median milliseconds of each job; they take turns, so that a busy machine hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(t) for name, t in times.items()}


def vocode(frames: int, repeats: int) -> None:
    """Run and time the generator, and check it against PyTorch."""
    state = checkpoint(0)
    generator = Generator(state)
    mel = np.random.default_rng(1).standard_normal((1, frames, MELS), np.float32)
    audio = generator(mel)
    threads = fastconv.show_config("dicts")["threads"]["default"]
    jobs: dict[str, Callable[[], object]] = {"fastconv": lambda: generator(mel)}
    theirs = in_torch(state, threads)
    if theirs:
        jobs["PyTorch"] = lambda: theirs(mel)
    seconds = audio.size / SAMPLE_RATE
    print(f"HiFi-GAN V1: {frames} frames to {seconds:.2f} s of audio, {threads} threads")
    for name, milliseconds in medians(jobs, repeats).items():
        print(f"  {name:10}{milliseconds:8.1f} ms {1e3 * seconds / milliseconds:8.1f}x real time")
    if theirs:
        difference = abs(audio - theirs(mel)).max() / abs(audio).max()
        print(f"  largest difference {difference:.1e} of the largest sample")
        if not difference < 1e-3:  # 80 layers of float32; NaN included
            raise SystemExit("fastconv and PyTorch differ")


# ------------------------------------------------------------------------------- the upsampling

RATE, FACTOR, SECONDS = 8_000, 3, 4.0
HALF = 32  # inputs on either side that an output is made of


def chirp(rate: int) -> Audio:
    """A tone that rises from 100 to 3600 Hz, faded in and out."""
    t = np.arange(int(SECONDS * rate)) / rate
    phase = 2 * np.pi * (100 * t + (3600 - 100) / (2 * SECONDS) * t**2)
    fade = np.minimum(1, 20 * np.minimum(t, SECONDS - t)).clip(0)
    return (0.5 * fade * np.sin(phase)).astype(np.float32)


def windowed_sinc() -> fastconv.ConvTranspose1d:
    """The layer that puts FACTOR samples where one was: a low pass at the old Nyquist rate."""
    taps = 2 * HALF * FACTOR + 1
    layer = fastconv.ConvTranspose1d(
        taps, 1, 1, stride=FACTOR, padding=taps // 2, output_padding=FACTOR - 1
    )
    t = np.arange(taps) - taps // 2
    sinc = np.sinc(t / FACTOR) * np.kaiser(taps, 8.0)
    layer.weight = sinc.astype(np.float32).reshape(taps, 1, 1)
    return layer


def write_wav(path: Path, audio: Audio, rate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((audio * 32767).round().clip(-32768, 32767).astype("<i2").tobytes())


def spectrograms(path: Path, sounds: dict[str, Audio], rate: int) -> None:
    figure, axes = plt.subplots(1, len(sounds), figsize=(11, 4), sharey=True, layout="constrained")
    for axis, (title, sound) in zip(axes, sounds.items(), strict=True):
        _, _, _, image = axis.specgram(
            sound + 1e-6, NFFT=512, noverlap=384, Fs=rate, vmin=-140, vmax=-40, cmap="magma"
        )
        axis.set(title=title, xlabel="seconds")
    axes[0].set_ylabel("Hz")
    figure.colorbar(image, ax=axes, label="dB per Hz")
    figure.savefig(path, dpi=120)


def upsample(out: Path) -> None:
    """Write the chirp at three times the rate, and say how near to the real one it is."""
    sound = chirp(RATE)[:, np.newaxis]
    zeros_between = fastconv.conv_transpose1d(
        sound, np.ones((1, 1, 1), np.float32), stride=FACTOR, output_padding=FACTOR - 1
    )[:, 0]
    clean = windowed_sinc()(sound)[:, 0]
    wanted = chirp(RATE * FACTOR)
    error = np.square(clean - wanted).mean() / np.square(wanted).mean()
    write_wav(out.with_suffix(".wav"), clean, RATE * FACTOR)
    sounds = {"Zeros between the samples": zeros_between, "Windowed sinc": clean}
    spectrograms(out.with_suffix(".png"), sounds, RATE * FACTOR)
    print(f"Chirp from {RATE} to {RATE * FACTOR} Hz: error {10 * np.log10(error):.0f} dB")
    print(f"  {out.with_suffix('.wav').resolve()}")
    print(f"  {out.with_suffix('.png').resolve()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("vocoder"), help="the WAV and PNG")
    parser.add_argument("--frames", type=int, default=100, help="mel frames (default: 100)")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each (default: 5)")
    options = parser.parse_args()
    for name in ("frames", "repeats"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1; got {getattr(options, name)}")
    vocode(options.frames, options.repeats)
    upsample(options.out)


if __name__ == "__main__":
    main()
