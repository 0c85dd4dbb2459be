"""What `%aether config` sets, for this kernel."""

from __future__ import annotations

from dataclasses import dataclass, fields

CHOICES = {"echo": ("off", "on"), "static": ("full", "small", "off")}


@dataclass(slots=True)
class Settings:
    """echo: "on" also prints in the cell what nodes print. static: how much of a run is kept beside its live view."""

    echo: str = "off"
    static: str = "full"

    def set(self, name: str, value: str) -> None:
        """Raises ValueError that names what there is."""
        if name not in CHOICES:
            raise ValueError(f"there is no setting {name!r}; there are: {', '.join(CHOICES)}")
        if value not in CHOICES[name]:
            raise ValueError(f"{name} is one of {', '.join(CHOICES[name])}; got {value!r}")
        setattr(self, name, value)

    def __str__(self) -> str:
        return "\n".join(f"{f.name}={getattr(self, f.name)}  ({' | '.join(CHOICES[f.name])})" for f in fields(self))


settings = Settings()
