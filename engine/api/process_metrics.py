"""Figures of the service's processes, taken together; Linux alone tells them."""

import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_TICKS = os.sysconf("SC_CLK_TCK")


def figures(master: int) -> Iterator[Metric]:
    """Give CPU time, memory and threads of a process and those that it has forked."""
    cpu = CounterMetricFamily("service_cpu_seconds", "CPU time of all processes, past ones too")
    memory = GaugeMetricFamily(
        "service_memory_bytes", "Memory of all processes; what they share counts once"
    )
    threads = GaugeMetricFamily("service_threads", "Threads of all processes")
    started = GaugeMetricFamily("service_start_time_seconds", "When the service started")
    try:
        found = [_stat(one) for one in [master, *_children(master)]]
        cpu.add_metric([], _cpu_seconds(master))
        threads.add_metric([], sum(int(one[17]) for one in found))
        boot = next(one for one in Path("/proc/stat").read_text().splitlines() if "btime" in one)
        started.add_metric([], int(boot.split()[1]) + int(found[0][19]) / _TICKS)
        memory.add_metric([], sum(map(_memory, [master, *_children(master)])))
    except OSError:
        pass  # not Linux, or closed to us
    yield from (cpu, memory, threads, started)


def _children(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(one) for one in found.split()]


def _stat(process: int) -> list[str]:
    """Read what the kernel says of a process, from its state on."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def _cpu_seconds(master: int) -> float:
    """Add up what lives and what has ended; ask again when one ends meanwhile."""
    while True:
        ended = _stat(master)[13:15]
        total = 0
        for one in [master, *_children(master)]:
            try:
                total += sum(map(int, _stat(one)[11:15]))
            except OSError:
                continue
        if ended == _stat(master)[13:15]:
            return total / _TICKS


def _memory(process: int) -> int:
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
        return 1024 * int(text.partition("\nPss:")[2].split()[0])
    except (OSError, IndexError):
        return 0  # it has ended
