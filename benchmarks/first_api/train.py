"""A fitted pipeline: what every tool but this one begins with."""

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

table = pd.read_csv("club.csv", na_values=["?"])
X, y = table[["Plan", "Tenure (months)", "Visits", "Fee"]], table["Left"]
prepare = make_column_transformer((OneHotEncoder(), ["Plan"]), remainder="passthrough")
model = make_pipeline(prepare, HistGradientBoostingClassifier()).fit(X, y)
