#!/bin/sh
# Makes the archive of a function that needs no image: deploy/aws/build_zip.sh [FILE]
# MODEL_STORE says which versions are put inside, an empty one none: they come from the bucket.
set -eu
cd "$(dirname "$0")/../.."
archive=$(realpath -m "${1:-deploy/aws/service.zip}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --no-compile --only-binary :all: --target "$folder" \
	-r requirements-serve.txt -r requirements-serve-bucket.txt -r requirements-lambda.txt
find "$folder" -type d -name tests -prune -exec rm -rf {} +
cp -r app.py settings.py engine persistence models deploy/aws/lambda_handler.py "$folder"
find "$folder" -type d -name __pycache__ -prune -exec rm -rf {} +
store=${MODEL_STORE-artifacts}
[ ! -d "$store" ] || cp -r "$store" "$folder/artifacts"
size=$(du -sm "$folder" | cut -f1)
[ "$size" -le 250 ] || { echo "$size MB unzipped: AWS takes 250 at most" >&2; exit 1; }
"$python" - "$folder" "$archive" <<'PYTHON'
import sys, zipfile
from pathlib import Path
folder, archive = map(Path, sys.argv[1:])
archive.parent.mkdir(parents=True, exist_ok=True)
with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as content:
    for path in sorted(folder.rglob("*")):
        if path.is_file():  # with a time that is always the same
            entry = zipfile.ZipInfo(str(path.relative_to(folder)))
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            content.writestr(entry, path.read_bytes())
PYTHON
echo "$archive: $size MB unzipped"
