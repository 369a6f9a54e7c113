"""How much the detector finds and how often it alarms for nothing, by source and part."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from evals.injection.sets import Labelled
from evals.runner.values import Json
from rag.injection.detect import codes_of

Detect = Callable[[Iterable[str]], tuple[str, ...]]


def measure(texts: Iterable[Labelled], detect: Detect = codes_of) -> dict[str, Json]:
    """`false_alarms` and `recall` by source and part, `recall_groups` by kind of attack."""
    seen: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    groups: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    for one in texts:
        found = bool(detect([one.text]))
        seen["attack" if one.kind == "attack" else "benign", one.source, one.part].append(found)
        if one.kind == "attack":
            groups[one.source, one.part, one.group].append(found)
    alarms = {(source, part): hits for (kind, source, part), hits in seen.items() if kind == "benign"}
    attacks = {(source, part): hits for (kind, source, part), hits in seen.items() if kind == "attack"}
    by_group: dict[str, Json] = {
        f"{source}.{part}": {
            group: f"{sum(hits)}/{len(hits)}" for (s, p, group), hits in groups.items() if (s, p) == (source, part)
        }
        for source, part in attacks
    }
    return {"false_alarms": _table(alarms), "recall": _table(attacks), "recall_groups": by_group}


def _table(hits: dict[tuple[str, str], list[bool]]) -> dict[str, Json]:
    return {
        f"{source}.{part}": {"texts": len(found), "found": sum(found), "found_ratio": _share(found)}
        for (source, part), found in sorted(hits.items())
    }


def _share(found: list[bool]) -> float:
    return round(sum(found) / len(found), 4)
