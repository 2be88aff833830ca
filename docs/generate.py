"""Write the pages of docs/ that other files already say.

    python docs/generate.py            rewrite them
    python docs/generate.py --check    exit 1 when one is stale

``reference/settings.md`` comes from settings.py, ``reference/make.md`` from the
makefile's comments, ``reference/command-line.md`` from the commands' help,
and ``explanation/architecture.svg`` from the TOML beside it. ``reference/capacity.md``
and the requests per second of the README take their figures from the pages that measure.
The buttons of the README, where it has their two marks, lead to the `repository` of
pyproject.toml.
"""

import argparse
import inspect
import re
import sys
import textwrap
import tomllib
from collections.abc import Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, get_type_hints

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import click  # noqa: E402
import scale  # noqa: E402
from draw_architecture import drawing  # noqa: E402

from engine.commands import COMMANDS  # noqa: E402
from settings import Settings  # noqa: E402

REFERENCE = Path(__file__).resolve().parent / "reference"
README = ROOT / "README.md"
TRANSLATED = [ROOT / f"docs/{language}/README.md" for language in ("pt-BR", "es")]
DRAWING = ROOT / "docs/explanation/architecture.svg"
NOTE = "<!-- Written by `make docs` from {source}: edit that, not this page. -->\n"

_BUTTONS = re.compile(r"(<!-- buttons -->).*?(<!-- end -->)", re.DOTALL)
_FIGURE = re.compile(r"(<!-- requests -->)[\d.,]*(<!-- end -->)")
_TARGET = re.compile(r"^([a-z][\w-]*):.*?## (.+)$", re.MULTILINE)
_EXAMPLE = re.compile(r"^(.*?): ((?:[A-Z]+=\S+ )?make .+)$")
_CAPACITY = """\
<!-- Written by `make docs`: the figures are those of benchmark.md and prediction-log.md. -->

# Capacity

What one machine with 2 cores and 2 workers can answer. The model is the sample: 13 fields, a
forest of 200 trees. API keys, the rate limit and metrics are on. Another model has other figures:
[growth](growth.md) shows what trees, fields and rows cost.

{loads}
\\* The prediction alone, from bytes to bytes, in one process and without HTTP.

\\** The request and the append to the log were measured separately; this is their sum. To measure
the requests per second with the log on your machine, run `make bench-quick`.

| What else | Figure |
| --- | --- |
| memory of the master and 2 workers, after the loads | {memory} MB |
| memory of the process that stores predictions, when idle | {idle} |
| predictions that it can store per second, in SQLite | {stored[SQLite]} |
| predictions that it can store per second, in PostgreSQL | {stored[PostgreSQL]} |
| time until 99 of 100 answers, with 1 connection | {tail[0]} ms |
| time until 99 of 100 answers, with 32 connections | {tail[1]} ms |
| time from the start to the first right answer | {start} s |

## Estimate the cores

Multiply your requests per second by the CPU time of one request. For example, 1,000 requests per
second with the log take 1,000 times {logged} µs, which is {cores} s of CPU per second: {cores} of
a core. Plan for twice the cores that the mean load takes, so that there is room for peaks and for
the restart of a worker. Start one worker per core: more workers only share the cores.

{scale}
## How it was measured

{measured}

The [benchmark](benchmark.md#how-it-was-measured) describes the method, and the page on
[the prediction log](../how-to/prediction-log.md#what-it-costs) how its figures were measured. The
[stress test](stress.md) shows 500 connections at a fixed rate.
"""
_EXIT_CODES = [
    ("0", "done"),
    ("1", "refused, or the input is not valid; standard error says why"),
    ("2", "wrong usage: an option or a setting that cannot be read, a file that is not there"),
]
_KINDS = {
    Path: "path",
    Path | str: "path, address",
    bool: "flag",
    int: "whole number",
    float: "number",
    str: "text",
}


def pages() -> dict[Path, str]:
    """Give the text of every generated page."""
    return {
        REFERENCE / "settings.md": settings_page(),
        REFERENCE / "make.md": make_page((ROOT / "makefile").read_text()),
        REFERENCE / "command-line.md": command_page(COMMANDS),
        REFERENCE / "capacity.md": capacity_page(),
        DRAWING: drawing(DRAWING.with_suffix(".toml").read_text()),
        **({README: readme(README.read_text(), _repository())} if README.is_file() else {}),
        **{page: with_figure(page.read_text(), ".") for page in TRANSLATED if page.is_file()},
    }


