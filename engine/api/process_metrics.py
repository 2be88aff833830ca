"""Figures of all processes of the service together; Linux alone reports them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_TICKS = os.sysconf("SC_CLK_TCK")

#: Lists the children of a process.
Children = Callable[[int], list[int]]


def process_metrics(master: int, children: Children) -> Iterator[Metric]:
    """Yield CPU time, memory and threads of a process and those that it has forked."""
    cpu = CounterMetricFamily("service_cpu_seconds", "CPU time of all processes, past ones too")
    memory = GaugeMetricFamily(
        "service_memory_bytes", "Memory of all processes; what they share counts once"
    )
    threads = GaugeMetricFamily("service_threads", "Threads of all processes")
    start = GaugeMetricFamily("service_start_time_seconds", "When the service started")
    try:
        processes = [master, *children(master)]
        stats = [_read_stat(process) for process in processes]
        cpu.add_metric([], _cpu_seconds(master, children))
        threads.add_metric([], sum(int(stat[17]) for stat in stats))
        lines = Path("/proc/stat").read_text().splitlines()
        boot_time = next(int(line.split()[1]) for line in lines if "btime" in line)
        start.add_metric([], boot_time + int(stats[0][19]) / _TICKS)
        memory.add_metric([], sum(map(_memory_bytes, processes)))
    except OSError:
        pass  # not Linux, or closed to us
    yield from (cpu, memory, threads, start)


def _read_stat(process: int) -> list[str]:
    """Read what the kernel reports about a process, from its state on."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def _cpu_seconds(master: int, children: Children) -> float:
    """Add up the time of living and of ended processes.

    A process that ends between the two sums would count in both or in neither,
    so the sums are made anew until none has ended meanwhile.
    """
    while True:
        ended = _read_stat(master)[13:15]
        total = 0
        for process in [master, *children(master)]:
            try:
                total += sum(map(int, _read_stat(process)[11:15]))
            except OSError:
                continue
        if ended == _read_stat(master)[13:15]:
            return total / _TICKS


def _memory_bytes(process: int) -> int:
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
        return 1024 * int(text.partition("\nPss:")[2].split()[0])
    except (OSError, IndexError):
        return 0  # it has ended
