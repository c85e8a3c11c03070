"""Control studies: what both papers leave out."""
