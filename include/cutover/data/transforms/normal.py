"""Bring text to one form before all else: one way to write each letter, no white space that nobody sees."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms.result import Outcome
from cutover.route import ColumnRoute

# Unicode's separators, and the control characters that are white space (Unicode Character Database, White_Space).
_SPACE = r"[\t-\r\x{85}\pZ]+"


def applies(route: ColumnRoute) -> bool:
    """Text columns that the spec names."""
    return bool(route.normal)


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Normalise every value and count those that change; NULL stays NULL."""
    made = array
    if "nfc" in route.normal:
        made = pc.utf8_normalize(made, form="NFC")
    if "trim" in route.normal:
        made = pc.replace_substring_regex(made, f"^{_SPACE}|{_SPACE}$", "")
    if "squeeze" in route.normal:
        made = pc.replace_substring_regex(made, _SPACE, " ")
    return Outcome(
        made,
        altered=pc.not_equal(made, array),
        alteration=f"values normalised ({', '.join(route.normal)})",
        altered_by_rule=True,
    )
