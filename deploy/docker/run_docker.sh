#!/bin/sh
# Runs the image on this machine, built where it is absent: deploy/docker/run_docker.sh [NAME];
# then http://127.0.0.1:8080. Only this machine can reach it, so a key is needed only if API_KEY is set.
# Predictions are logged in the volume pronto-predictions, which outlives the container.
set -eu
cd "$(dirname "$0")/../.."
name=${1:-pronto}
docker=$(deploy/docker/engine)
"$docker" image inspect "$name" >/dev/null 2>&1 || deploy/docker/build_image.sh "$name"
[ -n "${API_KEY:-}" ] || export OPEN_ACCESS=true
exec "$docker" run --rm --read-only --tmpfs /tmp --cap-drop all --security-opt no-new-privileges \
	--memory 256m -v pronto-predictions:/app/predictions -p "127.0.0.1:${PORT:-8080}:8080" -e API_KEY -e OPEN_ACCESS "$name"
