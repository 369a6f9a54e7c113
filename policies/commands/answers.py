"""Answers about rights in words: why and why not, who, and what."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.table import Column
from rich.text import Text

from policies.check import Decision
from policies.commands.consequences import example_line
from policies.enquiries import Explained, Readers
from policies.explain import Column as RuleColumn
from policies.explain import Failure, NearMiss, Verdict
from policies.paths import Path
from policies.printing import counted, described, first, indented, known_people, left_out, names
from policies.rules import SHARED, Attributes, Caller, Effect
from policies.survey.readers import Reach, label
from policies.terminal import folding
from policies.wording import covered


def decision_picture(decision: Decision) -> RenderableType:
    return Text.assemble(_word(decision.allowed), ": ", decision.reason)


def explained_pictures(found: Sequence[Explained], action: str) -> Iterator[RenderableType]:
    """The answer and what it rests on: for the document as a whole, then for its stricter paragraphs."""
    for number, one in enumerate(found):
        verdicts, allowed = one.explanation.verdicts, one.explanation.decision.allowed
        who = " through ".join(verdict.caller.subject for verdict in verdicts)
        what = example_line(one.attributes)
        if number:
            what = f"paragraphs of it that are {_stricter(one.attributes, found[0].attributes)}"
            yield Text("")
        may = "may" if allowed else "may not"
        yield Text.assemble(_word(allowed), f": {who} {may} {action} {what}.")
        for verdict in verdicts:
            if len(verdicts) > 1:
                yield indented(Text.assemble(f"{verdict.caller.subject}: ", _word(verdict.decision.allowed)), 2)
            yield from _verdict(verdict, action)


def readers_pictures(found: Sequence[Readers], action: str, limit: int | None) -> Iterator[RenderableType]:
    """Everybody who may, and through what."""
    for number, one in enumerate(found):
        what = example_line(one.attributes)
        if number:
            what = f"paragraphs of it that are {_stricter(one.attributes, found[0].attributes)}"
        yield Text(f"{len(one.readers)} of {known_people(one.people)} may {action} {what}.")
        if one.readers:
            table = folding("Who", "Through", "Rule")
            for reader in first(one.readers, limit):
                through = " -> ".join(reader.path.names[1:]) or "by name"
                table.add_row(Text(label(reader.caller)), Text(through), Text(covered(reader.rule)))
            yield table
        yield from left_out(len(one.readers), limit, "people, assistants and groups")


def reach_pictures(reach: Reach, callers: Sequence[Caller], action: str, limit: int | None) -> Iterator[RenderableType]:
    """How much, of what department and level, with examples."""
    who = " through ".join(caller.subject for caller in callers)
    yield Text(f"{who} may {action} {counted(reach.total, 'document')}.")
    if not reach.total:
        return
    levels = {level.name.lower(): count for level, count in sorted(reach.by_level.items(), reverse=True)}
    yield from _counts("Level", levels, limit)
    yield from _counts("Department", reach.by_department, limit)
    yield Text("For example:")
    for example in reach.examples:
        yield indented(example_line(example), 2)


def _word(allowed: bool) -> tuple[str, str]:
    return ("allowed", "bold green") if allowed else ("denied", "bold red")


def _counts(title: str, counts: Mapping[str, int], limit: int | None) -> Iterator[RenderableType]:
    table = folding(title, Column("Documents", justify="right"))
    for name, count in first(counts.items(), limit):
        table.add_row(Text(name), str(count))
    yield table
    yield from left_out(len(counts), limit, f"{title.lower()}s")


def _stricter(paragraph: Attributes, document: Attributes) -> str:
    """What sets a paragraph apart from its document."""
    parts = [paragraph.level.name.lower()] if paragraph.level > document.level else []
    if walls := paragraph.compartments - document.compartments:
        parts.append(f"behind {names(walls)}")
    if denied := paragraph.denied_shares - document.denied_shares:
        parts.append(f"denied to {names(denied)}")
    return ", ".join(parts) or "labelled apart"


def _verdict(verdict: Verdict, action: str) -> Iterator[RenderableType]:
    rule = verdict.decision.rule
    if rule is not None:
        yield indented(described(rule), 4)
        if verdict.path is not None:
            yield indented(f"because {_way(verdict.path)}", 4)
        if rule.effect is Effect.DENY:
            yield indented("A rule that denies beats every rule that allows.", 4)
        return
    yield from _vetoes(verdict)
    matching = [near for near in verdict.nearest if not near.failures]
    if matching:
        # Only a veto keeps these from deciding: how far others are does not matter.
        yield indented("Without that, this would allow it:", 4)
    elif verdict.nearest:
        yield indented("No rule allows it. The nearest:", 4)
    elif not verdict.veto:
        yield indented(f"{verdict.decision.reason}, and none comes near.", 4)
    for near in matching or verdict.nearest:
        yield from _near(near)


def _vetoes(verdict: Verdict) -> Iterator[RenderableType]:
    for path in verdict.veto.denied_shares:
        way = f": {path}" if len(path.names) > 1 else ""
        yield indented(f"Its source denies it to {path.names[-1]}, whatever the rules say{way}", 4)
    missing = verdict.veto.missing_compartments
    if missing:
        yield indented(f"It stands behind {names(missing)}, which {verdict.caller.subject} does not hold.", 4)


def _near(near: NearMiss) -> Iterator[RenderableType]:
    yield indented(f"- {described(near.rule)}", 6)
    if near.path is not None and len(near.path.names) > 1:
        yield indented(f"reached by {near.path}", 8)
    for failure in near.failures:
        yield indented(Text(_failed(failure, shared=near.rule.document == SHARED), "yellow"), 8)


def _way(path: Path) -> str:
    return str(path) if len(path.names) > 1 else f"it names {path}"


def _failed(failure: Failure, *, shared: bool) -> str:
    wanted, found = failure.wanted, failure.found
    if failure.column is RuleColumn.SUBJECT:
        apart = wanted.startswith(("user:", "assistant:"))
        return f"but it speaks of {wanted}" if apart else f"but {found} is not in {wanted}"
    if shared and failure.column is RuleColumn.DOCUMENT:
        return f"but only what is {wanted}; this is shared with {found}"
    return {
        RuleColumn.DEPARTMENT: f"but only of {wanted}; this is of {found}",
        RuleColumn.LEVEL: f"but {wanted}; this is {found}",
        RuleColumn.TAGS: f"but only what is tagged {wanted}; this is tagged: {found}",
        RuleColumn.OWNER: f"but only what {wanted} owns; this is owned by {found}",
        RuleColumn.DOCUMENT: f"but only {wanted}; this is {found}",
    }[failure.column]
