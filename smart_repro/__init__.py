"""smart_repro: SMART, self-ensemble and self-distillation fine-tuning for any Hugging Face text classifier."""

__version__ = "0.1.0"
