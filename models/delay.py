"""Delay: will a flight leave Santiago 15 minutes late, or more?

Only what is known before departure counts: the table's `MES` and `DIANOM` describe the actual
departure, so month, day, hour and weekday come from the schedule, `Fecha-I`. The callers' seven
keys are all taken. The pipeline does not see the day and the month: of a single year, a month
is one accident and no pattern, and the months that come later are answered no better with it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder, TargetEncoder

from engine.schema import Category, Flag, ModelDefinition

WEEKDAYS = ("Lunes", "Martes", "Miercoles", "Jueves", "Viernes", "Sabado", "Domingo")

AIRLINES = (
    "Aerolineas Argentinas", "Aeromexico", "Air Canada", "Air France", "Alitalia",
    "American Airlines", "Avianca", "British Airways", "Copa Air", "Delta Air", "Gol Trans",
    "Grupo LATAM", "Iberia", "JetSmart SPA", "K.L.M.", "Lacsa", "Latin American Wings",
    "Oceanair Linhas Aereas", "Plus Ultra Lineas Aereas", "Qantas Airways", "Sky Airline",
    "United Airlines",
)  # fmt: skip

CITIES = (
    "Antofagasta", "Arica", "Asuncion", "Atlanta", "Auckland N.Z.", "Balmaceda", "Bariloche",
    "Bogota", "Buenos Aires", "Calama", "Cancun", "Castro (Chiloe)", "Ciudad de Mexico",
    "Ciudad de Panama", "Concepcion", "Copiapo", "Cordoba", "Curitiba, Bra.", "Dallas",
    "Florianapolis", "Guayaquil", "Houston", "Iquique", "Isla de Pascua", "La Paz", "La Serena",
    "Lima", "Londres", "Los Angeles", "Madrid", "Melbourne", "Mendoza", "Miami", "Montevideo",
    "Neuquen", "Nueva York", "Orlando", "Osorno", "Paris", "Puerto Montt", "Puerto Natales",
    "Punta Arenas", "Punta Cana", "Punta del Este", "Rio de Janeiro", "Roma", "Rosario",
    "San Juan, Arg.", "Santa Cruz", "Sao Paulo", "Sydney", "Temuco", "Toronto", "Tucuman",
    "Ushuia", "Valdivia",
)  # fmt: skip

fields = (
    Category(name="DIA-I", example=3, categories=tuple(range(1, 32)),
             description="Day of the scheduled departure"),
    Category(name="MES-I", example=2, categories=tuple(range(1, 13)),
             description="Month of the scheduled departure"),
    Category(name="HORA-I", example=9, categories=tuple(range(24)),
             description="Hour of the scheduled departure"),
    Category(name="OPERA", example="Grupo LATAM", categories=AIRLINES, unknown="accept",
             synonyms={"Aerolíneas Argentinas": "Aerolineas Argentinas"},
             description="Airline; one that is not listed counts as an average one"),
    Category(name="TIPOVUELO", example="N", categories=("N", "I"),
             description="National or international"),
    Category(name="SIGLADES", example="La Serena", categories=CITIES, unknown="accept",
             synonyms={city.replace(" ", ""): city for city in CITIES if " " in city},
             description="Destination; one that is not listed counts as an average one"),
    Category(name="DIANOM", example="Viernes", categories=WEEKDAYS,
             synonyms={"Miércoles": "Miercoles", "Sábado": "Sabado"},
             description="Weekday of the scheduled departure"),
)  # fmt: skip

target = Flag(name="late", example=False, description="Whether it leaves 15 minutes late or more")


def load_data(path: Path) -> pd.DataFrame:
    """Read the departures; the schedule gives the day, month, hour and weekday."""
    table = pd.read_csv(path)
    planned = pd.to_datetime(table["Fecha-I"])
    parts = {"DIA-I": planned.dt.day, "MES-I": planned.dt.month, "HORA-I": planned.dt.hour}
    weekdays = planned.dt.day_of_week.map(dict(enumerate(WEEKDAYS)))
    return table.assign(**parts, DIANOM=weekdays, late=table["dif_min"] >= 15)


class Cycle(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn hours, or other numbers of a cycle, into sines and cosines; the period is declared."""

    def __init__(self, period: int = 24) -> None:
        self.period = period

    def fit(self, X: Any, y: Any = None) -> "Cycle":
        """Learn nothing."""
        self.n_features_in_ = np.shape(X)[1]
        return self

    def transform(self, X: Any) -> Any:
        """Return the sine and the cosine of each number."""
        turns = 2 * np.pi * np.asarray(X, dtype=np.float64) / self.period
        return np.hstack([np.sin(turns), np.cos(turns)])

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return a name for each sine and cosine."""
        names = range(self.n_features_in_) if input_features is None else input_features
        return np.array([f"{name}_{wave}" for wave in ("sine", "cosine") for name in names], object)


def build_pipeline() -> Pipeline:
    """Return the unfitted pipeline: each word becomes its share of late flights; 80 small trees."""
    hours = OrdinalEncoder(categories=[[str(hour) for hour in range(24)]])
    words = ["OPERA", "TIPOVUELO", "SIGLADES", "DIANOM"]
    shuffled = StratifiedKFold(5, shuffle=True, random_state=0)
    prepare = ColumnTransformer([
        ("words", TargetEncoder(cv=shuffled), words),
        ("hours", Pipeline([("number", hours), ("cycle", Cycle(24))]), ["HORA-I"]),
    ])  # fmt: skip
    boosting = HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.08, max_leaf_nodes=15, early_stopping=False, random_state=0
    )
    return Pipeline([("prepare", prepare), ("boosting", boosting)])


definition = ModelDefinition(
    title="Flight delay",
    description="Tells how likely a flight leaves Santiago 15 minutes late, or more.",
    fields=fields,
    target=target,
    sample=Path("data/delay_sample.csv"),
    sample_note="synthetic: made by data/make_delay_sample.py, no real flights",
    load_data=load_data,
    build_pipeline=build_pipeline,
    score="roc_auc",
    scores=("average_precision", "precision", "recall"),
    costs={"false_positive": 1, "false_negative": 4},  # a late flight that nobody expected
    split="time:Fecha-I",
    answer="probabilities",
    seed=0,
)
