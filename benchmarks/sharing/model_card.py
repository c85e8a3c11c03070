"""The model card of an exported run: the hub's metadata, and what a reader must know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from analysis.results import Run
from analysis.scores import METRICS
from benchmarks.sharing.model_scores import Score, scores
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.training import models
from smart_repro import source

_PLACE = "path/to/this/folder"


# our names -> ids of the hub's metrics and splits, where they differ
_METRICS = {"matthews": "matthews_correlation", "pearson": "pearsonr", "spearman": "spearmanr"}
_SPLITS = {"dev": "validation"}
_TASK_TYPE = "text-classification"  # the hub's name for sentence pairs and for regression too


def card(store: Store, run: Run, spec: RunSpec, licence: str = "") -> str:
    """Return the model card, in Markdown with the hub's metadata."""
    measured = scores(store, run, spec)
    sections = {
        "How to load it": _loading(spec, run),
        "Read this first": _warnings(spec, run, licence),
        "Scores": _scores(measured),
        "Data": _data(spec, run),
        "Method": _method(spec, run),
        "Training": _table(("setting", "value"), _settings(spec)),
        "Environment": _table(("what", "version"), [(name, str(value)) for name, value in run.environment.items()]),
    }
    body = "\n".join(f"## {title}\n\n{text}\n" for title, text in sections.items() if text)
    title = f"# {_title(run, spec)} fine-tuned with `{spec.choice.label}`"
    subtitle = f"One run of smart-repro, seed {spec.seed}, key `{run.key}`."
    head = metadata(run, spec, measured, licence).to_yaml()
    return str(ModelCard(f"---\n{head}\n---\n\n{title}\n\n{subtitle}\n\n{body}", ignore_metadata_errors=False))


def metadata(run: Run, spec: RunSpec, measured: Sequence[Score], licence: str = "") -> ModelCardData:
    """Return what the hub's search and its tables read of the card.

    ``base_model`` is set where the weights came from the hub, ``datasets`` where the data are there; ``model-index``
    has the scores on all splits but the training set's holdout, each with its interval among the metric's arguments.
    """
    from benchmarks.tasks import TASKS

    hub = TASKS[spec.task].hub
    results = [_result(run, score) for score in measured if score.split != "holdout"]
    return ModelCardData(
        library_name="smart-repro" if _is_pooled(spec) else "transformers",
        license=licence or None,
        base_model=_base_model(run),
        datasets=[hub.repo] if hub is not None and not run.task["generated"] else None,
        metrics=list(dict.fromkeys(result.metric_type for result in results)),
        pipeline_tag=_TASK_TYPE,
        tags=["smart-repro", spec.method],
        model_name=_title(run, spec),
        eval_results=results,
    )


def _result(run: Run, score: Score) -> EvalResult:
    from benchmarks.tasks import TASKS

    task = TASKS[score.task]
    hub = None if run.task["generated"] else task.hub
    interval = score.interval
    arguments: dict[str, Any] = {"seeds": int(interval.n_seeds), "items": int(interval.n_items)}
    if interval.withheld:
        arguments["interval_withheld"] = interval.withheld
    else:
        arguments |= {"interval_95": [float(interval.low), float(interval.high)], "interval_of": interval.method}
    return EvalResult(
        task_type=_TASK_TYPE,
        dataset_type=hub.repo if hub is not None else score.task,
        dataset_name=task.title,
        dataset_config=hub.config if hub is not None else None,
        dataset_split=_SPLITS.get(score.split, score.split),
        metric_type=_METRICS.get(score.metric, score.metric),
        metric_name=METRICS[score.metric].title,
        metric_value=score.value,
        metric_args=arguments,
    )


def _base_model(run: Run) -> str | None:
    """Return the hub's id of the weights that training started from; None for a folder or a packaged model."""
    return str(run.model["name"]) if run.model["revision"] else None


def _title(run: Run, spec: RunSpec) -> str:
    return f"{run.task['title']}: {spec.model.rsplit('/', 1)[-1]}"


def _loading(spec: RunSpec, run: Run) -> str:
    imports, explanation = (
        "",
        ("\n\nIts head is the architecture's own: transformers alone loads it; nothing of smart-repro is needed."),
    )
    if _is_pooled(spec):
        imports = "import smart_repro.hf  # makes its head known to transformers\n"
        explanation = (
            f"\n\nIts head is `{spec.head}`, smart-repro's own: a linear layer on the encoder's states. So "
            "`pip install smart-repro` first; without the import transformers refuses this folder. No code is loaded "
            "from it."
        )
    imports += "from transformers import AutoModelForSequenceClassification, AutoTokenizer"
    first, *second = (f'["{name} ..."]' for name in _columns(spec))
    texts = ", ".join([first, *second])
    length = models.kept_tokens(spec.model, spec.max_length)
    meaning = "one number per text" if run.task["labels"] is None else f"columns: {', '.join(run.task['labels'])}"
    return f"""```python
{imports}

tokenizer = AutoTokenizer.from_pretrained("{_PLACE}")
model = AutoModelForSequenceClassification.from_pretrained("{_PLACE}").eval()
inputs = tokenizer({texts}, truncation=True, max_length={length}, padding=True, return_tensors="pt")
logits = model(**inputs).logits  # {meaning}
```{explanation}"""


