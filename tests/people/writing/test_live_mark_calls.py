"""Every module that writes profiles or their events marks them for live segments."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MODELS = {"Profile", "Event", "ImportMember"}
WRITES = {"update", "create", "bulk_create", "bulk_update", "delete", "get_or_create", "save"}
WRITERS = {"upsert", "rehash"}  # functions and modules whose callers must mark
STATEMENTS = ("INSERT INTO", "UPDATE ", "DELETE FROM", "COPY ")
ELSEWHERE = {
    "audiencesync/people/imports/lifecycle.py": "drops members of imports no segment asks for",
    "audiencesync/people/writing/bulk.py": "its callers mark: they know the ids",
    "audiencesync/people/writing/rehash.py": "its callers mark",
    "audiencesync/people/writing/rows.py": "its callers mark",
    "audiencesync/people/writing/upsert.py": "its callers mark: upsert returns what changed",
    "partners/queue/removals/misreadings.py": "makes merged profiles, which no segment shows",
}


def writes(tree):
    """Return whether a module writes rows of these models, by the ORM, by SQL or by a writer."""
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("audiencesync.people")
        for alias in node.names
    }
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return (
        bool(WRITERS & imported & used) or writes_sql(tree) or any(map(writes_rows, scopes(tree)))
    )


def writes_sql(tree):
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    columns = (node for node in ast.walk(tree) if is_attribute(node) and node.attr == "db_table")
    names_table = any(root(node) in MODELS for node in columns)
    return names_table and any(
        statement in text for text in texts if isinstance(text, str) for statement in STATEMENTS
    )


def is_attribute(node):
    return isinstance(node, ast.Attribute)


def scopes(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def writes_rows(function):
    """Return whether a function calls a writing method on a queryset, even on a named one."""
    querysets = set(MODELS)
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and root(node.value) in querysets:
            querysets |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return any(
        isinstance(node, ast.Call)
        and is_attribute(node.func)
        and node.func.attr in WRITES
        and root(node.func.value) in querysets
        for node in ast.walk(function)
    )


def root(node):
    """Return the name with which a chain of calls and attributes begins."""
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def modules():
    texts = {
        str(path.relative_to(ROOT)): path.read_text()
        for folder in ("audiencesync", "canvases", "partners")
        for path in (ROOT / folder).rglob("*.py")
        if "migrations" not in path.parts
    }
    named = re.compile(rf"\b({'|'.join([*MODELS, *WRITERS])})\b")
    return {name: text for name, text in texts.items() if named.search(text)}


def test_every_module_that_writes_profiles_marks_them():
    writers = {name: text for name, text in modules().items() if writes(ast.parse(text))}
    silent = {name for name, text in writers.items() if "live_marks." not in text}
    assert silent == set(ELSEWHERE)
    assert len(writers) > len(ELSEWHERE)


def test_a_new_writer_is_found():
    by_name = (
        "def f():\n    found = Profile.objects.filter(pk=1)\n    found.exclude(x=1).update(x=2)"
    )
    by_sql = "T = Profile._meta.db_table\nS = f'UPDATE {T} SET x = 1'"
    by_call = "from audiencesync.people.writing.upsert import upsert\nupsert(1)"
    reader = "def f():\n    return Profile.objects.filter(pk=1).first()"
    found = [writes(ast.parse(text)) for text in (by_name, by_sql, by_call, reader)]
    assert found == [True, True, True, False]
