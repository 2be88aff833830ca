"""Odd tables that all say the same: files that people, spreadsheets and programs write."""

import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import openpyxl
import pandas as pd

ROWS = 60


def plain() -> pd.DataFrame:
    """The table that the monsters hold: two numbers, a word, a flag and a target."""
    random = np.random.default_rng(0)
    amount = random.normal(2500, 900, ROWS).round(2)
    amount[3] = -12.5
    return pd.DataFrame(
        {
            "amount": amount,
            "count": random.integers(1, 400, ROWS),
            "city": random.choice(["São Paulo", "Lima", "Quito"], ROWS),
            "member": random.choice(["yes", "no"], ROWS),
            "y": random.choice(["good", "bad"], ROWS),
        }
    )


def text(frame: pd.DataFrame | None = None, **options: Any) -> str:
    return str((plain() if frame is None else frame).to_csv(index=False, **options))


def spelled(spell: Callable[[float], str], **options: Any) -> str:
    """The amounts in another spelling."""
    frame = plain()
    return text(frame.assign(amount=frame["amount"].map(spell)), **options)


def comma(number: float, group: str) -> str:
    return f"{number:,.2f}".translate({ord(","): group, ord("."): ","})


def sheet(*above: list[Any], below: tuple[list[Any], ...] = (), first: str = "") -> bytes:
    """An Excel file with rows above and below the table, and another sheet before it."""
    book = openpyxl.Workbook()
    page = book.active
    if first:
        page.append([first])
        page = book.create_sheet("Data")
    rows = plain().astype(object).to_numpy().tolist()
    for row in (*above, [*plain()], *rows, *below):
        page.append(row)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def parquet(frame: pd.DataFrame) -> bytes:
    written = io.BytesIO()
    frame.to_parquet(written)
    return written.getvalue()


def texts() -> dict[str, str | bytes]:
    """Text files by what is odd in them."""
    lines = text().splitlines()
    total = f"Total,{plain()['amount'].sum():.2f},{plain()['count'].sum()},no,good"
    city_first = plain()[["city", "amount", "count", "member", "y"]]
    return {
        "Windows line ends": text(lineterminator="\r\n"),
        "old Mac line ends": text(lineterminator="\r"),
        "UTF-16 with a mark": text().encode("utf-16"),
        "UTF-16 without a mark": text().encode("utf-16-le"),
        "big-endian UTF-16": b"\xfe\xff" + text().encode("utf-16-be"),
        "UTF-32": text().encode("utf-32"),
        "latin-1": text().encode("latin-1"),
        "packed, and not named so": gzip.compress(text().encode()),
        "semicolons and decimal commas": text(sep=";", decimal=","),
        "tabs in a .csv": text(sep="\t"),
        "spaces": text(sep=" "),
        "thousands": spelled(lambda number: f"{number:,.2f}"),
        "thousands of Germany": spelled(lambda number: comma(number, "."), sep=";"),
        "thousands of France": spelled(lambda number: comma(number, "\u202f"), sep=";"),
        "thousands of Switzerland": spelled(lambda number: f"{number:,.2f}".replace(",", "'")),
        "dollars": spelled(lambda number: f"${number:,.2f}".replace("$-", "-$")),
        "euros": spelled(lambda number: f"{comma(number, '.')} €", sep=";"),
        "percent": spelled(lambda number: f"{number:.2f}%"),
        "kilograms": spelled(lambda number: f"{number:.2f} kg"),
        "negatives in brackets": spelled(
            lambda number: f"({-number:,.2f})" if number < 0 else f"{number:,.2f}"
        ),
        "a minus behind": spelled(lambda number: f"{-number}-" if number < 0 else f"{number}"),
        "a long minus": spelled(lambda number: f"{number}".replace("-", "\u2212")),
        "new lines in quotes": text().replace("Lima", '"Li\nma"'),
        "title rows": f"Sales of the year\n\nmade by hand\n\n{text()}",
        "a header of groups": f"Money,,Person,,\n{text()}",
        "a header of years": f"2020,2020,2021,2021,2021\n{text()}",
        "a row of units": "\n".join([lines[0], "EUR,pieces,,,", *lines[1:]]),
        "a total row": f"{text(city_first)}{total}\n",
        "notes below": f"{text()}\nSource: the office\n* estimated, see page 3\n",
        "blank lines": text().replace("\n", "\n\n"),
        "rows that end with a comma": "\n".join([lines[0], *(f"{line}," for line in lines[1:])]),
        "names of rows": "\n".join(
            [lines[0], *(f"r{n},{line}" for n, line in enumerate(lines[1:]))]
        ),
        "a row too long": f"{text()}1,2,3,4,5,6,7\n",
        "a huge cell": text(plain().assign(note=["x" * 200_000] + ["a"] * (ROWS - 1))),
        "names of Python": text(
            plain().assign(**{"def": 1.5, "__proto__": 2, "fields": 3, "💰": 4})
        ),
    }


