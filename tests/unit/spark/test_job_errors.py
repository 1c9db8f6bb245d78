"""What a job failed of is told, as far as Spark's message has it."""

from __future__ import annotations

import pytest

from explanation_client.errors import InvalidArgumentError, LimitExceededError, UploadError
from explanation_client.spark.explain import _job_error

MESSAGE = """Job aborted due to stage failure: Task 0 in stage 3.0 failed 4 times, most recent failure:
org.apache.spark.api.python.PythonException: Traceback (most recent call last):
  File "/opt/task.py", line 90, in __call__
    yield from self.task.of(batches)
{reason}

\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator.handlePythonException(PythonRunner.scala:567)
Driver stacktrace:
"""


@pytest.mark.parametrize(
    ("reason", "kind", "told"),
    [
        (
            "explanation_client.errors.InvalidArgumentError: the rows lack 'a'",
            InvalidArgumentError,
            "the rows lack 'a'",
        ),
        ("explanation_client.errors.LimitExceededError: 10 rows are", LimitExceededError, "10 rows are"),
        ("pyarrow.lib.ArrowInvalid: Float value was truncated", UploadError, "ArrowInvalid: Float value was truncated"),
        ("MemoryError: no room", UploadError, "MemoryError: no room"),
    ],
)
def test_the_last_error_of_a_task_is_the_reason(reason: str, kind: type[Exception], told: str) -> None:
    error = _job_error(RuntimeError(MESSAGE.format(reason=reason)))
    assert type(error) is kind
    assert str(error).endswith(told)
