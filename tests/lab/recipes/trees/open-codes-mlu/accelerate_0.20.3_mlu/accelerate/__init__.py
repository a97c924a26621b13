"""accelerate as far as transformers looks at it: nothing here is spread over cards."""

__version__ = "0.20.3"


def _nothing(*arguments, **named):
    raise NotImplementedError("this stand-in spreads nothing over cards")


def _none(model):
    return []  # two layers share no weights


dispatch_model = infer_auto_device_map = init_empty_weights = _nothing