def readme(text: str, repository: str) -> str:
    """Write the buttons that deploy a repository into the text of a README; none without one."""
    codespace = repository.replace("//github.com/", "//codespaces.new/", 1)
    buttons = {
        "Deploy to Heroku": f"https://www.heroku.com/deploy?template={repository}",
        "Deploy to Scalingo": f"https://dashboard.scalingo.com/create/app?source={repository}",
        "Open in Codespaces": codespace if codespace != repository else "",
        "Releases": f"{repository}/releases",
    }
    lines = [f"[{name}]({address})" for name, address in buttons.items() if address]
    block = f"\n{' · '.join(lines)}\n" if repository else "\n"
    return with_figure(_BUTTONS.sub(lambda marks: f"{marks[1]}{block}{marks[2]}", text), ",")


def with_figure(text: str, separator: str) -> str:
    """Write the measured requests per second between their two marks, if a text has them."""
    figure = _measured("reference/benchmark.md", "One record per request", "this service")[5]
    return _FIGURE.sub(rf"\g<1>{figure.replace(',', separator)}\g<2>", text)


def _repository() -> str:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return str(settings.get("tool", {}).get("template", {}).get("repository", "")).rstrip("/")


def settings_page() -> str:
    """Describe every setting from its metadata."""
    types = get_type_hints(Settings)
    rows = [
        (
            f"`{one.name.upper()}`",
            _KINDS[types[one.name]],
            f"`{default}`" if (default := _default(one)) else "empty",
            one.metadata["meaning"],
        )
        for one in fields(Settings)
    ]
    return "\n".join(
        [
            NOTE.format(source="settings.py"),
            "# Settings\n",
            "Each is read from the environment, once, when a command starts.",
            "An empty variable counts as absent.",
            "A value that cannot be read stops the command; the message names every such variable.",
            "Every command also reads `.env` in the project's folder; the environment wins.",
            "Copy `.env.example` to begin one.",
            "Its values are taken as they stand: `$` and `&` mean nothing, quotes around a value",
            "are removed, and a blank and `#` begin a comment unless they are in quotes. A line",
            "that cannot be read, a name that is nearly that of a setting, and a name that comes",
            "twice are refused by the number of the line. Names of your own may stand there too.",
            "A flag is `true` or `false`, `1` or `0`.\n",
            _table(("Name", "Kind", "Default", "Meaning"), rows),
        ]
    )


def make_page(makefile: str) -> str:
    """Describe every target from its ``##`` comment."""
    rows = []
    for name, text in _TARGET.findall(makefile):
        found = _EXAMPLE.match(text)
        what, example = found.groups() if found else (text, f"make {name}")
        rows.append((f"`make {name}`", what, f"`{example}`"))
    return "\n".join(
        [
            NOTE.format(source="the makefile"),
            "# make\n",
            "`make` alone lists the targets.",
            "Every target that needs Python first makes `.venv` from `Pipfile.lock`.",
            "That takes a minute or two once, then next to nothing.\n",
            _table(("Target", "What it does", "Example"), rows),
        ]
    )


def command_page(commands: Sequence[click.Command]) -> str:
    """Describe every command from its help."""
    program = click.Context(click.Group("flask"), info_name="flask")
    return "\n".join(
        [
            NOTE.format(source="engine/commands/"),
            "# The command line\n",
            "`flask` finds `app.py` by itself in the project's folder. Where `.venv` is not active",
            "it is `.venv/bin/flask`. It reads the [settings](settings.md) as the others do.\n",
            _table(("Exit code", "Meaning"), _EXIT_CODES),
            "With `--json` a command prints one JSON document on standard output and nothing else.",
            "A refusal is then an object with `error` and, for a file, `errors`. Messages go to",
            "standard error.\n",
            *(_command(one, program) for one in commands),
        ]
    )


