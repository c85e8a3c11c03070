"""Parts: files of published runs, ``experiments/<name>/part-<digest>.parquet``, read as if their runs were folders."""

from analysis.parts.packed import PackedRuns, packed_runs, run_folder
from analysis.parts.part import Part, is_part, part_name, read_part
from analysis.parts.table import join, split

__all__ = ["PackedRuns", "Part", "is_part", "join", "packed_runs", "part_name", "read_part", "run_folder", "split"]
