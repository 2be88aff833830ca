"""How many inputs a test makes up."""

import os

#: Every test runs, with all its made-up inputs, as `make test-all` asks; `make test` does not.
IS_WHOLE = bool(os.environ.get("CI"))


def many(examples: int) -> int:
    """Say how many inputs to make up: so many, or in the everyday tests a tenth of them."""
    return examples if IS_WHOLE else examples // 10
