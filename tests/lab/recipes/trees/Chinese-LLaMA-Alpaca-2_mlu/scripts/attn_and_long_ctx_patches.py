"""What a server applies before it loads the model; the lab's model needs none of it."""


def apply_ntk_scaling_patch(alpha: str) -> None:
    """Change nothing: the lab's texts are short."""
