from hfc_tf.experiments import common
from tests.experiments import shared


def test_blocks_end_where_names_change():
  names = ["conv1_relu", "conv2_block1_1_relu", "conv2_block3_out", "conv3_block1_out",
           "conv3_block4_out"]  # fmt: skip
  assert common.block_ends(names) == ["conv1_relu", "conv2_block3_out", "conv3_block4_out"]
  assert common.block_ends(["stem_relu", "stage1_block1_1_relu", "stage1_block2_2_relu"]) == [
    "stem_relu", "stage1_block2_2_relu",
  ]  # fmt: skip
  many = [f"activation_{i}" for i in range(49)]
  assert common.block_ends(many) == [many[i - 1] for i in (10, 22, 40, 49)]


def test_studies_hide_whatever_they_are_told():
  study, attack = common.hfc_study(shared.config(attacks=("pgd", "bim")))
  assert study.config.hfc and attack == "pgd" and study.config.steps == 4
