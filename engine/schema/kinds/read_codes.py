"""What stands for the valid values of a field where records are a matrix."""

from typing import Any

from msgspec import UNSET


class ReadCodes(dict[Any, Any]):
    """The double, text or identifier of each value, read by the field when it is looked up."""

    def __init__(self, field: Any) -> None:
        self._field = field
        super().__init__(dict.fromkeys((None, UNSET), self._code(field.absent)))

    def _code(self, clean: Any) -> Any:
        clean = self._field.word_codes.get(clean, clean)
        return clean if clean is None or isinstance(clean, (str, int)) else float(clean)

    def __missing__(self, value: Any) -> Any:
        clean, finding = self._field.read(value)
        if finding:
            raise KeyError(value)
        return self._code(clean)
