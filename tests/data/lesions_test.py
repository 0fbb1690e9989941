import numpy as np
import pytest

from hfc_tf.data import lesions
from hfc_tf.errors import InputError

SIDE = 64


def bodies(count=5, channels=1, side=SIDE):
  """A bright disc off the centre on black, with some texture."""
  y, x = np.mgrid[:side, :side] / side
  disc = np.hypot(x - 0.55, y - 0.5) < 0.35
  noise = np.random.default_rng(0).uniform(0.3, 0.5, (count, side, side, channels))
  return (noise * disc[..., None]).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", lesions.SIZES)
def test_changes_lie_in_the_boxes_and_each_box_is_tight(size, channels):
  images = bodies(channels=channels)
  before = images.copy()
  drawn, boxes = lesions.add_lesions(images, size, 3, seed=0)
  np.testing.assert_array_equal(images, before)
  assert drawn.dtype == np.float32 and drawn.shape == images.shape
  assert drawn.min() >= 0 and drawn.max() <= 1
  assert boxes.dtype == np.int32 and boxes.shape == (5, 3, 4)
  for old, new, around in zip(images, drawn, boxes, strict=True):
    changed = (new != old).any(-1)
    inside = np.zeros_like(changed)
    for top, left, bottom, right in around:
      inside[top:bottom, left:right] = True
      crop = changed[top:bottom, left:right]
      assert crop[0].any() and crop[-1].any() and crop[:, 0].any() and crop[:, -1].any()
    assert not changed[~inside].any()


def test_draws_depend_on_seed_id_and_number_alone():
  images = np.repeat(bodies(1), 4, axis=0)
  ids = ["a", "b", "c", "d"]
  drawn, boxes = lesions.add_lesions(images, "small", 3, 7, ids)
  again, boxes_again = lesions.add_lesions(images[::-1], "small", 3, 7, ids[::-1])
  np.testing.assert_array_equal(again[::-1], drawn)
  np.testing.assert_array_equal(boxes_again[::-1], boxes)
  _, fewer = lesions.add_lesions(images, "small", 2, 7, ids)
  np.testing.assert_array_equal(fewer, boxes[:, :2])
  many = np.concatenate([np.repeat(images, 9, axis=0), images])  # in another chunk
  names = [*map(str, range(36)), *ids]
  np.testing.assert_array_equal(lesions.add_lesions(many, "small", 3, 7, names)[0][36:], drawn)
  assert len({image.tobytes() for image in drawn}) == 4
  other, _ = lesions.add_lesions(images, "small", 3, 8, ids)
  assert (other != drawn).any(axis=(1, 2, 3)).all()


def test_a_single_lesion_is_one_piece_of_about_its_size():
  from scipy import ndimage

  images = np.full((40, 128, 128, 1), 0.4, np.float32)
  for size, fraction in lesions.SIZES.items():
    drawn, boxes = lesions.add_lesions(images, size, 1, seed=1)
    added = (drawn - images)[..., 0]
    pieces = [ndimage.label(image > 0.3 * image.max(), np.ones((3, 3)))[1] for image in added]
    assert np.mean(np.array(pieces) == 1) > 0.6
    # The blurred edge widens what is left of the diameter at a third of the height only a little.
    area = (added > 0.02).sum(axis=(1, 2))
    diameter = np.sqrt(area * 4 / np.pi).mean() / 128
    assert 0.8 * fraction < diameter < 1.6 * fraction
    extent = (boxes[..., 2:] - boxes[..., :2]).max() / 128
    assert extent < 2.5 * fraction + 4 / 128


def test_larger_sizes_and_counts_change_more():
  images = bodies(20)
  changed = {
    (size, count): (lesions.add_lesions(images, size, count, 0)[0] != images).mean()
    for size in lesions.SIZES
    for count in (1, 3, 6)
  }
  for size in lesions.SIZES:
    assert changed[size, 1] < changed[size, 3] < changed[size, 6]
  for count in (1, 3, 6):
    sizes = [changed[size, count] for size in lesions.SIZES]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("size", ["tiny", "small", "medium"])
def test_lesions_lie_in_the_body(size):
  images = bodies(20)
  _, boxes = lesions.add_lesions(images, size, 4, 0)
  centres = (boxes[..., :2] + boxes[..., 2:]) / 2 / SIDE  # [N, count, (y, x)]
  away = np.hypot(centres[..., 1] - 0.55, centres[..., 0] - 0.5)
  assert away.max() < 0.37
  assert away.std() > 0.05  # and not in one place


def test_foreground_is_the_body():
  body = lesions.foreground(bodies(1))[0]
  y, x = np.mgrid[:SIDE, :SIDE] / SIDE
  away = np.hypot(x - 0.55, y - 0.5)
  assert body[away < 0.34].all() and not body[away > 0.41].any()


def test_black_images_get_lesions_too():
  drawn, _ = lesions.add_lesions(np.zeros((2, 32, 32, 3), np.float32), "medium", 2, 0)
  assert (drawn > 0).any(axis=(1, 2, 3)).all()


def test_textures_and_shapes_differ():
  images = np.full((30, 64, 64, 1), 0.3, np.float32)
  drawn, boxes = lesions.add_lesions(images, "large", 1, 0)
  peaks = (drawn - images).max(axis=(1, 2, 3))
  assert peaks.min() < 0.3 and peaks.max() > 0.4 and peaks.max() <= 0.5 + 1e-6
  rows, columns = (boxes[:, 0, 2:] - boxes[:, 0, :2]).T
  assert np.std(rows / columns) > 0.1


@pytest.mark.parametrize(
  ("wrong", "said"),
  [
    ({"size": "huge"}, "tiny, small, medium, large"),
    ({"count": 0}, "1 to 6"),
    ({"count": 7}, "1 to 6"),
    ({"seed": -1}, "seed"),
    ({"ids": ["a"]}, "5 ids; found 1"),
    ({"images": np.zeros((2, 8, 64, 64, 1), np.float32)}, "slice volumes"),
    ({"images": np.full((2, 32, 32, 1), 1.5, np.float32)}, r"in \[0, 1\]"),
    ({"images": np.full((2, 32, 32, 1), np.nan, np.float32)}, "NaN"),
  ],
)
def test_bad_arguments(wrong, said):
  with pytest.raises(InputError, match=said):
    lesions.add_lesions(**({"images": bodies(), "size": "tiny", "count": 1, "seed": 0} | wrong))


def test_lesions_from_the_command_line():
  assert lesions.parse(["small:2", "large:1"]) == [("small", 2), ("large", 1)]
  for wrong in ("small", "huge:1", "small:0", "small:7", "small:x"):
    with pytest.raises(InputError, match="size:number"):
      lesions.parse([wrong])
