"""BentoML."""

import bentoml
import pandas as pd
from train import X, model


@bentoml.service
class Club:
    """Predicts members of the club."""

    @bentoml.api
    def predict(self, table: pd.DataFrame) -> list[list[float]]:
        """Predict a table."""
        return model.predict_proba(table[X.columns]).tolist()
