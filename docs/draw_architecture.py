"""Draw the rooms and their imports: ``explanation/architecture.toml`` as SVG."""

import tomllib
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 212, 50, 24, 34, 12

_HEAD = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" \
viewBox="0 0 {width} {height}" role="img" aria-label="The rooms and which of them import which">
<style>
text {{ font-family: system-ui, sans-serif; font-size: 12px; fill: #1b2733; }}
.name {{ font-weight: 600; font-size: 13px; }}
path {{ fill: none; stroke: #64748b; stroke-width: 1.4; }}
rect {{ fill: #e8eef6; stroke: #94a3b8; }}
.yours {{ fill: #fdf1d7; stroke: #d9a441; }}
.page {{ fill: #ffffff; stroke: none; }}
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" \
orient="auto"><polygon points="0,0 8,4 0,8" fill="#64748b"/></marker></defs>
<rect class="page" width="{width}" height="{height}"/>
"""


def drawing(source: str) -> str:
    """Return the SVG of the rooms.

    Parameters
    ----------
    source : str
        TOML: for each room its ``name``, what it ``holds``, its row and column
        (``at``), and the rooms that it ``uses``.
    """
    rooms = {room["name"]: room for room in tomllib.loads(source)["room"]}
    rows = 1 + max(room["at"][0] for room in rooms.values())
    columns = 1 + max(room["at"][1] for room in rooms.values())
    head = _HEAD.format(
        width=2 * MARGIN + columns * (WIDTH + GAP_X) - GAP_X,
        height=2 * MARGIN + rows * (HEIGHT + GAP_Y) - GAP_Y,
    )
    # Arrows come first, so that a box hides what passes behind it.
    arrows = [_arrow(room, rooms[used]) for room in rooms.values() for used in room["uses"]]
    return head + "".join(arrows) + "".join(map(_box, rooms.values())) + "</svg>\n"


def _corner(room: dict[str, Any]) -> tuple[int, int]:
    row, column = room["at"]
    return MARGIN + column * (WIDTH + GAP_X), MARGIN + row * (HEIGHT + GAP_Y)


def _box(room: dict[str, Any]) -> str:
    left, top = _corner(room)
    kind = "" if room["name"].startswith(("engine/", "persistence")) else ' class="yours"'
    return (
        f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="6"{kind}/>\n'
        f'<text class="name" x="{left + 10}" y="{top + 21}">{escape(room["name"])}</text>\n'
        f'<text x="{left + 10}" y="{top + 39}">{escape(room["holds"])}</text>\n'
    )


def _arrow(room: dict[str, Any], used: dict[str, Any]) -> str:
    """Draw a curve from below one box to the top of another, spread along both edges."""
    (x1, y1), (x2, y2) = _corner(room), _corner(used)
    lean = (used["at"][1] > room["at"][1]) - (used["at"][1] < room["at"][1])
    start, end = x1 + WIDTH // 2 + 60 * lean, x2 + WIDTH // 2 - 60 * lean
    bend = GAP_Y + 6 * (used["at"][0] - room["at"][0])
    return (
        f'<path d="M{start},{y1 + HEIGHT} C{start},{y1 + HEIGHT + bend} {end},{y2 - bend} '
        f'{end},{y2 - 2}" marker-end="url(#tip)"/>\n'
    )
