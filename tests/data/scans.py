"""Small scans as files."""

from collections import Counter

import nibabel
import numpy as np
import pydicom

from hfc_tf.data import dicom, slices

SERIES = pydicom.uid.generate_uid(entropy_srcs=["series"])
PIXELS = np.random.default_rng(0).integers(0, 4096, (5, 4, 6), dtype=np.uint16)  # [D, H, W]


def save(path, pixels, position=None, syntax=pydicom.uid.ExplicitVRLittleEndian, **elements):
  """One CT slice at `position` (mm along z); `elements` replace the usual ones, None removes."""
  dataset = pydicom.Dataset()
  dataset.file_meta = pydicom.dataset.FileMetaDataset()
  dataset.file_meta.TransferSyntaxUID = syntax
  dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
  dataset.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=[str(path)])
  usual = {
    "SOPClassUID": pydicom.uid.CTImageStorage,
    "SOPInstanceUID": dataset.file_meta.MediaStorageSOPInstanceUID,
    "SeriesInstanceUID": SERIES,
    "Modality": "CT",
    "PatientID": "p1",
    "Rows": pixels.shape[0],
    "Columns": pixels.shape[1],
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "BitsAllocated": 16,
    "BitsStored": 16,
    "HighBit": 15,
    "PixelRepresentation": int(pixels.dtype.kind == "i"),
    "RescaleSlope": 1,
    "RescaleIntercept": -1024,
  }
  if position is not None:
    usual["ImagePositionPatient"] = [-100, -120, position]
    usual["ImageOrientationPatient"] = [1, 0, 0, 0, 1, 0]
  for name, value in (usual | elements).items():
    if value is not None:
      setattr(dataset, name, value)
  dataset.PixelData = pixels.tobytes()
  dataset["PixelData"].VR = "OW"
  path.parent.mkdir(parents=True, exist_ok=True)
  dataset.save_as(path, enforce_file_format=True)
  return path


def series(folder, order=(3, 0, 4, 1, 2), **elements):
  """Files named in another order than their slices lie in."""
  for name, index in enumerate(order):
    save(folder / f"{name}.dcm", PIXELS[index], position=2.5 * index - 40, **elements)
  return folder


def look(path):
  """The DICOM volume in a folder or in one file."""
  return dicom.look(dicom.slices(path) if path.is_dir() else slices.slices(path, Counter()))


LPS = np.diag([-0.5, -0.5, 3.0, 1])  # columns to the patient's left, rows to the back


def nifti(path, array):
  """A NIfTI file of `array` [D, H, W], slices from the feet to the head."""
  path.parent.mkdir(parents=True, exist_ok=True)
  nibabel.Nifti1Image(np.asarray(array).T, LPS).to_filename(path)
