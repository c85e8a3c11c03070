"""The shipped model ``tiny`` (a 2-layer BERT) and the script that pre-trained it."""
