"""Write the folder that MLServer's scikit-learn runtime serves.

python -m benchmarks.contenders.mlserver_credit FOLDER [batched]
"""

import json
import sys
from pathlib import Path

from benchmarks.contenders.credit import FILES

SETTINGS = {
    "name": "credit",
    "implementation": "mlserver_sklearn.SKLearnModel",
    "parameters": {"uri": str(FILES / "pipeline.joblib"), "content_type": "pd"},
}

BATCHED = {"max_batch_size": 32, "max_batch_time": 0.005}

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    settings = SETTINGS | (BATCHED if sys.argv[2:] == ["batched"] else {})
    (folder / "model-settings.json").write_text(json.dumps(settings))
