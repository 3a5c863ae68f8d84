from . import plan

class Plan(plan.Plan):
    """Direct convolution."""
