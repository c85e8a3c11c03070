"""Rows of the table of word embeddings that no text contains are left out, and nothing else becomes different."""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

from benchmarks.spec import RunSpec, combined
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source
from benchmarks.training import compaction
from benchmarks.training import execute as running
from benchmarks.training.compaction import CompactEmbedding, compact, leave_out, witness
from benchmarks.training.execute import execute, new_model
from benchmarks.training.job import make_job
from benchmarks.training.prepared import Prepared, prepare
from smart_repro.checkpoint import Checkpoint
from smart_repro.encoding import Encoded
from smart_repro.evaluation import predict
from smart_repro.methods import METHODS, Method, build
from smart_repro.train import Interrupted, Observer, TrainConfig, train

SIZE, LARGEST = 60, 20  # rows of the table; token numbers that texts contain lie below the second
CLIP = 0.05  # every gradient here is longer
OPTIONS: dict[str, dict[str, Any]] = {"gradual-unfreezing": {"opening": 0.3}}
MEANS = (
    ("self-ensemble", {"every": "epoch"}),
    ("sda", {"K": 3, "evaluate": "teacher"}),
    ("sda", {"K": "all", "evaluate": "teacher"}),
    ("sda", {"K": "all", "teacher_lag": 0, "evaluate": "teacher"}),
    ("sda", {"mean": "ema", "evaluate": "teacher"}),
    ("bregman", {"beta": 0.9, "beta_early": 0.9, "evaluate": "teacher"}),
    ("smart", {"ascent": "exact"}),
)


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    shape: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(vocab_size=SIZE, intermediate_size=48, max_position_embeddings=32, num_labels=2, **shape)
    return BertForSequenceClassification(config).double().train()


@pytest.fixture
def data() -> Encoded:
    rng = np.random.default_rng(0)
    lengths = rng.integers(4, 11, 16)
    columns = {"input_ids": rng.integers(5, LARGEST, lengths.sum()).astype(np.int32)}
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Encoded(columns, offsets, {"input_ids": 0}, np.arange(16), rng.integers(0, 2, 16))


