"""CoLA and the STS benchmark as their authors publish them, without a header line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import MissingData
from benchmarks.tasks.readers.files import Files
from benchmarks.tasks.readers.tsv import Tsv

COLA_COLUMNS = ("source", "label", "mark", "sentence")
STS_COLUMNS = ("genre", "filename", "year", "old_index", "score", "sentence1", "sentence2")


@dataclass(frozen=True)
class ColaRelease(Tsv):
    """``cola_public/raw``: GLUE's dev split is the in-domain dev set followed by the out-of-domain one."""

    text: tuple[str, ...] = ("sentence",)
    out_of_domain: str = "raw/out_of_domain_dev.tsv"
    overlapping: bool = False
    distinctive: bool = True

    def find(self, folder: Path, split: str) -> list[Path]:
        """Return the split's file; for dev the in-domain file and the out-of-domain one."""
        files = super().find(folder, split)
        if not files or split != "dev":
            return files
        further = Files({split: self.out_of_domain}, distinctive=True).find(folder, split)
        if not further:
            raise MissingData(
                f"{files[0].parent}: {files[0].name} is half of the dev split, its other half "
                f"{self.out_of_domain} is not there; fetch the release again, or name the one file: --data-file "
                f"cola:dev={files[0]}"
            )
        return [*files, *further]


@dataclass(frozen=True)
class StsRelease(Tsv):
    """``stsbenchmark/sts-*.csv``: separated by tabs; some rows name the sources of their sentences in further columns.

    The test file has its scores, unlike GLUE's.
    """

    label: str = "score"
    distinctive: bool = True

    def mended(self, cells: Sequence[str], columns: tuple[str, ...]) -> list[str] | None:
        """Drop the one or two further columns that name the sources of the sentences."""
        return list(cells[: len(columns)]) if len(columns) < len(cells) <= len(columns) + 2 else None
