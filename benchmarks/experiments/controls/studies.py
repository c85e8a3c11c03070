"""Control studies: what the papers do not ask. What in SMART and in SDA works, what selection adds, the two papers
together, what happens to the weights, and what labels shuffled at the end do to an average.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from analysis.schema import Claim, Difference, Interaction, Measured, Selection, against
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, MethodRow, TaskColumn, Times
from benchmarks.experiments.sda import settings as sda
from benchmarks.experiments.smart.table1 import COLUMNS as GLUE
from benchmarks.experiments.smart.table1 import ROWS as SMART_ROWS
from benchmarks.spec import method

_SMALL_SETS = (
    TaskColumn("cola", "matthews"),
    TaskColumn("rte", "accuracy"),
    TaskColumn("mrpc", "f1"),
    TaskColumn("sst2", "accuracy"),
)
_TASKS = tuple(column.task for column in _SMALL_SETS)


def _smoothness(direction: str, reading: str) -> MethodRow:
    words = {"none": "no perturbation", "random": "random direction", "ascent": "ascent"}[direction]
    return MethodRow(
        f"smoothness[{reading}]:{direction}",
        f"R_s [{reading} masks], {words}",
        method("smoothness", dropout=reading, direction=direction),
    )


_VANILLA = method_rows.vanilla("plain fine-tuning")
_DRIVERS = (
    _VANILLA,
    MethodRow(
        "vanilla-3x",
        "plain, three times the epochs (equal compute)",
        method("vanilla"),
        {"epochs": Times(3), "max_steps": Times(3)},
    ),
    MethodRow("vanilla-dropout", "plain, dropout 0.2", method("vanilla"), {"dropout": 0.2}),
    MethodRow("label-smoothing", "plain, label smoothing 0.1", method("vanilla", label_smoothing=0.1)),
    MethodRow(
        "vanilla-adam", "plain, Adam without bias correction", method("vanilla"), {"optimizer": "adam-uncorrected"}
    ),
    MethodRow("r-drop", "R-Drop (dropout only)", method("r-drop")),
    *(
        _smoothness(direction, reading)
        for direction in ("none", "random", "ascent")
        for reading in method_rows.READINGS
        if (direction, reading) != ("none", "shared")  # identically 0: both passes are the same
    ),
    *(
        MethodRow(f"bregman:{teacher}", f"D_Breg, teacher {teacher}", method("bregman", teacher=teacher))
        for teacher in ("ema", "ema-scaled", "theta0")
    ),
    MethodRow(
        "bregman:current",
        "D_Breg, teacher = student with other masks",
        method("bregman", teacher="current", teacher_dropout="independent"),
    ),
    *method_rows.smart("SMART"),
    MethodRow("smart-released", "SMART as released", method("smart-released")),
)


def _driver(name: str, sentence: str, a: str, b: str, *, direction: str = "greater", reading: str = "") -> Claim:
    return Claim(
        id=f"control-{name}",
        sentence=sentence,
        table="control study",
        contrast=against(a, b),
        tasks=_TASKS,
        direction=direction,
        margin=0.5 if direction == "no less" else None,
        reading=reading,
        min_seeds=8,
        partial=True,
    )


def _study(**own: Any) -> Experiment:
    """An experiment on the small sets, eight seeds, every row under SMART's settings."""
    return Experiment(
        columns=_SMALL_SETS,
        seeds=method_rows.EIGHT,
        baseline="vanilla",
        settings=method_rows.SMART_SETTINGS,
        task_settings=method_rows.SMART_TASK_SETTINGS,
        **own,
    )


@EXPERIMENTS.register("what-drives-smart")
def what_drives_smart() -> Experiment:
    """Which part of SMART works: dropout, direction, teacher, compute. Control study.

    Runs: 576 paper, 576 small, 216 demo.
    """
    return _study(
        name="what-drives-smart",
        title="What drives SMART",
        rows=_DRIVERS,
        claims=(
            _driver(
                "perturbation-matters",
                "With independent masks the perturbation adds something to dropout alone.",
                "smoothness[independent]:ascent",
                "smoothness[independent]:none",
                reading="independent",
            ),
            _driver(
                "direction-matters",
                "The ascent direction is better than a random one.",
                "smoothness[shared]:ascent",
                "smoothness[shared]:random",
                reading="shared",
            ),
            _driver(
                "smart-beats-r-drop",
                "SMART is better than R-Drop, which perturbs nothing.",
                "smart[independent]",
                "r-drop",
                reading="independent",
            ),
            _driver(
                "smart-beats-equal-compute",
                "SMART is better than plain fine-tuning of equal compute.",
                "smart[shared]",
                "vanilla-3x",
                reading="shared",
            ),
            _driver(
                "smart-beats-label-smoothing",
                "SMART is better than label smoothing.",
                "smart[shared]",
                "label-smoothing",
                reading="shared",
            ),
            _driver(
                "teacher-memory-matters",
                "The exponential mean is a better teacher than the pre-trained weights.",
                "bregman:ema",
                "bregman:theta0",
            ),
            _driver(
                "released-is-as-good",
                "SMART as released is as good as SMART as written.",
                "smart-released",
                "smart[shared]",
                direction="no less",
                reading="as-released",
            ),
        ),
        notes=("R_s with shared masks and no perturbation is identically 0 and is not run.",),
    )


