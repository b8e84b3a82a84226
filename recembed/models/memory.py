"""How much main memory is left."""

from pathlib import Path

LIMIT = Path("/sys/fs/cgroup")  # of a container


def free_memory() -> int | None:
    """Bytes that can still be used without swapping; None where the system does not tell."""
    known = [free for free in (_of_system(), _of_container()) if free is not None]
    return min(known, default=None)


def _of_system() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        told = dict(line.split(":", 1) for line in lines)
        return int(told["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def _of_container() -> int | None:
    files = (LIMIT / "memory.max", LIMIT / "memory.current")
    try:
        most, used = (int(file.read_text(encoding="ascii")) for file in files)
    except (OSError, ValueError):  # "max" where there is no limit
        return None
    return max(0, most - used)
