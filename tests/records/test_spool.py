"""What is written now and sent later, where nothing can be written."""

import tempfile
from pathlib import Path

import pytest

from engine.records.problems import BadRequest
from engine.records.spool import MOST_IN_MEMORY, Spool


def test_bytes_when_no_folder_can_be_written_are_refused_once_they_leave_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nothing"))
    spool = Spool(2 * MOST_IN_MEMORY, what="the table")
    spool.write(b"x" * MOST_IN_MEMORY)

    with pytest.raises(BadRequest, match="another folder in TMPDIR") as refused:
        spool.write(b"x")

    assert 507 == refused.value.status
