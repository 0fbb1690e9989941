"""Readers of data, each with small valid files: name -> function(folder) -> Reader."""

import dataclasses
import functools
import gzip
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import tensorflow as tf
from PIL import ExifTags, Image

from hfc_tf import data
from hfc_tf.data import splits
from tests.data import scans
from tests.fuzz.mutate import zipped

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (12, 10, 3), dtype=np.uint8)  # [H, W, C]
DEEP = RNG.integers(0, 65536, (12, 10, 3), dtype=np.uint16)
SIDE = 8  # of the images that readers are asked for


@dataclasses.dataclass
class Reader:
  """What is read, after one of its files was replaced.

  Args:
    files: (name below the folder, valid content); one of them is damaged at a time.
    read: of the folder; raises InputError, or AssertionError where it returns what is no result.
    checksums: whether damage under which they are wrong must be refused or do no harm.
    optional: whether the valid files may be refused too.
  """

  files: Sequence[tuple[str, bytes]]
  read: Callable[[Path], object]
  checksums: bool = False
  optional: bool = False


def checked(dataset):
  """What every data set keeps, however its files came about."""
  images = dataset.images(np.arange(len(dataset)))
  assert len(images) == len(dataset.ids) == len(dataset.labels) > 0
  assert np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1
  assert set(dataset.labels.tolist()) == set(range(dataset.num_classes))
  return dataset


def loads(name, place=""):
  return lambda folder: checked(data.load(name, folder / place, SIDE))


def encoded(pixels, kind, **options):
  file = io.BytesIO()
  mode = options.pop("mode", None)
  image = Image.fromarray(pixels)
  (image.convert(mode) if mode else image).save(file, kind, **options)
  return file.getvalue()


def images(suffix, *contents, checksums=False):
  """A folder of two classes; the damaged file is one of the second's."""

  def make(folder):
    for number in range(6):
      path = folder / "ab"[number % 2] / f"{number}.png"
      path.parent.mkdir(parents=True, exist_ok=True)
      path.write_bytes(encoded(np.roll(PIXELS, number), "png"))
    return Reader([(f"b/x{suffix}", content) for content in contents], loads("folder"), checksums)

  return make


def _deep_png(channels):
  return bytes(tf.io.encode_png(DEEP[..., :channels]).numpy())


def _arrays(**arrays):
  """An npz, the same bytes whenever it is made."""
  members = []
  for name, array in arrays.items():
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)
    members.append((f"{name}.npy", file.getvalue()))
  return zipped(members)


def _npz(folder):
  pixels = np.stack([np.roll(PIXELS, n) for n in range(12)])
  labels, patient = np.arange(12) % 2, np.array([f"p{n // 3}" for n in range(12)])
  unit = pixels[..., 0].astype(np.float32) / 255
  files = [
    _arrays(images=pixels, labels=labels.astype(np.uint8)),
    _arrays(images=unit, labels=labels[:, None], patient=patient),
    _arrays(images=pixels.astype(np.uint16) * 16, labels=labels),
    _arrays(images=np.repeat(unit[:, None], 5, 1), labels=labels),
  ]
  return Reader([("x.npz", file) for file in files], loads("npz", "x.npz"), True)


def _medmnist(folder):
  pixels, labels = np.stack([PIXELS] * 4), np.arange(4)[:, None] % 2
  names = ("train", "val", "test")
  arrays = dict.fromkeys([f"{name}_images" for name in names], pixels)
  arrays |= dict.fromkeys([f"{name}_labels" for name in names], labels)
  return Reader([("m.npz", _arrays(**arrays))], loads("npz", "m.npz"), True)


_CIFAR = RNG.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)


def _cifar_bin(folder):
  records = np.concatenate([np.arange(20, dtype=np.uint8)[:, None] % 10, _CIFAR.reshape(20, -1)], 1)
  records[10:].tofile(folder / "test_batch.bin")
  return Reader([("data_batch_1.bin", records[:10].tobytes())], loads("cifar10"))


def _cifar_npz(folder):
  labels = np.arange(10, dtype=np.uint8)
  arrays = {"x_train": _CIFAR[:10], "y_train": labels, "x_test": _CIFAR[10:], "y_test": labels}
  return Reader([("c.npz", _arrays(**arrays))], loads("cifar10"), True)


def _series(folder, **elements):
  """Two classes of two series; the damaged slice is the second one of the last series."""
  for name in ("a/s1", "a/s2", "b/s3", "b/s4"):
    scans.series(folder / name, PatientID=name, **elements)
  return folder / "b" / "s4" / "1.dcm"


def _dicom(folder):
  place, contents = _series(folder), []
  for syntax in ("ExplicitVRLittleEndian", "ImplicitVRLittleEndian"):
    path = scans.save(
      folder.parent / f"{syntax}.dcm", scans.PIXELS[0], -40, getattr(pydicom.uid, syntax),
      PatientID="b/s4", PatientName="A^B", WindowCenter=[40, 300], WindowWidth=[400, 1500],
      StudyDate="20200101", StudyInstanceUID="1.2.3", PixelPaddingValue=0, SliceThickness=2.5,
      PixelSpacing=[0.5, 0.5],
    )  # fmt: skip
    contents.append(path.read_bytes())
  name = place.relative_to(folder).as_posix()
  return Reader([(name, content) for content in contents], loads("volumes"))


