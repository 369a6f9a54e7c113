"""Rules as people read them: a short id to name one by, and a sentence to know it by."""

import hashlib

from policies.rules import ANY, SELF, SHARED, Effect, Level, Rule

_ID_DIGITS = 10


def rule_id(rule: Rule) -> str:
    """A short id made of the rule's columns: the same rule has the same id everywhere, also after a reload."""
    digest = hashlib.sha256()
    for column in columns(rule):
        raw = column.encode()
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return digest.hexdigest()[:_ID_DIGITS]


def columns(rule: Rule) -> tuple[str, ...]:
    """The columns as text, in the order of the model. Tags are joined by commas, which no tag contains."""
    return (
        rule.subject,
        rule.tenant,
        rule.action,
        rule.department,
        ",".join(sorted(rule.tags)),
        rule.owner,
        rule.document,
        str(int(rule.level)),
        rule.effect.value,
    )


def describe(rule: Rule) -> str:
    """One sentence without a full stop, for decisions and lists."""
    may = "may" if rule.effect is Effect.ALLOW else "may not"
    return f"{rule.subject} {may} {rule.action} {covered(rule)}"


def covered(rule: Rule) -> str:
    """The documents that the rule speaks about."""
    if rule.document == ANY:
        what = "all documents"
    elif rule.document == SHARED:
        what = "documents shared with the reader"
    else:
        what = f"document {rule.document}"
    parts = [what]
    if rule.department != ANY:
        parts.append(f"of {rule.department}")
    if rule.owner == SELF:
        parts.append("owned by the reader")
    if rule.tags:
        parts.append(f"tagged {' and '.join(sorted(rule.tags))}")
    if rule.level < max(Level):
        parts.append(f"up to {rule.level.name.lower()}")
    return " ".join(parts)
