"""A model is looked at before anything is planned with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import benchmarks
from benchmarks.errors import UsageError
from benchmarks.training import models

TINY = Path(benchmarks.__file__).parent / "tiny"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the tiny model."""
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


def test_a_configuration_that_is_not_json_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    assert "config.json cannot be read" in refusal(folder)
