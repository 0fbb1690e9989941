"""Results made up for the rules of claims."""


def field(name, value, reach=0.02):
  ends = (None, None) if value is None else (value - reach, value + reach)
  return {name: value, **{f"{name}_{end}": e for end, e in zip(("low", "high"), ends, strict=True)}}


def row(rule, area, adv_acc=0.98, reach=0.02, **others):
  return {
    "weight_rule": rule, "detector": "kd", "attack": "bim", "n_adversarial": 90, "n_clean": 100,
    **field("adv_acc", adv_acc, 0.01), **field("auc_within_class", area, reach),
    **field("auc_within_class_two_sided", area and max(area, 1 - area), reach), **others,
  }  # fmt: skip


def rows(*members, **others):
  return {"rows": list(members), **others}


def pair(value, what, reach=0.02, **others):
  ends = {"difference": value, "low": value - reach, "high": value + reach}
  return {"what": what, "first": "paper", "n_first": 90, "n_second": 90, **ends, **others}


def classes(count):
  return {"class_names": [str(i) for i in range(count)]}


PLAIN = row(None, 0.99)
WEAK = row(None, 0.99, adv_acc=0.8)


def hidden(*areas, adv_acc=0.98, plain=PLAIN, **others):
  return rows(plain, *(row("paper", area, adv_acc, **others) for area in areas))


def kappa(area):
  return rows(*(row(rule, each, attack=attack) for attack in ("cw", "cw(kappa=0)")
                for rule, each in ((None, 0.99), ("paper", area))))  # fmt: skip


def budget(change, hfc, reach=0.02):
  ends = {"first_eps_256": 4.0, "second_eps_256": 1.0, "model": "vgg16", "hfc": hfc}
  return rows(pairs=[pair(change, "budget", reach, **ends)])


def method(change, reach=0.02, plain=PLAIN):
  made = [{**plain, "method": "none"}, row("paper", 0.6, method="hfc"),
          row("auto", 0.7, method="kde")]  # fmt: skip
  return rows(*made, pairs=[pair(change, "method", reach, second="kde")])


def components(change, covariance="full"):
  compared = [pair(change, "components", first="8", second="1")]
  return rows(pairs=compared, config={"covariance": covariance})


def substitute(change, trainings, adv_acc=0.9):
  of = {"substitute": "vgg16", "start": None}
  made = [row(None, 0.9, **of), row("paper", 0.7, adv_acc, **of)]
  return rows(*made, pairs=[pair(change, "substitute", **of)], trainings=trainings)


def layers(maha, kd):
  made = [row("paper", maha, detector="maha", layer=1), row("paper", kd, layer=1)]
  return rows({**PLAIN, "layer": 1}, *made)


def volumes_of(count, *areas):
  return {**hidden(*areas), "data": classes(count)}


def sides(results, trainings=1, **natural):
  side = {"image_size": 32, "train": 100, **classes(2)}
  network = {"name": "vgg16", "start": None}
  data = {**side, "natural": {**side, **natural}}
  return {**results, "data": data, "classifier": {**network, "natural": network},
          "trainings": trainings}  # fmt: skip


def stress(medical, natural, trainings=3, **other):
  made = [
    {"domain": domain, "ratio": ratio * (1 + 0.01 * layer), "paper": "a", "layer_number": layer,
     "direction": "up"}
    for domain, ratio in (("medical", medical), ("natural", natural)) for layer in range(5)
  ]  # fmt: skip
  for each in made[::2]:
    each["ratio"] *= 1.05
  return sides(rows(*made), trainings, **other)


def smallest(medical, natural, trainings=3, **other):
  return sides(rows(smallest_eps_256={"medical": medical, "natural": natural}), trainings, **other)


def domains(medical, natural, trainings=3, **other):
  made = [row("paper", area, domain=domain, eps_256=1.0)
          for domain, area in (("medical", medical), ("natural", natural))]  # fmt: skip
  return sides(rows(*made), trainings, **other)


def cosines(value, n=90):
  return rows({"kind": "pair", "n": n, **field("cosine", value)})


def signs(*networks):
  """Of networks, the share that keeps its sign and the number of classes."""
  gradient = {"kind": "gradient", "gradient_error": 1e-12, "n": 9}
  return rows(*({**gradient, "same_sign": share, "classes": count} for share, count in networks))


def apgd(ours, naive):
  return rows(*(row("paper", 0.6, adv_acc, attack=name, n_adversarial=round(100 * adv_acc))
                for name, adv_acc in (("apgd", ours), ("apgd(naive=true)", naive))))  # fmt: skip


def neighbours(plain, hfc, n=200):
  return rows(*({"layer_number": 3, "group": group, "neighbours": value, "n_group": n, "n_clean": n}
                for group, value in (("attack", plain), ("hfc", hfc))))  # fmt: skip


def forms(whole, flat, trainings=3):
  shares = {"volumes": whole, "slices": flat, "halved": flat}
  points = [{"form": form, "n": 90, **field("adv_acc", value)} for form, value in shares.items()]
  return rows(success=points, trainings=trainings)


def lesions(*areas, n=90):
  return rows(*({"n_lesions": n, **field("auc", area)} for area in areas))


def by_layer(*areas):
  return rows(by_layer=[{"layer": f"conv{i}", "n_lesions": 90, **field("auc", area)}
                        for i, area in enumerate(areas)])  # fmt: skip


def larger(share, n=90):
  return rows(steps=[{"first": "small", "second": "large", "n": n, **field("higher", share)}])


def starts(given, scratch, trainings=3):
  spread = [{"mean": x, "low": x - 0.05, "high": x + 0.05} for x in (given, scratch)]
  made = [{"measure": "adv_acc", "eps_256": 1.0, "weights": spread[0], "scratch": spread[1]}]
  return rows(starts=made, trainings=trainings)
