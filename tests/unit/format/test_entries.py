"""Names, digests and limits of data files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from explanation_client.errors import CorruptFileError, InvalidArgumentError, LimitExceededError
from explanation_client.format import FileEntry, Limits, check_file, file_name, is_plain_name
from explanation_client.format.entries import make_entry


def entry(**more: object) -> FileEntry:
    return replace(make_entry(b"abc", role="local", shape=(1, 3, 2)), **more)  # type: ignore[arg-type]


def test_a_file_is_named_by_role_place_digest_and_nonce() -> None:
    made = entry(outputs=(0, 1), rows=(100, 200))
    assert file_name(made, "k3") == "local-0-000000100-ba7816bf8f01cfea-k3.parquet"
    assert file_name(replace(made, columns=(1000, 2000)), "k3") == (
        "local-0-000000100-001000-ba7816bf8f01cfea-k3.parquet"
    )
    assert file_name(entry(role="features"), "0") == "features-ba7816bf8f01cfea-0.parquet"


@pytest.mark.parametrize("nonce", ["", "A", "a/b", "..", "é", "x" * 33])
def test_a_nonce_that_could_harm_a_path_is_refused(nonce: str) -> None:
    with pytest.raises(InvalidArgumentError, match="nonce"):
        file_name(entry(), nonce)


@pytest.mark.parametrize("name", ["a.parquet", "0", "local-0-x.y_z"])
def test_plain_names_are_plain(name: str) -> None:
    assert is_plain_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a..b", ".a", "a/b", "a\\b", "A", "a b", "a%2e", "a#b", "é", "a\n", "x" * 161]
)
def test_names_that_a_store_might_rewrite_or_climb_with_are_not_plain(name: str) -> None:
    assert not is_plain_name(name)


def test_a_file_that_differs_is_named_with_both_sizes_or_digests() -> None:
    wanted = entry(name="local-0.parquet")
    check_file(wanted, b"abc")
    check_file(wanted, memoryview(b"abc"))
    with pytest.raises(CorruptFileError, match=r"local-0.parquet: has 2 bytes, the manifest says 3"):
        check_file(wanted, b"ab")
    with pytest.raises(CorruptFileError, match=r"has SHA-256 a52d159f.*, the manifest says ba7816bf"):
        check_file(wanted, b"abd")


def test_an_entry_of_one_output_says_which() -> None:
    assert entry(outputs=(2, 3)).output == 2
    assert entry(outputs=(0, 3)).output is None
    assert entry().output is None


def test_a_limit_says_how_to_raise_it() -> None:
    Limits().check("the number of features", 200_000, "max_features")
    with pytest.raises(LimitExceededError, match=r"features: 200,001 .*200,000.*Limits\(max_features=200001\)"):
        Limits().check("the number of features", 200_001, "max_features")
