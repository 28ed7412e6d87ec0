#!/usr/bin/env bash
# Builds a release twice and checks it: here, and from a copy of the source in a folder of another name, without anything
# compiled before, in another time zone. The bytes have to be the same. Only the platform of this machine is built, unless
# PLATFORMS says otherwise, for another one takes as long again and runs the same commands.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export PLATFORMS=${PLATFORMS:-linux/$(go env GOARCH)}
DIST=$work/first dev/dist/build.sh
read -r VERSION REVISION < <("$work"/first/linux-"$(go env GOARCH)"/worker --version |
  sed -E 's/^worker (\S+) \((commit (\S+), )?go.*$/\1 \3/')
if [ -n "$REVISION" ]; then REVISION=$(git rev-parse "$REVISION"); fi
export VERSION REVISION

copy=$work/another/name/of/the/source
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
  if [ -e "$file" ]; then printf '%s\0' "$file"; fi # a deleted file is listed until it is committed
done | xargs -0 cp --parents -t "$copy"
ln -s "$(go env GOMODCACHE)" "$work/modules"
(cd "$copy" && DIST=$work/second GOCACHE=$work/cache GOMODCACHE=$work/modules TZ=Pacific/Kiritimati dev/dist/build.sh)
diff -r "$work/first" "$work/second" || { echo 'dist-check: two builds of the same source differ' >&2; exit 1; }

go run ./dev/dist --version "$VERSION" --revision "$REVISION" \
  --hidden "$PWD" --hidden "$work" --hidden "$(go env GOROOT)" --hidden "$(go env GOMODCACHE)" --hidden "$HOME" "$work/first"
