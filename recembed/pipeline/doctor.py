"""What this machine has and lacks: versions, extras, processor, compiler, caches."""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

FLAGS = ("avx2", "avx512f", "avx512_bf16")  # what NumPy, Annoy and torch have own kernels for
NOT_FOR_USERS = ("demo", "dev")  # extras that only the repository's scripts install
ANNOY_AT_WORK = "import annoy as a; i = a.AnnoyIndex(1, 'dot'); i.add_item(0, [1.0]); i.build(1)"


@dataclass(frozen=True)
class Check:
    """One finding. ok with a remedy: nothing is wrong, the remedy adds what is optional."""

    name: str
    ok: bool
    found: str
    remedy: str | None = None


def doctor() -> list[Check]:
    """Every check, in the order to read them; loads NumPy, never torch."""
    return [
        _python(),
        *_packages(),
        Check("processor", True, f"{processor()}; {_flags()}"),
        Check("cores", True, f"{usable_cores()} usable"),
        Check("memory", True, f"{memory() / 2**30:.1f} GiB"),
        _blas(),
        *_cuda(),
        *_building(),
        *_annoy(),
        _cache(),
    ]


def processor() -> str:
    """Model name of the processor."""
    return (
        _cpuinfo("model name")
        or _said("sysctl", "-n", "machdep.cpu.brand_string")
        or platform.processor()
        or platform.machine()
    )


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """Bytes of main memory; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


def satisfies(version: str, specifiers: str) -> bool:
    """Whether a version is in a range such as `>=2.4,<3`; parts it cannot read are passed."""
    tests = {
        "==": lambda have, want: have == want,
        ">=": lambda have, want: have >= want,
        "<=": lambda have, want: have <= want,
        "<": lambda have, want: have < want,
        ">": lambda have, want: have > want,
    }
    for operator, want in re.findall(r"(==|>=|<=|<|>)\s*([\d.]+)(?![\d.*])", specifiers):
        if not tests[operator](_numbers(version), _numbers(want)):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    """Release numbers without trailing zeros: 2.0, 2.0.0 and 2.0+cpu are one version."""
    release = re.match(r"[\d.]*", version.split("+")[0])
    numbers = [int(part) for part in (release[0] if release else "").split(".") if part]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _python() -> Check:
    version = platform.python_version()
    found = f"{version} ({platform.system()} {platform.machine()})"
    ok = sys.version_info >= (3, 11)
    return Check("python", ok, found, None if ok else "install Python 3.11 or newer")


def _packages() -> Iterator[Check]:
    try:
        yield Check("recembed", True, metadata.version("recembed"))
        requirements = metadata.requires("recembed") or []
    except metadata.PackageNotFoundError:
        remedy = "pip install -e . in the repository, or pip install recembed"
        yield Check("recembed", False, "a folder that is not installed", remedy)
        return
    for requirement in requirements:
        package, _, marker = requirement.partition(";")
        extra = re.search(r"extra\s*==\s*['\"](.+?)['\"]", marker)
        if extra is None or extra[1] not in NOT_FOR_USERS:
            yield _package(package, extra[1] if extra else None)


def _package(requirement: str, extra: str | None) -> Check:
    """One package of the requirement, `torch<3,>=2.4`, against what is installed."""
    parts = re.match(r"\s*([\w.-]+)(?:\[.*?\])?\s*\(?(.*?)\)?\s*$", requirement)
    name, range_ = (parts[1], parts[2]) if parts else (requirement, "")
    install = f"pip install 'recembed[{extra}]'" if extra else f"pip install '{name}{range_}'"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        found = "not installed (optional)" if extra else "not installed"
        return Check(name, extra is not None, found, install)
    if satisfies(version, range_):
        return Check(name, True, version)
    return Check(name, False, f"{version}, tested with {range_}", f"pip install '{name}{range_}'")


def _cpuinfo(field: str) -> str:
    """The first value of a field in Linux's list of processors; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(rf"^{field}\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _flags() -> str:
    flags = _cpuinfo("flags").split()
    if not flags:
        return f"{platform.machine()}, features unknown"
    has = [flag for flag in FLAGS if flag in flags]
    lacks = [flag for flag in FLAGS if flag not in flags]
    return f"has {', '.join(has) or 'none'}" + (f", lacks {', '.join(lacks)}" if lacks else "")


def _said(*command: str) -> str:
    """What a command prints; empty if it is not there or fails."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _blas() -> Check:
    try:
        import numpy as np
        from threadpoolctl import threadpool_info  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        return Check("blas", False, str(error))
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    if not pools:
        return Check("blas", True, f"of NumPy {np.__version__}, unknown to threadpoolctl")
    kinds = {f"{p['internal_api']} {p['version']}, {p['num_threads']} threads" for p in pools}
    return Check("blas", True, "; ".join(sorted(kinds)))


def _cuda() -> Iterator[Check]:
    """From torch's version file, because importing torch takes seconds."""
    try:
        file = Path(str(metadata.distribution("torch").locate_file("torch/version.py")))
        built = re.search(r"^cuda\b.*=\s*(?:None|'([\d.]+)')", file.read_text(), re.MULTILINE)
    except (metadata.PackageNotFoundError, OSError):
        return
    driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi")
    seen = "an NVIDIA driver is there" if driver else "no NVIDIA driver is there"
    cuda = built[1] if built else None
    has = f"torch is built for CUDA {cuda}" if cuda else "torch is built for the CPU only"
    remedy = "to use the GPU: install the CUDA build of torch" if driver and not cuda else None
    yield Check("cuda", True, f"{has}; {seen}", remedy)


def _installed(package: str) -> bool:
    return any(True for _ in metadata.distributions(name=package))


def _building() -> Iterator[Check]:
    """Annoy is compiled on the user's machine: without these its installation fails."""
    idle = _installed("annoy")  # built already
    own = os.environ.get("CXX", "").split()[:1]
    compiler = next(filter(None, map(shutil.which, [*own, "c++", "g++", "clang++"])), None)
    yield Check(
        "C++ compiler",
        compiler is not None or idle,
        compiler or "none (Annoy is built from source)",
        None if compiler else "apt install g++ | dnf install gcc-c++ | xcode-select --install",
    )
    header = Path(sysconfig.get_path("include")) / "Python.h"
    there = header.exists()
    yield Check(
        "Python headers",
        there or idle,
        str(header) if there else "no Python.h (Annoy is built from source)",
        None if there else "apt install python3-dev | dnf install python3-devel",
    )


def _annoy() -> Iterator[Check]:
    """In a process of its own: an Annoy built for another processor kills the interpreter."""
    if not _installed("annoy"):
        return
    command = [sys.executable, "-c", ANNOY_AT_WORK]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        code, said = done.returncode, done.stderr.strip().splitlines()[-1:]
    except (OSError, subprocess.TimeoutExpired) as error:
        code, said = 1, [str(error)]
    if code == 0:
        yield Check("annoy works", True, "an index can be built")
        return
    why = f"killed by signal {-code}: built for another processor" if code < 0 else "".join(said)
    remedy = "pip install --force-reinstall --no-cache-dir --no-deps --no-binary annoy annoy"
    yield Check("annoy works", False, why, remedy)


def _cache() -> Check:
    try:
        from recembed.data.cards import default_cache
    except ImportError as error:
        return Check("cache folder", False, str(error))
    folder = default_cache()
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    ok = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    remedy = None if ok else "set RECEMBED_CACHE to a folder that can be written"
    return Check("cache folder", ok, f"{folder}{'' if ok else ' cannot be written'}", remedy)
