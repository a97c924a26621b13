"""peft as far as the server looks at it: it loads no adapters here."""


class PeftModel:
    """A model with an adapter, which the lab's model has not."""
