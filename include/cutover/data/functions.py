"""Users' own functions: found in the migration's folder, called with a batch, and taken at their exact word."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.abc import InspectLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms import shapes, types
from cutover.data.types import arrow_type, cast
from cutover.errors import DataError, SpecError
from cutover.route import ColumnRoute, Function
from cutover.spec import MigrationSpec

if TYPE_CHECKING:
    import pandas as pd

_WHERE = "data.transformation.functions"
_MOMENTS = ("date32", "timestamp", "timestamptz", "duration")
_LONGEST_MESSAGE = 200


def found(spec: MigrationSpec, home: Path | None) -> dict[str, Function]:
    """Return the functions that a spec names, by source table; each is imported once, to see that it is there.

    Args:
        spec: what the user wrote.
        home: the migration's own folder, where the modules are; None where it has none.

    Raises:
        SpecError: a function is not there, or its module cannot be imported.
    """
    made = {}
    problems = []
    for table, written in spec.data.transformation.called.items():
        module, _, name = written["call"].partition(".")
        where = f"{_WHERE}.{table}"
        if home is None:
            problems.append(f"{where}: the migration has no folder of its own, where {module}.py would be")
            continue
        path = home.absolute() / f"{module}.py"
        try:
            made[table] = Function(f"{module}.{name}", str(path), hashlib.sha256(path.read_bytes()).hexdigest())
            if not callable(_function(made[table])):
                problems.append(f"{where}: {module}.py has no function {name!r}")
        except OSError:
            problems.append(f"{where}: there is no file {module}.py beside migration.yaml")
        except Exception as error:  # whatever the user's module does while it is imported
            problems.append(f"{where}: {module}.py cannot be imported: {_told(error)}")
    if problems:
        raise SpecError(problems)
    return made


class _Text(InspectLoader):
    """Makes a module of bytes that were read: no search path is changed, and no bytecode kept that may be older."""

    def __init__(self, path: str, text: bytes) -> None:
        self._path, self._text = path, text

    def get_source(self, fullname: str) -> str:
        return self._text.decode()

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._text, self._path)


@lru_cache(maxsize=64)
def _function(function: Function) -> Any:
    """Import a function's module, once in each process.

    Raises:
        OSError: the file is not there.
        DataError: it is not the one that the run was planned with.
    """
    path = Path(function.path)
    text = path.read_bytes()
    digest = hashlib.sha256(text).hexdigest()
    if digest != function.digest:
        raise DataError(
            f"function {function.call}: {path.name} has changed since the run was planned, and rows that are there "
            "may be others than it would make now; start a new run"
        )
    name = f"cutover_functions.{digest[:16]}.{path.stem}"
    module_spec = spec_from_loader(name, _Text(function.path, text))
    assert module_spec is not None
    assert module_spec.loader is not None
    module = module_from_spec(module_spec)
    # Classes of the module look for it here.
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return getattr(module, function.call.partition(".")[2], None)


def called(
    function: Function, columns: Sequence[ColumnRoute], key: Sequence[str], arrays: Sequence[pa.Array]
) -> tuple[list[pa.Array], pa.Array]:
    """Call a function with rows, and return its columns in the target's exact types, with the place of each row.

    It gets a DataFrame with Arrow-backed columns, called as in the target: JSON, UUIDs, enums and sets are text there,
    a set its labels joined by commas. What it leaves out of the frame is left out of the table.

    Args:
        function: what is called.
        columns: the ways of the columns.
        key: those by which the proof and a stream tell rows, which it may not change.
        arrays: a column each, in their types of the target.

    Raises:
        DataError: it fails, or returns what is no frame of such rows or does not fit.
    """
    try:
        call: Callable[[Any], Any] = _function(function)
    except OSError:
        raise DataError(f"function {function.call}: there is no file {function.path} any more") from None
    count = len(arrays[0])
    frame = _frame(columns, arrays, count)
    try:
        returned = call(frame)
    except Exception as error:
        raise DataError(f"function {function.call} failed: {_told(error)}") from error
    made, places = _rows(function, returned, count)
    _refuse_other_columns(function, columns, made)
    fitting = []
    for column, array in zip(columns, arrays, strict=True):
        before = array.take(places)
        after = _fitting(function, column, made[column.target], before)
        if column.target in key and not after.equals(before):
            raise _error(function, column, "is of the key, by which rows are told, and may not be changed")
        fitting.append(after)
    return fitting, places


def _told(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:_LONGEST_MESSAGE]}" if lines else type(error).__name__


def _error(function: Function, column: ColumnRoute, why: str) -> DataError:
    return DataError(f"function {function.call}: column {column.target} {why}")


def _frame(columns: Sequence[ColumnRoute], arrays: Sequence[pa.Array], count: int) -> pd.DataFrame:
    import pandas as pd

    # No place is the number of one, so that an index that was made anew is found out.
    index = pd.RangeIndex(count, 2 * count)
    given = (
        (column.target, pd.arrays.ArrowExtensionArray(_plain(a))) for column, a in zip(columns, arrays, strict=True)
    )
    return pd.DataFrame({name: pd.Series(values, index=index) for name, values in given}, index=index)


def _plain(array: pa.Array) -> pa.Array:
    """Return text in place of what pandas has no type for."""
    if array.type == pa.uuid():
        return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())
    return array.storage if isinstance(array.type, pa.BaseExtensionType) else array


def _rows(function: Function, returned: Any, count: int) -> tuple[pd.DataFrame, pa.Array]:
    import pandas as pd

    if not isinstance(returned, pd.DataFrame):
        raise DataError(f"function {function.call} returned {type(returned).__name__}, and not a DataFrame")
    index = returned.index
    if not len(index):
        return returned, pa.array([], pa.int64())
    known = pd.api.types.is_integer_dtype(index.dtype) and index.min() >= count and index.max() < 2 * count
    if not known or not index.is_unique:
        raise DataError(
            f"function {function.call} returned rows whose index is not that of the rows it was given: keep the index, "
            "which tells them (no reset_index, no rows twice)"
        )
    if not index.is_monotonic_increasing:
        returned = returned.sort_index()
    return returned, pa.array(returned.index.to_numpy() - count, pa.int64())


def _refuse_other_columns(function: Function, columns: Sequence[ColumnRoute], made: pd.DataFrame) -> None:
    wanted, given = {column.target for column in columns}, list(made.columns)
    if missing := sorted(wanted - set(given)):
        raise DataError(f"function {function.call} returned no column {missing[0]!r}")
    if others := sorted(map(str, set(given) - wanted)):
        raise DataError(
            f"function {function.call} returned a column {others[0]!r}, which the table has not; declare it under adds"
        )
    if len(given) != len(wanted):
        raise DataError(f"function {function.call} returned a column twice")


def _fitting(function: Function, column: ColumnRoute, values: pd.Series[Any], before: pa.Array) -> pa.Array:
    """Bring a column to the target's exact type; one that is as it was ``before`` is that."""
    takes = f"takes {column.target_type}, and holds"
    try:
        array = _array(values)
    except (pa.ArrowException, TypeError, ValueError):
        raise _error(function, column, f"{takes} values of several types ({values.dtype})") from None
    if array.equals(_plain(before)):
        return before
    try:
        made = _exactly(array, column.arrow)
    except (pa.ArrowException, TypeError, ValueError):
        raise _error(function, column, f"{takes} {array.type} that does not fit it exactly") from None
    if not _holds(column, made):
        raise _error(function, column, f"{takes} a value that is none of it")
    return made


