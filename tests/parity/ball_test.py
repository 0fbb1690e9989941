"""BIM, PGD, MIM, TIM and DI pixel by pixel beside torchattacks and Foolbox."""

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks import BIM, DI, FGSM, MIM, PGD, TIM
from hfc_tf.attacks.draws import uniform
from tests.attacks.worlds import differing
from tests.parity.twins import (
  EPS,
  STEPS,
  from_torch,
  keras_twin,
  subjects,
  to_torch,
  torch_twin,
)

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity
TIES = 0.01  # share of pixels: a sign that two frameworks' rounding decides, and what follows it
ALPHA = EPS / 5
SETTINGS = {"eps": EPS, "step_size": ALPHA, "steps": STEPS, "targeted": False}


def _peer(kind, images, classes, targeted=False, **settings):
  torchattacks = pytest.importorskip("torchattacks")
  attack = getattr(torchattacks, kind)(torch_twin(), eps=EPS, **settings)
  if targeted:
    attack.set_mode_targeted_by_label(quiet=True)
  return from_torch(attack(to_torch(images), to_torch(classes)))


def test_the_twins_agree():
  images, _ = subjects()
  logits = torch_twin()(to_torch(images)).detach().numpy()
  np.testing.assert_allclose(logits, keras_twin()[1].taps(images).logits, atol=1e-4)


@pytest.mark.parametrize("targeted", [False, True])
def test_bim(targeted):
  images, labels = subjects()
  classes = (labels + 1) % 4 if targeted else labels
  ours = BIM(keras_twin()[1], **{**SETTINGS, "targeted": targeted})(images, classes)
  theirs = _peer("BIM", images, classes, targeted, alpha=ALPHA, steps=STEPS)
  assert differing(ours, theirs) < TIES


def test_fgsm():
  images, labels = subjects()
  ours = FGSM(keras_twin()[1], eps=EPS, targeted=False)(images, labels)
  assert differing(ours, _peer("FGSM", images, labels)) < TIES


def test_mim():
  images, labels = subjects()
  ours = MIM(keras_twin()[1], **SETTINGS)(images, labels)
  theirs = _peer("MIFGSM", images, labels, alpha=ALPHA, steps=STEPS, decay=1.0)
  assert differing(ours, theirs) < TIES


@pytest.mark.parametrize("kernel", [15, 7])
def test_tim(kernel):
  images, labels = subjects()
  ours = TIM(keras_twin()[1], kernel=kernel, **SETTINGS)(images, labels)
  settings = {"alpha": ALPHA, "steps": STEPS, "len_kernel": kernel, "diversity_prob": 0.0}
  assert differing(ours, _peer("TIFGSM", images, labels, **settings)) < TIES


def test_di_from_the_same_draws(monkeypatch):
  images, labels = subjects()
  images, labels = images[:1], labels[:1]
  ours = DI(keras_twin()[1], seed=3, **SETTINGS)(images, labels, ids=[11])
  chances, numbers = [], []
  for step in range(STEPS):
    change, shrink, down, right = uniform(
      tf.constant([11]), 4, tf.constant(3), tf.constant(step)
    ).numpy()[0]
    size = 14 + int(shrink * 2)
    numbers += [size, int(down * (17 - size)), int(right * (17 - size))]
    chances.append(float(change))
  assert 0 < np.mean(np.array(chances) < 0.5) < 1
  numbers, chances = iter(numbers), iter(chances)
  monkeypatch.setattr(torch, "randint", lambda **_: torch.tensor([next(numbers)]))
  monkeypatch.setattr(torch, "rand", lambda _: torch.tensor([next(chances)]))
  theirs = _peer("DIFGSM", images, labels, alpha=ALPHA, steps=STEPS)
  assert differing(ours, theirs) < TIES
  assert next(chances, None) is None


def test_pgd_from_the_same_start():
  foolbox = pytest.importorskip("foolbox")
  eagerpy = pytest.importorskip("eagerpy")
  images, labels = subjects()
  attack = PGD(keras_twin()[1], **SETTINGS)
  ours = attack(images, labels)
  ids = tf.range(len(images))
  start = attack.ball.random_start(tf.constant(images), EPS, ids, tf.constant(0)).numpy()
  peer = foolbox.attacks.LinfPGD(abs_stepsize=ALPHA, steps=STEPS)
  peer.get_random_start = lambda *_: eagerpy.astensor(to_torch(start))
  model = foolbox.PyTorchModel(torch_twin(), bounds=(0, 1))
  theirs, _, _ = peer(model, to_torch(images), to_torch(labels), epsilons=EPS)
  assert differing(ours, from_torch(theirs)) < TIES
