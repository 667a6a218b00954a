# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath: an expression becomes a function from a value to what it finds there.

The language is that of jmespath.org, whole. It is written here, and not imported, because a managed host has no more
than Python and libvirt-python. A parser of operator precedence: each word that can begin an expression has a method
`_begin_...`, each that can go on after one a row in BINDING and a method `_after_...`.
"""

from __future__ import annotations

import operator
import typing as t

from .functions import Function, Reference, Value, call, equal, type_of
from .words import Word, WrongQuery, words

__all__ = ["WrongQuery", "compiled", "search"]

BINDING = {"|": 1, "||": 2, "&&": 3, "==": 5, "!=": 5, "<": 5, "<=": 5, ">": 5, ">=": 5, "[]": 9, "[?": 21, ".": 40,
           "[": 55}  # fmt: skip
NOT = 45
DEEPEST = 100  # expressions within one another
STOP = 10  # what binds less ends a projection
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def search(expression: str, value: Value) -> Value:
    """What the expression finds in a value made of JSON's types. Raises WrongQuery."""
    return compiled(expression)(value)


def compiled(expression: str) -> Function:
    """The function that searches. Raises WrongQuery, and so does the function."""
    found = _Parser(expression).whole()

    def run(value: Value) -> Value:
        try:
            return found(value)
        except WrongQuery as error:
            raise WrongQuery(f"{expression!r}: {error}") from error
        except RecursionError:
            raise WrongQuery("the expression is too long") from None

    return run


def _identity(value: Value) -> Value:
    return value


def _true(value: Value) -> bool:
    """Everything but null, false, and what is empty."""
    return value is not None and value is not False and value != "" and value != [] and value != {}


def _field(name: str) -> Function:
    return lambda value: value.get(name) if isinstance(value, dict) else None


def _index(number: int) -> Function:
    def find(value: Value) -> Value:
        return value[number] if isinstance(value, list) and -len(value) <= number < len(value) else None

    return find


def _project(source: Function, then: Function) -> Function:
    """`then` of each that `source` gives, without nulls; null if that is no array."""

    def find(value: Value) -> Value:
        values = source(value)
        if not isinstance(values, list):
            return None
        return [one for one in map(then, values) if one is not None]

    return find


def _values(source: Function) -> Function:
    def find(value: Value) -> Value:
        found = source(value)
        return list(found.values()) if isinstance(found, dict) else None

    return find


def _flat(source: Function) -> Function:
    def find(value: Value) -> Value:
        found = source(value)
        if not isinstance(found, list):
            return None
        return [one for part in found for one in (part if isinstance(part, list) else [part])]

    return find


def _filtered(source: Function, condition: Function) -> Function:
    def find(value: Value) -> Value:
        found = source(value)
        return [one for one in found if _true(condition(one))] if isinstance(found, list) else None

    return find


def _sliced(source: Function, parts: slice) -> Function:
    def find(value: Value) -> Value:
        found = source(value)
        return found[parts] if isinstance(found, list) else None

    return find


def _compared(sign: str, left: Function, right: Function) -> Function:
    if sign in ("==", "!="):
        return lambda value: equal(left(value), right(value)) is (sign == "==")

    def find(value: Value) -> bool | None:
        one, other = left(value), right(value)
        kind = type_of(one)
        comparable = kind == type_of(other) and kind in ("number", "string")
        return COMPARE[sign](one, other) if comparable else None

    return find


