"""The zip file for the GLUE server: names, headers, words and counts, against the official test files."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.records import ResultsError
from analysis.schema import Manifest
from benchmarks.errors import DataError, UsageError
from benchmarks.sharing import submission
from benchmarks.sharing.submission import FILES, check, read_predictions, submit, word, write
from benchmarks.store.store import Store
from benchmarks.tasks import TASKS, Classification
from benchmarks.tasks.sources import Source, load_split

OFFICIAL = {
    "cola": "CoLA/test.tsv",
    "sst2": "SST-2/test.tsv",
    "mrpc": "MRPC/test.tsv",
    "stsb": "STS-B/test.tsv",
    "qnli": "QNLI/test.tsv",
    "rte": "RTE/test.tsv",
    "wnli": "WNLI/test.tsv",
    "ax": "diagnostic/diagnostic.tsv",
}


def some_words(task: str, rng: np.random.Generator) -> list[str]:
    head = TASKS[task].head
    n = TASKS[task].sizes["test"]
    if isinstance(head, Classification):
        return [word(TASKS[task], i) for i in rng.integers(0, len(head.labels), n)]
    return [word(TASKS[task], x) for x in rng.uniform(-1, 6, n)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "submission.zip"
    rng = np.random.default_rng(0)
    write({task: some_words(task, rng) for task in FILES}, path)
    return path


def test_all_eleven_files_have_the_servers_names_header_and_row_counts(whole: Path) -> None:
    with zipfile.ZipFile(whole) as archive:
        assert set(archive.namelist()) == {
            "CoLA.tsv",
            "SST-2.tsv",
            "MRPC.tsv",
            "STS-B.tsv",
            "MNLI-m.tsv",
            "MNLI-mm.tsv",
            "QNLI.tsv",
            "RTE.tsv",
            "WNLI.tsv",
            "QQP.tsv",
            "AX.tsv",
        }
        for name in archive.namelist():
            assert archive.read(name).startswith(b"index\tprediction\n0\t")
    assert check(whole) == {task: TASKS[task].sizes["test"] for task in FILES}


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("cola", ("0", "1")),
        ("qqp", ("0", "1")),
        ("wnli", ("0", "1")),
        ("rte", ("entailment", "not_entailment")),
        ("qnli", ("entailment", "not_entailment")),
        ("mnli", ("entailment", "neutral", "contradiction")),
        ("ax", ("entailment", "neutral", "contradiction")),
    ],
)
def test_labels_are_in_the_servers_words(task: str, expected: tuple[str, ...]) -> None:
    assert tuple(word(TASKS[task], i) for i in range(len(expected))) == expected


def test_similarities_are_numbers_between_0_and_5() -> None:
    assert [word(TASKS["stsb"], x) for x in (-0.3, 2.71828, 5.4)] == ["0.000", "2.718", "5.000"]


@pytest.mark.parametrize("task", OFFICIAL)
def test_rows_and_words_are_those_of_the_official_test_and_training_files(
    task: str, whole: Path, real_data: Path
) -> None:
    with (real_data / OFFICIAL[task]).open(encoding="utf-8", newline="") as stream:
        official = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    with zipfile.ZipFile(whole) as archive:
        ours = [line.split("\t") for line in archive.read(FILES[task]).decode().splitlines()]
    assert len(ours) == len(official)
    assert [line[0] for line in ours[1:]] == [line[0] for line in official[1:]]  # the official index column
    head = TASKS[task].head
    if task != "ax" and isinstance(head, Classification):
        split = load_split(TASKS[task], "dev", Source("local", real_data))
        words = {word(TASKS[task], label) for label in split.labels}
        assert {line[1] for line in ours[1:]} == words
        assert words <= _labels_as_written(real_data / OFFICIAL[task].replace("test", "dev"))


def _labels_as_written(path: Path) -> set[str]:
    with path.open(encoding="utf-8", newline="") as stream:
        return {field for line in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE) for field in line}


@pytest.mark.parametrize("task", ["cola", "rte", "mrpc", "wnli", "ax"])
def test_predictions_of_the_official_test_split_become_one_line_per_row(
    task: str, real_data: Path, tmp_path: Path
) -> None:
    split = load_split(TASKS[task], "test", Source("local", real_data))
    rng = np.random.default_rng(1)
    chosen = rng.integers(0, TASKS[task].head.num_outputs, len(split))
    early = (chosen + 1) % TASKS[task].head.num_outputs
    frame = pd.concat(
        pd.DataFrame({"id": split.ids, "epoch": epoch, "prediction": values})
        for epoch, values in ((1, early), (2, chosen))
    )
    frame.to_parquet(tmp_path / "p.parquet")
    words = read_predictions(task, tmp_path / "p.parquet")
    assert write({task: words}, tmp_path / "s.zip") == {task: TASKS[task].sizes["test"]}
    assert words == [word(TASKS[task], label) for label in chosen]


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda text: text.replace("index\tprediction", "id\tlabel"), "header"),
        (lambda text: text.replace("\nentailment", "\nyes").replace("\tentailment", "\tyes", 1), "line"),
        (lambda text: text[: text.rstrip("\n").rfind("\n") + 1], "2,999 predictions for the 3,000 rows"),
        (lambda text: text.replace("\n7\t", "\n8\t"), "line 9"),
        (lambda text: text.replace("\t", ",", 5), "header|line"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(damage: object, complaint: str, whole: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(whole) as archive:
        text = archive.read("RTE.tsv").decode()
    damaged = tmp_path / "damaged.zip"
    with zipfile.ZipFile(damaged, "w") as archive:
        archive.writestr("RTE.tsv", damage(text))
    with pytest.raises(DataError, match=complaint):
        check(damaged)


def test_other_files_and_no_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("rte.tsv", "index\tprediction\n")
    with pytest.raises(DataError, match=r"rte\.tsv"):
        check(tmp_path / "x.zip")
    (tmp_path / "y.zip").write_text("no")
    with pytest.raises(DataError, match="not a submission"):
        check(tmp_path / "y.zip")


def test_rows_out_of_order_are_refused(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["1", "0"], "epoch": [1, 1], "prediction": [0, 1]}).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(DataError, match="not numbered"):
        read_predictions("rte", tmp_path / "p.parquet")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Make a results folder with RTE test predictions of one row and two seeds."""
    results = tmp_path / "results"
    cells = {"smart[shared]": {"rte": ("k0", "k1"), "cola": ("c0", "c1")}}
    Store(results).write_manifest(Manifest("smart-table2", "", (), (), seeds=(0, 1), cells=cells, grid="g"))
    for seed in (0, 1):
        folder = results / "runs" / f"k{seed}" / "predictions"
        folder.mkdir(parents=True)
        n = TASKS["rte"].sizes["test"]
        frame = pd.DataFrame({"id": [str(i) for i in range(n)], "epoch": 1, "prediction": np.full(n, seed)})
        frame.to_parquet(folder / "rte.test.parquet")
    return results


