"""What the documents say of commands, routes, files and names is true."""

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import behavstats
from behavstats.cli import app
from behavstats.server.routes import ROUTES, UNDOCUMENTED
from behavstats.store.sqlite.tables import StoredPageView

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "behavstats"
_NOT_OURS = {"build", "node_modules"}
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part in _NOT_OURS for part in path.relative_to(ROOT).parts)
)
FOR_USERS = [ROOT / "README.md", ROOT / "docs" / "operations.md", ROOT / "docs" / "formats.md"]
each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^ {4}(.*)$", re.MULTILINE)
_CODE_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_COMMAND = re.compile(r"\bbehavstats (?!behavstats)((?:--|[a-z])[^|;>)#`\n]*)")
_ROUTE = re.compile(r"(?:(GET|POST|DELETE) )?(/\S*)")
_VARIABLE = re.compile(r"BEHAVSTATS_[A-Z_]+")
_ARROW = re.compile(r"^ *(\w+) --> (\w+)$", re.MULTILINE)

# Options of other programs that the documents for users mention.
_OPTIONS_OF_OTHERS = {"--long", "--data-binary"}


def prose(document):
    """The text of a document without its blocks of code."""
    return _FENCE.sub("", document.read_text(encoding="utf-8"))


def code(document):
    """All code in a document: blocks, and spans within the prose."""
    text = document.read_text(encoding="utf-8")
    blocks = [block for language, block in _FENCE.findall(text) if language != "mermaid"]
    rest = prose(document)
    return "\n".join([*blocks, *_INDENTED.findall(rest), *_CODE_SPAN.findall(rest)])


