"""The report of a run beside a live service; the floors see to it that nothing passes by doing nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from evals.leak.judge import Findings
from evals.leak.run import examples
from evals.live.ground import Ground
from evals.live.revoking import Revoked
from evals.live.sweep import LiveWorld
from evals.live.telling_apart import SURFACES, Samples, figures_of
from evals.runner.report import Gate, Report
from evals.runner.values import Json


@dataclass(frozen=True, slots=True)
class Run:
    """What was planted, the worlds as they were before the revocations, and what came back."""

    ground: Ground
    worlds: tuple[LiveWorld, ...]
    askers: int
    pairs: int
    findings: Findings
    samples: Samples
    revoked: Revoked


def report_of(run: Run) -> Report:
    """Figures, and the gates that compare them with the size of the run."""
    ground, findings = run.ground, run.findings
    readers = {
        (world.tenant, frozenset(p for p in one.place.people if section.stored.name in world.readable((p,))))
        for one, world in zip(ground.planted, run.worlds, strict=True)
        for section in one.sections
    }
    words = [word for one in ground.planted for canary in one.canaries for word in canary.words]
    in_sql = {word for section in ground.sections for word in section.words}
    opened, tried = findings.found["passage"], findings.calls["passage"]
    figures: dict[str, Json] = {
        "leaks": len(findings.leaks),
        "wrongly_hidden": len(findings.hidden),
        "unmasked": len(findings.unmasked),
        "failed_calls": len(findings.failed),
        "checked": sum(findings.calls.values()),
        "tenants": len(ground.planted),
        "existing_tenants_planted_in": sum(one.place.like == one.place.tenant for one in ground.planted),
        "askers": run.askers,
        "classes_of_rights": sum(one.place.classes for one in ground.planted),
        "classes_with_a_person": sum(len(one.place.people) for one in ground.planted),
        "canaries": sum(len(one.canaries) for one in ground.planted),
        "sections": len(ground.sections),
        "sets_of_readers": len(readers),
        "words": len(words),
        "words_masked": len(set(words) - in_sql),
        "fingerprints": findings.fingerprints,
        "readers_without_hits": findings.readers_without_hits,
        "passages_opened": opened,
        "passages_refused": tried - opened,
        "revocation": {
            "people": run.revoked.people,
            "found_before": run.revoked.found_before,
            "asked_after": run.revoked.asked_after,
            "stale": sum(surface.startswith("revoked:") for _, surface, _, _ in findings.leaks),
        },
        "apart": figures_of(run.samples),
        "surfaces": {name: {"calls": findings.calls[name], "found": findings.found[name]} for name in findings.calls},
        "examples": _without_text(examples(findings)),
    }
    standing = len({section.stored.document for section in ground.sections})
    most = run.askers * len(ground.sections)
    gates = (
        Gate("canaries that stand", "at least", sum(len(one.canaries) for one in ground.planted), standing),
        Gate("passages tried", "at least", max(1, most), tried),
        Gate("searches", "at least", max(1, most), findings.calls["search"]),
        Gate("pairs asked", "at least", max(1, run.pairs * len(SURFACES)), _pairs(run.samples)),
    )
    return Report("leak-live", figures, gates)


def _without_text(found: list[Json]) -> list[Json]:
    """Examples name the section, not the words: in an existing tenant they may be those of a real document."""
    return [{**one, "what": str(one["what"]).partition(": ")[0]} for one in found if isinstance(one, Mapping)]


def _pairs(samples: Samples) -> int:
    return sum(len(calls) // 2 for calls in samples.by_surface.values())
