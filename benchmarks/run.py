"""Run the benchmarks, print how they compare with the bars, and write README.md.

The names for --only are those of BENCHMARKS below.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable

import batches
import growing
import ingesting
import reading
import serving
import startup
from bench import Bench
from datasets import FULL, QUICK, Data, Scale
from load import Generator
from measure import HERE, MeasureError
from report import show, write
from results import Results
from setting import describe
from stores import Stores

BENCHMARKS: dict[str, Callable[[Bench], None]] = {
    "duckdb": ingesting.duckdb,
    "chdb": ingesting.chdb,
    "sqlite-utils": ingesting.sqlite_utils,
    "again": ingesting.again,
    "disk": ingesting.disk,
    "help": startup.help_text,
    "profile-json": startup.profile_json,
    "reads": reading.weights,
    "get": serving.get,
    "post": serving.post,
    "heaviest": serving.heaviest,
    "during-ingest": serving.during_ingest,
    "batches": batches.batches,
    "large": ingesting.into_large,
    "large-reads": reading.large,
    "growth": growing.growth,
    "memory": ingesting.memory,
    "batch-memory": batches.memory,
}

_CORES = 2  # of the machine: the bars are meant for these, and processes inherit the choice


def main() -> None:
    """Measure what the command line asks for, or only report what was measured."""
    arguments = _arguments()
    scale = QUICK if arguments.quick else FULL
    results = Results(scale.folder / "results.json")
    failed: list[str] = []
    if not arguments.report:
        failed = _measure(arguments.only or list(BENCHMARKS), scale, results, arguments.pairs)
    show(results)
    write(results, scale.folder if arguments.quick else HERE)
    if failed:
        sys.exit(f"failed, and left as it was: {', '.join(failed)}")


def _measure(names: list[str], scale: Scale, results: Results, pairs: int) -> list[str]:
    """Run benchmarks one by one; return the names of those that failed."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])
    data, load = Data(scale), Generator()
    bench = Bench(data, Stores(data), results, load, pairs)
    results.setting = describe(load.name)
    failed = []
    for name in names:
        print(f"{name}...", file=sys.stderr, flush=True)
        begin = time.monotonic()
        try:
            BENCHMARKS[name](bench)
        except MeasureError as error:
            failed.append(name)
            print(f"{name}: {error}", file=sys.stderr, flush=True)
        results.save()
        print(f"{name}: {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    bench.stores.remove()
    return failed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the benchmarks.")
    parser.add_argument("--quick", action="store_true", help="little data, to try it out")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, metavar="NAME")
    parser.add_argument("--pairs", type=int, help="default: 5, or 1 with --quick")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    arguments.pairs = arguments.pairs or (1 if arguments.quick else 5)
    return arguments


if __name__ == "__main__":
    main()