@EXPERIMENTS.register("what-drives-sda")
def what_drives_sda() -> Experiment:
    """Which part of SDA works or harms: the teacher's dropout, its age. Control study.

    Runs: 160 paper, 160 small, 60 demo.
    """
    return _study(
        name="what-drives-sda",
        title="What drives SDA",
        rows=(
            _VANILLA,
            sda.sda(1),
            *(
                MethodRow(
                    f"sda[K=1]:{masks}", f"SDA (K = 1), teacher with {words}", method("sda", K=1, teacher_dropout=masks)
                )
                for masks, words in (("independent", "dropout of its own"), ("shared", "the student's masks"))
            ),
            MethodRow("sda[K=1]:current", "SDA, teacher = student without dropout", method("sda", K=1, teacher_lag=0)),
        ),
        claims=(
            _driver(
                "sda-teacher-dropout-matters",
                "SDA is better when its teacher keeps dropout as the student does.",
                "sda[K=1]:independent",
                "sda[K=1]",
            ),
            _driver(
                "sda-masks-matter",
                "SDA is better when its teacher has the student's dropout masks.",
                "sda[K=1]:shared",
                "sda[K=1]",
            ),
            _driver(
                "sda-age-matters",
                "The last step's weights are a better teacher than the current ones.",
                "sda[K=1]",
                "sda[K=1]:current",
            ),
            _driver(
                "sda-dropped-beats-vanilla",
                "SDA (K = 1) whose teacher keeps dropout is better than plain fine-tuning.",
                "sda[K=1]:independent",
                "vanilla",
            ),
        ),
        notes=(
            "The paper does not say whether the teacher drops units; everywhere else here it does not.",
            "A student with dropout that is pulled to its own logits without dropout is pulled to larger ones than it "
            "gives, and the teacher follows: in the generated world at lambda = 1 the logits run away.",
        ),
    )


@EXPERIMENTS.register("selection-bias")
def selection_bias() -> Experiment:
    """What choosing the epoch on the reported set adds: last, best on dev, best on holdout, of the same runs.

    Runs: 216 paper, 216 small, 81 demo.
    """
    return Experiment(
        name="selection-bias",
        title="Selection bias: last epoch, best on dev, best on the holdout",
        rows=SMART_ROWS,
        columns=GLUE,
        seeds=method_rows.EIGHT,
        baseline="vanilla",
        settings=method_rows.SMART_SETTINGS,
        task_settings=method_rows.SMART_TASK_SETTINGS,
        claims=(
            Claim(
                id="control-best-dev-flatters",
                sentence="Choosing the epoch on dev flatters every method, and not by the same amount.",
                table="control study",
                contrast=against("smart[shared]", "vanilla"),
                tasks=("cola", "rte", "mrpc"),
                reading="shared",
                min_seeds=8,
                partial=True,
                test=Selection(best="best-dev", reference="best-holdout"),
            ),
        ),
        layout="selection",
        notes=(
            "Nothing is trained for this that smart-table1 does not train: the choice is made from stored predictions.",
        ),
    )


@EXPERIMENTS.register("together")
def together() -> Experiment:
    """The two papers together: SMART, SDA, and both at once.

    Runs: 192 paper, 192 small, 72 demo.
    """
    rows = (
        _VANILLA,
        sda.sda(1),
        *method_rows.smart("SMART"),
        *method_rows.smart("SMART + SDA", prefix="smart+sda", name="smart+sda"),
    )
    return _study(
        name="together",
        title="SMART and SDA together",
        rows=rows,
        claims=(
            *(
                Claim(
                    id=f"control-together-{name}-{reading}",
                    sentence=f"SMART and SDA together are better than {words} alone.",
                    table="control study",
                    contrast=against(f"smart+sda[{reading}]", row.format(reading)),
                    tasks=_TASKS,
                    reading=reading,
                    min_seeds=8,
                    partial=True,
                )
                for reading in method_rows.READINGS
                for name, words, row in (("smart", "SMART", "smart[{}]"), ("sda", "SDA", "sda[K=1]"))
            ),
            *(
                Claim(
                    id=f"control-{name}-beats-vanilla",
                    sentence=f"{words} is better than plain fine-tuning.",
                    table="control study",
                    contrast=against(row, "vanilla"),
                    tasks=_TASKS,
                    reading=reading,
                    min_seeds=8,
                    partial=True,
                )
                for name, words, row, reading in (
                    *((f"smart-{each}", "SMART", f"smart[{each}]", each) for each in method_rows.READINGS),
                    ("sda", "SDA (K = 1)", "sda[K=1]", ""),
                )
            ),
        ),
    )


