"""What the user writes: a migration.yaml, as a frozen MigrationSpec."""

from cutover.spec.describe import json_schema, key_states
from cutover.spec.load import load_spec
from cutover.spec.migration import MigrationSpec

__all__ = ["MigrationSpec", "json_schema", "key_states", "load_spec"]
