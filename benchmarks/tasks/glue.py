"""GLUE (Wang et al. 2019), from the files of its zips or from the hub. SMART Tables 1 to 4 and 8.

Label order and sizes are those of the hub's copy; metrics stand in the order of SMART's tables.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.tasks.base import Classification, Head, Hub, Layout, Regression, Task
from benchmarks.tasks.pronouns import forms
from benchmarks.tasks.readers.jsonl import Jsonl
from benchmarks.tasks.readers.msr import MsrParaphrase
from benchmarks.tasks.readers.parquet import Parquet
from benchmarks.tasks.readers.releases import COLA_COLUMNS, STS_COLUMNS, ColaRelease, StsRelease
from benchmarks.tasks.readers.tsv import Tsv
from benchmarks.tasks.registry import register
from smart_repro.hnn.mention import Mention

FILES = {"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"}
PAIR = ("sentence1", "sentence2")
ENTAILMENT = Classification(("entailment", "not_entailment"))
THREE_WAY = Classification(("entailment", "neutral", "contradiction"))


def glue_task(
    name: str,
    title: str,
    *,
    head: Head,
    text: tuple[str, ...],
    metrics: tuple[str, ...],
    sizes: tuple[int, int, int],
    files: tuple[Layout, ...],
    folders: tuple[str, ...],
    licence: str,
    spelling: dict[str, str] | None = None,
    mention: Callable[..., Mention | None] | None = None,
) -> Task:
    """Register a GLUE task with train, dev and test under its own name on the hub."""
    hub = Hub("nyu-mll/glue", name, id="idx", labels=head.labels if isinstance(head, Classification) else ())
    return register(
        Task(
            name,
            title=title,
            head=head,
            text=text,
            metrics=metrics,
            sizes=dict(zip(FILES, sizes, strict=True)),
            hub=hub,
            folders=folders,
            layouts=(*files, Parquet(hub, text)),
            spelling=spelling or {},
            mention=mention,
            paper="SMART Tables 1, 2, 8",
            licence=licence,
        )
    )


glue_task(
    "cola",
    "CoLA",
    head=Classification(("unacceptable", "acceptable")),
    spelling={"0": "unacceptable", "1": "acceptable"},
    text=("sentence",),
    metrics=("matthews",),
    sizes=(8_551, 1_043, 1_063),
    files=(
        Tsv(
            FILES,
            text=("sentence",),
            headerless=dict.fromkeys(("train", "dev"), COLA_COLUMNS),
        ),
        ColaRelease(
            {"train": "raw/in_domain_train.tsv", "dev": "raw/in_domain_dev.tsv"},
            headerless=dict.fromkeys(("train", "dev"), COLA_COLUMNS),
        ),
    ),
    folders=("CoLA", "cola_public", "cola_public_1.1"),
    licence="none stated; the texts are excerpts of published works, their use is expected to be fair use",
)

glue_task(
    "sst2",
    "SST-2",
    head=Classification(("negative", "positive")),
    spelling={"0": "negative", "1": "positive"},
    text=("sentence",),
    metrics=("accuracy",),
    sizes=(67_349, 872, 1_821),
    files=(Tsv(FILES, text=("sentence",)),),
    folders=("SST-2", "sst2"),
    licence="none stated (Stanford Sentiment Treebank)",
)

glue_task(
    "mrpc",
    "MRPC",
    head=Classification(("not_equivalent", "equivalent")),
    spelling={"0": "not_equivalent", "1": "equivalent"},
    text=PAIR,
    metrics=("accuracy", "f1"),
    sizes=(3_668, 408, 1_725),
    files=(
        Tsv(FILES, text=("#1 String", "#2 String"), label="Quality"),
        MsrParaphrase({split: f"msr_paraphrase_{'test' if split == 'test' else 'train'}.txt" for split in FILES}),
    ),
    folders=("MRPC",),
    licence="Microsoft Research licence terms, accepted at download",
)

glue_task(
    "qqp",
    "QQP",
    head=Classification(("not_duplicate", "duplicate")),
    spelling={"0": "not_duplicate", "1": "duplicate"},
    text=("question1", "question2"),
    metrics=("accuracy", "f1"),
    sizes=(363_846, 40_430, 390_965),
    # The official file has a few rows broken by a line end inside a question; the hub's copy leaves them out as well.
    files=(Tsv(FILES, text=("question1", "question2"), label="is_duplicate", id="id", torn=1e-3),),
    folders=("QQP",),
    licence="Quora terms of service (non-commercial use)",
)

glue_task(
    "stsb",
    "STS-B",
    head=Regression(0.0, 5.0),
    text=PAIR,
    metrics=("pearson", "spearman"),
    sizes=(5_749, 1_500, 1_379),
    files=(
        Tsv(FILES, label="score"),
        StsRelease(
            {split: f"sts-{split}.csv" for split in FILES},
            headerless=dict.fromkeys(FILES, STS_COLUMNS),
        ),
    ),
    folders=("STS-B", "stsb", "stsbenchmark"),
    licence="scores CC BY-SA 4.0; the texts as their source corpora say",
)

glue_task(
    "qnli",
    "QNLI",
    head=ENTAILMENT,
    text=("question", "sentence"),
    metrics=("accuracy",),
    sizes=(104_743, 5_463, 5_463),
    files=(Tsv(FILES, text=("question", "sentence")),),
    folders=("QNLI",),
    licence="CC BY-SA 4.0 (derived from SQuAD)",
)

glue_task(
    "rte",
    "RTE",
    head=ENTAILMENT,
    text=PAIR,
    metrics=("accuracy",),
    sizes=(2_490, 277, 3_000),
    files=(Tsv(FILES),),
    folders=("RTE",),
    licence="none stated (PASCAL and TAC research data)",
)

glue_task(
    "wnli",
    "WNLI",
    head=Classification(("not_entailment", "entailment")),
    spelling={"0": "not_entailment", "1": "entailment"},
    text=PAIR,
    metrics=("accuracy",),
    sizes=(635, 71, 146),
    files=(Tsv(FILES),),
    folders=("WNLI",),
    mention=forms.entailment,
    licence="CC BY 4.0 (Winograd schema collection)",
)

MNLI_TEXT = ("premise", "hypothesis")
MNLI_FILES = ("{}.tsv", "multinli_1.0_{}.jsonl", "multinli_1.0_{}.txt")
MNLI_LICENCE = "MultiNLI: most texts under the OANC licence, the fiction part public domain, CC BY 3.0 or CC BY-SA 3.0"


def mnli_layouts(hub: Hub, **parts: str) -> tuple[Layout, ...]:
    """Return MNLI's layouts: GLUE's files (with the annotators' labels on dev), MultiNLI 1.0, and Parquet.

    Args:
        hub: the data set on the hub, for Parquet files.
        **parts: split -> its name in the files' names.
    """
    tsv, jsonl, txt = ({split: pattern.format(part) for split, part in parts.items()} for pattern in MNLI_FILES)
    return (
        Tsv(tsv, label="gold_label", pair_id="pairID", no_gold="-"),
        Jsonl(jsonl, distinctive=True),
        Tsv(txt, label="gold_label", id="pairID", no_gold="-", identifying=True, distinctive=True),
        Parquet(hub, MNLI_TEXT),
    )


def mnli_hub(splits: dict[str, str], config: str = "mnli") -> Hub:
    """Return the hub entry of MNLI, its mismatched half or the diagnostic set."""
    return Hub("nyu-mll/glue", config, splits=splits, id="idx", labels=THREE_WAY.labels)


mnli = mnli_hub({"train": "train", "dev": "validation_matched", "test": "test_matched"})
register(
    Task(
        "mnli",
        title="MNLI-m",
        head=THREE_WAY,
        text=MNLI_TEXT,
        metrics=("accuracy",),
        sizes={"train": 392_702, "dev": 9_815, "test": 9_796},
        hub=mnli,
        folders=("MNLI", "multinli_1.0", "multinli"),
        layouts=mnli_layouts(mnli, train="train", dev="dev_matched", test="test_matched"),
        paper="SMART Tables 1 to 4 and 8, Figure 2; SDA Tables 3 and 4",
        licence=MNLI_LICENCE,
    )
)

mismatched = mnli_hub({"dev": "validation_mismatched", "test": "test_mismatched"})
register(
    Task(
        "mnli-mm",
        title="MNLI-mm",
        head=THREE_WAY,
        text=MNLI_TEXT,
        metrics=("accuracy",),
        sizes={"dev": 9_832, "test": 9_847},
        hub=mismatched,
        folders=("MNLI", "multinli_1.0", "multinli"),
        layouts=mnli_layouts(mismatched, dev="dev_mismatched", test="test_mismatched"),
        train_with="mnli",
        paper="SMART Tables 1 to 4, Figure 2; SDA Tables 3 and 4",
        licence=MNLI_LICENCE,
    )
)

diagnostic = mnli_hub({"test": "test"}, "ax")
register(
    Task(
        "ax",
        title="AX",
        head=THREE_WAY,
        text=MNLI_TEXT,
        metrics=("matthews",),
        sizes={"test": 1_104},
        hub=diagnostic,
        folders=("AX", "diagnostic"),
        layouts=(
            Tsv({"test": "diagnostic-full.tsv"}, text=("Premise", "Hypothesis"), label="Label"),  # with labels
            Tsv({"test": "diagnostic.tsv"}),
            Parquet(diagnostic, MNLI_TEXT),
        ),
        train_with="mnli",
        paper="SMART Table 2",
        licence="none stated beyond GLUE's",
    )
)