def _dicom_packed(folder):
  place, contents = _series(folder), []
  for syntax in ("RLELossless", "DeflatedExplicitVRLittleEndian"):
    path = scans.save(folder.parent / "packed.dcm", scans.PIXELS[0], -40, PatientID="b/s4")
    dataset = pydicom.dcmread(path)
    if syntax == "RLELossless":
      dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    else:
      dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    contents.append(path.read_bytes())
  name = place.relative_to(folder).as_posix()
  return Reader([(name, content) for content in contents], loads("volumes"), optional=True)


_VOXELS = RNG.integers(-1000, 1000, (6, 10, 8), dtype=np.int16)  # [X, Y, Z]


def _nifti_file(kind, voxels):
  affine = np.diag([-0.5, -0.5, 3.0, 1.0])
  return kind(voxels, affine).to_bytes()


def _nifti(folder, packed=False):
  first = _nifti_file(nibabel.Nifti1Image, _VOXELS)
  contents = [first, _nifti_file(nibabel.Nifti2Image, _VOXELS),
              _nifti_file(nibabel.Nifti1Image, _VOXELS.astype(np.float32))]  # fmt: skip
  suffix = ".nii.gz" if packed else ".nii"
  contents = [gzip.compress(content, 1, mtime=0) if packed else content for content in contents]
  for name in ("a/1", "a/2", "b/3"):
    path = folder / f"{name}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents[0])
  return Reader([(f"b/x{suffix}", content) for content in contents], loads("volumes"), packed)


def _nifti_pair(folder):
  image = nibabel.Nifti1Pair(_VOXELS, np.diag([-0.5, -0.5, 3.0, 1.0]))
  for name in ("a/1", "a/2", "b/3", "b/4"):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(folder / f"{name}.img")
  files = [(name, (folder / name).read_bytes()) for name in ("b/4.hdr", "b/4.img")]
  return Reader(files, loads("volumes"), optional=True)


def _table(folder):
  (folder / "train_images").mkdir()
  for number in range(10):
    path = folder / "train_images" / f"{number}_left.png"
    path.write_bytes(encoded(np.roll(PIXELS, number), "png"))
  rows = "".join(f"{number}_left,{number % 5}\n" for number in range(10))
  return Reader([("train.csv", f"id_code,diagnosis\n{rows}".encode())], loads("fundus_grades"))


def _split(folder):
  dataset = images(".png")(folder).read(folder)
  drawn = splits.Split(np.arange(4), np.arange(4, 6), np.arange(2), np.array([4]), np.array([5]), 7)
  users = json.dumps({"train": dataset.ids[:4], "test": dataset.ids[4:]}).encode()

  def read(_):
    split = splits.read_manifest(folder / "split.json", dataset)
    rows = np.concatenate([split.train, split.test])
    assert len(rows) == len(set(rows.tolist())) and set(rows.tolist()) <= set(range(6))
    assert len(split.train) and len(split.test)

  return Reader([("split.json", splits.manifest(dataset, drawn)), ("split.json", users)], read)


_TURNED = Image.Exif()
_TURNED[ExifTags.Base.Orientation] = 6
READERS = {
  "jpeg": images(".jpg", encoded(PIXELS, "jpeg"), encoded(PIXELS[..., 0], "jpeg"),
                 encoded(PIXELS, "jpeg", progressive=True, exif=_TURNED)),
  "png8": images(".png", encoded(PIXELS, "png"), encoded(PIXELS[..., 0], "png"),
                 encoded(PIXELS, "png", mode="P"), encoded(PIXELS, "png", exif=_TURNED),
                 checksums=True),
  "png16": images(".png", _deep_png(1), _deep_png(3), checksums=True),
  "bmp": images(".bmp", encoded(PIXELS, "bmp"), encoded(PIXELS[..., 0], "bmp")),
  "tiff": images(".tif", encoded(PIXELS, "tiff"), encoded(DEEP[..., 0], "tiff"),
                 encoded(PIXELS[..., 0], "tiff", tiffinfo={262: 0}),  # white is zero
                 *(encoded(PIXELS, "tiff", compression=kind)
                   for kind in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits")),
                 encoded(PIXELS, "tiff", save_all=True, append_images=[Image.fromarray(PIXELS)])),
  "gif": images(".gif", encoded(PIXELS, "gif", mode="P"),
                encoded(PIXELS, "gif", mode="P", save_all=True,
                        append_images=[Image.fromarray(255 - PIXELS).convert("P")])),
  "webp": images(".webp", encoded(PIXELS, "webp"), encoded(PIXELS, "webp", lossless=True)),
  "pgm": images(".pgm", encoded(PIXELS[..., 0], "ppm"),
                b"P5 10 12 65535\n" + DEEP[..., 0].astype(">u2").tobytes(),
                b"P2 2 2 255\n1 2 3 4\n"),
  "npz": _npz, "medmnist": _medmnist, "cifar_bin": _cifar_bin, "cifar_npz": _cifar_npz,
  "dicom": _dicom, "dicom_packed": _dicom_packed,
  "nifti": _nifti, "nifti_gz": functools.partial(_nifti, packed=True), "nifti_pair": _nifti_pair,
  "table": _table, "split": _split,
}  # fmt: skip