def capacity_page() -> str:
    """Say what the sample model needs, by the figures of the pages that measure it."""
    benchmark, log = "reference/benchmark.md", "how-to/prediction-log.md"
    one = _measured(benchmark, "One record per request", "this service")
    bulk = _measured(benchmark, "Start, memory, size, bulk", "this service")
    prediction = _measured(benchmark, "The floor", "this service's prediction")
    appending = _measured(log, "What it costs", "")
    stored = {kind: _measured(log, "What it costs", kind)[1] for kind in ("SQLite", "PostgreSQL")}
    logged = [f"{float(one[at]) + float(appending[by]):.1f}" for at, by in ((4, 1), (8, 2))]
    many = 1e6 / float(prediction[2].replace(",", ""))
    cores = 1000 * float(logged[0]) / 1e6
    rows = [
        ("one record per request", "1", f"{one[1]} requests", f"{one[4]} µs per request"),
        ("one record per request", "32", f"{one[5]} requests", f"{one[8]} µs per request"),
        ("1,000 records per request", "4", f"{bulk[4]} records", f"{many:.1f} µs per record *"),
        ("one record, with the prediction log", "1", "**", f"{logged[0]} µs per request"),
        ("one record, with the prediction log", "32", "**", f"{logged[1]} µs per request"),
    ]
    text = (ROOT / "docs" / benchmark).read_text()
    (when,) = re.findall(r"Measured on .*?\.\n\n", text, re.DOTALL)
    (idle,) = re.findall(r"of a core and (\d+ MB)", (ROOT / "docs" / log).read_text())
    found = {
        "loads": _table(("Load", "Connections", "Per second", "CPU time"), rows),
        "memory": bulk[2], "idle": idle, "stored": stored, "logged": logged[0],
        "cores": f"{cores:.2f}", "tail": (one[3], one[7]), "start": bulk[1],
        "measured": "\n".join(textwrap.wrap(when, 120)),
        "scale": scale.section(one[8], logged[1], stored["PostgreSQL"], (bulk[2], idle), _table),
    }  # fmt: skip
    return _CAPACITY.format(**found)


def _measured(page: str, section: str, begin: str) -> list[str]:
    """Return the cells of the first row of a section's tables that begins so."""
    text = (ROOT / "docs" / page).read_text().partition(f"## {section}\n")[2]
    text = text.partition("\n## ")[0]
    rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()
            if line.startswith("|"))  # fmt: skip
    return next(row for row in list(rows) if row[0].startswith(begin) and row[1][:1].isdigit())


def _command(command: click.Command, parent: click.Context) -> str:
    context = click.Context(command, info_name=command.name, parent=parent)
    text, _, examples = inspect.cleandoc(command.help or "").partition("\b\nExamples:\n")
    words = [context.command_path, *command.collect_usage_pieces(context)]
    parts = [f"## `{context.command_path}`\n", f"{text.strip()}\n"]
    if isinstance(command, click.Group):
        return "\n".join([*parts, *(_command(one, context) for one in command.commands.values())])
    parts += ["```text", " ".join(words), "```\n", "```sh", inspect.cleandoc(examples), "```\n"]
    options = [one for one in command.params if isinstance(one, click.Option)]
    found = [record for one in options if (record := one.get_help_record(context))]
    rows = [(f"`{name}`".replace("|", "\\|"), meaning) for name, meaning in found]
    return "\n".join([*parts, _table(("Option", "Meaning"), rows)])


def stale() -> list[Path]:
    """List the generated pages whose file says something else."""
    return [
        path for path, text in pages().items() if not path.is_file() or path.read_text() != text
    ]


def main() -> int:
    """Write the pages, or check them; give the exit status."""
    parser = argparse.ArgumentParser(description="Write the generated pages of docs/.")
    parser.add_argument("--check", action="store_true", help="only tell whether they are stale")
    is_check = parser.parse_args().check
    found = stale()
    for path in found:
        name = path.relative_to(ROOT)
        if is_check:
            print(f"docs: {name} is stale. Run: make docs", file=sys.stderr)
        else:
            path.write_text(pages()[path])
            print(f"docs: wrote {name}")
    return 1 if is_check and found else 0


def _default(one: "Field[Any]") -> str:
    default = one.default
    return str(default).lower() if isinstance(default, bool) else str(default)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
