"""The data set tables of both papers (SMART Table 8, SDA Table 1): printed sizes and those of the task registry.

No runs: ``smart-repro data`` counts the rows of the files that are really there.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from analysis.schema import Fact, Omission
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment
from benchmarks.papers import printed
from benchmarks.tasks import TASKS, Classification

SMART_TASKS = {
    "CoLA": ("cola",),
    "SST": ("sst2",),
    "MNLI": ("mnli", "mnli-mm"),
    "RTE": ("rte",),
    "WNLI": ("wnli",),
    "QQP": ("qqp",),
    "MRPC": ("mrpc",),
    "QNLI": ("qnli",),
    "STS-B": ("stsb",),
    "SNLI": ("snli",),
    "SciTail": ("scitail",),
    "ANLI": ("anli",),
}
SDA_TASKS = {
    "IMDb": ("imdb",),
    "AG's News": ("ag-news",),
    "DBPedia": ("dbpedia",),
    "Yelp Polarity": ("yelp-polarity",),
    "Yelp Full": ("yelp-full",),
    "SNLI": ("snli",),
    "MNLI-(m/mm)": ("mnli", "mnli-mm"),
}


def facts(table: str, names: Mapping[str, tuple[str, ...]], notes: Mapping[str, str]) -> list[Fact]:
    """Compare every count that a data set table prints. ``notes``: "dataset column" -> the reason of a difference."""
    compared = []
    for line in printed(table):
        if line["metric"] not in ("n_examples", "n_labels"):
            continue
        dataset, column, printed_count = line["row"], line["column"], line["value"]
        count = _count(names[dataset], line["metric"], line["split"], column)
        agrees = count is not None and rounds_to(count, printed_count)
        compared.append(Fact(dataset, column, printed_count, count, agrees, notes.get(f"{dataset} {column}", "")))
    return compared


def rounds_to(count: int, printed_count: str) -> bool:
    """Return whether a count rounds, or is cut, to the printed one: 8,551 to ``8.5k``, but 104,743 not to ``108k``."""
    if not printed_count.endswith("k"):
        return float(printed_count) == count
    digits = len(printed_count.rstrip("k").partition(".")[2])
    step = 10 ** (3 - digits)
    value = round(float(printed_count.rstrip("k")) * 1000)
    return value in (count // step * step, round(count / step) * step)


def _count(tasks: tuple[str, ...], metric: str, split: str, column: str) -> int | None:
    if metric == "n_labels":
        head = TASKS[tasks[0]].head
        return len(head.labels) if isinstance(head, Classification) else 1
    parts = {"(matched)": tasks[:1], "(mismatched)": tasks[1:]}
    tasks = next((part for mark, part in parts.items() if mark in column), tasks)
    sizes = [TASKS[task].sizes[split] for task in tasks if split in TASKS[task].sizes]
    return sum(sizes) if sizes else None


def data_sets(
    name: str, title: str, table: str, names: Mapping[str, tuple[str, ...]], notes: Mapping[str, str]
) -> Experiment:
    """Return an experiment without runs, whose content is the comparison."""
    compared = facts(table, names, notes)
    return Experiment(
        name=name,
        title=title,
        rows=(),
        columns=(),
        seeds=(),
        baseline="",
        tables=(table,),
        omitted=(Omission("*", "*", "a fact about a data set: no run is needed"),),
        notes=tuple(
            f"{f.dataset}, {f.column}: printed {f.printed}, here {f.count}. {f.note}" for f in compared if not f.agrees
        ),
        layout="data-sets",
        compute=_write,
        facts=tuple(compared),
    )


def _write(experiment: Experiment, folder: Path) -> str:
    """Write the comparison as ``table.csv`` and ``table.md``; return the differences as text."""
    head = ("data set", "column", "printed", "here", "agree", "note")
    lines = [
        (f.dataset, f.column, f.printed, "" if f.count is None else str(f.count), str(f.agrees), f.note)
        for f in experiment.facts
    ]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([head, *lines])
    rows = ["| " + " | ".join(line) + " |" for line in (head, ("---",) * len(head), *lines)]
    (folder / "table.md").write_text("\n".join(rows) + "\n", encoding="utf-8")
    agree = sum(fact.agrees for fact in experiment.facts)
    differ = [f"  {note}" for note in experiment.notes]
    return "\n".join([f"{agree} of {len(lines)} printed sizes agree", *differ, f"Written to {folder}"])


@EXPERIMENTS.register("smart-table8")
def smart_table8() -> Experiment:
    """SMART Table 8: the data sets, printed sizes beside the registry's. No runs."""
    return data_sets(
        "smart-table8",
        "SMART, Table 8: data sets",
        "smart_table8_datasets",
        SMART_TASKS,
        {
            "RTE #Dev": "Today's download has one more.",
            "WNLI #Train": "Today's download has one more.",
            "QNLI #Train": "The paper's is the first version of QNLI; the second (2019) has fewer.",
            "QNLI #Dev": "The first version of QNLI had other splits.",
            "QNLI #Test": "The first version of QNLI had other splits.",
            "STS-B #Train": "A slip that the MT-DNN paper's table has too: 7k is train and dev together.",
        },
    )


@EXPERIMENTS.register("sda-table1")
def sda_table1() -> Experiment:
    """SDA Table 1: the data sets, printed sizes beside the registry's. No runs."""
    return data_sets("sda-table1", "SDA, Table 1: data sets", "sda_table1_datasets", SDA_TASKS, {})
