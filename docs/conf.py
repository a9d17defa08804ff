"""How the site is made: `make docs`."""

import importlib
import inspect
import shutil
from importlib.util import find_spec
from pathlib import Path

import fastdl

HERE = Path(__file__).parent
MODULES = {  # whose public names have a page each, beside those of fastdl itself in api.md
    "fastdl.losses": "Losses",
    "fastdl.schedules": "Schedules of the learning rate",
    "fastdl.init": "Initialisations",
    "fastdl.datasets": "Data sets",
    "fastdl.ops": "Compiled operations",
    "fastdl.sklearn": "Estimators for scikit-learn",
    "fastdl.river": "Row by row, for River",
}

project = "fastdl"
author = "The fastdl authors"
copyright = author
version = release = fastdl.__version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_design",
    "myst_nb",
]
templates_path = ["_templates"]
exclude_patterns = ["_templates"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

autosummary_generate = True
autodoc_typehints = "none"  # docstrings say what they are in fewer words
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the template of a class shows them

html_theme = "pydata_sphinx_theme"
html_title = "fastdl"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "fastdl"},
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "show_prev_next": True,
}


def public_names(module):
    """What a module offers: its ``__all__``, or else the classes that it defines."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and name[0] != "_"
    ]


def write_pages():
    """A page a module in docs/api, from which autosummary makes one for each name."""
    folder = HERE / "api"
    shutil.rmtree(folder, ignore_errors=True)  # with pages of names that are no more
    folder.mkdir()
    for name, title in MODULES.items():
        page = folder / f"{name.removeprefix('fastdl.')}.rst"
        if (name == "fastdl.sklearn" and find_spec("sklearn") is None) or find_spec(name) is None:
            continue
        names = public_names(importlib.import_module(name))
        lines = [
            f"{title}\n{'=' * len(title)}\n",
            f".. automodule:: {name}\n   :no-members:\n",
            f".. currentmodule:: {name}\n",
            ".. autosummary::\n   :toctree: .\n   :nosignatures:\n",
            *(f"   {each}" for each in names),
        ]
        page.write_text("\n".join(lines) + "\n")


def skip_member(app, kind, name, value, skip, options):
    """Fields of named tuples are told of under Attributes; what others add, in their own site."""
    foreign = not (getattr(value, "__module__", None) or "fastdl").startswith("fastdl")
    return True if type(value).__name__ == "_tuplegetter" or foreign else None


def setup(app):
    write_pages()
    app.connect("autodoc-skip-member", skip_member)
