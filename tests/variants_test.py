"""Names with options."""

import pytest

from hfc_tf.errors import InputError
from hfc_tf.variants import base, joined, parse, plain


@pytest.mark.parametrize(
  ("text", "name", "options"),
  [
    ("tim", "tim", {}),
    ("tim(kernel=7)", "tim", {"kernel": 7}),
    (" tim( kernel = 7 , reach=.5 )", "tim", {"kernel": 7, "reach": 0.5}),
    ("kd(form='eq20')", "kd", {"form": "eq20"}),
    ('kd(form="eq20")', "kd", {"form": "eq20"}),
    ("cw_l2(first=1e-3,kappa=-2)", "cw_l2", {"first": 0.001, "kappa": -2}),
    ("apgd(naive=true)", "apgd", {"naive": True}),
    ("x(a=1_0,b=nan,c=7.0)", "x", {"a": "1_0", "b": "nan", "c": 7.0}),
  ],
)
def test_parsing(text, name, options):
  parsed = parse(text)
  assert parsed == (name, options) == parse(plain(text))
  assert [type(value) for value in parsed[1].values()] == list(map(type, options.values()))
  assert base(text) == name and " " not in plain(text) and "'" not in plain(text)


@pytest.mark.parametrize(
  "text",
  [
    "", "()", "tim()", "tim(7)", "tim(kernel)", "tim(kernel=)", "tim(=7)", "tim(kernel=7", "tim)",
    "tim(kernel=7))", "tim(kernel=7)x", "tim(kernel=(7))", "tim(kernel=7,)", "tim(kernel==7)",
    "tim(kernel=[7])", "tim(kernel=2*3)", "tim(kernel=__import__('os'))", "tim kernel=7", "t im",
    "tim(kernel=7;8)", "tim(kernel=7,kernel=8)", "tim(kernel=7)\n(x=1)", "tim(kernel='7)",
  ],
)  # fmt: skip
def test_other_forms_are_refused_in_one_line(text):
  expected = r"expected (NAME or NAME\(option=value|each option)"
  with pytest.raises(InputError, match=expected) as caught:
    parse(text)
  assert "\n" not in str(caught.value)


def test_lists_that_were_split_in_parentheses_are_mended():
  assert joined(["bim", "tim(kernel=7", "reach=2)", "cw"]) == ["bim", "tim(kernel=7,reach=2)", "cw"]
  assert joined(["tim(kernel=7", "bim"]) == ["tim(kernel=7,bim"]
