#!/usr/bin/env bash
# Builds what a release consists of: dist/OS-ARCH/PROGRAM, PROGRAM.cdx.json with the modules in it, and SHA256SUMS of all.
# The same source, VERSION, REVISION and Go release yield the same bytes in any folder, and the programs on any machine. The
# .cdx.json name the hash of the tool that wrote them, which depends on the architecture of the machine.
#
#   VERSION    default: of git describe; required outside a checkout
#   REVISION   default: the checkout's commit
#   PLATFORMS  default: linux/amd64 linux/arm64
#   DIST       default: dist; an earlier release in it is removed
set -euo pipefail
cd "$(dirname "$0")/../.."
programs=(worker starter publisher projector api orderflow)
DIST=${DIST:-dist}
PLATFORMS=${PLATFORMS:-linux/amd64 linux/arm64}

# in_checkout succeeds if this folder is a checkout of its own, and not part of that of another project.
in_checkout() { [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$(pwd -P)" ]; }

describe() {
  in_checkout || { echo 'dist: this is no checkout, so VERSION=... is required' >&2; return 2; }
  git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null ||
    git describe --always --exclude '*' --abbrev=12 --dirty | sed 's/^/v0.0.0-g/' # a clone without tags
}

[ -n "${VERSION:-}" ] || VERSION=$(describe)
if [ -z "${REVISION+set}" ]; then
  REVISION=
  if in_checkout; then REVISION=$(git rev-parse HEAD); fi
fi
case $VERSION$REVISION in *[[:space:]\'\"]*) echo 'dist: VERSION and REVISION must not contain blanks or quotes' >&2; exit 2 ;; esac

# Nothing that a user set for other builds applies. Version control is left out, because a source archive has none: the
# linker gets what it would record.
export GOFLAGS='' GOWORK=off GOEXPERIMENT='' GODEBUG='' CGO_ENABLED=0 GOAMD64=v1 GOARM64=v8.0
module=$(go list -m)
linked=$module/internal/version
# Built for this machine. The SBOMs have its hash, so it must be the same wherever it is built.
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
sbom=$tools/cyclonedx-gomod
go build -modfile=dev/tools/sbom/go.mod -trimpath -buildvcs=false -o "$sbom" github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod

umask 022
if [ -e "$DIST" ] && [ ! -e "$DIST/SHA256SUMS" ]; then
  echo "dist: $DIST exists and is no release: remove it, or name another folder by DIST=..." >&2
  exit 2
fi
rm -rf "$DIST"
mkdir -p "$DIST"
: >"$DIST/SHA256SUMS" # marks the folder as ours, should the build fail
for platform in $PLATFORMS; do
  os=${platform%/*} arch=${platform#*/}
  folder=$DIST/$os-$arch
  mkdir "$folder"
  echo "dist: building $VERSION for $platform" >&2
  GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X $linked.linkedVersion=$VERSION -X $linked.linkedRevision=$REVISION" \
    -o "$folder/" "${programs[@]/#/./}"
  for program in "${programs[@]}"; do
    said=$("$sbom" bin -json -std -noserial -notimestamp -version "$VERSION" -output "$folder/$program.cdx.json" "$folder/$program" 2>&1) ||
      { echo "dist: no SBOM of $program: $said" >&2; exit 1; }
  done
done
(cd "$DIST" && find . -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
echo "dist: $VERSION is in $DIST" >&2
