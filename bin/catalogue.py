"""Bring the catalogues of languages up to the texts of the code and the templates.

python bin/catalogue.py            add new texts, drop old ones, compile
python bin/catalogue.py --check    exit 1 with all that is missing, stale or not compiled
"""

import argparse
import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir, extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine.commands import COMMANDS
from engine.commands.help_text import EXAMPLES, helps

ENGINE = Path(__file__).resolve().parent.parent / "engine"
LANGUAGES = ("pt_BR", "es")

#: How texts are found: the method of Babel for each kind of file.
_METHODS = [("**.py", "python"), ("**.html", "jinja2")]
_KEYWORDS = {"_": None, "gettext": None, "mark": None, "ngettext": (1, 2)}
_OPTIONS = {"**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}

#: One form for one thing and one for none or more, as in English. CLDR has a third, for whole
#: millions, whose "de" no text here needs, and takes none for one in Portuguese, as few people do.
_HEADER = 'msgid ""\nmsgstr ""\n"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n'

#: Lines of a catalogue that change by themselves, and a heading that says nothing.
_NOISE = re.compile(
    rb'^"(POT?-|Generated-|Report-|Last-|Language-Team|Project-).*\n|^#( .*)?\n', re.MULTILINE
)

#: The same texts give the same bytes, whenever they are compiled.
_NO_TIME = datetime(2026, 1, 1, tzinfo=UTC)

#: What stands for a value in a text; a translation has the same.
_PLACE = re.compile(r"{[^{}]*}|%\([a-z_]+\)s")


def path(language: str) -> Path:
    """Return where the catalogue of a language is."""
    return ENGINE / "languages" / language / "LC_MESSAGES/engine.po"


def extracted() -> Catalog:
    """Return the texts of the code and the templates."""
    catalogue = Catalog()
    found = extract_from_dir(
        ENGINE,
        method_map=_METHODS,
        options_map=_OPTIONS,
        keywords=_KEYWORDS,
    )
    for file, _, texts, _comments, _context in found:
        catalogue.add(texts, None, [(f"engine/{file}", 0)])
    for command in ("build_model.py", "test_model.py"):
        for _, texts, *_ in extract_from_file("python", ENGINE.parent / command, _KEYWORDS):
            catalogue.add(texts, None, [(command, 0)])
    for _owner, text in helps(COMMANDS):
        if said := text.partition(EXAMPLES)[0].strip():
            catalogue.add(said, None, [("engine/commands", 0)])
    return catalogue


def read(language: str) -> Catalog:
    """Return the catalogue of a language, which may not be there yet."""
    file = path(language)
    text = file.read_text() if file.exists() else _HEADER
    return read_po(io.StringIO(text), locale=language, domain="engine")


def updated(language: str, texts: Catalog) -> Catalog:
    """Return the catalogue with the texts of the code and no other; none is guessed."""
    catalogue = read(language)
    catalogue.update(texts, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.fuzzy = False
    return catalogue


def written(catalogue: Catalog) -> tuple[bytes, bytes]:
    """Return the catalogue as text, and compiled."""
    po, mo = io.BytesIO(), io.BytesIO()
    catalogue.creation_date = catalogue.revision_date = _NO_TIME
    write_po(po, catalogue, omit_header=False, sort_output=True, include_lineno=False, width=100)
    write_mo(mo, catalogue)
    return _NOISE.sub(b"", po.getvalue()), mo.getvalue()


def problems(language: str, texts: Catalog) -> Iterator[str]:
    """List what is wrong with the catalogue of a language."""
    file, before = path(language), read(language)
    wanted = {message.id for message in texts if message.id}
    known = {message.id for message in before if message.id}
    yield from (f"{language} lacks {text!r}" for text in map(repr, wanted - known))
    yield from (f"{language} has a text that is gone: {text}" for text in map(repr, known - wanted))
    for message in before:
        if message.id and message.id in wanted:
            yield from (f"{language}: {problem}" for problem in _wrong(message))
    if file.with_suffix(".mo").read_bytes() != written(before)[1]:
        yield f"{language} is not compiled"


def _wrong(message: Message) -> Iterator[str]:
    ids = message.id if isinstance(message.id, (tuple, list)) else (message.id,)
    texts = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
    for text in texts:
        if not text:
            yield f"{ids[0]!r} is not translated"
        elif {*_PLACE.findall(text)} - {*_PLACE.findall(" ".join(ids))}:
            yield f"{text!r} names a value that {ids[0]!r} has not"
    missing = {*_PLACE.findall(ids[-1])} - {*_PLACE.findall(str(texts[-1]))}
    if texts[-1] and missing:
        yield f"{texts[-1]!r} leaves out {', '.join(sorted(missing))}"


def main() -> int:
    """Update the catalogues, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    is_check = parser.parse_args().check
    texts = extracted()
    wrong: list[str] = []
    for language in LANGUAGES:
        if is_check:
            wrong += problems(language, texts)
            continue
        po, mo = written(updated(language, texts))
        path(language).write_bytes(po)
        path(language).with_suffix(".mo").write_bytes(mo)
        empty = [message.id for message in read(language) if message.id and not message.string]
        print(f"{language}: {len(texts)} texts, {len(empty)} to translate")
    print("\n".join(f"catalogue: {problem}" for problem in wrong), end="\n" * bool(wrong))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
