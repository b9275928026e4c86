"""Refuse rows whose phone number is none by the numbering plan of its country, as libphonenumber knows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms.result import Outcome
from cutover.route import ColumnRoute

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

# The library also finds numbers within other text, and in letters, as on a keypad; such a value is no number.
_WRITTEN = re.compile(r"\+?[0-9 \u00a0()./\u2010-\u2015-]+(?:\s*(?:x|#|ext\.?)\s*[0-9]+)?", re.IGNORECASE)


def applies(route: ColumnRoute) -> bool:
    """Columns that the plan marked as phone numbers."""
    return route.phone


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Refuse every number that does not exist; NULL passes. Nobody is called."""
    invalid = [v for v in pc.unique(array).to_pylist() if v is not None and _parsed(v, route.region) is None]
    if not invalid:
        return Outcome(array)
    refused = pc.is_in(array, pa.array(invalid, array.type))
    return Outcome(array, refused, f"{route.source} holds no valid phone number")


def e164(text: str, region: str) -> str | None:
    """Write a phone number as ITU-T E.164 does, ``+4930123456``; None where it is none, or has an extension."""
    from phonenumbers import PhoneNumberFormat, format_number

    number = _parsed(text, region)
    return None if number is None or number.extension else format_number(number, PhoneNumberFormat.E164)


def _parsed(text: str, region: str) -> PhoneNumber | None:
    from phonenumbers import NumberParseException, is_valid_number, parse

    if _WRITTEN.fullmatch(text) is None:
        return None
    try:
        number = parse(text, region)
    except NumberParseException:
        return None
    return number if is_valid_number(number) else None
