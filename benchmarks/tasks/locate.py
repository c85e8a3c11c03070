"""Search for a task's files under ``--data-dir``, by the usual names of its folders."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.errors import DataError, MissingData
from benchmarks.tasks.base import Layout, Task
from benchmarks.tasks.readers.files import entries
from benchmarks.tasks.readers.text import printable, without_gz
from benchmarks.tasks.readers.tsv import Tsv

CONTAINERS = ("glue_data", "glue", "hnn", "data", "plain_text", "original", "default")  # folders around a task's folder
DEPTH = 3
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".7z", ".rar")
LISTED = 12  # file names a message quotes


def plain(name: str) -> str:
    """Return a folder name without case and punctuation: ``STS-B``, ``sts_b`` and ``stsb`` are equal."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def candidates(task: Task, data_dir: Path) -> list[Path]:
    """Return the folders that may hold the task: those with one of its usual names, and their subfolders."""
    names = {plain(name) for name in task.folders}
    containers = {plain(name) for name in CONTAINERS}
    folders: list[Path] = []

    def descend(folder: Path, depth: int, inside: bool) -> None:
        if inside:
            folders.append(folder)
        if depth == DEPTH:
            return
        for inner in entries(folder):
            name = plain(inner.name)
            if (name in names or name in containers) and inner.is_dir():
                descend(inner, depth + 1, inside or name in names)

    descend(data_dir, 0, inside=plain(data_dir.resolve().name) in names)
    return folders


def find_files(task: Task, split: str, data_dir: Path) -> tuple[Layout, list[Path], tuple[str, ...]]:
    """Return the preferred layout that has files, the files, and notes about files that were ignored.

    Raises: MissingData: with the folders searched, the folders present and the remedy.
    """
    check_folder(data_dir)
    folders = candidates(task, data_dir)
    hits = [
        (layout, files)
        for layout in task.layouts
        for folder in (*folders, *([data_dir] if layout.distinctive and data_dir not in folders else []))
        if (files := layout.find(folder, split))
    ]
    if not hits:
        raise MissingData(_missing_message(task, split, data_dir, folders))
    layout, files = hits[0]
    ignored = [alternative[0] for form, alternative in hits[1:] if form is layout and alternative != files]
    notes = tuple(f"not used, since {files[0]} comes first: {alternative}" for alternative in ignored)
    return layout, files, notes


def check_folder(data_dir: Path) -> None:
    """Refuse a data folder that does not exist. Raises MissingData."""
    if not data_dir.is_dir():
        problem = "is not a folder" if data_dir.exists() else "does not exist"
        raise MissingData(
            f"the data folder {data_dir} {problem}; give --data-dir (or SMART_REPRO_DATA) a folder that "
            "holds the data sets, or leave both out and use --source hub"
        )


def _missing_message(task: Task, split: str, data_dir: Path, folders: list[Path]) -> str:
    file_names = list(dict.fromkeys(name for layout in task.layouts if (name := layout.expects(split))))
    subfolders = [path.name for path in entries(data_dir) if path.is_dir()]
    searched = ", ".join(str(folder) for folder in folders) or f"no folder of {data_dir} has one of its names"
    return (
        f"{task.name}: no {split} split under {data_dir} (looked at: {searched}; for: {', '.join(file_names)}; "
        f"folders there: {', '.join(subfolders) or 'none'}; "
        f"files there: {_files_there([data_dir, *folders])}); put the files into a folder called "
        f"{' or '.join(task.folders[:3])}, or name the file: --data-file {task.name}:{split}=PATH"
    )


def _files_there(folders: list[Path]) -> str:
    """Return the names of the files in the folders searched, archives with a remedy."""
    files = [path for folder in dict.fromkeys(folders) for path in entries(folder) if path.is_file()]
    names = [f"{path.name}{_remedy(path)}" for path in files[:LISTED]]
    more = f" and {len(files) - LISTED} others" if len(files) > LISTED else ""
    return printable(", ".join(names), 600) + more if names else "none"


def _remedy(path: Path) -> str:
    """Return the remedy for a file that cannot be read as it is, or ""."""
    if _is_archive(path):
        return " (an archive: unpack it)"
    if path.suffix.lower() == ".arrow" or path.name == "dataset_dict.json":
        return " (written by save_to_disk: write each split with to_parquet() instead)"
    return ""


def _is_archive(path: Path) -> bool:
    return path.name.lower().endswith(ARCHIVES)


def layout_of(task: Task, path: Path, split: str) -> Layout:
    """Return the layout of a file that the user named.

    Raises: DataError: if the file is missing or no layout of the task has such a file name.
    """
    if not path.exists():
        raise MissingData(f"{task.name}: the file {path} given for the {split} split does not exist")
    if _is_archive(path) and not any(layout.reads(path) for layout in task.layouts):
        raise DataError(f"{task.name}: {path} is an archive; unpack it and name the file inside for the {split} split")
    readable = [layout for layout in task.layouts if layout.expects(split) and layout.reads(path)]
    if readable:
        fitting = [layout for layout in readable if not isinstance(layout, Tsv) or layout.fits(path, split)]
        named = [layout for layout in fitting or readable if layout.expects(split) == without_gz(path.name)]
        return [*named, *fitting, *readable][0]
    file_names = ", ".join(dict.fromkeys(name for layout in task.layouts if (name := layout.expects(split))))
    raise DataError(f"{task.name}: cannot tell how to read {path} as its {split} split; known file names: {file_names}")


def unclaimed(data_dir: Path) -> list[str]:
    """Return the folders under ``--data-dir`` that belong to no task: misspelt, or unknown data sets."""
    from benchmarks.tasks.registry import TASKS

    folder_names = {plain(name) for task in TASKS.values() for name in task.folders} | {
        plain(name) for name in CONTAINERS
    }
    return [path.name for path in entries(data_dir) if path.is_dir() and plain(path.name) not in folder_names]
