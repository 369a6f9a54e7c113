"""Evals of what nobody may see: leaks, access, planted instructions, the API under random and heavy use."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from evals.runner.entry import (
    DEFAULT_DATA,
    Against,
    Company,
    Data,
    Limit,
    Measure,
    PlantIn,
    Sets,
    Usual,
    chosen_sets,
    entry,
)
from rag.errors import Misuse


@entry(
    "leak",
    prints="evals.runner.printing:print_leak",
    usual=(Usual(("--limit", "1"), 4.5), Usual(("--plant",), 1.5)),
)
def leak(
    data_dir: Company = None,
    limit: Limit = None,
    person: Annotated[
        list[str] | None, typer.Option(help="Only this person, as user:NAME; repeatable: a quick look, not a result.")
    ] = None,
    plant: Annotated[
        bool, typer.Option("--plant", help="Self-test: break the path in each of several ways; each must be noticed.")
    ] = False,
    against: Annotated[
        Against,
        typer.Option(
            "--against",
            help="The sample company in a new folder that is thrown away; or the service that runs now on the data "
            "folder of the settings, with made-up people and documents that are removed at the end.",
        ),
    ] = Against.FRESH,
    url: Annotated[
        str | None, typer.Option("--url", help="Live: the service. Default: the one that owns the data folder.")
    ] = None,
    tenants: Annotated[
        list[str] | None,
        typer.Option("--tenant", help="Live: make people after this tenant's policy; repeatable. Default: all."),
    ] = None,
    plant_in: Annotated[
        PlantIn,
        typer.Option("--plant-in", help="Live: in tenants of its own, or also (all) in those that --tenant names."),
    ] = PlantIn.TEST,
    canaries: Annotated[int, typer.Option(min=2, max=500, help="Live: documents in each tenant at most.")] = 20,
    people: Annotated[int, typer.Option(min=2, max=200, help="Live: people in each tenant at most.")] = 24,
    pairs: Annotated[
        int, typer.Option(min=2, help="Live: questions about what is there and what is not, at each surface.")
    ] = 150,
    clean: Annotated[
        bool, typer.Option("--clean", help="Only remove what a live run left that was killed; measure nothing.")
    ] = False,
) -> Measure:
    """Every person, every question, every surface: nothing of an unreadable document, everything of a readable one."""
    if clean:
        from evals.live.command import clean_left

        removed = asyncio.run(clean_left(partial(typer.echo, err=True)))
        typer.echo(f"{removed} runs cleaned up", err=True)
        raise typer.Exit
    if against is Against.LIVE:
        from evals.live import command

        if data_dir is not None or limit is not None or person:
            raise Misuse("--data-dir, --limit and --person are for the sample company; not with --against live.")
        asked = command.Wanted(url, tuple(tenants or ()), plant_in, canaries, people, pairs, plant)
        wanted = command.checked(asked)
        return lambda talk: command.leak_live(wanted, talk)
    if url is not None or tenants or plant_in is PlantIn.ALL:
        raise Misuse("--url, --tenant and --plant-in go with --against live.")
    from evals import running

    return lambda talk: running.leak_report(data_dir, limit, tuple(person or ()), plant, talk)


@entry("access", prints="evals.access.printing:print_access", usual=(Usual((), 3),))
def access(
    decisions: Annotated[
        int, typer.Option(min=0, help="Hold engine and check against Casbin for so many random decisions.")
    ] = 0,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Break plan, check and filter; each must be noticed.")
    ] = False,
    bench: Annotated[
        bool, typer.Option("--bench", help="Everything below that takes time, at the usual sizes.")
    ] = False,
    rules: Annotated[list[int] | None, typer.Option(min=10, help="What authorisation costs at so many rules.")] = None,
    chunks: Annotated[list[int] | None, typer.Option(min=1000, help="What the filter costs at so many chunks.")] = None,
    revocations: Annotated[int, typer.Option(min=0, help="How soon so many revocations are obeyed.")] = 0,
    peer: Annotated[bool, typer.Option("--peer", help="Beside wardowl, where it is installed.")] = False,
    speed_gates: Annotated[bool, typer.Option(help="Fail where a time is over its goal.")] = True,
    seed: Annotated[int | None, typer.Option(help="Repeat a run.")] = None,
) -> Measure:
    """Filter and check equal Casbin, broken ones are noticed, and what it costs. Naming parts runs only those."""
    from evals.access import command

    asked = command.Asked(decisions, mutants, bench, tuple(rules or ()), tuple(chunks or ()), revocations, peer)
    wanted = command.wanted_of(asked, seed=seed, speed_gates=speed_gates)
    return lambda talk: command.access_report(wanted, talk)


INJECTION_SETS = (
    "scifact", "cacm", "xquad_en", "tatqa_dev", "wikigold", "presidio_research", "bipia", "prompt_injection",
    "bastioncorpus", "agent_injection_bench", "giskard_prompt_injections",
)  # fmt: skip


@entry("injection", also=INJECTION_SETS, usual=(Usual((), 2),))
def injection(data: Data = DEFAULT_DATA, sets: Sets = None) -> Measure:
    """Planted instructions: what the detector finds, how often it alarms for nothing, and that none has an effect."""
    from evals.injection import command

    chosen = chosen_sets(sets, INJECTION_SETS)
    return lambda talk: command.injection_report(data, chosen, talk)


@entry("fuzz", packages=(("schemathesis", "pip install '.[dev]'"),), usual=(Usual(("--examples", "10"), 4),))
def fuzz(
    examples: Annotated[int, typer.Option(min=1, help="Valid requests of each operation, and as many invalid.")] = 50,
    data_dir: Company = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other requests.")] = 1,
) -> Measure:
    """Whatever the API's description allows, with two people's keys: no server error, nothing of the other's."""
    from evals.fuzz import run

    return lambda talk: run.fuzz_report(data_dir, examples, seed, talk)


