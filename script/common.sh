# Shared by run.sh and the scripts: finding Python, making the environment, choosing a torch.
# To be sourced, with the clone's root as the working directory. Settings from outside:
#   WYOMING_CSM_PYTHON       the Python to use, instead of the newest of 3.11 to 3.13 found
#   WYOMING_CSM_TORCH        which torch, as pip takes it (default: torch==2.13.0, and beside it
#                            torchaudio from PyTorch's index of CPU wheels)
#   WYOMING_CSM_TORCH_INDEX  the index to take it from, instead of the one this machine calls for

VENV=.venv
PYTHON=$VENV/bin/python
read -r -a TORCH <<<"${WYOMING_CSM_TORCH:-torch==2.13.0}"
CPU_INDEX=https://download.pytorch.org/whl/cpu

tell() { printf '%s\n' "[$TELLER] $*" >&2; }
fail() {
  tell "$@"
  exit 1
}

# -- Python

# Succeeds if $1 runs and is a Python that this package supports.
suits() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

# Prints the newest suitable Python that can make environments; else says how to get one.
find_python() {
  local candidate without_venv= candidates=(python3.13 python3.12 python3.11 python3)
  [ -z "${WYOMING_CSM_PYTHON:-}" ] || candidates=("$WYOMING_CSM_PYTHON")
  for candidate in "${candidates[@]}"; do
    suits "$candidate" || continue
    if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
    without_venv=${without_venv:-$candidate}
  done
  local sudo='sudo '
  [ "$(id -u)" -ne 0 ] || sudo=
  if [ -n "$without_venv" ]; then
    local version
    version=$("$without_venv" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "Python $version is here without its venv module. This installs it:
    ${sudo}apt-get install -y python$version-venv"
  fi
  [ -z "${WYOMING_CSM_PYTHON:-}" ] ||
    fail "WYOMING_CSM_PYTHON=$WYOMING_CSM_PYTHON is no Python from 3.11 to 3.13 that runs here"
  for candidate in 3.13 3.12 3.11; do
    if apt-cache show "python$candidate-venv" >/dev/null 2>&1; then
      fail "no Python from 3.11 to 3.13 is here. This installs one:
    ${sudo}apt-get install -y python$candidate python$candidate-venv"
    fi
  done
  fail "no Python from 3.11 to 3.13 is here, and apt knows none. After
    ${sudo}apt-get update
  try again; if your release has none, uv (https://docs.astral.sh/uv) brings its own."
}

# -- the environment

# What the environment was made from, with $@: when it changes, something must be installed.
fingerprint() {
  { cat pyproject.toml && pwd && "$PYTHON" -V && printf '%s\n' "$@"; } 2>&1 | sha256sum
}

# Succeeds if the stamp file $1 was written for just this fingerprint of $2...
is_stamped() {
  local stamp=$1
  shift
  [ -x "$PYTHON" ] && [ "$(cat "$VENV/$stamp" 2>/dev/null)" = "$(fingerprint "$@")" ]
}

stamp() {
  local stamp=$1
  shift
  fingerprint "$@" >"$VENV/$stamp"
}

# Runs $@ while no other script of this clone installs. While the environment is being made, the
# lock file is not empty: one that was interrupted looks like a whole one.
alone() {
  { : >>.venv.lock; } 2>/dev/null ||
    fail "$PWD cannot be written by this user: start as its owner, or clone where you may write"
  (flock 9 && "$@" 9>&-) 9>>.venv.lock
}

pip() { "$PYTHON" -m pip --no-input --disable-pip-version-check "$@" </dev/null; }

# A working environment with the base in it; at once when there is one already. Standard output
# is left to the command.
ensure_base() { is_stamped base.stamp || alone install_base >&2; }

install_base() {
  ! is_stamped base.stamp || return 0
  make_environment
  tell "installing the base..."
  if command -v uv >/dev/null; then
    uv pip install --quiet --python "$PYTHON" --editable . </dev/null
  else
    pip install --quiet --no-compile --editable . # compiling numpy takes longer than all else
  fi || fail "the base could not be installed: see above; is the network there?"
  stamp base.stamp
}

# $VENV, made anew unless it is there and its Python suits and is the one it was made with.
make_environment() {
  local python
  if [ ! -s .venv.lock ] && suits "$PYTHON" && "$PYTHON" -c 'import pip' 2>/dev/null; then
    return
  fi
  if command -v uv >/dev/null; then
    python=$(find_python 2>/dev/null) || python=3.12 # uv fetches it
    tell "making $VENV with uv and Python $python"
    forget_environment
    uv venv --quiet --seed --python "$python" "$VENV" </dev/null ||
      fail "uv could not make the environment: see above"
  else
    python=$(find_python) || exit 1
    tell "making $VENV with $python"
    forget_environment
    "$python" -m venv "$VENV" || fail "the environment could not be made: see above"
  fi
  : >.venv.lock
}

forget_environment() {
  echo "$VENV is being made" >.venv.lock
  rm -rf "$VENV"
}

# Installs the extras $1 ("csm,coqui") without changing any package that is there already, so
# that a running server keeps what it was started with.
install_extras() {
  pip list --format=freeze --exclude-editable >"$VENV/constraints.txt" &&
    pip install --progress-bar off --constraint "$VENV/constraints.txt" --editable ".[$1]"
}

# -- torch

# cuda, rocm or cpu: what this machine has for torch.
accelerator() {
  if [ -e /dev/nvidiactl ] || timeout 10 nvidia-smi -L >/dev/null 2>&1; then
    echo cuda
  elif [ -e /dev/kfd ]; then
    echo rocm
  else
    echo cpu
  fi
}

# cuda, rocm or cpu: what the installed torch was built for; none without one, or with one whose
# unpacking was interrupted: pip writes its metadata last and would add another from anywhere.
torch_build() {
  "$PYTHON" -c '
from importlib.metadata import version
try:
    version("torch")
    from torch.version import cuda, hip
    print("cuda" if cuda else "rocm" if hip else "cpu")
except ImportError:
    print("none")'
}

# A torch for the CPU, never the gigabytes of the CUDA one. Keeps any torch that is there.
ensure_torch_cpu() {
  [ "$(torch_build)" = none ] || return 0
  local index=${WYOMING_CSM_TORCH_INDEX:-$CPU_INDEX} torch=("${TORCH[@]}")
  if [ -n "${WYOMING_CSM_TORCH_INDEX:-}" ] || answers "$index"; then
    [ -n "${WYOMING_CSM_TORCH:-}" ] || torch+=(torchaudio)
    pip install --progress-bar off "${torch[@]}" --index-url "$index"
    return
  fi
  tell "$index cannot be reached: asking the default index for ${torch[*]}"
  local cuda
  cuda=$(cuda_packages "${torch[@]}") || return 1
  if [ -n "$cuda" ]; then
    tell "not installed: ${torch[*]} from there is a CUDA build of gigabytes (with $cuda)." \
      "Let this machine reach $CPU_INDEX, or name another index of CPU wheels in" \
      "WYOMING_CSM_TORCH_INDEX."
    return 1
  fi
  pip install --progress-bar off "${torch[@]}"
}

# Succeeds if something answers at the URL $1 within five seconds.
answers() {
  timeout 10 "$PYTHON" - "$1" <<'END' 2>/dev/null
import sys, urllib.request
urllib.request.urlopen(urllib.request.Request(sys.argv[1], method="HEAD"), timeout=5).close()
END
}

# Prints the first of the CUDA packages that installing $@ would bring, if any.
cuda_packages() {
  local report
  report=$(pip install --quiet --dry-run --report - "$@") || return 1
  "$PYTHON" -c '
import json, sys
names = [item["metadata"]["name"] for item in json.load(sys.stdin)["install"]]
print(next((name for name in names if name.startswith(("nvidia", "cuda", "triton"))), ""))
' <<<"$report"
}
