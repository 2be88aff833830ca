"""Tracks: is a song reggaeton, by its audio features?

A song counts once, though it stands in the tables up to three times. `id_new` numbers the
reggaeton first and so tells the answer; it is taken, and ignored, as the row number is, and the
`time_signature`, which only one of the two tables has. Popularity says how a playlist was chosen,
not how a song sounds, so it is ignored, too.
"""

from pathlib import Path

import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.pipeline import Pipeline

from engine.schema import Category, ModelDefinition, Number

fields = (
    Number(name="danceability", example=0.826, minimum=0, maximum=1),
    Number(name="energy", example=0.704, minimum=0, maximum=1),
    Number(name="key", example=9, integer=True, minimum=0, maximum=11,
           description="Pitch class, 0 for C"),
    Number(name="loudness", unit="dB", example=-7.527, minimum=-60, maximum=5),
    Number(name="mode", example=1, integer=True, minimum=0, maximum=1,
           description="1 for major, 0 for minor"),
    Number(name="speechiness", example=0.117, minimum=0, maximum=1),
    Number(name="acousticness", example=0.189, minimum=0, maximum=1),
    Number(name="instrumentalness", example=4.8e-05, minimum=0, maximum=1),
    Number(name="liveness", example=0.0617, minimum=0, maximum=1),
    Number(name="valence", example=0.741, minimum=0, maximum=1),
    Number(name="tempo", unit="beats per minute", example=94.013, minimum=20, maximum=300),
    Number(name="duration", unit="ms", example=205_000, integer=True,
           minimum=10_000, maximum=3_600_000),
)  # fmt: skip

target = Category(name="reggaeton", example=1, categories=(0, 1),
                  description="1 for reggaeton, 0 for other music")  # fmt: skip

#: The tables of the original, and the answer for their songs.
TABLES = {"data_reggaeton.csv": 1, "data_todotipo.csv": 0}


def load_data(path: Path) -> pd.DataFrame:
    """Read a table with the column `reggaeton`, or a folder with the two original ones."""
    if path.is_dir():
        parts = [
            pd.read_csv(path / name).assign(reggaeton=answer) for name, answer in TABLES.items()
        ]
        table = pd.concat(parts, ignore_index=True)
    else:
        table = pd.read_csv(path)
    features = [field.column for field in fields]
    song = pd.util.hash_pandas_object(table[features].astype(float), index=False)
    return table.assign(song=song.astype(str))


def build_pipeline() -> Pipeline:
    """Return the unfitted pipeline: 300 trees, nothing drawn twice to balance the classes."""
    trees = ExtraTreesClassifier(n_estimators=300, min_samples_leaf=2, random_state=0)
    return Pipeline([("trees", trees)])


definition = ModelDefinition(
    title="Reggaeton",
    description="Tells whether a song is reggaeton, by its audio features.",
    fields=fields,
    target=target,
    extras=("popularity", "time_signature", "id_new"),
    sample=Path("data/tracks_sample.csv"),
    sample_note="synthetic: made by data/make_tracks_sample.py, no real songs",
    load_data=load_data,
    build_pipeline=build_pipeline,
    score="roc_auc",
    scores=("average_precision", "precision", "recall"),
    costs={"false_positive": 1, "false_negative": 2},  # a song that is missed is played nowhere
    split="group:song",
    set_aside=0.01,  # rows without any feature
    answer="value",
    seed=0,
)
