"""What routing wants to know of turns, and may change: the tier they were of, and their model."""

from wai_ops.state.live import LiveState


def set_turn_tier(live: LiveState, affinity_key: str, turn_index: int, tier: str) -> None:
    """Note of which risk tier a turn is. Call in `write()`."""
    live.execute(
        "update turn set risk_tier = ? where affinity_key = ? and turn_index = ?",
        (tier, affinity_key, turn_index),
    )


def set_turn_model(live: LiveState, affinity_key: str, turn_index: int, model: str) -> None:
    """Note that a turn goes to another model than it began with. Call in `write()`."""
    live.execute(
        "update turn set model = ? where affinity_key = ? and turn_index = ?",
        (model, affinity_key, turn_index),
    )


def tiers_on_model(live: LiveState, affinity_key: str, model: str) -> frozenset[str]:
    """The tiers of the turns that a conversation has had on a model; empty: not known."""
    rows = live.execute(
        "select distinct risk_tier from turn "
        "where affinity_key = ? and model = ? and risk_tier is not null",
        (affinity_key, model),
    ).fetchall()
    return frozenset(tier for (tier,) in rows)
