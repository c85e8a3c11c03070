"""A finished run as a folder that others can load: weights, tokenizer, configuration and a model card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.records import results_option
from analysis.results import Results, Run
from benchmarks.errors import UsageError
from benchmarks.sharing.model_card import card
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.tasks.own import enter
from benchmarks.training import models
from benchmarks.training.parents import read_weights
from smart_repro.hnn.options import HNN_HEADS

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def export(store: Store, key: str, folder: Path, licence: str = "") -> list[Path]:
    """Write the run's model and its card into ``folder``; return the files.

    Args:
        store: the results folder.
        key: of the run.
        folder: a new or empty folder.
        licence: of the model, as the hub names it ("apache-2.0"); it is for the user to say.

    Raises: UsageError: no such finished run, no stored weights (with the command that makes them), or a folder that is
        not empty.
    """
    option = results_option(store.root)
    if not store.is_done(key):
        raise UsageError(f"run {key} is not finished: `smart-repro runs list{option}` shows which are")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not empty: name a new folder with --to")
    store.verify(key)
    run, spec = Results.open(store.root).run(key), store.spec(key)
    enter(spec.definitions)
    if spec.head in HNN_HEADS:
        raise UsageError(f"run {key} is an HNN, which no loader of transformers reads: export a run with another head")
    model = _model(store, key, spec, run)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    models.tokenizer(spec.model).save_pretrained(folder)
    (folder / "README.md").write_text(card(store, run, spec, licence), encoding="utf-8")
    return sorted(path for path in folder.iterdir() if path.is_file())


def _model(store: Store, key: str, spec: RunSpec, run: Run) -> PreTrainedModel:
    """Return the run's model with its trained weights, low-rank additions merged, so that any loader reads it."""
    from smart_repro.heads import PooledClassifier
    from smart_repro.hf import as_pretrained, merged
    from smart_repro.methods import build
    from smart_repro.models import load

    path = store.weights(key)
    if not path.is_file():
        raise UsageError(f"run {key} kept no weights: {_remedy(store, key, spec, run)}")
    labels = run.task["labels"]
    model = load(
        models.resolve(spec.model).folder,
        num_labels=len(labels or [0]),
        head=spec.head,
        layers=spec.layers,
        dropout=spec.dropout,
        head_dropout=spec.head_dropout,
        random_weights=True,
    )
    build(spec.method, **dict(spec.options)).setup(model, max(1, run.result["steps"]))  # lora adds to the model
    try:
        model.load_state_dict(read_weights(path))
    except RuntimeError as error:
        raise UsageError(
            f"{path} does not fit {spec.model}: it was written for another model, or is a model of several tasks, "
            "which no single task's loader reads"
        ) from error
    config: Any = model.config
    if labels:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: i for i, label in enumerate(labels)}
    else:
        config.problem_type = "regression"
    plain_model: Any = merged(model).eval()
    exported: PreTrainedModel = as_pretrained(plain_model) if isinstance(plain_model, PooledClassifier) else plain_model
    return exported


def _remedy(store: Store, key: str, spec: RunSpec, run: Run) -> str:
    if spec.combine == "vote":
        return f"a vote has none of its own. Export one of its parents: {', '.join(run.fingerprints['parents'])}"
    source = {"local": " --data-dir FOLDER", "hub": " --source hub"}.get(run.result["source"], "")
    if spec.definitions:
        source = f" {spec.definitions[0].place_options}{source if run.result['source'] == 'hub' else ''}"
    option = results_option(store.root)
    return f"`smart-repro runs rerun {key} --keep-weights{source}{option}` does it again and keeps them"
