# Shared by run.sh and the scripts: finding Python and the environment in which install.py
# installs. To be sourced, with the clone's root as the working directory.
# Settings from outside:
#   WYOMING_CSM_PYTHON       the Python to use, instead of the newest of 3.11 to 3.14 found
#   WYOMING_CSM_TORCH        which torch, as pip takes it, instead of the one that is locked
#   WYOMING_CSM_TORCH_INDEX  the index to take it from, instead of the one this machine calls for

VENV=.venv
PYTHON=$VENV/bin/python

# What a user's shell tells every Python and every shell is not meant for this environment.
set +o noclobber +o noglob
export -n SHELLOPTS BASHOPTS
unset CDPATH
export ORT_DISABLE_TELEMETRY=1 # onnxruntime would report its use
for name in $(compgen -e PYTHON || true) $(compgen -e UV_ || true); do
  case $name in
    PYTHONUNBUFFERED | PYTHONUTF8 | PYTHONIOENCODING | PYTHONDEVMODE | PYTHONFAULTHANDLER) ;;
    UV_*INDEX* | UV_FIND_LINKS | UV_CACHE_DIR | UV_OFFLINE | UV_NATIVE_TLS | UV_SYSTEM_CERTS) ;;
    UV_HTTP_TIMEOUT | UV_KEYRING_PROVIDER | UV_INSECURE_HOST | UV_PYTHON_INSTALL_*) ;;
    *) unset "$name" ;;
  esac
done

trap 'tell "stopped; the next start goes on"; exit 130' INT

tell() { printf '%s\n' "[$TELLER] $*" >&2; }
fail() {
  tell "$@"
  exit 1
}

# -- Python

# Succeeds if $1 runs and is a Python that this package supports.
suits() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
}

# Prints the newest suitable Python, with $1 = venv one that can make environments by itself.
find_python() {
  local candidate candidates=(python3.14 python3.13 python3.12 python3.11 python3)
  [ -z "${WYOMING_CSM_PYTHON:-}" ] || candidates=("$WYOMING_CSM_PYTHON")
  for candidate in "${candidates[@]}"; do
    suits "$candidate" || continue
    [ "${1:-}" != venv ] || "$candidate" -c 'import ensurepip, venv' 2>/dev/null || continue
    command -v "$candidate"
    return
  done
  return 1
}

# Says how to get a Python that can make environments, and ends.
fail_without_python() {
  local found packages= candidate sudo='sudo '
  [ "$(id -u)" -ne 0 ] || sudo=
  if found=$(find_python); then
    found=$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    packages=python$found-venv
    tell "Python $found is here without its venv module."
  elif [ -n "${WYOMING_CSM_PYTHON:-}" ]; then
    fail "WYOMING_CSM_PYTHON=$WYOMING_CSM_PYTHON is no Python from 3.11 to 3.14 that runs here"
  else
    tell "no Python from 3.11 to 3.14 is here."
    for candidate in 3.14 3.13 3.12 3.11; do
      if apt-cache show "python$candidate-venv" >/dev/null 2>&1; then
        packages="python$candidate python$candidate-venv"
        break
      fi
    done
  fi
  fail "This installs it:
    ${sudo}apt-get update && ${sudo}apt-get install -y ${packages:-python3 python3-venv}
  Without such rights, or where the release has none, uv brings its own: https://docs.astral.sh/uv"
}

# -- the environment

# What the base was made from: when it changes, something must be installed.
fingerprint() {
  { cat pyproject.toml requirements/{base,hibari}.txt && pwd && "$PYTHON" -V; } 2>&1 | sha256sum
}

is_stamped() {
  [ -x "$PYTHON" ] && [ "$(cat "$VENV/base.stamp" 2>/dev/null)" = "$(fingerprint)" ]
}

# A working environment with the base in it; at once when there is one already. One that is whole
# but not up to date serves when it cannot be brought up to date soon. Standard output is left to
# the command.
ensure_base() {
  is_stamped && return
  if is_whole; then
    alone --at-once update_base --hurry >&2 ||
      tell "going on with what is installed; the next start tries again"
  else
    alone update_base >&2 || exit 1
  fi
}

is_whole() {
  [ ! -s .venv.lock ] &&
    "$PYTHON" -c 'import wyoming_csm.serve, wyoming_csm.worker.system.speaker' 2>/dev/null
}

# Runs $@ while no other script of this clone installs. While the environment is being made, the
# lock file is not empty: one that was interrupted looks like a whole one. With --at-once it does
# not wait for another.
alone() {
  local wait=yes
  if [ "$1" = --at-once ]; then
    wait=
    shift
  fi
  { : >>.venv.lock; } 2>/dev/null || {
    tell "$PWD cannot be written by this user: start as its owner, or clone where you may write"
    return 1
  }
  (
    flock -n 9 || {
      [ -n "$wait" ] || { tell "another start is installing here" && exit 1; }
      tell "another start is installing here: waiting for it"
      flock 9
    }
    "$@" 9>&-
  ) 9>>.venv.lock
}

update_base() { # [--hurry]
  ! is_stamped || return 0
  make_environment
  install_base "$@"
  is_whole || { # something is missing that pip takes for installed
    forget_environment
    make_environment
    install_base
  }
  [ "$installed" -ne 0 ] || fingerprint >"$VENV/base.stamp"
}

install_base() { # sets installed: 0, or 4 where it can speak but the next start should try again
  tell "installing the base..."
  installed=0
  TELLER=$TELLER "$PYTHON" script/install.py base "$@" || installed=$?
  [ "$installed" -eq 0 ] || [ "$installed" -eq 4 ] || exit 1
}

# $VENV, made anew unless it is there and its Python suits and is the one it was made with.
make_environment() {
  local python said
  if [ ! -s .venv.lock ] && suits "$PYTHON" && "$PYTHON" -c 'import pip' 2>/dev/null; then
    return
  fi
  case $(uname -m) in
    x86_64 | aarch64 | arm64) ;;
    *) fail "this needs a 64-bit PC or Arm machine with a 64-bit system, not $(uname -m)" ;;
  esac
  if command -v uv >/dev/null; then
    python=$(find_python) || python=3.13 # uv fetches it
    tell "making $VENV with uv and Python $python"
    forget_environment
    uv venv --quiet --python "$python" "$VENV" </dev/null &&
      uv pip install --quiet --python "$PYTHON" --require-hashes --requirement requirements/pip.txt \
        </dev/null || fail "uv could not make the environment: see above"
  else
    python=$(find_python venv) || fail_without_python
    tell "making $VENV with $python"
    forget_environment
    said=$("$python" -m venv "$VENV" 2>&1) || fail "the environment could not be made: ${said##*$'\n'}"
  fi
  : >.venv.lock
}

forget_environment() {
  echo "$VENV is being made" >.venv.lock
  rm -rf "$VENV"
}
