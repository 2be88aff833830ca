#!/bin/sh
# Replaces the service's containers one after another: IMAGE=pronto:next deploy/docker/roll.sh
# The next one is touched when the one before answers; if it does not, it is stopped and the others go on.
set -eu
cd "$(dirname "$0")"
compose=${COMPOSE:-docker compose}
is_ready='from urllib.request import urlopen; urlopen("http://127.0.0.1:8080/readyz", timeout=5)'
for container in web-1 web-2 worker; do
	$compose up -d --no-deps "$container"
	[ "$container" != worker ] || break
	end=$(($(date +%s) + 60))
	until $compose exec -T "$container" python -c "$is_ready"; do
		if [ "$(date +%s)" -gt "$end" ]; then
			$compose stop "$container" # or nginx would go on asking it
			echo "$container was not ready after 60 s and is stopped; look: $compose logs $container" >&2
			echo "To go back, run this with the image of before" >&2
			exit 1
		fi
		sleep 1
	done
done
