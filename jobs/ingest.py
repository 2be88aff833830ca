"""Bring the records of a source into the lake, and clean them by the model's own rules.

For instance::

    python -m jobs.ingest beers
    python -m jobs.ingest delay --since 2017-03-01 --until 2017-04-01

jobs/sources.toml describes the source. The records are kept as they came in
`raw/`; those that fit the model are in `cleaned/`, as Parquet, and the others in
`rejected/`, with the reasons. A record that comes again unchanged is not stored again.

Exit codes: 0 all is stored; 1 the source or the lake failed, and what was stored stays;
2 wrong usage. After any end, the same command goes on where it was.
"""

import argparse
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec

import models
from engine.schema.definition import InvalidDefinition
from engine.training.cleaning import Cleaner
from jobs.sources import InvalidSource, Moment, Record, Source, SourceFailed, load_source
from persistence.database import DatabaseError
from persistence.lake import ChainMoved, DamagedObject, Lake
from persistence.lake_parts import is_divided
from persistence.names import NAME
from settings import InvalidSettings, Settings


def main(arguments: list[str]) -> int:
    """Ingest from the source that is named; return the exit code."""
    parser = argparse.ArgumentParser("jobs.ingest", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", help="the name of the source, as a rule that of a model")
    parser.add_argument("--since", type=moment_of, help="only records of this time on (ISO 8601)")
    parser.add_argument("--until", type=moment_of, help="only records before this time")
    parser.add_argument("--sources", type=Path, default=Path(__file__).with_name("sources.toml"))
    options = parser.parse_args(arguments)
    try:
        if not NAME.fullmatch(options.name):  # it is a folder, and a view
            raise InvalidSource(f"{options.name!r} is no name: give a-z, 0-9 and _, as for a model")
        place = f"{Settings.from_environment().lake}/{options.name}"
        source = load_source(options.sources, options.name)
        if (options.since or options.until) and not source.time:
            raise InvalidSource(f"{options.name} has no time: name the column that has it")
        definition = models.find(options.name) if options.name in models.names() else None
        cleaner = Cleaner(
            definition, key=source.key, columns=source.columns, derived=source.derived
        )
        counts, failure = ingest(source, cleaner, place, options.since, options.until)
    except (InvalidSettings, InvalidSource, InvalidDefinition, models.UnknownModel) as error:
        print(f"ingest: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        remedy = "pip install -r requirements-jobs.txt"
        print(f"ingest: {error.name} is not installed: {remedy}", file=sys.stderr)
        return 2
    except (OSError, ChainMoved, DamagedObject) as error:  # a bucket that fails is an OSError
        said = "nothing that was stored is lost; mend it and run this again"
        print(f"ingest: {place} is not written: {error}: {said}", file=sys.stderr)
        return 1
    print(f"{options.name}: {summary(counts)}")
    if failure:
        print(f"ingest: {failure}: what came is stored; run this again to go on", file=sys.stderr)
    return 1 if failure else 0


def ingest(
    source: Source, cleaner: Cleaner, place: str, since: Moment, until: Moment
) -> tuple[Counter[str], str]:
    """Store what the source has, and clean what is stored.

    Returns
    -------
    counts : Counter of str
        Records that ``came``, are ``new``, ``cleaned`` and ``rejected``, and reasons.
    failure : str
        Why the source did not deliver all; empty where it did.
    """
    lake, counts, failure, is_span = Lake(place, source.key), Counter[str](), "", since or until
    for raw in lake.replay():
        if not is_divided(raw, lake.objects):  # a run that was cut has left it so
            counts += cleaner.clean(raw, lake.objects)
    cursor, place_of = lake.cursor, {"of": source.place()}
    # One of another address, table or separator would pass over what is to be read now.
    known = cursor if not is_span and cursor.get("of") == place_of["of"] else {}
    try:
        for part in source.read(known, since, until):
            records = part.records
            if is_span:
                records = [each for each in records if is_within(each, source.time, since, until)]
            else:  # what is asked for a span leaves the place where it is
                cursor = part.cursor | place_of
            counts["came"] += len(records)
            if stored := lake.add(records, cursor):
                counts += cleaner.clean(stored, lake.objects) + Counter(new=len(stored.records))
    except (SourceFailed, DatabaseError) as error:
        failure = str(error)
    lake.move(cursor)
    lake.remember()
    return counts, failure


def is_within(record: Record, column: str, since: Moment, until: Moment) -> bool:
    """Return whether the time of a record is in a span; raise SourceFailed where it has none."""
    try:
        moment = moment_of(str(msgspec.json.decode(record[1])[column]))
    except (ValueError, LookupError, TypeError) as error:
        raise SourceFailed(f"{record[0]} has no time of ISO 8601 in {column!r}") from error
    return (since is None or since <= moment) and (until is None or moment < until)


def moment_of(text: str) -> datetime:
    """Return a moment; one without a zone is of UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def summary(counts: Counter[str]) -> str:
    """Return the counts in a sentence."""
    why = ", ".join(f"{name[1:]} {count}" for name, count in counts.most_common() if name[0] == "(")
    rejected = f"{counts['rejected']} rejected" + (f" ({why})" if why else "")
    came = f"{counts['came']} records came, {counts['new']} of them new or changed"
    return f"{came}: {counts['cleaned']} cleaned, {rejected}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
