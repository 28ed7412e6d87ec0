#!/usr/bin/env bash
# Installs the Debian packages that the tests need and this machine lacks, with the argument
# check also those of the other parts of make check, and with the argument catalog only those
# that examples/catalog runs with. It needs root, or
# sudo: without a password, or with one at a terminal. Otherwise it prints the missing packages
# in one line and exits with 1.
set -euo pipefail
shopt -s nullglob

missing=()

# need PACKAGE PROGRAM...: any one of the programs is sufficient.
need() {
  local package=$1 program
  shift
  for program in "$@"; do
    if command -v "$program" >/dev/null; then return; fi
  done
  missing+=("$package")
}

# need_module PACKAGE MODULE: the system's Python, which Debian's programs use, must have the module.
need_module() { /usr/bin/python3 -c "import $2" 2>/dev/null || missing+=("$1"); }

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

may_install() {
  command -v apt-get >/dev/null || return 1
  [[ $(id -u) == 0 ]] || sudo -n true 2>/dev/null || { [[ -t 0 ]] && command -v sudo >/dev/null; }
}

install() {
  # The tests start clusters and a Prometheus of their own; the machine needs none.
  as_root sh -c 'mkdir -p /etc/postgresql-common
    grep -qs "^create_main_cluster" /etc/postgresql-common/createcluster.conf ||
      echo "create_main_cluster = false" >>/etc/postgresql-common/createcluster.conf
    case " $* " in *" prometheus "*)
      [ ! -d /etc/systemd/system ] || ln -sf /dev/null /etc/systemd/system/prometheus.service ;;
    esac' sh "${missing[@]}" &&
    as_root apt-get update -q &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
}

servers=(/usr/lib/postgresql/*/bin/initdb /usr/local/opt/postgresql*/bin/initdb /opt/homebrew/opt/postgresql*/bin/initdb)
((${#servers[@]})) || need postgresql initdb

if [[ ${1-} == catalog || ${1-} == check ]]; then
  need ffmpeg ffmpeg
  need pocketsphinx pocketsphinx_continuous # recognizes speech
  [[ -d /usr/share/pocketsphinx/model/en-us/en-us ]] || missing+=(pocketsphinx-en-us)
  need flite flite # the voice of generated videos
fi

if [[ ${1-} != catalog ]]; then
  need make make
  need git git # the go command reads the checkout with it
  need gcc gcc cc # the race detector links C
  cc -E - <<<'#include <stdlib.h>' >/dev/null 2>&1 || missing+=(libc6-dev)
  need postgresql-client psql # the commands of README and docs are tested
  need curl curl
  need jq jq # the commands of docs are tested
  need npm npm # the Node client's calls are tested, and npm fetches PostgreSQL 17; an older Node is replaced
  need pgbouncer pgbouncer /usr/sbin/pgbouncer # worker and api are tested behind it
  need prometheus promtool # the alerts' rules are tested, and `make alerts` proves them
  need chromium chromium chromium-browser google-chrome # the pages are tested in a browser
fi

if [[ ${1-} == check ]]; then
  [[ -e /etc/ssl/certs/ca-certificates.crt ]] || missing+=(ca-certificates) # it becomes part of the image
  need openssl openssl
  need iproute2 ip
  need buildah buildah # the image is built without a container engine
  need docker-compose docker-compose # the distribution's release, 1.29 or 2, reads the Compose file too
  # Release 1.29 imports distutils, which Python 3.12 and newer have from setuptools only.
  docker-compose --version >/dev/null 2>&1 || need_module python3-setuptools distutils
  need_module python3-yaml yaml # images-check reads the Compose file
  need systemd systemd-analyze # the units are checked
fi

((${#missing[@]})) || exit 0
if may_install && install >&2; then exit 0; fi
echo "this machine lacks what is needed; on Debian: apt-get install --no-install-recommends ${missing[*]}" >&2
exit 1
