"""Explanations on Spark: executors explain their partitions and store the shards; explanations as DataFrames.

What passes through the driver is statistics, a few numbers for each feature, and the sample that dashboards show.
"""

from __future__ import annotations

from explanation_client.spark.explain import explain_spark
from explanation_client.spark.read import to_spark

__all__ = ["explain_spark", "to_spark"]
