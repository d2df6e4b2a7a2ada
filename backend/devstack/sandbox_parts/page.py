"""The sandbox's own page: self-contained HTML tables that refresh themselves. Every cell is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from devstack.http_messages import Response
from devstack.sandbox_parts.store import Document

PAGE_ROWS = 50
_GOOD = {"succeeded", "delivered", "COMPLETED"}
_BAD = {"failed", "canceled", "gave_up", "dropped", "FAILED", "REJECTED", "BLOCKED", "CANCELLED"}
_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .4rem}p{margin:.3rem 0;opacity:.75}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .7rem;
border-bottom:1px solid #8884;white-space:nowrap}th{font-weight:600;font-size:.8rem;opacity:.7}
td{font-variant-numeric:tabular-nums}td.id{font-family:ui-monospace,monospace;font-size:.82rem}
.mark{padding:.05rem .5rem;border-radius:.7rem;background:#8883}
.good{background:#2da44e33}.bad{background:#cf222e33}
"""


@dataclass(frozen=True)
class Table:
    """A table of text cells; column names in `ids` are shown in monospace, in `marks` as coloured states."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    ids: frozenset[str] = frozenset({"id"})
    marks: frozenset[str] = frozenset({"status", "state"})


def clock(timestamp_s: float | None) -> str:
    """A timestamp as UTC time of day."""
    return "" if timestamp_s is None else datetime.fromtimestamp(timestamp_s, UTC).strftime("%H:%M:%S")


def deliveries_table(deliveries: Sequence[Document]) -> Table:
    """Webhook deliveries as WebhookSender.deliveries() gives them."""
    rows = [
        (
            clock(row["created_at"]), row["event_type"], row["event_id"], row["state"], row["attempts"],
            row["last_status"] or row["last_error"], clock(row["delivered_at"]),
        )
        for row in deliveries
    ]  # fmt: skip
    columns = ("time", "type", "event", "state", "attempts", "last answer", "delivered")
    return Table("Webhook deliveries", columns, rows, ids=frozenset({"event"}))


def render_page(*, title: str, note: str, tables: Sequence[Table]) -> Response:
    """The whole page as a response that allows no script and no outside asset."""
    body = "".join(_table(table) for table in tables)
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="3">'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1><p>{escape(note)}</p>{body}</body></html>"
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return Response(200, html.encode(), "text/html; charset=utf-8", {"Content-Security-Policy": policy})


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    rows = "".join(
        f"<tr>{''.join(_cell(table, *cell) for cell in zip(table.columns, row, strict=True))}</tr>"
        for row in table.rows
    )
    if not rows:
        rows = f'<tr><td colspan="{len(table.columns)}">nothing yet</td></tr>'
    return (
        f'<h2>{escape(table.title)}</h2><div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(table: Table, column: str, value: object) -> str:
    text = "" if value is None else str(value)
    if column in table.marks and text:
        tone = " good" if text in _GOOD else " bad" if text in _BAD else ""
        return f'<td><span class="mark{tone}">{escape(text)}</span></td>'
    return f'<td class="{"id" if column in table.ids else ""}">{escape(text)}</td>'
