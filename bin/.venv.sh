# Sourced by the other scripts: `. .venv.sh EXTRA` makes .venv with the package's EXTRA once, and
# sets $root and $venv. The second time it is a comparison of one stamp file: no pip, no network.
# Works with bash 3.2 (macOS). An explicit PYTHON=... is taken or refused, never passed over.

root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
venv=$root/.venv
unset PYTHONHOME PYTHONPATH __PYVENV_LAUNCHER__

_complain() { printf 'recembed: %s\n' "$1" >&2; }

# "3.12 venv headers" of a python that runs, less the words for what it lacks.
_probe() {
  "$1" -c '
import os, sys, sysconfig
words = ["%d.%d" % sys.version_info[:2]]
try:
    import ensurepip, venv
    words.append("venv")
except ImportError:
    pass
if os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
    words.append("headers")
print(" ".join(words))' 2>/dev/null
}

_new_enough() {
  local minor=${1#3.}
  case $1 in 3.*) [ "${minor%% *}" -ge 11 ] ;; *) return 1 ;; esac
}

# Sets $python and $facts: the first complete python, else the first new enough, else the first.
_find_python() {
  local candidate found rank best=0
  python='' facts=''
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    found=$(_probe "$candidate") || { [ "$candidate" = "${PYTHON:-}" ] && break; continue; }
    rank=1
    if _new_enough "$found"; then rank=2; fi
    case $found in 3.*" venv headers") [ $rank = 1 ] || rank=3 ;; esac
    if [ $rank -gt $best ]; then best=$rank python=$candidate facts=$found; fi
    if [ "$candidate" = "${PYTHON:-}" ] || [ $best = 3 ]; then break; fi
  done
}

_has_compiler() {
  local candidate
  for candidate in ${CXX:+"${CXX%% *}"} c++ g++ clang++; do
    if command -v "$candidate" >/dev/null; then return 0; fi
  done
  return 1
}

# One line for each thing the machine lacks; exits 1 if there was one.
_require_tools() {
  local short=0 version debian='apt install' fedora='dnf install'
  _find_python
  version=${facts%% *}
  if ! _new_enough "$facts"; then
    _complain "Python 3.11 or newer is needed, ${python:-${PYTHON:-python3}} is ${version:-not there}. Debian: $debian python3 python3-venv python3-dev | Fedora: $fedora python3.12-devel | macOS: brew install python@3.12. Another one: PYTHON=/path/to/python3.12 ${0##*/}"
    short=1
  else
    case $facts in *venv*) ;; *)
      _complain "$python ($version) has no venv with pip. Debian: $debian python$version-venv | Fedora: $fedora python3-pip | macOS: brew install python@$version"
      short=1 ;;
    esac
    case $facts in *headers*) ;; *)
      _complain "$python ($version) has no Python.h, which building Annoy needs. Debian: $debian python$version-dev | Fedora: $fedora python3-devel | macOS: brew install python@$version"
      short=1 ;;
    esac
  fi
  if ! _has_compiler; then
    _complain "no C++ compiler (c++, g++, clang++ or \$CXX), which building Annoy needs. Debian: $debian g++ | Fedora: $fedora gcc-c++ | macOS: xcode-select --install"
    short=1
  fi
  if [ $short = 1 ]; then exit 1; fi
}

# What must be unchanged for the installed packages to be the right ones; fails without a python.
_key() {
  local version
  version=$("$venv/bin/python" -V 2>/dev/null) || return 1
  printf '%s %s %s\n' "$version" "$(cat -- "$root/pyproject.toml" "$root/.constraints.txt" | cksum)" "$root"
}

_ready() { # EXTRA; dev contains demo
  local key stamp
  key=$(_key) || return 1
  stamp=$(cat -- "$venv/.stamp" 2>/dev/null) || return 1
  [ "$stamp" = "$1 $key" ] || [ "$stamp" = "dev $key" ]
}

_pip() { (cd -- "$root" && PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 "$venv/bin/python" -m pip install -c .constraints.txt "$@") >>"$venv/install.log" 2>&1; }

_give_up() {
  tail -n 15 -- "$venv/install.log" >&2
  _complain "$1 failed (its last lines are above, all of it in $venv/install.log). Check the network and the disk, then run ${0##*/} again: it goes on where it stopped; if that does not help, delete $venv first."
  exit 1
}

# A venv that can be gone on with: made in this place (its scripts know their path), with a pip.
_usable_venv() {
  local place
  place=$(cat -- "$venv/.place" 2>/dev/null) || place=$root
  [ "$place" = "$root" ] && _new_enough "$(_probe "$venv/bin/python")" &&
    "$venv/bin/python" -m pip --version >/dev/null 2>&1
}

_make_venv() {
  rm -rf -- "$venv"
  mkdir -- "$venv"
  "$python" -m venv "$venv" >"$venv/install.log" 2>&1 || _give_up "making an environment with $python"
  printf '%s\n' "$root" >"$venv/.place"
}

_install_torch() { # the CPU build is ten times smaller, but not every package index has it
  local version
  version=$(sed -n 's/^torch==//p' "$root/.constraints.txt")
  if [ "$(uname)" = Linux ] && ! _pip --only-binary torch "torch==$version+cpu"; then
    _complain "no CPU-only torch found: taking the default build, a larger download ..."
  fi
}

_install() { # EXTRA
  if _usable_venv; then PYTHON=$venv/bin/python; fi
  _require_tools
  _complain "setting up $venv (the first time: a few minutes and 2 GB of disk) ..."
  if [ "$python" != "$venv/bin/python" ]; then _make_venv; fi
  rm -f -- "$venv/.stamp"
  _install_torch
  _pip -e ".[$1]" || _give_up "installing recembed[$1]"
  printf '%s %s\n' "$1" "$(_key)" >"$venv/.stamp"
  _complain "ready."
}

if ! _ready "$1"; then
  exec 9<"$root/pyproject.toml" # a lock on a file that is always there leaves nothing behind
  if command -v flock >/dev/null && ! flock -n 9; then
    _complain "waiting for another script that is setting up $venv ..."
    flock 9 || true
  fi
  if ! _ready "$1"; then _install "$1"; fi
  exec 9<&-
fi
