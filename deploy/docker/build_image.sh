#!/bin/sh
# Builds the image: deploy/docker/build_image.sh [NAME [OPTION OF build]...]; all times are the commit's.
set -eu
cd "$(dirname "$0")/../.."
name=${1:-pronto}
[ $# -eq 0 ] || shift
docker=$(deploy/docker/engine)
version=$(sed -n "s/^release //p" engine/VERSION)
revision=$(git rev-parse HEAD 2>/dev/null || true)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || date +%s)
export SOURCE_DATE_EPOCH
# Docker takes the times from the environment.
case $docker in *podman) set -- --format=docker --timestamp="$SOURCE_DATE_EPOCH" "$@" ;; esac
"$docker" build -f deploy/docker/Dockerfile -t "$name" --build-arg VERSION="$version" \
	--build-arg REVISION="$revision" --build-arg MODEL="${MODEL-credit}" "$@" .