def _holds(column: ColumnRoute, array: pa.Array) -> bool:
    """Whether PostgreSQL takes each value: the transforms before have seen to the source's own."""
    plain = array.storage if isinstance(array.type, pa.BaseExtensionType) else array
    if pa.types.is_string(plain.type) and pc.any(pc.match_substring(plain, "\0")).as_py():
        return False
    if column.arrow == "enum" and not pc.all(pc.is_in(plain, pa.array([*column.labels, None])), min_count=0).as_py():
        return False
    if column.arrow == "json" and not all(map(_is_json, plain.drop_null().to_pylist())):
        return False
    outcomes = [step.apply(column, array) for step in (types, shapes) if step.applies(column)]
    return not any(outcome.refused is not None and pc.any(outcome.refused).as_py() for outcome in outcomes)


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_no_number)
    except ValueError:
        return False
    return True


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _array(values: pd.Series[Any]) -> pa.Array:
    """Return a column as Arrow has it; text and bytes in their plain types."""
    array = pa.array(values, from_pandas=True)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
        return array.cast(pa.string())
    return array.cast(pa.binary()) if pa.types.is_large_binary(array.type) else array


def _exactly(array: pa.Array, name: str) -> pa.Array:
    """Cast without changing any value, where a cast alone would round, cut or take a number for a moment."""
    if array.null_count == len(array):
        # pandas knows no type for nothing, and calls it a double or an object.
        return pa.nulls(len(array), arrow_type(name))
    text = pa.types.is_string(array.type)
    if name in _MOMENTS and not text and not pa.types.is_temporal(array.type):
        raise pa.ArrowInvalid("no moment")
    if name != "timestamptz" and pa.types.is_timestamp(array.type) and array.type.tz is not None:
        raise pa.ArrowInvalid("an instant, where a wall clock is meant")
    if pa.types.is_floating(array.type) and name.startswith("decimal"):
        # The shortest text that is this number and no other (Python manual, repr of floats).
        text, array = True, pa.array([None if v is None else repr(v) for v in array.to_pylist()], pa.string())
    made = cast(array, name)
    if text or made.type == array.type or isinstance(made.type, pa.BaseExtensionType):
        return made
    if not pc.cast(made, array.type, safe=False).equals(array):
        raise pa.ArrowInvalid("another value")
    return made
