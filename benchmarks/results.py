"""Results: figures by the key of their bar, kept in a file so that a part can be measured anew."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from measure import Pairs


@dataclass(frozen=True)
class Result:
    """The value that the bar is held against, its pairs' ratios, and this machine's figures."""

    value: float
    figures: str
    ratios: list[float] = field(default_factory=list)


class Results:
    """What was measured, with what; saved at each change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        text = path.read_text(encoding="utf-8") if path.exists() else "{}"
        kept = json.loads(text)
        self.rows = {key: Result(**row) for key, row in kept.get("rows", {}).items()}
        self.growth: list[dict[str, float]] = kept.get("growth", [])
        self.memory: dict[str, float] = kept.get("memory", {})
        self.remarks: dict[str, str] = kept.get("remarks", {})
        self.setting: dict[str, str] = kept.get("setting", {})

    def add(self, key: str, value: float, figures: str, ratios: list[float] | None = None) -> None:
        """Note the result for a bar."""
        self.rows[key] = Result(value, figures, ratios or [])
        self.save()

    def add_pairs(self, key: str, pairs: Pairs, figures: str) -> None:
        """Note the median ratio of pairs; `figures` holds a place for each side's median."""
        medians = (median(pairs.first), median(pairs.second))
        self.add(key, pairs.ratio, figures.format(*medians), pairs.ratios)

    def save(self) -> None:
        """Write all of it."""
        kept: dict[str, Any] = {name: getattr(self, name) for name in _KEPT}
        kept["rows"] = {key: asdict(row) for key, row in self.rows.items()}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(kept, indent=2, ensure_ascii=False, sort_keys=True)
        self._path.write_text(text + "\n", encoding="utf-8")


_KEPT = ("growth", "memory", "remarks", "setting")
