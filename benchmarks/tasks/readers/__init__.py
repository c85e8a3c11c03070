"""One module per file layout; each reader turns a file into :class:`~benchmarks.tasks.base.Record` values."""
