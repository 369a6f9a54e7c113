"""The package's own entry points, whatever an earlier installation wrote down."""

import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def write_entry_points(site: Path) -> Path:
    """Describe a distribution with every group of entry points that the project declares. On `sys.path`, `site` makes
    them found."""
    groups = tomllib.loads(PROJECT.read_text())["project"]["entry-points"]
    info = site / "ringfence_commands-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ringfence-commands\nVersion: 0\n")
    sections = (
        f"[{group}]\n" + "".join(f"{name} = {at}\n" for name, at in one.items()) for group, one in groups.items()
    )
    (info / "entry_points.txt").write_text("\n".join(sections))
    return site
