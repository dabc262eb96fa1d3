"""Which section of the model a key of the file belongs to."""

from __future__ import annotations

from pydantic import BaseModel

from supervisor.world.config.faults import Where
from supervisor.world.config.models import Settings


def section_around(where: Where) -> type[BaseModel]:
    """Return the model of the section that holds the key at `where`."""
    model: type[BaseModel] = Settings
    for part in where[:-1]:
        field = model.model_fields.get(str(part))
        if field is None:
            continue  # a name chosen by the user, or a number in a list
        inside = (field.annotation, *getattr(field.annotation, "__args__", ()))
        model = next((a for a in inside if isinstance(a, type) and issubclass(a, BaseModel)), model)
    return model