def _is_pooled(spec: RunSpec) -> bool:
    """Return whether the head is :class:`smart_repro.heads.PooledClassifier`, not the architecture's own."""
    return spec.head in source.value("smart_repro.heads", "POOLINGS")


def _columns(spec: RunSpec) -> tuple[str, ...]:
    from benchmarks.tasks import TASKS

    return TASKS[spec.task].text


def _warnings(spec: RunSpec, run: Run, licence: str) -> str:
    notes = []
    if not licence:
        notes.append("No licence is stated: that is for who exported it to say (`smart-repro export --licence`).")
    if run.task["generated"]:
        notes.append("Trained on GENERATED data, a demonstration: it knows nothing about real text.")
    if run.model["contaminated"]:
        notes.append(f"{run.model['contaminated']}: scores on such data are not of unseen text.")
    if spec.random_weights:
        notes.append("The encoder started from random weights, without pre-training.")
    if spec.precision != "fp32":
        notes.append(f"Trained and scored in {spec.precision}; in float32 single predictions may differ.")
    notes += [*run.data["notes"], *run.model.get("notes", ())]
    notes.append("The scores are those after the last update; nothing was selected on dev.")
    return "\n".join(f"- {note}" for note in notes)


def _scores(scores: list[Score]) -> str:
    rows = [
        (
            f"{score.task}, {score.split}",
            METRICS[score.metric].title,
            _shown(score.value, score),
            _shown(score.interval.estimate, score) if score.interval.n_seeds > 1 else "",
            interval_text(score),
            str(score.interval.n_seeds),
            f"{score.interval.n_items:,}",
        )
        for score in scores
    ]
    table = _table(("on", "metric", "this run", "mean of seeds", "95 % interval", "seeds", "items"), rows)
    several = any(score.interval.n_seeds > 1 for score in scores)
    alone = any(score.interval.n_seeds == 1 for score in scores)
    notes = [
        "With several seeds the interval is that of their mean, for new seeds and new items at once."
        if several
        else "",
        "With one seed it is for new items alone: what another seed would give is not in it." if alone else "",
    ]
    return f"{table}\n\n{' '.join(note for note in notes if note)}"


def interval_text(score: Score) -> str:
    """Return the interval of a score as text, or why it is withheld."""
    if score.interval.withheld:
        return f"withheld: {score.interval.withheld}"
    return f"{_shown(score.interval.low, score)} to {_shown(score.interval.high, score)}"


def _shown(value: float, score: Score) -> str:
    return f"{score.scale * value:.1f}" if score.scale != 1 else f"{value:.3f}"


def _data(spec: RunSpec, run: Run) -> str:
    from benchmarks.tasks import TASKS

    task, rows = TASKS[spec.task], run.data["rows"]
    lines = [
        f"- Task: {spec.task} ({run.task['title']}), version {run.task['version']}",
        f"- Read from: {run.result['source']}"
        + (f" ({', '.join(map(_file, run.data['sources']))})" if run.data["sources"] else ""),
        *(f"- Licence: {task.licence}" for _ in [1] if task.licence),
        "- Rows: " + ", ".join(f"{name} {count:,}" for name, count in rows.items()),
        *(f"- Fingerprint of {name} (sha256): `{sha}`" for name, sha in run.fingerprints["data"].items()),
        f"- Weights it started from: {run.model['name'].rsplit('/', 1)[-1]}"
        + (f", revision {run.model['revision']}" if run.model["revision"] else "")
        + f", sha256 `{run.fingerprints['weights']}`",
        *(f"- Builds on the run `{parent}`" for parent in run.fingerprints["parents"]),
    ]
    return "\n".join(lines)


def _file(source: str) -> str:
    """Return the file's name with its last folder alone."""
    return "/".join(Path(source).parts[-2:]) if source.startswith("/") else source


def _method(spec: RunSpec, run: Run) -> str:
    from smart_repro.card import card as method_card

    card = method_card(spec.method)
    meanings = {option.name: option.meaning for option in card.options}
    options = [(f"`{n}`", f"`{value}`", meanings.get(n, "")) for n, value in run.spec["method_config"].items()]
    combined = f" The {spec.combine} of {len(spec.parents)} such runs." if spec.combine else ""
    lines = [f"`{spec.method}`, version {card.version}: {card.title}{combined}", "", f"Paper: {card.paper}."]
    if options:
        lines += ["", _table(("option", "value", "meaning"), options)]
    if card.deviations:
        lines += ["", "Readings and deviations:", "", *(f"- {deviation}" for deviation in card.deviations)]
    return "\n".join(lines).replace("``", "`")


def _settings(spec: RunSpec) -> list[tuple[str, str]]:
    shown_above = {"task", "method", "options", "model", "predict", "init_from", "parents", "combine"}
    plain = {name: value for name, value in spec.to_json().items() if name not in shown_above}
    return [(f"`{name}`", f"`{value}`") for name, value in plain.items() if value is not None]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)])
