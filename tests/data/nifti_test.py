import gzip
import tracemalloc

import numpy as np
import pytest

from hfc_tf.data import files, nifti, volume
from hfc_tf.errors import InputError

nibabel = pytest.importorskip("nibabel")

RNG = np.random.default_rng(0)
LPS = np.diag([-0.5, -0.5, 3.0, 1])  # columns to the patient's left, rows to the back
STORED = RNG.integers(-1000, 2000, (5, 4, 3)).astype(np.int16)  # [X, Y, Z]


def save(path, array=STORED, affine=LPS, slope=None, intercept=0.0, kind=nibabel.Nifti1Image):
  image = kind(array, affine)
  if slope is not None:
    image.header.set_slope_inter(slope, intercept)
  image.to_filename(path)
  if slope is not None and not path.name.endswith(".gz"):
    content = bytearray(path.read_bytes())  # nibabel rescales what it writes: put back the raw
    start = int(nibabel.load(path).dataobj.offset)
    content[start:] = array.tobytes(order="F")
    content[112:120] = np.array([slope, intercept], "<f4").tobytes()
    path.write_bytes(content)
  return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, ">i2", np.int32, np.float32, np.float64])
def test_what_nibabel_writes_reads_back_equal(tmp_path, name, kind, dtype):
  array = (STORED % 200).astype(dtype)
  image = kind(array, LPS)
  image.header.set_data_dtype(dtype)
  image.to_filename(tmp_path / name.lower())
  (tmp_path / name.lower()).rename(tmp_path / name)
  scan = nifti.look(tmp_path / name)
  assert scan.shape == (3, 4, 5) and scan.hounsfield is None
  values = scan.read()
  assert values.dtype == np.float32
  np.testing.assert_array_equal(values, array.astype(np.float32).T)  # [Z, Y, X]


def test_slope_and_intercept_are_applied(tmp_path):
  path = save(tmp_path / "a.nii", slope=2.0, intercept=-1024.0)
  values = nifti.look(path).read()
  np.testing.assert_array_equal(values, 2 * STORED.T.astype(np.float32) - 1024)
  np.testing.assert_allclose(values, nibabel.load(path).get_fdata().T)


@pytest.mark.parametrize("axes", ["RAS", "LAS", "PIR", "SLA"])
def test_all_orientations_show_the_same_patient(tmp_path, axes):
  image = nibabel.Nifti1Image(STORED, LPS)
  ornt = nibabel.orientations
  turn = ornt.ornt_transform(ornt.axcodes2ornt("LPS"), ornt.axcodes2ornt(axes))
  image.as_reoriented(turn).to_filename(tmp_path / "a.nii")
  assert "".join(nibabel.aff2axcodes(nibabel.load(tmp_path / "a.nii").affine)) == axes
  scan = nifti.look(tmp_path / "a.nii")
  assert scan.shape == (3, 4, 5)
  np.testing.assert_array_equal(scan.read(), STORED.T)


def test_one_volume_in_four_axes(tmp_path):
  path = save(tmp_path / "a.nii", STORED[..., None])
  assert nifti.look(path).read().shape == (3, 4, 5)
  with pytest.raises(InputError, match=r"one volume in a file; found \[5, 4, 3, 2\]"):
    nifti.look(save(tmp_path / "b.nii", np.stack([STORED, STORED], -1)))


def test_extensions_are_skipped(tmp_path):
  image = nibabel.Nifti1Image(STORED, LPS)
  image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"x" * 1000))
  image.to_filename(tmp_path / "a.nii.gz")
  np.testing.assert_array_equal(nifti.look(tmp_path / "a.nii.gz").read(), STORED.T)


def hostile(path, offset, values):
  content = bytearray(path.read_bytes())
  content[offset : offset + values.nbytes] = values.tobytes()
  path.write_bytes(content)
  return path


@pytest.mark.parametrize(
  ("offset", "values", "said"),
  [
    (40, np.array([3, 32767, 32767, 32767], "<i2"), r"at most 2\*\*27"),
    (40, np.array([3, 5, -4, 3], "<i2"), "three axes"),
    (40, np.array([2, 5, 4, 1], "<i2"), "three axes"),
    (40, np.array([7] * 8, "<i2"), "one volume in a file"),
    (70, np.array([128], "<i2"), "plain numbers"),  # RGB
    (70, np.array([1792], "<i2"), "plain numbers"),  # complex
    (70, np.array([7777], "<i2"), "a readable NIfTI"),
    (108, np.array([1e9], "<f4"), "begin at byte"),
    (108, np.array([-352], "<f4"), "begin at byte"),
    (112, np.array([1, np.inf], "<f4"), "a readable NIfTI"),
    (112, np.array([1e38, 0], "<f4"), "finite voxels"),
    (254, np.array([1], "<i2"), "a readable NIfTI"),  # an affine of zeros
    (344, np.frombuffer(b"ni1\0", "u1"), "no NIfTI of one file"),
    (0, np.frombuffer(b"\x80\x04]q.", "u1"), "a readable NIfTI"),
  ],
)
def test_hostile_headers_are_one_line_with_the_name(tmp_path, offset, values, said):
  path = hostile(save(tmp_path / "bad.nii"), offset, values)
  if offset == 254:
    hostile(path, 252, np.array([0, 1], "<i2"))
    hostile(path, 280, np.zeros(12, "<f4"))
  with pytest.raises(InputError, match=said) as error:
    nifti.look(path).read()
  assert "\n" not in str(error.value) and "bad.nii" in str(error.value)


