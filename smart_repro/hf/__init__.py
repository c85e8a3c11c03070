"""Any method in a Hugging Face training run: ``MethodTrainer(..., method="smart")`` is a ``transformers.Trainer``."""

from smart_repro.hf.predictions import PredictionsWriter
from smart_repro.hf.trainer import MethodTrainer
from smart_repro.methods.lora import merged

__all__ = ["MethodTrainer", "PredictionsWriter", "merged"]
