#!/bin/sh
# Builds the CNI plugin executable: native/build.sh [--sanitize] [OUTPUT]
#
# OUTPUT is native/bin/enid-ipam unless given. Nothing is done when it is newer than its source. --sanitize builds the
# variant that the tests run to find memory errors. CC names another compiler.
#
# With musl (Debian: musl-tools) where it is installed: glibc asks the processor about itself at each start of a program,
# which a virtual machine pays for with exits to its host: 0.3 ms of 0.5 ms on the machine where it was measured.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
source="$here/enid-ipam.c"
sanitize=no
if [ "${1:-}" = --sanitize ]; then
  sanitize=yes
  shift
fi
# The sanitizers need glibc.
if [ $sanitize = no ] && command -v musl-gcc >/dev/null 2>&1; then cc=${CC:-musl-gcc}; else cc=${CC:-cc}; fi
output=${1:-$here/bin/enid-ipam}

if [ -x "$output" ] && [ -z "$(find "$here" -maxdepth 1 -type f -newer "$output")" ]; then
  exit 0
fi
if ! command -v "$cc" >/dev/null 2>&1; then
  echo "enid: no C compiler: \`$cc\` is not installed. Run one of:" >&2
  echo "  sudo apt-get install -y gcc libc6-dev      (Debian, Ubuntu)" >&2
  echo "  sudo dnf install -y gcc glibc-static       (Fedora, Amazon Linux)" >&2
  exit 1
fi

mkdir -p "$(dirname "$output")"
# Compiled beside the output and renamed, so that a plugin in use is replaced whole and builds can run side by side.
built="$output.$$"
log="$output.$$.log"
trap 'rm -f "$built" "$log"' EXIT
warnings="-Wall -Wextra -Werror -Wshadow -Wconversion -Wformat=2 -Wstrict-prototypes -Wvla"

if [ $sanitize = yes ]; then
  # shellcheck disable=SC2086
  if ! "$cc" -std=c11 -O1 -g $warnings -fno-omit-frame-pointer -fsanitize=address,undefined \
    -fno-sanitize-recover=all -o "$built" "$source" 2>"$log"; then
    cat "$log" >&2
    echo "enid: the sanitizer variant could not be built; the sanitizers come with gcc, run:" >&2
    echo "  sudo apt-get install -y libgcc-12-dev      (Debian 12; libasan and libubsan elsewhere)" >&2
    exit 1
  fi
else
  flags="-std=c11 -O2 $warnings -D_FORTIFY_SOURCE=2 -fstack-protector-strong"
  # shellcheck disable=SC2086
  if ! "$cc" $flags -static -o "$built" "$source" 2>"$log"; then
    echo "enid: no static C library here; building native/enid-ipam.c dynamically linked (starts a little slower)" >&2
    # shellcheck disable=SC2086
    "$cc" $flags -o "$built" "$source"
  fi
fi
mv "$built" "$output"
