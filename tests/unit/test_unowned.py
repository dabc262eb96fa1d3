"""What a git command is told that would throw away changes of nobody."""

from __future__ import annotations

from supervisor.core.decisions.unowned import spare


def test_a_refusal_over_very_many_files_names_a_hundred_and_counts_the_rest(house, work) -> None:
    house.offer(work("a", "one"))
    house.fill()
    house.started("a")
    paths = [f"new/{number}" for number in range(80_000)]

    refusal, effects = spare(house.tables, house.session("a"), paths)
    house.take(effects)

    assert refusal.data["paths"] == paths[:100]
    assert refusal.data["count"] == 80_000
    assert "and 79997 more" in refusal.sentence
    (note,) = house.notes("write.refused")
    assert len(note.data["paths"]) == 100
