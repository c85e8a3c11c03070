"""HNN: a masked language model and a similarity model over one encoder (He et al. 2019, arXiv:1907.11983)."""
