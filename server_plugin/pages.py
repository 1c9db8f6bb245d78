"""The static files of the front end, and MLflow's start page with the script that adds the tab."""

from __future__ import annotations

import hashlib
import importlib.util
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response, abort, request
from mlflow.server.handlers import _add_static_prefix

FOLDER = "/static-files/explanations"
_HERE = Path(__file__).parent / "static"
# Files are addressed with a digest of all of them, so that they may be kept for as long as MLflow's own.
_KEPT_SECONDS = 2_419_200
# What the page may do: run our scripts, ask its own server. Nothing is loaded from elsewhere, no text becomes markup.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data: blob:",
        "frame-ancestors 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is served."""

    content: bytes
    media_type: str
    etag: str


def add_pages(app: Flask) -> None:
    """Add the front end's files to MLflow's app, and the script to its start page."""
    files = read_files()
    version = _digest(b"".join(file.content for _, file in sorted(files.items())))

    def static_file(name: str) -> Response:
        file = files.get(name)
        if file is None:
            abort(404)
        response = _answer(file, kept=request.args.get("v") == version)
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    # Below MLflow's own folder of static files, which its permissions treat as public: there is no data in them.
    app.add_url_rule(_add_static_prefix(f"{FOLDER}/<path:name>"), "explanations_static", static_file, methods=["GET"])
    start = _start_page(app, version)
    if start is not None:
        app.view_functions["serve"] = lambda: _answer(start, kept=False)


def read_files() -> dict[str, StaticFile]:
    """Return the front end by name: what is built for this page, and the dashboard that all hosts share.

    The dashboard lies in the library's folder, which is found without importing the library.
    """
    folders = [_HERE]
    spec = importlib.util.find_spec("explanation_client")
    if spec is not None and spec.submodule_search_locations:
        folders.append(Path(next(iter(spec.submodule_search_locations))) / "dashboard" / "static")
    return {
        path.name: _static_file(path.read_bytes(), path.name)
        for folder in reversed(folders)
        for path in sorted(folder.glob("*"))
        if path.is_file()
    }


def _start_page(app: Flask, version: str) -> StaticFile | None:
    """Return MLflow's start page with our script; None where MLflow has no page to add it to."""
    index = Path(app.static_folder or "") / "index.html"
    if "serve" not in app.view_functions or not index.is_file():
        return None
    # A relative address, as MLflow's own are: right under any prefix, also one that a proxy adds.
    script = f'<script defer src="{FOLDER.removeprefix("/")}/inject.js?v={version}"></script>'
    page = index.read_text(encoding="utf-8")
    if page.count("</head>") != 1:
        return None
    return _static_file(page.replace("</head>", f"{script}</head>").encode(), index.name)


def _static_file(content: bytes, name: str) -> StaticFile:
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if media_type == "text/javascript" or name.endswith(".js"):
        media_type = "text/javascript; charset=utf-8"
    elif media_type.startswith("text/"):
        media_type += "; charset=utf-8"
    return StaticFile(content, media_type, _digest(content))


def _answer(file: StaticFile, *, kept: bool) -> Response:
    response = Response(file.content, content_type=file.media_type)
    response.set_etag(file.etag)
    response.headers["Cache-Control"] = f"public, max-age={_KEPT_SECONDS}, immutable" if kept else "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response.make_conditional(request)  # type: ignore[return-value]  # the same response, maybe a 304


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
