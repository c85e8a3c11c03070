"""Pronoun resolution: DPRD and the Winograd schemas, the data of HNN (the model behind SMART's WNLI entry)."""

from __future__ import annotations

from benchmarks.tasks.base import Classification, Task
from benchmarks.tasks.pronouns import forms
from benchmarks.tasks.readers.pronouns import CLASSES, Dprd, Wsc
from benchmarks.tasks.registry import register

_TEXT = ("sentence", "candidates")
_HEAD = Classification(CLASSES)  # which candidate the bracketed pronoun refers to
_PAPER = "HNN (He et al. 2019), the system behind SMART Table 2's WNLI"

register(
    Task(
        "dprd",
        title="DPRD",
        head=_HEAD,
        text=_TEXT,
        metrics=("accuracy",),
        sizes={"train": 1_322, "test": 564},
        folders=("DPRD",),
        layouts=(Dprd({"train": "train_annotated.tsv", "test": "test_annotated.tsv"}),),
        mention=forms.choice,
        has_twins=True,
        paper=_PAPER,
        licence="none stated (Rahman and Ng 2012); the annotated copy is MIT",
    )
)

for _name, _title, _rows in (("wsc", "WSC285", 285), ("wsc273", "WSC273", 273)):
    register(
        Task(
            _name,
            title=_title,
            head=_HEAD,
            text=_TEXT,
            metrics=("accuracy",),
            sizes={"test": _rows},
            folders=("WSC273", "WSC"),
            layouts=(Wsc({"test": "wsc273.tsv"}, limit=_rows),),
            train_with="dprd",
            mention=forms.choice,
            not_after={"wnli": "278 of the 285 texts are premises of WNLI's training set"},
            paper=_PAPER,
            licence="CC BY 4.0 (Winograd schema collection)",
        )
    )
