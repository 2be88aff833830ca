"""deeploi, on its own port, 8000."""

from deeploi import deploy
from train import X, model

deploy(model, sample=X)
