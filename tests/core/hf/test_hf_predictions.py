"""PredictionsWriter: the file holds what the trainer predicts, and ``analysis.judge`` reads it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import PredictionOutput

import analysis
from smart_repro.encoding import Encoded
from smart_repro.hf import MethodTrainer, PredictionsWriter

INPUTS = ("input_ids", "attention_mask")


def trained(
    folder: Path, model: nn.Module, data: list[dict[str, Any]], seed: int, method: str, **options: Any
) -> MethodTrainer:
    arguments = TrainingArguments(
        output_dir=str(folder / "out"),
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
        num_train_epochs=1,
        learning_rate=5e-3,  # so that the arms' answers differ after so short a training
        remove_unused_columns=False,
        seed=seed,
    )
    trainer = MethodTrainer(model, arguments, train_dataset=data, data_collator=collate, method=method)
    trainer.add_callback(PredictionsWriter(trainer, data, folder / method, **options))
    trainer.train()
    return trainer


def rows(data: Encoded) -> list[dict[str, Any]]:
    batches = (data.batch(np.array([i])) for i in range(len(data.ids)))
    return [{name: batch[name][0].tolist() for name in (*INPUTS, "labels")} for batch in batches]


def collate(examples: list[dict[str, Any]]) -> dict[str, Tensor]:
    """Pad on the right and leave out columns that are not the model's."""
    width = max(len(example["input_ids"]) for example in examples)
    padded = {k: torch.tensor([e[k] + [0] * (width - len(e[k])) for e in examples]) for k in INPUTS}
    return padded | ({"labels": torch.tensor([e["labels"] for e in examples])} if "labels" in examples[0] else {})


