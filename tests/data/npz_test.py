import numpy as np
import pytest

from hfc_tf import data
from hfc_tf.errors import InputError
from tests.data.small_npz import GREY, LABELS, RNG, load


@pytest.mark.parametrize(
  ("shape", "expected"),
  [
    ((6, 8, 8), (6, 8, 8, 1)),
    ((6, 8, 8, 1), (6, 8, 8, 1)),
    ((6, 8, 8, 3), (6, 8, 8, 3)),
    ((6, 8, 8, 4), (6, 8, 8, 3)),
    ((6, 5, 8, 8), (6, 5, 8, 8, 1)),
    ((6, 5, 8, 8, 1), (6, 5, 8, 8, 1)),
    ((6, 5, 8, 8, 3), (6, 5, 8, 8, 3)),
  ],
)
def test_shapes(tmp_path, shape, expected):
  images = RNG.integers(0, 256, shape, dtype=np.uint8)
  dataset = load(tmp_path, images=images)
  first = images.reshape(*expected[:-1], -1)[..., : expected[-1]]
  np.testing.assert_array_equal(dataset.pixels, first.astype(np.uint16) * 257)
  assert dataset.ids[5] == "row 5" and dataset.source == "directory" and dataset.groups is None
  assert dataset.class_names == ("class 0", "class 1")


@pytest.mark.parametrize("kind", [np.uint8, np.int64, bool, np.float32])
def test_one_hot_labels(tmp_path, kind):
  dataset = load(tmp_path, labels=np.eye(3, dtype=kind)[[0, 1, 2, 0, 1, 2]])
  assert dataset.labels.tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("order", ["<", ">"])
def test_bytes_in_either_order(tmp_path, order):
  values = RNG.integers(0, 65536, (6, 8, 8)).astype(f"{order}u2")
  np.testing.assert_array_equal(load(tmp_path, images=values).pixels[..., 0], values)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rounding_beyond_the_range_is_accepted(tmp_path, kind):
  images = (GREY / 255).astype(kind) * kind(1.0000001)
  images[0, 0, 0] = -1e-7
  exact = load(tmp_path, images=np.clip(GREY / 255, 0, 1)).pixels.astype(int)
  exact[0, 0, 0] = 0
  np.testing.assert_allclose(load(tmp_path, images=images).pixels, exact, atol=1)
  for wrong in (1.001, -0.001):
    images[0, 0, 0] = wrong
    with pytest.raises(InputError, match=rf"found .*{wrong}"):
      load(tmp_path, images=images)


@pytest.mark.parametrize("dtype", [np.uint16, np.uint8, np.bool_, np.float16, np.float32, ">f8"])
def test_dtypes_hold_the_same_picture(tmp_path, dtype):
  ones = GREY > 127
  top = {"u": np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 0, "b": 1, "f": 1}
  images = (ones * top[np.dtype(dtype).kind]).astype(dtype)
  np.testing.assert_array_equal(load(tmp_path, images=images).pixels[..., 0], ones * 65535)


@pytest.mark.parametrize(
  ("dtype", "top", "bits"),
  [(np.uint8, 255, 8), (np.bool_, 1, 8), (np.uint16, 4095, 12), (np.uint16, 4096, 14),
   (">u2", 1023, 10), (np.uint16, 16384, 16), (np.uint16, 255, 8), (np.float32, 1, 16)],
)  # fmt: skip
def test_bits(tmp_path, dtype, top, bits):
  dataset = load(tmp_path, images=(GREY / 255 * top).astype(dtype), size=5)
  assert dataset.bits == bits


def test_in_plane_resize_keeps_the_depth(tmp_path):
  dataset = load(tmp_path, 4, images=RNG.integers(0, 256, (6, 5, 8, 8), dtype=np.uint8))
  assert dataset.pixels.shape == (6, 5, 4, 4, 1)


@pytest.mark.parametrize("patient", [["a", "b", "a", "c", "d", "e"], [3, 9, 3, 1, 2, 4]])
def test_patient_groups(tmp_path, patient):
  groups = load(tmp_path, patient=np.array(patient)).groups
  assert groups[0] == groups[2] and len(set(groups)) == 5


def test_medmnist_parts_are_pooled(tmp_path):
  np.savez(
    tmp_path / "pneumoniamnist.npz",
    train_images=GREY[:3],
    train_labels=LABELS[:3, None].astype(np.uint8),
    val_images=GREY[3:4],
    val_labels=LABELS[3:4, None].astype(np.uint8),
    test_images=GREY[4:],
    test_labels=LABELS[4:, None].astype(np.uint8),
  )
  dataset = data.load("npz", tmp_path / "pneumoniamnist.npz", image_size=8)
  np.testing.assert_array_equal(dataset.pixels[..., 0], GREY.astype(np.uint16) * 257)
  assert dataset.labels.tolist() == LABELS.tolist()
  assert (dataset.name, dataset.source) == ("pneumoniamnist", "medmnist")


