"""Control study: SDA's teacher, its dropout and its age, at K = 1."""

from __future__ import annotations

from benchmarks.experiments.controls import small_sets
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, MethodRow
from benchmarks.experiments.sda import settings as sda
from benchmarks.spec import method


@EXPERIMENTS.register("what-drives-sda")
def what_drives_sda() -> Experiment:
    """Parts of SDA that help or harm: the teacher's dropout and its age. Control study.

    Runs: 160 paper, 160 small, 100 demo.
    """
    return small_sets.study(
        name="what-drives-sda",
        title="What drives SDA",
        rows=(
            small_sets.VANILLA,
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
            small_sets.claim(
                "sda-teacher-dropout-matters",
                "SDA is better when its teacher keeps dropout as the student does.",
                "sda[K=1]:independent",
                "sda[K=1]",
            ),
            small_sets.claim(
                "sda-masks-matter",
                "SDA is better when its teacher has the student's dropout masks.",
                "sda[K=1]:shared",
                "sda[K=1]",
            ),
            small_sets.claim(
                "sda-age-matters",
                "The last step's weights are a better teacher than the current ones.",
                "sda[K=1]",
                "sda[K=1]:current",
            ),
            small_sets.claim(
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
