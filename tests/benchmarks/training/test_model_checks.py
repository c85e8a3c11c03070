"""A model is looked at before anything is planned with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoModel, AutoModelForSequenceClassification

import benchmarks
from benchmarks.errors import UsageError
from benchmarks.training import models
from smart_repro.hf import as_pretrained
from smart_repro.models import load

TINY = Path(benchmarks.__file__).parent / "tiny"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the tiny model."""
    copy = tmp_path / "model"
    copy.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TINY / name, copy / name)
    return copy


def change(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def refusal(folder: Path) -> str:
    with pytest.raises(UsageError) as error:
        models.check(str(folder))
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)
    return str(error.value)


def test_a_whole_model_passes(folder: Path) -> None:
    models.check(str(folder))


def test_a_model_without_its_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    assert "tokenizer.save_pretrained()" in refusal(folder)


def test_a_tokenizer_that_cannot_pad_is_refused(folder: Path) -> None:
    change(folder / "tokenizer_config.json", pad_token=None)
    assert "no padding token" in refusal(folder)


def test_custom_code_is_refused_and_never_run(folder: Path) -> None:
    change(folder / "config.json", model_type="special", auto_map={"AutoConfig": "special.SpecialConfig"})
    (folder / "special.py").write_text("raise SystemExit('this code must not run')")
    assert "auto_map" in refusal(folder)


def test_custom_code_of_a_tokenizer_is_refused_and_never_run(folder: Path) -> None:
    own = {"AutoTokenizer": ["special.Special", None]}
    change(folder / "tokenizer_config.json", tokenizer_class="Special", auto_map=own)
    (folder / "special.py").write_text("raise SystemExit('this code must not run')")
    assert "auto_map in tokenizer_config.json" in refusal(folder)


def test_a_tokenizer_with_more_pieces_than_embeddings_is_refused(folder: Path) -> None:
    change(folder / "config.json", vocab_size=100)
    assert "100 word embeddings" in refusal(folder)


def test_an_adapter_is_refused_with_the_way_to_merge_it(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "merge_and_unload()" in refusal(tmp_path)


def test_an_adapter_beside_a_configuration_is_refused_before_any_run(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    assert "if its weights are merged already, remove adapter_config.json" in refusal(folder)


def test_a_configuration_that_is_not_json_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    assert "config.json cannot be read" in refusal(folder)


def test_a_pointer_in_the_place_of_the_weights_is_named(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n")
    assert "git lfs pull" in refusal(folder)


def test_weights_cut_short_are_refused(folder: Path) -> None:
    raw = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(raw[: len(raw) // 2])
    assert "damaged or cut short" in refusal(folder)


def test_a_missing_shard_is_named(folder: Path) -> None:
    AutoModel.from_pretrained(folder).save_pretrained(folder, max_shard_size="100KB")
    (folder / "model.safetensors").unlink()
    models.check(str(folder))
    models.check.cache_clear()
    last = sorted(folder.glob("model-*.safetensors"))[-1]
    last.unlink()
    assert last.name in refusal(folder)


@pytest.mark.parametrize("change_of", [{"num_hidden_layers": 4}, {"intermediate_size": 128}])
def test_a_configuration_of_other_weights_is_refused_before_anything_starts_at_random(
    folder: Path, change_of: dict[str, int]
) -> None:
    change(folder / "config.json", **change_of)
    with pytest.raises(ValueError, match=r"lack \d+ of the encoder's \d+ parameters, or have them in another shape"):
        load(folder, num_labels=2)
    load(folder, num_labels=2, random_weights=True)


def test_the_inner_folder_with_the_configuration_is_named(folder: Path) -> None:
    (folder / "0_Transformer").mkdir()
    (folder / "config.json").rename(folder / "0_Transformer" / "config.json")
    assert "its folder 0_Transformer has one" in refusal(folder)


def test_a_pooled_classifier_is_refused_with_the_way_to_its_encoder(folder: Path, tmp_path: Path) -> None:
    as_pretrained(load(folder, num_labels=2, head="mean")).save_pretrained(tmp_path / "pooled")
    assert "encoder.save_pretrained" in refusal(tmp_path / "pooled")
    AutoModelForSequenceClassification.from_pretrained(tmp_path / "pooled").encoder.save_pretrained(folder)
    models.check(str(folder))
