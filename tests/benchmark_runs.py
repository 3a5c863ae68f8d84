"""Made-up results of the benchmarks, for the tests of what is shown of them."""

from collections.abc import Sequence

import numpy as np

from benchmarks.cases import ALL, Case
from benchmarks.results import WHOLE, CaseResult, Form, Results

LIMITS = {
    "threads": 2,
    "itemsize": 4,
    "peak_flops": [2.5e11, 2.4e11, 2.6e11],
    "l1_bytes": 98304,
    "l2_bytes": 4 << 20,
    "l3_bytes": 64 << 20,
    "l1_bytes_per_s": [6e11],
    "l2_bytes_per_s": [3e11],
    "l3_bytes_per_s": [9e10],
    "memory_bytes_per_s": [2e10],
}
SPEEDS = {  # share of the roofline, and error
    "fastconv": (0.85, 4e-7),
    "torch": (0.6, 5e-7),
    "onnxruntime": (0.5, 6e-7),
    "openvino": (0.75, 9e-7),
    "ncnn": (0.4, 2e-6),
    "mnn": (0.45, 8e-6),
    "jax": (0.3, 5e-7),
    "max": (0.55, 6e-7),
    "scipy": (0.05, 3e-7),
}
FAILURES = (("mnn", "wrong"), ("ncnn", "crashed"), ("max", "unsupported"))


def results(peers: Sequence[str] = tuple(SPEEDS), **options: object) -> Results:
    """A run without cases in which these peers are here, and mlx is not."""
    about: dict[str, dict[str, str | None]] = {
        peer: {"version": "1.2.3", "absent": None} for peer in peers
    }
    about["mlx"] = {"version": None, "absent": "No module named 'mlx'"}
    return Results(
        date="2026-01-02T03:04:05+00:00",
        command="python -m benchmarks layers",
        machine={"cpu": "Some <CPU> | 2.0", "cores": 2, "caches": {"l1": 49152}, "memory": 1 << 34},
        limits=dict(LIMITS),
        options={
            "threads": 2, "dtype": "float32", "batch": 1, "rounds": 7, "seconds": 0.05, **options
        },
        peers=about,
    )  # fmt: skip


def layer(case: Case, **seconds: float | Form) -> CaseResult:
    """A layer with a figure for each peer: the seconds of its only form, or the form."""
    forms = {
        peer: value if isinstance(value, Form) else Form([value] * 3, 1e-7, 1e-8)
        for peer, value in seconds.items()
    }
    return CaseResult(
        case.to_dict(), "layer", {peer: {"plain": form} for peer, form in forms.items()}, [2.5e11]
    )


def synthetic(cases: Sequence[Case] = ALL, seed: int = 1) -> Results:
    """A run of many peers over layers and two networks, with every kind of failure in it."""
    made = results()
    rng = np.random.default_rng(seed)
    for number, case in enumerate(cases):
        intensity = 2 * case.multiplications / case.minimal_bytes(4)
        least = max(2 * case.multiplications / 2.5e11, case.minimal_bytes(4) / 9e10)
        peers: dict[str, dict[str, Form]] = {}
        for peer, (speed, error) in SPEEDS.items():
            typical = least / (speed * rng.lognormal(-0.2, 0.3) * min(1, intensity / 10) ** 0.3)
            seconds = [float(typical * rng.lognormal(0, 0.03)) for _ in range(7)]
            size = float(error * rng.lognormal(0, 0.4))
            form = Form(seconds, size, size / 5)
            peers[peer] = {"channels_first": form}
        peers["torch"]["channels_last"] = Form(
            [1.2 * s for s in peers["torch"]["channels_first"].seconds], 6e-7, 1e-7
        )
        for i, (peer, status) in enumerate(FAILURES):
            if number % 5 == i:
                note = (
                    "error 0.7, must be at most 1e-5" if status == "wrong" else "no | <such> layer"
                )
                error = 0.7 if status == "wrong" else None
                peers[peer] = {"channels_first": Form([], error, error, status, note)}
        made.cases.append(
            CaseResult(
                case.to_dict(),
                "layer",
                peers,
                [2.5e11 + 1e9 * i for i in range(7)],
                number % 9 == 8,
            )
        )
    for name, time in (("resnet50", 0.06), ("mobilenetv2", 0.01)):
        peers = {
            peer: {"plain": Form([time / speed * (1 + 0.01 * i) for i in range(5)], 1e-5, 1e-6)}
            for peer, (speed, _) in list(SPEEDS.items())[:4]
        }
        peers["openvino"]["plain"] = Form([], None, None, "hung", "no answer within 60 s")
        peers["fastconv"]["plain"].error = None
        case = {"name": name, "batch": 1, "multiplications": 10**9, "reference": "fastconv"}
        made.cases.append(CaseResult(case, "network", peers, [2.5e11] * 5))
    return made


def variants(names: Sequence[str], speeds: Sequence[float], cases: Sequence[Case]) -> Results:
    """A run of fastconv in variants, each so many times as fast as a millisecond a call."""
    labels = [f"fastconv/{name}" for name in names]
    made = results(labels)
    rng = np.random.default_rng(2)
    for case in cases:
        times = {
            label: {
                "plain": Form([float(1e-3 / s * rng.lognormal(0, 0.05)) for _ in range(5)], 4e-7)
            }
            for label, s in zip(labels, speeds, strict=True)
        }
        made.cases.append(CaseResult(case.to_dict(), "layer", times, [2.5e11] * 5))
    return made


def small(name: str, *tags: str) -> Case:
    """A layer of 5000 multiplications: 10 GFLOP/s in a microsecond."""
    return Case(name, (10,), (1,), 10, 50, (1,), ((0, 0),), (1,), (0,), tags=tags)


def by_hand() -> Results:
    """Three layers with round figures, a wrong result and a crash."""
    made = results(["fastconv", "torch", "jax", "mnn"])
    made.cases = [
        layer(small("a", "conv1d"), fastconv=1e-6, torch=2e-6, jax=4e-6, mnn=2e-6),
        layer(small("b", "conv1d", "dilated", "tcn"), fastconv=1e-6, torch=0.5e-6, jax=4e-6),
        layer(small("c", "conv1d"), fastconv=2e-6, torch=16e-6, jax=4e-6),
    ]
    made.cases[1].peers["mnn"] = {"plain": Form([1e-9] * 3, 0.5, 0.1, "wrong")}
    made.cases[2].peers["mnn"] = {WHOLE: Form(status="crashed")}
    made.cases[2].wide = True
    for result in made.cases:
        result.peak = [2e10]
    return made
