#!/usr/bin/env bash
# Builds the final stage of deploy/Dockerfile with buildah from a release, as make dist builds
# it, and checks the image: its configuration and files, and its binaries at work. All of
# Orderflow then runs out of the image, as the image's user on a read-only file system, and
# settles orders. It needs root or sudo, and pulls nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo --preserve-env=PATH "$@"; fi
}

# The release is built as the caller. The rest needs root, and namespaces: for its mounts,
# which end with it, and for its ports, which are then free.
if [[ ${1-} != inside ]]; then
  work=$(mktemp -d)
  trap 'as_root rm -rf --one-file-system "$work"' EXIT
  version=v0.0.0-check revision=$(git rev-parse HEAD)
  os=$(go env GOOS) arch=$(go env GOARCH)
  DIST=$work/dist PLATFORMS=$os/$arch VERSION=$version REVISION=$revision dev/dist/build.sh
  mkdir "$work/bin" "$work/certificates"
  cp /etc/ssl/certs/ca-certificates.crt "$work/certificates/"
  go build -o "$work/bin/" ./dev/local ./dev/kurrentsim/cmd/kurrentsim ./dev/sessim/cmd/sessim
  if [[ -x .local/bin/temporal ]]; then cp .local/bin/temporal "$work/bin/"; fi # otherwise it is on the PATH
  deploy/compose/up.sh --secrets
  docker-compose --file deploy/compose/compose.yaml config >"$work/compose.yaml"
  as_root unshare --mount --net "$0" inside "$work" "$version" "$revision" "$os" "$arch"
  exit
fi

ip link set lo up
work=$2 version=$3 revision=$4 os=$5 arch=$6
programs=(api orderflow projector publisher starter worker)
server=
finish() {
  [[ -z $server ]] || kill "$server" 2>/dev/null || true
  umount --recursive "$work/root" 2>/dev/null || true
}
trap finish EXIT

fail() {
  echo "images: $*" >&2
  exit 1
}

pause() { sleep 0.1; }

# equal WHAT WANT GOT
equal() { [[ $2 == "$3" ]] || fail "$1: got '$3', want '$2'"; }

container() {
  buildah --root "$work/store" --runroot "$work/run" --storage-driver vfs "$@"
}

build() {
  container build --isolation chroot --skip-unused-stages --target image --tag orderflow:check \
    --build-context "dist=$work/dist" --build-context "certificates=$work/certificates" \
    --build-arg "TARGETOS=$os" --build-arg "TARGETARCH=$arch" --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
    --build-arg SOURCE=https://example.com/orderflow --file deploy/Dockerfile --quiet . >/dev/null
}

config() { container inspect --type image --format "{{$1}}" orderflow:check; }

label() { config "index .OCIv1.Config.Labels \"org.opencontainers.image.$1\""; }

check_config() {
  equal user 65532:65532 "$(config .OCIv1.Config.User)"
  equal 'entry point' '[]' "$(config .OCIv1.Config.Entrypoint)"
  equal command '[orderflow --help]' "$(config .OCIv1.Config.Cmd)"
  equal environment '[PATH=/usr/local/bin HOME=/]' "$(config .OCIv1.Config.Env)"
  equal 'label version' "$version" "$(label version)"
  equal 'label revision' "$revision" "$(label revision)"
  equal 'label source' https://example.com/orderflow "$(label source)"
  equal 'label licenses' Apache-2.0 "$(label licenses)"
}

# check_files compares all files with what belongs into the image: so it has no shell, and nothing that its user may write.
check_files() {
  local want
  want=$(printf '%s\n' etc/ssl/certs/ca-certificates.crt usr/share/doc/orderflow/LICENSE \
    "${programs[@]/#/usr/local/bin/}" $(printf 'usr/share/doc/orderflow/%s.cdx.json ' "${programs[@]}") | sort)
  equal files "$want" "$(cd "$1" && find . ! -type d -printf '%P\n' | sort)"
  equal 'files that others may write' '' "$(find "$1" ! -type l -perm /022)"
  equal 'files of a user other than root' '' "$(find "$1" ! -user root -o ! -group root)"
  equal 'files with setuid or setgid' '' "$(find "$1" -perm /6000)"
  cmp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"
}

