"""Names that both papers use without a table: the encoders that they fine-tune or quote, and their optimisers."""

from __future__ import annotations

from collections.abc import Mapping

# hub id -> what it is, and where the papers have it
BACKBONES: Mapping[str, str] = {
    "bert-base-uncased": "BERT_BASE (110M), from the hub: SMART, Tables 1, 3 to 5 and 7; SDA, Tables 2 and 3.",
    "bert-large-uncased": "BERT_LARGE (340M), from the hub: SMART, Tables 2, 6 and 7; SDA, Table 4.",
    "roberta-large": "RoBERTa_LARGE (356M), from the hub: SMART, Tables 1, 2 and 6, Figure 2.",
    "xlnet-large-cased": "XLNet_LARGE (360M), from the hub: a baseline of SMART, Table 6.",
}
# name of a run's ``optimizer`` -> what it is, and where the papers have it
OPTIMIZERS: Mapping[str, str] = {
    "adamw": "AdamW, decoupled weight decay: SDA, section 4.2; the default.",
    "adam": "Adam; decay is part of the gradient: SMART, section 4.1, there without decay (weight_decay=0).",
    "radam": "RAdam, decoupled weight decay: SMART, section 4.1, there without decay (weight_decay=0).",
    "adam-uncorrected": "Adam without bias correction: the original BERT code; a control, in neither paper.",
}
