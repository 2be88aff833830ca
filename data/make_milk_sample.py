"""Make the sample of monthly milk prices that the repository ships.

Every number is invented: columns and oddities are those of the real tables, of which the rows
are in no order, two months stand there twice, one month is the thirteenth, many numbers have lost
the point and got thousands separators instead, and the series begin and end apart.

    python data/make_milk_sample.py > data/milk_sample.csv
"""

import csv
import math
import random
import sys
from typing import Any, TextIO

FIRST_YEAR, MONTHS = 1999, 264
SEED = 1979

HEADER = [
    "Periodo", "Precio_leche", "Imacec_empalmado", "Tipo_de_cambio_del_dolar_observado_diario",
    "Precio_del_petroleo_WTI_dolaresbarril", "La_Araucania", "Los_Rios",
]  # fmt: skip


def make_months(draw: random.Random) -> list[dict[str, Any]]:
    """Invent the months: prices wander, go up in winter, and follow the dollar."""
    months = []
    dollar, oil, level = 520.0, 30.0, 95.0
    for number in range(MONTHS):
        year, month = FIRST_YEAR + number // 12, number % 12 + 1
        dollar = min(850, max(430, dollar + draw.gauss(0.8, 12)))
        oil = min(130, max(17, oil + draw.gauss(0.1, 3)))
        level += 0.05 * (0.35 * dollar + 0.3 * number - level) + draw.gauss(0, 3)
        season = math.cos((month - 7) * math.pi / 6)
        rain = max(0.5, 110 + 90 * season + draw.gauss(0, 40))
        months.append({
            "Periodo": f"{year}-{month:02}-01",
            "Precio_leche": round(level + 14 * season + draw.gauss(0, 2), 2),
            "Imacec_empalmado": damage(55 + 0.22 * number + draw.gauss(0, 2)),
            "Tipo_de_cambio_del_dolar_observado_diario": damage(dollar),
            "Precio_del_petroleo_WTI_dolaresbarril": round(oil, 2),
            "La_Araucania": round(0.7 * rain, 8),
            "Los_Rios": round(rain, 8),
        })  # fmt: skip
    return months


def damage(number: float) -> str:
    """Write a number with its point lost, as 102.796.218 for 102.796218; whole cents stay."""
    digits = f"{number:.6f}".replace(".", "").rstrip("0")
    if len(digits) < 7:
        return f"{number:.2f}"
    first = len(digits) % 3 or 3
    groups = [digits[:first], *(digits[at : at + 3] for at in range(first, len(digits), 3))]
    return ".".join(groups)


def write_sample(out: TextIO) -> None:
    """Write the whole sample as CSV; the same bytes every time."""
    draw = random.Random(SEED)
    months = make_months(draw)
    for month in months[-9:]:
        month.update(La_Araucania="", Los_Rios="")
    twice = [dict(months[-40]), dict(months[-28])]
    months += [*twice, {**months[-3], "Periodo": "2020-13-01"}]
    draw.shuffle(months)
    writer = csv.DictWriter(out, HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows(months)


if __name__ == "__main__":
    write_sample(sys.stdout)