@EXPERIMENTS.register("mechanism")
def mechanism() -> Experiment:
    """What the methods do to the model: smoothness on dev, step length, distance from theta_0, transfer from MNLI.

    Runs: 80 paper, 80 small, 48 demo.
    """
    rows = (
        _VANILLA,
        MethodRow("r-drop", "R-Drop", method("r-drop")),
        *method_rows.smart("R_s", prefix="smoothness", name="smoothness"),
        MethodRow("bregman", "D_Breg", method("bregman")),
        *method_rows.smart("SMART"),
        sda.sda(1),
    )
    columns = (
        TaskColumn("mnli", "accuracy"),
        TaskColumn("snli", "accuracy", trained_on="mnli", variant="from MNLI"),
        TaskColumn("scitail", "accuracy", trained_on="mnli", variant="from MNLI"),
        TaskColumn("rte", "accuracy"),
    )

    def claim(
        name: str, sentence: str, a: str, direction: str, quantity: str, reading: str, radius: float | None = None
    ) -> Claim:
        return Claim(
            id=f"smart-{name}-{reading}" if reading else f"smart-{name}",
            sentence=sentence,
            table="SMART, sections 1 and 3",
            contrast=against(a, "vanilla"),
            tasks=("mnli", "rte"),
            direction=direction,
            reading=reading,
            test=Measured(quantity=quantity, columns=("mnli.accuracy", "rte.accuracy"), radius=radius),
        )

    per_reading = tuple(
        each
        for reading in method_rows.READINGS
        for each in (
            claim(
                "is-smoother",
                "R_s makes the model change less under small perturbations of the input.",
                f"smoothness[{reading}]",
                "less",
                "r_s",
                reading,
                radius=1e-2,
            ),
            claim(
                "stays-near",
                "SMART keeps the model closer to its pre-trained weights.",
                f"smart[{reading}]",
                "less",
                "distance",
                reading,
            ),
            Claim(
                id=f"smart-retains-knowledge-{reading}",
                sentence="SMART retains more of what was known outside the "
                "training set: trained on MNLI it transfers better to SNLI and SciTail.",
                table="SMART, section 1",
                contrast=against(f"smart[{reading}]", "vanilla"),
                tasks=("snli", "scitail"),
                reading=reading,
                test=Difference(columns=("snli.accuracy@from MNLI", "scitail.accuracy@from MNLI")),
            ),
        )
    )
    return Experiment(
        name="mechanism",
        title="Mechanism: smoothness, step length, distance, transfer",
        rows=rows,
        columns=columns,
        seeds=method_rows.FIVE,
        baseline="vanilla",
        settings={**method_rows.SMART_SETTINGS, "measure": True},
        task_settings=method_rows.SMART_TASK_SETTINGS,
        claims=(
            *per_reading,
            claim(
                "prevents-aggressive-updates",
                "D_Breg keeps successive iterates' predictions close to each other.",
                "bregman",
                "less",
                "step_divergence",
                "",
            ),
        ),
        layout="mechanism",
        notes=(
            "R_s on dev is measured in evaluation mode, over radii from 1e-4 to 1e-1 of the embeddings' root "
            "mean square.",
            "Predictions for SciTail join MNLI's neutral and contradiction into neutral.",
        ),
    )


@EXPERIMENTS.register("last-batch-noise")
def last_batch_noise() -> Experiment:
    """Labels of the last 5 % of the updates shuffled: do averages of students forgive it?

    Runs: 128 paper, 128 small, 48 demo.
    """
    arms_of = (_VANILLA, MethodRow("se", "SE", method("self-ensemble")), sda.sda(1), sda.sda("all"))
    rows = tuple(
        each
        for row in arms_of
        for each in (
            row,
            replace(
                row,
                id=f"{row.id}+noise",
                title=f"{row.title}, last 5 % of labels shuffled",
                settings={**row.settings, "late_noise": 0.05},
            ),
        )
    )
    columns = (TaskColumn("rte", "accuracy"), TaskColumn("mrpc", "f1"))
    return Experiment(
        name="last-batch-noise",
        title="Noise in the last updates",
        rows=rows,
        columns=columns,
        seeds=method_rows.EIGHT,
        baseline="vanilla",
        settings=method_rows.SMART_SETTINGS,
        claims=(
            *(
                Claim(
                    id=f"sda-forgives-last-batches-{row}",
                    sentence=f"The last batches influence {words} less than plain fine-tuning.",
                    table="SDA, section 1 (why an average of past students teaches)",
                    contrast=against(f"{row}+noise", row),
                    tasks=("rte", "mrpc"),
                    min_seeds=8,
                    test=Interaction(against_contrast=against("vanilla+noise", "vanilla")),
                )
                for row, words in (
                    ("se", "the self-ensemble"),
                    ("sda[K=all]", "SDA (K = T-1)"),
                    ("sda[K=1]", "SDA (K = 1)"),
                )
            ),
        ),
    )
