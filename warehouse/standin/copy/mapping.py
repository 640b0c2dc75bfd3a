"""The mapping of a document's values to columns: by key, or by the paths of a JSONPaths file."""

from operator import itemgetter
from typing import Callable

from .values import Column, Rejected

NO_OBJECT = "Invalid JSONPath format: Member is not an object."
NO_ELEMENT = "Invalid JSONPath format: Not an array or index out of range."


class Keys:
    """JSON 'auto' and 'auto ignorecase': a column takes the first-level key of its name."""

    def __init__(self, columns: list[Column], ignorecase: bool):
        self.names = [column.name for column in columns]
        self.ignorecase = ignorecase
        self.getters = {}

    def row(self, document: object) -> tuple:
        """The values for the columns, None where there is no key; raises Rejected."""
        if not isinstance(document, dict):
            raise Rejected(1216, NO_OBJECT, document)
        return self.getter(tuple(document))(document)

    def getter(self, keys: tuple[str, ...]) -> Callable[[dict], tuple]:
        """What takes the columns' values out of a document that has these keys."""
        if len(self.getters) > 1000:  # data that has new keys in every document
            self.getters.clear()
        if keys not in self.getters:
            self.getters[keys] = self.new_getter(keys)
        return self.getters[keys]

    def new_getter(self, keys: tuple[str, ...]) -> Callable[[dict], tuple]:
        found = {key.lower() if self.ignorecase else key: key for key in keys}
        wanted = [found.get(name) for name in self.names]
        if len(wanted) > 1 and None not in wanted:
            return itemgetter(*wanted)
        return lambda document: tuple(document[key] if key is not None else None for key in wanted)


class Paths:
    """JSON 's3://…/jsonpaths': a column takes what its path leads to.

    Guide: copy-usage_notes-copy-from-json.
    """

    def __init__(self, paths: list[list[str | int]]):
        self.paths = paths
        self.names = [path[0] for path in paths if len(path) == 1 and isinstance(path[0], str)]
        self.flat = len(self.names) == len(paths)

    def row(self, document: object) -> tuple:
        """The values for the columns, None where there is no member; raises Rejected."""
        if self.flat and isinstance(document, dict):
            return tuple(map(document.get, self.names))
        return tuple(self.walk(document, path) for path in self.paths)

    @staticmethod
    def walk(value: object, path: list[str | int]) -> object:
        """What a path leads to. A member may be missing, an element may not."""
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
