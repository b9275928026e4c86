"""Every way back, by the name that a spec gives it."""

from __future__ import annotations

from collections.abc import Mapping

from cutover.rollback.backup_restore import BackupRestore
from cutover.rollback.data_restore import DataRestore
from cutover.rollback.ddl_rollback import DdlRollback
from cutover.rollback.point_in_time import PointInTime
from cutover.rollback.snapshot_restore import SnapshotRestore
from cutover.rollback.strategy import Strategy
from cutover.spec.rollback import Way

STRATEGIES: Mapping[Way, Strategy] = {
    "ddl_rollback": DdlRollback(),
    "data_restore": DataRestore(),
    "backup_restore": BackupRestore(),
    "snapshot_restore": SnapshotRestore(),
    "point_in_time": PointInTime(),
}
