"""What a card says of the table that its version has learnt from."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeRegressor

from engine.schema import Number
from engine.schema.definition import ModelDefinition
from engine.training.train import train
from tests.support.models import in_silence


def test_card_when_the_table_has_more_columns_names_them_so_that_it_can_be_scored(
    tmp_path: Path,
) -> None:
    sizes = np.arange(60) * 1.0
    table = pd.DataFrame({"size": sizes, "note": "old", "price": sizes % 7})
    table.to_csv(tmp_path / "table.csv", index=False)
    definition = ModelDefinition(
        title="Toy", fields=(Number(name="size", example=1.0, minimum=0, maximum=60),),
        target=Number(name="price", example=1.0), score="mae", sample=tmp_path / "table.csv",
        load_data=pd.read_csv, build_pipeline=lambda: DecisionTreeRegressor(max_depth=3),
    )  # fmt: skip

    card = train("toy", definition, tmp_path / "table.csv", step=in_silence).card

    assert ["note"] == card["schema"]["other_columns"]
