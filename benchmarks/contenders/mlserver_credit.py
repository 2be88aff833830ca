"""Write the folder that MLServer's scikit-learn runtime serves: mlserver_credit.py FOLDER."""

import json
import sys
from pathlib import Path

from benchmarks.contenders.credit import FILES

SETTINGS = {
    "name": "credit",
    "implementation": "mlserver_sklearn.SKLearnModel",
    "parameters": {"uri": str(FILES / "pipeline.joblib"), "content_type": "pd"},
}

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    (folder / "model-settings.json").write_text(json.dumps(SETTINGS))
