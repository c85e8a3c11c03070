"""Inference beyond GLUE: SNLI, SciTail, ANLI, NLI-FEVER and the mixture of SMART Table 6."""

from __future__ import annotations

from benchmarks.tasks.base import Classification, Hub, Task
from benchmarks.tasks.glue import FILES, MNLI_TEXT, THREE_WAY
from benchmarks.tasks.readers.jsonl import Jsonl
from benchmarks.tasks.readers.parquet import Parquet
from benchmarks.tasks.readers.tsv import Tsv
from benchmarks.tasks.registry import register


def release(pattern: str) -> dict[str, str]:
    """Return the file name of each split for a pattern such as ``snli_1.0_{}.jsonl``."""
    return {split: pattern.format(split) for split in ("train", "dev", "test")}


def snli_tsv(files: dict[str, str], distinctive: bool = False) -> Tsv:
    """Return the layout of SNLI's own text files, or of GLUE's edition of them."""
    return Tsv(files, label="gold_label", id="pairID", no_gold="-", identifying=True, distinctive=distinctive)


snli = Hub("stanfordnlp/snli", "plain_text", labels=THREE_WAY.labels)
register(
    Task(
        "snli",
        title="SNLI",
        head=THREE_WAY,
        text=MNLI_TEXT,
        metrics=("accuracy",),
        sizes={"train": 549_367, "dev": 9_842, "test": 9_824},  # rows with a gold label
        hub=snli,
        folders=("SNLI", "snli_1.0"),
        layouts=(
            Jsonl(release("snli_1.0_{}.jsonl"), distinctive=True),
            snli_tsv(release("snli_1.0_{}.txt"), distinctive=True),
            snli_tsv(FILES),
            Parquet(snli, MNLI_TEXT),
        ),
        paper="SMART Tables 5, 7, 8; SDA Tables 2 to 4, Figure 4",
        licence="CC BY-SA 4.0",
    )
)

scitail = Hub(
    "allenai/scitail",
    "snli_format",  # tsv_format lost 499 training rows
    columns={"premise": "sentence1", "hypothesis": "sentence2"},
    label="gold_label",
)
register(
    Task(
        "scitail",
        title="SciTail",
        head=Classification(("neutral", "entails")),
        spelling={"entailment": "entails"},
        text=MNLI_TEXT,
        metrics=("accuracy",),
        sizes={"train": 23_596, "dev": 1_304, "test": 2_126},
        hub=scitail,
        folders=("SciTail", "SciTailV1.1", "SciTailV1", "snli_format"),
        layouts=(
            Jsonl(release("snli_format/scitail_1.0_{}.txt"), distinctive=True),
            Tsv(
                release("tsv_format/scitail_1.0_{}.tsv"),
                text=MNLI_TEXT,
                headerless=dict.fromkeys(FILES, (*MNLI_TEXT, "label")),
                distinctive=True,
            ),
            Parquet(scitail, MNLI_TEXT),
        ),
        paper="SMART Tables 5, 7, 8",
        licence="Apache-2.0, as recorded in its catalogue entries",
    )
)

ANLI_SIZES = {"r1": (16_946, 1_000, 1_000), "r2": (45_460, 1_000, 1_000), "r3": (100_459, 1_200, 1_200)}
ANLI_SPELLING = {"e": "entailment", "n": "neutral", "c": "contradiction"}
ROUNDS = tuple(f"anli-{name}" for name in ANLI_SIZES)

for name, sizes in ANLI_SIZES.items():
    anli = Hub(
        "facebook/anli",
        "plain_text",
        splits={split: f"{split}_{name}" for split in FILES},
        id="uid",
        labels=THREE_WAY.labels,
    )
    register(
        Task(
            f"anli-{name}",
            title=f"ANLI {name.upper()}",
            head=THREE_WAY,
            spelling=ANLI_SPELLING,
            text=MNLI_TEXT,
            metrics=("accuracy",),
            sizes=dict(zip(FILES, sizes, strict=True)),
            hub=anli,
            folders=("ANLI", "anli_v1.0"),
            layouts=(
                Jsonl(
                    release(f"{name.upper()}/{{}}.jsonl"),
                    text=("context", "hypothesis"),
                    label="label",
                    id="uid",
                    parts=".",
                ),
                Parquet(anli, MNLI_TEXT),
            ),
            paper="SMART Tables 6, 8",
            licence="CC BY-NC 4.0",
        )
    )

register(
    Task(
        "anli",
        title="ANLI",
        head=THREE_WAY,
        text=MNLI_TEXT,
        metrics=("accuracy",),
        sizes={"train": 162_865, "dev": 3_200, "test": 3_200},
        parts=dict.fromkeys(FILES, ROUNDS),
        paper="SMART Tables 6, 8",
        licence="CC BY-NC 4.0",
    )
)

register(
    Task(
        "fever-nli",
        title="NLI-FEVER",
        head=THREE_WAY,
        spelling={"SUPPORTS": "entailment", "NOT ENOUGH INFO": "neutral", "REFUTES": "contradiction"},
        text=MNLI_TEXT,
        metrics=("accuracy",),
        sizes={"train": 208_346, "dev": 19_998, "test": 19_998},
        folders=("nli_fever", "fever_nli", "FEVER"),
        layouts=(Jsonl(release("{}_fitems.jsonl"), text=("context", "query"), label="label", id="fid"),),
        paper="SMART Table 6 (training data)",
        licence="claims CC BY-SA 3.0 (FEVER), evidence Wikipedia's terms",
    )
)

register(
    Task(
        "nli-mixture",
        title="ANLI (trained on MNLI + SNLI + ANLI + FEVER)",
        head=THREE_WAY,
        text=MNLI_TEXT,
        metrics=("accuracy",),
        sizes={"dev": 3_200, "test": 3_200},
        parts={"train": ("mnli", "snli", "anli", "fever-nli"), "dev": ROUNDS, "test": ROUNDS},
        paper="SMART Table 6",
        licence="as its parts",
    )
)
