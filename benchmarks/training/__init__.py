"""One run: from its spec to a finished run folder."""
