"""What `/metrics` says, read as Prometheus reads it."""

from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

#: Metrics whose numbers never fall.
RISING = ("_total", "_bucket", "_count", "_sum")


class Exposed:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.families = {one.name: one for one in text_string_to_metric_families(text)}

    @property
    def samples(self) -> Iterable[Sample]:
        """Every sample."""
        return [sample for one in self.families.values() for sample in one.samples]

    def of(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Give a metric's numbers by the values of some labels, the others added up."""
        found: dict[tuple[str, ...], float] = {}
        for one in self.samples:
            if one.name == name:
                key = tuple(one.labels.get(label, "") for label in labels)
                found[key] = found.get(key, 0) + one.value
        return found

    def rising(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Give what must never fall."""
        return {
            (one.name, frozenset(one.labels.items())): one.value
            for one in self.samples
            if one.name.endswith(RISING)
        }


def assert_none_fell(before: Exposed, after: Exposed) -> None:
    """See that no counter of a later scrape is below that of an earlier one."""
    later = after.rising()
    fell = {key: value for key, value in before.rising().items() if later.get(key, -1) < value}
    assert {} == fell
