"""The one error that a user's input causes."""


class InputError(ValueError):
  """One line: what was expected, what was there instead, and what to do about it."""

  def __init__(self, expected: str, actual: str, remedy: str) -> None:
    super().__init__(expected, actual, remedy)  # from these it is made again in another process

  def __str__(self) -> str:
    return " ".join("expected {}; found {}; {}".format(*self.args).split())
