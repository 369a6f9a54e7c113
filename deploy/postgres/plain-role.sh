#!/bin/sh
# Runs once, when the database is made. Row-level security, the second wall between tenants, does not bind a superuser:
# Ringfence gets a plain role, and the superuser nothing to log in with from outside of this container.
set -eu
psql --username "$POSTGRES_USER" --dbname postgres -v ON_ERROR_STOP=1 -v password="$POSTGRES_PASSWORD" <<'SQL'
CREATE ROLE ringfence LOGIN PASSWORD :'password';
CREATE DATABASE ringfence OWNER ringfence;
ALTER ROLE CURRENT_USER PASSWORD NULL;
SQL
