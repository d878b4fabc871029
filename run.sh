#!/usr/bin/env bash
# Makes its own environment and serves Wyoming with the voice that always works; the server has the
# best engine that this machine can run installed meanwhile.  ./run.sh [--light] [words]
set -euo pipefail
unset CDPATH
cd "$(dirname "${BASH_SOURCE[0]}")"
TELLER=run.sh
. script/common.sh

ensure_base
export WYOMING_CSM_INSTALLER=$PWD/script/install.py
trap - INT
trap '' HUP # which is for the server: it listens to it as soon as it runs
exec "$PYTHON" -m wyoming_csm "$@"
