#!/bin/sh
# Builds the image to serve, and the one to train: deploy/docker/build_image.sh [NAME]
set -eu
cd "$(dirname "$0")/../.."
name=${1:-pronto}
version=$(sed -n "s/^release //p" engine/VERSION)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
docker=${DOCKER:-docker}
$docker build -f deploy/docker/Dockerfile -t "$name" \
	--build-arg VERSION="$version" --build-arg REVISION="$revision" --build-arg MODEL="${MODEL-credit}" .
