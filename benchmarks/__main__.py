"""``python -m benchmarks``: measure fastconv beside other libraries, and compare runs."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from fastconv import levels

from . import commandline, compare, machine, overhead, results, rounds
from .peers import SUBJECT
from .team import Spec, Team

SINGLE = {  # commands that only this library takes part in: their modules, with a main(options)
    "profile": "profile",
    "choices": "choices",
    "calibrate": "calibrate",
    "accuracy": "winograd_error",
}
INTERRUPTED = 130  # exit status, as a shell has it after Ctrl-C
MODULES = ("rich", "matplotlib", "tabulate", "scipy")
INSTALL = 'pip install -e ".[bench]"'

Fail = Callable[[str], NoReturn]


def _specs(options: Namespace) -> list[Spec]:
    """The workers of a command."""
    interpreters = {name: options.every_python or sys.executable for name in options.peers}
    interpreters[SUBJECT] = sys.executable
    interpreters |= options.pythons

    def spec(peer: str, variant: str = "", threads: int = options.threads, **more: str) -> Spec:
        label = f"{peer}/{variant}" if variant else peer
        return Spec(label, peer, threads, options.dtype, interpreters[peer], more)

    if options.command == "levels":
        return [spec(SUBJECT, level, FASTCONV_LEVEL=level) for level in levels.runnable()]
    if options.command == "threads":
        powers = (2**i for i in range(options.threads.bit_length()))
        counts = sorted({*powers, options.threads})
        return [spec(peer, str(n), n) for peer in options.peers for n in counts]
    return [spec(peer) for peer in options.peers]


def _jobs(options: Namespace) -> list[rounds.Job]:
    """The cases of a command."""
    if options.command == "networks":
        return [rounds.Network(name, options.batch) for name in options.cases]
    cases = [case.with_batch(options.batch) for case in options.cases]
    if options.command == "gradients":
        cases = [case.with_gradients() for case in cases]
    return [rounds.Layer(case, options.dtype) for case in cases]


def _blank(options: Namespace) -> results.Results:
    """The results of a run that has measured nothing yet."""
    return results.Results(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        command=options.text,
        machine=machine.describe(),
        limits={},
        options={
            name: getattr(options, name)
            for name in ("command", "threads", "dtype", "batch", "rounds", "seconds")
        },
        peers={},
    )


def _new_folder(options: Namespace, fail: Fail) -> Path:
    """Make the folder for the results of a new run."""
    name = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    folder = options.out or Path("benchmarks-results", name)
    if (folder / results.FILE).exists():
        fail(f"argument --out: must have no {results.FILE} yet, or be --resume; got {folder}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"argument --out: must be a folder that can be written; got {error}")
    return folder


def _check_same(old: results.Results, new: results.Results, fail: Fail) -> None:
    """A run goes on only with what it began with."""
    for what in ("options", "machine", "peers"):
        before, after = getattr(old, what), getattr(new, what)
        changed = [name for name in before | after if before.get(name) != after.get(name)]
        if changed:
            fail(
                f"argument --resume: must have the {what} of the run that it goes on with, "
                f"which was `{old.command}` with {_listed(before, changed)}; "
                f"got {_listed(after, changed)}"
            )


def _listed(values: dict[str, Any], names: list[str]) -> str:
    """Some of the values by name; of a peer its version, or why it is absent."""

    def text(value: Any) -> object:
        if not isinstance(value, dict) or "version" not in value:
            return value
        return value["version"] or value["absent"]

    return ", ".join(f"{name}={text(values.get(name))}" for name in names)


def _measure(options: Namespace, fail: Fail) -> int:
    """Run one of the commands that measure; the exit status."""
    from . import progress

    run = _blank(options)
    with Team(_specs(options)) as team, progress.Display() as display:
        display("phase", text="starting the libraries")
        run.peers = team.start()
        if not team.labels:
            why = "; ".join(f"{label}: {reason}" for label, reason in team.absent.items())
            fail(f"argument --peers: one must be installed at least; got {why}")
        folder = options.resume or _new_folder(options, fail)
        if options.resume:
            _check_same(options.begun, run, fail)
            run = options.begun
        else:
            display("phase", text="measuring the machine")
            itemsize = np.dtype(options.dtype).itemsize
            run.limits = machine.limits(options.threads, itemsize, 1 if options.quick else 3)
        how = rounds.Options(
            options.threads,
            options.dtype,
            options.rounds,
            options.seconds,
            options.time_limit,
            options.seed,
        )
        finished = rounds.run(run, _jobs(options), team, how, folder / results.FILE, display)
    if run.cases:
        _show(run)
        _report(run, folder)
    if not finished:
        same = ", with the same --python" * bool(options.pythons or options.every_python)
        print(f"Interrupted. To go on: python -m benchmarks --resume {folder}{same}")
        return INTERRUPTED
    return 0


def _show(run: results.Results) -> None:
    """The tables of a run on the terminal."""
    from rich.console import Console

    from . import progress, tables

    console = Console()
    progress.show_tables(console, tables.everything(run))
    console.print(tables.legend(run), markup=False, highlight=False, soft_wrap=True)


def _report(run: results.Results, folder: Path) -> None:
    from . import report

    print(f"Written: {report.write(run, folder)[0]} and the rest of {folder}")


def _compare(old: results.Results, new: results.Results) -> None:
    from rich.console import Console

    from . import progress, tables

    comparison = compare.compare(old, new)
    headers, rows = compare.rows(comparison)
    words = frozenset([1, len(headers) - 1])
    table = tables.Table("The new run beside the old one", "", headers, rows, words=words)
    progress.show_tables(Console(), [table])
    print("\n".join(compare.summary(comparison)))


def _run(options: Namespace, fail: Fail) -> int:
    """Do what the options say; the exit status."""
    if options.command == "overhead":
        overhead.main()
        return 0
    missing = [module for module in MODULES if find_spec(module) is None]
    if missing:
        fail(f"{', '.join(missing)} must be installed, in the checkout: {INSTALL}")
    if options.command == "compare":
        _compare(options.old[1], options.new[1])
    elif options.command == "report":
        path, run = options.run
        _report(run, path.parent)
    elif options.command in SINGLE:
        import_module(f"benchmarks.{SINGLE[options.command]}").main(options)
    else:
        return _measure(options, fail)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    options, fail = commandline.parse(sys.argv[1:] if argv is None else argv)
    try:
        return _run(options, fail)
    except KeyboardInterrupt:
        print("Interrupted.")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
