"""The expectation that a generated rule is for Great Expectations, which takes seconds to import.

Great Expectations' own for queries asks twice, once for the rows and once for their number, formats the text, and knows
one answer for each query. Here several expectations share one query, which their suite asks once.
"""

from __future__ import annotations

from typing import Any, ClassVar

from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.metrics.metric_provider import MetricProvider, metric_value

from cutover.verify.answers import said

_METRIC = "cutover.answers"


class Answers(MetricProvider):
    """The rows that a query returns; metrics are one and the same where their query is."""

    metric_name = _METRIC
    domain_keys = ("batch_id",)
    value_keys = ("query",)

    @metric_value(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(
        cls,  # noqa: N805
        execution_engine: Any,
        metric_domain_kwargs: Any,
        metric_value_kwargs: Any,
        metrics: Any,
        runtime_configuration: Any,
    ) -> list[dict[str, Any]]:
        # As it is: nothing in it stands for a parameter.
        plain = {"no_parameters": True}
        with execution_engine.get_connection() as connection:
            answers = connection.exec_driver_sql(metric_value_kwargs["query"], execution_options=plain)
            return [dict(row) for row in answers.mappings()]


class ExpectRuleToHold(BatchExpectation):
    """Holds where every row of a query's that bears ``place`` says so; there need be none."""

    query: str
    place: int

    metric_dependencies: ClassVar[tuple[str, ...]] = (_METRIC,)
    success_keys: ClassVar[tuple[str, ...]] = ("query", "place")
    domain_keys: ClassVar[tuple[str, ...]] = ("batch_id",)

    def _validate(
        self, metrics: dict[str, Any], runtime_configuration: Any = None, execution_engine: Any = None
    ) -> dict[str, Any]:
        answers = [row for row in metrics[_METRIC] if row["place"] == self.place]
        broken = [row for row in answers if not row["holds"]]
        # Data Docs show what was observed.
        observed = said(broken or answers, named=len(broken) > 1) or "as it should be"
        return {"success": not broken, "result": {"observed_value": observed, "details": {"answers": answers}}}
