"""What a GraphQL document would do: only the kind of its operations and their fields count.

Every operation of a document counts, whichever of them the request names: there is nothing to be
gained by hiding one behind another. Aliases and fragments hide nothing either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    StringValueNode,
    Visitor,
    parse,
    visit,
)

from twin_matcher_dagster.access.people import Role

MOST_MUTATIONS = 20
"""In one document; Dagster's own pages send one."""

LONGEST_DOCUMENT = 200_000
"""Characters. The longest document of Dagster's own pages has some 20,000."""

# They change nothing: of the UI's own looks.
_OF_THE_PAGE = frozenset({"logTelemetry", "setNuxSeen"})
# They read the definitions again. What is stored stays as it is, so the log has no use for them;
# and what keeps the services running has to be able to ask for it while S3 is away.
_UNRECORDED = _OF_THE_PAGE | {"reloadRepositoryLocation", "reloadWorkspace", "__typename"}

_ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # of a run
    r"|[0-9A-HJKMNP-TV-Z]{26}"  # of an upload
)
_NAME = re.compile(r"[A-Za-z_]\w{0,60}", re.ASCII)
_LONGEST_NAME = 60
# Variables of Dagster's own mutations that name something of ours: jobs, sensors, assets.
_NAMED = frozenset(
    {"jobName", "pipelineName", "sensorName", "scheduleName", "path", "concurrencyKey"}
)


class DocumentError(Exception):
    """A document is none that we would run; the message is for whoever sent it."""


def mutations_of(query: object) -> tuple[str, ...]:
    """Names of all mutations that a document holds, each once; none for one that only asks.

    Args:
        query: the document as it came.

    Raises:
        DocumentError: it is none, or longer than any that is needed.
    """
    document = _parsed(query)
    fragments = {
        one.name.value: one
        for one in document.definitions
        if isinstance(one, FragmentDefinitionNode)
    }
    found: dict[str, None] = {}
    for one in document.definitions:
        if isinstance(one, OperationDefinitionNode):
            if one.operation is OperationType.MUTATION:
                found |= dict.fromkeys(_fields_of(one.selection_set, fragments, set()))
        elif not isinstance(one, FragmentDefinitionNode):
            raise DocumentError("Only operations and fragments are taken.")
    if len(found) > MOST_MUTATIONS or any(len(one) > _LONGEST_NAME for one in found):
        raise DocumentError("There are no such mutations.")
    return tuple(found)


def role_for(mutation: str) -> Role:
    """Who may run a mutation."""
    return Role.VIEWER if mutation in _OF_THE_PAGE else Role.ADMIN


def is_recorded(mutation: str) -> bool:
    """Whether the audit log has it: all but those that change nothing."""
    return mutation not in _UNRECORDED


def ids_in(query: str, variables: object) -> tuple[str, ...]:
    """Ids of runs and uploads, and names of jobs, sensors and assets, that a request names.

    Args:
        query: a document that was read before.
        variables: what came with it.
    """
    found = {text: None for text in _literals(query) if _ID.fullmatch(text)}
    for name, text in _texts(variables, ""):
        if _ID.fullmatch(text) or (name in _NAMED and _NAME.fullmatch(text)):
            found[text] = None
    return tuple(found)


def _parsed(query: object) -> DocumentNode:
    if not isinstance(query, str) or not query.strip():
        raise DocumentError("There is no GraphQL document in the request.")
    if len(query) > LONGEST_DOCUMENT:
        raise DocumentError(f"A document has at most {LONGEST_DOCUMENT:,} characters.")
    try:
        return parse(query, no_location=True)
    except GraphQLError as error:
        raise DocumentError(f"This is no GraphQL: {error.message}") from error
    except RecursionError as error:
        raise DocumentError("The document is nested too deep.") from error


def _fields_of(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode], seen: set[str]
) -> Iterator[str]:
    """The fields of an operation's first level, those in fragments too."""
    for one in selections.selections:
        if isinstance(one, FieldNode):
            yield one.name.value
        elif isinstance(one, InlineFragmentNode):
            yield from _fields_of(one.selection_set, fragments, seen)
        elif isinstance(one, FragmentSpreadNode) and one.name.value not in seen:
            seen.add(one.name.value)
            if one.name.value not in fragments:
                raise DocumentError(f"There is no fragment {one.name.value}.")
            yield from _fields_of(fragments[one.name.value].selection_set, fragments, seen)


def _literals(query: str) -> list[str]:
    found: list[str] = []

    class Collector(Visitor):
        def enter_string_value(self, node: StringValueNode, *_: object) -> None:
            found.append(node.value)

    visit(_parsed(query), Collector())
    return found


def _texts(value: object, name: str) -> Iterator[tuple[str, str]]:
    """Every text in JSON, with the name of the field that it is in."""
    pending: list[tuple[str, Any]] = [(name, value)]
    while pending:
        name, value = pending.pop()
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, Mapping):
            pending += [(str(key), one) for key, one in reversed(value.items())]
        elif isinstance(value, Sequence):
            pending += [(name, one) for one in reversed(value)]
