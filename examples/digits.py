"""A small network learns to read handwritten digits, with NumPy and fastconv alone.

Three convolutions with fused activations and a linear head, some lines of NumPy, see scikit-learn's
1797 digits of 8 x 8 pixels in shuffled batches, each digit moved by up to a pixel; SGD with
momentum walks their parameters. The example draws the filters that were learned, the loss and the
digits that it still gets wrong.

``--engine torch`` trains the same network by PyTorch as well: from the same weights, with the same
batches in the same order. Both losses must be the same but for rounding, and the times are printed
side by side. Float64 is the default, because in float32 (``--dtype float32``) rounding lets the two
drift apart after some hundred steps.

Run ``python examples/digits.py`` after ``pip install ".[examples]"``.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sklearn.datasets import load_digits

import fastconv

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]

CLASSES, TESTS, BATCH = 10, 360, 64
RATE, MOMENTUM, DECAY = 0.1, 0.9, 1e-4


class Digits(NamedTuple):
    """Images ``(n, 8, 8, 1)`` from -1 to 1, and which digit each is."""

    images: Floats
    labels: Labels


def load(rng: np.random.Generator, dtype: str) -> tuple[Digits, Digits]:
    """What to learn from, and a fifth apart to test with."""
    data = load_digits()
    order = rng.permutation(len(data.target))
    images = (data.images[order, :, :, np.newaxis] / 8 - 1).astype(dtype)
    labels = data.target[order]
    return Digits(images[TESTS:], labels[TESTS:]), Digits(images[:TESTS], labels[:TESTS])


# ------------------------------------------------------------------------- the network, in NumPy


class Linear(fastconv.Module):
    """``x @ weight + bias``: a module of one's own needs no more than this."""

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator, dtype: str) -> None:
        bound = inputs**-0.5
        values = rng.uniform(-bound, bound, (inputs, outputs)).astype(dtype)
        self.weight = fastconv.Parameter(values, "weight")
        self.bias = fastconv.Parameter(np.zeros(outputs, dtype), "bias")

    def forward(self, x: Floats) -> Floats:
        self._x = x
        return x @ self.weight.values + self.bias.values

    def backward(self, dy: Floats) -> Floats:
        self.weight.accumulate(self._x.T @ dy)
        self.bias.accumulate(dy.sum(axis=0))
        return dy @ self.weight.values.T


class Network(fastconv.Module):
    """From ``(n, 8, 8, 1)`` by way of 4 x 4 pixels of 64 channels to ``(n, 10)``."""

    def __init__(self, rng: np.random.Generator, dtype: str) -> None:
        def layer(inputs: int, outputs: int, stride: int = 1) -> fastconv.Conv2d:
            return fastconv.Conv2d(
                kernel_size=3,
                in_channels=inputs,
                out_channels=outputs,
                dtype=dtype,
                stride=stride,
                padding=1,
                has_bias=True,
                activation="relu",
                rng=rng,
            )

        self.features = fastconv.Sequential(layer(1, 32), layer(32, 64, stride=2), layer(64, 64))
        self.head = Linear(4 * 4 * 64, CLASSES, rng, dtype)

    def forward(self, x: Floats) -> Floats:
        maps = self.features(x)
        self._shape = maps.shape
        return self.head(maps.reshape(len(x), -1))

    def backward(self, dy: Floats) -> Floats:
        return self.features.backward(self.head.backward(dy).reshape(self._shape))


