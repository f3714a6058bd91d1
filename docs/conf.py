"""How the documentation is built: ``sphinx-build -W -n docs <somewhere outside of the project>``."""

from __future__ import annotations

from importlib.metadata import version as _version

import django
from django.conf import settings
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

project = "b24batch"
author = "the authors of b24batch"
version = release = _version("b24batch")
html_theme = "furo"
html_title = f"b24batch {version}"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
copybutton_prompt_text = r">>> |\.\.\. |\$ |> "
copybutton_prompt_is_regexp = True
exclude_patterns = ["notebooks"]
highlight_language = "python"

default_role = "py:obj"
add_module_names = False
maximum_signature_line_length = 90
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_type_aliases = {"Call": "b24batch.Call", "Params": "b24batch.Params", "Calls": "b24batch.Calls"}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

#: Types of others, whose documentation is not ours (there is no intersphinx, so that a build needs no network); types
#: of our own that signatures mention and no caller needs.
nitpick_ignore_regex = [
    (r"py:.*", r"(collections|contextlib|datetime|decimal|enum|os|pathlib|sqlite3|threading|types|typing)\..*"),
    (r"py:.*", r"(django|requests|tenacity|urllib3)\..*"),
    (r"py:exc", r"(Base|Import|OS|Operational|Runtime|Type|Value)?(Exception|Error)|ImproperlyConfigured"),
    (r"py:.*", r"(.*\.)?(Connections|Data|Evidence|Exchange|HttpAddress|JSON|JsonValue|ProcessLock|Renewal)"),
    (r"py:.*", r"(.*\.)?(CallDict|CallList|ViewDecorator|P|R|Way|_H|_Portal)"),
    (r"py:class", "TypeAliasForwardRef"),  # what Sphinx makes of the aliases above
]

settings.configure(INSTALLED_APPS=["b24batch.django"], DATABASES={}, B24BATCH={})
django.setup()  # or models cannot be imported


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement) -> nodes.Node | None:
    """Find a name of ours by its end: `Session` in single backticks, ``b24batch.session.Session`` in a signature.

    What a docstring has in single backticks and is not a name of the reference, such as an argument, is code. On a
    page it is a mistake, and the build says so.
    """
    if node.get("refdomain") != "py":
        return None
    target, page = node["reftarget"], node["refdoc"]
    names = [target, target.rpartition(".")[2]] if target.startswith("b24batch.") else [target]
    for name in names:
        found = env.domains.python_domain.find_obj(env, node.get("py:module"), node.get("py:class"), name, None, 1)
        places = {(entry.docname, entry.node_id) for _, entry in found}
        if len(places) == 1:
            return make_refnode(app.builder, page, *places.pop(), text, target)
    return text if node["reftype"] == "obj" and page.startswith("api") and "b24batch." not in target else None


def setup(app: Sphinx) -> None:
    """Let names be found by their end."""
    app.connect("missing-reference", resolve)
