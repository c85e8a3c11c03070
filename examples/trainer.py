"""SMART in a Hugging Face training script: ``Trainer`` becomes ``MethodTrainer``, with one more argument.

``python examples/trainer.py`` runs it on a toy model and random sentences, without any download;
``accelerate launch examples/trainer.py`` (or torchrun) on several processes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForSequenceClassification, EvalPrediction, TrainingArguments

from smart_repro.hf import MethodTrainer
from smart_repro.methods import Smart


def accuracy(outcome: EvalPrediction) -> dict[str, float]:
    """Return the accuracy of the Trainer's predictions."""
    return {"accuracy": float((outcome.predictions.argmax(-1) == outcome.label_ids).mean())}


def make_trainer(output: Path, **options: Any) -> MethodTrainer:
    """Run an ordinary Trainer script, up to the last argument."""
    arguments = TrainingArguments(
        output_dir=str(output),
        learning_rate=1e-3,
        num_train_epochs=5,
        per_device_train_batch_size=8,
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        report_to="none",
        **options,
    )
    return MethodTrainer(
        toy_model(),
        arguments,
        train_dataset=toy_sentences(64, seed=0),
        eval_dataset=toy_sentences(32, seed=1),
        compute_metrics=accuracy,
        method=Smart(lambda_s=1.0, mu=1.0),  # or the name of any method: method="sda"
    )


def toy_model() -> BertForSequenceClassification:
    """Yours would be ``AutoModelForSequenceClassification.from_pretrained(...)``."""
    torch.manual_seed(0)
    config = BertConfig(vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48)
    return BertForSequenceClassification(config)


def toy_sentences(number: int, seed: int) -> list[dict[str, Any]]:
    """Yours would be a tokenised data set. Here each of two classes has its own words."""
    words = torch.randint(5, 30, (number, 10), generator=torch.Generator().manual_seed(seed)).tolist()
    return [
        {"input_ids": [word + 30 * (place % 2) for word in row], "attention_mask": [1] * 10, "label": place % 2}
        for place, row in enumerate(words)
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("trainer_output"), help="where checkpoints go")
    trainer = make_trainer(parser.parse_args().output)
    trainer.train()
    print(trainer.evaluate())