class _Parser:
    """One expression."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.words = words(expression)
        self.at = 0
        self.depth = 0

    @property
    def next(self) -> Word:
        return self.words[self.at]

    def take(self) -> Word:
        self.at += 1
        return self.words[self.at - 1]

    def expect(self, *kinds: str) -> Word:
        if self.next.kind not in kinds:
            raise self.wrong(self.next)
        return self.take()

    def taken(self, kind: str) -> bool:
        if self.next.kind != kind:
            return False
        self.at += 1
        return True

    def wrong(self, word: Word) -> WrongQuery:
        what = "the end" if word.kind == "end" else repr(word.value)
        return WrongQuery(f"{self.expression!r}: {what} has no meaning at character {word.at + 1}")

    def whole(self) -> Function:
        found = self.expression_of(0)
        if self.next.kind != "end":
            raise self.wrong(self.next)
        return found

    def expression_of(self, binding: int) -> Function:
        """The longest expression whose operators bind tighter than that."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise WrongQuery("the expression is nested too deeply")
        left = self.begin()
        while binding < BINDING.get(self.next.kind, 0):
            left = self.go_on(left)
        self.depth -= 1
        return left

    def begin(self) -> Function:
        word = self.take()
        method = _BEGIN.get(word.kind)
        if method is None:
            raise self.wrong(word)
        return method(self, word)

    def go_on(self, left: Function) -> Function:
        word = self.take()
        return _AFTER[word.kind](self, left, word)

    def _begin_literal(self, word: Word) -> Function:
        return lambda _value: word.value

    def _begin_name(self, word: Word) -> Function:
        if word.kind == "name" and self.taken("("):
            return self.function(word.value)
        return _field(word.value)

    def _begin_current(self, _word: Word) -> Function:
        return _identity

    def _begin_star(self, _word: Word) -> Function:
        return _project(_values(_identity), self.projected(20))

    def _begin_flatten(self, _word: Word) -> Function:
        return _project(_flat(_identity), self.projected(BINDING["[]"]))

    def _begin_filter(self, word: Word) -> Function:
        return self._after_filter(_identity, word)

    def _begin_bracket(self, word: Word) -> Function:
        """An index, a slice, every element, or a list of expressions."""
        if self.next.kind in ("number", ":") or (self.next.kind == "*" and self.words[self.at + 1].kind == "]"):
            return self._after_bracket(_identity, word)
        return self.multi_list()

    def _begin_brace(self, _word: Word) -> Function:
        return self.multi_hash()

    def _begin_not(self, _word: Word) -> Function:
        found = self.expression_of(NOT)
        return lambda value: not _true(found(value))

    def _begin_parenthesis(self, _word: Word) -> Function:
        found = self.expression_of(0)
        self.expect(")")
        return found

    def _after_dot(self, left: Function, _word: Word) -> Function:
        if self.taken("*"):
            return _project(_values(left), self.projected(20))
        right = self.member(BINDING["."])
        return lambda value: right(left(value))

    def member(self, binding: int) -> Function:
        """What may follow a dot."""
        kind = self.next.kind
        if kind in ("name", "quoted", "*"):
            return self.expression_of(binding)
        if self.taken("["):
            return self.multi_list()
        if self.taken("{"):
            return self.multi_hash()
        raise self.wrong(self.next)

    def _after_pipe(self, left: Function, word: Word) -> Function:
        right = self.expression_of(BINDING[word.kind])
        return lambda value: right(left(value))

    def _after_or(self, left: Function, word: Word) -> Function:
        right = self.expression_of(BINDING[word.kind])

        def find(value: Value) -> Value:
            found = left(value)
            return found if _true(found) else right(value)

        return find

    def _after_and(self, left: Function, word: Word) -> Function:
        right = self.expression_of(BINDING[word.kind])

        def find(value: Value) -> Value:
            found = left(value)
            return right(value) if _true(found) else found

        return find

    def _after_comparator(self, left: Function, word: Word) -> Function:
        return _compared(word.kind, left, self.expression_of(BINDING[word.kind]))

    def _after_flatten(self, left: Function, _word: Word) -> Function:
        return _project(_flat(left), self.projected(BINDING["[]"]))

    def _after_filter(self, left: Function, _word: Word) -> Function:
        condition = self.expression_of(0)
        self.expect("]")
        then = _identity if self.next.kind == "[]" else self.projected(BINDING["[?"])
        return _project(_filtered(left, condition), then)

    def _after_bracket(self, left: Function, _word: Word) -> Function:
        if self.taken("*"):
            self.expect("]")
            return _project(left, self.projected(20))
        parts: list[int | None] = [None]
        while self.next.kind != "]":
            word = self.expect("number", ":")
            if word.kind == ":":
                parts.append(None)
            elif parts[-1] is None:
                parts[-1] = word.value
            else:
                raise self.wrong(word)
        closing = self.take()
        if len(parts) == 1 and parts[0] is not None:
            index = _index(parts[0])
            return lambda value: index(left(value))
        if not 2 <= len(parts) <= 3:
            raise self.wrong(closing)
        if len(parts) == 3 and parts[2] == 0:
            raise WrongQuery(f"{self.expression!r}: a slice cannot go in steps of 0")
        return _project(_sliced(left, slice(*parts)), self.projected(20))

    def projected(self, binding: int) -> Function:
        """What is done with each element of a projection."""
        kind = self.next.kind
        if BINDING.get(kind, 0) < STOP:
            return _identity
        if kind in ("[", "[?"):
            return self.expression_of(binding)
        if self.taken("."):
            return self.member(binding)
        raise self.wrong(self.next)

    def multi_list(self) -> Function:
        found = [self.expression_of(0)]
        while self.taken(","):
            found.append(self.expression_of(0))
        self.expect("]")
        return lambda value: None if value is None else [one(value) for one in found]

    def multi_hash(self) -> Function:
        found: dict[str, Function] = {}
        while True:
            name = self.expect("name", "quoted").value
            self.expect(":")
            found[name] = self.expression_of(0)
            if not self.taken(","):
                break
        self.expect("}")
        return lambda value: None if value is None else {name: one(value) for name, one in found.items()}

    def function(self, name: str) -> Function:
        arguments: list[Function] = []
        while self.next.kind != ")":
            if arguments:
                self.expect(",")
            arguments.append(self.argument())
        self.take()
        return lambda value: call(name, [one(value) for one in arguments])

    def argument(self) -> Function:
        if self.taken("&"):
            reference = Reference(self.expression_of(0))
            return lambda _value: reference
        return self.expression_of(0)


_BEGIN: dict[str, t.Callable[[_Parser, Word], Function]] = {
    "literal": _Parser._begin_literal, "name": _Parser._begin_name, "quoted": _Parser._begin_name,
    "@": _Parser._begin_current, "*": _Parser._begin_star, "[]": _Parser._begin_flatten, "[?": _Parser._begin_filter,
    "[": _Parser._begin_bracket, "{": _Parser._begin_brace, "!": _Parser._begin_not, "(": _Parser._begin_parenthesis,
}  # fmt: skip
_AFTER: dict[str, t.Callable[[_Parser, Function, Word], Function]] = {
    ".": _Parser._after_dot, "|": _Parser._after_pipe, "||": _Parser._after_or, "&&": _Parser._after_and,
    "[]": _Parser._after_flatten, "[?": _Parser._after_filter, "[": _Parser._after_bracket,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), _Parser._after_comparator),
}  # fmt: skip