@entry("redteam", prints="evals.redteam.printing:print_redteam", usual=(Usual(("--selftest",), 6),))
def redteam(
    family: Annotated[list[str] | None, typer.Option(help="Only this family; may be given several times.")] = None,
    selftest: Annotated[
        bool, typer.Option("--selftest", help="Make each attack once more on a service with a broken part.")
    ] = False,
    garak_config: Annotated[
        Path | None, typer.Option(help="Write the configuration of garak's REST client to this file, and end.")
    ] = None,
    url: Annotated[str, typer.Option(help="With --garak-config: where the service is.")] = "http://127.0.0.1:8080",
    person: Annotated[
        str | None, typer.Option(help="With --garak-config: whom an assistant's key that may name people names.")
    ] = None,
) -> Measure:
    """Every attack of the catalogue on a served company is stopped, and the same succeeds where it is allowed."""
    from evals.redteam import command, garak
    from evals.redteam.catalogue import FAMILIES

    if garak_config is not None:
        typer.echo(garak.write_garak_config(garak_config, url, person))
        raise typer.Exit
    unknown = sorted(set(family or ()) - set(FAMILIES))
    if unknown:
        raise Misuse(f"There is no family {unknown[0]!r}; there are {', '.join(FAMILIES)}.", code="no_family")
    chosen = tuple(one for one in FAMILIES if not family or one in family)
    return lambda talk: command.redteam_report(chosen, selftest, talk)


@entry("soak", usual=(Usual(("--requests", "1000"), 6),))
def soak(
    requests: Annotated[int, typer.Option(min=100, help="Calls of all kinds together.")] = 5000,
    workers: Annotated[int, typer.Option(min=1, max=200, help="Callers at once.")] = 8,
    data_dir: Company = None,
    seed: Annotated[int, typer.Option(help="Another seed makes other calls.")] = 1,
) -> Measure:
    """A real service under mixed and hostile traffic, killed in the middle: memory flat, no record lost."""
    from evals.soak import command

    wanted = command.Wanted(requests, workers, seed)
    return lambda talk: command.soak_report(data_dir, wanted, talk)