def others() -> dict[str, tuple[str, bytes]]:
    """Files of other kinds: the name and the content."""
    frame, records = plain(), plain().to_dict("records")
    nested = [{**row, "place": {"city": row["city"], "tags": ["a"]}} for row in records]
    ragged = [
        {key: row[key] for key in row if n % 9 or key == "y"} for n, row in enumerate(records)
    ]
    wholes = frame["count"].astype("Int64")
    odd = frame.assign(
        city=frame["city"].astype("category"), count=wholes.where(wholes > 90),
        when=pd.date_range("2024-01-01", periods=ROWS, tz="America/Lima"),
        lists=[[1, 2]] * ROWS, raw=[b"x"] * ROWS,
    )  # fmt: skip
    total = [float(frame["amount"].sum()), 5, "Total", None, None]
    as_text = {"columns": [*frame], "data": frame.astype(object).to_numpy().tolist()}
    return {
        "nested JSON": ("table.json", json.dumps(nested).encode()),
        "JSON of columns": ("table.json", frame.to_json().encode()),
        "JSON of a split table": ("table.json", json.dumps(as_text).encode()),
        "JSON lines without some keys": (
            "table.jsonl",
            "\n".join(map(json.dumps, ragged)).encode(),
        ),
        "odd Parquet": ("table.parquet", parquet(odd)),
        "Parquet with an index": ("table.parquet", parquet(frame.set_index("city"))),
        "Excel with a title": ("table.xlsx", sheet(["Sales of the year"], [])),
        "Excel with merged headers": ("table.xlsx", sheet(["Money", None, "Person", None, None])),
        "Excel with a total": ("table.xlsx", sheet(below=(total, [], ["Source: the office"]))),
        "Excel with a cover": ("table.xlsx", sheet(first="Report")),
    }


def hopeless() -> dict[str, tuple[str, bytes, str]]:
    """Files that are no table to learn from: the name, the content, and words of the sentence."""
    frame, lines = plain(), text().splitlines()
    long = "\n".join(f"{line},x" if n % 7 == 3 else line for n, line in enumerate(lines))
    return {
        "a web page": ("t.csv", b"<html><body>1</body></html>", "is a web page"),
        "a workbook named .csv": ("t.csv", sheet(), "name it .xlsx"),
        "bytes": ("t.csv", bytes(range(256)), "is not text"),
        "many rows too long": ("t.csv", long.encode(), "such as line 4, which has 6"),
        "the first row too long": ("t.csv", f"a,y\n1,x,\n{'1,x' * 9}".encode(), "in its header"),
        "one row": ("t.csv", b"a,y\n1,x\n", "give a table in which it varies"),
        "one class": ("t.csv", text(frame.assign(y="good")).encode(), "'good' in every row"),
        "all missing": ("t.csv", b"a,b,y\n" + b",,\n" * 40, "is empty"),
        "no column but the target": ("t.csv", b"y\n" + b"a\nb\n" * 30, "no column to learn from"),
        "wrapped JSON": ("t.json", b'{"data": [{"y": 1}], "page": 1}', "the list under 'data'"),
        "cut Parquet": ("t.parquet", parquet(frame)[:900], "cannot be read"),
    }  # fmt: skip
