# Puts Investigator into an environment of its own. Says `same` where it is there, else asks for wheels with `send`.
set -eu
folder=$1 python=$2 site=$3 offline=$4 build=$5
case $folder in "~") folder=$HOME ;; "~/"*) folder=$HOME/${folder#"~/"} ;; /*) ;; *) folder=$HOME/$folder ;; esac
PATH=$PATH:$HOME/.local/bin:$HOME/.cargo/bin:/usr/local/bin:/opt/homebrew/bin
bin=$folder/venv/bin
say() { printf '%s %s\n' "$1" "$2"; }
fail() { say fail "$1"; exit 3; }
there() { "$bin/python" -P -c 'from backends.build import build_id; print(build_id())' 2>/dev/null || true; }

[ -x "$bin/investigator" ] && [ "$(there)" = "$build" ] && { say same "$bin/investigator"; "$bin/investigator" machine --json; exit 0; }
uv=$(command -v uv || true)
for one in ${python:-python3.13 python3.12 python3.11 python3 python}; do
  path=$(command -v "$one" || true)
  if [ -n "$path" ] && "$path" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$path; break; fi
done
found=${found:-}
[ -n "$found" ] || [ -z "$python" ] || fail "$python is no Python 3.11 or newer"
[ -n "$found$uv" ] || fail "there is neither uv nor a Python 3.11 or newer"
mkdir -p "$folder" 2>/dev/null || fail "the folder $folder cannot be made"
[ -w "$folder" ] || fail "the folder $folder cannot be written to"
say send "$folder"

wheels=$folder/wheels
trap 'rm -rf "$wheels"' EXIT
rm -rf "$wheels"
mkdir -m 700 "$wheels"
tar -xf - -C "$wheels"
own=$(ls "$wheels"/investigator_bench-*.whl)
sites=''
[ "$site" = no ] || sites=--system-site-packages
from=''
[ "$offline" = no ] || from=--no-index
if [ -n "$uv" ]; then
  say step "uv makes an environment in $folder/venv"
  [ -x "$bin/python" ] || "$uv" venv -q $sites --python "${found:->=3.11}" "$folder/venv" >&2
  say step "uv installs Investigator and what it needs"
  "$uv" pip install -q --python "$bin/python" --reinstall-package investigator-bench $from --find-links "$wheels" "$own" >&2
else
  say step "$found makes an environment in $folder/venv"
  [ -x "$bin/python" ] || "$found" -m venv $sites "$folder/venv" >&2 || fail "$found cannot make an environment; on Debian and Ubuntu python3-venv is a package of its own, and uv needs none"
  # An environment's own setuptools would hide the host's, which its torch may ask for.
  [ "$site$offline" != yesyes ] || "$bin/python" -m pip uninstall -q -y setuptools >&2 || true
  say step "pip installs Investigator and what it needs"
  "$bin/python" -m pip install -q --disable-pip-version-check $from --find-links "$wheels" "$own" >&2
  # pip leaves another build of the same version alone.
  [ "$(there)" = "$build" ] ||
    "$bin/python" -m pip install -q --disable-pip-version-check --no-index --no-deps --force-reinstall "$own" >&2
fi
[ "$(there)" = "$build" ] || [ "$build" = any ] || fail "another Investigator than the one that was sent answers in $bin"
say done "$bin/investigator"
"$bin/investigator" machine --json
