"""`ringfence privacy explain` and `privacy configure test`: what is masked in a text, and why. Loads the models."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from policies.terminal import folding
from rag.api.commands.options import (
    AsJson,
    DataDir,
    Tenant,
    checked_tenant,
    opened_database,
    out,
    print_json,
    settings_for,
    talk,
)
from rag.errors import Misuse
from rag.privacy.cases import FILE_CHARS_MAX, parse_cases
from rag.privacy.explain import TEXT_CHARS_MAX, Explained, Explainer
from rag.privacy.tenant import TenantPrivacy, open_privacy
from rag.settings import Settings

FAILED = 1
BEFORE_SHOWN = 24


def explain(
    tenant: Tenant,
    text: Annotated[str | None, typer.Argument(help="The text; - reads standard input.", show_default=False)] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A text file in UTF-8.", dir_okay=False)] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show what is masked in a text, and which part found it with which score.

    Nothing is stored. What a command line holds may be kept in your shell's history: --file and - read it elsewhere.
    """
    settings, name = settings_for(data_dir), checked_tenant(tenant)
    read = _text(text, file)
    with talk().status("Loading the models ..."):
        privacy = asyncio.run(_privacy(settings, name))
        explained = Explainer(settings.privacy).explain(read, privacy)
    if as_json:
        spans = [_as_json(read, one) | {"operator": privacy.operator(one.finding.entity).value} for one in explained]
        print_json({"version": privacy.rules.version, "kept": sorted(privacy.kept), "spans": spans})
        return
    table = folding("value", "entity", "operator", "score", "found by", "words that hint", "before it")
    for one in explained:
        by = "\n".join(f"{said.by} ({said.entity} {said.score:.2f})" for said in one.found_by)
        near = one.before[-BEFORE_SHOWN:].replace("\n", " ")
        table.add_row(
            escape(read[one.finding.start : one.finding.end]), one.finding.entity,
            privacy.operator(one.finding.entity).value, f"{one.finding.score:.2f}",
            escape(by + ("\nfound elsewhere in the text" if one.propagated else "")),
            escape(", ".join(one.context)), escape(near),
        )  # fmt: skip
    out().print(table if explained else "Nothing in it is masked.")
    if privacy.kept:
        talk().print(f"Not looked for: {', '.join(sorted(privacy.kept))}.")


def run_cases(
    file: Annotated[typer.FileText, typer.Argument(help="YAML file, as `privacy review` writes it.")],
    tenant: Tenant,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Try the newest configuration on test cases. Exit code 1: one of them is not as it should be."""
    settings, name = settings_for(data_dir), checked_tenant(tenant)
    try:
        cases = parse_cases(file.read(FILE_CHARS_MAX + 1))
    except UnicodeDecodeError:
        raise Misuse("The file is not UTF-8.", code="bad_cases") from None
    if not cases:
        raise Misuse("The file holds no case.", code="bad_cases")
    with talk().status("Loading the models ..."):
        privacy = asyncio.run(_privacy(settings, name))
        faults = {
            number: fault for number, case in enumerate(cases, 1) if (fault := case.fault(privacy.find([case.text])[0]))
        }
    if as_json:
        failed = [{"case": number, "why": why} for number, why in faults.items()]
        print_json({"version": privacy.rules.version, "cases": len(cases), "failed": failed})
    else:
        for number, why in faults.items():
            out().print(f"case {number}: {why}")
        out().print(f"{len(cases) - len(faults)} of {len(cases)} cases are as they should be.")
    if faults:
        raise typer.Exit(FAILED)


async def _privacy(settings: Settings, tenant: str) -> TenantPrivacy:
    async with opened_database(settings) as database, database.reading() as session:
        return await open_privacy(settings).for_tenant(session, tenant)


def _text(text: str | None, file: Path | None) -> str:
    if (text is None) == (file is None):
        raise Misuse("Give a text or --file, one of the two.")
    try:
        if file is not None:
            with file.open(encoding="utf-8") as opened:
                read = opened.read(TEXT_CHARS_MAX + 1)
        else:
            read = sys.stdin.read(TEXT_CHARS_MAX + 1) if text == "-" else text or ""
    except OSError as cause:
        raise Misuse(f"{file} cannot be read: {cause.strerror}.") from None
    except UnicodeDecodeError:
        raise Misuse("The text is not UTF-8. `ringfence privacy scan` reads other kinds of files.") from None
    if len(read) > TEXT_CHARS_MAX:
        raise Misuse(f"The text is longer than {TEXT_CHARS_MAX} characters. `ringfence privacy scan` takes files.")
    return read


def _as_json(text: str, one: Explained) -> dict[str, Any]:
    return {
        "value": text[one.finding.start : one.finding.end],
        "start": one.finding.start,
        "end": one.finding.end,
        "entity": one.finding.entity,
        "score": one.finding.score,
        "found_by": [{"by": said.by, "entity": said.entity, "score": said.score} for said in one.found_by],
        "propagated": one.propagated,
        "context": list(one.context),
    }
