"""Write text by one rule: phone numbers in E.164, the domain of an e-mail address and other text in one case."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms import phone
from cutover.data.transforms.result import Outcome
from cutover.route import ColumnRoute

_BY_ARROW: dict[str, Callable[[pa.Array], pa.Array]] = {
    "upper": pc.utf8_upper,
    "lower": pc.utf8_lower,
    "title": pc.utf8_title,
}


def applies(route: ColumnRoute) -> bool:
    """Text columns that the spec names."""
    return route.standard is not None


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Write every value by the rule and count those that change; NULL stays NULL.

    A value that the rule cannot write (no phone number, or one with an extension, which E.164 has no place for)
    refuses its row.
    """
    rule = str(route.standard)
    if rule in _BY_ARROW:
        made = _BY_ARROW[rule](array)
    else:
        known = [value for value in pc.unique(array).to_pylist() if value is not None]
        written = [_domain_lowered(v) if rule == "email" else phone.e164(v, route.region) for v in known]
        made = pa.array(written, pa.string()).take(pc.index_in(array, pa.array(known, pa.string())))
    refused = pc.and_(pc.is_valid(array), pc.is_null(made))
    return Outcome(
        made,
        refused if pc.any(refused).as_py() else None,
        f"{route.source} holds a value that {rule} has no form for",
        altered=pc.not_equal(made, array),
        alteration=f"values standardised ({rule})",
        altered_by_rule=True,
    )


def _domain_lowered(address: str) -> str:
    name, at, domain = address.rpartition("@")
    return f"{name}{at}{domain.lower()}" if at else address
