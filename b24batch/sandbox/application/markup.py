"""The HTML of the portal's pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from b24batch.sandbox.server.answers import Answer

#: The portal's part of Bitrix24's library for pages in a frame.
LIBRARY = """\
window.BX24 = {
  init: function (ready) {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready);
    else ready();
  },
  installFinish: function () { parent.postMessage("installFinish", "*"); }
};
"""

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
  body {{ font: 16px sans-serif; margin: 0; background: #eef2f4; color: #333 }}
  nav, main {{ padding: 12px 24px }}
  nav {{ background: #2067b0 }}
  nav a {{ color: #fff; margin-right: 24px }}
  iframe {{ width: 100%; height: 420px; border: 1px solid #c6cdd3; background: #fff }}
  label {{ display: block; margin: 12px 0 }}
  input[type=url] {{ width: 40em; max-width: 90% }}
  .tabs a {{ margin-right: 24px }}
</style>
<nav><a href="/devops/edit/application/local/">Developer resources</a><a href="/marketplace/app/1/">Application</a>
<a href="/crm/deal/">Deals</a></nav>
<main>
<h1>{title}</h1>
{body}
</main>
</html>
"""

_FORM = """\
<form method="post">
<label>Your handler path<br><input type="url" name="handler" value="{handler}"></label>
<label>Initial installation path<br><input type="url" name="install" value="{install}"></label>
<label><input type="checkbox" name="script_only" value="1"> Script only (no user interface)</label>
<button>Save</button>
</form>
<form method="post" action="/devops/delete/application/1/"><p><button>Delete the application</button></p></form>
"""

#: A frame has the name that the real library reads, and its document is the answer to a POST.
_FRAME = """\
<iframe name="{name}" title="application"></iframe>
<form method="post" action="{url}" target="{name}" hidden>{fields}</form>
<script>
document.querySelector("form[target]").submit();
addEventListener("message", function (event) {{
  if (event.source !== frames[0] || event.data !== "installFinish") return;
  fetch("/marketplace/app/1/installed/", {{method: "POST"}}).then(function () {{ location.reload(); }});
}});
</script>
"""


def make_page(title: str, body: str, status: int = 200) -> Answer:
    """Return a page of the portal; the body is HTML."""
    headers = {"Content-Type": "text/html; charset=utf-8"}
    return Answer(_PAGE.format(title=escape(title), body=body), status, headers)


def make_form(handler: str, install: str) -> str:
    """Return the form for the addresses of an application."""
    return _FORM.format(handler=escape(handler), install=escape(install))


def make_frame(name: str, url: str, fields: Mapping[str, str]) -> str:
    """Return a frame, and the form that is posted into it."""
    inputs = "".join(f'<input name="{escape(key)}" value="{escape(value)}">' for key, value in fields.items())
    return _FRAME.format(name=escape(name), url=escape(url), fields=inputs)


def make_links(links: Iterable[tuple[str, str]]) -> str:
    """Return links, each with its address and its text, as tabs."""
    linked = "\n".join(f'<a href="{escape(address)}">{escape(text)}</a>' for address, text in links)
    return f'<p class="tabs">{linked}</p>'


def make_text(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{escape(text)}</p>"
