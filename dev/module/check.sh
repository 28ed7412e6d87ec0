#!/usr/bin/env bash
# Renames the module in a copy of the repository, builds the copy with its examples, and runs a program of another module that
# imports it.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
module=example.com/team/orderflow

mkdir "$work/copy" "$work/user"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
  if [ -e "$file" ]; then printf '%s\0' "$file"; fi # a deleted file is listed until it is committed
done | xargs -0 cp --parents -t "$work/copy"
go run ./dev/module "$work/copy" "$module"
if left=$(git -C "$work" grep --no-index -nE '^\s*(\w+ )?"orderflow/' -- '*.go'); then
  echo "imports that still name the old module: $left" >&2
  exit 1
fi
(cd "$work/copy" && go build ./...)
for example in "$work"/copy/examples/*/; do
  (cd "$example" && go vet ./...)
done

# What the copy requires, the other module finds without a network.
cp "$work/copy/go.mod" "$work/copy/go.sum" "$work/user/"
cp dev/module/testdata/user.go.txt "$work/user/main.go"
cd "$work/user"
go mod edit -module example.com/user -require "$module@v0.0.0" -replace "$module=$work/copy"
go run -mod=mod .
