"""From what was sent to rules, role links and edits. What is wrong is said in the policy's words, which quote it."""

from policies.administration import administers_rule
from policies.edits import Edit, InvalidEdit
from policies.files.cases import run_cases
from policies.files.edit_file import EditFile
from policies.files.policy_file import InvalidPolicyFile, read_policy_text
from policies.rules import RoleLink, Rule
from policies.wording import rule_id
from rag.api.policy.authority import Authority


def lines_of_file(raw: bytes, tenant: str) -> tuple[tuple[Rule, ...], tuple[RoleLink, ...]]:
    """The rules and links of a policy file whose own cases hold.

    Raises:
        InvalidEdit: it is not a policy file, or one of its cases fails.
    """
    try:
        file = read_policy_text(raw, "the body")
    except InvalidPolicyFile as cause:
        raise InvalidEdit(str(cause)) from cause
    failed = [result.case.why for result in run_cases(file) if not result.passed]
    if failed:
        raise InvalidEdit(f"the body: {len(failed)} of its cases fail, the first: {failed[0]}")
    return file.rules_in(tenant), file.links_in(tenant)


def edit_of(lines: EditFile, authority: Authority) -> Edit:
    """The edit that the lines describe. Ids are looked up among the rules that the caller administers.

    Raises:
        InvalidEdit: a line is not valid, an id names no rule of hers, or there is no line at all.
    """
    edit = lines.edit(authority.tenant, _named(lines, authority))
    if edit.empty:
        raise InvalidEdit("The edit adds nothing and removes nothing.")
    return edit


def _named(lines: EditFile, authority: Authority) -> list[Rule]:
    """The rules with one of the ids, of those that she administers.

    Others do not exist for her: no id may make their columns appear in an error.
    """
    ids = {line for line in lines.remove_rules if isinstance(line, str)}
    snapshot, callers = authority.snapshot, authority.administrator.callers
    return [
        rule
        for rule in (snapshot.rules if ids else ())
        if rule_id(rule) in ids and (callers is None or administers_rule(snapshot, callers, rule))
    ]
