"""What ``benchmarks`` writes and ``analysis`` reads, defined once. Standard library alone.

Reading refuses unknown keys; manifests of older versions are migrated, one pure function per step.
"""

from analysis.schema.claim import Claim, Statement, against
from analysis.schema.codec import SchemaError
from analysis.schema.constants import (
    BUCKETS,
    DIRECTIONS,
    LOSS_PARTS,
    QUANTIFIERS,
    READINGS,
    SELECTIONS,
    SPLITS,
)
from analysis.schema.kinds import (
    Agreement,
    AtEpoch,
    BestPoint,
    Contrast,
    Cost,
    Difference,
    Interaction,
    Kind,
    LossBetween,
    Measured,
    NearConstant,
    Selection,
    Sweep,
    Variance,
    with_columns,
)
from analysis.schema.manifest import (
    VERSION,
    Column,
    Fact,
    Manifest,
    Omission,
    Point,
    PrintedCell,
    Published,
    Row,
)

__all__ = [
    "BUCKETS",
    "DIRECTIONS",
    "LOSS_PARTS",
    "QUANTIFIERS",
    "READINGS",
    "SELECTIONS",
    "SPLITS",
    "VERSION",
    "Agreement",
    "AtEpoch",
    "BestPoint",
    "Claim",
    "Column",
    "Contrast",
    "Cost",
    "Difference",
    "Fact",
    "Interaction",
    "Kind",
    "LossBetween",
    "Manifest",
    "Measured",
    "NearConstant",
    "Omission",
    "Point",
    "PrintedCell",
    "Published",
    "Row",
    "SchemaError",
    "Selection",
    "Statement",
    "Sweep",
    "Variance",
    "against",
    "with_columns",
]
