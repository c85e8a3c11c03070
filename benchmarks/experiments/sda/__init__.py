"""The tables and figures of the self-distillation paper, one file each."""
