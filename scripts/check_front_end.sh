#!/bin/sh
# Check the front end, build it, and hold the result to the files that are committed: those are what is shipped.
set -eu

dashboard=explanation_client/dashboard/js
plugin=server_plugin/js
shipped="explanation_client/dashboard/static server_plugin/static"

if ! command -v npm >/dev/null 2>&1; then
    if [ -n "${CI:-}" ]; then
        echo "npm is missing: CI must build the front end" >&2
        exit 1
    fi
    echo "npm is missing, so the front end is not checked: what is shipped is committed, and works without it"
    exit 0
fi

built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
for folder in $shipped; do
    mkdir -p "$built/$folder"
    cp "$folder"/* "$built/$folder"
done

[ -e "$dashboard/node_modules/.package-lock.json" ] &&
    [ ! "$dashboard/package-lock.json" -nt "$dashboard/node_modules/.package-lock.json" ] ||
    npm --prefix "$dashboard" --no-audit --no-fund --loglevel=error ci
npm --prefix "$dashboard" --loglevel=error run --silent check
npm --prefix "$dashboard" --loglevel=error test --silent
npm --prefix "$dashboard" --loglevel=error run --silent build
"$dashboard/node_modules/.bin/tsc" --noEmit --project "$plugin"
node "$plugin/build.mjs"

for folder in $shipped; do
    diff -r "$built/$folder" "$folder" >/dev/null || {
        echo "$folder was not what its sources give; it has been built anew: commit it" >&2
        exit 1
    }
done