def test_labels_are_counted_set_by_set(tmp_path):
  sets = {"train": (4, 3), "val": (2, 3)}
  named = {f"{name}_images": GREY[:count] for name, (count, _) in sets.items()}
  named |= {f"{name}_labels": LABELS[:count, None] for name, (_, count) in sets.items()}
  np.savez(tmp_path / "d.npz", **named)
  with pytest.raises(InputError, match="4 images, 3 labels"):
    data.load("npz", tmp_path)


def test_sets_of_two_types_are_refused(tmp_path):
  both = {"train_labels": LABELS, "test_labels": LABELS, "train_images": GREY}
  np.savez(tmp_path / "d.npz", test_images=GREY / 255, **both)
  with pytest.raises(InputError, match=r"of one shape and type; found float64 .* and uint8"):
    data.load("npz", tmp_path)


def test_multi_label_is_refused(tmp_path):
  labels = np.zeros((6, 14), np.uint8)
  np.savez(tmp_path / "chestmnist.npz", train_images=GREY, train_labels=labels)
  with pytest.raises(InputError, match="one label per image; found 14"):
    data.load("npz", tmp_path)


@pytest.mark.parametrize(
  ("arrays", "message"),
  [
    ({"images": np.full((6, 8, 8), np.nan)}, "NaN or infinity"),
    ({"images": np.full((6, 8, 8), np.inf)}, "NaN or infinity"),
    ({"images": GREY.astype(np.float32)}, r"floating-point images in \[0, 1\]"),
    ({"images": GREY.astype(np.int64)}, "int64"),
    ({"images": GREY.astype(object)}, "object array"),
    ({"images": GREY[0]}, "8 images, 6 labels"),
    ({"images": np.zeros((6, 0, 8))}, r"\[6, 0, 8\]"),
    ({"images": np.zeros((6, 2, 8, 8, 5), np.uint8)}, "with C 1, 3 or 4"),
    ({"labels": np.array([0, 1, 0, 1, 0, -1])}, "from -1 to 1"),
    ({"labels": np.array([0, 1, 0, 1, 0, 10**9])}, "from 0 to 1000000000"),
    ({"labels": LABELS.astype(np.float64)}, "of integers, or one-hot; found float64"),
    ({"labels": np.zeros(6, int)}, "at least two classes"),
    ({"labels": LABELS[:5]}, "6 images, 5 labels"),
    ({"labels": np.array([None] * 6)}, "object array"),
    ({"labels": np.zeros((6, 0), int)}, "labels"),
    ({"labels": np.array(3)}, "labels"),
    ({"labels": np.array(["a", "b"] * 3)}, "of integers"),
    ({"labels": np.eye(2)[LABELS] / 2}, "one label per image; found 2"),
    ({"labels": np.ones((6, 2), int)}, "one label per image; found 2"),
    ({"images": np.uint8(3)}, "as many labels as images"),
    ({"images": GREY[:0], "labels": LABELS[:0]}, "labels"),
    ({"images": GREY.astype(complex)}, "complex128"),
    ({"patient": np.arange(5)}, "`patient`"),
    ({"patient": np.arange(6.0)}, "`patient`"),
  ],
)
def test_bad_arrays(tmp_path, arrays, message):
  with pytest.raises(InputError, match=message):
    load(tmp_path, **arrays)


def test_bad_files(tmp_path):
  with pytest.raises(InputError, match="nothing at"):
    data.load("npz", tmp_path / "gone.npz")
  (tmp_path / "a.txt").touch()
  with pytest.raises(InputError, match="found 0"):
    data.load("npz", tmp_path)
  path = tmp_path / "d.npz"
  path.write_bytes(b"\x80\x04no zip")
  with pytest.raises(InputError, match="an npz file at"):
    data.load("npz", path)
  np.savez(path, pictures=GREY)
  with pytest.raises(InputError, match="found pictures in"):
    data.load("npz", path)
  np.savez(path, images=GREY)
  with pytest.raises(InputError, match="an array `labels`"):
    data.load("npz", path)
  np.savez(path, images=GREY, labels=LABELS)
  content = bytearray(path.read_bytes())
  content[300] ^= 255  # inside the pixels: the zip's own checksum tells
  path.write_bytes(content)
  with pytest.raises(InputError, match="an intact npz file"):
    data.load("npz", path)
  np.savez(tmp_path / "second.npz", images=GREY)
  with pytest.raises(InputError, match="found 2"):
    data.load("npz", tmp_path)
