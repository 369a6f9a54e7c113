"""What `ringfence doctor` says about one part."""

from dataclasses import dataclass

GOOD, LOOK, BAD = "ok", "look", "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing checked. `state` is ok, look (not wrong, but read it) or failed."""

    check: str
    state: str
    detail: str
