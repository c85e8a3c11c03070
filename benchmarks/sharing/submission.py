"""Predictions on GLUE's hidden test sets as the zip file of its server (gluebenchmark.com, "FAQ" and its sample).

One file a task, two tab-separated columns ``index`` and ``prediction``, one line per row of the official test file,
labels in the words its training file uses.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from analysis.records import read_table
from analysis.results import Results
from analysis.schema import Manifest
from benchmarks.errors import DataError, UsageError
from benchmarks.tasks import TASKS, Classification, Task

FILES = {
    "cola": "CoLA.tsv",
    "sst2": "SST-2.tsv",
    "mrpc": "MRPC.tsv",
    "stsb": "STS-B.tsv",
    "qqp": "QQP.tsv",
    "mnli": "MNLI-m.tsv",
    "mnli-mm": "MNLI-mm.tsv",
    "qnli": "QNLI.tsv",
    "rte": "RTE.tsv",
    "wnli": "WNLI.tsv",
    "ax": "AX.tsv",
}
HEADER = ("index", "prediction")


def submit(
    results: Path, experiment: str, row: str, seed: int, path: Path, *, tasks: Iterable[str] = (), partial: bool = False
) -> dict[str, int]:
    """Write and check the zip file for one row and seed of an experiment.

    Args:
        results: the results folder.
        experiment: name of the experiment.
        row: row of its table.
        seed: seed of the runs.
        path: the zip file.
        tasks: only these; default all eleven.
        partial: leave out tasks without predictions (the server refuses such a file).
    Returns: task -> rows written.
    Raises: ResultsError: no such experiment. UsageError: runs that are missing, with the command that makes them.
        DataError: predictions that do not fit.
    """
    opened = Results(results)
    manifest = opened.manifest(experiment)
    opened.leave_out_damaged(manifest.all_keys())
    requested = tuple(tasks) or tuple(FILES)
    invalid = [task for task in requested if task not in FILES]
    if invalid:
        raise UsageError(f"{', '.join(invalid)}: not a GLUE test set; there are {', '.join(FILES)}")
    files, missing = _predictions(opened, manifest, row, seed, requested)
    if missing and not (partial and files):
        raise UsageError(
            f"there are no test predictions of {row}, seed {seed}, for {', '.join(missing)}: run "
            f"`smart-repro run smart-table2` with these tasks' test files, or leave them out with --partial"
        )
    return write({task: read_predictions(task, file) for task, file in files.items()}, path)


def write(predictions: Mapping[str, list[str]], path: Path) -> dict[str, int]:
    """Write the predictions of each task, a word per test row in the test file's order; check them before and after.

    Raises: DataError: if the number of rows or a word is not what the server expects.
    """
    files = {FILES[task]: "".join(_lines(words)) for task, words in predictions.items()}
    for task in predictions:
        _check(task, files[FILES[task]])
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return check(path)


def check(path: Path) -> dict[str, int]:
    """Read a submission as the server does. Returns task -> rows.

    Raises: DataError: naming the file inside, the line and what was expected.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            texts = {name: archive.read(name).decode() for name in archive.namelist()}
    except (zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a submission: {error}") from error
    by_file = {file: task for task, file in FILES.items()}
    strange = sorted(set(texts) - set(by_file))
    if strange or not texts:
        raise DataError(f"{path}: {', '.join(strange) or 'nothing'} inside; expected {', '.join(by_file)}")
    return {by_file[name]: _check(by_file[name], text) for name, text in texts.items()}


def read_predictions(task: str, file: Path) -> list[str]:
    """Return the last epoch's predictions of a run on a test set, as the server spells them.

    Raises: DataError: if the rows are not the official ones in their order.
    """
    table = read_table(file, ["id", "epoch", "prediction"]).to_pydict()
    last = max(table["epoch"])
    rows = [(i, p) for i, e, p in zip(table["id"], table["epoch"], table["prediction"], strict=True) if e == last]
    numbers = [_number(name) for name, _ in rows]
    if None not in numbers and numbers != list(range(len(rows))):
        raise DataError(f"{file}: the rows are not numbered 0 to {len(rows) - 1} in order; predict the whole test file")
    return [word(TASKS[task], prediction) for _, prediction in rows]


def word(task: Task, prediction: float) -> str:
    """Return a prediction as the server expects it: the class as training files spell it, or a number in the range."""
    if not isinstance(task.head, Classification):
        return f"{min(max(float(prediction), task.head.low), task.head.high):.3f}"
    return _words(task)[int(prediction)]


def _words(task: Task) -> tuple[str, ...]:
    assert isinstance(task.head, Classification)
    spelled = {label: text for text, label in task.spelling.items()}
    return tuple(spelled.get(label, label) for label in task.head.labels)


def _lines(words: list[str]) -> Iterator[str]:
    yield "\t".join(HEADER) + "\n"
    yield from (f"{number}\t{text}\n" for number, text in enumerate(words))


def _check(name: str, text: str) -> int:
    task, file = TASKS[name], FILES[name]
    lines = io.StringIO(text).read().split("\n")
    if lines[0] != "\t".join(HEADER):
        raise DataError(f"{file}, line 1: expected the header {HEADER[0]}<tab>{HEADER[1]}, got {lines[0]!r:.60}")
    if lines[-1] != "":
        raise DataError(f"{file}, line {len(lines)}: the last newline is missing; end the file with one")
    rows = [line.split("\t") for line in lines[1:-1]]
    for number, fields in enumerate(rows):
        if len(fields) != 2 or fields[0] != str(number) or not _fits(task, fields[1]):
            raise DataError(
                f"{file}, line {number + 2}: expected {number}<tab>{_expected(task)}, got {lines[number + 1]!r:.60}"
            )
    if len(rows) != task.sizes["test"]:
        raise DataError(
            f"{file}: {len(rows):,} predictions for the {task.sizes['test']:,} rows of the official test set"
        )
    return len(rows)


def _fits(task: Task, text: str) -> bool:
    if isinstance(task.head, Classification):
        return text in _words(task)
    try:
        return task.head.low <= float(text) <= task.head.high
    except ValueError:
        return False


def _expected(task: Task) -> str:
    if isinstance(task.head, Classification):
        return " or ".join(_words(task))
    return f"a number from {task.head.low:g} to {task.head.high:g}"


def _number(name: str) -> int | None:
    digits = name.rpartition("-")[2]
    return int(digits) if digits.isdigit() else None


def _predictions(
    results: Results, manifest: Manifest, row: str, seed: int, tasks: Iterable[str]
) -> tuple[dict[str, Path], list[str]]:
    """Return task -> file with its test predictions, and the tasks without any."""
    rows = manifest.cells
    if row not in rows:
        raise UsageError(f"{manifest.name} has no row {row!r}; it has {', '.join(rows)}")
    if seed not in manifest.seeds:
        raise UsageError(f"{manifest.name} has no seed {seed}; it has {', '.join(map(str, manifest.seeds))}")
    place = manifest.seeds.index(seed)
    variants = {column.id: column.task for column in manifest.columns if column.split == "test"}
    files: dict[str, Path] = {}
    missing: list[str] = []
    for task in tasks:
        # a row that fills a column of its own has its runs under the column's name: HNN's WNLI
        names = (task, *(column for column, task_of_column in variants.items() if task_of_column == task))
        keys = next((keys for name in names if (keys := rows[row].get(name, ()))), ())
        file = results.folder(keys[place]) / "predictions" / f"{task}.test.parquet" if len(keys) > place else None
        if file is not None and file.is_file():
            files[task] = file
        else:
            missing.append(task)
    return files, missing
