"""Which names a piece of code loads from outside itself.

Scopes are our own and simple: a name counts as used when it is loaded anywhere in the tree (decorators, defaults and
annotations too) and bound in no scope around that place. A name too many does no harm: it is looked up and found to be
irrelevant. The compiler's own tables would differ between Python versions (annotations, comprehensions).
"""

from __future__ import annotations

import ast
from typing import Any

Definable = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


def free(node: ast.AST) -> tuple[frozenset[str], frozenset[tuple[str, ...]]]:
    """The names that `node` loads and does not bind, and the dotted reads that begin with them."""
    scopes = _Scopes()
    scopes.visit(node)
    return frozenset(scopes.loaded), frozenset(scopes.chains)


def needed_now(node: Definable) -> frozenset[str]:
    """Names that have to be there when the definition itself is executed."""
    if isinstance(node, ast.Lambda):
        return frozenset().union(*(free(each)[0] for each in defaults(node.args)))
    if isinstance(node, ast.ClassDef):
        return free(node)[0]  # its body is executed; that its methods are not does no harm
    now = [*node.decorator_list, *defaults(node.args), *hints(node)]
    return frozenset().union(*(free(each)[0] for each in now))


def defaults(arguments: ast.arguments) -> list[ast.expr]:
    return [*arguments.defaults, *(each for each in arguments.kw_defaults if each is not None)]


class _Scopes(ast.NodeVisitor):
    """Collects what is loaded and bound nowhere around."""

    def __init__(self) -> None:
        self.loaded: set[str] = set()
        self.chains: set[tuple[str, ...]] = set()
        self.bound: list[set[str]] = []  # of the functions and comprehensions around
        self.in_class: list[set[str]] = [set()]  # names of the class body we are directly in

    def _is_bound(self, name: str) -> bool:
        return name in self.in_class[-1] or any(name in scope for scope in self.bound)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and not self._is_bound(node.id):
            self.loaded.add(node.id)
            self.chains.add((node.id,))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain, inner = [node.attr], node.value
        while isinstance(inner, ast.Attribute):
            chain.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and isinstance(node.ctx, ast.Load):
            if not self._is_bound(inner.id):
                self.loaded.add(inner.id)
                self.chains.add((inner.id, *reversed(chain)))
        else:
            self.visit(inner)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for each in [*node.decorator_list, *defaults(node.args), *hints(node)]:
            self.visit(each)
        self._function(node.args, node.body, [node.name] if self.bound else [])

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for each in defaults(node.args):
            self.visit(each)
        self._function(node.args, [node.body], [])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for each in [*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)]:
            self.visit(each)
        self.in_class.append(_bound(node.body))
        for item in node.body:
            self.visit(item)
        self.in_class.pop()

    def _comprehension(self, node: Any) -> None:
        names = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        self.visit(node.generators[0].iter)
        self.bound.append(names)
        self.generic_visit(node)
        self.bound.pop()

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _function(self, arguments: ast.arguments, body: list[Any], extra: list[str]) -> None:
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        self.bound.append(_bound(body) | {each.arg for each in every if each is not None} | set(extra))
        self.in_class.append(set())
        for item in body:
            self.visit(item)
        self.in_class.pop()
        self.bound.pop()


def hints(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    found = [each.annotation for each in every if each is not None and each.annotation is not None]
    return found + ([node.returns] if node.returns else [])


def _bound(body: list[Any]) -> set[str]:
    """Names that the statements of one scope bind, without those that they declare global."""
    names, outside = set[str](), set[str]()
    todo: list[Any] = list(body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
            continue  # its inside is a scope of its own
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            names.add(node.rest)
        elif isinstance(node, ast.Global):
            outside |= set(node.names)
        elif isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            names |= _walrus(node)
            continue
        todo.extend(ast.iter_child_nodes(node))
    return names - outside


def _walrus(node: ast.AST) -> set[str]:
    """Names that `:=` inside a comprehension binds in the scope around it."""
    if isinstance(node, ast.Lambda):
        return set()
    return {n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr) and isinstance(n.target, ast.Name)}
