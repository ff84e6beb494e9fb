# Sourced by tools/verify and tools/test: installs what is missing, configures and builds. Sets BUILD, the build folder.
# Everything here may be run again; a second run finds all done and only asks ninja whether something changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TORCH_WHEEL_VERSION=2.13.0
readonly TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu

say() { printf '== %s\n' "$*"; }

# Prints the Debian packages of the list that are not installed.
missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s ' "$package"
  done
}

# Installs Debian packages, or says which are missing where there is no apt-get, and goes on: find_package decides.
install_packages() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "no apt-get here; needed are the equivalents of these Debian packages: $*"
    return
  fi
  local missing sudo=""
  missing=$(missing_packages "$@")
  [ -z "$missing" ] && return
  [ "$(id -u)" = 0 ] || sudo=sudo
  if [ -n "$sudo" ] && ! command -v sudo >/dev/null; then
    say "not root and no sudo; please install: $missing"
    return
  fi
  say "installing $missing"
  $sudo apt-get update -qq
  # shellcheck disable=SC2086
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# Folder of the torch package inside the virtual environment, without importing it; empty when it is not there.
wheel_folder() {
  "$1/bin/python" -c 'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")' 2>/dev/null || true
}

# Puts the CPU wheel of Torch into build/torch-venv. PyTorch's own index is asked where pip's default would bring CUDA.
install_wheel() {
  local venv=$PWD/build/torch-venv pip
  if ! ls "$venv"/lib/python3*/site-packages/torch-"$TORCH_WHEEL_VERSION"*.dist-info >/dev/null 2>&1; then
    say "making a virtual environment with torch==$TORCH_WHEEL_VERSION"
    python3 -m venv "$venv"
    pip="$venv/bin/pip --disable-pip-version-check -q"
    if $pip install --dry-run --report - "torch==$TORCH_WHEEL_VERSION" 2>/dev/null | grep -qiE '"name": *"(nvidia|cuda)'; then
      $pip install --index-url "$TORCH_CPU_INDEX" "torch==$TORCH_WHEEL_VERSION"
    else
      $pip install "torch==$TORCH_WHEEL_VERSION"
    fi
  fi
  DROPCHECK_TORCH_WHEEL=$(wheel_folder "$venv")
  [ -n "$DROPCHECK_TORCH_WHEEL" ] || { echo "tools: torch is not in $venv after its installation: remove that folder and try again" >&2; exit 1; }
  export DROPCHECK_TORCH_WHEEL
}

# set_up TORCH: TORCH is debian or wheel.
set_up() {
  local preset=release
  install_packages g++ cmake ninja-build ccache libfmt-dev libeigen3-dev libboost-dev libgtest-dev libgmock-dev \
    librapidcheck-dev nlohmann-json3-dev libtomlplusplus-dev libcli11-dev libdlpack-dev libhwy-dev libxxhash-dev python3
  case $1 in
    debian) install_packages libtorch-dev ;;
    wheel)
      preset=torch-wheel
      install_packages python3 python3-venv
      install_wheel
      ;;
    *) echo "tools: --torch=$1 is not known: write --torch=debian or --torch=wheel" >&2; exit 4 ;;
  esac
  BUILD=$PWD/build/$preset
  if [ ! -f "$BUILD/build.ninja" ]; then
    say "configuring $BUILD"
    cmake --preset "$preset"
  fi
}

# build TARGET...: with all cores; prints nothing when all is up to date.
build() {
  if ! ninja -C "$BUILD" -n "$@" | grep -q 'no work to do'; then
    say "building $BUILD"
    ninja -C "$BUILD" -j "$(nproc)" "$@"
  fi
}
