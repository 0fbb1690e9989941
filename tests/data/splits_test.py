import json

import numpy as np
import pytest

from hfc_tf.data import splits
from hfc_tf.data.dataset import Dataset
from hfc_tf.errors import InputError


def _dataset(counts=(270, 730), groups=None, name="toy"):
  labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
  size = len(labels)
  return Dataset(
    name=name,
    source="directory",
    pixels=np.zeros((size, 1, 1, 1), np.uint16),
    labels=labels.astype(np.int32),
    ids=[f"train/{index}.png" for index in range(size)],
    groups=groups,
    class_names=tuple(f"c{label}" for label in range(len(counts))),
  )


def _grouped():
  # Patients with one class each, as in the chest set: 1 to 9 images apiece.
  dataset = _dataset()
  rng = np.random.default_rng(2)
  groups = np.zeros(1000, np.int64)
  for label in (0, 1):
    members = np.flatnonzero(dataset.labels == label)
    groups[members] = 1000 * label + np.sort(rng.integers(0, len(members) // 5, len(members)))
  dataset.groups = groups
  return dataset


def test_80_20_stratified_and_seeded():
  dataset = _dataset()
  train, test = splits.train_test(dataset, seed=0)
  assert len(test) == 200 and np.bincount(dataset.labels[test]).tolist() == [54, 146]
  np.testing.assert_array_equal(np.union1d(train, test), np.arange(1000))
  assert not np.intersect1d(train, test).size
  np.testing.assert_array_equal(test, splits.train_test(dataset, seed=0)[1])
  assert set(test) != set(splits.train_test(dataset, seed=1)[1])


def test_groups_never_straddle():
  dataset = _grouped()
  train, test = splits.train_test(dataset, seed=0)
  rest, held_out = splits.validation(dataset, train, seed=0)
  adv_train, adv_test = splits.adversarial(dataset, test[::2], seed=0)
  for first, second in ((train, test), (rest, held_out), (adv_train, adv_test)):
    assert splits.straddling_groups(dataset, first, second) == 0
  assert abs(len(test) - 200) <= 10
  assert abs(np.mean(dataset.labels[test]) - 0.73) < 0.03
  assert abs(len(held_out) - len(train) / 10) <= 10
  np.testing.assert_array_equal(np.union1d(rest, held_out), train)
  assert abs(len(adv_test) - 30) <= 6
  np.testing.assert_array_equal(np.union1d(adv_train, adv_test), test[::2])


def test_straddling_groups_are_counted():
  dataset = _grouped()
  halves = np.arange(500), np.arange(500, 1000)
  shared = set(dataset.groups[:500].tolist()) & set(dataset.groups[500:].tolist())
  assert splits.straddling_groups(dataset, *halves) == len(shared) > 0
  assert splits.straddling_groups(_dataset(), *halves) == 0


def test_70_30_and_its_limits():
  dataset = _dataset()
  correct = np.arange(0, 1000, 5)
  adv_train, adv_test = splits.adversarial(dataset, correct, seed=0)
  assert (len(adv_train), len(adv_test)) == (140, 60)
  few_train, few_test = splits.adversarial(dataset, correct, 0, max_adv_train=50, max_adv_test=999)
  assert len(few_train) == 50 and set(few_train) < set(adv_train)
  np.testing.assert_array_equal(few_test, adv_test)
  share = np.mean(dataset.labels[adv_train])
  assert abs(np.mean(dataset.labels[few_train]) - share) < 0.03


def test_a_class_of_too_few_images_or_groups_is_in_neither_part():
  dataset = _dataset((60, 60, 9))
  adv_train, adv_test = splits.adversarial(dataset, np.arange(129), seed=0)
  for rows in (adv_train, adv_test):
    assert set(dataset.labels[rows].tolist()) == {0, 1}
  assert len(adv_train) + len(adv_test) == 120
  dataset = _dataset((60, 60, 40))
  dataset.groups = np.where(dataset.labels == 2, 0, np.arange(1, 161))  # one patient
  for rows in splits.adversarial(dataset, np.arange(160), seed=0):
    assert set(dataset.labels[rows].tolist()) == {0, 1}


def test_too_few_images_or_groups():
  with pytest.raises(InputError, match=r"at least 5 images of every class .* found 4 of class c0"):
    splits.train_test(_dataset((4, 50)), seed=0)
  with pytest.raises(InputError, match=r"at least 10 images .* AdvTrain and AdvTest; found 0"):
    splits.adversarial(_dataset(), np.zeros(0, np.int64), seed=0)
  with pytest.raises(InputError, match="found 50 of class c0, 9 of class c1"):
    splits.adversarial(_dataset((50, 9)), np.arange(59), seed=0)
  dataset = _dataset((50, 50))
  dataset.groups = np.where(dataset.labels == 0, 0, np.arange(1, 101))
  with pytest.raises(InputError, match=r"2 patients of every class .* found 1 of class c0"):
    splits.train_test(dataset, seed=0)
  with pytest.raises(InputError, match="fraction"):
    splits.validation(_dataset(), np.arange(1000), seed=0, fraction=0.9)


def test_manifest_round_trip(tmp_path):
  dataset = _grouped()
  train, test = splits.train_test(dataset, seed=3)
  adv_train, adv_test = splits.adversarial(dataset, test, seed=3)
  split = splits.Split(train, test, adv_train=adv_train, adv_test=adv_test, seed=3)
  path = tmp_path / "new" / "split.json"
  splits.write_manifest(path, dataset, split)
  assert [entry.name for entry in path.parent.iterdir()] == ["split.json"]
  again = splits.read_manifest(path, dataset)
  for subset in splits.SUBSETS:
    np.testing.assert_array_equal(getattr(again, subset), getattr(split, subset))
  assert again.seed == 3
  with pytest.raises(InputError, match="dataset other; found toy"):
    splits.read_manifest(path, _dataset(name="other"))
  with pytest.raises(InputError, match="num_classes 3; found 2"):
    splits.read_manifest(path, _dataset((400, 300, 300)))


def test_a_users_list(tmp_path):
  path = tmp_path / "split.json"
  lists = {"train": ["train/3.png", "xray/train/1.png"], "test": ["train/2.png"]}
  path.write_text(json.dumps({"root": "xray", "seed": 0} | lists))
  split = splits.read_manifest(path, _dataset())
  assert split.train.tolist() == [1, 3] and split.test.tolist() == [2]
  assert split.adv_test.size == 0


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("{", "json with lists"),
    ("[1]", "`train` that is no list of strings"),
    ('{"train": []}', "different images in `train` of .* found none"),
    ('{"train": "train/1.png", "test": []}', "no list of strings"),
    ('{"train": [1], "test": ["train/1.png"]}', "no list of strings"),
    ('{"train": ["train/0.png"], "test": []}', "`test` of .* found none"),
    ('{"train": ["train/0.png", "x", "y"], "test": ["train/1.png"]}', "found 2 that .* x first"),
    ('{"train": ["train/0.png", "train/0.png"], "test": ["train/1.png"]}', "1 twice"),
    (
      '{"train": ["train/0.png"], "test": ["train/1.png", "train/0.png"]}',
      r"`train` and `test` apart .* found 1 images in both, train/0\.png first",
    ),
  ],
)
def test_bad_manifests(tmp_path, text, message):
  (tmp_path / "split.json").write_text(text)
  with pytest.raises(InputError, match=message):
    splits.read_manifest(tmp_path / "split.json", _dataset())


