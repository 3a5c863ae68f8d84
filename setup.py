"""Build of the native modules: the drivers once, the micro-kernels once per level.

Metadata lives in pyproject.toml. `FASTCONV_NO_OPENMP=1` builds a serial package.
"""

from __future__ import annotations

import os
import platform
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError

# The stable ABI of Python 3.11: one wheel serves every later version.
ABI = "0x030B0000"
KERNELS = ["-O3", "-g0", "-std=c11", "-ffp-contract=fast", "-fno-math-errno", "-fvisibility=hidden"]
DRIVERS = ["-O2", "-g0", "-std=c11", "-fvisibility=hidden"]
V3 = ["-mavx2", "-mfma", "-mbmi", "-mbmi2"]
V4 = [*V3, "-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mavx512cd"]
IS_X86 = platform.machine().lower() in ("x86_64", "amd64")
LEVELS = {"baseline": [], **({"x86_64_v3": V3, "x86_64_v4": V4} if IS_X86 else {})}


MODULES = (
    "levels",
    "memory",
    "costs",
    "packing",
    "plan",
    "planes",
    "panels",
    "direct",
    "dot",
    "lanewise",
    "winograd",
    "gradient",
    "winograd_gradient",
    "elementwise",
    "machine",
)


class BuildExt(build_ext):
    """Probes the compiler, then compiles the micro-kernels of each level that it can."""

    def build_extensions(self) -> None:
        self.force = True  # flags may have changed, which file times do not show
        openmp = self.openmp_flags()
        levels = [name for name in LEVELS if self.can_compile_level(name)]
        self.parallel = self.parallel or os.cpu_count()
        with ThreadPoolExecutor(self.parallel) as pool:
            objects = list(pool.map(self.compile_level, levels))
        for extension in self.extensions:
            extension.extra_compile_args += openmp
            extension.extra_link_args += openmp
            if extension.name.endswith(".levels"):
                extension.extra_objects += objects
                extension.define_macros += [(f"FC_HAVE_{name.upper()}", "1") for name in levels]
        super().build_extensions()

    def can_compile(self, source: str, flags: list[str], link: bool = False) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "probe.c")
            path.write_text(source)
            try:
                objects = self.compiler.compile(
                    [str(path)], output_dir=folder, extra_postargs=flags
                )
                if link:
                    self.compiler.link_executable(
                        objects, "probe", output_dir=folder, extra_postargs=flags
                    )
            except (CompileError, LinkError):
                return False
        return True

    def openmp_flags(self) -> list[str]:
        program = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"
        if os.environ.get("FASTCONV_NO_OPENMP", "0") != "1":
            if self.can_compile(program, ["-fopenmp"], link=True):
                return ["-fopenmp"]
            warnings.warn("the compiler lacks OpenMP: building a serial fastconv", stacklevel=1)
        return []

    def can_compile_level(self, name: str) -> bool:
        if name == "baseline":
            return True
        features = [flag.removeprefix("-m") for flag in LEVELS[name]]
        supports = " && ".join(f'__builtin_cpu_supports("{f}")' for f in features)
        program = f"#include <immintrin.h>\nint main(void) {{ return {supports}; }}\n"
        if self.can_compile(program, LEVELS[name]):
            return True
        warnings.warn(f"the compiler cannot build level {name}: leaving it out", stacklevel=1)
        return False

    def compile_level(self, name: str) -> str:
        (compiled,) = self.compiler.compile(
            ["src/micro/level.c"],
            output_dir=str(Path(self.build_temp, name)),
            macros=[("FC_TABLES", f"fc_tables_{name}")],
            extra_postargs=KERNELS + LEVELS[name],
        )
        return compiled


class BdistWheel(bdist_wheel):
    def finalize_options(self) -> None:
        self.py_limited_api = "cp311"
        super().finalize_options()


def extension(name: str) -> Extension:
    return Extension(
        f"fastconv._native.{name}",
        [f"src/drivers/{name}.pyx"],
        include_dirs=["src/micro", "src/drivers"],
        define_macros=[("Py_LIMITED_API", ABI)],
        extra_compile_args=list(DRIVERS),
        py_limited_api=True,
    )


setup(
    ext_modules=cythonize(
        [extension(name) for name in MODULES],
        include_path=["."],
        build_dir="build/cython",
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
        },
    ),
    cmdclass={"build_ext": BuildExt, "bdist_wheel": BdistWheel},
)
