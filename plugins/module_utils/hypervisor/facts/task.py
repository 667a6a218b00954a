# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `kvm_node_facts` task from its parameters to the facts."""

from __future__ import annotations

import typing as t

from ..connection import Connection
from ..errors import KvmError
from ..task import connected
from . import read
from .node import Options

FACTS, ANSWER = "kvm_node", "kvm_node_answer"


def run(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The facts by their names. Raises KvmError."""
    query = params["query"]
    if query is not None and not isinstance(query, (str, dict)):
        raise KvmError("query: neither an expression nor a dictionary of expressions by name")
    options = Options(tuple(params["machines"]), tuple(params["virttypes"]), seconds(params))
    subsets = read.chosen(params["gather"] or ["all" if query else "default"])
    answer = answers(query) if query else None

    def work(connection: Connection) -> dict[str, t.Any]:
        found = read.gather(connection, subsets, options)
        return {FACTS: found} if answer is None else {ANSWER: answer(found)}

    return connected(params, work)


def seconds(params: t.Mapping[str, t.Any]) -> float:
    """Between two samples of the CPUs: `percent` is a switch, or how long. Raises KvmError."""
    given = params["percent"]
    text = str(given).strip().lower()
    if text in ("true", "yes", "on"):
        found = 1.0
    elif given is None or text in ("false", "no", "off", "0"):
        found = 0.0
    else:
        try:
            found = float(text)
        except ValueError:
            raise KvmError(f"percent: {given!r} is neither a boolean nor a number of seconds") from None
    if found and not 0 < found < params["timeout"]:
        raise KvmError(f"percent: {found:g} s do not fit into the timeout of {params['timeout']:g} s")
    return found


def answers(query: str | dict[str, str]) -> t.Callable[[t.Any], t.Any]:
    """What answers one expression, or several by name. Raises KvmError for what is no JMESPath."""
    from ..query.expression import WrongQuery, compiled

    try:
        if isinstance(query, str):
            one = compiled(query)
            return _careful(one, WrongQuery)
        several = {str(name): compiled(str(expression)) for name, expression in query.items()}
    except WrongQuery as error:
        raise KvmError(f"query: {error}") from error
    return _careful(lambda value: {name: find(value) for name, find in several.items()}, WrongQuery)


def _careful(find: t.Callable[[t.Any], t.Any], wrong: type[Exception]) -> t.Callable[[t.Any], t.Any]:
    def run(value: t.Any) -> t.Any:
        try:
            return find(value)
        except wrong as error:
            raise KvmError(f"query: {error}") from error

    return run
