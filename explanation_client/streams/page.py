"""The page of an explanation whose rows are not at hand: of its global parts and its sample."""

from __future__ import annotations

from dataclasses import replace

from explanation_client.format import ViewSize, dump_manifest, file_name
from explanation_client.info import ExplanationInfo
from explanation_client.streams.merge import Merged
from explanation_client.streams.sample import Sampled

# Names of files tell attempts to write them apart; these are never written.
_NONCE = "shown"


def page_of(merged: Merged, sampled: Sampled, info: ExplanationInfo) -> bytes:
    """Return the page: HTML, UTF-8, as much of the sample as fits."""
    from explanation_client.dashboard.files import MOST_INTERACTING, Shown
    from explanation_client.dashboard.page import MAX_MEGABYTES, PageOptions, fitting_page

    pairs = merged.explanation.interactions
    if pairs is not None and pairs.shape[-1] > MOST_INTERACTING:
        merged = replace(merged, explanation=replace(merged.explanation, interactions=None))

    def encode(size: ViewSize) -> list[Shown]:
        files = [job() for job in (*merged.view_jobs(sampled, size), *merged.whole_jobs())]
        entries = [replace(file.entry, name=file_name(file.entry, _NONCE)) for file in files]
        manifest = merged.manifest(entries, info, only_view=True)
        view = next(entry for entry in entries if entry.role == "view")
        return [
            Shown(
                label="",
                manifest=dump_manifest(manifest),
                files={entry.name: file.data for entry, file in zip(entries, files, strict=True)},
                rows=view.shape[1],
                columns=view.shape[2],
            )
        ]

    return fitting_page(encode, PageOptions(), MAX_MEGABYTES)