def test_manifest_places(tmp_path):
  with pytest.raises(InputError, match="No such file"):
    splits.read_manifest(tmp_path / "gone.json", _dataset())
  (tmp_path / "file").touch()
  split = splits.Split(np.array([0]), np.array([1]))
  with pytest.raises(InputError, match="can be written"):
    splits.write_manifest(tmp_path / "file" / "split.json", _dataset(), split)


@pytest.mark.parametrize("patients", [3, 4, 6, 8, 14, 40])
def test_few_patients_are_split_or_refused_in_one_line(patients, caplog):
  """Patients of both classes: folds are counted by patients, not by images."""
  dataset = _dataset((160, 160), groups=np.arange(320) % patients)
  train, test = splits.train_test(dataset, seed=0)
  adv_train, adv_test = splits.adversarial(dataset, train, seed=0)
  for first, second in ((train, test), (adv_train, adv_test)):
    assert len(first) >= len(second) > 0
    assert splits.straddling_groups(dataset, first, second) == 0
  assert (f"{patients} patients, the largest with" in caplog.text) == (patients < 5)
  one = _dataset((160, 160), groups=np.zeros(320, np.int64))
  with pytest.raises(InputError, match="at least 2 patients of every class"):
    splits.train_test(one, seed=0)


def test_two_patients_a_class_are_enough():
  dataset = _dataset((60, 60))
  dataset.groups = 2 * dataset.labels + np.arange(120) % 2
  train, test = splits.train_test(dataset, seed=0)
  assert splits.straddling_groups(dataset, train, test) == 0
  assert len(np.unique(dataset.groups[test])) == 2
  rest, held = splits.validation(dataset, train, seed=0)  # one patient a class is left in Train
  assert set(dataset.labels[rest]) == set(dataset.labels[held]) == {0, 1}


