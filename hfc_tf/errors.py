"""The one error that a user's input causes."""


class InputError(ValueError):
  """One line: what was expected, what was there instead, and what to do about it."""

  def __init__(self, expected: str, found: str, remedy: str) -> None:
    line = f"expected {expected}; found {found}; {remedy}"
    super().__init__(" ".join(line.split()))
