"""An explanation as JSON: `explain` in the record of an answer, and beside the passages of a search."""

from typing import Any

from policies.rules import Rule
from policies.shapes import rule_json
from policies.wording import describe
from rag.query.account import Account
from rag.query.explained import Candidate, Dropped, Explanation, Judgement, PlanExplained, RulesOf, Scores

Json = dict[str, Any]


def explained(account: Account | None) -> Json:
    """`explain`, with what the path left in `account`; nothing where nothing was to be explained."""
    if account is None:
        return {}
    found = account.explanation
    if found is None:
        raise RuntimeError("the path of the question ended without an explanation")
    return {"explain": _json(found)}


def _json(found: Explanation) -> Json:
    return {
        "plan": _plan_json(found.plan),
        "candidates": [_candidate_json(one) for one in found.candidates],
        "dropped": [_dropped_json(one) for one in found.dropped],
        "withheld": None if found.withheld is None else dict(found.withheld),
        "other_tenants": found.other_tenants,
        "claims": [_judgement_json(one) for one in found.judgements],
    }


def _plan_json(plan: PlanExplained) -> Json:
    return {
        "epoch": plan.epoch,
        "denied": plan.denied,
        "callers": [_rules_json(one) for one in plan.callers],
        "conditions": plan.conditions,
        "searches": plan.searches,
        "split": plan.searches > 1,
        "rounds": plan.rounds,
    }


def _rules_json(one: RulesOf) -> Json:
    return {"subject": one.subject, "rules": [_rule_json(rule) for rule in one.rules], "complete": one.complete}


def _candidate_json(one: Candidate) -> Json:
    return {
        "chunk": one.chunk,
        "document": one.document,
        "scores": _scores_json(one.scores),
        "decision": {"allowed": True, "rule": _rule_json(one.rule)},
        "given": one.fate.given,
        "why": None if one.fate.whole else one.fate.value,
    }


def _dropped_json(one: Dropped) -> Json:
    decision = one.decision
    told: Json | None = None
    if decision is not None:
        told = {"allowed": decision.allowed, "rule": _rule_json(decision.rule), "reason": decision.reason}
    return {
        "chunk": one.chunk,
        "document": one.document,
        "scores": _scores_json(one.scores),
        "reason": one.reason.value,
        "decision": told,
    }


def _rule_json(rule: Rule | None) -> Json | None:
    return None if rule is None else rule_json(rule) | {"text": describe(rule)}


def _scores_json(scores: Scores) -> Json:
    return {
        "dense": scores.dense,
        "lexical": scores.lexical,
        "fused": scores.fused,
        "reranked": scores.reranked,
    }


def _judgement_json(one: Judgement) -> Json:
    return {
        "text": one.text,
        "verdict": one.verdict.value,
        "reason": None if one.objection is None else one.objection.value,
        "gate": None if one.gate is None else one.gate.value,
    }