# attach mounts a copy of the image's files read-only at $work/root, with /dev and /proc as every
# container runtime provides them.
attach() {
  mkdir -p "$1/dev" "$1/proc" "$1/run/secrets" "$work/root"
  cp --preserve=mode deploy/compose/secrets/* "$1/run/secrets/" # as Compose mounts them
  mount --bind "$1" "$work/root"
  mount -o remount,bind,ro "$work/root"
  mount --rbind /dev "$work/root/dev"
  mount -t proc proc "$work/root/proc"
}

# exits CODE TEXT COMMAND...: the command must exit with the code and write the text.
exits() {
  local code=$1 text=$2 got=0 output
  shift 2
  output=$(timeout 60 "${@}" 2>&1) || got=$?
  equal "exit code of ${*: -2} ($output)" "$code" "$got"
  [[ $output == *"$text"* ]] || fail "${*: -2}: '$text' is missing in: $output"
}
check_programs() {
  local program
  for program in "${programs[@]}"; do
    equal "version of $program" "$version" "$("$work/bin/$program" --version | grep -o "$version")"
  done
  exits 2 'KURRENTDB_URL: is required' env -u KURRENTDB_URL "$work/bin/worker"
  exits 2 'KURRENTDB_URL_FILE: names a file that cannot be read' env KURRENTDB_URL_FILE=/run/secrets/none "$work/bin/starter"
}

# wrappers makes programs that run those of the image as a container does: as the image's user,
# without groups and capabilities, which it cannot regain.
wrappers() {
  local program
  for program in "${programs[@]}"; do
    cat >"$work/bin/$program" <<EOF
#!/bin/sh
export HOME=/
exec $(command -v setpriv) --no-new-privs \\
  $(command -v chroot) --userspec=65532:65532 --groups= "$work/root" "/usr/local/bin/$program" "\$@"
EOF
    chmod +x "$work/bin/$program"
  done
}

# check_authorities connects with TLS to a server whose authority is not in the image, and then
# is: the binaries trust the bundle of the image and no other.
check_authorities() {
  local port
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
  "$work/bin/kurrentsim" --listen-tls 127.0.0.1:0 --tls-cert "$work/cert.pem" --tls-key "$work/key.pem" --user admin:changeit \
    >"$work/kurrentsim.log" 2>&1 &
  server=$!
  until port=$(grep -om1 '127\.0\.0\.1:[0-9]*' "$work/kurrentsim.log"); do
    kill -0 "$server" 2>/dev/null || fail "kurrentsim: $(cat "$work/kurrentsim.log")"
    pause
  done
  export KURRENTDB_URL="kurrentdb://admin:changeit@127.0.0.1:${port##*:}"
  exits 1 'certificate signed by unknown authority' "$work/bin/orderflow" group create
  cat "$work/cert.pem" >>"$1/etc/ssl/certs/ca-certificates.crt"
  exits 0 '' "$work/bin/orderflow" group create
  unset KURRENTDB_URL
  kill "$server"
  server=
}

# environment_of prints what the Compose file sets for a service, with a zero after each.
environment_of() {
  /usr/bin/python3 - "$work/compose.yaml" "$1" <<'EOF'
import sys, yaml
service = yaml.safe_load(open(sys.argv[1]))["services"][sys.argv[2]]
for name, value in service["environment"].items():
    sys.stdout.write(f"{name}={value}\0")
EOF
}

# check_settings starts each daemon with its settings of the Compose file and without servers. A
# daemon that could not use them would exit with 2. `orderflow ready` reports that it waits.
check_settings() {
  local daemon settings report
  for daemon in worker starter publisher projector api; do
    mapfile -d '' -t settings < <(environment_of "$daemon")
    env -i "${settings[@]}" "$work/bin/$daemon" >"$work/$daemon.log" 2>&1 &
    server=$!
    until report=$(env -i "${settings[@]}" "$work/bin/orderflow" ready 2>/dev/null) || [[ $report == *"$daemon"* ]]; do
      kill -0 "$server" 2>/dev/null || fail "$daemon: $(cat "$work/$daemon.log")"
      pause
    done
    kill "$server"
    wait "$server" || fail "$daemon ends with $? when it is told to stop: $(cat "$work/$daemon.log")"
    server=
  done
}

# check_stack settles orders with the daemons of the image.
check_stack() {
  "$work/bin/local" --state "$work/state" --ports auto --once --generate 5 --seed 1 >"$work/report.json" ||
    fail "the stack did not settle its orders: $(cat "$work/report.json")"
}

build
check_config
root=$(container mount "$(container from --pull-never orderflow:check)")
check_files "$root"
attach "$root"
wrappers
check_programs
check_authorities "$root"
check_settings
check_stack
echo "images: the image has what it needs, and its binaries settled orders as a user without rights on a read-only file system"
