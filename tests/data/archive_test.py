import contextlib
import io
import zipfile

import numpy as np
import pytest

from hfc_tf import data
from hfc_tf.data import archive, arrays
from hfc_tf.errors import InputError
from hfc_tf.study.config import Config
from tests.data.small_npz import GREY, LABELS, RNG, load


@pytest.mark.parametrize(
  ("shape", "expected"),
  [
    ((6, 1, 8, 9), (6, 8, 9, 1)),
    ((6, 3, 8, 9), (6, 8, 9, 3)),
    ((6, 1, 5, 8, 9), (6, 5, 8, 9, 1)),
    ((6, 3, 5, 8, 9), (6, 5, 8, 9, 3)),
  ],
)
def test_channels_first(tmp_path, monkeypatch, shape, expected):
  warnings = []
  monkeypatch.setattr(arrays.logging, "warning", lambda text, *args: warnings.append(text % args))
  images = RNG.integers(0, 256, shape, dtype=np.uint8)
  _, arranged, axes = archive.layout(shape, "")
  assert arranged(images).shape == expected
  np.testing.assert_array_equal(arranged(images), np.moveaxis(images, 1, -1))
  pixels = load(tmp_path, images=images[..., :8]).pixels
  np.testing.assert_array_equal(pixels, np.moveaxis(images, 1, -1)[..., :8, :] * np.uint16(257))
  assert len(warnings) == 1 and f"{list(shape[:-1])[:-1]}"[:-1] in warnings[0]
  assert axes in warnings[0]


@pytest.mark.parametrize("shape", [(6, 2, 8, 8), (6, 4, 8, 8), (6, 8, 8, 2), (6, 2, 5, 8, 8)])
def test_axes_that_may_be_channels_or_slices_are_refused(tmp_path, shape):
  with pytest.raises(InputError, match="with C 1, 3 or 4"):
    load(tmp_path, images=np.zeros(shape, np.uint8))


def test_depth_is_of_volumes(tmp_path):
  volumes = RNG.integers(0, 256, (6, 5, 8, 8), dtype=np.uint8)
  np.savez(tmp_path / "d.npz", images=volumes, labels=LABELS)
  assert data.load("npz", tmp_path, 4).pixels.shape == (6, 5, 4, 4, 1)
  assert data.load("npz", tmp_path, 4, depth=3).pixels.shape == (6, 3, 4, 4, 1)
  np.savez(tmp_path / "d.npz", images=volumes[:, :3], labels=LABELS)  # three slices, no colours
  assert data.load("npz", tmp_path, 4, depth=3).pixels.shape == (6, 3, 4, 4, 1)
  for images in (GREY, np.repeat(GREY[..., None], 3, -1)):
    np.savez(tmp_path / "d.npz", images=images, labels=LABELS)
    with pytest.raises(InputError, match=r"for --depth; found \[N, H, W"):
      data.load("npz", tmp_path, 4, depth=3)


@pytest.mark.parametrize(
  ("shape", "model"),
  [((6, 5, 8, 8), "resnet18_3d"), ((6, 1, 5, 8, 8), "resnet18_3d"), ((6, 8, 8), "resnet50"),
   ((6, 3, 8, 8), "resnet50")],
)  # fmt: skip
def test_the_default_network_has_as_many_dimensions(tmp_path, shape, model):
  for names in ({"images": "images", "labels": "labels"},
                {"images": "train_images", "labels": "train_labels"}):  # fmt: skip
    path = tmp_path / f"{names['images']}.npz"
    np.savez(path, **{names["images"]: np.zeros(shape, np.uint8), names["labels"]: LABELS})
    assert Config(dataset="npz", data_dir=str(path)).resolved().model == model


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_rows_are_read_in_blocks(tmp_path, monkeypatch, order, save):
  monkeypatch.setattr(archive, "_BLOCK", 200)  # three images
  images = RNG.integers(0, 65536, (20, 8, 8, 3), dtype=np.uint16)
  save(tmp_path / "d.npz", images=np.asarray(images, order=order), labels=np.arange(20) % 2)
  drawn = data.load("npz", tmp_path, 8, num_images=7, cache_dir=tmp_path / "cache")
  rows = [int(name.removeprefix("row ")) for name in drawn.ids]
  assert len(rows) == 7
  np.testing.assert_array_equal(drawn.pixels, images[rows])
  np.testing.assert_array_equal(drawn.labels, np.array(rows) % 2)
  again = data.load("npz", tmp_path, 8, num_images=7, cache_dir=tmp_path / "cache")
  np.testing.assert_array_equal(again.pixels, drawn.pixels)
  assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_any_damage_in_any_row_is_one_line(tmp_path, dtype):
  path = tmp_path / "d.npz"
  np.savez(path, images=GREY.astype(dtype) / dtype(1), labels=LABELS)
  content = path.read_bytes()
  for place in RNG.integers(0, len(content), 60).tolist():
    damaged = bytearray(content)
    damaged[place] ^= 255
    path.write_bytes(damaged)
    with contextlib.suppress(InputError):  # a time stamp may be any
      data.load("npz", path, 8, num_images=2)


def test_zip_bomb_is_refused_unread(tmp_path, monkeypatch):
  np.savez_compressed(tmp_path / "d.npz", images=np.zeros((6, 200, 200)), labels=LABELS)
  monkeypatch.setattr(archive, "MAX_BYTES", 10**6)
  with pytest.raises(InputError, match="unpacked"):
    data.load("npz", tmp_path)


def test_a_header_that_declares_more_than_the_file_holds(tmp_path):
  header = io.BytesIO()
  np.lib.format.write_array_header_1_0(
    header, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 10**6)}
  )
  with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
    archive.writestr("images.npy", header.getvalue())
    archive.writestr("labels.npy", header.getvalue())
  with pytest.raises(InputError, match="declared in"):
    data.load("npz", tmp_path)
