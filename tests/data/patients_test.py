import numpy as np
import pytest

from hfc_tf.data import patients
from hfc_tf.errors import InputError


@pytest.mark.parametrize(
  ("names", "same", "scheme"),
  [
    (["NORMAL/NORMAL-1003233-0001.jpeg", "NORMAL/NORMAL-1003233-0002.jpeg",
      "PNEUMONIA/BACTERIA-1008087-0001.jpeg"], [0, 0, 1], "Kermany's chest X-rays"),
    (["PNEUMONIA/person63_bacteria_306.jpeg", "PNEUMONIA/person63_virus_1.jpeg",
      "NORMAL/IM-0011-0001-0002.jpeg", "NORMAL/IM-0011-0001.jpeg",
      "NORMAL/NORMAL2-IM-0011-0001.jpeg"], [0, 0, 1, 1, 2], "Kermany's chest X-rays"),
    (["00000013_005.png", "00000013_006.png", "00000014_000.png"], [0, 0, 1],
     "NIH's chest X-rays"),
    (["CNV/CNV-1234567-1.jpeg", "CNV/CNV-1234567-2.jpeg", "DME/DME-99-1.jpeg"], [0, 0, 1],
     "Kermany's OCT"),
    (["a/sub-01/anat/sub-01_T1w.nii.gz", "a/sub-01_T2w.nii.gz", "b/sub-02_T1w.nii"], [0, 0, 1],
     "BIDS"),
    (["0/625_left.jpeg", "1/625_right.jpeg", "0/626_left.jpeg"], [0, 0, 1], "both eyes"),
    (["0/12_OD.png", "0/12_OS.png", "1/13_OD.png"], [0, 0, 1], "both eyes"),
    (["valid/patient00001/study1/view1_frontal.jpg", "valid/patient00001/study2/view1.jpg",
      "valid/patient00002/study1/view1.jpg"], [0, 0, 1], "numbered patients"),
    (["benign/SOB_B_A-14-22549AB-40-001.png", "benign/SOB_B_A-14-22549AB-100-002.png",
      "malignant/SOB_M_DC-14-2523-40-003.png"], [0, 0, 1], "BreakHis"),
  ],
)  # fmt: skip
def test_names_that_carry_the_patient(names, same, scheme):
  named, by = patients.by_name(names)
  assert by == scheme
  assert [named.index(each) for each in named] == [same.index(each) for each in same]


@pytest.mark.parametrize(
  "names",
  [
    ["a/1.png", "a/2.png", "b/3.png"], ["benign (1).png", "benign (2).png", "normal (1).png"],
    ["ISIC_0024306.jpg", "ISIC_0024307.jpg"], ["a/IMG_2019_01.png", "b/IMG_2019_02.png"],
    ["a/x1.png", "a/x2.png", "a/x3.png", "a/00000013_005.png"],  # one stray name of four
  ],
)  # fmt: skip
def test_names_that_do_not(names):
  assert patients.by_name(names) == (None, "")


def test_given_by_a_table_or_an_expression(tmp_path):
  names = ["a/p1-1.png", "a/p1-2.png", "b/p2-1.png"]
  table = tmp_path / "groups.csv"
  table.write_text("\ufefffile,group\np1-1.png,x\na/p1-2.png,x\np2-1,y\n", encoding="utf-8")
  assert patients.given(names, str(table)) == ["x", "x", "y"]
  assert patients.given(names, r"(p\d+)-") == ["p1", "p1", "p2"]
  assert patients.given(names, r"a/(p\d+)-") == ["p1", "p1", "b/p2-1.png"]
  for rule, said in (("(", "csv file or an expression"), ("p", "a group in the expression"),
                     ("(q)", "to fit the files")):  # fmt: skip
    with pytest.raises(InputError, match=said):
      patients.given(names, rule)


def test_numbers_are_compared_without_blanks_and_zeros():
  assert {patients.plain_number(each) for each in ("  007", "007", 7, "7 ")} == {"7"}
  assert patients.plain_number("000") == "0" and patients.plain_number(" P07") == "p07"


def test_copies_and_what_they_join():
  rng = np.random.default_rng(0)
  pixels = rng.integers(0, 9, (6, 4, 4, 1), dtype=np.uint16)
  pixels[3], pixels[5] = pixels[1], pixels[1]
  assert patients.copies(pixels).tolist() == [0, 1, 2, 1, 4, 1]
  assert patients.copies(np.zeros((3, 4, 4, 1), np.uint16)).tolist() == [0, 1, 2]  # blank
  same = patients.copies(pixels)
  joined = patients.joined(None, same)
  assert joined[1] == joined[3] == joined[5] and len(set(joined)) == 4
  joined = patients.joined(np.array([7, 7, 8, 8, 9, 9]), same)  # copies bind whole patients
  assert len(set(joined[[0, 1, 2, 3, 4, 5]])) == 1
  assert patients.joined(None, np.arange(6)) is None
  assert patients.joined(None, np.array([0, 0, 0, 0, 4, 5])) is None  # a placeholder
