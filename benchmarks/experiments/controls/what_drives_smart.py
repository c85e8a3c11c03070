"""Control study: SMART's parts one by one, and the plain remedies it has to beat."""

from __future__ import annotations

from benchmarks.experiments.controls import small_sets
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, MethodRow, Times
from benchmarks.spec import method


def _smoothness(direction: str, reading: str) -> MethodRow:
    words = {"none": "no perturbation", "random": "random direction", "ascent": "ascent"}[direction]
    return MethodRow(
        f"smoothness[{reading}]:{direction}",
        f"R_s [{reading} masks], {words}",
        method("smoothness", dropout=reading, direction=direction),
    )


_ROWS = (
    small_sets.VANILLA,
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
_CLAIMS = (
    small_sets.claim(
        "perturbation-matters",
        "With independent masks the perturbation adds something to dropout alone.",
        "smoothness[independent]:ascent",
        "smoothness[independent]:none",
        reading="independent",
    ),
    small_sets.claim(
        "direction-matters",
        "With shared masks the ascent direction is better than a random one.",
        "smoothness[shared]:ascent",
        "smoothness[shared]:random",
        reading="shared",
    ),
    small_sets.claim(
        "smart-beats-r-drop",
        "SMART with independent masks is better than R-Drop, which perturbs nothing.",
        "smart[independent]",
        "r-drop",
        reading="independent",
    ),
    small_sets.claim(
        "smart-beats-equal-compute",
        "SMART with shared masks is better than plain fine-tuning of equal compute.",
        "smart[shared]",
        "vanilla-3x",
        reading="shared",
    ),
    small_sets.claim(
        "smart-beats-label-smoothing",
        "SMART with shared masks is better than label smoothing.",
        "smart[shared]",
        "label-smoothing",
        reading="shared",
    ),
    small_sets.claim(
        "teacher-memory-matters",
        "The exponential mean is a better teacher than the pre-trained weights.",
        "bregman:ema",
        "bregman:theta0",
    ),
    small_sets.claim(
        "released-is-as-good",
        "SMART as released is as good as SMART as written, with shared masks.",
        "smart-released",
        "smart[shared]",
        direction="no less",
        reading="as-released",
    ),
)


@EXPERIMENTS.register("what-drives-smart")
def what_drives_smart() -> Experiment:
    """Parts of SMART that help: dropout, direction, teacher, compute. Control study.

    Runs: 576 paper, 576 small, 360 demo.
    """
    return small_sets.study(
        name="what-drives-smart",
        title="What drives SMART",
        rows=_ROWS,
        claims=_CLAIMS,
        notes=("R_s with shared masks and no perturbation is identically 0 and is not run.",),
    )
