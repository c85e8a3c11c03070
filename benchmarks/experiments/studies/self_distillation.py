"""Study 2: the questions the SDA paper leaves open. How many past students, and does their teacher keep dropout?

K = 1, 5 and all (T - 1) by a teacher without dropout and one with the student's masks, beside plain fine-tuning, on a
sentiment and a topic task. The softmax layer learns at 1e-3 in every arm, as the paper has it. A third teacher, which
drops units by masks of its own, stands beside the two in ``self-distillation-masks`` (K = 1, the sentiment task).

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


def _with_masks(k: int | str, masks: str, words: str) -> MethodRow:
    row = sda.sda(k)
    dropping = method("sda", K=k, teacher_dropout=masks)
    return replace(row, id=f"{row.id}:{masks}", title=f"{row.title}, teacher with {words}", method=dropping)


_ROWS = (
    method_rows.vanilla("plain fine-tuning"),
    *(row for k in _SIZES for row in (sda.sda(k), _with_masks(k, "shared", "the student's masks"))),
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


@EXPERIMENTS.register("self-distillation-masks")
def self_distillation_masks() -> Experiment:
    """Masks of SDA's teacher (K = 1) on SST-2: none, the student's, or its own. Study 2.

    Runs: 32 paper, 32 small, 20 demo.
    """
    sst2 = COLUMNS[:1]
    own = "sda[K=1]:independent"
    return replace(
        self_distillation(),
        name="self-distillation-masks",
        title="Study 2: the masks of one past student",
        rows=(*_ROWS[:3], _with_masks(1, "independent", "masks of its own")),
        columns=sst2,
        claims=(
            _claim(
                "own-masks-on-sst2",
                "SDA (K = 1) is better on SST-2 when its teacher has dropout masks of its own than without dropout.",
                own,
                "sda[K=1]",
                "sst2",
            ),
            _claim(
                "own-masks-help-on-sst2",
                "SDA (K = 1) whose teacher has dropout masks of its own is better than plain fine-tuning on SST-2.",
                own,
                "vanilla",
                "sst2",
            ),
        ),
    )
