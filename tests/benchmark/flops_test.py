import keras

from benchmarks.flops import Convolution, convolutions, step_flops
from hfc_tf.models import resnet50
from tests.networks import tiny


def test_against_a_count_by_hand():
  # 8 x 8 x 3 through 3 x 3 to 6 channels: 6 x 6 places; on to 10 channels: 4 x 4 places.
  forward = 2 * 36 * 9 * 3 * 6 + 2 * 16 * 9 * 6 * 10
  assert step_flops(tiny()) == 2 * forward


def test_equal_convolutions_are_counted_together():
  images = keras.Input((10, 12, 4))
  x = keras.layers.Conv2D(4, 3, padding="same", name="one")(images)
  x = keras.layers.Conv2D(4, 3, padding="same", name="two")(x)
  x = keras.layers.Conv2D(5, 1, 2, name="three")(x)
  model = keras.Model(images, keras.layers.GlobalAveragePooling2D()(x))
  assert convolutions(model) == {
    Convolution((10, 12), (10, 12), (3, 3, 4, 4), 1, "SAME"): 2,
    Convolution((10, 12), (5, 6), (1, 1, 4, 5), 2, "VALID"): 1,
  }


def test_resnet50_has_the_published_size():
  # He et al., CVPR 2016, Table 1: 3.8e9 multiply-adds at 224 px, the head's 2e6 among them.
  model = resnet50((224, 224, 3), 2)
  assert 3.7e9 < step_flops(model) / 4 < 3.9e9
  assert sum(convolutions(model).values()) == 53
