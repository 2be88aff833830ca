"""The function of a model file that reads its table."""

from engine.languages import gettext as _
from engine.training.infer.draft import ModelDraft
from engine.training.infer.layout import assignment, call, plain, quote, written
from engine.training.infer.numbers import PLAIN


def load_data_lines(draft: ModelDraft) -> list[str]:
    """Return the lines of load_data."""
    source, gaps = draft.source, draft.gap_words
    arguments = dict(source.arguments)
    listed = [*dict.fromkeys(word for words in gaps.values() for word in words)]
    shown = ", ".join(quote(word[:15]) for word in listed[:3] if word)
    says = _("Read the table; empty cells are gaps.")
    if shown:
        says = _("Read the table; empty cells and {words} are gaps.").format(words=shown)
    lines = ["def load_data(path: Path) -> pd.DataFrame:", f'    """{plain(says)}"""']
    names, later = _steps(draft)
    last = ""
    if source.is_text:
        lines += [
            "    columns = (*fields, target)",
            "    words = [field.column for field in columns if not isinstance(field, Number)]",
        ]
        signs = {"decimal": draft.style.decimal, "thousands": draft.style.thousands}
        arguments |= {name: sign for name, sign in signs.items() if sign != PLAIN._asdict()[name]}
        are_gaps_everywhere = not any(each.odd for each in (*draft.fields, draft.target))
        arguments |= {"na_values": listed if are_gaps_everywhere else gaps} if gaps else {}
        worded = "[*words, *marked]" if "marked" in names else "words"
        last = f"dtype=dict.fromkeys({worded}, str)"
    for name, value in names.items():
        line = assignment(name, value, indent=4)
        lines.append(line + ("  # fmt: skip" if "\n" in line else ""))
    begin = "table =" if later else "return"
    function = source.function if source.function == "read_database" else f"pd.{source.function}"
    reading = call(f"{begin} {function}", arguments, indent=4, first="path", last=last)
    lines.append(reading + ("  # fmt: skip" if "\n" in reading else ""))
    lines += [f"    table = {step}" for step in later[:-1]]
    return [*lines, *(f"    return {step}" for step in later[-1:])]


def _steps(draft: ModelDraft) -> tuple[dict[str, object], list[str]]:
    """Return the names that the steps after the reading use, with their values, and the steps."""
    names: dict[str, object] = {}
    later = [*draft.source.steps]
    if draft.source.totals:
        later.append(f"table[~table.isin({written([*draft.source.totals])}).any(axis=1)]")
    if draft.gap_words and not draft.source.is_text:
        later.append(f"table.replace({written(draft.gap_words)}, None)")
    if draft.padded:
        names["padded"] = draft.padded
        later.append("table.assign(**table[padded].apply(lambda column: column.str.strip()))")
    columns = (*draft.fields, draft.target)
    if marked := {each.header: each.replacements for each in columns if each.replacements}:
        names["marked"] = marked
        later.append("table.assign(**table[[*marked]].replace(marked, regex=True).astype(float))")
    if draft.target.dropped:
        names["rare"] = [*draft.target.dropped]
        later.append("table[~table[target.column].astype(str).isin(rare)]")
    if draft.has_target_gaps:
        later.append("table.dropna(subset=[target.column])")
    return names, later
