"""Checks of the tree itself: what is tracked, what is documented, what an import costs."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

import explanation_client
import server_plugin
from scripts import check_tree

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("lightgbm", "mlflow", "numba", "pandas", "pyarrow", "requests", "scipy", "shap", "sklearn", "xgboost")
DATA_MODEL = ("dataset", "display", "documents", "drift", "errors", "explanation", "importances", "info", "tables")


def pinned(name: str) -> dict[str, list[str]]:
    """Return the lines that belong to each pinned package of a requirements file."""
    packages: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines():
        if not line.startswith((" ", "#")):
            lines = packages.setdefault(line.split(" ")[0], [])
        lines.append(line)
    return packages


REQUIREMENTS = sorted(path.name for path in (ROOT / "requirements").glob("*.txt"))


class TestTrackedFiles:
    def test_name_no_registry_and_no_path_of_one_machine(self) -> None:
        assert list(check_tree.problems(check_tree.tracked_files())) == []

    @pytest.mark.parametrize(
        "line",
        [
            "https://files.python" + "hosted.org/packages/x.whl",
            "index-url = https://py" + "pi.org/simple",
            '"resol' + 'ved": "https://registry.npm' + 'js.org/vite"',
            "ROOT = '/ho" + "me/someone/project'",
            "cd /wo" + "rk/main",
            "/ro" + "ot/.cache/models",
            "C:" + "\\Users\\someone",
        ],
    )
    def test_check_finds_what_it_looks_for(self, tmp_path: Path, line: str) -> None:
        path = tmp_path / "file.txt"
        path.write_text(f"first line\n{line}\n", encoding="utf-8")
        (problem,) = check_tree.problems([path], tmp_path)
        assert problem.startswith("file.txt:2: names a ")

    @pytest.mark.parametrize(
        "line", ["~/wo" + "rk/x", "https://example.com/wo" + "rk/x", "docs/home/index.md", "$HOME/tmp/x"]
    )
    def test_check_lets_other_paths_pass(self, tmp_path: Path, line: str) -> None:
        path = tmp_path / "file.txt"
        path.write_text(line, encoding="utf-8")
        assert list(check_tree.problems([path], tmp_path)) == []


class TestRequirements:
    @pytest.mark.parametrize("name", REQUIREMENTS)
    def test_every_package_is_pinned_and_hashed(self, name: str) -> None:
        packages = pinned(name)
        assert packages
        for package, lines in packages.items():
            if package.startswith("torch=="):
                continue  # it has a build for each kind of machine
            assert re.fullmatch(r"[a-z0-9.-]+==[^=\s]+", package), package
            assert any(re.search(r"--hash=sha256:[0-9a-f]{64}\b", line) for line in lines), package

    def test_lowest_has_the_lower_bound_of_each_dependency(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = project["optional-dependencies"].values()
        wanted = [*project["dependencies"], *(requirement for extra in extras for requirement in extra)]
        pins = [package.split("==") for package in pinned("lowest.txt")]
        bounds = dict(requirement.split(">=") for requirement in wanted if ">=" in requirement)
        assert len(bounds) > len(project["dependencies"])
        # PyTorch has a build for each kind of machine, and is no part of the pinned environments.
        del bounds["torch"]
        # Spark comes with the cluster that it runs on.
        del bounds["pyspark"]
        for name, bound in bounds.items():
            package = name.split("[")[0]
            # A newer Python may need a newer version than the bound: the lowest counts.
            lowest = min((version(pin) for other, pin in pins if other == package), default=())
            assert lowest[: len(version(bound))] == version(bound), package

    def test_base_has_no_package_of_an_extra(self) -> None:
        installed = {package.split("==")[0] for package in pinned("base.txt")}
        assert "mlflow-skinny" in installed
        assert installed.isdisjoint({"lightgbm", "mlflow", "numba", "pandas", "scikit-learn", "scipy", "shap"})


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


class TestImports:
    def test_importing_the_package_loads_nothing_heavy(self) -> None:
        assert loaded_by("import explanation_client").isdisjoint({*HEAVY, "numpy"})

    @pytest.mark.parametrize("module", DATA_MODEL)
    def test_importing_the_data_model_loads_only_numpy(self, module: str) -> None:
        assert loaded_by(f"import explanation_client.{module}").isdisjoint(HEAVY)

    def test_importing_the_server_plugin_loads_nothing_of_the_library(self) -> None:
        assert loaded_by("import server_plugin").isdisjoint({*HEAVY, "numpy", "explanation_client"})

    def test_the_check_sees_what_is_loaded(self) -> None:
        assert {"explanation_client", "pyarrow"} <= loaded_by("import explanation_client, pyarrow")


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after running ``code``."""
    report = f"{code}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    finished = subprocess.run([sys.executable, "-c", report], check=True, capture_output=True, text=True, cwd=ROOT)
    return set(finished.stdout.split())


def public_modules() -> list[ModuleType]:
    """Return our modules that say, by ``__all__``, what is public in them; those for PyTorch where it is installed."""
    found = [explanation_client, server_plugin]
    for package in (explanation_client, server_plugin):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if any(part.startswith("_") for part in info.name.split(".")):
                continue
            try:
                found.append(importlib.import_module(info.name))
            except ModuleNotFoundError as error:
                if error.name != "torch" or "CI" in os.environ:
                    raise
    return [module for module in found if hasattr(module, "__all__")]