def written(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("method", ["vanilla", "self-ensemble"])
def test_the_file_holds_what_the_trainer_predicts(
    method: str, tmp_path: Path, tiny: Callable[..., nn.Module], toy: Callable[..., Encoded]
) -> None:
    data = rows(toy(40))
    model = tiny()
    model.config.id2label = {0: "no", 1: "yes"}
    trainer = trained(tmp_path, model, data, 3, method)
    logits = trainer.predict(data).predictions
    lines = written(tmp_path / method / "seed-3.csv")
    assert [line["prediction"] for line in lines] == [("no", "yes")[i] for i in logits.argmax(-1)]
    assert [line["label"] for line in lines] == [("no", "yes")[int(row["labels"])] for row in data]
    assert np.array([[float(line["logit_no"]), float(line["logit_yes"])] for line in lines]) == pytest.approx(logits)
    assert {line["seed"] for line in lines} == {"3"}
    assert list((tmp_path / method).iterdir()) == [tmp_path / method / "seed-3.csv"]


def test_judge_compares_two_folders_of_it(
    tmp_path: Path, tiny: Callable[..., nn.Module], toy: Callable[..., Encoded]
) -> None:
    data = [{**row, "name": 100 + i, "author": i // 2} for i, row in enumerate(rows(toy(40)))]
    for method in ("vanilla", "r-drop"):
        for seed in (0, 1):
            trained(tmp_path, tiny(), data, seed, method, id_column="name", group_column="author")
    judgement = analysis.judge(tmp_path / "r-drop", tmp_path / "vanilla")
    assert judgement.study.n_groups == 20
    assert [cell.seeds for cell in judgement.cells] == [(0, 1), (0, 1)]
    assert judgement.comparisons[0].reason == "too few seeds: 2 of 5"


def test_a_data_set_without_labels_is_refused(
    tmp_path: Path, tiny: Callable[..., nn.Module], toy: Callable[..., Encoded]
) -> None:
    data = rows(toy(8))
    trainer = trained(tmp_path, tiny(), data, 0, "vanilla")
    unlabelled = [{name: value for name, value in row.items() if name != "labels"} for row in data]
    writer = PredictionsWriter(trainer, unlabelled, tmp_path / "other")
    with pytest.raises(ValueError, match="no labels"):
        writer.on_train_end(trainer.args, trainer.state, trainer.control)
    missing = PredictionsWriter(trainer, data, tmp_path / "other", id_column="name")
    with pytest.raises(ValueError, match="no column 'name'"):
        missing.on_train_end(trainer.args, trainer.state, trainer.control)


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"id_column": "nmae"}, "no column 'nmae': its columns are input_ids, attention_mask, labels"),
        ({"group_column": "author"}, "no column 'author': its columns are"),
        ({"folder": "taken"}, "cannot make the folder .*taken .*: give a folder, not a file"),
        ({"folder": "taken/below"}, "cannot make the folder"),
        ({"dataset": []}, "data set of PredictionsWriter is empty"),
        ({"without": "labels"}, "the data set has no labels"),
        ({"labels": [-100, 1]}, r"row 0 of the data set has no label \(labels is -100\)"),
        ({"labels": [0, None]}, "row 1 of the data set has no label"),
        ({"labels": [0, 2]}, "labels run from 0 to 2, but the model has 2 outputs"),
        ({"labels": ["no", "yes"]}, "holds something else than numbers, 'no' in row 0"),
        ({"id2label": {0: "no", 1: "no"}}, r"two classes have the same name.*\(no, no\)"),
        ({"id2label": {0: "no", 2: "yes"}}, "id2label names no class 1"),
    ],
)
@pytest.mark.parametrize("kind", [MethodTrainer, Trainer])
def test_mistakes_are_named_before_training(
    kind: type[Trainer],
    change: dict[str, Any],
    advice: str,
    tmp_path: Path,
    tiny: Callable[..., nn.Module],
    toy: Callable[..., Encoded],
) -> None:
    model: Any = tiny()
    change = dict(change)  # the parametrised dictionary is shared
    model.config.id2label = change.pop("id2label", model.config.id2label)
    (tmp_path / "taken").write_text("")
    folder, without = tmp_path / change.pop("folder", "folder"), change.pop("without", "")
    data = rows(toy(8))
    labels = change.pop("labels", [0, 1])
    dev = [{**row, "labels": labels[place % 2]} for place, row in enumerate(data)]
    dev = change.pop("dataset", [{name: value for name, value in row.items() if name != without} for row in dev])
    arguments = TrainingArguments(str(tmp_path / "out"), use_cpu=True, report_to="none", disable_tqdm=True, max_steps=1)
    trainer = kind(model, arguments, train_dataset=data, **({"method": "vanilla"} if kind is MethodTrainer else {}))
    trainer.add_callback(PredictionsWriter(trainer, dev, folder, **change))
    with pytest.raises(ValueError, match=advice):
        trainer.train()
    assert trainer.state.global_step == 0


@pytest.mark.parametrize(
    ("logits", "labels", "advice"),
    [
        (np.full((4, 2), np.nan), [0, 1, 0, 1], "of 4 of 4 items are not finite, first those of row 0: training has"),
        (np.array([[0, 1], [np.inf, 0]]), [0, 1], "of 1 of 2 items are not finite, first those of row 1"),
        (np.zeros((4, 2)), np.eye(4, 2), r"labels of shape \(4, 2\) and logits of shape \(4, 2\)"),
        (np.zeros((4, 3, 2)), [0, 1, 0, 1], "one label and one row of logits per item"),
        (np.zeros((4, 2)), [0, 1, 0], "one label and one row of logits per item"),
    ],
)
def test_outputs_that_are_no_predictions_are_not_written(
    logits: Any,
    labels: Any,
    advice: str,
    tmp_path: Path,
    tiny: Callable[..., nn.Module],
    toy: Callable[..., Encoded],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = TrainingArguments(str(tmp_path / "out"), use_cpu=True, report_to="none")
    trainer = MethodTrainer(tiny(), arguments, train_dataset=rows(toy(4)), data_collator=collate, method="vanilla")
    monkeypatch.setattr(trainer, "predict", lambda _: PredictionOutput(logits, np.asarray(labels), {}))
    writer = PredictionsWriter(trainer, rows(toy(4)), tmp_path / "folder")
    with pytest.raises(ValueError, match=advice):
        writer.on_train_end(trainer.args, trainer.state, trainer.control)
    assert not (tmp_path / "folder").exists()
