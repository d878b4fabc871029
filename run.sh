#!/usr/bin/env bash
# Makes its own environment, serves Wyoming with the voice that always works, and meanwhile
# installs the best engine that this machine can run.  ./run.sh [--light] [words for the command]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
TELLER=run.sh
. script/common.sh

light=
words=()
for word in "$@"; do
  if [ "$word" = --light ]; then light=yes; else words+=("$word"); fi
done

ensure_base
case ${words[0]:-} in
  say | -h | --help | --version) light=yes ;; # nothing stays here to be served
esac
if [ -z "$light" ]; then
  # The installer reads from a pipe that only the server holds: when the server ends, so does it.
  alive=$VENV/alive.$$
  mkfifo "$alive"
  exec 8<>"$alive"
  exec 7<"$alive"
  rm "$alive"
  (script/install-engines $$ <&7 7<&- 8<&- &)
  exec 7<&-
fi
trap '' HUP # the installer may ask for a new probe before the server listens for that
exec "$PYTHON" -m wyoming_csm ${words[@]+"${words[@]}"}
