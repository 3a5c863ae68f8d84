"""A program that uses the whole API with types: mypy --strict must accept it, and it must run.

Under --strict an ignore that is not needed is an error, so each of them says: mypy refuses this.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import fastconv
from fastconv import Alternative, Conv1D, Conv2d, DeviceRef, Explanation, ShardingStrategy, mlx

Floats = NDArray[np.floating[Any]]


class Tensor:
    """An array of some other library."""

    def __init__(self, array: NDArray[np.float32]) -> None:
        self._array = array

    def __dlpack__(self, **keywords: Any) -> Any:
        return self._array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def functions(x: NDArray[np.float32], weight: NDArray[np.float32]) -> Floats:
    bias = np.zeros(weight.shape[-1], np.float32)
    y: Floats = fastconv.conv2d(x, weight, bias, stride=(2, 1), padding=[1, 1, 2, 2])
    out: NDArray[np.float32] = np.empty(y.shape, np.float32)
    y = fastconv.conv2d(
        Tensor(x),
        Tensor(weight),
        stride=(2, 1),
        padding=(1, 1, 2, 2),
        pad_mode="reflect",
        activation=("leaky_relu", 0.1),
        residual=y,
        algorithm="direct",
        out=out,
        num_threads=2,
    )
    line: Floats = fastconv.conv1d(x[0], weight[0], padding="causal", activation="relu6")
    return np.concatenate([y.ravel(), line.ravel()])


def layers(x: NDArray[np.float32]) -> Floats:
    conv = Conv2d(3, x.shape[-1], 4, padding="same", has_bias=True, name="stem", rng=0)
    assert_type(conv.kernel_size, tuple[int, int])
    assert_type(conv.out_channels, int)
    conv.filter = np.ones_like(conv.filter)
    if conv.bias is not None:
        conv.bias = 0 * conv.bias
    twin = Conv2d((3, 3), x.shape[-1], 4, np.float32, padding=1, has_bias=True, name="stem")
    state: dict[str, Floats] = conv.state_dict()
    twin.load_state_dict(state, strict=True)
    conv.sharding_strategy = ShardingStrategy.replicate(2)
    shards: list[Conv2d] = conv.shard([DeviceRef.CPU(), "cpu"])
    step = Conv1D(3, 4, 4, padding="causal", activation="relu", rng=np.random.default_rng(0))
    assert_type(step.stride, int)
    lines: list[Conv1D] = [step]
    y: Floats = shards[0](x, residual=twin(x), num_threads=1)
    return lines[0](y[:, 0])


def planner(x: NDArray[np.float32]) -> Floats:
    conv = Conv2d(3, x.shape[-1], 4, padding=1, algorithm="measure")
    y: Floats = conv(x)
    told: Explanation = fastconv.explain(conv, x.shape, num_threads=2)
    best: Alternative = next(a for a in told.alternatives if a.name == told.chosen)
    assert_type(best.reason, str | None)
    assert_type(best.cost_threads, float)
    assert best.allowed and best.multiplications > 0 and best.name in str(told)
    assert fastconv.explain(told.problem).problem == told.problem
    with TemporaryDirectory() as folder:
        path = Path(folder, "wisdom.json")
        fastconv.save_wisdom(path)
        fastconv.forget_wisdom()
        fastconv.load_wisdom(str(path))
    return y


def transposed(x: NDArray[np.float32]) -> Floats:
    up = fastconv.ConvTranspose2d(4, x.shape[-1], 4, stride=(2, 2), padding=1, output_padding=1)
    y: Floats = up(x, out=None)
    up.weight = np.asarray(up.weight, np.float32)
    told: fastconv.TransposedExplanation = fastconv.explain(up, x.shape)
    assert told.parts[0].chosen in str(told)
    assert_type(up.output_padding, tuple[int, int])
    y = fastconv.conv_transpose2d(x, up.weight, stride=2, padding=(1, 1, 0, 0), groups=1)
    norm = fastconv.WeightNormConvTranspose1d(4, x.shape[-1], 4, stride=(1, 2), has_bias=True)
    norm.weight_g = 2 * norm.weight_g
    norm.load_state_dict({**norm.state_dict(), "other": x}, strict=False)
    assert_type(norm.conv.length, int)
    y = fastconv.conv_transpose1d(x[0], norm.weight_v, norm.bias, padding=(0, 0, 1, 1))
    return fastconv.WeightNormConv1d(3, 4, 2, padding="causal", activation="relu")(y)


class Scale(fastconv.Module):
    """A module of one's own."""

    def __init__(self) -> None:
        self.scale = fastconv.Parameter(np.ones(1, np.float32), "scale")

    def forward(self, x: Floats) -> Floats:
        return x * self.scale.values

    def backward(self, dy: Floats) -> Floats:
        return dy * self.scale.values


def modules(x: NDArray[np.float32]) -> Floats:
    net = fastconv.Sequential(Conv2d(3, x.shape[-1], 4, padding=1, activation="relu"), Scale())
    net.set_train_mode()
    y: Floats = net(x)
    dx: Floats = net.backward(y)
    for p in net.parameters().values():
        if p.grad is not None:
            p.values -= 0.1 * p.grad
            p.values = p.values - 0.1 * p.grad
    net.zero_grad()
    net.load_state_dict(net.to_device("cpu").state_dict())
    with TemporaryDirectory() as folder:
        net.save(Path(folder, "net.npz"))
        net.load(str(Path(folder, "net.npz")))
    theirs = fastconv.simplegrad.Conv2d(x.shape[-1], 2, (3, 2), pad_width=(1, 0, 1, 0))
    assert_type(theirs.weight, fastconv.Parameter)
    layer = mlx.nn.Conv2d(x.shape[-1], 2, kernel_size=3, padding=(1, 0))
    layer.update({"bias": layer.bias + 1}).eval()
    z: Floats = mlx.conv_general(x, layer.weight, stride=[1, 2], padding=([1, 1], [0, 1]))
    return np.concatenate([a.ravel() for a in (dx, layer(x), z, theirs(x.transpose(0, 3, 1, 2)))])


def refused(x: NDArray[np.float32], weight: NDArray[np.float32]) -> None:
    fastconv.conv2d(x, weight, pad_mode="zeros")  # type: ignore[arg-type]
    fastconv.conv2d(x, weight, stride="2")  # type: ignore[arg-type]
    fastconv.conv2d(x, weight, activation="gelu")  # type: ignore[arg-type]
    fastconv.conv1d(x, weight, stride=(1, 1))  # type: ignore[arg-type]
    fastconv.conv2d([1.0], weight)  # type: ignore[arg-type]
    fastconv.conv2d(x, weight, None, 2)  # type: ignore[call-arg]
    fastconv.explain(weight, x.shape)  # type: ignore[call-overload]
    fastconv.explain(Conv2d(3, 4, 8), x.shape).chosen = "direct"  # type: ignore[misc]
    Conv2d(3, 4, 8).stride = (2, 2)  # type: ignore[misc]
    Conv2d(3, 4, 8, rate=2)  # type: ignore[call-arg]


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 8, 9, 3), np.float32)
    weight = rng.standard_normal((3, 3, 3, 4), np.float32)
    results = functions(x, weight), layers(x), planner(x), transposed(x), modules(x)
    config: dict[str, Any] = fastconv.show_config(mode="dicts")
    assert all(bool(np.isfinite(result).all()) for result in results)
    assert config["fastconv"] == fastconv.__version__


if __name__ == "__main__":
    main()
