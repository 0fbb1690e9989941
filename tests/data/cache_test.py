import numpy as np
from PIL import Image

from hfc_tf.data import cache, decode

COLOUR = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def test_memory_holds_few_images_ahead():
  begun = []
  taken = cache.in_order(lambda item: begun.append(item) or np.array(item), range(200), threads=2)
  assert [int(next(taken)) for _ in range(3)] == [0, 1, 2]
  assert len(begun) < 12
  assert [int(item) for item in taken] == list(range(3, 200))


def test_large_results_without_a_cache_lie_in_a_file(tmp_path, monkeypatch):
  Image.fromarray(COLOUR).save(tmp_path / "a.png")
  held = decode.decode_images([tmp_path / "a.png"], 8)[0]
  monkeypatch.setattr(cache, "_IN_MEMORY", 10)
  mapped = decode.decode_images([tmp_path / "a.png"], 8)[0]
  assert isinstance(mapped, np.memmap)
  np.testing.assert_array_equal(mapped, held)
