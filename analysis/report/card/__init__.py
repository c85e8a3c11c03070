"""The first screen of a report: what was claimed, what was found, how sure, on what, and what could not be decided."""
