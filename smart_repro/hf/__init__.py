"""Any method in a Hugging Face training run: ``MethodTrainer(..., method="smart")`` is a ``transformers.Trainer``.

Importing it lets ``AutoModelForSequenceClassification`` load exported models with a pooled head.
"""

from smart_repro.hf.pooled import PooledConfig, PooledForSequenceClassification, as_pretrained
from smart_repro.hf.predictions import PredictionsWriter
from smart_repro.hf.trainer import MethodTrainer
from smart_repro.methods.lora import merged

__all__ = [
    "MethodTrainer",
    "PooledConfig",
    "PooledForSequenceClassification",
    "PredictionsWriter",
    "as_pretrained",
    "merged",
]