@pytest.mark.parametrize("name", ["cut.nii", "cut.nii.gz"])
@pytest.mark.parametrize("end", [0, 3, 100, -7])
def test_truncated_files(tmp_path, name, end):
  path = save(tmp_path / name)
  path.write_bytes(path.read_bytes()[:end])
  with pytest.raises(InputError, match=r"a readable NIfTI .*cut\.nii") as error:
    nifti.look(path).read()
  assert "\n" not in str(error.value)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
  plain = save(tmp_path / "a.nii").read_bytes()
  path = tmp_path / "bomb.nii.gz"
  path.write_bytes(gzip.compress(plain + bytes(2**27)))
  tracemalloc.start()
  with pytest.raises(InputError, match=r"bomb\.nii\.gz: more than its header says"):
    nifti.look(path).read()
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert peak < 2**24


def test_gzip_of_several_members_and_a_little_more(tmp_path):
  plain = save(tmp_path / "a.nii").read_bytes() + bytes(100)
  path = tmp_path / "b.nii.gz"
  path.write_bytes(b"".join(gzip.compress(plain[at : at + 50]) for at in range(0, 600, 50)))
  np.testing.assert_array_equal(nifti.look(path).read(), STORED.T)


def test_no_flipped_bit_changes_a_packed_volume_unseen(tmp_path):
  content = save(tmp_path / "a.nii.gz").read_bytes()
  path, refused = tmp_path / "b.nii.gz", 0
  for bit in np.random.default_rng(0).choice(8 * len(content), 100, replace=False):
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    try:
      np.testing.assert_array_equal(nifti.look(path).read(), STORED.T)
    except InputError as error:
      assert "\n" not in str(error)
      refused += 1
  assert refused > 85  # the rest are in gzip's own header, which says when and where


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_pairs_of_header_and_voxels(tmp_path, suffix):
  nibabel.Nifti1Pair(STORED, LPS).to_filename(tmp_path / f"a.img{suffix}")
  header = next(tmp_path.glob("a.hdr*"))
  assert nifti.files(header) == [header, tmp_path / f"a.img{suffix}"]
  assert nifti.files(tmp_path / f"a.img{suffix}") == []
  np.testing.assert_array_equal(nifti.look(header).read(), STORED.T)
  (tmp_path / f"a.img{suffix}").unlink()
  with pytest.raises(InputError, match=r"a\.hdr.*: no \.img beside it"):
    nifti.look(header)


def test_sform_and_qform(tmp_path, caplog):
  for sform, qform, axes, said in (
    (1, 0, "LPS", None), (0, 1, "RAS", None), (1, 1, "LPS", "sform says LPS, qform RAS"),
    (0, 0, "LAS", "neither sform nor qform"),
  ):  # fmt: skip
    image = nibabel.Nifti1Image(STORED, None)
    image.header.set_zooms((0.5, 0.5, 3))
    image.header.set_sform(LPS, sform)
    image.header.set_qform(np.diag([0.5, 0.5, 3, 1]), qform)
    path = tmp_path / f"{sform}{qform}.nii"
    image.to_filename(path)
    caplog.clear()
    turned = STORED[:: 1 if axes[0] == "L" else -1, :: 1 if axes[1] == "P" else -1]
    np.testing.assert_array_equal(nifti.look(path).read(), turned.T)
    assert said in caplog.text if said else not caplog.text


def test_a_bomb_with_a_large_header_is_refused_unread(tmp_path, monkeypatch):
  monkeypatch.setattr(volume, "MAX_VOXELS", 59)
  with pytest.raises(InputError, match=r"found 60 in .*a\.nii"):
    nifti.look(save(tmp_path / "a.nii.gz"))


def test_a_long_and_thin_volume_is_refused_unread(tmp_path):
  path = hostile(save(tmp_path / "a.nii", kind=nibabel.Nifti2Image), 16,
                 np.array([3, 1, 1, 2**27], "<i8"))  # fmt: skip
  with pytest.raises(InputError, match=r"sides of at most 32768 voxels; found .* in .*a\.nii"):
    nifti.look(path)


def test_nan_is_padding_and_infinity_is_refused(tmp_path):
  array = STORED.astype(np.float32)
  array[1, 2, 0] = np.nan
  np.testing.assert_array_equal(nifti.look(save(tmp_path / "a.nii", array)).read(), array.T)
  array[1, 2, 0] = -np.inf
  with pytest.raises(InputError, match=r"finite voxels; found infinity in .*a\.nii"):
    nifti.look(save(tmp_path / "a.nii", array)).read()


def test_a_missing_package_is_one_line(tmp_path):
  with pytest.raises(InputError, match=r"package nowhere.*hfc_tf\[volumes\]"):
    files.package("nowhere.inside", "volumes")
