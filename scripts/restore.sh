#!/bin/sh
# restore.sh [--overwrite] FOLDER
#
# Put a backup that backup.sh wrote into an empty database and an empty bucket; with --overwrite, into any. Stop MLflow
# first, start it after: docs/operations.md. Then `explanation-client verify --all` says whether anything is missing.
#
# IN_POSTGRES and IN_STORE are as in backup.sh.
set -eu

in_postgres=${IN_POSTGRES-docker compose exec -T postgres}
in_store=${IN_STORE-docker compose run --rm --no-deps -T bucket}

reset='' overwrite=''
if [ "${1-}" = --overwrite ]; then
    # Not only what the backup names: a newer MLflow may have made tables that refer to those.
    reset='DROP SCHEMA public CASCADE; CREATE SCHEMA public;' overwrite=--overwrite
    shift
fi
if [ $# -ne 1 ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
folder=$1
if [ ! -e "$folder/SHA256SUMS" ]; then
    echo "error: $folder is no backup, or one that was not finished: it has no SHA256SUMS" >&2
    exit 1
fi
(cd "$folder" && sha256sum --check --quiet SHA256SUMS)

# All of the database or nothing: what is there already ends it here, before anything has changed.
echo "The database ..." >&2
# shellcheck disable=SC2016 # the variables are the other shell's
$in_postgres sh -c '{
        echo "BEGIN; $1"
        if pg_restore --no-owner --file=-; then echo "COMMIT;"; else echo "the backup could not be read;"; fi
    } | psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --output /dev/null --dbname "${PGDATABASE:?}"' \
    restore "$reset" <"$folder/database.dump"
echo "The bucket ..." >&2
# shellcheck disable=SC2086 # $overwrite is a word or none
$in_store import $overwrite <"$folder/objects.tar"
