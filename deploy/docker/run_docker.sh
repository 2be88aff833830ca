#!/bin/sh
# Runs the image on this machine: deploy/docker/run_docker.sh [NAME]; then http://127.0.0.1:8080
set -eu
exec "${DOCKER:-docker}" run --rm --init=false --read-only --tmpfs /tmp --cap-drop all \
	--security-opt no-new-privileges --memory 256m -p "127.0.0.1:${PORT:-8080}:8080" \
	-e API_KEY="${API_KEY:?set API_KEY: callers send it as x-api-key}" "${1:-pronto}"
