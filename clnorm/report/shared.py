"""What many runs of a report have alike, kept once: runs refer to it by place."""

import json
from typing import Any

from clnorm.results.selection import plain_text


class Shared:
    """Values that many runs have, each kept once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[str, int] = {}

    def add(self, value: Any) -> int:
        """The place of a value."""
        key = json.dumps(value, sort_keys=True)
        if key not in self._places:
            self._places[key] = len(self.values)
            self.values.append(value)
        return self._places[key]


class Keys:
    """The keys of all configurations, and their values, each kept once: what is equal has one place."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.texts: list[list[str]] = []
        self._values: list[list[Any]] = []
        self._places: list[dict[str, int]] = []

    def add(self, flat: dict[str, Any]) -> list[int]:
        """The place of the value of each key, in the order of `names`; -1 where there is none."""
        found = {self._key(name): value for name, value in flat.items()}
        return [self._value(key, found[key]) if key in found else -1 for key in range(len(self.names))]

    def _key(self, name: str) -> int:
        if name not in self.names:
            self.names[name] = len(self.names)
            self.texts.append([])
            self._values.append([])
            self._places.append({})
        return self.names[name]

    def _value(self, key: int, value: Any) -> int:
        word = repr(value)
        places, values = self._places[key], self._values[key]
        if word not in places:
            alike = next((place for place, other in enumerate(values) if other == value), None)  # 1 and 1.0
            if alike is None:
                values.append(value)
                self.texts[key].append(plain_text(value))
            places[word] = len(values) - 1 if alike is None else alike
        return places[word]