def cross_entropy(scores: Floats, labels: Labels) -> tuple[float, Floats]:
    """The mean of ``-log(softmax(scores))`` at the labels, and its gradient."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    logarithms = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    chosen = np.arange(len(labels)), labels
    gradient = np.exp(logarithms)
    gradient[chosen] -= 1
    return -float(logarithms[chosen].mean()), gradient / len(labels)


class Momentum:
    """SGD with momentum and weight decay, as `torch.optim.SGD` computes them."""

    def __init__(self, module: fastconv.Module) -> None:
        self.parameters = list(module.parameters().values())
        self.velocities = [np.zeros_like(p.values) for p in self.parameters]

    def step(self, rate: float) -> None:
        for p, velocity in zip(self.parameters, self.velocities, strict=True):
            velocity *= MOMENTUM
            velocity += p.grad + DECAY * p.values
            p.values -= rate * velocity
            p.grad = None


class ByFastconv:
    """What trains `net`: `step` learns from a batch and returns its loss."""

    def __init__(self, net: Network) -> None:
        self.net = net
        self.optimizer = Momentum(net)
        net.set_train_mode()

    def step(self, images: Floats, labels: Labels, rate: float) -> float:
        loss, gradient = cross_entropy(self.net(images), labels)
        self.net.backward(gradient)
        self.optimizer.step(rate)
        return loss

    def predict(self, images: Floats) -> Labels:
        self.net.set_eval_mode()
        return self.net(images).argmax(axis=1)


# ---------------------------------------------------------------------------- the same, in PyTorch


class ByTorch:
    """The same network in PyTorch, with the weights that `net` has now."""

    def __init__(self, net: Network, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self.torch = torch
        state = {name: torch.tensor(array) for name, array in net.state_dict().items()}
        self.layers = []
        for i in range(3):
            weight = state[f"features.{i}.weight"].permute(3, 2, 0, 1)
            out, inputs = weight.shape[:2]
            layer = torch.nn.Conv2d(inputs, out, 3, stride=2 if i == 1 else 1, padding=1)
            layer.weight.data = weight.contiguous()
            layer.bias.data = state[f"features.{i}.bias"]
            self.layers.append(layer)
        self.head = torch.nn.Linear(*state["head.weight"].shape)
        self.head.weight.data = state["head.weight"].T.contiguous()
        self.head.bias.data = state["head.bias"]
        modules = torch.nn.ModuleList([*self.layers, self.head])
        self.optimizer = torch.optim.SGD(
            modules.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY
        )

    def scores(self, images: Floats) -> Any:
        x = self.torch.from_numpy(images).permute(0, 3, 1, 2)
        for layer in self.layers:
            x = layer(x).relu()
        return self.head(x.permute(0, 2, 3, 1).flatten(1))

    def step(self, images: Floats, labels: Labels, rate: float) -> float:
        scores, wanted = self.scores(images), self.torch.from_numpy(labels)
        loss = self.torch.nn.functional.cross_entropy(scores, wanted)
        self.optimizer.zero_grad()
        loss.backward()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return loss.item()

    def predict(self, images: Floats) -> Labels:
        with self.torch.no_grad():
            return self.scores(images).argmax(1).numpy()


# ---------------------------------------------------------------------------------------- training


def batches(digits: Digits, epochs: int, seed: int) -> Iterator[tuple[Floats, Labels, float]]:
    """Shuffled and moved batches of all epochs, with learning rates that fall as a cosine."""
    rng = np.random.default_rng(seed)
    each = len(digits.labels) // BATCH
    paper = np.pad(digits.images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-1)
    for epoch in range(epochs):
        order = rng.permutation(len(digits.labels))
        for i in range(each):
            chosen = order[i * BATCH : (i + 1) * BATCH]
            done = (epoch * each + i) / (epochs * each)
            rate = RATE * (1 + np.cos(np.pi * done)) / 2
            rows, columns = rng.integers(0, 3, (2, BATCH, 1)) + np.arange(8)
            images = paper[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]
            yield images, digits.labels[chosen], float(rate)


class Run(NamedTuple):
    """What one engine did."""

    name: str
    losses: list[float]
    seconds: float
    predictions: Labels


def train(name: str, engine: Any, digits: Digits, tests: Digits, options: Any) -> Run:
    """Learn from all batches, under a progress bar whose time does not count."""
    steps = options.epochs * (len(digits.labels) // BATCH)
    columns = (TextColumn("{task.description:9}"), BarColumn(), MofNCompleteColumn())
    more = (TimeElapsedColumn(), TextColumn("loss {task.fields[loss]:.4f}"))
    losses: list[float] = []
    seconds = 0.0
    with Progress(*columns, *more, disable=options.quiet) as progress:
        task = progress.add_task(name, total=steps, loss=np.nan)
        for images, labels, rate in batches(digits, options.epochs, options.seed):
            start = time.perf_counter()
            losses.append(engine.step(images, labels, rate))
            seconds += time.perf_counter() - start
            progress.update(task, advance=1, loss=losses[-1])
    return Run(name, losses, seconds, engine.predict(tests.images))


# ----------------------------------------------------------------------------------------- picture

PAPER, INK, FAINT, COLOURS = "#17181c", "#f2f2f0", "#9a9ca5", ("#7fd1ae", "#f2a65a")


def smooth(losses: list[float], width: int) -> NDArray[np.float64]:
    """Means over `width` steps."""
    return np.convolve(losses, np.full(width, 1 / width), mode="valid")


def draw(path: Path, net: Network, runs: list[Run], tests: Digits) -> None:
    """The filters of the first layer, the losses, and some mistakes, as a PNG."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"text.color": INK, "axes.labelcolor": FAINT, "font.size": 9})
    figure = pyplot.figure(figsize=(10, 6.4), facecolor=PAPER, layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(3, 2))
    left, right = top.subfigures(1, 2, width_ratios=(1, 1))
    for part in (top, bottom, left, right):
        part.set_facecolor(PAPER)

    left.suptitle("Filters of the first layer", color=INK)
    filters = net.features[0].filter
    most = abs(filters).max()
    for i, axes in enumerate(left.subplots(4, 8).flat):
        axes.imshow(filters[:, :, 0, i], cmap="RdBu_r", vmin=-most, vmax=most)
        axes.set_axis_off()

    right.suptitle("Loss", color=INK)
    axes = right.subplots()
    axes.set_facecolor(PAPER)
    for run, colour, line in zip(runs, COLOURS, ("-", "--"), strict=False):
        width = min(20, len(run.losses))
        axes.semilogy(smooth(run.losses, width), line, color=colour, label=run.name)
    axes.set_xlabel("step")
    axes.tick_params(colors=FAINT, which="both")
    for side in axes.spines.values():
        side.set_color(FAINT)
    axes.legend(facecolor=PAPER, edgecolor=PAPER, labelcolor=INK)

    wrong = np.flatnonzero(runs[0].predictions != tests.labels)
    bottom.suptitle(f"Mistakes: {len(wrong)} of {len(tests.labels)}", color=INK)
    places = bottom.subplots(1, 8)
    for axes in places:
        axes.set_axis_off()
    for i, axes in zip(wrong, places, strict=False):
        axes.imshow(tests.images[i, :, :, 0], cmap="gray")
        axes.set_title(f"{tests.labels[i]}, read as {runs[0].predictions[i]}", color=FAINT)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--engine",
        choices=["fastconv", "torch"],
        default="fastconv",
        help="torch: train by PyTorch as well, and compare",
    )
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    parser.add_argument("--epochs", type=int, default=20, help="(default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="(default: 0)")
    parser.add_argument("--out", type=Path, default=Path("digits.png"), help="the PNG")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args()
    if options.epochs < 1:
        parser.error(f"--epochs must be at least 1; got {options.epochs}")

    rng = np.random.default_rng(options.seed)
    digits, tests = load(rng, options.dtype)
    net = Network(rng, options.dtype)
    net.summary()
    threads = fastconv.show_config("dicts")["threads"]["default"]
    engines: dict[str, Callable[[], Any]] = {"fastconv": lambda: ByFastconv(net)}
    if options.engine == "torch":
        twin = ByTorch(net, threads)  # before anything is learned
        engines["torch"] = lambda: twin
    runs = [train(name, make(), digits, tests, options) for name, make in engines.items()]
    draw(options.out, net, runs, tests)

    steps = len(runs[0].losses)
    print(f"\n{options.epochs} epochs, {steps} steps of {BATCH} digits, {threads} threads")
    for run in runs:
        accuracy = (run.predictions == tests.labels).mean()
        print(
            f"  {run.name:9} {run.seconds:6.2f} s {1e3 * run.seconds / steps:7.2f} ms a step"
            f"   loss {run.losses[-1]:.5f}   {accuracy:.2%} of {len(tests.labels)} tests right"
        )
    if len(runs) > 1:
        ours, theirs = (np.array(run.losses) for run in runs)
        difference = abs(ours - theirs)
        print(
            f"Losses differ by {difference.max():.1e} at most, {np.median(difference):.1e} mostly"
        )
    print(f"Picture: {options.out.resolve()}")


if __name__ == "__main__":
    main()
