"""How much memory this process holds, and held at most. Linux."""

from pathlib import Path

from rag.errors import Misuse

_PEAK_RESET = Path("/proc/self/clear_refs")


def held_from_now_on_mb() -> float:
    """What is held now; the highest is counted anew.

    Raises:
        Misuse: not on Linux, whose kernel tells how much memory was held at most.
    """
    if not _PEAK_RESET.exists():
        raise Misuse("This eval reads what a process held at most from /proc, which is there on Linux only.")
    _PEAK_RESET.write_text("5")
    return _mb("VmRSS")


def held_at_most_mb() -> float:
    """The highest since it was last counted anew."""
    return _mb("VmHWM")


def _mb(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {name}")
