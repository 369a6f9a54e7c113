"""An answer's explanation, for people: what it says as JSON, in tables."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from policies.terminal import folding

Json = Mapping[str, Any]


def print_explanation(found: Json, console: Console) -> None:
    """Print the plan, what was found and what became of it, and each sentence that the generator wrote."""
    _plan(found["plan"], console)
    if found["candidates"]:
        console.print(_candidates(found["candidates"]))
    if found["dropped"]:
        console.print(_dropped(found["dropped"]))
    hidden = {**(found["withheld"] or {}), "another tenant's": found["other_tenants"] or 0}
    for reason, count in hidden.items():
        if count:
            console.print(f"Not shown: {count} ({escape(reason)})")
    if found["claims"]:
        console.print(_claims(found["claims"]))


def _plan(plan: Json, console: Console) -> None:
    console.print(
        f"\nPlan: policy version {plan['epoch']}, {plan['conditions']} conditions in {plan['searches']} searches"
        + (", split" if plan["split"] else "")
        + (", searched again for more" if plan["rounds"] > 1 else "")
    )
    if plan["denied"] is not None:
        console.print(f"  nothing may be read: {escape(plan['denied'])}")
    for caller in plan["callers"]:
        console.print(f"  {escape(caller['subject'])}" + ("" if caller["complete"] else " (not all rules are shown)"))
        for rule in caller["rules"]:
            console.print(f"    {escape(rule['text'])}")


def _candidates(candidates: list[Json]) -> Table:
    table = folding("chunk", "document", *_SCORES, "given", "allowed by", title="Found")
    for one in candidates:
        given = "yes" if one["given"] else "no"
        why = given if one["why"] is None else f"{given}: {one['why']}"
        rule = one["decision"]["rule"]
        table.add_row(
            one["chunk"], one["document"], *_scores(one), why, "not shown" if rule is None else escape(rule["text"])
        )
    return table


def _dropped(dropped: list[Json]) -> Table:
    table = folding("chunk", "document", *_SCORES, "reason", "decided by", title="Dropped")
    for one in dropped:
        decision = one["decision"]
        said = "" if decision is None else escape(decision["reason"])
        table.add_row(one["chunk"], one["document"], *_scores(one), one["reason"], said)
    return table


def _claims(claims: list[Json]) -> Table:
    table = folding("sentence", "verdict", "reason", title="Written by the generator")
    for one in claims:
        reason = ", ".join(part for part in (one["reason"], one["gate"]) if part)
        table.add_row(escape(one["text"]), one["verdict"], reason)
    return table


_SCORES = ("dense", "lexical", "fused", "reranked")


def _scores(one: Json) -> list[str]:
    return ["" if one["scores"][name] is None else f"{one['scores'][name]:.4g}" for name in _SCORES]
