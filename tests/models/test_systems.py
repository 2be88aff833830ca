"""The models of the five systems: their samples, and what they make of odd tables."""

import csv
import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import models
from engine.training.table import read_training_rows
from engine.training.table_check import check_table
from tests.support.project import ROOT

NAMES = ("beers", "delay", "milk", "tracks")


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    if absent := [name for name in NAMES if name not in models.names()]:
        pytest.skip(f"models/ has no {', '.join(absent)}")


@pytest.mark.parametrize("name", NAMES)
def test_sample_when_made_again_is_the_same(name: str) -> None:
    script = f"data/make_{name}_sample.py"
    made = subprocess.run([sys.executable, script], check=True, capture_output=True).stdout

    assert models.find(name).sample.read_bytes() == made


@pytest.mark.parametrize("name", NAMES)
def test_sample_fits_the_model(name: str) -> None:
    definition = models.find(name)

    rows = read_training_rows(definition.load_data(definition.sample), definition)

    assert len(rows.X) == len(rows.y) > 200


def write(folder: Path, name: str, *rows: Sequence[object]) -> Path:
    lines = io.StringIO()
    csv.writer(lines).writerows(rows)
    (folder / name).write_text(lines.getvalue())
    return folder / name


def test_delay_when_midnight_is_between_tells_the_schedule_not_what_happened(
    tmp_path: Path,
) -> None:
    header = ["Fecha-I", "Fecha-O", "dif_min", "MES", "DIANOM", "TIPOVUELO", "OPERA", "SIGLADES"]
    row = ["2017-01-31 23:50:00", "2017-02-01 00:05:00", 15, 2, "Miercoles", "N", "Sky Airline",
           "Arica"]  # fmt: skip

    table = models.find("delay").load_data(write(tmp_path, "flights.csv", header, row))

    told = [*table[["DIA-I", "MES-I", "HORA-I", "DIANOM", "late"]].iloc[0]]
    assert [31, 1, 23, "Martes", True] == told


def test_delay_pipeline_puts_midnight_next_to_the_hour_before() -> None:
    from models.delay import Cycle

    waves = Cycle(24).fit([[0.0]]).transform([[0.0], [23.0], [12.0], [6.0]])

    near, far = np.linalg.norm(waves[0] - waves[1]), np.linalg.norm(waves[0] - waves[2])
    assert far == pytest.approx(2)
    assert near == pytest.approx(2 * np.sin(np.pi / 24))
    assert waves[3] == pytest.approx([1, 0])


def test_milk_numbers_when_their_points_are_lost_are_mended() -> None:
    from models.milk import mend

    cells = pd.Series(["102.796.218", "978.554.365", "10.546.824", "98.5", "", "abc"])

    mended = mend(cells.replace("", None).replace("abc", None), 90).tolist()

    assert [102.796218, 97.8554365, 105.46824, 98.5] == pytest.approx(mended[:4])
    assert all(np.isnan(mended[4:]))


def test_milk_when_read_of_three_tables_has_what_was_known_in_each_month(tmp_path: Path) -> None:
    from models.milk import MONTHS

    months = [(year, place, word) for year in (2015, 2016) for place, word in enumerate(MONTHS, 1)]
    prices = [[year, word, 200 + at] for at, (year, _, word) in enumerate(months)]
    write(tmp_path, "precio_leche.csv", ["Anio", "Mes", "Precio_leche"], *prices)
    rain = [[f"{year}-{place:02}-01", at, at + 2] for at, (year, place, _) in enumerate(months)]
    write(tmp_path, "precipitaciones.csv", ["date", "La_Araucania", "Los_Rios"], *rain[::-1])
    bank = [[f"{year}-{place:02}-01 00:00:00 UTC", f"{100 + at}.000.00{at % 10}", 700 + at, 50.5]
            for at, (year, place, _) in enumerate(months)]  # fmt: skip
    header = ["Periodo", "Imacec_empalmado", "Tipo_de_cambio_del_dolar_observado_diario",
              "Precio_del_petroleo_WTI_dolaresbarril"]  # fmt: skip
    bad = ["2016-13-01 00:00:00 UTC", "1", "1", "1"]
    write(tmp_path, "banco_central.csv", header, bad, *bank, bank[7])

    table = models.find("milk").load_data(tmp_path)

    assert 24 - 9 - 3 == len(table)
    first = table.iloc[0]  # October of 2015, the tenth month
    assert ["2015-10-01", 10] == [first["date"], first["month"]]
    assert [209, 208, 207, 206, 200, 212] == [
        first[name] for name in ("price", "price_1", "price_2", "price_3", "price_9", "price_ahead")
    ]
    assert [709, 50.5, pytest.approx(108.000008)] == [
        first[name] for name in ("dollar", "oil", "activity")
    ]
    assert 8 + 9 + 10 == first["rain"]


@pytest.mark.parametrize(("name", "style"), [
    ("Punk IPA 2007 - 2010", "ipa"), ("Scale", None), ("Pale", None), ("Trashy Blonde", "ale"),
    ("Berliner IPA", "sour"), ("Rye Stout, Aged", "stout"), ("", None),
])  # fmt: skip
def test_style_of_a_beer_is_read_off_whole_words(name: str, style: str | None) -> None:
    from models.beers import style_of

    assert style == style_of(name)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_beers_when_they_cannot_be_are_set_aside(form: str, tmp_path: Path) -> None:
    header = ["id", "name", "abv", "ibu", "target_fg", "target_og", "ebc", "srm", "ph"]
    good = ["Lager, Über", 5, 40, 1010, 1050, 12, 6, 4.4]
    odd = {"ibu": 1085, "ph": 79, "target_fg": 1060}
    beers = [dict(zip(header[1:], good, strict=True)) | {key: odd[key]} for key in odd]
    beers += [{**beers[0], "ibu": None}, {**beers[0], "ibu": 40, "ph": None}]
    table = pd.DataFrame(beers, columns=header[1:])
    path = tmp_path / f"beers.{form}"
    table.to_csv(path, index=False) if form == "csv" else table.to_json(path, orient="records")

    definition = models.find("beers")
    check = check_table(definition.load_data(path), definition.schema, definition.rules)

    assert [True, True, True, True, False] == check.is_rejected.tolist()
    assert ["lager"] * 5 == check.table["style"].tolist()


def test_tracks_when_a_song_stands_twice_has_one_group_for_it(tmp_path: Path) -> None:
    from models.tracks import TABLES, fields

    features = [field.name for field in fields]
    song = [field.example for field in fields]
    other = [*song[:-1], 99_000]
    write(tmp_path, "data_reggaeton.csv", ["", *features, "id_new"], [1, *song, 1])
    header = ["", *features, "time_signature", "id_new"]
    rest = [[1, *song, 4, 71], [2, *other, 4, 72], [3, *["NA"] * len(song), "NA", 73]]
    write(tmp_path, "data_todotipo.csv", header, *rest)

    table = models.find("tracks").load_data(tmp_path)

    assert [1, 0] == [*TABLES.values()]
    assert [1, 0, 0, 0] == [*table["reggaeton"]]
    assert table["song"][0] == table["song"][1] != table["song"][2]