def test_a_row_and_seed_of_an_experiment_become_a_submission(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.zip"
    assert submit(results, "smart-table2", "smart[shared]", 1, out, tasks=["rte"]) == {"rte": 3000}
    with zipfile.ZipFile(out) as archive:
        assert archive.read("RTE.tsv").decode().splitlines()[1] == "0\tnot_entailment"
    assert submit(results, "smart-table2", "smart[shared]", 0, out, partial=True) == {"rte": 3000}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({}, "no test predictions .* cola, sst2"),
        ({"row": "vanilla"}, "no row 'vanilla'"),
        ({"seed": 9}, "no seed 9"),
        ({"experiment": "smart-table1"}, "no experiment"),
        ({"tasks": ["snli"]}, "not a GLUE test set"),
    ],
)
def test_what_is_missing_is_named_with_the_remedy(
    change: dict[str, object], complaint: str, results: Path, tmp_path: Path
) -> None:
    options = {"experiment": "smart-table2", "row": "smart[shared]", "seed": 0, "path": tmp_path / "s.zip", **change}
    with pytest.raises(ResultsError if "experiment" in change else UsageError, match=complaint):
        submit(results, **options)
    assert not (tmp_path / "s.zip").exists()
    assert submission.FILES["mnli"] == "MNLI-m.tsv"


def test_a_missing_last_newline_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "submission.zip"
    lines = ["index\tprediction", *(f"{i}\t1" for i in range(TASKS["wnli"].sizes["test"]))]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("WNLI.tsv", "\n".join(lines))
    with pytest.raises(DataError, match=r"WNLI\.tsv, line 147: the last newline is missing"):
        check(path)
