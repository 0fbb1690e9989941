import numpy as np
import pytest
from PIL import Image

from hfc_tf import data
from hfc_tf.errors import InputError


@pytest.fixture
def folder(tmp_path):
  """Six photographs in two folders, as HAM10000's archives unpack."""
  for index in range(6):
    path = tmp_path / f"HAM10000_images_part_{1 + index % 2}" / f"ISIC_002430{index}.jpg"
    path.parent.mkdir(exist_ok=True)
    image = np.random.default_rng(index).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(image).save(path)
  return tmp_path


def table(folder, head, *rows):
  path = folder / "labels.csv"
  path.write_text("\n".join([head, *rows]), encoding="utf-8-sig")
  return path


def test_metadata_of_ham10000(folder):
  rows = (f"HAM_{n // 2},ISIC_002430{n},{('nv', 'mel')[n // 3]},histo" for n in range(6))
  path = table(folder, "lesion_id,image_id,dx,dx_type", *rows)
  dataset = data.load("folder", folder, 8, labels=path)
  assert dataset.class_names == ("mel", "nv")
  by_id = dict(zip([each.split("/")[1] for each in dataset.ids], dataset.labels, strict=True))
  assert [by_id[f"ISIC_002430{index}.jpg"] for index in range(6)] == [1, 1, 1, 0, 0, 0]
  assert dataset.grouped_by == "column lesion_id" and len(np.unique(dataset.groups)) == 3


def test_one_hot_columns_of_isic(folder):
  rows = (f"ISIC_002430{index},{1.0 - index // 3},{0.0 + index // 3},0.0" for index in range(6))
  dataset = data.load("folder", folder, 8, labels=table(folder, "image,MEL,NV,BCC", *rows))
  assert dataset.class_names == ("MEL", "NV")
  assert sorted(dataset.labels.tolist()) == [0, 0, 0, 1, 1, 1]


def test_what_the_table_leaves_out_is_counted(folder):
  rows = ("ISIC_0024300.jpg,a", "ISIC_0024301.jpg,b", "ISIC_0024302.jpg,a|b", "ISIC_0024303.jpg,b")
  dataset = data.load("folder", folder, 8, labels=table(folder, "file,label", *rows))
  assert len(dataset) == 3
  assert dataset.skipped["several labels or none in the table"] == 1
  assert dataset.skipped["not in the table of labels"] == 2


@pytest.mark.parametrize(
  ("head", "rows", "said"),
  [
    ("picture,what", ["a,b"], "a column of images .* found picture, what"),
    ("image,label", ["ISIC_0024300,a", "gone,b"], "none for 1 of 2, gone first"),
    ("image,label", ["ISIC_0024300,a", "ISIC_0024300,b"], "ISIC_0024300.jpg twice"),
    ("image,MEL,NV", ["ISIC_0024300,1,1"], "classes as columns of 0 and 1"),
    ("", [], "a column of images"),
  ],
)
def test_tables_that_do_not_fit(folder, head, rows, said):
  with pytest.raises(InputError, match=said):
    data.load("folder", folder, 8, labels=table(folder, head, *rows))