def is_documented(value: object) -> bool:
    """Whether a class or function has a docstring of its own, not one that it inherits or a dataclass makes."""
    own = value.__dict__.get("__doc__") if inspect.isclass(value) else getattr(value, "__doc__", None)
    name = getattr(value, "__name__", "")
    return bool(own and own.strip()) and not own.startswith(f"{name}(")


class TestPublicNames:
    def test_each_exists_and_has_a_docstring(self) -> None:
        modules = public_modules()
        assert explanation_client in modules
        undocumented = [
            f"{module.__name__}.{name}"
            for module in modules
            for name in module.__all__
            if (inspect.isclass(value := getattr(module, name)) or inspect.isroutine(value))
            and not is_documented(value)
        ]
        assert undocumented == []

    def test_public_methods_have_docstrings(self) -> None:
        undocumented = {
            f"{owner.__module__}.{owner.__qualname__}.{name}"
            for module in public_modules()
            for owner in (getattr(module, name) for name in module.__all__)
            if inspect.isclass(owner)
            for name, member in vars(owner).items()
            if not name.startswith("_")
            and isinstance(member, (property, staticmethod, classmethod, type(is_documented)))
            if not inspect.getdoc(getattr(owner, name))
        }
        assert undocumented == set()


class TestSkipsInCi:
    """The plugin by which a skipped test fails in CI; run on a suite of its own."""

    SUITE = """
import pytest

def test_that_skips_itself():
    pytest.skip("no browser")

@pytest.mark.skip(reason="marked")
def test_that_is_marked():
    pass

@pytest.mark.xfail(reason="known", strict=True)
def test_that_is_known_to_fail():
    assert False

def test_that_passes():
    pass
"""

    def run(self, folder: Path, *, in_ci: bool, suite: str = SUITE) -> str:
        """Return the last line of pytest's output."""
        (folder / "test_suite.py").write_text(suite, encoding="utf-8")
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-p", "tests.plugins.ci", "--rootdir", str(folder)]
        environment = {**os.environ, "CI": "true" if in_ci else "", "PYTHONPATH": str(ROOT)}
        command += ["-c", str(folder / "pytest.ini"), str(folder)]
        finished = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment)
        return finished.stdout.splitlines()[-1]

    def test_are_failures(self, tmp_path: Path) -> None:
        assert "1 failed, 1 passed, 1 xfailed, 1 error" in self.run(tmp_path, in_ci=True)

    def test_are_errors_where_a_whole_file_is_skipped(self, tmp_path: Path) -> None:
        suite = "import pytest\npytest.importorskip('no_such_module')\n"
        assert "1 error" in self.run(tmp_path, in_ci=True, suite=suite)

    def test_stay_skips_elsewhere(self, tmp_path: Path) -> None:
        assert "1 passed, 2 skipped, 1 xfailed" in self.run(tmp_path, in_ci=False)


class TestDocuments:
    def test_changelog_has_a_place_for_the_next_release(self) -> None:
        text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        headings = re.findall(r"^## \[?([^\]\n]+?)\]?(?: - \d{4}-\d\d-\d\d)?$", text, flags=re.MULTILINE)
        assert headings[0] == "Unreleased"

    def test_changelog_has_the_version_that_is_released(self) -> None:
        assert (
            explanation_client.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        )

    def test_relative_links_lead_to_files_and_headings(self) -> None:
        documents = [path for path in check_tree.tracked_files() if path.suffix == ".md"]
        assert ROOT / "CONTRIBUTING.md" in documents
        broken = [
            f"{document.relative_to(ROOT)}: {target}"
            for document in documents
            for target in relative_links(document.read_text(encoding="utf-8"))
            if not resolves(document, target)
        ]
        assert broken == []

    def test_a_broken_link_is_found(self, tmp_path: Path) -> None:
        document = tmp_path / "page.md"
        text = "# One heading\n[a](page.md#one-heading) [b](gone.md) [c](#gone) `[d](gone.md)`\n"
        document.write_text(text, encoding="utf-8")
        assert [t for t in relative_links(text) if not resolves(document, t)] == ["gone.md", "#gone"]


def relative_links(text: str) -> list[str]:
    """Return the targets of a document's links and pictures, less those with a scheme, and none from code."""
    prose = re.sub(r"^(```|~~~).*?^\1|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(\s*<?([^)\s>]+)", prose) + re.findall(r"^\[[^\]]+\]:\s*(\S+)", prose, flags=re.MULTILINE)
    return [target for target in targets if not re.match(r"[a-z][a-z0-9+.-]*:", target)]


def resolves(document: Path, target: str) -> bool:
    """Whether a relative link leads to a file of the tree and, where it names one, to a heading in it."""
    path, _, heading = unquote(target).partition("#")
    file = (document.parent / path).resolve() if path else document
    if not file.exists():
        return False
    return not heading or file.suffix != ".md" or heading in anchors(file.read_text(encoding="utf-8"))


def anchors(text: str) -> set[str]:
    """Return the anchors that the headings of a document get where Markdown is shown."""
    headings = re.findall(
        r"^#+ +(.+?) *$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
