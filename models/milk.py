"""Milk: what will the farmers of Chile be paid for milk in three months?

The caller sends what is known in a month: the price then and before, and last readings of other
series. The raw tables have numbers whose thousands separators got lost, months that stand there
twice, and a thirteenth month; `load_data` mends what is certain and leaves the rest out.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from engine.schema import Category, ModelDefinition, Number

MONTHS = ("Ene", "Feb", "Mar", "Abr", "May", "Jun", "Jul", "Ago", "Sep", "Oct", "Nov", "Dic")
AHEAD = 3
#: Months before that are sent: the last is the one of the year before that is asked for.
LAGS = (1, 2, 3, 9)
#: The series of the central bank, and the size of its numbers since 2000.
SERIES = {
    "dollar": ("Tipo_de_cambio_del_dolar_observado_diario", 600),
    "activity": ("Imacec_empalmado", 90),
    "oil": ("Precio_del_petroleo_WTI_dolaresbarril", 50),
}
SINCE = "2000-01-01"


def price(name: str, example: float, description: str) -> Number:
    """Return the field of a price of milk."""
    return Number(name=name, unit="pesos per litre", example=example, minimum=1, maximum=2000,
                  description=description)  # fmt: skip


fields = (
    Category(name="month", example=11, categories=tuple(range(1, 13)),
             description="The month from whose end the forecast is made"),
    price("price", 287.29, "Price of the month"),
    *(price(f"price_{lag}", 280, f"Price {lag} months before") for lag in LAGS),
    Number(name="dollar", unit="pesos", example=762.88, minimum=100, maximum=3000,
           missing="accept", description="Price of a dollar, mean of the month"),
    Number(name="activity", unit="index", example=103.2, minimum=20, maximum=300,
           missing="accept", description="Imacec of the month before, which is the last published"),
    Number(name="oil", unit="dollars per barrel", example=41.1, minimum=-50, maximum=500,
           missing="accept", description="Price of WTI"),
    Number(name="rain", unit="mm", example=73.8, minimum=0, maximum=3000, missing="accept",
           description="Rain of three months in Los Rios and La Araucania, the mean of both"),
)  # fmt: skip

target = price("price_ahead", 295.24, "Price in three months")


def mend(cells: pd.Series, size: float) -> pd.Series:
    """Return numbers whose separators are lost: ``102.796.218`` of about 100 is 102.796218.

    A number with two points or more is all digits; the point is put where the number comes
    closest to the size that the series is known to have.
    """
    digits = cells.str.replace(".", "", regex=False).astype(float)
    shifted = digits / 10 ** np.round(np.log10(digits / size))
    return shifted.where(cells.str.count(r"\.") > 1, pd.to_numeric(cells, errors="coerce"))


def load_data(path: Path) -> pd.DataFrame:
    """Read a table with a row per month, or the folder of the three original ones.

    A month has a row if its price, the earlier ones and the one in three months are known.
    """
    table = _join(path) if path.is_dir() else pd.read_csv(path, dtype=str)
    known = table.assign(time=pd.to_datetime(table["Periodo"].str[:10], errors="coerce"))
    known = known.dropna(subset="time").drop_duplicates("time").set_index("time")
    months = known.asfreq("MS").loc[SINCE:]  # a month that is absent is a gap
    paid = pd.to_numeric(months["Precio_leche"])
    rain = months[["Los_Rios", "La_Araucania"]].astype(float).mean(axis=1, skipna=False)
    columns = {
        "month": months.index.month,
        "price": paid,
        **{f"price_{lag}": paid.shift(lag) for lag in LAGS},
        **{name: mend(months[column], size) for name, (column, size) in SERIES.items()},
        "rain": rain.rolling(3).sum(),
        "price_ahead": paid.shift(-AHEAD),
        "date": months.index.strftime("%Y-%m-%d"),
    }
    rows = pd.DataFrame(columns, index=months.index)
    rows["activity"] = rows["activity"].shift(1)
    prices = [name for name in rows if name.startswith("price")]
    return rows.dropna(subset=prices).reset_index(drop=True)


def _join(folder: Path) -> pd.DataFrame:
    paid = pd.read_csv(folder / "precio_leche.csv", dtype=str)
    number = paid["Mes"].map({word: f"{place:02}" for place, word in enumerate(MONTHS, 1)})
    paid["Periodo"] = paid["Anio"] + "-" + number + "-01"
    rain = pd.read_csv(folder / "precipitaciones.csv", dtype=str)
    bank = pd.read_csv(folder / "banco_central.csv", dtype=str)
    bank["Periodo"] = bank["Periodo"].str[:10]
    rain = rain.rename(columns={"date": "Periodo"})
    return paid.merge(rain, "left", "Periodo").merge(bank, "left", "Periodo")


def build_pipeline() -> Pipeline:
    """Return the unfitted pipeline: a line through prices, series and the months of the year."""
    numbers = [field.name for field in fields if isinstance(field, Number)]
    filled = Pipeline([("gaps", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    prepare = ColumnTransformer(
        [("month", OneHotEncoder(sparse_output=False), ["month"]), ("numbers", filled, numbers)]
    )
    return Pipeline([("prepare", prepare), ("line", Ridge(alpha=0.3))])


definition = ModelDefinition(
    title="Milk price in three months",
    description="Tells what farmers in Chile are paid for a litre of milk three months later.",
    fields=fields,
    target=target,
    sample=Path("data/milk_sample.csv"),
    sample_note="synthetic: made by data/make_milk_sample.py, no real prices",
    load_data=load_data,
    build_pipeline=build_pipeline,
    score="mae",
    split="time:date",
    answer="value",
    seed=0,
)