def test_a_patient_of_most_images_is_no_fifth_of_them():
  groups = np.r_[np.zeros(400, int), np.arange(1, 101)]
  labels = (np.arange(500) % 2).astype(np.int32)
  dataset = Dataset("x", "directory", np.zeros((500, 1, 1, 1), np.uint16), labels,
                    list(map(str, range(500))), groups, ("a", "b"))  # fmt: skip
  for seed in range(5):
    assert 0.15 < len(splits.train_test(dataset, seed)[1]) / 500 < 0.25


def test_no_size_decides_where_a_patient_goes():
  sizes = np.repeat([1, 2, 4, 8], 30)
  groups = np.repeat(np.arange(120), sizes)
  labels = (groups % 2).astype(np.int32)
  dataset = Dataset("x", "directory", np.zeros((len(groups), 1, 1, 1), np.uint16), labels,
                    list(map(str, range(len(groups)))), groups, ("a", "b"))  # fmt: skip
  tested = np.zeros(120)
  for seed in range(100):
    tested[np.unique(groups[splits.train_test(dataset, seed)[1]])] += 1
  # Of 30 patients in 100 seeds a fifth, within four standard errors of a binomial share.
  for size in (1, 2, 4, 8):
    assert abs(tested[sizes == size].mean() / 100 - 0.2) < 4 * (0.16 / 3000) ** 0.5, size


@pytest.mark.parametrize(
  "text",
  [
    '["train/0.png", "train/1.png"]', "train/0.png\ntrain/1.png\n",
    '{"train": ["train/0.png", "train/1.png"]}', '\ufeff{"train": ["train/0.png", "train/1.png"]}',
  ],
)  # fmt: skip
def test_the_images_of_training_suffice(tmp_path, text):
  (tmp_path / "s").write_text(text, encoding="utf-8")
  split = splits.read_manifest(tmp_path / "s", _dataset())
  assert split.train.tolist() == [0, 1] and split.test.tolist() == list(range(2, 1000))


def test_attacked_images_outside_of_test_join_it(tmp_path, caplog):
  given = {"train": ["train/0.png"], "test": ["train/1.png"], "adv_test": ["train/2.png"]}
  (tmp_path / "s").write_text(json.dumps(given))
  assert splits.read_manifest(tmp_path / "s", _dataset()).test.tolist() == [1, 2]
  assert "1 attacked images join `test`" in caplog.text
