"""The command line: its subcommands and options, each checked before anything runs."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from fastconv import threads

from . import cases, machine, networks, peers, results
from .peers import SUBJECT

COMMANDS = {
    "layers": "single layers (the default)",
    "networks": "whole networks",
    "gradients": "single layers forward, and the gradients of input, weight and bias",
    "threads": "layers with 1, 2, 4, ... threads",
    "levels": "layers at each instruction-set level, fastconv only",
}
DTYPES = ("float32", "float64")  # networks have the first only
ROUNDS, SECONDS = 7, 0.05
QUICK_ROUNDS, QUICK_SECONDS = 3, 0.02
QUICK_NETWORK = "mobilenetv2"
TRAINING_BATCH = 8
ON_REQUEST = ("mlx", "max")  # take up to a second to compute, 20 to build: only where named


def _number(kind: type, low: float, high: float = float("inf")) -> Callable[[str], Any]:
    """A reader of numbers from `low` to `high`."""
    what = "a whole number" if kind is int else "a number"
    to = "or more" if high == float("inf") else f"to {high:g}"
    rule = f"must be {what}, {low:g} {to}"

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{rule}; got {text!r}")
        return value

    return read


def _threads(text: str) -> int:
    most, why = threads.explain()
    try:
        return int(_number(int, 1, most)(text))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}; the most is {why}") from None


def _subset(what: str, known: Sequence[str]) -> Callable[[str], list[str]]:
    """A reader of comma-separated names, in the order of `known`."""

    def read(text: str) -> list[str]:
        names = [part.strip() for part in text.split(",")]
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(
                    f"{what} must be of {', '.join(known)}; got {name!r}"
                )
        return [name for name in known if name in names]

    return read


def _cases(text: str) -> list[cases.Case]:
    try:
        return cases.select(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _python(text: str) -> tuple[str | None, str]:
    """PEER=PATH of an interpreter; without PEER=, None and the path."""
    peer, equals, path = text.partition("=")
    if equals and peer not in peers.NAMES:
        raise argparse.ArgumentTypeError(
            f"must be PATH, or PEER=PATH with a peer of {', '.join(peers.NAMES)}; got {text!r}"
        )
    found = shutil.which(path if equals else text)
    if found is None:
        raise argparse.ArgumentTypeError(f"the path must be of an interpreter; got {text!r}")
    return (peer if equals else None), os.path.abspath(found)


def _results(text: str) -> tuple[Path, results.Results]:
    """The path of a results.json, or of the folder that has it, and what is in it."""
    path = Path(text)
    if path.is_dir():
        path /= results.FILE
    try:
        return path, results.load(path)
    except OSError as error:
        reason = f"must be a {results.FILE} or a folder with one; got {path}: {error.strerror}"
        raise argparse.ArgumentTypeError(reason) from None
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    """All subcommands."""
    text = "fastconv beside other libraries, and one run beside another"
    more = "Without a command: layers. Each command has options of its own: COMMAND --help."
    parser = argparse.ArgumentParser("python -m benchmarks", description=text, epilog=more)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command, text in COMMANDS.items():
        _add_run_options(
            commands.add_parser(command, help=text, description=text, allow_abbrev=False), command
        )
    text = "what became faster or slower beyond the noise"
    comparing = commands.add_parser("compare", help=text, description=text)
    for name in ("old", "new"):
        text = f"{results.FILE} of the {name} run, or its folder"
        comparing.add_argument(name, type=_results, metavar=f"{name.upper()}.json", help=text)
    text = "write the report of a run once more"
    reporting = commands.add_parser("report", help=text, description=text)
    reporting.add_argument("run", type=_results, metavar="DIR", help=f"with {results.FILE}")
    text = "what a call and an import of fastconv cost beside the arithmetic"
    commands.add_parser("overhead", help=text, description=text)
    text = "where a case's time goes"
    profiling = commands.add_parser("profile", help=text, description=text)
    profiling.add_argument("case", type=_cases, metavar="CASE")
    _add_problem_options(profiling, DTYPES)
    text = "how good the planner's choices of an algorithm are"
    choosing = commands.add_parser("choices", help=text, description=text)
    text = "groups or parts of cases' names, with commas; default: all"
    choosing.add_argument("--cases", type=_cases, default=cases.ALL, metavar="NAMES", help=text)
    text = "random layers besides; default: %(default)s"
    choosing.add_argument("--random", type=_number(int, 0), default=200, metavar="N", help=text)
    _add_problem_options(choosing, DTYPES)
    text = "fit the costs of the planner's model to this machine"
    fitting = commands.add_parser("calibrate", help=text, description=text)
    fitting.add_argument("--dtype", choices=DTYPES, default=DTYPES[0], help="default: %(default)s")
    text = "change fastconv/costs.py, which is used from the next import on"
    fitting.add_argument("--write", action="store_true", help=text)
    text = "how accurate each algorithm and each choice of points is; writes docs/winograd.md"
    commands.add_parser("accuracy", help=text, description=text)
    return parser


def _add_problem_options(
    parser: argparse.ArgumentParser, dtypes: Sequence[str], batch: int = 1
) -> None:
    add = parser.add_argument
    text = "default: %(default)s"
    add("--threads", type=_threads, default=machine.usable_cores(), metavar="N", help=text)
    add("--dtype", choices=dtypes, default=dtypes[0], help=text)
    text = "images per call; default: %(default)s"
    add("--batch", type=_number(int, 1), default=batch, metavar="N", help=text)


def _add_run_options(parser: argparse.ArgumentParser, command: str) -> None:
    dtypes = DTYPES[:1] if command == "networks" else DTYPES
    _add_problem_options(parser, dtypes, TRAINING_BATCH if command == "gradients" else 1)
    add = parser.add_argument
    add("--quick", action="store_true", help="few cases and rounds: under a minute")
    if command == "networks":
        text = f"of {', '.join(networks.NAMES)}; default: all, quick {QUICK_NETWORK}"
        add("--cases", type=_subset("networks", networks.NAMES), metavar="NAMES", help=text)
    else:
        groups = ", ".join(cases.groups())
        usual = "training" if command == "gradients" else "all, or quick"
        text = f"groups ({groups}) or parts of cases' names, with commas; default: {usual}"
        add("--cases", type=_cases, metavar="NAMES", help=text)
    known = _known_peers(command)
    if command == "levels":
        parser.set_defaults(peers=None)
    else:
        installed = f"those installed, without {', '.join(ON_REQUEST)}"
        default = {"threads": SUBJECT, "layers": installed}.get(command, "those installed")
        text = f"of {', '.join(known)}; default: {default}"
        add("--peers", type=_subset("peers", known), metavar="NAMES", help=text)
    text = f"of turns; default: {ROUNDS}, quick {QUICK_ROUNDS}"
    add("--rounds", type=_number(int, 1), metavar="N", help=text)
    text = f"seconds of a turn; default: {SECONDS}, quick {QUICK_SECONDS}"
    add("--seconds", type=_number(float, 0.001), metavar="S", help=text)
    text = "of the order of turns; default: %(default)s"
    add("--seed", type=_number(int, 0), default=0, metavar="N", help=text)
    text = "seconds until a peer counts as hung; default: %(default)g"
    add("--time-limit", type=_number(float, 0.1), default=60.0, metavar="S", help=text)
    text = f"an interpreter with the library of a peer, or of all but {SUBJECT}; may be repeated"
    add("--python", type=_python, action="append", default=[], metavar="[PEER=]PATH", help=text)
    place = parser.add_mutually_exclusive_group()
    text = "a new folder for the results; default: benchmarks-results/<date-time>"
    place.add_argument("--out", type=Path, metavar="DIR", help=text)
    text = "go on with an interrupted run, with its options (but for --python)"
    place.add_argument("--resume", type=_results, metavar="DIR", help=text)


def _known_peers(command: str) -> Sequence[str]:
    """Those that a command may name."""
    return {"networks": networks.ENGINES, "gradients": peers.LEARNERS}.get(command, peers.NAMES)


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, Callable[[str], NoReturn]]:
    """The options, defaults of the command filled in, and what reports an error and exits.

    `layers` is the command where none is named, or with --resume that of the run.
    """
    parser = _parser()
    named = bool(argv) and (not argv[0].startswith("-") or argv[0] in ("-h", "--help"))
    argv = list(argv) if named else ["layers", *argv]
    chosen = parser.parse_args(argv)
    if getattr(chosen, "resume", None):
        command = shlex.split(chosen.resume[1].command)[3:]
        was = command[0] if command else "nothing"
        if was not in COMMANDS or (named and was != argv[0]):
            wanted = argv[0] if named else ", ".join(COMMANDS)
            parser.error(f"argument --resume: must be a run of {wanted}; got one of {was}")
        argv = [*command, *argv[1:]]
        chosen = parser.parse_args(argv)
    if chosen.command in COMMANDS:
        chosen.text = _without_paths(argv)
        _fill_in(chosen)
    return chosen, parser.error


def _fill_in(chosen: argparse.Namespace) -> None:
    """The options whose defaults depend on others."""
    quick = chosen.quick
    chosen.rounds = chosen.rounds or (QUICK_ROUNDS if quick else ROUNDS)
    chosen.seconds = chosen.seconds or (QUICK_SECONDS if quick else SECONDS)
    known = _known_peers(chosen.command)
    if chosen.command == "networks":
        usual = [QUICK_NETWORK] if quick else list(networks.NAMES)
    elif chosen.command == "gradients":
        usual = list(cases.TRAINING)
    else:
        usual = list(cases.QUICK if quick else cases.ALL)
    chosen.cases = chosen.cases or usual
    if chosen.command in ("threads", "levels"):
        known = (SUBJECT,)
    chosen.peers = chosen.peers or [name for name in known if name not in ON_REQUEST]
    pythons = dict(chosen.python)
    chosen.every_python = pythons.pop(None, None)
    chosen.pythons = pythons
    path, chosen.begun = chosen.resume or (None, None)
    chosen.resume = path and path.parent


def _without_paths(argv: Sequence[str]) -> str:
    """The command line, without the options that have paths."""
    words: list[str] = []
    skip = False
    for word in argv:
        name, equals, _ = word.partition("=")
        if skip:
            skip = False
        elif name in ("--python", "--out", "--resume"):
            skip = not equals
        else:
            words.append(word)
    return shlex.join(["python", "-m", "benchmarks", *words])
