"""Refuse rows whose e-mail address is not one (RFC 5321 and 5322, as email-validator reads them)."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms.result import Outcome
from cutover.route import ColumnRoute


def applies(route: ColumnRoute) -> bool:
    """Columns that the plan marked as e-mail."""
    return route.email


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Refuse every address that cannot be one; NULL passes. The domain is not looked up."""
    from email_validator import EmailNotValidError, validate_email

    invalid = []
    for address in pc.unique(array).to_pylist():
        if address is None:
            continue
        try:
            # Deliverability is a matter of the network; test and local domains are addresses too.
            validate_email(address, check_deliverability=False, test_environment=True)
        except EmailNotValidError:
            invalid.append(address)
    if not invalid:
        return Outcome(array)
    refused = pc.is_in(array, pa.array(invalid, array.type))
    return Outcome(array, refused, f"{route.source} holds no valid e-mail address")
