"""Compare the service with pipelines fitted independently: ``python -m tests.audit``."""

import argparse
import sys
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.audit.pipelines import cases
from tests.audit.run import Result, audit


def main(arguments: list[str] | None = None) -> int:
    """Run the cases and print a line for each; return 1 when an answer was wrong."""
    options = _parser().parse_args(arguments)
    places = [
        place
        for place, case in enumerate(cases())
        if options.only.lower() in f"{case.name}, {case.task}, {case.table.name}".lower()
    ][:: options.every]
    results = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for result in pool.map(_run, places):
            results.append(result)
            print(_line(result), flush=True)
    print(_summary(results))
    return 1 if any(result.wrong for result in results) else 0


def _run(place: int) -> Result:
    warnings.simplefilter("ignore")
    return audit(cases()[place])


def _line(result: Result) -> str:
    line = (
        f"{result.name:44} {result.table:20} {result.task[:5]} {result.runtime or '-':7} "
        f"{result.answers:6,} answers, {len(result.wrong):4} wrong, "
        f"differences up to {result.largest:.1g}"
    )
    if result.refused:
        line += f"; refused: {result.refused[:300]}"
    return "\n  ".join([line, *(text[:300] for text in result.wrong[:3])])


def _summary(results: list[Result]) -> str:
    served = [result for result in results if not result.refused]
    runtimes = Counter(result.runtime for result in served)
    wrong = sum(len(result.wrong) for result in results)
    exact = [result.largest for result in served if result.runtime == "exact"]
    return (
        f"{len(served)} pipelines on {len({result.table for result in served})} tables "
        f"({', '.join(f'{runtime} {count}' for runtime, count in sorted(runtimes.items()))}), "
        f"{sum(result.answers for result in served):,} answers, {wrong} wrong; "
        f"{len(results) - len(served)} were refused by the build; {exact.count(0.0)} of "
        f"{len(exact)} exact ones equal bit for bit, the others up to {max(exact, default=0):.1g}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The service against independent pipelines.")
    parser.add_argument("--only", default="", help="cases whose line holds this text")
    parser.add_argument("--every", type=int, default=1, help="each so-manieth case")
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time")
    return parser


if __name__ == "__main__":
    sys.exit(main())