class Norms(Observer):
    """Collects the lengths of the gradients before clipping."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def steps(self, rows: list[dict[str, float]], total: int) -> None:
        self.values += [row["gradient_norm"] for row in rows]


def fit(model: nn.Module, method: Method, data: Encoded, **settings: Any) -> nn.Module:
    extra = {name: settings.pop(name) for name in ("checkpoint", "should_stop") if name in settings}
    config = TrainConfig(
        **{"epochs": 4, "batch_size": 8, "learning_rate": 1e-2, "weight_decay": 0.3, "clip": CLIP, **settings}
    )
    norms = Norms()
    evaluated = train(model, method, data, config, observer=norms, cpu=True, **extra)
    assert min(norms.values) > CLIP, "the clip was not active"
    return evaluated


def compacted(model: nn.Module, data: Encoded) -> compaction.Compaction:
    kept = torch.unique(
        torch.cat([torch.zeros(1, dtype=torch.long), torch.from_numpy(data.columns["input_ids"]).long()])
    )
    return leave_out(model, model.get_input_embeddings(), kept)  # type: ignore[operator]


def same_weights(one: nn.Module, other: nn.Module) -> None:
    values = other.state_dict()
    assert one.state_dict().keys() == values.keys()
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, values[name], rtol=1e-9, atol=1e-12, msg=lambda text, n=name: f"{n}: {text}")


def compare(model: nn.Module, data: Encoded, make: Callable[[], Method], **settings: Any) -> nn.Module:
    """Train with the full table and with a compact one; return the model that had the full one."""
    small = copy.deepcopy(model)
    full = fit(model, make(), data, **settings)
    left = compacted(small, data)
    evaluated = fit(small, make(), data, **settings)
    assert small.get_input_embeddings().weight.shape[0] < LARGEST < SIZE  # type: ignore[operator]
    np.testing.assert_allclose(predict(evaluated, data), predict(full, data), rtol=1e-6, atol=1e-7)
    left.restore(evaluated)
    same_weights(evaluated, full)
    return full


# --- the same training ---


@pytest.mark.parametrize(("name", "options"), [*((name, OPTIONS.get(name, {})) for name in METHODS), *MEANS])
def test_every_method_makes_the_same_updates_and_leaves_the_same_weights(
    name: str, options: dict[str, Any], model: nn.Module, data: Encoded
) -> None:
    if name == "lora":
        pytest.importorskip("peft")
    compare(model, data, lambda: build(name, **options))


@pytest.mark.parametrize(
    ("optimizer", "decay"), [("adamw", 0.3), ("radam", 0.3), ("adam-uncorrected", 0.3), ("adam", 0.0), ("adamw", 0.0)]
)
def test_rows_left_out_decay_as_the_optimiser_lets_them(
    optimizer: str, decay: float, model: nn.Module, data: Encoded
) -> None:
    before = model.get_input_embeddings().weight[LARGEST:].detach().clone()  # type: ignore[operator]
    full = compare(
        model,
        data,
        lambda: build("vanilla"),
        optimizer=optimizer,
        weight_decay=decay,
        schedule="linear",
        head_learning_rate=1e-3,
    )
    share = full.get_input_embeddings().weight[LARGEST:] / before  # type: ignore[operator]
    steps, warm = 8, 1
    rates = [1e-2 * (min(1, step + 1) if step < warm else (steps - step) / (steps - warm)) for step in range(steps)]
    torch.testing.assert_close(share, torch.full_like(share, float(np.prod([1 - rate * decay for rate in rates]))))


def test_weight_decay_within_adam_moves_unread_rows_otherwise(model: nn.Module, data: Encoded) -> None:
    with pytest.raises(AssertionError, match=r"word_embeddings\.weight"):
        compare(model, data, lambda: build("vanilla"), optimizer="adam")


def test_accumulated_updates_are_the_same(model: nn.Module, data: Encoded) -> None:
    compare(model, data, lambda: build("smart"), accumulation=2)


@pytest.mark.parametrize("name", ["self-ensemble", "sda", "smart"])
def test_a_resumed_run_ends_with_the_weights_of_one_that_was_not_stopped(
    name: str, model: nn.Module, data: Encoded, tmp_path: Path
) -> None:
    states = []
    for stop in (None, 3):
        small, path = copy.deepcopy(model), tmp_path / f"{stop}.pt"
        left = compacted(small, data)
        checkpoint = Checkpoint(path, belongs_to=left.digest)
        if stop:
            asked = iter([False] * stop + [True])
            with pytest.raises(Interrupted):
                fit(small, build(name), data, checkpoint=checkpoint, should_stop=lambda: next(asked))  # noqa: B023
            small = copy.deepcopy(model)
            left = compacted(small, data)
        evaluated = fit(small, build(name), data, checkpoint=checkpoint)
        left.restore(evaluated)
        states.append(evaluated)
    assert all(torch.equal(*pair) for pair in zip(*(state.state_dict().values() for state in states), strict=True))


def test_the_witness_gives_the_product_of_many_small_decays_in_float32() -> None:
    """Each value may be off by a tenth of its decay after so many roundings; over all of them that averages out."""
    table = nn.Embedding(3, 384)
    left = leave_out(nn.ModuleDict({"table": table}), table, torch.tensor([0]))
    small = CompactEmbedding(table, torch.tensor([0]))
    decay = 2e-5 * 0.01
    with torch.no_grad():
        for _ in range(5000):
            small.weight.sub_(small.weight, alpha=decay)
    owner = nn.ModuleDict({"table": small})
    left.restore(owner)
    share = owner["table"].weight[1:].detach().double() / table.weight[1:].detach().double()
    torch.testing.assert_close(share, torch.full_like(share, (1 - decay) ** 5000), rtol=3e-6, atol=0)


# --- the table itself ---


def test_a_compact_table_looks_up_what_the_full_one_holds_and_refuses_the_rest(model: nn.Module) -> None:
    table: Any = model.get_input_embeddings()  # type: ignore[operator]
    small = CompactEmbedding(table, torch.tensor([0, 4, 7, 59]))
    ids = torch.tensor([[59, 7, 0], [4, 4, 59]])
    assert torch.equal(small(ids), table(ids))
    assert (small.padding_idx, small.num_embeddings) == (0, 5)
    with pytest.raises(IndexError):
        small(torch.tensor([[5]]))


def test_a_padding_token_that_is_not_the_first_keeps_its_row_without_a_gradient() -> None:
    table = nn.Embedding(10, 4, padding_idx=6)
    small = CompactEmbedding(table, torch.tensor([2, 6, 9]))
    small(torch.tensor([2, 6, 6])).sum().backward()
    assert small.padding_idx == 1
    assert small.weight.grad is not None
    assert small.weight.grad.sum(1).tolist() == [4, 0, 0, 0]


def test_the_digest_names_the_row_set_and_the_size_of_the_table() -> None:
    def digest(size: int, kept: list[int]) -> str:
        return compaction.Compaction(nn.Embedding(size, 2), torch.tensor(kept)).digest

    assert len({digest(10, [1, 2]), digest(10, [1, 3]), digest(11, [1, 2]), digest(10, [1, 2, 10])}) == 4


# --- runs ---


@pytest.fixture(scope="session")
def roomy_bert(little_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the little BERT with a table of 80 rows, of which its tokenizer uses fewer than 30."""
    folder = tmp_path_factory.mktemp("roomy_bert")
    PreTrainedTokenizerFast.from_pretrained(little_bert).save_pretrained(folder)
    torch.manual_seed(1)
    shape: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=80, intermediate_size=32, **shape)).save_pretrained(folder)
    return folder


