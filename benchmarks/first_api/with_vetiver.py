"""vetiver."""

from train import X, model
from vetiver import VetiverAPI, VetiverModel

app = VetiverAPI(VetiverModel(model, "club", prototype_data=X)).app
