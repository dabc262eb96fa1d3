"""Whether a session is confined to folders of its own, and the rules that its harness puts itself under."""

from __future__ import annotations

from workers.session.command import Unrunnable, confine_refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.session.spec import Spec


def rules_of(spec: Spec) -> int | None:
    """Return a descriptor of the session's rules; `None` for a session that is not confined.

    Raises:
        Unrunnable: it is to be confined, and cannot be.
    """
    if spec.confine is None:
        return None
    from workers.guard.landlock import rules  # a session that is not confined pays nothing

    try:
        return rules(spec.confine)
    except OSError as error:
        raise Unrunnable(confine_refused(error.errno or 0, error.filename)) from None
