#!/usr/bin/env bash
# Everything that tests and demo need: programs through apt-get where they are missing, then .venv from
# requirements.lock. Arguments name further programs to have, such as pgloader.
set -euo pipefail
cd "$(dirname "$0")/.."

has() { PATH="$PATH:/usr/local/sbin:/usr/sbin" command -v "$1" >/dev/null 2>&1; }

python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.11 python3; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# Of PostGIS, what fits the newest PostgreSQL here, which the tests start, or the one that the distribution will bring.
postgis() {
    local version
    version=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | cut -d/ -f5 | sort -n | tail -n 1) || true
    if [ -z "$version" ]; then
        has initdb || printf '%s\n' postgresql-postgis postgresql-postgis-scripts
    elif ! [ -e "/usr/share/postgresql/$version/extension/postgis.control" ]; then
        printf '%s\n' "postgresql-$version-postgis-3" "postgresql-$version-postgis-3-scripts"
    fi
}

missing_packages() {
    local python include
    python=$(python) || python=
    include=$([ -z "$python" ] || "$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    { has mariadbd && has mariadb-install-db && id mysql; } >/dev/null 2>&1 || echo mariadb-server
    { compgen -G '/usr/lib/postgresql/*/bin/initdb' || has initdb; } >/dev/null && has pg_dump || echo postgresql
    postgis
    has gcc || echo gcc
    has pkg-config || echo pkg-config
    has setpriv || echo util-linux
    has mariadb_config || has mysql_config || echo libmariadb-dev
    [ -n "$python" ] || echo python3
    [ -n "$python" ] && "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    [ -e "$include/Python.h" ] || echo python3-dev
    local program
    for program in "$@"; do has "$program" || echo "$program"; done
}

install() (  # a subshell: its trap, and what the trap needs, are its own
    sudo=() policy=/usr/sbin/policy-rc.d
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    if ! has apt-get || { [ "$(id -u)" -ne 0 ] && ! has sudo; }; then
        echo "apt-get cannot be used here. Install what these Debian packages hold, then run this again: $*" >&2
        exit 1
    fi
    echo "installing with apt-get: $*"
    # Debian starts a server when it is installed; we want its programs only. An administrator's own policy stays.
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
        "${sudo[@]}" chmod 755 "$policy"
        trap '"${sudo[@]}" rm -f "$policy"' EXIT
    fi
    if ! { "${sudo[@]}" apt-get update -q &&
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"; }; then
        echo "apt-get failed. Install these Debian packages by hand, then run this again: $*" >&2
        exit 1
    fi
)

mapfile -t packages < <(missing_packages "$@")
if [ "${#packages[@]}" -gt 0 ]; then install "${packages[@]}"; fi

python=$(python) || { echo "Python 3.11 was not found; install it, or name it: make setup PYTHON=..." >&2; exit 1; }
[ -x .venv/bin/python ] || "$python" -m venv .venv
echo "installing requirements.lock into .venv (a minute or two the first time)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
touch .venv/.ready
