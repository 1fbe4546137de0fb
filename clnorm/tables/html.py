"""The grid as a page of its own, which needs nothing from elsewhere."""

from clnorm.tables.captions import write_caption
from clnorm.tables.cells import list_groups, list_headings, list_rows
from clnorm.tables.dialects import HTML
from clnorm.tables.grid import Grid
from clnorm.tables.names import plural
from clnorm.tables.origin import list_origin

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }}
div {{ overflow-x: auto; }}
table {{ border-collapse: collapse; border-block: 2px solid; font-variant-numeric: tabular-nums; }}
thead tr:last-child th {{ border-bottom: 1px solid; }}
th, td {{ padding: .2rem .7rem; text-align: right; white-space: nowrap; font-weight: normal; }}
th[scope=row], th:first-child {{ text-align: left; }}
th[scope=colgroup] {{ text-align: center; }}
p {{ max-width: 60rem; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<!--
{origin}
-->
<div tabindex="0" role="region" aria-label="{title}">
<table>
<thead>
<tr><td></td>{groups}</tr>
<tr><th scope="col">{axis}</th>{headings}</tr>
</thead>
<tbody>
{rows}
</tbody>
</table>
</div>
<p>{caption}</p>
</body>
</html>
"""


def to_html(grid: Grid) -> str:
    """A page with the table, its caption below, and a comment that names the runs."""
    groups, headings = list_groups(grid, HTML), list_headings(grid, HTML)
    rows = (
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for name, *cells in list_rows(grid, HTML)
    )
    return _PAGE.format(
        title=HTML.escape(f"{plural(grid.axes[0])} by {grid.axes[1]}"),
        origin=HTML.escape("\n".join(list_origin(grid))).replace("\\n", "\n").replace("--", "- -"),
        groups="".join(f'<th scope="colgroup" colspan="{len(headings)}">{group}</th>' for group in groups),
        axis=grid.axes[0],
        headings="".join(f'<th scope="col">{heading}</th>' for heading in headings * len(groups)),
        rows="\n".join(rows),
        caption=write_caption(grid, HTML),
    )
