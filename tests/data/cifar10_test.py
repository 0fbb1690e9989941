import numpy as np
import pytest

from hfc_tf import data
from hfc_tf.errors import InputError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(30, dtype=np.uint8) % 10


def _npz(path, **changes):
  arrays = {
    "x_train": IMAGES[:20],
    "y_train": LABELS[:20, None],
    "x_test": IMAGES[20:],
    "y_test": LABELS[20:],
  }
  np.savez(path, **(arrays | changes))


def _binary(folder):
  folder.mkdir(parents=True)
  planes = IMAGES.transpose(0, 3, 1, 2).reshape(30, -1)
  records = np.concatenate([LABELS[:, None], planes], axis=1)
  records[:20].tofile(folder / "data_batch_1.bin")
  records[20:].tofile(folder / "test_batch.bin")


def _check(dataset):
  np.testing.assert_array_equal(dataset.pixels, IMAGES.astype(np.uint16) * 257)
  np.testing.assert_array_equal(dataset.labels, LABELS)
  assert dataset.class_names[0] == "airplane" and dataset.class_names[9] == "truck"
  assert dataset.ids[29] == "row 29"


def test_npz_and_binary_agree(tmp_path):
  _npz(tmp_path / "any.npz")
  _binary(tmp_path / "binary")
  _binary(tmp_path / "outer" / "cifar-10-batches-bin")
  for place in ("", "any.npz", "binary", "outer"):
    _check(data.load("cifar10", tmp_path / place, image_size=32))


def test_the_pickled_version_is_refused(tmp_path):
  (tmp_path / "data_batch_1").write_bytes(b"\x80\x02")
  with pytest.raises(InputError, match="the pickled version is not read"):
    data.load("cifar10", tmp_path)


@pytest.mark.parametrize(
  "changes",
  [
    {"y_train": np.full(20, 10)},
    {"y_train": np.full(20, -1)},
    {"y_test": LABELS[20:].astype(np.float32)},
    {"y_test": LABELS[:9]},
    {"x_train": IMAGES[:20, :16]},
    {"x_test": IMAGES[20:].astype(object)},
  ],
)
def test_bad_arrays(tmp_path, changes):
  _npz(tmp_path / "bad.npz", **changes)
  with pytest.raises(InputError):
    data.load("cifar10", tmp_path, image_size=32)


def test_truncated_binary(tmp_path):
  _binary(tmp_path / "b")
  path = tmp_path / "b" / "test_batch.bin"
  path.write_bytes(path.read_bytes()[:-1])
  with pytest.raises(InputError, match=r"records of 3073 bytes.*test_batch\.bin"):
    data.load("cifar10", tmp_path / "b")


def test_one_binary_file(tmp_path):
  _binary(tmp_path / "b")
  dataset = data.load("cifar10", tmp_path / "b" / "data_batch_1.bin", image_size=32)
  np.testing.assert_array_equal(dataset.pixels, IMAGES[:20].astype(np.uint16) * 257)


def test_channels_first_npz(tmp_path):
  first = IMAGES.transpose(0, 3, 1, 2)
  _npz(tmp_path / "any.npz", x_train=first[:20], x_test=first[20:])
  _check(data.load("cifar10", tmp_path, image_size=32))


def test_what_is_no_batch_is_one_line(tmp_path):
  pickled, folder = tmp_path / "data_batch_1", tmp_path / "f"
  pickled.write_bytes(b"\x80\x02")
  with pytest.raises(InputError, match=r"the pickled version is not read.*fetch the binary"):
    data.load("cifar10", pickled)
  (folder / "data_batch_1.bin").mkdir(parents=True)
  with pytest.raises(InputError, match=r"data_batch_1\.bin"):
    data.load("cifar10", folder)
  _npz(tmp_path / "none.npz", **{f"{k}_{n}": (IMAGES if k == "x" else LABELS)[:0]
                                 for k in "xy" for n in ("train", "test")})  # fmt: skip
  with pytest.raises(InputError, match="labels"):
    data.load("cifar10", tmp_path / "none.npz")
