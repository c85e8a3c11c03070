"""Study 3: does it help? Every arm is tuned with the same number of trials, then compared at seeds it never saw.

Two commands: with ``--tune`` each arm's six distinct trials (three learning rates by two values of an axis that acts:
SMART's radius, SDA's K, R-Drop's alpha, plain fine-tuning's batch size) on two seeds, scored on training examples that
none draws; given again, it widens the rates for all arms until the best lies inside. With ``--tuned`` the best trial of
each arm on each task at eight fresh seeds, and published SMART at the rate that plain fine-tuning was tuned to.

Untuned, as published, two of its rows are the same runs; tuned there are 80.

Runs: 64 paper, 64 small, 40 demo.
"""

from __future__ import annotations

from analysis.schema import Claim
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, MethodRow
from benchmarks.experiments.planning.columns import any_task
from benchmarks.experiments.studies.two_tasks import COLUMNS, TITLES, claim
from benchmarks.spec import method

_ROWS = (
    method_rows.vanilla("plain fine-tuning"),
    MethodRow("r-drop", "R-Drop", method("r-drop")),
    MethodRow("smart[shared]", "SMART [shared masks]", method("smart", dropout="shared")),
    MethodRow("sda", "SDA", method("sda")),
    MethodRow(
        "smart-as-published",
        "SMART [shared masks] as published, at plain's rate",
        method("smart", dropout="shared"),
        rate_of="vanilla",
    ),
)


def _claim(name: str, sentence: str, a: str, b: str, task: str, reading: str = "") -> Claim:
    return claim(3, f"control-tuned-{name}-on-{task}", sentence, a, b, task, reading)


_CLAIMS = tuple(
    tuned_claim
    for task, title in TITLES.items()
    for tuned_claim in (
        *(
            _claim(
                plain,
                f"{name}, tuned, is better than plain fine-tuning, tuned alike, on {title}.",
                row,
                "vanilla",
                task,
                "shared" if row == "smart[shared]" else "",
            )
            for plain, row, name in (
                ("smart", "smart[shared]", "SMART with shared masks"),
                ("sda", "sda", "SDA"),
                ("r-drop", "r-drop", "R-Drop"),
            )
        ),
        _claim(
            "smart-beats-r-drop",
            f"SMART with shared masks, tuned, is better than R-Drop, tuned alike, on {title}.",
            "smart[shared]",
            "r-drop",
            task,
            "shared",
        ),
        _claim(
            "published-smart",
            f"SMART as published, with shared masks, is better than plain fine-tuning at the same learning rate on "
            f"{title}.",
            "smart-as-published",
            "vanilla",
            task,
            "shared",
        ),
    )
)


@EXPERIMENTS.register("equal-budgets")
def equal_budgets() -> Experiment:
    """Study 3: SMART, SDA, R-Drop and plain fine-tuning after equal tuning, on SST-2 and AG's News."""
    return Experiment(
        name="equal-budgets",
        title="Study 3: equal budgets",
        rows=_ROWS,
        columns=COLUMNS,
        seeds=method_rows.EIGHT,
        baseline="vanilla",
        settings=method_rows.SMART_SETTINGS,
        claims=_CLAIMS,
        columns_for=any_task,
        notes=(
            "One task is of SMART's paper, the other of SDA's; on both plain fine-tuning of MiniLM is above the floor.",
            "All arms have one learning rate for encoder and softmax layer: it is what is tuned.",
        ),
    )
