"""vetiver with a scikit-learn pipeline."""

import pandas as pd
import vetiver

from benchmarks.contenders.credit import FILES, load_pipeline

pipeline = load_pipeline()
example = pd.read_json(FILES / "questions.json", typ="series")["record"]
model = vetiver.VetiverModel(pipeline, "credit", prototype_data=pd.DataFrame([example]))
api = vetiver.VetiverAPI(model)


def probabilities(table: pd.DataFrame) -> dict[str, list[float]]:
    """Predict a table that vetiver has made from the request."""
    return {"probabilities": pipeline.predict_proba(table)[:, 1].tolist()}


api.vetiver_post(probabilities, "probabilities")
app = api.app
