#!/usr/bin/env bash
# Builds the images of the Dockerfile without a Docker engine and without a registry of images: with buildah, on substitutes
# for the base images with the same names. A substitute is a Debian by debootstrap with this machine's Go or Node.js. So this
# tests the Dockerfile, but not the contents of the real base images.
#   scripts/build-without-registry.sh FOLDER
# Writes to FOLDER: buildah's storage, and for each image its configuration <target>.json and its files <target>/. Keeps the
# Debian in runtime/build/. Needs root.
set -euo pipefail

[ $# -eq 1 ] || { echo "Usage: $0 FOLDER" >&2; exit 2; }
for program in buildah debootstrap go node npm; do
  command -v "$program" >/dev/null || { echo "$0: expected $program on PATH; apt-get install -y buildah debootstrap installs those two" >&2; exit 2; }
done
[ "$(id -u)" -eq 0 ] || { echo "$0: run this as root: debootstrap and chroot need it" >&2; exit 2; }

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
suite=bookworm
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
build() { buildah --root "$folder/storage" --runroot "$folder/run" "$@"; }
base_of() { sed -n "s/^FROM \(docker\.io\/library\/$1:[^ ]*\) .*/\1/p" "$repository/Dockerfile" | sort -u; }
say() { echo "$(basename "$0"): $*" >&2; }

root="$repository/runtime/build/debootstrap-$suite.tar.gz"
if [ ! -f "$root" ]; then
  say "debootstrap $suite"
  debootstrap --variant=minbase "$suite" "$folder/$suite" "$mirror" >"$folder/debootstrap.log" 2>&1 || { tail -n 20 "$folder/debootstrap.log" >&2; exit 1; }
  rm -f "$folder/$suite"/var/cache/apt/archives/*.deb
  mkdir -p "${root%/*}"
  tar -C "$folder/$suite" -c . | gzip -1 >"$root.$$"
  mv "$root.$$" "$root"
  # --one-file-system: never delete a mounted folder of this machine.
  rm -rf --one-file-system "${folder:?}/$suite"
fi

# substitute NAME COPY CONFIG...: makes a base image of Debian, this machine's certificates and what the function COPY adds.
substitute() {
  local name=$1 copy=$2 container mount
  shift 2
  if build images --quiet "$name" >/dev/null 2>&1; then return; fi
  say "substitute for $name"
  container=$(build from scratch)
  mount=$(build mount "$container")
  tar -C "$mount" -xf "$root"
  mkdir -p "$mount/etc/ssl/certs" "$mount/usr/local/bin" "$mount/usr/local/lib/node_modules"
  cp /etc/ssl/certs/ca-certificates.crt "$mount/etc/ssl/certs/"
  "$copy" "$mount"
  build config "$@" "$container"
  build commit --quiet --rm "$container" "$name" >/dev/null
}
copy_go() { cp -a "$(go env GOROOT)" "$1/usr/local/go"; }
copy_node() {
  cp "$(node -p process.execPath)" "$1/usr/local/bin/node"
  cp -a "$(realpath "$(npm root --global)/npm")" "$1/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm"
  # Node.js has its own certificates, which fail behind a proxy with another authority.
  mkdir -p "$1/usr/local/etc"
  echo 'cafile=/etc/ssl/certs/ca-certificates.crt' >"$1/usr/local/etc/npmrc"
}
paths=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
substitute "$(base_of golang)" copy_go --env "PATH=/usr/local/go/bin:$paths" --env GOPATH=/go --env GOTOOLCHAIN=local
substitute "$(base_of node)" copy_node --env "PATH=$paths"

# Uses this machine's caches of downloads and compiled packages.
caches=()
cache() { mkdir -p "$1"; caches+=(--volume "$1:$2"); }
cache "$(go env GOMODCACHE)" /go/pkg/mod
cache "$(go env GOCACHE)" /root/.cache/go-build
cache "$(npm config get cache --global)" /root/.npm

for target in stress reference-target; do
  say "build $target"
  build bud --quiet --pull-never --format docker --layers=false "${caches[@]}" --target "$target" --tag "localhost/$target" \
    --file "$repository/Dockerfile" "$repository" >"$folder/$target.log" 2>&1 || { tail -n 40 "$folder/$target.log" >&2; exit 1; }
  container=$(build from --pull-never "localhost/$target")
  build inspect --type image "localhost/$target" >"$folder/$target.json"
  rm -rf "${folder:?}/$target"
  mkdir "$folder/$target"
  cp -a "$(build mount "$container")/." "$folder/$target/"
  build rm "$container" >/dev/null
done
