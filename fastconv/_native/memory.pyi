from collections.abc import Buffer

class Block(Buffer):
    """Writable memory of so many bytes, aligned to pages, not initialised."""

    def __init__(self, size: int) -> None: ...
