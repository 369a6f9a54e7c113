"""How rules, edits and answers about them look as JSON: the same from the command line and from the API."""

from collections.abc import Sequence
from typing import Any

from policies.check import Decision
from policies.desk import Outcome, Visible
from policies.edits import Edit
from policies.enquiries import Explained, Readers
from policies.explain import NearMiss, Verdict
from policies.history import Revision
from policies.paths import Path
from policies.plan import Clause, DenyAll, Plan
from policies.rules import Attributes, Caller, RoleLink, Rule
from policies.simulate import Change, Simulation
from policies.survey.readers import Reach, Reader, label, stands_for
from policies.wording import describe, rule_id

Json = dict[str, Any]


def rule_json(rule: Rule) -> Json:
    return {
        "id": rule_id(rule),
        "subject": rule.subject,
        "action": rule.action,
        "department": rule.department,
        "tags": sorted(rule.tags),
        "owner": rule.owner,
        "document": rule.document,
        "level": rule.level.name.lower(),
        "effect": rule.effect.value,
    }


def link_json(link: RoleLink) -> Json:
    return {"member": link.member, "parent": link.parent}


def policy_json(tenant: str, visible: Visible) -> Json:
    """`whole` is false where the reader administers a part of the tenant: then these are not all lines."""
    return {
        "tenant": tenant,
        "epoch": visible.epoch,
        "whole": visible.whole,
        "rules": [rule_json(rule) for rule in visible.rules],
        "links": [link_json(link) for link in visible.links],
    }


def edit_json(edit: Edit) -> Json:
    return {
        "added_rules": [rule_json(rule) for rule in edit.add_rules],
        "removed_rules": [rule_json(rule) for rule in edit.remove_rules],
        "added_links": [link_json(link) for link in edit.add_links],
        "removed_links": [link_json(link) for link in edit.remove_links],
    }


def outcome_json(tenant: str, outcome: Outcome, *, dry_run: bool) -> Json:
    """`simulation` is null where the edit changed nothing, or was a repetition of one that is already made."""
    return {
        "tenant": tenant,
        "epoch": outcome.epoch,
        "stored": outcome.stored,
        "repeated": outcome.repeated,
        "dry_run": dry_run,
        **edit_json(outcome.edit),
        "simulation": None if outcome.simulation is None else simulation_json(outcome.simulation),
    }


def simulation_json(simulation: Simulation) -> Json:
    return {
        "people": simulation.people,
        "documents": simulation.documents,
        "actions": list(simulation.actions),
        "gainers": simulation.gainers,
        "losers": simulation.losers,
        "gains": simulation.gains,
        "losses": simulation.losses,
        "changes": [_change_json(change) for change in simulation.changes],
        "canaries": [
            {"caller": caller_json(exposure.caller), "document": exposure.document} for exposure in simulation.canaries
        ],
    }


def caller_json(caller: Caller) -> Json:
    """`group` is set where the caller stands for anybody whom the identity provider puts into it."""
    group = stands_for(caller)
    return {"name": label(caller), "subject": None if group else caller.subject, "group": group}


def attributes_json(attributes: Attributes) -> Json:
    return {
        "document": attributes.document,
        "department": attributes.department,
        "level": attributes.level.name.lower(),
        "tags": sorted(attributes.tags),
        "owner": attributes.owner,
        "shares": sorted(attributes.shares),
        "denied_shares": sorted(attributes.denied_shares),
        "compartments": sorted(attributes.compartments),
    }


def decision_json(decision: Decision) -> Json:
    return {
        "allowed": decision.allowed,
        "action": decision.action,
        "reason": decision.reason,
        "rule": None if decision.rule is None else rule_json(decision.rule),
        "error": decision.error,
    }


def explained_json(found: Sequence[Explained]) -> list[Json]:
    """The document as a whole first, then each stricter kind of paragraph in it."""
    return [
        {
            "attributes": attributes_json(one.attributes),
            "decision": decision_json(one.explanation.decision),
            "callers": [_verdict_json(verdict) for verdict in one.explanation.verdicts],
        }
        for one in found
    ]


def readers_json(found: Sequence[Readers]) -> list[Json]:
    return [
        {
            "attributes": attributes_json(one.attributes),
            "people": one.people,
            "readers": [_reader_json(reader) for reader in one.readers],
        }
        for one in found
    ]


def reach_json(reach: Reach) -> Json:
    return {
        "total": reach.total,
        "by_department": dict(reach.by_department),
        "by_level": {level.name.lower(): count for level, count in reach.by_level.items()},
        "examples": [_example_json(example) for example in reach.examples],
    }


def revision_json(revision: Revision) -> Json:
    return {
        "epoch": revision.epoch,
        "at": revision.at.isoformat(),
        "author": revision.author,
        "reason": revision.reason,
        **edit_json(revision.edit),
    }


def plan_json(compiled: Plan) -> Json:
    if isinstance(compiled, DenyAll):
        return {"plan": "deny_all", "reason": compiled.reason}
    grants = [
        {
            "subject": grant.subject,
            "allow": [_clause_json(clause) for clause in grant.allow],
            "deny": [_clause_json(clause) for clause in grant.deny],
            "closure": sorted(grant.closure),
            "compartments": sorted(grant.compartments),
        }
        for grant in compiled.grants
    ]
    return {"plan": "conditions", "epoch": compiled.epoch, "grants": grants}


def _clause_json(clause: Clause) -> Json:
    return {
        "departments": _sorted(clause.departments),
        "tags": sorted(clause.tags),
        "owner": clause.owner,
        "documents": _sorted(clause.documents),
        "shared_with": _sorted(clause.shared_with),
        "max_level": clause.max_level.name.lower(),
    }


def _change_json(change: Change) -> Json:
    gain, loss = change.gain, change.loss
    return {
        "caller": caller_json(change.caller),
        "action": change.action,
        "gained": 0 if gain is None else gain.documents,
        "lost": 0 if loss is None else loss.documents,
        "level_rises": gain is not None and gain.level_rises,
        "highest_gained": None if gain is None else gain.highest.name.lower(),
        "compartments_gained": [] if gain is None else sorted(gain.compartments),
        "gained_examples": [] if gain is None else [_example_json(example) for example in gain.examples],
        "lost_examples": [] if loss is None else [_example_json(example) for example in loss.examples],
    }


def _verdict_json(verdict: Verdict) -> Json:
    return {
        "subject": verdict.caller.subject,
        "decision": decision_json(verdict.decision),
        "path": _path_json(verdict.path),
        "denied_shares": [_path_json(path) for path in verdict.veto.denied_shares],
        "missing_compartments": list(verdict.veto.missing_compartments),
        "nearest": [_near_json(near) for near in verdict.nearest],
    }


def _near_json(near: NearMiss) -> Json:
    return {
        "rule": rule_json(near.rule),
        "description": describe(near.rule),
        "path": _path_json(near.path),
        "failed": [
            {"column": failure.column.value, "wanted": failure.wanted, "found": failure.found}
            for failure in near.failures
        ],
    }


def _reader_json(reader: Reader) -> Json:
    return {"caller": caller_json(reader.caller), "rule": rule_json(reader.rule), "path": _path_json(reader.path)}


def _path_json(path: Path | None) -> Json | None:
    return None if path is None else {"names": list(path.names), "vouched": path.vouched}


def _example_json(attributes: Attributes) -> Json:
    return {
        "document": attributes.document,
        "department": attributes.department,
        "level": attributes.level.name.lower(),
        "compartments": sorted(attributes.compartments),
    }


def _sorted(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)
