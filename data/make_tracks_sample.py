"""Make the sample of songs that the repository ships.

Every song is invented: columns and oddities are those of the real tables, which repeat songs,
have some without features, one of 25 minutes, and number the reggaeton first.

    python data/make_tracks_sample.py > data/tracks_sample.csv
"""

import csv
import random
import sys
from typing import Any, TextIO

SONGS, REGGAETON, REPEATED, EMPTY = 700, 60, 20, 3
SEED = 2024

FEATURES = [
    "danceability", "energy", "key", "loudness", "mode", "speechiness", "acousticness",
    "instrumentalness", "liveness", "valence", "tempo", "duration",
]  # fmt: skip
HEADER = ["", "popularity", *FEATURES, "id_new", "reggaeton"]


def make_song(draw: random.Random, *, is_reggaeton: bool) -> dict[str, Any]:
    """Invent one song."""
    energy = draw.betavariate(9, 4) if is_reggaeton else draw.betavariate(2, 1.4)
    beat = draw.gauss(96, 5) * (2 if draw.random() < 0.12 else 1)
    return {
        "popularity": round(min(98, max(0, draw.gauss(55, 16)))),
        "danceability": round(draw.betavariate(*((12, 4) if is_reggaeton else (5, 3.6))), 3),
        "energy": round(energy, 3),
        "key": draw.randrange(12),
        "loudness": round(-4 - 14 * (1 - energy) * draw.random(), 3),
        "mode": int(draw.random() < 0.6),
        "speechiness": round(0.024 + draw.expovariate(1 / (0.09 if is_reggaeton else 0.045)), 4),
        "acousticness": round(draw.betavariate(*((1.2, 5) if is_reggaeton else (0.5, 0.9))), 5),
        "instrumentalness": 0 if is_reggaeton or draw.random() < 0.4 else draw.random() ** 4,
        "liveness": round(draw.betavariate(1.5, 6), 4),
        "valence": round(draw.betavariate(*((8, 3.5) if is_reggaeton else (1.6, 1.4))), 3),
        "tempo": round(beat if is_reggaeton else min(214, max(34, draw.gauss(118, 28))), 3),
        "duration": round(min(760_000, max(47_000, draw.gauss(230_000, 60_000)))),
        "reggaeton": int(is_reggaeton),
    }


def write_sample(out: TextIO) -> None:
    """Write the whole sample as CSV; the same bytes every time."""
    draw = random.Random(SEED)
    songs = [make_song(draw, is_reggaeton=number < REGGAETON) for number in range(SONGS)]
    songs[7]["duration"] = 1_499_600
    songs += [dict(draw.choice(songs[REGGAETON:])) for _ in range(REPEATED)]
    for song in draw.sample(songs[REGGAETON:], EMPTY):
        song.update(dict.fromkeys(FEATURES, "NA"), popularity=0)
    writer = csv.DictWriter(out, HEADER, lineterminator="\n")
    writer.writeheader()
    for number, song in enumerate(songs, 1):
        writer.writerow({"": number, "id_new": number, **song})


if __name__ == "__main__":
    write_sample(sys.stdout)
