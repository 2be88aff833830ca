#!/bin/sh
# Builds the image: deploy/docker/build_image.sh [NAME] [OPTION OF build]...; all times are the commit's.
# MODEL names the model that is trained into it; it is that of DEFAULT_MODEL without, and none if empty.
set -eu
cd "$(dirname "$0")/../.."
name=pronto
case ${1:--} in -*) ;; *) name=$1 && shift ;; esac
docker=$(deploy/docker/engine)
version=$(sed -n "s/^release //p" engine/VERSION)
revision=$(git rev-parse HEAD 2>/dev/null || true)
# As in a model's card: a plus sign where other files than the commit's are here.
[ -z "$(git status --porcelain 2>/dev/null)" ] || revision=$revision+
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || date +%s)
export SOURCE_DATE_EPOCH
# Docker takes the times from the environment.
case $docker in *podman) set -- --format=docker --timestamp="$SOURCE_DATE_EPOCH" "$@" ;; esac
"$docker" build -f deploy/docker/Dockerfile -t "$name" --build-arg VERSION="$version" \
	--build-arg REVISION="$revision" ${MODEL+"--build-arg=MODEL=$MODEL"} "$@" .
