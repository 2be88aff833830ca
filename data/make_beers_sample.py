"""Make the sample of beers that the repository ships.

Every beer is invented: columns and oddities are those of the real table, with two marketing
values of bitterness, a pH of 79, gravities that are swapped, gaps, and names with a comma or an
umlaut.

    python data/make_beers_sample.py > data/beers_sample.csv
"""

import csv
import random
import sys
from typing import Any, TextIO

ROWS = 400
SEED = 2007

HEADER = ["id", "name", "abv", "ibu", "target_fg", "target_og", "ebc", "srm", "ph"]

#: Of each style: how often, its strength, bitterness and colour.
STYLES = {
    "": (60, 7.5, 50, 60), "IPA": (14, 7.2, 75, 18), "Pale Ale": (6, 5.2, 42, 16),
    "Lager": (5, 5, 37, 12), "Stout": (5, 8.5, 58, 220), "Berliner Weisse": (4, 3.5, 8, 8),
    "Porter": (3, 6, 50, 120), "Saison": (3, 6, 22, 14),
}  # fmt: skip
FIRST = ("Quiet", "Copper", "Northern", "Crooked", "Scale", "Mönch", "Salt, Stone And", "Velvet")
SECOND = ("Harbour", "Fox", "Lantern", "Whale", "Palace", "Thistle", "Anvil", "Meadow")


def make_beer(draw: random.Random, number: int) -> dict[str, Any]:
    """Invent one beer."""
    style = draw.choices(list(STYLES), [usual[0] for usual in STYLES.values()])[0]
    _, strength, bitterness, colour = STYLES[style]
    abv = round(max(0.5, draw.gauss(strength, 1.6)), 1)
    og = round(1012 + 7.3 * abv + draw.gauss(0, 3))
    ebc = round(max(4, colour * draw.lognormvariate(0, 0.35)))
    ibu = bitterness * draw.lognormvariate(0, 0.3) + 5 * (abv - strength)
    return {
        "id": number,
        "name": f"{draw.choice(FIRST)} {draw.choice(SECOND)} {style}".strip(),
        "abv": abv,
        "ibu": "" if draw.random() < 0.015 else round(max(0, ibu)),
        "target_fg": round(1011 + 0.2 * abv + draw.gauss(0, 2)),
        "target_og": og,
        "ebc": ebc,
        "srm": round(ebc / 1.97, 1),
        "ph": 3.2 if style == "Berliner Weisse" else draw.choice((4.4, 4.4, 4.4, 4.2, 5.2)),
    }


def write_sample(out: TextIO) -> None:
    """Write the whole sample as CSV; the same bytes every time."""
    draw = random.Random(SEED)
    beers = [make_beer(draw, number) for number in range(1, ROWS + 1)]
    odd = draw.sample(beers, 24)
    for beer in odd[:2]:
        beer["ibu"] = beer["target_og"]
    odd[2]["ph"] = 79
    for beer in odd[3:13]:
        beer["target_fg"], beer["target_og"] = beer["target_og"], beer["target_fg"]
    for beer in odd[13:20]:
        beer.update(ebc="", srm="")
    for beer in odd[20:22]:
        beer["ph"] = ""
    odd[22].update(target_fg="", target_og="")
    writer = csv.DictWriter(out, HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows(beers)


if __name__ == "__main__":
    write_sample(sys.stdout)
