"""All trials of the self-test, cheap ones first, and the evals that have none."""

from collections.abc import Mapping

from evals.selftest.trial import Trial
from evals.selftest.trials import access, answers, attacks, ingestion, leaks, privacy, search, services

TRIALS: tuple[Trial, ...] = (
    access.EQUIVALENCE,
    access.SPEED,
    access.REVOCATION,
    access.SEARCH,
    access.HUNT,
    search.DRIFT,
    search.RETRIEVAL,
    privacy.OUTGOING,
    privacy.PRIVACY,
    privacy.UNMASK,
    privacy.SEARCH,
    attacks.INJECTION,
    attacks.REDTEAM,
    leaks.LEAK,
    answers.ABSTENTION,
    answers.ANSWERS,
    answers.GROUNDING,
    answers.PREFIXES,
    ingestion.RESYNC,
    ingestion.HOSTILE,
    services.FUZZ,
    services.LEAK_LIVE,
    services.SOAK,
)
UNTRIED: Mapping[str, str] = {
    "serve": "needs a model server",
    "tuning": "needs packages that train; `make test-tune` plants what it must notice",
    "selftest": "is this one; its own tests plant what it must notice",
}
"""Evals without a trial, and why. That none of them passes by measuring nothing is asked of them as of all."""
