"""Study 2: the questions the SDA paper leaves open. How many past students, and does their teacher keep dropout?

K = 1, 5 and all (T - 1) by a teacher without dropout and one with the student's masks, beside plain fine-tuning, on a
sentiment and a topic task. The softmax layer learns at 1e-3 in every arm, as the paper has it.

Runs: 112 paper, 112 small, 70 demo.
"""

from __future__ import annotations

from dataclasses import replace

from analysis.schema import Claim
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, MethodRow
from benchmarks.experiments.planning.columns import any_task
from benchmarks.experiments.sda import settings as sda
from benchmarks.experiments.studies import balls
from benchmarks.experiments.studies.two_tasks import COLUMNS, TITLES, claim
from benchmarks.spec import method

_SIZES: tuple[int | str, ...] = (1, 5, "all")


def _with_the_students_masks(k: int | str) -> MethodRow:
    row = sda.sda(k)
    shared = method("sda", K=k, teacher_dropout="shared")
    return replace(row, id=f"{row.id}:shared", title=f"{row.title}, teacher with the student's masks", method=shared)


_ROWS = (
    method_rows.vanilla("plain fine-tuning"),
    *(row for k in _SIZES for row in (sda.sda(k), _with_the_students_masks(k))),
)


def _claim(name: str, sentence: str, a: str, b: str, task: str) -> Claim:
    return claim(2, f"control-sda-{name}", sentence, a, b, task)


_CLAIMS = (
    _claim(
        "one-student-on-sst2", "SDA (K = 1) is better than plain fine-tuning on SST-2.", "sda[K=1]", "vanilla", "sst2"
    ),
    _claim(
        "all-students-on-ag-news",
        "SDA (K = T-1) is better than plain fine-tuning on AG's News, where the paper has its best gain.",
        "sda[K=all]",
        "vanilla",
        "ag-news",
    ),
    *(
        _claim(
            f"teacher-masks-on-{task}",
            f"SDA (K = 1) is better on {title} when its teacher has the student's dropout masks.",
            "sda[K=1]:shared",
            "sda[K=1]",
            task,
        )
        for task, title in TITLES.items()
    ),
    *(
        _claim(
            f"more-students-on-{task}",
            f"SDA with all past students is better on {title} than with the last one.",
            "sda[K=all]",
            "sda[K=1]",
            task,
        )
        for task, title in TITLES.items()
    ),
)


@EXPERIMENTS.register("self-distillation")
def self_distillation() -> Experiment:
    """Study 2: SDA's teacher size K by its dropout, on SST-2 and AG's News."""
    return Experiment(
        name="self-distillation",
        title="Study 2: past students as teachers",
        rows=_ROWS,
        columns=COLUMNS,
        seeds=method_rows.EIGHT,
        baseline="vanilla",
        settings={**method_rows.SDA_SETTINGS, **balls.MEASURED},
        claims=_CLAIMS,
        columns_for=any_task,
        notes=(
            "The paper does not say whether the teacher drops units.",
            "Pulled to its own logits without dropout, a student with dropout is pulled to larger ones than it gives.",
        ),
    )
