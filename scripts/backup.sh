#!/bin/sh
# backup.sh FOLDER
#
# Write the database, and then the bucket, to the new folder FOLDER; the stack of docker-compose.yml goes on working.
# In this order: what a row of the database names was stored before the row, so that the bucket, read later, has it.
#
# IN_POSTGRES and IN_STORE say where the commands run. The defaults are the services of docker-compose.yml. With
# IN_POSTGRES= and IN_STORE="python -m server_plugin.objects" they run here, and take PGHOST, PGUSER, ... and S3_BUCKET,
# MLFLOW_S3_ENDPOINT_URL, AWS_... from the environment: for a stack without containers, or a database of a provider.
set -eu
umask 077

in_postgres=${IN_POSTGRES-docker compose exec -T postgres}
in_store=${IN_STORE-docker compose run --rm --no-deps -T bucket}

if [ $# -ne 1 ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
folder=$1 unfinished=$1.unfinished
if [ -e "$folder" ] || [ -e "$unfinished" ]; then
    echo "error: $folder or $unfinished is there: a backup gets a folder of its own" >&2
    exit 1
fi
mkdir -p "$unfinished"

echo "The database ..." >&2
$in_postgres pg_dump --format=custom --no-owner >"$unfinished/database.dump"
echo "The bucket ..." >&2
$in_store export >"$unfinished/objects.tar"

# A backup without this file, or in a folder of the other name, is none.
(cd "$unfinished" && sha256sum database.dump objects.tar >SHA256SUMS && sync database.dump objects.tar SHA256SUMS)
mv "$unfinished" "$folder"
du -sh "$folder" >&2
