#!/usr/bin/env bash
# Checks the units of deploy/systemd: systemd-analyze verifies them as installed in a file
# system of their own, and measures how far each service is confined. It starts nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
daemons=(worker starter publisher projector api)

fail() {
  echo "systemd: $*" >&2
  exit 1
}

# The system's own units, and programs in the place of ours.
install -d "$work/usr/lib" "$work/usr/local/bin" "$work/etc/systemd/system"
cp -r /lib/systemd "$work/usr/lib/systemd"
for link in bin sbin lib lib64; do ln -s "usr/$link" "$work/$link"; done
for program in "${daemons[@]}" orderflow; do install -m 755 /bin/true "$work/usr/local/bin/$program"; done
cp -r deploy/systemd/orderflow* "$work/etc/systemd/system/"

units=(orderflow.target orderflow-setup.service)
for daemon in "${daemons[@]}"; do units+=("orderflow@$daemon.service"); done
warnings=$(systemd-analyze verify --root="$work" --man=no --recursive-errors=no "${units[@]}" 2>&1) || fail "$warnings"
[[ -z $warnings ]] || fail "$warnings"

# 15 of 100 points of exposure: 96 is a unit without any of the settings.
for unit in "${units[@]:1}"; do
  systemd-analyze security --offline=true --root="$work" --threshold=15 --no-pager "$unit" >"$work/exposure" ||
    fail "$unit: $(tail -1 "$work/exposure")"
done
echo "systemd: ${#units[@]} units verified, and each service is confined"
