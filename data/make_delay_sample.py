"""Make the sample of departures that the repository ships.

Every flight is invented: columns and oddities are those of the real table, which is
ordered by month, spells one airline in two ways and describes month and weekday by the actual
departure. Times, airlines and destinations are drawn with a fixed seed, and delays follow from
a rule plus chance.

    python data/make_delay_sample.py > data/delay_sample.csv
"""

import csv
import math
import random
import sys
from datetime import datetime, timedelta
from typing import Any, TextIO

ROWS = 1500
SEED = 2017

HEADER = [
    "Fecha-I", "Fecha-O", "dif_min", "MES", "DIANOM", "TIPOVUELO", "OPERA", "SIGLADES",
]  # fmt: skip

WEEKDAYS = ("Lunes", "Martes", "Miercoles", "Jueves", "Viernes", "Sabado", "Domingo")
NATIONAL = ("Antofagasta", "Calama", "Concepcion", "Iquique", "La Serena", "Puerto Montt")
ABROAD = ("Buenos Aires", "Lima", "Miami", "Auckland N.Z.", "San Juan, Arg.", "Sao Paulo")
#: How often an airline flies, and how much likelier than others it is late.
AIRLINES = {
    "Grupo LATAM": (60, 0.0), "Sky Airline": (21, 0.1), "Latin American Wings": (3, 0.9),
    "Aerolineas Argentinas": (3, 0.5), "Aerolíneas Argentinas": (1, 0.5), "Copa Air": (3, -0.9),
    "American Airlines": (2, -0.7), "Plus Ultra Lineas Aereas": (0.3, 1.2),
}  # fmt: skip


def make_flight(draw: random.Random) -> dict[str, Any]:
    """Invent one departure."""
    opera = draw.choices(list(AIRLINES), [share for share, _ in AIRLINES.values()])[0]
    is_abroad = opera not in ("Grupo LATAM", "Sky Airline") or draw.random() < 0.35
    planned = datetime(2017, 1, 1) + timedelta(  # noqa: DTZ001  the airport's own clock
        days=draw.randrange(365),
        hours=draw.choice((0, *range(6, 24))),
        minutes=5 * draw.randrange(12),
    )
    liking = -1.9 + AIRLINES[opera][1] + 0.5 * is_abroad
    liking -= 0.5 * math.cos(planned.hour * math.pi / 12)
    liking += 0.3 * (planned.weekday() in (4, 6)) + 0.6 * (planned.month in (7, 12))
    is_late = draw.random() < 1 / (1 + math.exp(-liking))
    minutes = min(161, 15 + round(draw.expovariate(1 / 25))) if is_late else draw.randint(-14, 14)
    actual = planned + timedelta(minutes=minutes)
    return {
        "Fecha-I": planned,
        "Fecha-O": actual,
        "dif_min": minutes,
        "MES": actual.month,
        "DIANOM": WEEKDAYS[actual.weekday()],
        "TIPOVUELO": "I" if is_abroad else "N",
        "OPERA": opera,
        "SIGLADES": draw.choice(ABROAD if is_abroad else NATIONAL),
    }


def write_sample(out: TextIO) -> None:
    """Write the whole sample as CSV; the same bytes every time."""
    draw = random.Random(SEED)
    flights = [make_flight(draw) for _ in range(ROWS)]
    writer = csv.DictWriter(out, HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(flights, key=lambda flight: (flight["Fecha-I"].month, flight["OPERA"])))


if __name__ == "__main__":
    write_sample(sys.stdout)
