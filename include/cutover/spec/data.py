"""The ``data`` part: the way of the rows."""

from __future__ import annotations

from pydantic import Field

from cutover.spec.base import Part
from cutover.spec.extraction import Extraction
from cutover.spec.loading import Loading
from cutover.spec.transformation import Transformation


class DataSpec(Part):
    """DataMigrationConfig of the requirement."""

    extraction: Extraction = Field(default_factory=Extraction)
    transformation: Transformation = Field(default_factory=Transformation)
    loading: Loading = Field(default_factory=Loading)
