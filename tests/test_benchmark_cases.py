"""The benchmark's layers: names, groups, shapes and selection."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import fastconv
from benchmarks import cases
from benchmarks.cases import goals
from benchmarks.cases.case import Case
from benchmarks.cases.layer import conv1d, conv2d, depthwise2d

NAMES = [case.name for case in cases.ALL]


def test_names_are_unique():
    assert len(set(NAMES)) == len(NAMES)


def test_no_layer_is_listed_twice():
    nameless = [replace(case, name="", tags=(), source="") for case in cases.ALL]
    assert len(set(nameless)) == len(nameless)


def test_every_case_is_a_layer():
    for c in cases.ALL:
        assert min(c.output_size) > 0, c.name
        assert c.in_channels % c.groups == 0 == c.out_channels % c.groups, c.name
        axes = c.size, c.kernel, c.stride, c.padding, c.dilation, c.output_padding
        assert {len(axis) for axis in axes} == {c.dims}, c.name
        assert c.source and {"goals", *cases.NETWORKS} & set(c.tags), c.name


@pytest.mark.parametrize(
    ("case", "name"),
    [
        (conv2d(56, 3, 64, 64), "3x3 64>64 @56"),
        (conv2d(28, 3, 256, 256, dilation=2), "3x3 d2 256>256 @28"),
        (conv2d(56, 3, 64, 32, stride=2, groups=4), "3x3 s2 g4 64>32 @56"),
        (conv2d((513, 257), (1, 7), 3, 8), "1x7 3>8 @513x257"),
        (depthwise2d(112, 3, 96, stride=2), "dw 3x3 s2 96 @112"),
        (conv1d(1000, 31, 256, 256, groups=256), "1-D dw k31 256 x1000"),
        (
            conv2d(64, 3, 64, 32, stride=2, padding=1, transposed=True, output_padding=1),
            "transposed 3x3 s2 op1 64>32 @64",
        ),
    ],
)
def test_name(case, name):
    assert case.name == name


def test_goals_and_quick_are_there():
    groups = cases.groups()
    assert set(goals.OF_NETWORKS) | {case.name for case in goals.others()} == set(groups["goals"])
    assert set(goals.QUICK) == set(groups["quick"]) == {case.name for case in cases.QUICK}
    assert set(goals.TRAINING) == {case.name for case in cases.TRAINING}


def test_every_group_has_cases_and_every_kind_a_quick_one():
    groups = cases.groups()
    assert all(groups.values())
    for kind in cases.KINDS:
        assert set(groups[kind]) & set(groups["quick"]), kind
    assert {tag for case in cases.ALL for tag in case.tags} == set(groups)


SMALL = [
    conv2d((9, 6), (3, 2), 4, 6, stride=2, padding=(1, 0), groups=2),
    conv2d(7, 3, 2, 3, dilation=2),
    depthwise2d(5, 3, 4),
    conv1d(12, 4, 1, 5, stride=3, padding=(2, 1)),
    conv1d(10, 2, 3, 3, dilation=4, padding=(4, 0)),
]


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_shapes_are_those_of_fastconv(case):
    function = fastconv.conv1d if case.dims == 1 else fastconv.conv2d
    x, weight = np.zeros(case.input_shape), np.zeros(case.weight_shape)
    stride, dilation = (
        values[0] if case.dims == 1 else values for values in (case.stride, case.dilation)
    )
    padding = [amount for axis in case.padding for amount in axis]
    y = function(x, weight, stride=stride, padding=padding, dilation=dilation, groups=case.groups)
    assert y.shape == case.output_shape


def test_transposed_shapes():
    case = conv1d(6, 5, 8, 4, stride=3, padding=1, groups=2, transposed=True, output_padding=2)
    assert case.output_size == (5 * 3 - 2 + 4 + 2 + 1,)
    assert case.weight_shape == (5, 2, 8)
    assert case.multiplications == 6 * 8 * 5 * 2


@pytest.mark.parametrize("name", ["1x1 1024>256 @14", "transposed 1-D k16 s8 512>256 x75"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays(name, dtype):
    (case,) = cases.select(name)
    x, weight, bias = case.arrays(dtype)
    assert x.shape == case.input_shape
    assert weight.shape == case.weight_shape
    assert bias.shape == (case.out_channels,)
    assert all(a.dtype == dtype and a.flags.c_contiguous for a in (x, weight, bias))
    assert math.isclose(np.std(weight) * math.sqrt(case.reduction), 1, rel_tol=0.05)
    assert all(map(np.array_equal, case.arrays(dtype), (x, weight, bias)))


def test_batch():
    case = cases.ALL[0]
    assert case.with_batch(1) == case
    eight = case.with_batch(8)
    assert eight.name == case.name + " n8"
    assert eight.input_shape[0] == eight.output_shape[0] == 8
    assert eight.multiplications == 8 * case.multiplications
    assert eight.with_batch(1) == case


def test_gradients():
    case = cases.ALL[0].with_batch(8)
    learning = case.with_gradients()
    assert learning.name == case.name + " gradients"
    assert learning.multiplications == 3 * case.multiplications
    assert learning.minimal_bytes(4) == 2 * case.minimal_bytes(4)
    assert learning.arrays("float32")[3].shape == case.output_shape
    sizes = [math.prod(s) for s in (case.output_shape, case.input_shape, case.weight_shape)]
    assert learning.ends == (sizes[0], sizes[0] + sizes[1], sum(sizes))
    assert case.ends == ()


def test_json():
    for case in (*cases.ALL, cases.ALL[0].with_gradients()):
        assert Case.from_dict(json.loads(json.dumps(case.to_dict()))) == case


def names(text):
    return [case.name for case in cases.select(text)]


def test_select_group_name_or_part():
    assert names("resnet50") == cases.groups()["resnet50"]
    assert names("1x1 s2 256>512 @56") == ["1x1 s2 256>512 @56"]
    assert names("dw 7x7") == [name for name in NAMES if "dw 7x7" in name]


def test_select_by_whole_name_gives_that_case_alone():
    assert all(names(name) == [name] for name in NAMES)


def test_select_keeps_the_order_without_duplicates():
    chosen = names("vgg16, 3x3 512>512 @28, resnet50,vgg16")
    assert chosen == [name for name in NAMES if name in set(chosen)]
    assert set(chosen) == set(names("resnet50")) | set(names("vgg16"))


@pytest.mark.parametrize("text", ["", "resnet51", "vgg16,", "vgg16, 9x9"])
def test_select_says_what_there_is(text):
    with pytest.raises(ValueError, match=r"cases must be groups or parts.*resnet50.*depthwise"):
        cases.select(text)