@pytest.fixture
def source(glue: Path) -> Source:
    return Source("local", glue)


@pytest.fixture
def spec(roomy_bert: Path) -> RunSpec:
    return RunSpec(task="rte", model=str(roomy_bert), epochs=2, learning_rate=1e-2, weight_decay=0.3, clip=CLIP)


@pytest.fixture
def both(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Store]]:
    """Do runs in float64, in one store with compact tables and in another with full ones; weights are kept."""

    def do(*runs: RunSpec) -> list[Store]:
        monkeypatch.setattr(running, "new_model", lambda run: new_model(run).double())
        stores = []
        for name, function in (("compact", compact), ("full", lambda *_: None)):
            monkeypatch.setattr(running, "compact", function)
            store = Store(tmp_path / name)
            store.prepare()
            stores.append(store)
            for run in runs:
                outcome = execute(replace(make_job(run, source), keep_weights=run.combine != "vote"), store)
                assert outcome.state == "done", outcome.message
        return stores

    return do


def same_runs(stores: list[Store], keys: list[str]) -> None:
    for key in keys:
        one, other = (load_file(store.weights(key)) for store in stores)
        assert one.keys() == other.keys()
        for name in one:
            torch.testing.assert_close(one[name], other[name], rtol=1e-7, atol=1e-10, msg=lambda t, n=name: f"{n} {t}")
        for path in sorted((stores[0].runs / key / "predictions").iterdir()):
            frames = [pd.read_parquet(store.runs / key / "predictions" / path.name) for store in stores]
            pd.testing.assert_frame_equal(*frames, rtol=1e-5)


def rows_of(run: RunSpec, source: Source) -> list[int]:
    left = compact(run, prepare(run, source), new_model(run))
    assert left is not None
    return left.kept.tolist()


def test_start_from_another_run_and_the_average_of_parents_with_other_rows(
    spec: RunSpec, source: Source, both: Callable[..., list[Store]]
) -> None:
    parents = [replace(spec, seed=seed, max_train_samples=4, predict=("dev",)) for seed in (1, 2)]
    average, child = combined("average", parents), replace(spec, task="cola", init_from=parents[0], method="smart")
    runs = [*parents, average, child]
    same_runs(both(*runs), [make_job(run, source).key for run in runs])


def test_a_run_of_several_tasks_keeps_the_rows_of_all(
    spec: RunSpec, source: Source, both: Callable[..., list[Store]]
) -> None:
    several = replace(spec, with_tasks=("cola", "stsb"), method="smart")
    single = {token for task in several.tasks for token in rows_of(replace(spec, task=task), source)}
    assert set(rows_of(several, source)) == single
    same_runs(both(several), [make_job(several, source).key])


def test_kept_rows_are_those_of_every_text_read_and_of_all_special_tokens(spec: RunSpec, source: Source) -> None:
    run = replace(spec, max_train_samples=20)
    data = prepare(run, source)
    texts = [data.train, *(each.encoded for each in data.evaluated)]
    read = {int(token) for part in texts for token in part.columns["input_ids"]}  # type: ignore[union-attr]
    assert set(rows_of(run, source)) == read | {0, 1, 2, 3, 4}
    assert len(data.evaluated) == 2


