"""Mapping of a document's values to columns: by key, or by the paths of a JSONPaths file."""

from operator import itemgetter
from typing import Callable

from .values import Column, Rejected

NO_OBJECT = "Invalid JSONPath format: Member is not an object."
NO_ELEMENT = "Invalid JSONPath format: Not an array or index out of range."


class Keys:
    """JSON 'auto' and 'auto ignorecase': a column takes the top-level key with its name."""

    def __init__(self, columns: list[Column], ignorecase: bool):
        self.names = [column.name for column in columns]
        self.ignorecase = ignorecase
        self.getters = {}

    def extract_row(self, document: object) -> tuple:
        """Return the columns' values, None for a missing key; raises Rejected."""
        if not isinstance(document, dict):
            raise Rejected(1216, NO_OBJECT, document)
        return self.find_getter(tuple(document))(document)

    def find_getter(self, keys: tuple[str, ...]) -> Callable[[dict], tuple]:
        """Return the cached function that extracts the row of a document with these keys."""
        if len(self.getters) > 1000:  # every document may have other keys
            self.getters.clear()
        if keys not in self.getters:
            self.getters[keys] = self.make_getter(keys)
        return self.getters[keys]

    def make_getter(self, keys: tuple[str, ...]) -> Callable[[dict], tuple]:
        by_name = {key.lower() if self.ignorecase else key: key for key in keys}
        column_keys = [by_name.get(name) for name in self.names]
        if len(column_keys) > 1 and None not in column_keys:
            return itemgetter(*column_keys)
        return lambda document: tuple(
            None if key is None else document[key] for key in column_keys)


class Paths:
    """JSON 's3://…/jsonpaths': a column takes the value at its path.

    Guide: copy-usage_notes-copy-from-json.
    """

    def __init__(self, paths: list[list[str | int]]):
        self.paths = paths
        self.names = [path[0] for path in paths if len(path) == 1 and isinstance(path[0], str)]
        self.flat = len(self.names) == len(paths)

    def extract_row(self, document: object) -> tuple:
        """Return the columns' values, None for a missing member; raises Rejected."""
        if self.flat and isinstance(document, dict):
            return tuple(map(document.get, self.names))
        return tuple(self.follow(document, path) for path in self.paths)

    @staticmethod
    def follow(value: object, path: list[str | int]) -> object:
        """Return the value at a path. A member may be missing; a missing element raises Rejected."""
        for step in path:
            if isinstance(step, int):
                if not isinstance(value, list) or step >= len(value):
                    raise Rejected(1216, NO_ELEMENT, value)
                value = value[step]
            elif value is not None:
                if not isinstance(value, dict):
                    raise Rejected(1216, NO_OBJECT, value)
                value = value.get(step)
        return value
