"""The parent's side of a worker process: ask, wait for a limited time, tell crashes from hangs.

A worker is stopped between two questions, so that threads which it leaves spinning take nothing
from the next one's time.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import IO, Any

from .worker import without_paths

CHECKOUT = Path(__file__).parent.parent
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
START_LIMIT = 300.0  # seconds: the first import of a large library from a cold disk
EXIT_LIMIT = 5.0
NOTE_LINES = 3


class WorkerFailed(Exception):
    """A worker gave no answer, or an error.

    Attributes
    ----------
    status : {"crashed", "hung", "failed"}
        After "failed" the worker still lives.
    note : str
        What is known about it, without paths.
    """

    def __init__(self, status: str, note: str) -> None:
        super().__init__(f"{status}: {note}")
        self.status = status
        self.note = note


class Worker:
    """A process with one peer in it.

    It dies with the thread that started it, so that should be one that lasts. A context manager.

    Parameters
    ----------
    peer : str
        One of `benchmarks.peers.NAMES`.
    threads : int
    dtype : {"float32", "float64"}
    python : str
        The interpreter that has NumPy and the peer's library.
    environment : dict, optional
        Variables to set beside this process's own and those for threads.
    module : str, optional
        The adapter, where it is not the one that `peer` names.
    start_limit : float
        Seconds until it must have started.

    Attributes
    ----------
    version : str or None
        The library's; None if it is absent.
    absent : str or None
        Why there is no library.
    pid : int

    Raises
    ------
    WorkerFailed
        If it does not come to the point of saying whether the library is there.
    """

    def __init__(
        self,
        peer: str,
        threads: int,
        dtype: str,
        python: str = sys.executable,
        environment: dict[str, str] | None = None,
        module: str | None = None,
        start_limit: float = START_LIMIT,
    ) -> None:
        variables = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
        variables |= environment or {}
        path = [str(CHECKOUT), *filter(None, [variables.get("PYTHONPATH")])]
        variables["PYTHONPATH"] = os.pathsep.join(path)
        arguments = [peer, str(threads), dtype, *filter(None, [module])]
        self._unread = b""
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.worker", *arguments],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=CHECKOUT,
            env=variables,
            start_new_session=True,
        )
        self.pid = self._process.pid
        try:
            first = self._answer(start_limit)
        except BaseException:
            self.close()
            raise
        self.version: str | None = first.get("version")
        self.absent: str | None = first.get("absent")
        self._stop()

    def ask(self, request: dict[str, Any], limit: float) -> dict[str, Any]:
        """The answer to a request.

        Parameters
        ----------
        request : dict
            ``{"do": ...}``, see `benchmarks.worker.Server`.
        limit : float
            Seconds after which the worker counts as hung and is killed.

        Returns
        -------
        dict

        Raises
        ------
        WorkerFailed
            After "crashed" and "hung" the worker is closed.
        """
        if self._process.poll() is not None:
            raise WorkerFailed("crashed", "the worker has ended")
        try:
            self._signal(signal.SIGCONT)
            assert self._process.stdin
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            answer = self._answer(limit)
        except BrokenPipeError:
            raise self._crashed() from None
        except BaseException:
            self.close()
            raise
        self._stop()
        if not answer["ok"]:
            raise WorkerFailed("failed", answer["error"])
        return answer

    def close(self) -> None:
        """Kill the process, if it still runs."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._stderr):
            assert stream
            stream.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, limit: float) -> dict[str, Any]:
        """The next line from the worker."""
        assert self._process.stdout
        end = monotonic() + limit
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(end - monotonic(), 0)):
                    raise WorkerFailed("hung", f"no answer within {limit:g} s")
                received = self._process.stdout.read(1 << 16)
                if not received:
                    raise self._crashed()
                self._unread += received
        line, self._unread = self._unread.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _crashed(self) -> WorkerFailed:
        """What can be said of a process that ended by itself; closes it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(EXIT_LIMIT)
        self._signal(signal.SIGKILL)
        code = self._process.wait()
        ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace").split("\n")
        last = [line.strip() for line in said if line.strip()][-NOTE_LINES:]
        self.close()
        return WorkerFailed("crashed", without_paths("; ".join([ended, *last])))

    def _stop(self) -> None:
        """Stop all its threads, and wait until they are."""
        if self.absent is None:
            self._signal(signal.SIGSTOP)
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            os.killpg(self.pid, number)
