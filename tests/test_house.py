"""The rules of the house that no type checker holds, read from the syntax trees."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

import authz_server

HOUSE = Path(authz_server.__file__).parent
ROOMS = {"ProvenHop": "hop/", "CertificationPath": "validation/", "Principal": "identity.py", "Grant": "access/"}
CORE = (
    "hop/",
    "forwarded/",
    "validation/",
    "access/",
    "identity.py",
    "identity_headers.py",
    "decision.py",
    "reasons.py",
    "model.py",
    "distinguished_name.py",
    "der.py",
)
TREES = {path.relative_to(HOUSE).as_posix(): ast.parse(path.read_text("utf-8")) for path in HOUSE.rglob("*.py")}


def calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


@pytest.mark.parametrize(("belief", "room"), ROOMS.items())
def test_belief_is_earned(belief, room):
    """A type that names a state of belief is constructed in its room only, and there it is."""
    makers = {name for name, tree in TREES.items() if belief in set(calls(tree))}
    assert makers
    assert all(name.startswith(room) for name in makers)


def test_core_is_pure():
    """The core imports no clock, log, loop, or wire."""
    core = {name: tree for name, tree in TREES.items() if name.startswith(CORE)}
    assert len(core) > 20
    for name, tree in core.items():
        modules = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        modules |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert not {m.split(".")[0] for m in modules} & {"os", "time", "logging", "asyncio", "grpc", "google"}, name
        assert "now" not in set(calls(tree)), name


TESTS = Path(__file__).parent


def test_every_test_is_a_sentence():
    """Every test's docstring is the sentence that it proves."""
    silent = [
        f"{path.relative_to(TESTS)}:{node.name}"
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and "compose" not in path.parts
        and not (ast.get_docstring(node) or "").endswith(".")
    ]
    assert silent == []


def test_coverage_gate_is_the_core():
    """The coverage gate, the import contract and the rules above speak of the same modules."""
    tools = tomllib.loads((HOUSE.parent / "pyproject.toml").read_text("utf-8"))["tool"]
    gate = tools["coverage"]["run"]["source_pkgs"]
    contract = next(each for each in tools["importlinter"]["contracts"] if each["type"] == "forbidden")
    assert sorted(gate) == sorted(contract["source_modules"])
    assert {name.removeprefix("authz_server.") for name in gate} == {name.removesuffix(".py").rstrip("/") for name in CORE}


REPOSITORY = TESTS.parent
PAGES = (*sorted(REPOSITORY.glob("docs/**/*.md")), REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md")
LINK = re.compile(r"(?<!!)\[[^\]\[]*\]\(([^()\s]+)\)")
FENCED = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+?) *$", FENCED.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_links_resolve(page):
    """Every link of a page to a file of the repository, or to a heading, leads somewhere."""
    broken = []
    for target in LINK.findall(FENCED.sub("", page.read_text("utf-8"))):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        inside = file.is_relative_to(REPOSITORY) and file.exists()
        if not inside or (heading and file.suffix == ".md" and heading not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_tests_that_pages_name():
    """A test that a page names (``tests/….py::name``) exists."""
    for page in PAGES:
        for file, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text("utf-8")):
            assert (REPOSITORY / file).is_file(), (page, file)
            assert f"def {name}" in (REPOSITORY / file).read_text("utf-8"), (page, file, name)
