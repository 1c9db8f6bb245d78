#!/bin/sh
# quietly.sh NAME COMMAND...: run a check; print one line if it passes, all of its output if it fails.
name=$1
shift
if output=$("$@" 2>&1); then
    echo "ok: $name"
else
    status=$?
    printf '%s\n' "$output"
    echo "FAILED: $name" >&2
    exit "$status"
fi