def anchors(document):
    """The anchors that GitHub gives to the headings of a document."""
    found = set()
    for heading in _HEADING.findall(prose(document)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number = 0
        while (unique := f"{anchor}-{number}" if number else anchor) in found:
            number += 1
        found.add(unique)
    return found


def commands(command=None, words=()):
    """Yield the words of every command that does something."""
    command = command or get_command(app)
    below = getattr(command, "commands", None)
    if below is None:
        yield words, command
    for name, one in (below or {}).items():
        yield from commands(one, (*words, name))


def examples(document):
    """The words of every call of behavstats in the code of a document."""
    return [shlex.split(found) for found in _COMMAND.findall(code(document))]


def documented_routes(document):
    """The routes in the first column of the tables of routes, with `:` in place of parameters."""
    routes = set()
    is_table_of_routes = False
    for line in prose(document).splitlines():
        if not line.startswith("|"):
            is_table_of_routes = False
        elif line.startswith("| route |"):
            is_table_of_routes = True
        elif is_table_of_routes:
            method = ""
            for span in _CODE_SPAN.findall(line.split("|")[1]):
                given, path = _ROUTE.fullmatch(span).groups()
                method = given or method
                routes.add((method, re.sub(r":\w+", ":", path)))
    return routes


def test_the_trd_has_at_most_1000_words():
    """As `wc -w` counts them: two pages."""
    assert len((ROOT / "TRD.md").read_text(encoding="utf-8").split()) <= 1_000


@each_document
def test_relative_links_resolve(document):
    """Files and anchors, also of images."""
    for link in _LINK.findall(prose(document)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@each_document
def test_examples_call_commands_with_options_that_exist(document):
    """Unknown options are refused before `--help` is answered, and nothing is run."""
    for words in examples(document):
        command, depth = get_command(app), 0
        while depth < len(words) and words[depth] in getattr(command, "commands", {}):
            command = command.commands[words[depth]]
            depth += 1
        done = CliRunner().invoke(app, [*words[:depth], "--help", *words[depth:]])
        assert done.exit_code == 0, (words, done.output)
        assert depth or words[0].startswith("--"), words


def test_every_command_is_in_the_readme():
    """As an example that can be typed."""
    shown = examples(ROOT / "README.md")
    for words, _ in commands():
        assert any(tuple(example[: len(words)]) == words for example in shown), words


@pytest.mark.parametrize("document", FOR_USERS, ids=lambda path: path.name)
def test_options_exist(document):
    """Also those that are named without their command."""
    known = {
        option
        for command in [get_command(app), *(command for _, command in commands())]
        for parameter in command.params
        for option in parameter.opts
    }
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", code(document)))
    assert named - known - _OPTIONS_OF_OTHERS - {"--help"} == set()


def test_every_route_is_documented_and_no_other():
    """README has those of every day, formats.md all of them but the preflights of browsers."""
    existing = {
        (route.method, re.sub(r"{\w+}", ":", route.path))
        for route in (*ROUTES, *UNDOCUMENTED)
        if route.method != "OPTIONS"
    }
    readme, formats = (documented_routes(ROOT / name) for name in ("README.md", "docs/formats.md"))
    assert readme - existing == set()
    assert formats == existing
    assert {("POST", "/v1/page"), ("GET", "/v1/user/:")} <= readme


def test_every_environment_variable_is_documented_and_no_other():
    """In the table of the page on operations; the bounds share a prefix in the code."""
    sources = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    text = prose(ROOT / "docs" / "operations.md")
    section = text.split("\n## Environment\n")[1].split("\n## ")[0]
    used, documented = set(_VARIABLE.findall(sources)), set(_VARIABLE.findall(section))
    prefixes = {name for name in used if name.endswith("_")}
    assert used - prefixes <= documented
    assert all(name in used or name.startswith(tuple(prefixes)) for name in documented)


@each_document
def test_names_of_modules_and_what_is_in_them_exist(document):
    """Names such as `behavstats.errors.detached`."""
    for span in _CODE_SPAN.findall(prose(document)):
        if not re.fullmatch(r"behavstats(\.[A-Za-z_]\w*)+", span) or span.endswith(".db"):
            continue
        found, missing = behavstats, []
        for name in span.split(".")[1:]:
            try:
                found = importlib.import_module(f"{found.__name__}.{name}")
            except (ImportError, AttributeError):
                missing.append(name)
        for name in missing:
            assert hasattr(found, name), span
            found = getattr(found, name)


@each_document
def test_paths_in_the_repository_exist(document):
    """Paths in code spans that begin with one of our folders."""
    for span in _CODE_SPAN.findall(prose(document)):
        if re.fullmatch(r"(behavstats|tests|docs|benchmarks|fixtures)/[\w./-]*", span):
            assert (ROOT / span).exists(), span


def test_the_project_structure_of_the_readme_exists():
    """Names that follow a comma are beside the first one."""
    text = prose(ROOT / "README.md")
    section = text.split("\n## Project structure\n")[1].split("\n## ")[0]
    for line in _INDENTED.findall(section):
        first, *others = re.split(r", ", re.split(r" {2,}", line)[0])
        for path in (Path(first), *(Path(first).parent / other for other in others)):
            assert (ROOT / path).exists(), line


def _packages():
    """The packages, by their paths: those at the top, and the engines of the store."""
    folders = [*PACKAGE.iterdir(), *(PACKAGE / "store").iterdir()]
    return {
        path.relative_to(PACKAGE).as_posix() for path in folders if (path / "__init__.py").exists()
    }


def test_the_diagram_shows_each_package_once_and_imports_that_exist():
    """The label of a node begins with the package; an arrow is an import."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (diagram,) = [block for language, block in _FENCE.findall(text) if language == "mermaid"]
    assert diagram.startswith("flowchart ")
    nodes = dict(re.findall(r'^ *(\w+)\["([\w/]+)<br/>[^"\n]+"\]$', diagram, re.MULTILINE))
    assert sorted(nodes.values()) == sorted(_packages())
    arrows = _ARROW.findall(diagram)
    assert len(arrows) >= len(nodes)
    for importer, imported in arrows:
        assert _imports(nodes[importer], nodes[imported]), (importer, imported)


def _imports(importer, imported):
    """Whether any module of a package imports another package, or something in that."""
    wanted = f"behavstats.{imported}".replace("/", ".")
    for path in (PACKAGE / importer).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if any(f"{name}.".startswith(f"{wanted}.") for name in names):
                return True
    return False


def test_the_architecture_describes_each_package():
    """In its table."""
    spans = set(_CODE_SPAN.findall(prose(ROOT / "docs" / "architecture.md")))
    assert {f"behavstats/{name}" for name in _packages()} <= spans


def test_the_glossary_maps_sql_names_that_exist():
    """Tables and columns, so that a renamed one is noticed."""
    tables = StoredPageView.metadata.tables
    columns = {column.name for table in tables.values() for column in table.columns}
    names = columns | {*tables}
    names |= {f"{name}.{column.name}" for name, table in tables.items() for column in table.columns}
    section = prose(ROOT / "docs" / "glossary.md").split("\n## SQL names\n")[1].split("\n### ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    mapped = {span for row in rows for span in _CODE_SPAN.findall(row.split("|")[1])}
    assert mapped - names == set()
    assert {"summary", "unsettled_day", "dated_by_arrival", "progress"} <= mapped


def test_every_decision_is_in_the_index_and_has_the_same_parts():
    """Its title, and what led to it, what was decided and what follows."""
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    pages = sorted(folder.glob("[0-9]*.md"))
    listed = re.findall(r"^\| (\d+) \| \[(.+)\]\((.+)\) \|$", index, re.MULTILINE)
    assert [name for _, _, name in listed] == [page.name for page in pages]
    for (number, title, _), page in zip(listed, pages, strict=True):
        text = page.read_text(encoding="utf-8")
        assert page.name.startswith(f"{int(number):04}-")
        assert text.startswith(f"# {number}. {title}\n")
        for part in ("Context", "Decision", "Consequences"):
            assert f"**{part}.**" in text, (page.name, part)


def test_the_version_has_a_place_in_the_changelog():
    """The newest release there is the version of the package."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased, newest = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)[:2]
    assert (unreleased, newest) == ("Unreleased", behavstats.__version__)


def test_error_codes_that_are_documented_exist():
    """Those in examples of errors."""
    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    sources = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    codes = re.findall(r'"code": "(\w+)"', text)
    assert codes
    assert all(f'"{one}"' in sources for one in codes)


def test_the_page_of_benchmarks_is_as_its_template_writes_it():
    """It is not edited by hand."""
    folder = ROOT / "benchmarks"
    template, page = (
        (folder / name).read_text(encoding="utf-8") for name in ("template.md", "README.md")
    )
    for part in re.split(r"\$\w+", template):
        assert part in page
