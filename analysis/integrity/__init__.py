"""Integrity of stored runs: a run's key, the seal of its files, and a cache of which runs were verified."""

from analysis.integrity.keys import identity_of, key_of, numerics_of, rebuilt, verify_key
from analysis.integrity.seals import (
    DAMAGED,
    UNVERIFIED,
    VERIFIED,
    Finding,
    content_digest,
    inspect,
    seal_of,
    seal_problems,
    table_digest,
    verify,
)

__all__ = [
    "DAMAGED",
    "UNVERIFIED",
    "VERIFIED",
    "Finding",
    "content_digest",
    "identity_of",
    "inspect",
    "key_of",
    "numerics_of",
    "rebuilt",
    "seal_of",
    "seal_problems",
    "table_digest",
    "verify",
    "verify_key",
]
