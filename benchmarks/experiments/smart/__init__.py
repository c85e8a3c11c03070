"""The tables and figures of the SMART paper, one file each."""
