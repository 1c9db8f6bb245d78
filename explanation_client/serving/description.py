"""The service described in OpenAPI 3.1, with the model's own columns, features and classes."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from explanation_client.scoring import ScoringExplainer
from explanation_client.scoring.response import example_row
from explanation_client.serving.options import Limits

VERSION = version("explanation-client")

# More names than these make the description slow to read and say little.
_MOST_NAMES = 200
_MOST_EXAMPLE = 40
_NUMBERS = {"type": "array", "items": {"type": "number"}}
_ROWS = {"type": "array", "items": {"type": "array", "items": {}}, "minItems": 1}


def describe_explainer(explainer: ScoringExplainer, limits: Limits) -> dict[str, Any]:
    """Return the OpenAPI description of a service that answers with a scoring explainer."""
    info = explainer.info
    text = (
        f"Predictions of a {info.model_type}, and how much each feature added to them. The importances of a row and "
        f"the expected value add up to the model's {info.output_space}. A request has at most {limits.max_rows:,} rows "
        f"and {limits.max_bytes:,} bytes."
    )
    columns = list(explainer.columns)
    scoring = {
        "summary": "Predict and explain rows",
        "description": "The rows come in one of five shapes. Columns that come with names are found by name.",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _question(columns), "examples": _examples(explainer)}},
        },
        "responses": {
            "200": {
                "description": "One prediction for each row, and its importances",
                "content": {"application/json": {"schema": _answer(explainer)}},
            },
            **_refusals(),
        },
    }
    return _document(text, scoring)


def describe_script() -> dict[str, Any]:
    """Return the OpenAPI description of a service that answers with a script: what it takes is the script's affair."""
    anything: dict[str, Any] = {"application/json": {"schema": {}}}
    scoring = {
        "summary": "Ask the script",
        "requestBody": {"required": True, "content": anything},
        "responses": {"200": {"description": "What run(raw_data) returned", "content": anything}, **_refusals()},
    }
    return _document("Answers of the run(raw_data) of a script.", scoring)


def _document(text: str, scoring: dict[str, Any]) -> dict[str, Any]:
    plain = {"200": {"description": "It is"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Scoring with explanations", "version": VERSION, "description": text},
        "paths": {
            "/score": {"post": {**scoring, "operationId": "score"}},
            "/invocations": {
                "post": {**scoring, "operationId": "invocations", "summary": "The same, at MLflow's address"}
            },
            "/health/live": {"get": {"summary": "Whether the process is alive", "responses": plain}},
            "/health/ready": {
                "get": {
                    "summary": "Whether it takes requests; /ping says the same",
                    "responses": {**plain, "503": {"description": "It is about to stop"}},
                }
            },
            "/metrics": {"get": {"summary": "Counts in Prometheus' text format", "responses": plain}},
            "/version": {"get": {"summary": "Version of explanation-client", "responses": plain}},
        },
    }


def _question(columns: list[str]) -> dict[str, Any]:
    options = {
        "explain": {"type": "boolean", "default": True, "description": "false: predictions alone"},
        "top_k": {"type": ["integer", "null"], "minimum": 1, "description": "only each row's most important features"},
        "get_raw": {"type": ["boolean", "null"], "description": "of raw features, or of engineered ones"},
    }
    names = {"type": "array", "items": {"type": "string", **_choice(columns)}}
    record = {"type": "object", "required": columns} if len(columns) <= _MOST_NAMES else {"type": "object"}
    records = {"type": "array", "items": record, "minItems": 1}
    shapes = {
        "data": {"oneOf": [_ROWS, records], "description": "Rows of values in the model's order, or objects"},
        "dataframe_split": {
            "type": "object",
            "required": ["columns", "data"],
            "properties": {"columns": names, "data": _ROWS, "index": {"type": "array"}},
        },
        "dataframe_records": records,
        "instances": {"oneOf": [_ROWS, records]},
        "inputs": {"oneOf": [_ROWS, records, {"type": "object", "additionalProperties": {"type": "array"}}]},
    }
    params = {"type": ["object", "null"], "properties": options, "additionalProperties": False}
    return {
        "type": "object",
        "properties": {**shapes, **options, "params": params},
        "oneOf": [{"required": [name]} for name in shapes],
        "additionalProperties": False,
    }


def _answer(explainer: ScoringExplainer) -> dict[str, Any]:
    per_row: dict[str, Any] = {"type": "array", "items": _NUMBERS}
    names: dict[str, Any] = {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}
    rest: dict[str, Any] = _NUMBERS
    shape = "(rows, features)"
    classes = explainer.classes
    if classes is not None:
        per_row, names, rest = ({"type": "array", "items": part} for part in (per_row, names, rest))
        shape = "(classes, rows, features)"
    properties: dict[str, Any] = {
        "predictions": {"type": "array", "items": {}},
        "local_importance_values": {**per_row, "description": f"{shape}; ranked, and so many, where top_k is given"},
        "features": {"type": "array", "items": {"type": "string", **_choice(list(explainer.features))}},
        "local_importance_names": {**names, "description": "with top_k, in place of features"},
        "local_importance_rest": {**rest, "description": "with top_k: the sum of the other features"},
        "expected_values": {**_NUMBERS, "description": "one for each class, or one"},
    }
    if classes is not None:
        properties["probabilities"] = {"type": "array", "items": _NUMBERS, "description": "(rows, classes)"}
        properties["classes"] = {"type": "array", "items": {"type": "string", **_choice(list(classes))}}
    return {"type": "object", "properties": properties}


def _examples(explainer: ScoringExplainer) -> dict[str, Any]:
    columns = list(explainer.columns)
    if len(columns) > _MOST_EXAMPLE:
        return {}
    row = example_row(explainer)
    return {
        "rows": {"value": {"data": [row], "top_k": min(3, len(explainer.features))}},
        "by name": {"value": {"dataframe_split": {"columns": columns, "data": [row]}}},
    }


def _choice(names: list[str]) -> dict[str, Any]:
    return {"enum": names} if len(names) <= _MOST_NAMES else {}


def _refusals() -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["error_code", "message"],
        "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
    }
    reasons = {
        "400": "It is no JSON, or not rows of the model: the message says what is wrong",
        "408": "The body did not arrive in time",
        "413": "Too many bytes or rows",
        "415": "The body is no JSON by its headers",
        "422": "The model does not take these rows, or its answer to them is not finite",
        "500": "A fault of the service",
        "503": "The service has as many requests as it takes: come back after Retry-After seconds",
        "504": "The answer took too long",
    }
    return {
        status: {"description": text, "content": {"application/json": {"schema": schema}}}
        for status, text in reasons.items()
    }
