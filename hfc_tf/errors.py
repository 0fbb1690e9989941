"""The one error that a user's input causes."""


class InputError(ValueError):
  """One line that says what was expected, what was found and what to do.

  Args:
    expected: what the caller should have given.
    found: what was there instead.
    remedy: what to do about it.
  """

  def __init__(self, expected: str, found: str, remedy: str) -> None:
    super().__init__(expected, found, remedy)  # from these it is made again in another process

  def __str__(self) -> str:
    return " ".join("expected {}; found {}; {}".format(*self.args).split())
