"""The report of `ringfence eval retrieval` in the terminal."""

from rich.console import Console
from rich.table import Table

from evals.runner.report import Report

_COLUMNS = ("ndcg_at_10", "recall_at_10", "recall_at_100", "mrr")


def print_retrieval(report: Report) -> None:
    out = Console(highlight=False)
    sets = report.figures["sets"]
    for name, found in sets.items() if isinstance(sets, dict) else ():
        title = f"{name}: {found['questions']} questions ({report.figures['half']}), {found['documents']} documents"
        table = Table("branch", *_COLUMNS, title=title)
        for branch, values in found["branches"].items():
            table.add_row(branch, *(f"{values[column]:.3f}" for column in _COLUMNS))
        out.print(table)
        stages = (f"{stage} {ms['ms_p50']} / {ms['ms_p95']}" for stage, ms in found["stages"].items())
        out.print(f"gain of fusion {found['fusion_gain_ratio']:+.1%}; ms (median / 95th): {', '.join(stages)}")
        filters = Table("readable %", "documents", "recall@10", "not hers", "search ms", title=f"{name}, filtered")
        for share, values in found["filtered"].items():
            figures = (values[key] for key in ("readable", "recall_at_10", "leaks", "search_ms_p50"))
            filters.add_row(share, *map(str, figures))
        out.print(filters)
        if "cross_encoder" not in found["branches"]:
            out.print("no CrossEncoder is configured (generator.support_model), so none ordered anything")
