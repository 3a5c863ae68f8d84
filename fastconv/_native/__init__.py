"""The compiled part: how to compute. Its sources and their README are in ``src``."""
