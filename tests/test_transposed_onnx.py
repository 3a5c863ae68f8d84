"""ONNX ConvTranspose's auto_pad and output_shape, as conv_transpose1d documents them."""

import numpy as np
import pytest

import fastconv

onnx = pytest.importorskip("onnx")
reference = pytest.importorskip("onnx.reference")


def of_onnx(x, weight, bias, **attributes):
    """What onnx.reference makes of a channel-first ConvTranspose."""
    helper = onnx.helper
    names = ["x", "w", "b"][: 2 + (bias is not None)]
    node = helper.make_node("ConvTranspose", names, ["y"], **attributes)
    floats = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info(n, floats, None) for n in names],
        [helper.make_tensor_value_info("y", floats, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    feed = dict(zip(names, (x, weight, bias), strict=False))
    return reference.ReferenceEvaluator(model).run(None, feed)[0]


def parameters(sizes, kernel, strides, auto_pad, output_shape):
    """fastconv's padding and output padding: the documented recipe."""
    pads, extra = [], []
    for size, k, s, output in zip(sizes, kernel, strides, output_shape, strict=True):
        total = (size - 1) * s + k - output
        before = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
        pads += [before, total - before] if total >= 0 else [0, 0]
        extra.append(-min(total, 0))
    return tuple(pads), tuple(extra)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("kernel", [(3, 3), (4, 4), (5, 3), (3, 7)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 2)])
def test_auto_pad(auto_pad, kernel, strides):
    run(kernel, strides, auto_pad, None)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("less", [0, 1, 2, 3])
def test_output_shape(auto_pad, less):
    """SAME_LOWER pads as no auto_pad does, of which onnx.reference makes something else."""
    whole = [(n - 1) * s + k for n, k, s in zip((4, 5), (3, 4), (3, 2), strict=True)]
    run((3, 4), (3, 2), auto_pad, [n - less for n in whole])


def test_more_outputs_than_inputs_reach():
    """Where onnx.reference pads by a negative number."""
    pads, extra = parameters((4, 5), (2, 2), (3, 3), "SAME_UPPER", (12, 15))
    assert (pads, extra) == ((0, 0, 0, 0), (1, 1))


@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 2, 1, 0]])
@pytest.mark.parametrize("output_padding", [(0, 0), (1, 1)])
def test_pads(pads, output_padding):
    x, weight, bias = arrays((3, 4))
    wanted = of_onnx(
        x, weight, bias, strides=[2, 2], pads=pads, output_padding=list(output_padding)
    )
    padding = (pads[0], pads[2], pads[1], pads[3])
    judge(x, weight, bias, wanted, (2, 2), padding, output_padding)


def arrays(kernel):
    rng = np.random.default_rng(0)
    shapes = (1, 4, 4, 5), (4, 3, *kernel), (3,)
    return (rng.integers(-4, 5, shape).astype(np.float32) for shape in shapes)


def run(kernel, strides, auto_pad, output_shape):
    x, weight, bias = arrays(kernel)
    sizes = x.shape[2:]
    shape = output_shape or [n * s for n, s in zip(sizes, strides, strict=True)]
    padding, extra = parameters(sizes, kernel, strides, auto_pad, shape)
    attributes = {"output_shape": output_shape} if output_shape else {}
    wanted = of_onnx(x, weight, bias, strides=list(strides), auto_pad=auto_pad, **attributes)
    judge(x, weight, bias, wanted, strides, padding, extra)


def judge(x, weight, bias, wanted, strides, padding, output_padding):
    layer = fastconv.ConvTranspose2d(
        weight.shape[2:],
        x.shape[1],
        len(bias),
        stride=strides,
        padding=padding,
        output_padding=output_padding,
        has_bias=True,
        permute=True,
    )
    layer.weight, layer.bias = weight, bias
    y = layer(x)
    assert y.shape == wanted.shape
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-4)
