#!/bin/sh
# environment.sh FOLDER REQUIREMENTS STAMP [PYTHON]
#
# Make the virtual environment FOLDER with exactly what REQUIREMENTS pins, and this project, and then the file STAMP.
# Every download is checked against a hash. Without PYTHON: python3 if it is recent enough, else the newest of
# python3.14 to python3.11 that runs. With WITH_TORCH=1 in the environment: PyTorch too.
set -eu

folder=$1 requirements=$2 stamp=$3 wanted=${4:-}

fail() {
    printf 'error: %s\n' "$@" >&2
    exit 1
}

version_of() {
    "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null
}

recent_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "$wanted" ]; then
        version=$(version_of "$wanted") || fail "PYTHON=$wanted is no Python that runs."
        recent_enough "$wanted" || fail "PYTHON=$wanted is Python $version: 3.11 or newer is needed."
        echo "$wanted"
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if recent_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    if version=$(version_of python3); then
        fail "python3 is Python $version: 3.11 or newer is needed." \
            "Install one and, if it is not on the PATH, name it: make PYTHON=/path/to/python3.12"
    fi
    fail "There is no python3: install Python 3.11 or newer." \
        "If it is not on the PATH, name it: make PYTHON=/path/to/python3.12"
}

# An environment is of use if its Python still runs, has pip, and was made in this place: its commands have the path
# in them, and a folder can be copied or moved.
usable() {
    "$folder/bin/python" -c 'import pip' >/dev/null 2>&1 && grep -qF "$(pwd -P)/$folder" "$folder/pyvenv.cfg"
}

python=$(find_python)
if ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
    fail "$python is Python $(version_of "$python") without the module venv or ensurepip, which make environments." \
        "On Debian and Ubuntu: apt-get install python3-venv (or, say, python3.12-venv)."
fi

# Another Python that was asked for means another environment.
if [ -n "$wanted" ] && [ -x "$folder/bin/python" ] &&
    [ "$(version_of "$folder/bin/python" || true)" != "$(version_of "$wanted")" ]; then
    rm -rf "$folder"
fi
if ! usable; then
    rm -rf "$folder"
    echo "Making $folder with Python $(version_of "$python") ..."
    "$python" -m venv "$folder"
else
    echo "Updating $folder ..."
fi
rm -f "$folder"/ready-*

export PIP_DISABLE_PIP_VERSION_CHECK=1
"$folder/bin/python" -m pip install --quiet --no-deps --require-hashes -r requirements/uv.txt
uv() {
    "$folder/bin/uv" --quiet pip "$@" --python "$folder/bin/python"
}
# sync: whatever is not in the requirements goes, so that nothing works by a package that was left behind.
uv sync --require-hashes "$requirements"
# The build back end is among the requirements, so that it too is checked against its hash.
uv install --no-deps --no-build-isolation --editable .
# PyTorch has a build for each kind of machine, so no hash can be pinned; pip finds builds that lie on this machine.
if [ -n "${WITH_TORCH:-}" ]; then
    "$folder/bin/python" -m pip install --quiet -r requirements/torch.txt
fi
touch "$stamp"