def test_a_checkpoint_of_other_rows_means_start_anew(
    spec: RunSpec, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [Store(tmp_path / name) for name in ("straight", "stopped")]
    job = make_job(spec, source)
    for store in stores:
        store.prepare()
    execute(job, stores[0])
    asked = iter([False] * 3 + [True])
    with monkeypatch.context() as patch:
        patch.setattr(running, "compact", lambda *_: None)
        assert execute(job, stores[1], should_stop=lambda: next(asked)).state == "interrupted"
    assert execute(job, stores[1]).state == "done"
    lines = [json.loads(line) for line in (stores[1].runs / job.key / "history.jsonl").read_text().splitlines()]
    assert [line["reason"] for line in lines if line.get("event") == "restart"] == [
        "the checkpoint is of a model with other rows of word embeddings"
    ]
    one, other = (store.runs / job.key / "predictions" / "rte.dev.parquet" for store in stores)
    assert one.read_bytes() == other.read_bytes()


# --- where the table stays ---


def tied(model: Any) -> None:
    model.output = nn.Linear(16, 80, bias=False)
    model.output.weight = model.get_input_embeddings().weight


def frozen(model: Any) -> None:
    model.get_input_embeddings().weight.requires_grad_(False)


def bounded(model: Any) -> None:
    model.get_input_embeddings().max_norm = 1.0


def scaled(model: Any) -> None:
    class Scaled(nn.Embedding):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    model.get_input_embeddings().__class__ = Scaled


@pytest.mark.parametrize("change", [tied, frozen, bounded, scaled])
def test_a_table_that_is_tied_frozen_or_no_ordinary_one_stays(
    change: Callable[[Any], None], spec: RunSpec, source: Source
) -> None:
    data, model = prepare(spec, source), new_model(spec)
    assert compact(spec, data, copy.deepcopy(model)) is not None
    change(model)
    before = {name: id(module) for name, module in model.named_modules()}
    assert compact(spec, data, model) is None
    assert {name: id(module) for name, module in model.named_modules()} == before


@pytest.mark.parametrize(
    ("changes", "leaves"),
    [
        ({}, True),
        ({"measure": True}, False),
        ({"task": "demo-wnli", "head": "hnn"}, False),  # its language head multiplies by the whole table
        ({"optimizer": "adam"}, False),
        ({"optimizer": "adam", "weight_decay": 0.0}, True),
        ({"optimizer": "radam"}, True),
        ({"optimizer": "adam-uncorrected"}, True),
    ],
)
def test_settings_that_look_at_the_whole_table_keep_it(
    changes: dict[str, Any], leaves: bool, spec: RunSpec, source: Source
) -> None:
    run = replace(spec, **changes)
    assert (compact(run, prepare(run, source), new_model(run)) is not None) == leaves


def test_a_table_in_which_most_rows_are_used_stays(spec: RunSpec, source: Source, little_bert: Path) -> None:
    run = replace(spec, model=str(little_bert))
    assert compact(run, prepare(run, source), new_model(run)) is None


def test_the_methods_of_plug_ins_see_the_whole_table(
    spec: RunSpec, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(METHODS["vanilla"], "__module__", "my_package.my_method")
    assert compact(spec, prepare(spec, source), new_model(spec)) is None


def test_the_witness_has_values_of_its_own_in_the_table_s_precision() -> None:
    values = witness(torch.zeros(2, 5, dtype=torch.float64))
    assert values.dtype == torch.float64
    assert values.tolist() == [1.0, 1.25, 1.5, 1.75, 2.0]


@pytest.fixture
def architectures(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the small models of every architecture, from the tests of the core."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "core"))
    return importlib.import_module("test_architectures")


KEPT_WHOLE = {
    "the table's class scales its rows": {"biogpt", "gemma", "gemma2", "gemma3_text", "minicpm3"},
    "encoder and decoder share the table": {"bart", "bigbird_pegasus", "mbart", "mt5", "mvp", "plbart", "t5", "umt5"},
    "the table is quantised": {"ibert"},
    "there is no table of words": {"canine"},
}


@pytest.mark.slow
def test_every_architecture_computes_the_same_or_keeps_its_table(architectures: Any) -> None:
    kept_whole = set()
    texts = architectures.texts()
    inputs = {name: texts[name] for name in ("input_ids", "attention_mask")}
    lengths = inputs["attention_mask"].sum(1).numpy()
    tokens = inputs["input_ids"][inputs["attention_mask"].bool()].numpy()
    data = Encoded({"input_ids": tokens}, np.append(0, lengths.cumsum()), {"input_ids": 0}, np.arange(3), np.zeros(3))
    for kind in architectures.BUILT:
        model = copy.deepcopy(architectures.small(kind)).eval()
        whole = model(**inputs).logits
        if compact(RunSpec(task="rte"), Prepared(data, [], [], [], ()), model) is None:
            kept_whole.add(kind)
            continue
        assert torch.equal(model(**inputs).logits, whole), kind
    assert kept_whole == set().union(*KEPT_WHOLE.values())
