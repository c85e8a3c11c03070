"""The two tasks of studies 2 and 3, and the form of their claims.

SST-2 is a task of SMART's paper, AG's News one of SDA's.
"""

from __future__ import annotations

from analysis.schema import Claim, against
from benchmarks.experiments.planning.base import TaskColumn
from benchmarks.experiments.sda import settings as sda

COLUMNS = (TaskColumn("sst2", "accuracy"), sda.AG_NEWS)
TITLES = {"sst2": "SST-2", "ag-news": "AG's News"}


def claim(study: int, id: str, sentence: str, a: str, b: str, task: str, reading: str = "") -> Claim:
    """Return the claim that row ``a`` is better than row ``b`` on one of the tasks; AG's News has an error rate."""
    return Claim(
        id=id,
        sentence=sentence,
        table=f"study {study}",
        contrast=against(a, b),
        tasks=(task,),
        direction="less" if task == "ag-news" else "greater",
        bound=0.5,
        reading=reading,
        min_seeds=8,
        partial=True,
    )
