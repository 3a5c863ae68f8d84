def set_costs(values: dict[str, float]) -> None:
    """Replace the costs, each in cycles of one core; all are needed."""
